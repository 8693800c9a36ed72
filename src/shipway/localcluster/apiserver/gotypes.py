"""The shape of the built-in types, and the form in which a real server stores them.

`gotypes.json` is printed from the published Go structs (tools/gotypes): for every field its JSON name, protobuf number and
type. A real server decodes each body into such a struct and encodes it again, and much of what clients see comes from that
round trip: unknown fields vanish, null means unset, empty values of `omitempty` fields are dropped, others appear as zero
values, a quantity is respelled. `normal_form` does the round trip on plain JSON. Notation of a type: `!T` always written,
`?T` left out when zero, `T` left out when empty; then `*T` pointer, `[T` list, `{T` map, `=T` named list of strings, a
scalar, or the name of a struct.

Every write of a Deployment, its ReplicaSet and its pods brings the same pod spec again, most of it unchanged, so the forms of
pod specs and containers are remembered by their content.
"""

import base64
import binascii
import re
import string
from collections.abc import Callable
from functools import cache, lru_cache, partial
from importlib import resources
from typing import Any

import orjson
from msgspec import Struct

from shipway.base.clock import parse_rfc3339, rfc3339, rfc3339_micro
from shipway.kube.objects.quantities import canonical_quantity
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import kept_json

_BASE64 = frozenset(string.ascii_letters + string.digits + "+/=\r\n")
_MICRO = re.compile(r"\.\d{6}(Z|[+-]\d\d:\d\d)$")
_ZERO: dict[str, Any] = {"string": "", "int": 0, "float": 0, "bool": False, "quantity": "0", "intorstring": 0, "duration": "0s"}


class WrongType(Exception):
    """A JSON value that its field can not hold. Where it stands is filled in on the way out: `struct` by the struct around the
    field, the path by everything above it."""

    def __init__(self, found: str, wanted: str) -> None:
        super().__init__(found)
        self._found, self._wanted = found, wanted
        self._path: list[str] = []
        self.struct = ""

    def below(self, key: str) -> None:
        """The value stands below the field `key`."""
        self._path.append(key)

    def __str__(self) -> str:
        where = ".".join((self.struct, *reversed(self._path)))
        return f"json: cannot unmarshal {self._found} into Go struct field {where} of type {self._wanted}"


class Unreadable(WrongType):
    """A text that its type can not read: the reader's own words are the message."""

    def __init__(self, message: str) -> None:
        super().__init__("", "")
        self._message = message

    def __str__(self) -> str:
        return self._message


class Field(Struct, frozen=True):
    """One field: `keep` is "always", "nonzero" (omitzero) or "nonempty" (omitempty); `inline` for embedded structs."""

    name: str
    number: int
    keep: str
    type: str

    @property
    def inline(self) -> bool:
        return not self.name


class Found(Struct):
    """What a normalisation met on its way: paths of unknown fields. `keep_empty`: empty lists that are always written stay
    empty, as in a body that was just read; in the store they become null."""

    unknown: list[str]
    keep_empty: bool = False

    def below(self, start: int, prefix: str) -> None:
        """The unknown paths from `start` on were found below `prefix`."""
        self.unknown[start:] = [prefix + path for path in self.unknown[start:]]


@cache
def _table() -> Obj:
    return orjson.loads(resources.files("shipway.localcluster.apiserver").joinpath("gotypes.json").read_bytes())


@cache
def struct_fields(name: str) -> tuple[Field, ...]:
    """The fields of a struct in declaration order, embedded ones still folded."""
    keeps = {"!": "always", "?": "nonzero"}
    fields: list[Field] = []
    for json_name, number, spelled in _table()["types"][name]:
        keep = keeps.get(spelled[0], "nonempty")
        fields.append(Field(json_name, number, keep, spelled.lstrip("!?")))
    return tuple(fields)


def type_of(api_version: str, kind: str) -> str | None:
    """The struct of a kind, None when it is no built-in one."""
    return _table()["roots"].get(f"{api_version}/{kind}")


@cache
def flat_fields(name: str) -> dict[str, Field]:
    """The JSON fields of a struct, embedded structs unfolded."""
    flat: dict[str, Field] = {}
    for field in struct_fields(name):
        if field.inline:
            flat.update(flat_fields(field.type.lstrip("*")))
        else:
            flat[field.name] = field
    return flat


Normalizer = Callable[[Any, Found], Any]


