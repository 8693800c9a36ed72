"""Sets of field paths in the shape Kubernetes stores them: FieldsV1, the heart of `metadata.managedFields`.

A set is a tree of JSON objects. Every key is one step of a path: `f:name` a field, `k:{"name":"x"}` a list item by its keys,
`v:"x"` a member of a set of scalars, `i:0` an index. A node that is `{}` is in the set; a node that has children is in the
set only if it also has the key "."; the root is never in it, so `{}` at the root is the empty set. All operations work on
that very tree, share the branches they do not touch and change nothing they are given.

`covers` answers the question the GitOps engine lives on: does an ownership entry still own every leaf of what we want? The
API server takes a field from our entry the moment somebody else changes its value, so this look at metadata replaces a diff.
`k:` entries find list items by the keys that the item states (a key field left out is the server's default).

One thing ownership alone cannot tell: `{}` where we state a subtree is either an atomic field that we own as one, or a map of
which somebody took every entry and left us the bare map. The schema decides; built-in kinds bring theirs, for others it may be
given, and without one the subtree counts as taken, for a false alarm costs a dry run and a missed edit costs trust.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import orjson
from msgspec import Struct

from shipway.kube.objects.resource import Json, Obj, split_api_version
from shipway.kube.objects.schema import Schema, builtin_schema

FieldSet = dict[str, Any]
"""A tree of FieldsV1; `{}` is the empty set."""

MEMBER = "."


def is_member(node: FieldSet) -> bool:
    """Whether a node below the root is itself in the set, not only something beneath it."""
    return not node or MEMBER in node


def union(a: FieldSet, b: FieldSet) -> FieldSet:
    """Paths of either set."""
    if not a or not b or a is b:
        return a or b
    result = dict(a)
    for key, theirs in b.items():
        ours = result.get(key)
        result[key] = theirs if ours is None else _union(ours, theirs)
    return result


def _union(a: FieldSet, b: FieldSet) -> FieldSet:
    if a is b:
        return a
    result = union(a, b)
    if result and MEMBER not in result and (is_member(a) or is_member(b)):
        return {MEMBER: {}, **result}
    return result


def difference(a: FieldSet, b: FieldSet) -> FieldSet:
    """Paths of `a` that are not in `b`. A path goes by itself: neither its children nor its parents go with it."""
    if not any(key in a for key in b):
        return a
    result: FieldSet = {}
    for key, ours in a.items():
        theirs = b.get(key)
        if theirs is None:
            result[key] = ours
        elif (rest := _difference(ours, theirs)) is not None:
            result[key] = rest
    return result if len(result) < len(a) or any(result[key] is not ours for key, ours in a.items()) else a


def _difference(a: FieldSet, b: FieldSet) -> FieldSet | None:
    """None: nothing is left of the node."""
    if a == b:
        return None
    below = {key: node for key, node in a.items() if key != MEMBER}
    children = difference(below, b)
    stays = is_member(a) and not is_member(b)
    if children is below and stays == is_member(a):
        return a
    if stays:
        return {MEMBER: {}, **children} if children else {}
    return children or None


def intersection(a: FieldSet, b: FieldSet) -> FieldSet:
    """Paths of both sets."""
    if a is b:
        return a
    result: FieldSet = {}
    for key, ours in a.items():
        theirs = b.get(key)
        if key != MEMBER and theirs is not None and (shared := _intersection(ours, theirs)) is not None:
            result[key] = shared
    return result


def _intersection(a: FieldSet, b: FieldSet) -> FieldSet | None:
    children = intersection(a, b) if a and b else {}
    if is_member(a) and is_member(b):
        return {MEMBER: {}, **{k: v for k, v in children.items() if k != MEMBER}} if children else {}
    return children or None


def without_subtrees(a: FieldSet, b: FieldSet) -> FieldSet:
    """Paths of `a` that neither are in `b` nor lie below a path in `b` (the recursive difference)."""
    if not b:
        return a
    result: FieldSet = {}
    for key, ours in a.items():
        theirs = b.get(key)
        if theirs is None:
            result[key] = ours
        elif not is_member(theirs):
            rest = without_subtrees(ours, theirs)
            if rest or not ours:
                result[key] = {} if list(rest) == [MEMBER] else rest
    return result


def field_set(*paths: str) -> FieldSet:
    """The set of plain field paths: `field_set("metadata.labels", "spec")`."""
    result: FieldSet = {}
    for path in paths:
        node: FieldSet = {}
        for step in reversed(path.split(".")):
            node = {f"f:{step}": node}
        result = union(result, node)
    return result


def in_order(node: FieldSet) -> FieldSet:
    """The same set with its keys sorted, as the API server writes it."""
    return {key: in_order(node[key]) if node[key] else node[key] for key in sorted(node)}


# --- path elements ---------------------------------------------------------------------------------------------------------


def key_element(fields: dict[str, Any]) -> str:
    """The element of a list item that is told apart by `fields`."""
    return "k:" + _canonical({name: fields[name] for name in sorted(fields)})


@lru_cache(maxsize=65536, typed=True)
def _name_element(name: str) -> str:
    return key_element({"name": name})


def value_element(value: Any) -> str:
    """The element of a member of a set of scalars."""
    return "v:" + _canonical(value)


_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def _canonical(value: Any) -> str:
    """JSON as Go's encoder writes it: HTML characters escaped, whole floats without a fraction."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = orjson.dumps(value).decode()
    return text.translate(_ESCAPES)


