"""What changed between two objects, as sets of paths: third of the walks of server-side apply.

A path is added or removed with every parent that came or went with it; an atomic list or map that differs is one modified
path. Identical branches are skipped by identity, so comparing an object with a merge of itself costs what was changed. Fields
that a built-in kind never leaves out (`Schema.present`) count as empty where the JSON lacks them: whoever creates a Deployment
does not thereby own `.spec.strategy` itself.
"""

from typing import Any

from msgspec import Struct

from shipway.kube.objects.field_sets import MEMBER, FieldSet
from shipway.kube.objects.resource import Json
from shipway.kube.objects.schema import DEDUCED, Schema
from shipway.kube.objects.typed_fields import item_element
from shipway.kube.objects.typed_merge import same_value


class Comparison(Struct, frozen=True):
    """Three sets of paths: only after, in both with another value, only before."""

    added: FieldSet
    modified: FieldSet
    removed: FieldSet


class _Changes:
    """The nodes of one level of the three trees, while it is being walked."""

    __slots__ = ("added", "modified", "removed")

    def __init__(self) -> None:
        self.added: FieldSet = {}
        self.modified: FieldSet = {}
        self.removed: FieldSet = {}

    def put(self, element: str, below: "_Changes") -> None:
        """Hangs the changes of a child under `element`."""
        for ours, theirs in ((self.added, below.added), (self.modified, below.modified), (self.removed, below.removed)):
            if theirs:
                ours[element] = theirs if len(theirs) > 1 or MEMBER not in theirs else {}


_MARK: FieldSet = {MEMBER: {}}


def compare(before: dict[str, Any], after: dict[str, Any], schema: Schema) -> Comparison:
    """The difference of two whole objects. Raises TypeMismatch when a keyed list has an item without identity."""
    changes = _Changes()
    _compare_maps(before, after, schema, changes)
    return Comparison(changes.added, changes.modified, changes.removed)


def _compare(before: Json, after: Json, schema: Schema) -> _Changes:
    changes = _Changes()
    if isinstance(before, dict) or isinstance(after, dict):
        if _fits(before, dict) and _fits(after, dict) and schema.map_type != "atomic" and (before or after):
            _compare_maps(before or {}, after or {}, schema, changes)  # pyright: ignore[reportArgumentType]
            return changes
    elif (isinstance(before, list) or isinstance(after, list)) and _fits(before, list) and _fits(after, list):  # noqa: SIM102
        if schema.list_type != "atomic" and (before or after):
            _compare_lists(before or [], after or [], schema, changes)  # pyright: ignore[reportArgumentType]
            return changes
    if not same_value(before, after):
        _replaced(before, after, schema, changes)
    return changes


def _fits(value: Json, kind: type) -> bool:
    return value is None or isinstance(value, kind)


def _replaced(before: Json, after: Json, schema: Schema, changes: _Changes) -> None:
    """Another leaf, or (in a subtree without a schema) another shape: what was below goes, what is below comes."""
    changes.modified = dict(_MARK)
    if type(before) is not type(after):
        changes.removed = _below(before, schema)
        changes.added = _below(after, schema)


def _compare_maps(before: dict[str, Any], after: dict[str, Any], schema: Schema, changes: _Changes) -> None:
    for key, old in before.items():
        child = schema.child(key) or DEDUCED
        if key in after:
            new = after[key]
        elif child.present:
            new = _absent(child)
        else:
            changes.removed["f:" + key] = whole(old, child)
            continue
        if old is not new and not same_value(old, new):
            _compare_field(key, old, new, child, changes)
    for key, new in after.items():
        if key in before:
            continue
        child = schema.child(key) or DEDUCED
        if child.present:
            _compare_field(key, _absent(child), new, child, changes)
        else:
            changes.added["f:" + key] = whole(new, child)


def _compare_field(key: str, old: Json, new: Json, child: Schema, changes: _Changes) -> None:
    if type(old) is type(new) and not isinstance(old, dict | list):
        if old != new:
            changes.modified["f:" + key] = {}
    else:
        changes.put("f:" + key, _compare(old, new, child))


def _absent(schema: Schema) -> Json:
    return [] if schema.type == "array" else {}


def _compare_lists(before: list[Any], after: list[Any], schema: Schema, changes: _Changes) -> None:
    old, new = _by_element(before, schema), _by_element(after, schema)
    items = schema.items or DEDUCED
    for element in [*old, *(e for e in new if e not in old)]:
        _compare_items(element, old.get(element, []), new.get(element, []), items, changes)


def _by_element(values: list[Any], schema: Schema) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for value in values:
        found.setdefault(item_element(schema, value), []).append(value)
    return found


def _compare_items(element: str, old: list[Any], new: list[Any], items: Schema, changes: _Changes) -> None:
    """Items that occur twice have no fields of their own: their element alone is marked."""
    if len(old) > 1 and len(new) > 1:
        if not same_value(old, new):
            changes.modified[element] = {}
    elif len(old) > 1:
        changes.removed[element] = {}
        if new:
            changes.added[element] = whole(new[0], items)
    elif len(new) > 1:
        changes.added[element] = {}
        if old:
            changes.removed[element] = whole(old[0], items)
    elif not new:
        changes.removed[element] = whole(old[0], items)
    elif not old:
        changes.added[element] = whole(new[0], items)
    elif old[0] is not new[0]:
        changes.put(element, _compare(old[0], new[0], items))


def whole(value: Json, schema: Schema) -> FieldSet:
    """The node of a subtree that came or went as a whole: every path in it is a member."""
    below = _below(value, schema)
    return {MEMBER: {}, **below} if below else {}


def _below(value: Json, schema: Schema) -> FieldSet:
    if isinstance(value, dict) and schema.map_type != "atomic":
        return {"f:" + key: whole(child, schema.child(key) or DEDUCED) for key, child in value.items()}
    if isinstance(value, list) and schema.list_type != "atomic":
        items = schema.items or DEDUCED
        found = _by_element(value, schema)
        return {element: whole(same[0], items) if len(same) == 1 else {} for element, same in found.items()}
    return {}
