"""CEL rules of custom resources (`x-kubernetes-validations`): compiled when a CRD is stored, asked when an object is.

`compiled` turns a schema into a tree that has nodes only where rules are, so kinds without rules pay nothing; `judge` walks an
object along that tree; `language` is the one room that knows the CEL library, `functions` what Kubernetes adds to the language.
"""
