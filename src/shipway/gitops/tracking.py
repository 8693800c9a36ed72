"""Which application an object belongs to: the tracking annotation, `<app>:<group>/<kind>:<namespace>/<name>`.

An id that does not describe the object that carries it is disregarded: some controllers copy annotations to the objects
they create. An object that was adopted quietly (`quiet.py`) says the same in a label. Applications outside the control-plane
namespace appear as `<namespace>_<name>`.
"""

from collections.abc import Callable, Iterable

from shipway.gitops.annotations import TRACKING_ID
from shipway.gitops.quiet import TRACKING_LABEL, instance_in, tracking_label
from shipway.kube.objects.resource import Obj, ref_of
from shipway.kube.objects.views import annotations_of, labels_of
from shipway.kube.runtime.controller import ObjectKey

INDEX = "tracking"


def instance_name(key: ObjectKey, control_namespace: str) -> str:
    """What the application is called in tracking ids."""
    return key.name if key.namespace == control_namespace else f"{key.namespace}_{key.name}"


def instance_key(instance: str, control_namespace: str) -> ObjectKey:
    """The application's key again."""
    namespace, found, name = instance.partition("_")
    return ObjectKey(namespace, name) if found else ObjectKey(control_namespace, instance)


def tracking_id(instance: str, obj: Obj, destination: str = "") -> str:
    """The value of the annotation. Of an object without a namespace it names that of the `destination` (as in Argo CD)."""
    ref = ref_of(obj)
    return f"{instance}:{ref.group}/{ref.kind}:{ref.namespace or destination}/{ref.name}"


def tracked_by(obj: Obj) -> Iterable[str]:
    """The instance name of the application that tracks `obj`, if one does: the index of live objects."""
    text = annotations_of(obj).get(TRACKING_ID)
    if not text:
        return _by_label(obj)
    instance, _, described = text.partition(":")
    group_kind, _, place = described.partition(":")
    group, _, kind = group_kind.rpartition("/")
    namespace, _, name = place.rpartition("/")
    ref = ref_of(obj)
    # A cluster-scoped object carries that of the destination, or the one that its manifest stated.
    is_there = namespace == ref.namespace or not ref.namespace
    return (instance,) if is_there and (group, kind, name) == (ref.group, ref.kind, ref.name) else ()


def _by_label(obj: Obj) -> Iterable[str]:
    instance = instance_in(obj)
    is_its_own = instance and labels_of(obj)[TRACKING_LABEL] == tracking_label(instance, tracking_id(instance, obj))
    return (instance,) if is_its_own else ()


def keys_of_tracked(control_namespace: str) -> Callable[[Obj], Iterable[ObjectKey]]:
    """Maps an event about a live object to the application that tracks it."""

    def keys(obj: Obj) -> Iterable[ObjectKey]:
        return tuple(instance_key(instance, control_namespace) for instance in tracked_by(obj))

    return keys
