"""Client-side apply: the patch that `kubectl apply` makes of what was applied last, what is wanted and what is live.

    what was applied last and is not wanted any more    is taken away
    what is wanted and live differently                 is set
    what only others put there                          stays

With a schema (built-in kinds) it is a strategic merge patch, which finds list items by their merge key; without one (custom
resources) a plain merge patch, in which lists are replaced. A keyed list that holds a key twice has no items that could be told
apart: it is replaced as a whole.
"""

from collections.abc import Iterator
from typing import Any, cast

from shipway.kube.objects.resource import Obj
from shipway.kube.objects.schema import DEDUCED, Schema
from shipway.kube.objects.strategic import DELETE_FROM, DIRECTIVE, RETAIN_KEYS
from shipway.kube.objects.typed_fields import TypeMismatch, item_element
from shipway.kube.objects.views import copy_obj

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def client_side_patch(applied: Obj, wanted: Obj, live: Obj, schema: Schema | None) -> Obj:
    """The patch from `live` to `wanted`, {} when there is nothing to say. `applied` last time ({} if nothing was)."""
    return copy_obj(_maps(applied, wanted, live, schema or DEDUCED))


def duplicate_key(obj: Obj, schema: Schema) -> str:
    """Where a list holds a key twice, as `.spec.ports[name="a"]`; "" nowhere. Server-side apply refuses such an object."""
    return next(_duplicates(obj, schema, ""), "")


def _duplicates(value: Any, schema: Schema | None, path: str) -> Iterator[str]:
    if schema is None:
        return
    if isinstance(value, dict):
        for key, below in cast(Obj, value).items():
            if isinstance(below, dict | list):
                yield from _duplicates(below, schema.child(key), f"{path}.{key}")
    elif isinstance(value, list) and schema.list_type != "atomic":
        seen: set[str] = set()
        for item in cast(list[Any], value):
            try:
                element = item_element(schema, item)
            except TypeMismatch:
                continue  # not for us to tell
            if element in seen:
                yield f"{path}[{element[2:]}]"
            seen.add(element)
            yield from _duplicates(item, schema.items, f"{path}[{element[2:]}]")


def _maps(applied: Any, wanted: dict[str, Any], live: dict[str, Any], schema: Schema) -> dict[str, Any]:
    before = cast(Obj, applied) if isinstance(applied, dict) else {}
    patch: dict[str, Any] = {key: None for key in before if key not in wanted and key in live}
    for key, value in wanted.items():
        child = schema.child(key) or DEDUCED
        if value is None:
            continue
        if key not in live:
            patch[key] = value
        elif isinstance(value, dict) and isinstance(live[key], dict):
            if below := _maps(before.get(key), cast(Obj, value), live[key], child):
                patch[key] = _retained(below, cast(Obj, value), child)
        elif isinstance(value, list) and isinstance(live[key], list):
            patch |= _lists(key, before.get(key), cast(list[Any], value), live[key], child)
        elif value != live[key]:
            patch[key] = value
    return patch


def _retained(patch: dict[str, Any], wanted: dict[str, Any], schema: Schema) -> dict[str, Any]:
    """A union such as a Deployment's strategy keeps only what is wanted of it."""
    return {RETAIN_KEYS: sorted(wanted), **patch} if "retainKeys" in schema.patch_strategies else patch


def _lists(key: str, applied: Any, wanted: list[Any], live: list[Any], schema: Schema) -> dict[str, Any]:
    """What the patch says of one list."""
    before = cast(list[Any], applied) if isinstance(applied, list) else []
    if "merge" not in schema.patch_strategies:
        return {} if wanted == live else {key: wanted}
    if not schema.merge_key:
        gone = [item for item in before if item not in wanted and item in live]
        new = [item for item in wanted if item not in live]
        return {**({f"{DELETE_FROM}{key}": gone} if gone else {}), **({key: new} if new else {})}
    name = schema.merge_key
    if not (_are_distinct(wanted, name) and _are_distinct(live, name)):
        return {} if wanted == live else {key: [*wanted, {DIRECTIVE: "replace"}]}
    there = {item[name]: item for item in live}
    stated, past = {item[name] for item in wanted}, {item[name]: item for item in before if _is_keyed(item, name)}
    changes: list[Any] = [{DIRECTIVE: "delete", name: value} for value in past if value not in stated and value in there]
    for item in wanted:
        if item[name] not in there:
            changes.append(item)
        elif below := _maps(past.get(item[name]), item, there[item[name]], schema.items or DEDUCED):
            changes.append({name: item[name], **below})
    return {key: changes} if changes else {}


def _is_keyed(item: Any, name: str) -> bool:
    return isinstance(item, dict) and isinstance(cast(Obj, item).get(name), str | int)


def _are_distinct(items: list[Any], name: str) -> bool:
    return all(_is_keyed(item, name) for item in items) and len({item[name] for item in items}) == len(items)
