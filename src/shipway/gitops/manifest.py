"""A live object as a manifest for Git: what somebody wants, without what a server or a controller added on its own.

Applied over the object that it was made of it changes nothing; applied to an empty cluster it makes the like. Defaults that the
server filled in stay in it: they are what runs, and nothing tells them from what somebody wrote.
"""

from collections.abc import Iterable

from shipway.gitops.annotations import APPLIED, OPERATION, TRACKING_ID
from shipway.gitops.quiet import TRACKING_LABEL
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, copy_obj, dig, labels_of, name_of, namespace_of

_ANNOTATIONS = (
    APPLIED,
    OPERATION,
    TRACKING_ID,
    "kubectl.kubernetes.io/last-applied-configuration",
    "deployment.kubernetes.io/",
    "deprecated.daemonset.template.generation",
    "meta.helm.sh/",
    "pv.kubernetes.io/",
    "volume.beta.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/",
    "batch.kubernetes.io/job-tracking",
)
"""Of the server, of controllers and of whoever managed it before; what ends in a slash is a prefix."""
_OF_JOBS = ("controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name")


def manifest_of(live: Obj, namespace: str = "") -> Obj:
    """The manifest. `namespace`: where the Application goes to, which a manifest need not say."""
    obj = copy_obj(live)
    obj.pop("status", None)
    meta: Obj = {"name": name_of(live)}
    if namespace_of(live) not in ("", namespace):
        meta["namespace"] = namespace_of(live)
    if labels := _without(labels_of(live), (TRACKING_LABEL, *(_OF_JOBS if live["kind"] == "Job" else ()))):
        meta["labels"] = labels
    if annotations := _without(annotations_of(live), _ANNOTATIONS):
        meta["annotations"] = annotations
    made = {"apiVersion": obj.pop("apiVersion"), "kind": obj.pop("kind"), "metadata": meta}
    obj.pop("metadata")
    _drop_what_was_allotted(made["kind"], obj)
    return {**made, **obj}


def _drop_what_was_allotted(kind: str, obj: Obj) -> None:
    """From the body of an object that is ours to change."""
    spec: Obj = obj.get("spec") or {}
    if kind == "Service" and "None" not in (spec.get("clusterIP"), *(spec.get("clusterIPs") or ())):
        _drop(spec, ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "healthCheckNodePort"))
    elif kind == "PersistentVolumeClaim":
        _drop(spec, ("volumeName",))
    elif kind == "Pod":
        _drop(spec, ("nodeName",))
    elif kind == "Job" and not spec.get("manualSelector"):
        _drop(spec, ("selector",))
        _drop(dig(spec, "template", "metadata", "labels", default={}), _OF_JOBS)
    for template in (spec.get("template"), dig(spec, "jobTemplate"), dig(spec, "jobTemplate", "spec", "template")):
        if isinstance(template, dict) and dig(template, "metadata", "creationTimestamp") is None:
            _drop(dig(template, "metadata", default={}), ("creationTimestamp",))


def _drop(fields: Obj, names: Iterable[str]) -> None:
    for name in names:
        fields.pop(name, None)


def _without(fields: dict[str, str], names: tuple[str, ...]) -> dict[str, str]:
    prefixes = tuple(name for name in names if name.endswith("/"))
    return {key: value for key, value in fields.items() if key not in names and not key.startswith(prefixes)}
