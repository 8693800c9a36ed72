"""Is this value what its schema says? With the words of a real server, which people paste into search engines.

Order and texts follow kube-openapi's validator as the API server uses it for custom resources: type, junctors (allOf, anyOf,
oneOf, not), strings, formats, numbers, lists, enum, objects; then embedded resources and duplicates in lists of type set and
map. Rules in CEL (`x-kubernetes-validations`) are the API server's to ask.
"""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import orjson
import re2  # pyright: ignore[reportMissingTypeStubs]
from msgspec import Struct

from shipway.base.clock import parse_rfc3339
from shipway.base.durations import parse_duration
from shipway.kube.objects.go_text import go_scalar
from shipway.kube.objects.resource import Json
from shipway.kube.objects.schema import Limits, Schema


class FieldProblem(Struct, frozen=True):
    """One invalid field: `path` ("spec.color"), `type` (the cause's reason, "FieldValueInvalid"), `detail` (its message)."""

    path: str
    type: str
    detail: str

    def __str__(self) -> str:
        return f"{self.path}: {self.detail}"


def validate(value: Json, schema: Schema, path: str = "") -> list[FieldProblem]:
    """Everything that is wrong with `value`. `metadata` of a whole object is left to whoever handles metadata."""
    if path or not isinstance(value, dict):
        return problems_of(value, schema, path)
    found = problems_of({**value, "metadata": {}}, schema)  # `required: [metadata]` is met by whoever handles it
    return [problem for problem in found if problem.path.split(".")[0] != "metadata"]


def problems_of(value: Json, schema: Schema, path: str = "") -> list[FieldProblem]:
    """Everything that is wrong with a value that is no whole object, such as a default."""
    found = list(_check(value, schema, path))
    return found + list(_embedded(value, schema, path)) + list(_duplicates(value, schema, path))


# --- problems --------------------------------------------------------------------------------------------------------------


def required(path: str, detail: str = "") -> FieldProblem:
    return FieldProblem(path, "FieldValueRequired", f"Required value: {detail}" if detail else "Required value")


def forbidden(path: str, detail: str) -> FieldProblem:
    return FieldProblem(path, "FieldValueForbidden", f"Forbidden: {detail}")


def invalid(path: str, value: Json, detail: str, kind: str = "FieldValueInvalid") -> FieldProblem:
    return FieldProblem(path or "<nil>", kind, f"Invalid value: {_shown(value)}: {detail}")


def _shown(value: Json) -> str:
    if isinstance(value, dict | list):
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    return go_scalar(value)


def _wrong_type(path: str, wanted: str, shown: str) -> FieldProblem:
    text = f'{path} in body must be of type {wanted}: "{shown}"'
    return invalid(path, shown, text, "FieldValueTypeInvalid")


def _composite(path: str, detail: str) -> FieldProblem:
    return invalid("", "", f'"{path}" {detail}')


def _too_many(path: str, count: int, most: int) -> FieldProblem:
    items = "item" if most == 1 else "items"
    return FieldProblem(path, "FieldValueTooMany", f"Too many: {count}: must have at most {most} {items}")


# --- the walk --------------------------------------------------------------------------------------------------------------


def _check(value: Json, schema: Schema, path: str) -> Iterator[FieldProblem]:
    yield from _type(value, schema, path)
    limits = schema.limits
    if value is not None:
        if limits:
            yield from _junctors(value, limits, path)
            yield from _bounds(value, limits, path)
        yield from _format(value, schema, path)
        if schema.type == "integer" and isinstance(value, float) and not float.is_integer(value):
            yield invalid("", "", f"Checked value must be of type integer (default format) in {path}")
        if isinstance(value, list):
            yield from _items(value, schema, path)
    if schema.enum and not any(_same(value, allowed) for allowed in schema.enum):
        yield _unsupported(path, value, schema.enum)
    if isinstance(value, dict):
        yield from _fields(value, schema, path)


def _type_name(value: Json) -> str:
    if isinstance(value, bool):
        return "boolean"
    names = {str: "string", int: "integer", float: "number", dict: "object", list: "array"}
    return next((name for kind, name in names.items() if isinstance(value, kind)), "null")


def _type(value: Json, schema: Schema, path: str) -> Iterator[FieldProblem]:
    wanted = "integer,string" if schema.int_or_string else schema.type
    if not wanted or (value is None and schema.nullable):
        return
    name = _type_name(value)
    whole = isinstance(value, float) and float.is_integer(value)
    fits = name in wanted.split(",") or (name == "integer" and wanted == "number") or (whole and "integer" in wanted)
    if not fits:
        yield _wrong_type(path, wanted, name)