@lru_cache(maxsize=65536)
def _keys_of(element: str) -> dict[str, Any]:
    """The key fields that a `k:` element states."""
    return orjson.loads(element[2:])


@lru_cache(maxsize=65536)
def element_text(element: str) -> str:
    """One step as Kubernetes prints it: `.name`, `[name="x"]`, `[="x"]`, `[0]`."""
    kind, rest = element[:2], element[2:]
    if kind == "f:":
        return f".{rest}"
    if kind == "k:":
        return "[" + ",".join(f"{name}={_printed(value)}" for name, value in sorted(_keys_of(element).items())) + "]"
    return f"[={_printed(orjson.loads(rest))}]" if kind == "v:" else f"[{rest}]"


def _printed(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return orjson.dumps(value).decode() if isinstance(value, str) else str(value)


def paths(fields: FieldSet) -> list[str]:
    """Every path of the set as Kubernetes prints it, in its order: the members of a node, then what lies below each."""
    found: list[str] = []
    _collect(fields, "", found)
    return found


_KIND_ORDER = {"f:": 0, "k:": 1, "v:": 2, "i:": 3}


def _element_order(element: str) -> tuple[int, Any]:
    kind, rest = element[:2], element[2:]
    if kind == "k:":
        return 1, [(name, _value_order(value)) for name, value in sorted(_keys_of(element).items())]
    return _KIND_ORDER.get(kind, 4), _value_order(orjson.loads(rest)) if kind == "v:" else int(rest) if kind == "i:" else rest


def _value_order(value: Any) -> tuple[int, Any]:
    return (2, value) if isinstance(value, bool) else (0, value) if isinstance(value, int | float) else (1, str(value))


def _collect(node: FieldSet, prefix: str, found: list[str]) -> None:
    elements = sorted((element for element in node if element != MEMBER), key=_element_order)
    found += [prefix + element_text(element) for element in elements if is_member(node[element])]
    for element in elements:
        if node[element]:
            _collect(node[element], prefix + element_text(element), found)


# --- ownership -------------------------------------------------------------------------------------------------------------

_IDENTITY = ("name", "namespace", "generateName", "uid", "selfLink")
_LIFE = (
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "resourceVersion",
    "managedFields",
)
_NOT_OWNED = frozenset(_IDENTITY + _LIFE)
"""Fields of metadata that say nothing about what we want: the server keeps them itself or strips them from every entry."""


def covers(fields_v1: FieldSet, desired: Obj, schema: Schema | None = None) -> bool:
    """Whether the ownership entry `fields_v1` owns every leaf of `desired`. Identity and status of `desired` do not count.

    `schema` is that of the kind; a built-in kind's is found by apiVersion and kind.
    """
    wanted, known = _ownable(desired), schema or _known_schema(desired)
    return _fields_covered(fields_v1, wanted, known)


def _covered(node: FieldSet, value: Json, schema: Schema | None) -> bool:
    """`not _gaps(…)` for a node below the root, without words: this is asked for every object all the time."""
    if not node:
        return _owned_as_one(value, schema)
    if isinstance(value, dict):
        return _fields_covered(node, value, schema) if value else MEMBER in node
    if isinstance(value, list):
        items = schema.items if schema else None
        return all(_item_covered(node, item, items) for item in value)
    return MEMBER in node


def _fields_covered(node: FieldSet, fields: dict[str, Any], schema: Schema | None) -> bool:
    value: Json
    for key, value in fields.items():
        below = node.get("f:" + key)
        if below is not None and not below and not isinstance(value, dict | list):
            continue  # a scalar and its leaf, as most are
        child = schema.child(key) if schema else None
        if below is not None and _covered(below, value, child):
            continue
        if _has_leaf(value, child):
            return False
    return True


def _item_covered(node: FieldSet, item: Json, schema: Schema | None) -> bool:
    if not isinstance(item, dict):
        return value_element(item) in node
    return any(_covered(entry, item, schema) for _, entry in _candidates(node, item))


def uncovered(fields_v1: FieldSet, desired: Obj, schema: Schema | None = None) -> list[str]:
    """The paths of `desired` that `fields_v1` does not own, as Kubernetes prints paths; whole subtrees by their root."""
    return list(_gaps(fields_v1, _ownable(desired), schema or _known_schema(desired), ""))


def _known_schema(desired: Obj) -> Schema | None:
    group, version = split_api_version(desired.get("apiVersion") or "")
    return builtin_schema(group, version, desired.get("kind") or "")


def _ownable(desired: Obj) -> Obj:
    found = {key: value for key, value in desired.items() if key not in ("apiVersion", "kind", "metadata", "status")}
    metadata: dict[str, Any] = desired.get("metadata") or {}
    metadata = {key: value for key, value in metadata.items() if key not in _NOT_OWNED}
    return {**found, "metadata": metadata} if metadata else found


def _gaps(node: FieldSet, value: Json, schema: Schema | None, path: str) -> Iterator[str]:
    """Paths at and below `node` that `value` states and the set lacks."""
    if not node and path:
        if not _owned_as_one(value, schema):
            yield path
    elif isinstance(value, dict):
        yield from _field_gaps(node, value, schema, path)
    elif isinstance(value, list):
        yield from _item_gaps(node, value, schema, path)
    elif MEMBER not in node:
        yield path


def _owned_as_one(value: Json, schema: Schema | None) -> bool:
    """Whether a bare `{}` stands for all of `value`. Without a schema lists are atomic and maps are not."""
    if isinstance(value, dict):
        return not value or (schema is not None and schema.map_type == "atomic")
    return not isinstance(value, list) or not value or schema is None or schema.list_type == "atomic"


def _field_gaps(node: FieldSet, fields: dict[str, Any], schema: Schema | None, path: str) -> Iterator[str]:
    if not fields and path and MEMBER not in node:
        yield path
    for key, value in fields.items():
        child = schema.child(key) if schema else None
        below = node.get("f:" + key)
        if not _has_leaf(value, child):
            continue
        if below is None:
            yield f"{path}.{key}"
        else:
            yield from _gaps(below, value, child, f"{path}.{key}")


def _has_leaf(value: Json, schema: Schema | None) -> bool:
    """Whether there is anything in `value` that could be owned: null is an absence, an empty list is something only if it is
    known to be atomic."""
    if isinstance(value, dict):
        return not value or any(_has_leaf(child, schema.child(key) if schema else None) for key, child in value.items())
    if value == []:
        return schema is not None and schema.type == "array" and schema.list_type == "atomic"
    return value is not None


def _item_gaps(node: FieldSet, items: list[Any], schema: Schema | None, path: str) -> Iterator[str]:
    item: Json
    below = schema.items if schema else None
    for item in items:
        if not isinstance(item, dict):
            if value_element(item) not in node:
                yield path + element_text(value_element(item))
            continue
        found = _candidates(node, item)
        gaps = [list(_gaps(entry, item, below, path + element_text(element))) for element, entry in found]
        if not gaps:
            yield f"{path}{_item_name(node, item)}"
        elif all(gaps):
            yield from min(gaps, key=len)


def _candidates(node: FieldSet, item: dict[str, Any]) -> list[tuple[str, FieldSet]]:
    """Owned items that `item` may be: every key field that it states agrees."""
    if "name" in item:  # the usual list by name needs no search
        element = _name_element(item["name"])
        if element in node:
            return [(element, node[element])]
    return [
        (element, entry) for element, entry in node.items() if element.startswith("k:") and _agrees(_keys_of(element), item)
    ]


def _agrees(keys: dict[str, Any], item: dict[str, Any]) -> bool:
    return any(name in item for name in keys) and all(item.get(name, value) == value for name, value in keys.items())


def _item_name(node: FieldSet, item: dict[str, Any]) -> str:
    """How to call an item that is not owned: by the keys its neighbours have, or by its name."""
    neighbour = next((element for element in node if element.startswith("k:")), 'k:{"name":""}')
    keys = {name: item[name] for name in _keys_of(neighbour) if name in item}
    return element_text(key_element(keys)) if keys else "[]"


class Owner(Struct, frozen=True):
    """Who holds a path, and since when (RFC 3339, "" if the entry has no time)."""

    manager: str
    operation: str
    time: str
    api_version: str = ""
    subresource: str = ""


def owner_of(managed_fields: list[Obj], path: str, *, besides: str = "") -> Owner | None:
    """Who took `path` (as `uncovered` prints it) last, leaving out the manager `besides`.

    Whoever holds the path itself goes before who holds an atomic parent of it or something below it. None when nobody
    holds it, as after a removal: Kubernetes keeps no record of who deleted a field.
    """
    best: tuple[int, str, Owner] | None = None
    for entry in managed_fields:
        if besides and entry.get("manager") == besides:
            continue
        closeness = _closeness(entry.get("fieldsV1") or {}, path)
        time: str = entry.get("time") or ""
        if closeness and (best is None or (closeness, time) > best[:2]):
            best = (closeness, time, _owner(entry))
    return best[2] if best else None


def _owner(entry: Obj) -> Owner:
    return Owner(
        manager=entry.get("manager") or "",
        operation=entry.get("operation") or "",
        time=entry.get("time") or "",
        api_version=entry.get("apiVersion") or "",
        subresource=entry.get("subresource") or "",
    )


def _closeness(fields: FieldSet, path: str, prefix: str = "") -> int:
    """3: holds the path; 2: a bare node above it, which may be atomic; 1: something below it; 0: nothing of it."""
    best = 0
    for element, below in fields.items():
        if element == MEMBER:
            continue
        here = prefix + element_text(element)
        if here == path:
            best = max(best, 3 if is_member(below) else 1)
        elif _is_below(path, here):
            best = max(best, _closeness(below, path, here) if below else 2)
        elif _is_below(here, path):
            best = max(best, 1)
    return best


def _is_below(path: str, parent: str) -> bool:
    return path.startswith(parent) and path[len(parent)] in ".["
