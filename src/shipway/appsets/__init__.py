"""ApplicationSets: Applications made by generators, kept up to date, and never deleted by accident.

asks.py          what is asked of the outside: folders and files of repositories, filled templates
generators/      from a generator to sets of parameters: list, clusters, git, matrix, merge, and selectors on all of them
evaluation.py    from a set to the Applications that it wants; what failed and what is not known yet is said with it
plan.py          what to create, alter and delete of what is there; the tombstones before a deletion
status.py        conditions and rows as users of Argo CD know them
factory/         observe, decide, controller of one ApplicationSet
"""
