"""A value and its schema, walked together: which field paths does it state, and which of them can be taken out again.

First of the three walks that server-side apply is made of (with `typed_merge` and `typed_compare`). `fields_of` yields the
paths an applied configuration claims: its scalars, its atomic lists and maps as one leaf each, its list items and map entries
as members of their own, but not the structs around them. It refuses what the schema does not know, with the texts of the
structured-merge-diff library, whose behaviour these walks follow.
"""

from functools import lru_cache
from typing import Any

from shipway.kube.objects.field_sets import MEMBER, FieldSet, element_text, is_member, key_element, value_element
from shipway.kube.objects.go_text import go_syntax, go_text
from shipway.kube.objects.resource import Json
from shipway.kube.objects.schema import DEDUCED, Schema


class TypeMismatch(Exception):
    """A value does not fit its schema. Never leaves `kube.objects`: `explain` says in words what is wrong."""


def item_element(schema: Schema, item: Json) -> str:
    """The path element of one item of a list of type set or map. Raises TypeMismatch when the item has no identity."""
    if not schema.map_keys:
        if isinstance(item, dict):
            raise TypeMismatch("associative list without keys has an element that's a map type")
        if isinstance(item, list):
            raise TypeMismatch("not supported: associative list with lists as elements")
        if item is None:
            raise TypeMismatch("associative list without keys has an element that's an explicit null")
        return value_element(item)
    if not isinstance(item, dict):
        kind = "a null element" if item is None else "non-map elements"
        raise TypeMismatch(f"associative list with keys may not have {kind}")
    return _keyed_element(schema, item)


def _keyed_element(schema: Schema, item: dict[str, Any]) -> str:
    names, values = schema.map_keys, []
    if len(names) == 1 and isinstance(name := item.get(names[0]), str):
        return _named_element(names[0], name)
    if all(name in item for name in names):
        values = [item[name] for name in names]
    else:
        stated = {name: item.get(name, schema.key_defaults.get(name)) for name in names}
        names = tuple(name for name, value in stated.items() if name in item or value is not None)
        values = [stated[name] for name in names]
    if not names:
        keys = " ".join(f'"{name}"' for name in schema.map_keys)
        raise TypeMismatch(
            f"associative list with keys has an element that omits all key fields [{keys}] "
            "(and doesn't have default values for any key fields)"
        )
    try:
        return _element(names, tuple(values))
    except TypeError:  # a key whose value is a list or map; validation refuses it later
        return key_element(dict(zip(names, values, strict=True)))


@lru_cache(maxsize=65536)
def _named_element(key: str, name: str) -> str:
    return key_element({key: name})


@lru_cache(maxsize=65536, typed=True)
def _element(names: tuple[str, ...], values: tuple[Any, ...]) -> str:
    return key_element(dict(zip(names, values, strict=True)))


def fields_of(value: Json, schema: Schema) -> FieldSet:
    """The set of paths that `value` states. Raises TypeMismatch on undeclared fields, wrong types and duplicate items."""
    return _fields(value, schema) or {}


def _fields(value: Json, schema: Schema) -> FieldSet | None:
    """The node of `value`; None: no path at all, {}: just itself."""
    if isinstance(value, dict):
        return _map_fields(value, schema)
    if isinstance(value, list):
        return _list_fields(value, schema)
    if value is None:
        return None
    if not _SCALARS[schema.type](value):
        raise TypeMismatch
    return {}


def _map_fields(value: dict[str, Any], schema: Schema) -> FieldSet | None:
    if schema.type not in ("object", ""):
        raise TypeMismatch
    properties, extra, node = schema.properties, schema.extra, FieldSet()
    for key, below in value.items():
        child = properties.get(key)
        declared = child is not None
        child = child or extra
        if child is None:
            raise TypeMismatch
        if isinstance(below, str) and child.type == "string":
            node["f:" + key] = {}
            continue
        fields = _fields(below, child)
        if fields is None:
            if not declared or below is None or below == {}:
                node["f:" + key] = {}
        else:
            node["f:" + key] = fields if declared or not fields else {MEMBER: {}, **fields}
    return {} if schema.map_type == "atomic" else node or None


def _list_fields(value: list[Any], schema: Schema) -> FieldSet | None:
    if schema.type not in ("array", ""):
        raise TypeMismatch
    items, node = schema.items or DEDUCED, FieldSet()
    if schema.list_type == "atomic":
        for item in value:
            _fields(item, items)
        return {}
    for item in value:
        element = item_element(schema, item)
        if element in node:
            raise TypeMismatch
        fields = _fields(item, items)
        node[element] = {MEMBER: {}, **fields} if fields else {}
    return node or None


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_text(value: Json) -> bool:
    return isinstance(value, str)


def _is_bool(value: Json) -> bool:
    return isinstance(value, bool)


def _is_scalar(_: Json) -> bool:
    return True


def _is_nothing(_: Json) -> bool:
    return False


_SCALARS = {
    "": _is_scalar,
    "string": _is_text,
    "integer": _is_number,
    "number": _is_number,
    "boolean": _is_bool,
    "object": _is_nothing,
    "array": _is_nothing,
}