def normal_form(obj: Obj, api_version: str, kind: str, found: Found | None = None) -> Obj:
    """`obj` as the struct's round trip leaves it, kind and apiVersion set. Raises WrongType; unknown paths go to `found`."""
    name = type_of(api_version, kind)
    if name is None:
        return obj
    body = {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")}
    found = found if found is not None else Found([])
    seen = len(found.unknown)
    formed = _struct(name)(body, found)
    found.unknown[seen:] = [path.removeprefix(".") for path in found.unknown[seen:]]
    return {"kind": kind, "apiVersion": api_version, **formed}


@cache
def _normalizer(spelled: str) -> Normalizer:
    if spelled[0] == "*":
        return _normalizer(spelled[1:])
    if spelled[0] in "[=":
        return _list(spelled[1:])
    if spelled[0] == "{":
        return _map(spelled[1:])
    return _SCALARS.get(spelled) or _struct(spelled)


class _Shape(Struct):
    """A struct, prepared: what each field is read by, what to drop when it is empty, what is there although nobody said so."""

    name: str
    order: dict[str, int]
    readers: dict[str, Normalizer]
    droppable: dict[str, bool]
    filled: tuple[tuple[str, Callable[[], Any]], ...]
    embedded: bool


@cache
def _shape(name: str) -> _Shape:
    fields = flat_fields(name).values()
    return _Shape(
        name=name.rpartition(".")[2],
        order={field.name: index for index, field in enumerate(fields)},
        readers={field.name: _normalizer(field.type) for field in fields},
        droppable={field.name: field.keep != "always" for field in fields if _can_be_empty(field.type)},
        filled=tuple((field.name, fill) for field in fields if (fill := _filler(field)) is not None),
        embedded=name in _table()["roots"].values(),
    )


_REMEMBERED = {"apps/v1.DeploymentSpec", "apps/v1.ReplicaSetSpec", "core/v1.PodSpec", "core/v1.Container"}
"""Structs whose forms are remembered: those that are big and come again."""


@lru_cache(maxsize=1024)
def _remembered(name: str, keep_empty: bool, content: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The form of a struct given as JSON, as JSON, and the unknown paths in it. Raises WrongType."""
    found = Found([], keep_empty)
    formed = _plain_struct(name)(orjson.loads(content), found)
    return kept_json(formed), tuple(found.unknown)


@cache
def _struct(name: str) -> Normalizer:
    if name not in _REMEMBERED:
        return _plain_struct(name)

    def normalize(value: Any, found: Found) -> Obj:
        try:
            content = kept_json(value)
        except TypeError:  # no JSON: YAML may hold what it cannot
            return _plain_struct(name)(value, found)
        formed, unknown = _remembered(name, found.keep_empty, content)
        found.unknown += unknown
        return orjson.loads(formed)

    return normalize


@cache
def _plain_struct(name: str) -> Normalizer:
    def normalize(value: Any, found: Found) -> Obj:
        shape = _shape(name)
        if not isinstance(value, dict):
            raise WrongType(go_type(value), shape.name)
        given = _given(value, shape, found)
        for key, fill in shape.filled:
            if key not in given:
                given[key] = fill()
        ordered = {key: given[key] for key in sorted(given, key=shape.order.__getitem__)}
        if shape.embedded and ("kind" in value or "apiVersion" in value):
            return {key: value[key] for key in ("kind", "apiVersion") if value.get(key)} | ordered
        return ordered

    return normalize


def _given(value: Obj, shape: _Shape, found: Found) -> Obj:
    """The fields that were given and count, normalised."""
    given: Obj = {}
    for key, below in value.items():
        reader = shape.readers.get(key)
        if reader is None:
            if key not in ("kind", "apiVersion"):
                found.unknown.append(f".{key}")
        elif below is not None:
            seen = len(found.unknown)
            try:
                result = reader(below, found)
            except WrongType as error:
                error.struct = error.struct or shape.name
                error.below(key)
                raise
            if len(found.unknown) != seen:
                found.below(seen, f".{key}")
            if result or (drop := shape.droppable.get(key)) is None:
                given[key] = result
            elif not drop:
                given[key] = result if found.keep_empty or not isinstance(result, list | dict) else None
    return given


def _can_be_empty(spelled: str) -> bool:
    """Whether `omitempty` means something: not to a pointer that is set, not to a struct."""
    return spelled[0] in "[{=" or spelled in ("string", "int", "float", "bool", "bytes")


def _filler(field: Field) -> Callable[[], Any] | None:
    """What stands for a field that was not given: structs are always there, others only when never omitted."""
    spelled, keep = field.type, field.keep
    if spelled[0] in "*[{=" or spelled in _SCALARS:
        always = keep == "always" or (spelled in ("time", "microtime") and keep != "nonzero")
        zero = None if spelled[0] in "*[{=" else _ZERO.get(spelled)
        return (lambda: zero) if always else None
    return None if keep == "nonzero" else partial(_struct(spelled), {}, Found([]))


def _list(item: str) -> Normalizer:
    inner = _normalizer(item)

    def normalize(value: Any, found: Found) -> Any:
        if not isinstance(value, list):
            raise WrongType(go_type(value), f"[]{item}")
        out: list[Any] = []
        for index, each in enumerate(value):
            if each is not None:
                seen = len(found.unknown)
                out.append(inner(each, found))
                if len(found.unknown) != seen:
                    found.below(seen, f"[{index}]")
        return out

    return normalize


def _map(item: str) -> Normalizer:
    inner = _normalizer(item)

    def normalize(value: Any, found: Found) -> Any:
        if not isinstance(value, dict):
            raise WrongType(go_type(value), f"map[string]{item}")
        return {key: _zero(item) if each is None else inner(each, found) for key, each in value.items()}

    return normalize


def _zero(item: str) -> Any:
    return _ZERO.get(item, "" if item == "bytes" else None)


def go_type(value: Any) -> str:
    """What a Go decoder calls a JSON value."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return {str: "string", list: "array", dict: "object"}.get(type(value), "null")


def _string(value: Any, found: Found) -> str:
    if not isinstance(value, str):
        raise WrongType(go_type(value), "string")
    return value


def _int(value: Any, found: Found) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not _is_int64(value):
        raise WrongType(go_type(value), "int32")
    return int(value)


def _is_int64(value: float) -> bool:
    return -(2**63) <= value < 2**63 and value == int(value)


def _float(value: Any, found: Found) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongType(go_type(value), "float64")
    return value


def _bool(value: Any, found: Found) -> bool:
    if not isinstance(value, bool):
        raise WrongType(go_type(value), "bool")
    return value


def _bytes(value: Any, found: Found) -> str:
    if not isinstance(value, str):
        raise WrongType(go_type(value), "[]uint8")
    try:
        return base64.b64encode(base64.b64decode(value.replace("\n", "").replace("\r", ""), validate=True)).decode()
    except (binascii.Error, ValueError):
        at = next((index for index, letter in enumerate(value) if letter not in _BASE64), len(value) - len(value) % 4)
        raise Unreadable(f"illegal base64 data at input byte {at}") from None


def _quantity(value: Any, found: Found) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise WrongType(go_type(value), "resource.Quantity")
    try:
        return canonical_quantity(value)
    except ValueError as error:
        raise Unreadable(str(error)) from None


def _int_or_string(value: Any, found: Found) -> int | str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise WrongType(go_type(value), "intstr.IntOrString")
    return value


def _time(value: Any, found: Found) -> str:
    return _second(value) if isinstance(value, str) else rfc3339(_instant(value, "v1.Time", ""))


@lru_cache(maxsize=4096)
def _second(value: str) -> str:
    return rfc3339(_instant(value, "v1.Time", "2006-01-02T15:04:05Z07:00"))


def _micro_time(value: Any, found: Found) -> str:
    if isinstance(value, str) and not _MICRO.search(value):
        layout = "2006-01-02T15:04:05.000000Z07:00"
        rest = value[19:] if len(value) > 19 else value
        raise Unreadable(f'parsing time "{value}" as "{layout}": cannot parse "{rest}" as ".000000"')
    return rfc3339_micro(_instant(value, "v1.MicroTime", "2006-01-02T15:04:05.000000Z07:00"))


def _instant(value: Any, wanted: str, layout: str) -> float:
    if not isinstance(value, str):
        raise WrongType(go_type(value), wanted)
    try:
        return parse_rfc3339(value)
    except ValueError:
        raise Unreadable(f'parsing time "{value}" as "{layout}": cannot parse "{value}" as "2006"') from None


def _any(value: Any, found: Found) -> Any:
    return value


_SCALARS: dict[str, Normalizer] = {
    "string": _string,
    "int": _int,
    "float": _float,
    "bool": _bool,
    "bytes": _bytes,
    "quantity": _quantity,
    "intorstring": _int_or_string,
    "time": _time,
    "microtime": _micro_time,
    "duration": _string,
    "fields": _any,
    "any": _any,
}
