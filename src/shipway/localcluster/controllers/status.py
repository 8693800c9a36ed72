"""Writing status: the patch between what is there and what should be, and conditions with honest times."""

from collections.abc import Iterable, Mapping
from typing import Any

from shipway.base.clock import Instant, rfc3339
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import name_of, namespace_of, resource_version_of, status_of, uid_of
from shipway.kube.runtime.decision import Change, Note

Conditions = list[dict[str, Any]]


def status_change(resource: Resource, obj: Obj, status: Mapping[str, Any], root: Obj | None = None) -> Change | None:
    """The change that makes `status` the whole status: fields that it leaves out or has empty go. None: it is so already."""
    now_there = status_of(obj)
    wanted = {key: value for key, value in status.items() if value not in (None, [], {}) or value == 0}
    body = {key: value for key, value in wanted.items() if now_there.get(key) != value}
    body.update({key: None for key in now_there if key not in wanted})
    if not body and not root:
        return None
    return Change(resource, namespace_of(obj), name_of(obj), resource_version_of(obj), root=root or {}, status=body or None)


def condition(kind: str, status: bool | str, reason: str, message: str) -> dict[str, Any]:
    """A condition without times; `with_condition` gives it those."""
    text = status if isinstance(status, str) else ("True" if status else "False")
    return {"type": kind, "status": text, "reason": reason, "message": message}


def with_condition(
    conditions: Iterable[Mapping[str, Any]], new: Mapping[str, Any], now: Instant, updated: str = ""
) -> Conditions:
    """The conditions with `new` in its place; `lastTransitionTime` moves only with the status.

    `updated` names the field that moves with every change of the condition (`lastUpdateTime` of Deployments).
    """
    rest = [dict(c) for c in conditions]
    place = next((n for n, c in enumerate(rest) if c.get("type") == new["type"]), None)
    old = rest[place] if place is not None else {}
    if all(old.get(key) == value for key, value in new.items()):
        return rest
    since = old.get("lastTransitionTime") if old.get("status") == new["status"] else None
    made = {**new, "lastTransitionTime": since or rfc3339(now)}
    if updated:
        made[updated] = rfc3339(now)
    if place is None:
        return [*rest, made]
    return [*rest[:place], made, *rest[place + 1 :]]


def without_condition(conditions: Iterable[Mapping[str, Any]], kind: str) -> Conditions:
    return [dict(c) for c in conditions if c.get("type") != kind]


def note(obj: Obj, reason: str, message: str, *, warning: bool = False) -> Note:
    """An event about `obj`."""
    regarding = {
        "apiVersion": obj.get("apiVersion"),
        "kind": obj.get("kind"),
        "namespace": namespace_of(obj),
        "name": name_of(obj),
        "uid": uid_of(obj),
    }
    return Note(regarding, reason, message, "Warning" if warning else "Normal")
