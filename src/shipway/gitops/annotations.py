"""The annotations, labels and finalizers of Argo CD that are contract, and our own."""

from collections.abc import Mapping

TRACKING_ID = "argocd.argoproj.io/tracking-id"
SYNC_WAVE = "argocd.argoproj.io/sync-wave"
HOOK = "argocd.argoproj.io/hook"
HOOK_DELETE_POLICY = "argocd.argoproj.io/hook-delete-policy"
SYNC_OPTIONS = "argocd.argoproj.io/sync-options"
COMPARE_OPTIONS = "argocd.argoproj.io/compare-options"
IGNORE_HEALTHCHECK = "argocd.argoproj.io/ignore-healthcheck"
REFRESH = "argocd.argoproj.io/refresh"
HYDRATE = "argocd.argoproj.io/hydrate"
SKIP_RECONCILE = "argocd.argoproj.io/skip-reconcile"
DELETION_APPROVED = "argocd.argoproj.io/deletion-approved"
MIGRATION_MANAGER = "argocd.argoproj.io/client-side-apply-migration-manager"
LINK = "link.argocd.argoproj.io/"
IGNORE_DEFAULT_LINKS = "argocd.argoproj.io/ignore-default-links"
HELM_HOOK = "helm.sh/hook"
HELM_HOOK_WEIGHT = "helm.sh/hook-weight"
HELM_HOOK_DELETE_POLICY = "helm.sh/hook-delete-policy"
HELM_RESOURCE_POLICY = "helm.sh/resource-policy"

APPLIED = "shipway.dev/applied"
"""On every object we applied: the keyed hash of what we applied."""
OPERATION = "shipway.dev/operation"
"""On hooks: which sync operation created them."""
KINDS = "shipway.dev/kinds"
"""On an Application: every kind it was ever about to apply, so that no crash makes it forget an object of its own."""
HOLD = "shipway.dev/hold"
"""On an Application: the earlier deployment it is to stay at, until when, by whom and why (`hold.Hold` as JSON)."""
DEPENDS_ON = "shipway.dev/depends-on"
"""On an Application: the Applications that have to be ready before it is synced (`dependencies`)."""
CHANGE_RIGHTS = "shipway.dev/change-rights"
"""On an AppProject: who has to have written or approved what is synced (`change_rights`)."""
REFRESHING = "shipway.dev/refreshing-since"
"""On an Application whose refresh was asked for: when we passed the question on."""

RESOURCES_FINALIZER = "resources-finalizer.argocd.argoproj.io"
PRE_DELETE_FINALIZER = "pre-delete-finalizer.argocd.argoproj.io"
POST_DELETE_FINALIZER = "post-delete-finalizer.argocd.argoproj.io"
HOOK_FINALIZER = "argocd.argoproj.io/hook-finalizer"


def comma_list(annotations: Mapping[str, str], key: str) -> tuple[str, ...]:
    """The trimmed parts of a comma-separated annotation; empty when it is not there."""
    return tuple(part.strip() for part in (annotations.get(key) or "").split(",") if part.strip())
