"""Annotations, labels and finalizers that the engine reads or writes."""

RESOURCES_FINALIZER = "resources-finalizer.argocd.argoproj.io"
ORPHAN = "orphan"
"""The garbage collector's own finalizer: on a set that is deleted without what it owns."""
REFRESH_SET = "argocd.argoproj.io/application-set-refresh"
REFRESH = "argocd.argoproj.io/refresh"
HYDRATE = "argocd.argoproj.io/hydrate"

FIELD_MANAGER = "shipway-appsets"

GENERATED = "shipway.dev/generated"
"""On a generated Application: a digest that earlier releases wrote there, and that is taken away."""
TOMBSTONE = "shipway.dev/tombstone"
"""On a generated Application that no generator wants any more: since when. It goes when a later look says the same."""
EVALUATED = "shipway.dev/evaluated"
"""On an ApplicationSet: the generation that was last carried out, a digest of what its generators saw then, and under which
keys its Applications were given labels, annotations and finalizers."""