# --- saying what is wrong --------------------------------------------------------------------------------------------------


def explain(value: Json, schema: Schema) -> str:
    """What `fields_of` refused, as the real server words it."""
    problems = _problems(value, schema, "")
    return problems[0] if len(problems) == 1 else "\n  ".join(["errors:", *problems])


def _problems(value: Json, schema: Schema, path: str) -> list[str]:
    if isinstance(value, dict) and schema.type in ("object", ""):
        found: list[str] = []
        for key, below in value.items():
            child, where = schema.child(key), f"{path}.{key}"
            found += [f"{where}: field not declared in schema"] if child is None else _problems(below, child, where)
        return found
    if isinstance(value, list) and schema.type in ("array", ""):
        return _item_problems(value, schema, path)
    if value is None or (not isinstance(value, dict | list) and _SCALARS[schema.type](value)):
        return []
    return [f"{path}: {_expected(value, schema.type)}"]


def _item_problems(value: list[Any], schema: Schema, path: str) -> list[str]:
    found: list[str] = []
    seen: set[str] = set()
    for index, item in enumerate(value):
        element = f"i:{index}"
        if schema.list_type != "atomic":
            try:
                element = item_element(schema, item)
            except TypeMismatch as error:
                return [*found, f"{path}: element {index}: {error}"]
            if element in seen:
                found.append(f"{path}: duplicate entries for key {element_text(element)}")
            seen.add(element)
        found += _problems(item, schema.items or DEDUCED, path + element_text(element))
    return found


_GO_NAMES = {"str": "string", "bool": "bool", "dict": "map[string]interface {}", "list": "[]interface {}"}


def _expected(value: Json, kind: str) -> str:
    if kind in ("integer", "number"):
        return f"expected numeric (int or float), got {_GO_NAMES.get(type(value).__name__, 'nil')}"
    if kind == "string":
        return f"expected string, got &value.valueUnstructured{{Value:{go_syntax(value)}}}"
    name = {"boolean": "boolean", "object": "map", "array": "list"}[kind]
    return f"expected {name}, got &{{{go_text(value)}}}"


# --- sets that were written under another schema ----------------------------------------------------------------------------


def in_terms_of(schema: Schema, fields: FieldSet) -> FieldSet:
    """`fields` with every subtree that `schema` has as atomic folded into its root: a CRD may make a granular field atomic.

    The same object when nothing changes. The other way round an atomic field stays one bare path, as on a real server.
    """
    changed: FieldSet = {}
    for element, below in fields.items():
        if not below:
            continue
        child = _child_of(schema, element)
        if child is None or child is DEDUCED:
            continue
        is_one = child.map_type == "atomic" or (child.type == "array" and child.list_type == "atomic")
        folded = {} if is_one else in_terms_of(child, below)
        if folded is not below:
            changed[element] = folded
    return {**fields, **changed} if changed else fields


# --- taking paths out ------------------------------------------------------------------------------------------------------


def with_named_parents(fields: FieldSet, schema: Schema | None) -> FieldSet:
    """`fields` with every declared field on the way to a member made a member too, but not map entries and list items."""
    node: FieldSet = {}
    for element, below in fields.items():
        if element == MEMBER or not below:
            node[element] = below
            continue
        child = _child_of(schema, element)
        deeper: FieldSet = with_named_parents(below, child)
        if schema is not None and element[:2] == "f:" and element[2:] in schema.properties:
            deeper[MEMBER] = {}
        node[element] = deeper
    return node


def _child_of(schema: Schema | None, element: str) -> Schema | None:
    if schema is None:
        return None
    return schema.child(element[2:]) if element[:2] == "f:" else schema.items


def remove(value: Json, fields: FieldSet, schema: Schema) -> Json:
    """`value` without the fields and items in `fields`, each with all that is below it; `value` itself if none is there.

    What is emptied by it becomes null, not {} or [], as on a real server.
    """
    if isinstance(value, dict) and schema.map_type != "atomic":
        return _remove_fields(value, fields, schema)
    if isinstance(value, list) and schema.list_type != "atomic":
        return _remove_items(value, fields, schema)
    return value


def _remove_fields(value: dict[str, Any], fields: FieldSet, schema: Schema) -> dict[str, Any] | None:
    kept: dict[str, Any] = {}
    touched = False
    for key, below in value.items():
        node = fields.get("f:" + key)
        if node is not None and is_member(node):
            touched = True
            continue
        kept[key] = below if node is None else remove(below, node, schema.child(key) or DEDUCED)
        touched = touched or kept[key] is not below
    return (kept or None) if touched else value


def _remove_items(value: list[Any], fields: FieldSet, schema: Schema) -> list[Any] | None:
    kept: list[Any] = []
    touched = False
    for item in value:
        node = fields.get(item_element(schema, item))
        if node is not None and is_member(node):
            touched = True
            continue
        kept.append(item if node is None else remove(item, node, schema.items or DEDUCED))
        touched = touched or kept[-1] is not item
    return (kept or None) if touched else value
