"""DELETE: at once, after a grace period, or when the last finalizer has gone.

Nothing is deleted while somebody holds it: a finalizer, or the grace period of a pod that still runs. Such an object gets a
`deletionTimestamp` and goes when it is released (`writing.is_released`). Propagation is only written down here, as
finalizers; the garbage collector acts on them.
"""

from msgspec import Struct

from shipway.base.clock import parse_rfc3339, rfc3339
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import copy_obj
from shipway.localcluster.apiserver import crds
from shipway.localcluster.apiserver.backend import Backend
from shipway.localcluster.apiserver.options import DeleteOptions
from shipway.localcluster.apiserver.problems import Named, conflict, forbidden
from shipway.localcluster.apiserver.registry import Kind
from shipway.localcluster.apiserver.routes import Target
from shipway.localcluster.apiserver.writing import is_released, remove

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
_PROTECTED_NAMESPACES = ("default", "kube-system", "kube-public")
_GRACEFUL = ("", "Pod")
"""The kind whose deletion may take time."""
_RETURNS_OBJECT = {
    "persistentvolumeclaims", "persistentvolumes", "pods", "podtemplates", "resourcequotas", "serviceaccounts", "services",
}  # fmt: skip
"""Built-in kinds whose deletion answers with the object, also when it went at once."""


class Deleted(Struct, frozen=True):
    """What a delete left: the object, and whether it is gone."""

    obj: Obj
    gone: bool
    returns_object: bool


def delete(backend: Backend, target: Target, options: DeleteOptions) -> Deleted:
    """Raises Refused: 404, 409 for a failed precondition, 403 for namespaces that must stay."""
    kind = target.kind
    live = backend.read(kind, target.namespace, target.name)
    if kind.group_kind == ("", "Namespace") and target.name in _PROTECTED_NAMESPACES:
        raise forbidden(kind.named(target.name), "this namespace may not be deleted")
    _check_preconditions(kind, live, options)
    obj = copy_obj(live)
    _propagate(obj, options)
    _mark(backend, kind, obj, options)
    gone = is_released(kind, obj)
    returns = not gone or (not kind.group and kind.plural in _RETURNS_OBJECT)
    if options.dry_run:
        return Deleted(obj, gone, returns)
    if gone and kind.group_kind == _GRACEFUL:
        backend.commit(kind, obj)  # a pod's end is announced, even when it is immediate
        remove(backend, kind, obj)
    elif gone:
        remove(backend, kind, live)
        obj = live
    elif obj != live:
        backend.commit(kind, obj)
        crds.after_write(backend, kind, obj)
        if kind.group_kind == crds.CRD:
            _delete_instances(backend, obj)
    return Deleted(obj, gone, returns)


def _delete_instances(backend: Backend, crd: Obj) -> None:
    """The objects of a terminating CRD are deleted (their finalizers count); the CRD goes with the last of them."""
    spec = crd["spec"]
    row = next((row for row in backend.registry if row.crd and row.shelf == (spec["group"], spec["names"]["plural"])), None)
    if row is not None:
        for namespace, name in list(backend.store.shelf(row.shelf).records):
            delete(backend, Target(row, namespace, name), DeleteOptions())
    crds.release_if_empty(backend, crd["metadata"]["name"])


def _check_preconditions(kind: Kind, live: Obj, options: DeleteOptions) -> None:
    metadata = live["metadata"]
    if options.uid and options.uid != metadata["uid"]:
        field, asked, here, fate = "UID", options.uid, metadata["uid"], "deleted and then recreated"
    elif options.version and options.version != metadata["resourceVersion"]:
        field, asked, here, fate = "ResourceVersion", options.version, metadata["resourceVersion"], "modified"
    else:
        return
    # Unlike other conflicts this one names the kind, not the plural (registry/rest BeforeDelete).
    what = Named(kind.group, kind.kind, kind.kind, metadata["name"])
    why = f"the {field} in the precondition ({asked}) does not match the {field} in record ({here})"
    raise conflict(what, f"{why}. The object might have been {fate}")


def _propagate(obj: Obj, options: DeleteOptions) -> None:
    if not options.propagation:
        return
    metadata = obj["metadata"]
    kept = [name for name in metadata.get("finalizers") or [] if name not in (FOREGROUND, ORPHAN)]
    added = {"Foreground": [FOREGROUND], "Orphan": [ORPHAN]}.get(options.propagation, [])
    metadata.pop("finalizers", None)
    if kept or added:
        metadata["finalizers"] = [*kept, *added]


def _mark(backend: Backend, kind: Kind, obj: Obj, options: DeleteOptions) -> None:
    """Writes down when the object is to go. A shorter grace shortens a running one, a longer one is ignored."""
    metadata, grace = obj["metadata"], _grace(kind, obj, options)
    if metadata.get("deletionTimestamp"):
        held = metadata.get("deletionGracePeriodSeconds") or 0
        if options.grace is None or grace >= held:
            return
        started = parse_rfc3339(metadata["deletionTimestamp"]) - held
        metadata["deletionTimestamp"] = rfc3339(max(started + grace, backend.clock.now()))
        metadata["deletionGracePeriodSeconds"] = grace
        return
    metadata["deletionTimestamp"] = rfc3339(backend.clock.now() + grace)
    if kind.group_kind != ("", "Namespace"):
        metadata["deletionGracePeriodSeconds"] = grace
    if metadata.get("generation") and kind.group_kind != crds.CRD:
        metadata["generation"] += 1
    if kind.group_kind == ("", "Namespace"):
        obj.setdefault("status", {})["phase"] = "Terminating"
    if kind.group_kind == crds.CRD:
        crds.mark_terminating(backend, obj)


def _grace(kind: Kind, obj: Obj, options: DeleteOptions) -> int:
    """Seconds that the object is given: only pods that run on a node get any."""
    if kind.group_kind != _GRACEFUL:
        return 0
    spec, phase = obj.get("spec") or {}, (obj.get("status") or {}).get("phase")
    if not spec.get("nodeName") or phase in ("Succeeded", "Failed"):
        return 0
    if options.grace is not None:
        return options.grace
    return spec.get("terminationGracePeriodSeconds", 30)
