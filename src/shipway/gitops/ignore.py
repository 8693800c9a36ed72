"""`ignoreDifferences`: fields that the user leaves to somebody else, by JSON pointer, jq path expression or field manager.

They stand in the Application, or for a whole kind in `argocd-cm` (`resource.customizations.ignoreDifferences.…`).

Ignored leaves are left out of the hash and of the ownership test. A sync still writes Git's value, also where nothing else of
the object differs, unless the sync option RespectIgnoreDifferences asks to carry the live one.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import orjson

from shipway.api.application import IgnoreDifference
from shipway.base.errors import InvalidInput
from shipway.base.globs import compile_glob, glob_or_regex, has_magic
from shipway.gitops.customizations import CONFIG_MAP, Customizations
from shipway.kube.objects import yaml
from shipway.kube.objects.field_sets import FieldSet
from shipway.kube.objects.resource import Obj, Ref
from shipway.kube.objects.views import copy_obj


def rules_in(customizations: Customizations) -> tuple[tuple[IgnoreDifference, ...], tuple[str, ...]]:
    """The rules for whole kinds that `argocd-cm` holds, and what of them could not be read."""
    said = [*customizations.exact.items(), *customizations.patterns]
    rules: list[IgnoreDifference] = []
    problems: list[str] = []
    for name, one in said:
        if not one.ignore_differences:
            continue
        group, _, kind = name.rpartition("/")
        try:
            written = yaml.load(one.ignore_differences) or {}
            rule = msgspec.convert({**written, "group": "*" if name == "*" else group, "kind": kind}, IgnoreDifference)
            problem = problem_of(rule)
        except (InvalidInput, msgspec.ValidationError, TypeError) as error:
            problem = str(error)
            rule = IgnoreDifference()
        if problem:
            problems.append(f"{CONFIG_MAP}: resource.customizations.ignoreDifferences of {name}: {problem}")
        else:
            rules.append(rule)
    return tuple(rules), tuple(problems)


def rules_for(ref: Ref, rules: Sequence[IgnoreDifference]) -> tuple[IgnoreDifference, ...]:
    """The rules that speak of this object; group and kind are globs, an empty name or namespace fits every one."""
    return tuple(
        rule
        for rule in rules
        if _fits(rule.kind, ref.kind)
        and _fits(rule.group, ref.group)
        and rule.name in ("", ref.name)
        and rule.namespace in ("", ref.namespace)
    )


def problem_of(rule: IgnoreDifference) -> str:
    """What is wrong with a rule, as `field: reason`; "" when nothing is."""
    for field, pattern in (("group", rule.group), ("kind", rule.kind)):
        try:
            glob_or_regex(pattern)
        except InvalidInput as error:
            return f"{field}: {error.message}"
    for index, pointer in enumerate(rule.json_pointers or ()):
        if not pointer.startswith("/"):
            return f"jsonPointers[{index}]: JSON Pointer {pointer!r} must start with a /"
    return "" if rule.kind else "kind: it is required: say which kind the rule speaks of, or *"


def _fits(pattern: str, text: str) -> bool:
    return pattern == text or (has_magic(pattern) and compile_glob(pattern)(text))


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


def is_live(obj: Obj, live: Obj, pointers: Sequence[str]) -> bool:
    """Whether all that `obj` states where the pointers lead is so in `live`."""
    return all(_is_live_at(obj, live, pointer) for pointer in pointers)


def _is_live_at(here: Any, there: Any, pointer: str) -> bool:
    for step in _steps(pointer):
        here, there = _child(here, step), _twin(here, there, step)
    return holds(there, here)


def holds(live: Any, stated: Any) -> bool:
    """Whether `live` says what is stated; fields beside it may be the server's defaults. None states nothing."""
    if isinstance(stated, dict) and isinstance(live, dict):
        return all(holds(live.get(name), value) for name, value in stated.items())
    if isinstance(stated, list) and isinstance(live, list):
        return len(stated) == len(live) and all(map(holds, live, stated))
    return stated is None or live == stated


def with_live(obj: Obj, live: Obj, pointers: Sequence[str]) -> Obj:
    """A copy that carries the live value of what the pointers name, where both sides have the parent.

    Items of a list are found again by their name or key, since others may have put theirs in between.
    """
    if not pointers:
        return obj
    merged = copy_obj(obj)
    for pointer in pointers:
        steps = _steps(pointer)
        here, there = merged, live
        for step in steps[:-1]:
            here, there = _child(here, step), _twin(here, there, step)
        if isinstance(here, dict) and isinstance(there, dict) and steps[-1] in there:
            here[steps[-1]] = there[steps[-1]]
    return merged


def with_live_fields(obj: Obj, live: Obj, fields: FieldSet) -> Obj:
    """A copy that carries the live value of every field of an ownership entry that it has itself."""
    merged = copy_obj(obj)
    _carry(merged, live, fields)
    return merged


def _carry(here: Any, there: Any, fields: FieldSet) -> None:
    for element, below in fields.items():
        step = element[2:]
        if element.startswith("f:") and isinstance(here, dict) and isinstance(there, dict) and step in here and step in there:
            if not below or not isinstance(here[step], dict | list):
                here[step] = there[step]
            else:
                _carry(here[step], there[step], below)
        elif element.startswith("k:") and isinstance(here, list) and isinstance(there, list):
            keys: Obj = orjson.loads(step)
            ours, theirs = _item_with(here, keys), _item_with(there, keys)
            if ours is not None and theirs is not None:
                _carry(ours, theirs, below)


def _item_with(items: list[Any], keys: Obj) -> Any:
    """The item that has these keys; what it leaves out is the server's default."""
    fits = (one for one in items if isinstance(one, dict) and any(name in one for name in keys))
    return next((one for one in fits if all(one.get(name, value) == value for name, value in keys.items())), None)


_KEYS = ("name", "key", "containerPort", "port", "mountPath", "devicePath", "ip", "topologyKey", "uid")


def _twin(here: Any, there: Any, step: str) -> Any:
    """What is live where `step` leads to in `here`."""
    item = _child(here, step)
    if isinstance(here, list) and isinstance(there, list) and isinstance(item, dict):
        key = next((key for key in _KEYS if key in item), None)
        if key is not None:
            return next((one for one in there if isinstance(one, dict) and one.get(key) == item[key]), None)
    return _child(there, step)


def _locate(obj: Any, pointer: str) -> tuple[Any, str | int]:
    """The container that holds what an RFC 6901 pointer names, and the last step; (None, "") when it is not there."""
    steps = _steps(pointer)
    here = obj
    for step in steps[:-1]:
        here = _child(here, step)
    last = steps[-1]
    return (here, int(last)) if isinstance(here, list) and last.isdigit() else (here, last)


def _steps(pointer: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.removeprefix("/").split("/")]


def _child(here: Any, step: str) -> Any:
    if isinstance(here, dict):
        return here.get(step)
    if isinstance(here, list) and step.isdigit() and int(step) < len(here):
        return here[int(step)]
    return None
