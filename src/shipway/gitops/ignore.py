"""`spec.ignoreDifferences`: fields that the user leaves to somebody else, by JSON pointer or by field manager.

Ignored leaves are left out of the hash and of the ownership test. An apply still writes Git's value, unless the sync option
RespectIgnoreDifferences asks to carry the live one.
"""

from collections.abc import Sequence
from typing import Any

from shipway.api.application import IgnoreDifference
from shipway.kube.objects.resource import Obj, Ref
from shipway.kube.objects.views import copy_obj


def rules_for(ref: Ref, rules: Sequence[IgnoreDifference]) -> tuple[IgnoreDifference, ...]:
    """The rules that speak of this object; group and kind may be `*`, an empty name or namespace fits every one."""
    return tuple(
        rule
        for rule in rules
        if rule.kind in (ref.kind, "*")
        and rule.group in (ref.group, "*")
        and rule.name in ("", ref.name)
        and rule.namespace in ("", ref.namespace)
    )


def pointers_of(rules: Sequence[IgnoreDifference]) -> tuple[str, ...]:
    return tuple(pointer for rule in rules for pointer in rule.json_pointers or ())


def managers_of(rules: Sequence[IgnoreDifference]) -> frozenset[str]:
    return frozenset(manager for rule in rules for manager in rule.managed_fields_managers or ())


def without(obj: Obj, pointers: Sequence[str]) -> Obj:
    """A copy without what the pointers name; `obj` itself when there are none."""
    if not pointers:
        return obj
    plain = copy_obj(obj)
    for pointer in pointers:
        parent, step = _locate(plain, pointer)
        if isinstance(parent, dict):
            parent.pop(step, None)
        elif isinstance(parent, list) and isinstance(step, int) and step < len(parent):
            del parent[step]
    return plain


def with_live(obj: Obj, live: Obj, pointers: Sequence[str]) -> Obj:
    """A copy that carries the live value of what the pointers name, where both sides have the parent."""
    if not pointers:
        return obj
    merged = copy_obj(obj)
    for pointer in pointers:
        parent, step = _locate(merged, pointer)
        there, _ = _locate(live, pointer)
        if isinstance(parent, dict) and isinstance(there, dict) and step in there:
            parent[step] = there[step]
    return merged


def _locate(obj: Any, pointer: str) -> tuple[Any, str | int]:
    """The container that holds what an RFC 6901 pointer names, and the last step; (None, "") when it is not there."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.strip("/").split("/")]
    here = obj
    for step in steps[:-1]:
        here = _child(here, step)
    last = steps[-1]
    return (here, int(last)) if isinstance(here, list) and last.isdigit() else (here, last)


def _child(here: Any, step: str) -> Any:
    if isinstance(here, dict):
        return here.get(step)
    if isinstance(here, list) and step.isdigit() and int(step) < len(here):
        return here[int(step)]
    return None