def _junctors(value: Json, limits: Limits, path: str) -> Iterator[FieldProblem]:
    if limits.any_of:
        results = [list(_check(value, branch, path)) for branch in limits.any_of]
        if all(results):
            yield _composite(path, "must validate at least one schema (anyOf)")
            yield from min(results, key=len)
    if limits.one_of:
        results = [list(_check(value, branch, path)) for branch in limits.one_of]
        valid = results.count([])
        if valid != 1:
            found = f"Found {valid} valid alternatives" if valid else "Found none valid"
            yield _composite(path, f"must validate one and only one schema (oneOf). {found}")
            yield from min(results, key=len) if not valid else ()
    if limits.all_of:
        results = [list(_check(value, branch, path)) for branch in limits.all_of]
        yield from (problem for result in results for problem in result)
        if any(results):
            yield _composite(path, f"must validate all the schemas (allOf){'' if [] in results else '. None validated'}")
    if limits.negated is not None and not list(_check(value, limits.negated, path)):
        yield _composite(path, "must not validate the schema (not)")


def _bounds(value: Json, limits: Limits, path: str) -> Iterator[FieldProblem]:
    if isinstance(value, str):
        yield from _text_bounds(value, limits, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _number_bounds(value, limits, path)


def _text_bounds(value: str, limits: Limits, path: str) -> Iterator[FieldProblem]:
    """The first thing that is wrong."""
    if limits.max_length is not None and len(value) > limits.max_length:
        unit = "byte" if limits.max_length == 1 else "bytes"
        yield FieldProblem(path, "FieldValueTooLong", f"Too long: may not be more than {limits.max_length} {unit}")
    elif limits.min_length is not None and len(value) < limits.min_length:
        yield invalid(path, value, f"{path} in body should be at least {limits.min_length} chars long")
    elif limits.pattern and not matches(limits.pattern, value):
        yield invalid(path, value, f"{path} in body should match '{limits.pattern}'")


def matches(pattern: str, text: str) -> bool:
    """Whether the RE2 `pattern` is found in `text`. A pattern that does not compile matches nothing."""
    compiled = compiled_pattern(pattern)
    return compiled is not None and compiled.search(text) is not None


@lru_cache(maxsize=4096)
def compiled_pattern(pattern: str) -> Any:
    """The compiled RE2 pattern, or None if it is not one."""
    engine: Any = re2
    try:
        return engine.compile(pattern)
    except engine.error:
        return None


def _number_bounds(value: float, limits: Limits, path: str) -> Iterator[FieldProblem]:
    if limits.multiple_of and not (value / limits.multiple_of).is_integer():
        yield invalid(path, value, f"{path} in body should be a multiple of {go_scalar(limits.multiple_of)}")
    most, least = limits.maximum, limits.minimum
    if most is not None and (value > most or (limits.exclusive_maximum and value == most)):
        words = "less than" if limits.exclusive_maximum else "less than or equal to"
        yield invalid(path, value, f"{path} in body should be {words} {go_scalar(most)}")
    if least is not None and (value < least or (limits.exclusive_minimum and value == least)):
        words = "greater than" if limits.exclusive_minimum else "greater than or equal to"
        yield invalid(path, value, f"{path} in body should be {words} {go_scalar(least)}")


def _items(value: list[Any], schema: Schema, path: str) -> Iterator[FieldProblem]:
    if schema.items is not None:
        for index, item in enumerate(value):
            yield from _check(item, schema.items, f"{path}[{index}]")
    limits = schema.limits
    if limits is None:
        return
    if limits.min_items is not None and len(value) < limits.min_items:
        yield invalid(path, len(value), f"{path} in body should have at least {limits.min_items} items")
    if limits.max_items is not None and len(value) > limits.max_items:
        yield _too_many(path, len(value), limits.max_items)
    if limits.unique_items and len({_shown(item) for item in value}) < len(value):
        yield invalid(path, "", f"{path} in body shouldn't contain duplicates")


def _fields(value: dict[str, Any], schema: Schema, path: str) -> Iterator[FieldProblem]:
    limits = schema.limits
    if limits and limits.min_properties is not None and len(value) < limits.min_properties:
        yield invalid(path, len(value), f"{path} in body should have at least {limits.min_properties} properties")
    if limits and limits.max_properties is not None and len(value) > limits.max_properties:
        yield _too_many(path, len(value), limits.max_properties)
    for key, below in value.items():
        child = schema.properties.get(key) or schema.additional
        if child is not None:
            yield from _check(below, child, f"{path}.{key}" if path else key)
    for key in schema.required:
        if key not in value:
            yield required(f"{path}.{key}" if path else key)


def _same(value: Json, allowed: Json) -> bool:
    return value == allowed and isinstance(value, bool) == isinstance(allowed, bool)


def _unsupported(path: str, value: Json, allowed: tuple[Any, ...]) -> FieldProblem:
    names = [one if isinstance(one, str) else orjson.dumps(one).decode() for one in allowed]
    listed = ", ".join(orjson.dumps(name).decode() for name in names)
    return FieldProblem(path, "FieldValueNotSupported", f"Unsupported value: {_shown(value)}: supported values: {listed}")


# --- formats ---------------------------------------------------------------------------------------------------------------


def _format(value: Json, schema: Schema, path: str) -> Iterator[FieldProblem]:
    check = _FORMATS.get(schema.format.replace("-", ""))
    if check is not None and isinstance(value, str) and schema.type in ("", "string") and not _accepts(check, value):
        yield _wrong_type(path, schema.format, value)


def _accepts(check: Callable[[str], Any], value: str) -> bool:
    """Checks say no by False or by ValueError."""
    try:
        return check(value) is not False
    except ValueError:
        return False


def _pattern(text: str) -> Callable[[str], bool]:
    compiled = re.compile(text)
    return lambda value: compiled.fullmatch(value) is not None


def _uuid(version: str, variant: str = "[0-9a-f]") -> Callable[[str], bool]:
    return _pattern(rf"(?i)[0-9a-f]{{8}}-?[0-9a-f]{{4}}-?{version}[0-9a-f]{{3}}-?{variant}[0-9a-f]{{3}}-?[0-9a-f]{{12}}")


def _base64(value: str) -> None:
    try:
        base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ValueError from error


def _date_time(value: str) -> None:
    if "T" not in value.upper():
        raise ValueError
    parse_rfc3339(value)


_LABEL = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_FORMATS: dict[str, Callable[[str], Any]] = {
    "datetime": _date_time,
    "date": _pattern(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"),
    "duration": parse_duration,
    "ipv4": ipaddress.IPv4Address,
    "ipv6": ipaddress.IPv6Address,
    "cidr": lambda value: ipaddress.ip_interface(value) if "/" in value else False,
    "uuid": _uuid("[0-9a-f]"),
    "uuid3": _uuid("3"),
    "uuid4": _uuid("4", "[89ab]"),
    "uuid5": _uuid("5", "[89ab]"),
    "uri": _pattern(r"(?:[A-Za-z][A-Za-z0-9+.-]*:|/)\S*"),
    "email": _pattern(r"[^@\s]+@[^@\s]+"),
    "hostname": _pattern(
        r"(?=.{1,253}$)[A-Za-z0-9](?:[-A-Za-z0-9]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[-A-Za-z0-9]*[A-Za-z0-9])?)*"
    ),
    "mac": _pattern(r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}"),
    "byte": _base64,
    "k8sshortname": _pattern(_LABEL),
    "k8slongname": _pattern(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*"),
}
"""Formats by name without dashes; those not named here are not checked, as a real server ignores what it does not know."""


# --- embedded resources and duplicates -------------------------------------------------------------------------------------


def _below(value: Json, schema: Schema, path: str) -> Iterator[tuple[Json, Schema, str]]:
    """Every child that has a schema; keys of maps in brackets, as these checks print them."""
    if isinstance(value, dict):
        for key, child in value.items():
            if key in schema.properties:
                yield child, schema.properties[key], f"{path}.{key}" if path else key
            elif schema.additional is not None:
                yield child, schema.additional, f"{path}[{key}]"
    elif isinstance(value, list) and schema.items is not None:
        for index, item in enumerate(value):
            yield item, schema.items, f"{path}[{index}]"


def _embedded(value: Json, schema: Schema, path: str) -> Iterator[FieldProblem]:
    if schema.embedded and isinstance(value, dict):
        for key in ("apiVersion", "kind"):
            if not value.get(key):
                yield required(f"{path}.{key}")
    if schema.embedded or not isinstance(value, dict | list):
        return
    for child, below, where in _below(value, schema, path):
        yield from _embedded(child, below, where)


def _duplicates(value: Json, schema: Schema, path: str) -> Iterator[FieldProblem]:
    if isinstance(value, list) and schema.list_type in ("set", "map"):
        yield from _duplicate_items(value, schema, path)
    if isinstance(value, dict | list):
        for child, below, where in _below(value, schema, path):
            yield from _duplicates(child, below, where)


def _duplicate_items(value: list[Json], schema: Schema, path: str) -> Iterator[FieldProblem]:
    """Each value that occurs more than once, at its second place."""
    seen: dict[str, int] = {}
    for index, item in enumerate(value):
        if schema.list_type == "map":
            if not isinstance(item, dict):
                continue
            item = {key: item[key] for key in schema.map_keys if key in item}
        shown = _shown(item)
        seen[shown] = seen.get(shown, 0) + 1
        if seen[shown] == 2:
            yield FieldProblem(f"{path}[{index}]", "FieldValueDuplicate", f"Duplicate value: {shown}")
