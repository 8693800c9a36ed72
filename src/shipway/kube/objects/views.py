"""Small typed looks into plain objects, so that nobody writes `(obj.get("metadata") or {}).get(...)` twice."""

from collections.abc import Mapping
from typing import Any

import orjson

from shipway.kube.objects.resource import Json, Obj

View = Mapping[str, Any]


def metadata(obj: View) -> dict[str, Any]:
    return obj.get("metadata") or {}


def name_of(obj: View) -> str:
    return metadata(obj).get("name") or ""


def namespace_of(obj: View) -> str:
    return metadata(obj).get("namespace") or ""


def uid_of(obj: View) -> str:
    return metadata(obj).get("uid") or ""


def resource_version_of(obj: View) -> str:
    return metadata(obj).get("resourceVersion") or ""


def generation_of(obj: View) -> int:
    return metadata(obj).get("generation") or 0


def labels_of(obj: View) -> dict[str, str]:
    return metadata(obj).get("labels") or {}


def annotations_of(obj: View) -> dict[str, str]:
    return metadata(obj).get("annotations") or {}


def is_deleting(obj: View) -> bool:
    return bool(metadata(obj).get("deletionTimestamp"))


def spec_of(obj: View) -> dict[str, Any]:
    return obj.get("spec") or {}


def status_of(obj: View) -> dict[str, Any]:
    return obj.get("status") or {}


def container_names(pod_spec: View) -> list[str]:
    """Of a pod's spec or its template's: those that stay, then the init containers."""
    return [one.get("name") or "" for field in ("containers", "initContainers") for one in dig(pod_spec, field, default=[])]


def dig(obj: Any, *path: str | int, default: Any = None) -> Any:
    """The value at `path`, or `default` where any step is missing or null."""
    here: Json = obj
    for step in path:
        if isinstance(step, int):
            if not isinstance(here, list) or not -len(here) <= step < len(here):
                return default
            here = here[step]
        else:
            if not isinstance(here, dict):
                return default
            here = here.get(step)
        if here is None:
            return default
    return here


def copy_obj(obj: View) -> Obj:
    """An independent deep copy; nine times faster than `copy.deepcopy` on a Pod."""
    return orjson.loads(orjson.dumps(obj))


def kept_json(value: Json) -> bytes:
    """`value` as JSON that is going to be kept."""
    return kept(orjson.dumps(value))


def kept(encoded: bytes) -> bytes:
    """What an encoder wrote, to be kept: its own bytes hold a buffer that is longer than they say, 4 KB at least."""
    return bytes(memoryview(encoded))


def controller_of(obj: View) -> dict[str, Any] | None:
    """The owner reference with `controller: true`, if there is one."""
    refs: list[dict[str, Any]] = metadata(obj).get("ownerReferences") or []
    return next((ref for ref in refs if ref.get("controller")), None)


def condition_of(obj: View, kind: str) -> dict[str, Any] | None:
    """The status condition of type `kind`, if it is there."""
    conditions: list[dict[str, Any]] = status_of(obj).get("conditions") or []
    return next((c for c in conditions if c.get("type") == kind), None)
