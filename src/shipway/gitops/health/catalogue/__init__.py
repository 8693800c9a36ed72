"""Health of what widely used operators bring: one line a kind, by the meaning that Argo CD's users know.

`rule_for(group, kind)` finds a kind's rule, else that of a whole family (`*.crossplane.io`). What a team says in its
`argocd-cm` comes before this, and Kubernetes' own kinds are in `builtin`.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase

from shipway.gitops.health.catalogue import clouds, data, delivery, machines, platform, serving, trust
from shipway.gitops.health.rules import Rule

GroupKind = tuple[str, str]

KINDS: Mapping[GroupKind, Rule] = {
    **trust.KINDS,
    **delivery.KINDS,
    **data.KINDS,
    **serving.KINDS,
    **machines.KINDS,
    **platform.KINDS,
}

FAMILIES: Mapping[str, Rule] = clouds.FAMILIES
"""Group patterns: every kind of such a group."""


def rule_for(group: str, kind: str) -> Rule | None:
    """The rule of a kind, None where the catalogue knows none."""
    rule = KINDS.get((group, kind))
    if rule is not None or not group:
        return rule
    return next((rule for pattern, rule in FAMILIES.items() if fnmatchcase(group, pattern)), None)
