"""May this schema stand in a CustomResourceDefinition? Structural schemas, and what a server forbids beyond that.

A schema is structural if every field has a type outside of allOf, anyOf, oneOf and not; those may only add value validations.
That is what makes pruning, defaulting and server-side apply possible. Texts and paths are a real server's; paths are relative
to the schema (`properties[spec].type`), so that the caller can put `spec.versions[0].schema.openAPIV3Schema.` before them.
"""

from collections.abc import Iterator
from typing import Any, Literal

from shipway.kube.objects.pruning import has_unknown
from shipway.kube.objects.resource import Json, Obj
from shipway.kube.objects.schema import crd_schema
from shipway.kube.objects.validation import FieldProblem, compiled_pattern, forbidden, invalid, problems_of, required

Level = Literal["root", "item", "field"]

_EMPTY_TYPE = {
    "root": "must not be empty at the root",
    "item": "must not be empty for specified array items",
    "field": "must not be empty for specified object fields",
}
_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_NOT_SUPPORTED = ("$ref", "definitions", "dependencies", "patternProperties", "additionalItems", "id")


def check_structural(schema: Obj) -> list[str]:
    """What is wrong with a CRD version's `openAPIV3Schema`, one line each, sorted; empty if it may be used."""
    return [str(problem) for problem in structural_problems(schema)]


def structural_problems(schema: Obj) -> list[FieldProblem]:
    """The same as values: `path` relative to the schema, `type` and `detail` as a Status cause has them."""
    found = [*_node(schema, "root", ""), *_complete(schema, schema, "", "")]
    if not found:
        found = list(_defaults(schema, ""))
    return sorted(set(found), key=str)


def _fields(schema: Obj) -> dict[str, Obj]:
    return schema.get("properties") or {}


def _branches(schema: Obj, junctor: str) -> list[Obj]:
    return schema.get(junctor) or []


