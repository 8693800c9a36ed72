"""Create and change: the one path of every write.

    body → type check → form and defaults (admission) → field ownership → what the server adds (strategies) → generation →
    validation → store

What the server adds comes after ownership, so it belongs to nobody. A change starts from the live object. Server-side apply,
patches, PUT, scale and status all end in `finish_change`, which stores nothing when nothing changed, and deletes when the last
finalizer of a deleted object went.
"""

from collections.abc import Callable

from msgspec import Struct

from shipway.base.clock import rfc3339
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, copy_obj
from shipway.localcluster.apiserver import crds
from shipway.localcluster.apiserver.admission import admit, check_changed, check_new, check_type, reform, settle
from shipway.localcluster.apiserver.advice import advice, warning_headers
from shipway.localcluster.apiserver.backend import Backend
from shipway.localcluster.apiserver.expiry import EVENTS, expire_events
from shipway.localcluster.apiserver.gotypes import WrongType, normal_form
from shipway.localcluster.apiserver.options import WriteOptions
from shipway.localcluster.apiserver.ownership import record_write, wants_reset
from shipway.localcluster.apiserver.problems import (
    FieldProblem,
    Named,
    Refused,
    already_exists,
    bad_request,
    conflict,
    forbidden,
    go_value,
    invalid,
    invalid_value,
    method_not_allowed,
    not_found,
)
from shipway.localcluster.apiserver.registry import Kind
from shipway.localcluster.apiserver.routes import Target
from shipway.localcluster.apiserver.strategies import carry_over, prepare_changed, prepare_new, strip_status

_NAMESPACES = ("", "namespaces")
_REVISION = "deployment.kubernetes.io/revision"
_MAX_GENERATED = 8
_LONGEST_PREFIX = 58
_SERVERS = {
    "uid", "selfLink", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion",
}  # fmt: skip
"""Metadata that a client may send and that does not count."""


_VERSIONED = {
    ("coordination.k8s.io", "Lease"), ("policy", "PodDisruptionBudget"), ("apiextensions.k8s.io", "CustomResourceDefinition"),
}  # fmt: skip
"""Built-in kinds that a PUT must name the version of; of the others it may mean whatever is there."""


class Written(Struct, frozen=True):
    """What a write left behind."""

    obj: Obj
    created: bool = False
    warnings: tuple[str, ...] = ()


def create(backend: Backend, target: Target, body: object, options: WriteOptions) -> Written:
    """POST on a collection. Raises Refused."""
    kind = target.kind
    obj = check_type(kind, body)
    _place(target, obj)
    check_namespace(backend, kind, target.namespace, obj)
    obj["metadata"] = new_metadata(backend, kind, obj["metadata"])
    obj, warnings = admit(kind, strip_status(kind, obj), options)
    obj = record_write(kind, None, obj, options, target.subresource, backend.clock.now())
    obj = complete_new(backend, kind, obj)
    warnings += check_new(kind, obj) + advice(kind, obj)
    if backend.store.get(kind.shelf, target.namespace, obj["metadata"]["name"]):
        refusal = already_exists(kind.named(obj["metadata"]["name"]))
        refusal.headers = warning_headers(warnings)
        raise refusal
    return Written(save(backend, kind, obj, options), created=True, warnings=warnings)


def complete_new(backend: Backend, kind: Kind, obj: Obj) -> Obj:
    """What the server itself adds to a new object; none of it belongs to the writer."""
    prepare_new(backend, kind, obj)
    return reform(kind, obj)


def _place(target: Target, obj: Obj) -> None:
    """Puts the object into the namespace of the URL."""
    metadata = obj["metadata"]
    if not target.kind.namespaced:
        metadata.pop("namespace", None)
        return
    if not target.namespace:
        raise method_not_allowed()
    if (metadata.get("namespace") or target.namespace) != target.namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    metadata["namespace"] = target.namespace


