"""Kinds with two faces: `events.k8s.io/v1` shows the objects stored as core `v1` Events under other field names, and
`autoscaling/v1` those stored as autoscaling/v2."""

from shipway.kube.objects.resource import Obj
from shipway.localcluster.apiserver.autoscaling import V1, V2, as_v1, as_v2
from shipway.localcluster.apiserver.gotypes import normal_form
from shipway.localcluster.apiserver.registry import Kind

_CORE_TO_NEW = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}
NEW_TO_CORE = {new: core for core, new in _CORE_TO_NEW.items()}


def has_other_face(kind: Kind) -> bool:
    """Whether the stored form of the kind is another one."""
    return kind.group == "events.k8s.io" or _is_old_autoscaler(kind)


def _is_old_autoscaler(kind: Kind) -> bool:
    return kind.api_version == V1


def to_face(kind: Kind, stored: Obj) -> Obj:
    """The stored object as this kind shows it."""
    if _is_old_autoscaler(kind):
        return normal_form(as_v1(stored), V1, kind.kind)
    return _renamed(kind, stored, _CORE_TO_NEW) if has_other_face(kind) else stored


def from_face(kind: Kind, shown: Obj) -> Obj:
    """An object of this kind as it is stored."""
    if _is_old_autoscaler(kind):
        return normal_form(as_v2(shown), V2, kind.kind)
    return _renamed(kind, shown, NEW_TO_CORE) if has_other_face(kind) else shown


def _renamed(kind: Kind, obj: Obj, names: dict[str, str]) -> Obj:
    return {names.get(key, key): value for key, value in obj.items()}
