"""What happens to an object of a kind on its way into the store, beyond defaults: the parts that need the server.

`prepare_new` runs once, when an object is created; `carry_over` decides which parts of a write count: metadata that belongs to
the server, status on the main endpoint and everything else on `/status` are taken from the live object.
"""

from collections.abc import Callable, Mapping

from shipway.base.clock import rfc3339
from shipway.kube.objects.resource import Obj
from shipway.localcluster.apiserver import crds
from shipway.localcluster.apiserver.backend import Backend
from shipway.localcluster.apiserver.defaults.pods import admit_pod, qos_class, readmit_pod
from shipway.localcluster.apiserver.problems import invalid
from shipway.localcluster.apiserver.registry import Kind

KEEPS_STATUS = {("", "Node")}
"""Kinds whose status may come with the object."""
_RESETS_LABELS = {("apps", "Deployment")}
"""Kinds whose labels may not be changed through `/status`."""
_SERVERS_OWN = (
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "resourceVersion",
    "selfLink",
)


def strip_status(kind: Kind, obj: Obj) -> Obj:
    """A new object without the status that a client may not set."""
    if not kind.has_status or kind.group_kind in KEEPS_STATUS:
        return obj
    return {key: value for key, value in obj.items() if key != "status"}


def prepare_new(backend: Backend, kind: Kind, obj: Obj) -> None:
    """Completes a new object in place. Raises Refused(422) when something it asks for is taken."""
    if (hook := _ON_CREATE.get(kind.group_kind)) is not None:
        hook(backend, obj)


def prepare_changed(backend: Backend, kind: Kind, live: Obj, obj: Obj) -> None:
    """Completes a changed object in place. Raises Refused(422)."""
    if kind.group_kind == ("", "Service"):
        _service(backend, obj, live)
    if kind.group_kind == ("", "Pod"):
        readmit_pod(obj["spec"])
    if kind.group_kind == ("apps", "DaemonSet"):
        _daemon_set(obj, live)
    if kind.group_kind == crds.CRD:
        crds.establish(backend, obj)


def _service(backend: Backend, obj: Obj, live: Obj | None = None) -> None:
    if problems := backend.addresses.assign(obj, live):
        kind = backend.registry.of_kind("", "Service")
        assert kind is not None
        raise invalid(kind.named(obj["metadata"].get("name", "")), problems)


def _pod(backend: Backend, obj: Obj) -> None:
    admit_pod(obj["spec"])
    obj["status"] = {"phase": "Pending", "qosClass": qos_class(obj["spec"])}


def _namespace(backend: Backend, obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    if "kubernetes" not in (spec.get("finalizers") or []):
        spec["finalizers"] = [*(spec.get("finalizers") or []), "kubernetes"]


def _protected(finalizer: str) -> Callable[[Backend, Obj], None]:
    def protect(backend: Backend, obj: Obj) -> None:
        metadata = obj["metadata"]
        if finalizer not in (metadata.get("finalizers") or []):
            metadata["finalizers"] = [*(metadata.get("finalizers") or []), finalizer]

    return protect


def _claim(backend: Backend, obj: Obj) -> None:
    _protected("kubernetes.io/pvc-protection")(backend, obj)
    spec = obj["spec"]
    if spec.get("dataSource") and not spec.get("dataSourceRef"):
        spec["dataSourceRef"] = dict(spec["dataSource"])


def _job(backend: Backend, obj: Obj) -> None:
    """A Job finds its pods by its own uid, unless it brings a selector and says so."""
    spec, uid = obj["spec"], obj["metadata"]["uid"]
    if spec.get("manualSelector"):
        return
    template, name = spec["template"].setdefault("metadata", {}), obj["metadata"]["name"]
    prefix = "batch.kubernetes.io/"
    generated = {f"{prefix}controller-uid": uid, f"{prefix}job-name": name, "controller-uid": uid, "job-name": name}
    if obj["metadata"].get("labels") and obj["metadata"]["labels"] == template.get("labels"):
        obj["metadata"]["labels"] = {**obj["metadata"]["labels"], **generated}
    template["labels"] = {**(template.get("labels") or {}), **generated}
    spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}


def _crd(backend: Backend, obj: Obj) -> None:
    if obj["spec"].get("group") and obj["spec"].get("versions") and obj["spec"]["names"].get("kind"):
        crds.establish(backend, obj)


def _volume(backend: Backend, obj: Obj) -> None:
    _protected("kubernetes.io/pv-protection")(backend, obj)
    obj["status"] = {"phase": "Pending", "lastPhaseTransitionTime": rfc3339(backend.clock.now())}


_GENERATION = "deprecated.daemonset.template.generation"


def _daemon_set(obj: Obj, live: Obj) -> None:
    """Counts changes of the template, as old controllers want it."""
    before = (live["metadata"].get("annotations") or {}).get(_GENERATION, "1")
    changed = live["spec"].get("template") != obj["spec"].get("template")
    count = int(before) + int(changed) if before.isdigit() else 1
    obj["metadata"]["annotations"] = {**(obj["metadata"].get("annotations") or {}), _GENERATION: str(count)}


_ON_CREATE: Mapping[tuple[str, str], Callable[[Backend, Obj], None]] = {
    ("", "Service"): _service,
    ("", "Pod"): _pod,
    ("", "Namespace"): _namespace,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "PersistentVolume"): _volume,
    ("storage.k8s.io", "VolumeAttributesClass"): _protected("kubernetes.io/vac-protection"),
    ("batch", "Job"): _job,
    crds.CRD: _crd,
}


def carry_over(kind: Kind, live: Obj, wanted: Obj, subresource: str) -> Obj:
    """`wanted` with everything that this endpoint may not change taken from `live`."""
    if subresource == "status":
        return _status_write(kind, live, wanted)
    metadata = _own_metadata(live, wanted)
    obj = {**wanted, "metadata": metadata}
    if kind.has_status:
        obj.pop("status", None)
        if "status" in live:
            obj["status"] = live["status"]
    if kind.group_kind == ("", "Namespace") and subresource != "finalize":
        obj["spec"] = live.get("spec") or {}
    if subresource == "finalize":
        obj = {**live, "metadata": metadata, "spec": wanted.get("spec") or {}}
    return obj


def _own_metadata(live: Obj, wanted: Obj) -> Obj:
    metadata = dict(wanted["metadata"])
    for field in _SERVERS_OWN:
        metadata.pop(field, None)
        if field in live["metadata"]:
            metadata[field] = live["metadata"][field]
    return metadata


def _status_write(kind: Kind, live: Obj, wanted: Obj) -> Obj:
    metadata = _own_metadata(live, wanted)
    if kind.crd:
        metadata = {**live["metadata"], "managedFields": wanted["metadata"].get("managedFields") or []}
    elif kind.group_kind in _RESETS_LABELS:
        metadata.pop("labels", None)
        if "labels" in live["metadata"]:
            metadata["labels"] = live["metadata"]["labels"]
    obj = {**live, "metadata": metadata}
    obj.pop("status", None)
    if "status" in wanted:
        obj["status"] = wanted["status"]
    return obj