def check_namespace(backend: Backend, kind: Kind, namespace: str, obj: Obj) -> None:
    """Raises Refused when the namespace is not there (404), or when it or the kind is being deleted (403)."""
    if kind.crd and kind.crd.terminating:
        why = "create not allowed while custom resource definition is terminating"
        raise forbidden(kind.named(obj["metadata"].get("name") or ""), why)
    if not namespace:
        return
    record = backend.store.get(_NAMESPACES, "", namespace)
    row = backend.registry.find("", "v1", "namespaces")
    if record is None:
        assert row is not None
        raise not_found(row.named(namespace))
    if record.fields.get("status.phase") == "Terminating":
        why = f"unable to create new content in namespace {namespace} because it is being terminated"
        cause = FieldProblem("metadata.namespace", "NamespaceTerminating", f"namespace {namespace} is being terminated")
        raise forbidden(kind.named(obj["metadata"].get("name") or ""), why, [cause])


def new_metadata(backend: Backend, kind: Kind, metadata: Obj) -> Obj:
    """The metadata of a new object: name, uid, time and generation. Raises Refused(500) for one that carries a version."""
    if metadata.get("resourceVersion"):
        raise Refused(500, "", "resourceVersion should not be set on objects to be created")
    if any(metadata.get(key) for key in _SERVERS):
        _check_metadata(kind, metadata)
    stamped = {key: value for key, value in metadata.items() if key not in _SERVERS}
    if not stamped.get("name") and stamped.get("generateName"):
        stamped["name"] = _generate_name(backend, kind, stamped)
    stamped["uid"] = backend.ids.uid()
    stamped["creationTimestamp"] = rfc3339(backend.clock.now())
    if kind.generation:
        stamped["generation"] = 1
    return stamped


def _check_metadata(kind: Kind, metadata: Obj) -> None:
    """Raises Refused(400) for wrong types, also of what does not count."""
    try:
        normal_form({"metadata": metadata}, "v1", "ConfigMap")
    except WrongType as error:
        raise bad_request(f"{kind.kind} cannot be handled: {error}") from None


def _generate_name(backend: Backend, kind: Kind, metadata: Obj) -> str:
    prefix, namespace = str(metadata["generateName"])[:_LONGEST_PREFIX], metadata.get("namespace") or ""
    name = prefix + backend.ids.suffix(5)
    for _ in range(_MAX_GENERATED - 1):
        if backend.store.get(kind.shelf, namespace, name) is None:
            return name
        name = prefix + backend.ids.suffix(5)
    return name


def save(backend: Backend, kind: Kind, obj: Obj, options: WriteOptions) -> Obj:
    """Commits, unless it is a dry run."""
    if options.dry_run:
        return obj
    backend.commit(kind, obj)
    crds.after_write(backend, kind, obj)
    if kind.shelf == EVENTS:
        expire_events(backend)
    return obj


def replace(backend: Backend, target: Target, body: object, options: WriteOptions) -> Written:
    """PUT on a name. Raises Refused."""
    kind = target.kind
    wanted = check_type(kind, body)
    check_identity(target, wanted)
    record = backend.store.get(kind.shelf, target.namespace, target.name)
    if record is None:
        if kind.create_on_update and not target.subresource:
            wanted["metadata"].setdefault("name", target.name)
            wanted["metadata"].pop("resourceVersion", None)
            return create(backend, target, wanted, options)
        raise not_found(kind.named(target.name))
    live = backend.read(kind, target.namespace, target.name)
    if (kind.crd or kind.group_kind in _VERSIONED) and not wanted["metadata"].get("resourceVersion"):
        problem = invalid_value("metadata.resourceVersion", 0, "must be specified for an update")
        raise invalid(Named(kind.group, kind.plural, kind.plural, target.name), [problem])
    return change(backend, target, live, wanted, options)


def check_identity(target: Target, wanted: Obj) -> None:
    """Raises Refused when name or namespace of the body are not those of the URL."""
    metadata = wanted["metadata"]
    name = metadata.get("name")
    if not name:
        raise bad_request(f"the name of the object ({target.name} based on URL) was undeterminable: name must be provided")
    if name and name != target.name:
        raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({target.name})")
    if (metadata.get("namespace") or target.namespace) != target.namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")


