"""The order in which objects are applied: phase, wave, kind, name; and prunes the other way round (gitops-engine/pkg/sync).

A Namespace is pulled ahead of the first object that lives in it and a CRD ahead of the first object of its kind: they take
over that object's phase and wave.
"""

from typing import Literal

from shipway.gitops.annotations import HELM_HOOK, HELM_HOOK_WEIGHT, HOOK, SYNC_WAVE, comma_list
from shipway.kube.objects.resource import Obj, ref_of
from shipway.kube.objects.views import annotations_of

Phase = Literal["PreSync", "Sync", "PostSync", "SyncFail"]
PHASES: tuple[Phase, ...] = ("PreSync", "Sync", "PostSync", "SyncFail")

# fmt: off
_KINDS = (
    "Namespace", "NetworkPolicy", "ResourceQuota", "LimitRange", "PodSecurityPolicy", "PodDisruptionBudget",
    "ServiceAccount", "Secret", "SecretList", "ConfigMap", "StorageClass", "PersistentVolume", "PersistentVolumeClaim",
    "CustomResourceDefinition", "ClusterRole", "ClusterRoleList", "ClusterRoleBinding", "ClusterRoleBindingList", "Role",
    "RoleList", "RoleBinding", "RoleBindingList", "Service", "DaemonSet", "Pod", "ReplicationController", "ReplicaSet",
    "Deployment", "HorizontalPodAutoscaler", "StatefulSet", "Job", "CronJob", "IngressClass", "Ingress", "APIService",
)
# fmt: on
_RANK = {kind: rank for rank, kind in enumerate(_KINDS)}

_HELM_TYPES = {
    "pre-install": "PreSync",
    "pre-upgrade": "PreSync",
    "post-install": "PostSync",
    "post-upgrade": "PostSync",
    "pre-delete": "PreDelete",
    "post-delete": "PostDelete",
}
_HELM_DROPPED = frozenset({"pre-rollback", "post-rollback", "test", "test-success", "test-failure"})
DELETION_HOOKS = frozenset({"PreDelete", "PostDelete"})


def kind_rank(kind: str) -> int:
    """Kinds that are not in the list come after all that are."""
    return _RANK.get(kind, len(_KINDS))


def wave_of(obj: Obj) -> int:
    """The sync-wave annotation, else Helm's hook weight, else 0. A wave that is no number counts as 0."""
    annotations = annotations_of(obj)
    for key in (SYNC_WAVE, HELM_HOOK_WEIGHT):
        text = annotations.get(key)
        if text:
            try:
                return int(text)
            except ValueError:
                continue
    return 0


def hook_types(obj: Obj) -> tuple[str, ...]:
    """What the hook annotations say, Helm's translated; empty for an ordinary object.

    Any Argo CD hook annotation cancels Helm's. `crd-install` is an ordinary object. Types that never run in a sync
    (rollback and test hooks, and the deletion hooks) are kept under their own name.
    """
    annotations = annotations_of(obj)
    if HOOK in annotations:
        return comma_list(annotations, HOOK)
    helm = [kind for kind in comma_list(annotations, HELM_HOOK) if kind != "crd-install"]
    return tuple(dict.fromkeys(_HELM_TYPES.get(kind, kind) for kind in helm))


def is_hook(obj: Obj) -> bool:
    return bool(hook_types(obj))


def is_skipped(obj: Obj) -> bool:
    """Never applied by a sync: `Skip` alone, and hooks that only run on rollback, test or deletion."""
    types = hook_types(obj)
    return bool(types) and all(kind == "Skip" or kind in _HELM_DROPPED or kind in DELETION_HOOKS for kind in types)


def phases_of(obj: Obj) -> tuple[Phase, ...]:
    """The phases in which `obj` is applied; Sync for an ordinary object."""
    types = hook_types(obj)
    if not types:
        return ("Sync",)
    return tuple(phase for phase in PHASES if phase in types)


def unknown_hook_types(obj: Obj) -> tuple[str, ...]:
    known = {*PHASES, "Skip", *_HELM_DROPPED, *DELETION_HOOKS}
    return tuple(kind for kind in hook_types(obj) if kind not in known)


def delete_policies(obj: Obj) -> tuple[str, ...]:
    """HookSucceeded, HookFailed, BeforeHookCreation (the default)."""
    annotations = annotations_of(obj)
    policies = comma_list(annotations, "argocd.argoproj.io/hook-delete-policy")
    helm = {"hook-succeeded": "HookSucceeded", "hook-failed": "HookFailed", "before-hook-creation": "BeforeHookCreation"}
    policies = policies or tuple(
        helm[policy] for policy in comma_list(annotations, "helm.sh/hook-delete-policy") if policy in helm
    )
    return policies or ("BeforeHookCreation",)


def defines(crd: Obj, obj: Obj) -> bool:
    """Whether `crd` is the definition of `obj`'s kind."""
    spec = crd.get("spec") or {}
    ref = ref_of(obj)
    return crd.get("kind") == "CustomResourceDefinition" and (spec.get("group"), (spec.get("names") or {}).get("kind")) == (
        ref.group,
        ref.kind,
    )


def must_precede(first: Obj, obj: Obj) -> bool:
    """Whether `first` is the Namespace that `obj` lives in or the CRD of its kind."""
    if first.get("kind") == "Namespace" and first.get("apiVersion") == "v1":
        return ref_of(obj).namespace == ref_of(first).name
    return defines(first, obj)