def _under(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _properties(path: str) -> str:
    return _under(path, "properties")


def _node(schema: Obj, level: Level, path: str) -> Iterator[FieldProblem]:
    yield from _type(schema, level, path)
    yield from _shape(schema, level, path)
    yield from _list_rules(schema, path)
    yield from _extensions(schema, path)
    yield from _validations(schema, path, _is_int_or_string(schema))
    for key, child in _fields(schema).items():
        yield from _node(child, "field", f"{_properties(path)}[{key}]")
    if isinstance(schema.get("items"), dict):
        yield from _node(schema["items"], "item", _under(path, "items"))
    if isinstance(schema.get("additionalProperties"), dict):
        yield from _node(schema["additionalProperties"], "field", _under(path, "additionalProperties"))
    yield from _metadata(schema, level, path)


def _is_int_or_string(schema: Obj) -> bool:
    """The two shapes in which types may stand below a junctor: anyOf [integer, string], or that as the first of allOf."""
    first = _branches(schema, "allOf")[:1]
    return _INT_OR_STRING in (_branches(schema, "anyOf"), *(_branches(branch, "anyOf") for branch in first))


def _type(schema: Obj, level: Level, path: str) -> Iterator[FieldProblem]:
    kind, where = schema.get("type") or "", _under(path, "type")
    if schema.get("x-kubernetes-embedded-resource") and kind != "object":
        text = "must be object if x-kubernetes-embedded-resource is true"
        yield invalid(where, kind, text) if kind else required(where, text)
    elif not kind:
        if not schema.get("x-kubernetes-int-or-string") and not schema.get("x-kubernetes-preserve-unknown-fields"):
            yield required(where, _EMPTY_TYPE[level])
    elif level == "root" and kind != "object":
        yield invalid(where, kind, "must be object at the root")
    elif kind not in _TYPES:
        listed = ", ".join(f'"{name}"' for name in _TYPES)
        yield FieldProblem(where, "FieldValueNotSupported", f'Unsupported value: "{kind}": supported values: {listed}')


def _shape(schema: Obj, level: Level, path: str) -> Iterator[FieldProblem]:
    if schema.get("type") == "array" and "items" not in schema:
        yield required(_under(path, "items"), "must be specified")
    additional = schema.get("additionalProperties")
    if additional is not None:
        where = _under(path, "additionalProperties")
        if level == "root":
            yield forbidden(where, "must not be used at the root")
        if schema.get("x-kubernetes-embedded-resource"):
            yield forbidden(where, "must not be used if x-kubernetes-embedded-resource is set")
        if additional is False:
            yield forbidden(where, "additionalProperties cannot be set to false")
        if schema.get("properties"):
            yield forbidden(where, "additionalProperties and properties are mutual exclusive")
    if schema.get("uniqueItems"):
        text = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield forbidden(_under(path, "uniqueItems"), text)
    for name in _NOT_SUPPORTED:
        if schema.get(name):
            yield forbidden(_under(path, name), f"{name} is not supported")


def _list_rules(schema: Obj, path: str) -> Iterator[FieldProblem]:
    """List types need arrays, map lists need keys that every item has."""
    list_type = schema.get("x-kubernetes-list-type")
    keys: list[str] = schema.get("x-kubernetes-list-map-keys") or []
    if list_type and schema.get("type") != "array":
        yield invalid(_under(path, "type"), schema.get("type") or "", "must be array if x-kubernetes-list-type is specified")
    if list_type == "map" and not keys:
        yield required(_under(path, "x-kubernetes-list-map-keys"), "must not be empty if x-kubernetes-list-type is map")
    if keys and list_type != "map":
        text = "must be map if x-kubernetes-list-map-keys is non-empty"
        where = _under(path, "x-kubernetes-list-type")
        yield invalid(where, list_type, text) if list_type else required(where, text)
    if list_type != "map":
        return
    items: Obj = schema.get("items") or {}
    for key in keys:
        field = _fields(items).get(key)
        if field is None:
            yield invalid(_under(path, "x-kubernetes-list-map-keys"), [key], "entries must all be names of item properties")
        elif key not in (items.get("required") or []) and "default" not in field:
            text = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            yield required(f"{_properties(_under(path, 'items'))}[{key}].default", text)


def _extensions(schema: Obj, path: str) -> Iterator[FieldProblem]:
    if schema.get("x-kubernetes-int-or-string"):
        for name in ("x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"):
            if schema.get(name):
                yield invalid(_under(path, name), True, "must be false if x-kubernetes-int-or-string is true")
    preserved = schema.get("x-kubernetes-preserve-unknown-fields")
    if schema.get("x-kubernetes-embedded-resource") and not preserved and not schema.get("properties"):
        text = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
        yield required(_properties(path), text)


def _metadata(schema: Obj, level: Level, path: str) -> Iterator[FieldProblem]:
    properties = _fields(schema)
    if level != "root" and not schema.get("x-kubernetes-embedded-resource"):
        return
    for key, wanted in (("kind", "string"), ("apiVersion", "string"), ("metadata", "object")):
        kind = properties.get(key, {}).get("type") or ""
        if key in properties and kind != wanted:
            yield invalid(f"{_properties(path)}[{key}].type", kind, f"must be {wanted}")
    if level == "root" and "metadata" in properties:
        rest = {key: value for key, value in properties["metadata"].items() if value and key not in ("type", "description")}
        names = set(rest.pop("properties", {}))
        if rest or not names <= {"name", "generateName"}:
            text = "must not specify anything other than name and generateName, but metadata is implicitly specified"
            yield forbidden(f"{_properties(path)}[metadata]", text)


# --- value validations -----------------------------------------------------------------------------------------------------


def _validations(schema: Obj, path: str, typed_any_of: bool = False) -> Iterator[FieldProblem]:
    """`typed_any_of`: this is one of the shapes of int-or-string, whose anyOf may name the two types."""
    for name in ("allOf", "anyOf", "oneOf"):
        for index, branch in enumerate(_branches(schema, name)):
            if name == "anyOf" and typed_any_of and schema["anyOf"] == _INT_OR_STRING:
                continue
            yield from _nested(branch, f"{_under(path, name)}[{index}]", typed_any_of and name == "allOf" and index == 0)
    if isinstance(schema.get("not"), dict):
        yield from _nested(schema["not"], _under(path, "not"))
    if schema.get("pattern") and compiled_pattern(schema["pattern"]) is None:
        text = "must be a valid regular expression, but isn't"
        yield invalid(_under(path, "pattern"), schema["pattern"], text)


_NESTED_FORBIDDEN = {
    "type": "must be empty to be structural",
    "additionalProperties": "must be undefined to be structural",
    "default": "must be undefined to be structural",
    "title": "must be empty to be structural",
    "description": "must be empty to be structural",
    "nullable": "must be false to be structural",
    "x-kubernetes-preserve-unknown-fields": "must be false to be structural",
    "x-kubernetes-embedded-resource": "must be false to be structural",
    "x-kubernetes-int-or-string": "must be false to be structural",
    "x-kubernetes-list-map-keys": "must be empty to be structural",
    "x-kubernetes-list-type": "must be undefined to be structural",
    "x-kubernetes-map-type": "must be undefined to be structural",
    "x-kubernetes-validations": "must be empty to be structural",
}


def _nested(schema: Obj, path: str, typed_any_of: bool = False) -> Iterator[FieldProblem]:
    yield from _validations(schema, path, typed_any_of)
    if isinstance(schema.get("items"), dict):
        yield from _nested(schema["items"], _under(path, "items"))
    for key, child in _fields(schema).items():
        yield from _nested(child, f"{_properties(path)}[{key}]")
    for name, text in _NESTED_FORBIDDEN.items():
        if schema.get(name):
            yield forbidden(_under(path, name), text)
    if "metadata" in _fields(schema):
        yield forbidden(f"{_properties(path)}[metadata]", "must not be specified in a nested context")


def _complete(validation: Obj, schema: Obj, path: str, at: str) -> Iterator[FieldProblem]:
    """Whatever a junctor speaks of must be declared outside of it."""
    branches = [
        (f"{_under(at, n)}[{i}]", b) for n in ("allOf", "anyOf", "oneOf") for i, b in enumerate(validation.get(n) or [])
    ]
    if isinstance(validation.get("not"), dict):
        branches.append((_under(at, "not"), validation["not"]))
    for where, branch in branches:
        yield from _complete_nested(branch, schema, path, where)


def _complete_nested(branch: Obj, schema: Obj, path: str, at: str) -> Iterator[FieldProblem]:
    yield from _complete(branch, schema, path, at)
    if isinstance(branch.get("items"), dict):
        if isinstance(schema.get("items"), dict):
            yield from _complete_nested(branch["items"], schema["items"], _under(path, "items"), _under(at, "items"))
        else:
            yield required(_under(path, "items"), f"because it is defined in {_under(at, 'items')}")
    declared = _fields(schema)
    for key, child in _fields(branch).items():
        here, there = f"{_properties(path)}[{key}]", f"{_properties(at)}[{key}]"
        if key in declared:
            yield from _complete_nested(child, declared[key], here, there)
        else:
            yield required(here, f"because it is defined in {there}")


# --- defaults --------------------------------------------------------------------------------------------------------------


def _defaults(schema: Obj, path: str) -> Iterator[FieldProblem]:
    """A default must itself be valid."""
    default: Json = schema.get("default")
    if default is not None:
        where = _under(path, "default")
        node = crd_schema({"type": "object", "properties": {"default": schema}}).properties["default"]
        for problem in problems_of(default, node):
            below = "" if problem.path == "<nil>" else problem.path
            yield FieldProblem(_under(where, below) if below else where, problem.type, problem.detail)
        if has_unknown(default, node):
            yield invalid(where, default, "must not have unknown fields")
    for key, child in _fields(schema).items():
        yield from _defaults(child, f"{_properties(path)}[{key}]")
    for name in ("items", "additionalProperties"):
        below: Any = schema.get(name)
        if isinstance(below, dict):
            yield from _defaults(below, _under(path, name))  # pyright: ignore[reportUnknownArgumentType]