def check_versions(kind: Kind, live: Obj, wanted: Obj) -> None:
    """Raises Refused(409) when the writer meant another state or another object."""
    version, uid = wanted["metadata"].get("resourceVersion"), wanted["metadata"].get("uid")
    what = kind.named(live["metadata"]["name"])
    if uid and uid != live["metadata"]["uid"]:
        raise conflict(what, f"Precondition failed: UID in precondition: {uid}, UID in object meta: {live['metadata']['uid']}")
    if version and not str(version).isdigit():
        raise Refused(500, "", f"strconv.ParseUint: parsing {go_value(version)}: invalid syntax")
    if version and version != live["metadata"]["resourceVersion"]:
        raise conflict(what)


Finish = Callable[[Obj], Obj]


def shape(backend: Backend, target: Target, live: Obj) -> Finish:
    """A function that brings what a writer wants into the form in which it would follow `live`."""

    def finish(wanted: Obj) -> Obj:
        obj = settle(target.kind, carry_over(target.kind, live, wanted, target.subresource))
        prepare_changed(backend, target.kind, live, obj)
        return obj

    return finish


def change(backend: Backend, target: Target, live: Obj, wanted: Obj, options: WriteOptions) -> Written:
    """`wanted` takes the place of `live`, by somebody who updates (not applies). Raises Refused."""
    kind = target.kind
    check_versions(kind, live, wanted)
    carried = carry_over(kind, live, wanted, target.subresource)
    obj, warnings = admit(kind, carried, options)
    if wants_reset(kind, wanted) and not target.subresource:
        obj["metadata"]["managedFields"] = []
    obj = record_write(kind, live, obj, options, target.subresource, backend.clock.now())
    prepare_changed(backend, kind, live, obj)
    obj = reform(kind, obj)
    return finish_change(backend, target, live, obj, options, warnings)


def finish_change(
    backend: Backend, target: Target, live: Obj, obj: Obj, options: WriteOptions, warnings: tuple[str, ...] = ()
) -> Written:
    """Validates the complete next state and stores it, if it differs."""
    kind = target.kind
    if kind.generation and (_spec_changed(kind, live, obj) or _counted_annotations_changed(target, live, obj)):
        obj["metadata"]["generation"] = (live["metadata"].get("generation") or 0) + 1
    warnings += check_changed(kind, live, obj, target.subresource)
    if is_released(kind, obj):
        if not options.dry_run:
            remove(backend, kind, live)
        return Written(obj, warnings=warnings)
    if obj == live:
        return Written(live, warnings=warnings + advice(kind, obj, live))
    return Written(save(backend, kind, obj, options), warnings=warnings + advice(kind, obj, live))


def _spec_changed(kind: Kind, live: Obj, obj: Obj) -> bool:
    ignored = {"kind", "apiVersion", "metadata"} | ({"status"} if kind.has_status else set())
    return any(live.get(key) != obj.get(key) for key in {*live, *obj} - ignored)


def _counted_annotations_changed(target: Target, live: Obj, obj: Obj) -> bool:
    """A Deployment's generation counts changes of its annotations too, but for those that come with its status (the revision
    does, with Kubernetes' own controller)."""
    if target.kind.group_kind != ("apps", "Deployment") or target.subresource:
        return False
    before, after = annotations_of(live), annotations_of(obj)
    return any(before.get(key) != after.get(key) for key in {*before, *after} - {_REVISION})


def is_released(kind: Kind, obj: Obj) -> bool:
    """Whether a deleted object has nothing left that holds it."""
    metadata = obj["metadata"]
    if not metadata.get("deletionTimestamp") or metadata.get("finalizers") or metadata.get("deletionGracePeriodSeconds"):
        return False
    return kind.group_kind != ("", "Namespace") or not (obj.get("spec") or {}).get("finalizers")


def remove(backend: Backend, kind: Kind, live: Obj) -> Obj:
    """Takes the object out of the store; watchers see its last stored state."""
    gone = copy_obj(live)
    backend.remove(kind, gone)
    crds.after_removal(backend, kind, gone)
    return gone
