"""YAML read and written as Go's `sigs.k8s.io/yaml` does it, which is what kubectl, Helm and Argo CD users know.

Go converts YAML to JSON and reads that: `on`, `y` and `No` are booleans, `0777` and `0o777` are 511, dates and `12:30:45`
are strings, keys become strings, of two equal keys the last wins, unknown tags are ignored, and a number without a
fraction (`1.0`, `1e3`) is an integer. No Python library reads like that, so these are Go's rules on libyaml's events.

What a stranger wrote is bounded: aliases are expanded into copies within a budget (values never share structure), and
nesting ends where a JSON writer would. Every refusal is `InvalidInput` with line and column.
"""

import base64
import binascii
import math
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, cast

import yaml as pyyaml
from msgspec import Struct
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from shipway.base.errors import InvalidInput

MAX_DEPTH = 200
"""Nesting allowed in one document; orjson refuses to write beyond 254."""

MAX_ALIASED_NODES = 1_000_000
"""Nodes that aliases may add to one stream ("billion laughs" has 10^9)."""

MAX_REPEATED = 20
"""Repeated keys of one document that are told."""

_TRUE = dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"), True)
_FALSE = dict.fromkeys(("n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"), False)
_WORDS: dict[str, Any] = {**_TRUE, **_FALSE, **dict.fromkeys(("", "~", "null", "Null", "NULL"))}
_NUMBER_START = frozenset("+-.0123456789")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_BASED = re.compile(r"[-+]?0([xX][0-9a-fA-F]+|[bB][01]+|[oO][0-7]+)")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_CORE = "tag:yaml.org,2002:"
_TYPED: dict[str, tuple[type, ...]] = {
    f"{_CORE}int": (int,),
    f"{_CORE}float": (int, float),
    f"{_CORE}bool": (bool,),
    f"{_CORE}null": (type(None),),
}
_OPEN = object()
"""What an anchor points to while its own value is still being read."""


class Located(Struct, frozen=True):
    """One document of a stream and the line (from 1) on which its content starts.

    `repeated`: keys that stand in one map again, with their lines; the last one of each counts.
    """

    value: Any
    line: int
    repeated: tuple[tuple[str, int], ...] = ()


def load_all(text: str | bytes) -> list[Any]:
    """The documents of a stream, empty ones as None. Raises `InvalidInput` with line and column."""
    return [document.value for document in load_all_located(text)]


def load_all_located(text: str | bytes) -> list[Located]:
    """The documents of a stream, each with the line it starts on, for messages. Raises `InvalidInput`."""
    return list(_Reader(_decoded(text)).documents())


def load(text: str | bytes) -> Any:
    """The first document of a stream, as Go's `yaml.Unmarshal`; None when there is none. Raises `InvalidInput`."""
    return next((document.value for document in load_all_located(text)), None)


def line_of(text: str, document: int, path: Sequence[str | int]) -> int:
    """The line on which a field of a document stands, or the deepest of its parents that is there. Raises `InvalidInput`."""
    try:
        documents = cast("Iterator[Any]", pyyaml.compose_all(text, Loader=pyyaml.CSafeLoader))  # pyright: ignore[reportUnknownMemberType]
        node: Any = next(islice(documents, document, None), None)
    except pyyaml.MarkedYAMLError as error:
        raise _refusal(error.problem or str(error), error.problem_mark or error.context_mark) from None
    line: int = node.start_mark.line + 1 if node is not None else 1
    for key in path:
        if isinstance(node, pyyaml.MappingNode):
            found = next((pair for pair in node.value if pair[0].value == key), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, pyyaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
            line = node.start_mark.line + 1
    return line


def dump(obj: Any) -> str:
    """YAML text that Go reads back to the same value: keys sorted, no aliases, ambiguous strings quoted."""
    return pyyaml.dump(obj, Dumper=_Dumper, sort_keys=True, allow_unicode=True)


class _Reader:
    """One pass over libyaml's events. State: the anchors of the current document and what aliases have cost so far."""

    def __init__(self, text: str) -> None:
        self._parser = pyyaml.CSafeLoader(text)
        self._next = cast("Callable[[], Any]", self._parser.get_event)
        self._anchors: dict[str, Any] = {}
        self._aliased = 0
        self._repeated: list[tuple[str, int]] = []

    def documents(self) -> Iterator[Located]:
        try:
            while (event := self._next()).__class__ is not StreamEndEvent:
                if event.__class__ is not DocumentStartEvent:
                    continue
                self._anchors, self._repeated = {}, []
                first = self._next()
                value = self._value(first, 0)
                yield Located(value, first.start_mark.line + 1, tuple(self._repeated[:MAX_REPEATED]))
        except pyyaml.MarkedYAMLError as error:
            raise _refusal(error.problem or str(error), error.problem_mark or error.context_mark) from None
        except pyyaml.YAMLError as error:
            raise InvalidInput(f"not readable as YAML: {error}", reason="InvalidYAML") from None
        finally:
            self._parser.dispose()

    def _value(self, event: Any, depth: int) -> Any:
        kind = event.__class__
        if kind is ScalarEvent:
            value = _scalar(event)
        elif kind is AliasEvent:
            return self._alias(event)
        else:
            if depth >= MAX_DEPTH:
                raise _refusal(f"nested deeper than {MAX_DEPTH} levels", event.start_mark)
            if event.anchor:
                self._anchors[event.anchor] = _OPEN
            value = self._mapping(depth + 1) if kind is MappingStartEvent else self._sequence(depth + 1)
        if event.anchor:
            self._anchors[event.anchor] = value
        return value

    def _mapping(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        step, value, is_merged = self._next, self._value, False
        while (event := step()).__class__ is not MappingEndEvent:
            if event.__class__ is ScalarEvent and event.value == "<<" and _is_merge(event):
                _merge(found, value(step(), depth), event)
                is_merged = True  # from here on a key may well be there already
                continue
            key = value(event, depth)
            if key.__class__ is not str:
                key = _key(key, event)
            if key in found and not is_merged:
                self._repeated.append((key, event.start_mark.line + 1))
            found[key] = value(step(), depth)
        return found

    def _sequence(self, depth: int) -> list[Any]:
        found: list[Any] = []
        step, value = self._next, self._value
        while (event := step()).__class__ is not SequenceEndEvent:
            found.append(value(event, depth))
        return found

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            raise _refusal(f"unknown anchor '{event.anchor}' referenced", event.start_mark)
        value = self._anchors[event.anchor]
        if value is _OPEN:
            raise _refusal(f"anchor '{event.anchor}' value contains itself", event.start_mark)
        return self._copy(value, event)

    def _copy(self, value: Any, event: Any) -> Any:
        self._aliased += 1
        if self._aliased > MAX_ALIASED_NODES:
            raise _refusal(f"aliases expand to more than {MAX_ALIASED_NODES} values", event.start_mark)
        if isinstance(value, dict):
            return {key: self._copy(item, event) for key, item in cast("dict[str, Any]", value).items()}
        if isinstance(value, list):
            return [self._copy(item, event) for item in cast("list[Any]", value)]
        return value


def _decoded(text: str | bytes) -> str:
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise InvalidInput(f"line {line}: not UTF-8 text: save the file as UTF-8", reason="InvalidYAML") from None


def _refusal(problem: str, mark: Any) -> InvalidInput:
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
    return InvalidInput(f"{where}{problem}", reason="InvalidYAML")


def _scalar(event: Any) -> Any:
    text, tag = event.value, event.tag
    if tag is None:
        if not event.implicit[0]:
            return text
        return _plain(text, event)
    if tag == f"{_CORE}binary":
        return _binary(text, event)
    if tag in _TYPED:
        value = _plain(text, event)
        if value.__class__ not in _TYPED[tag]:
            raise _refusal(f"cannot decode {text!r} as a !!{tag.removeprefix(_CORE)}", event.start_mark)
        return value
    return text


def _plain(text: str, event: Any) -> Any:
    """What an unquoted scalar means."""
    value = resolve(text)
    if value.__class__ is float and not math.isfinite(value):
        raise _refusal(f"{text} has no JSON form: write a number, or quote it", event.start_mark)
    return value


def resolve(text: str) -> Any:
    """The value of a plain scalar: Go yaml.v2's `resolve` and then JSON's view of it (1.0 is 1). May be inf or nan."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_START:
        return text
    number = _integer(text.replace("_", ""))
    if number is not None:
        return number
    plain = text.replace("_", "")
    if _FLOAT.fullmatch(plain):
        value = float(plain)
        if math.isinf(value):
            return text
        return int(value) if value.is_integer() and -(2.0**63) <= value < 2.0**63 else value
    if _NOT_FINITE.fullmatch(text):
        return float(text.replace(".", "", 1))
    return text


def _integer(plain: str) -> int | None:
    """`strconv.ParseInt` with base 0, then ParseUint: None when it is not an integer or does not fit 64 bits."""
    digits = plain.lstrip("+-") if plain[:1] in "+-" else plain
    if not digits.isascii() or len(plain) - len(digits) > 1:
        return None
    if digits.isdigit():
        if digits[0] != "0" or len(digits) == 1:
            value = int(plain) if len(plain) < 25 else 2**65
        elif "8" in digits or "9" in digits:
            return None
        else:
            value = int(plain, 8)
    elif _BASED.fullmatch(plain):
        value = int(plain, 0)
    else:
        return None
    return value if -(2**63) <= value < 2**64 else None


def _binary(text: str, event: Any) -> str:
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode("utf-8", "replace")
    except binascii.Error:
        raise _refusal("!!binary value contains invalid base64 data", event.start_mark) from None


def _is_merge(event: Any) -> bool:
    return event.implicit[0] or event.tag == f"{_CORE}merge"


def _merge(into: dict[str, Any], source: Any, event: Any) -> None:
    """`<<`: unlike YAML 1.1 and like Go, keys that stand before the merge are overwritten by it."""
    sources = cast("list[Any]", source) if isinstance(source, list) else [source]
    for mapping in reversed(sources):
        if not isinstance(mapping, dict):
            raise _refusal("map merge requires map or sequence of maps as the value", event.start_mark)
        into.update(cast("dict[str, Any]", mapping))


def _key(key: Any, event: Any) -> str:
    """Keys that are not strings, as sigs.k8s.io/yaml writes them into JSON."""
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, int) and not _looks_like_float(event):
        return str(key)
    if isinstance(key, int | float):
        return _float32(float(key))
    what = "null" if key is None else "a map or list"
    raise _refusal(f"{what} cannot be a key: quote it if a text is meant", event.start_mark)


def _looks_like_float(event: Any) -> bool:
    """True where Go saw a float that JSON then writes like an integer (`1e3`, `1.0`)."""
    return event.__class__ is ScalarEvent and _integer(event.value.replace("_", "")) is None


def _float32(value: float) -> str:
    """Go's `strconv.FormatFloat(value, 'g', -1, 32)`: the shortest digits that survive a float32."""
    try:
        wanted = struct.pack("f", value)
    except OverflowError:
        return "-.inf" if value < 0 else ".inf"
    single = struct.unpack("f", wanted)[0]
    text = next(text for digits in range(10) if struct.pack("f", float(text := f"{single:.{digits}e}")) == wanted)
    mantissa, _, exponent = text.partition("e")
    if not -4 <= int(exponent) < 6:
        return text
    decimals = len(mantissa.lstrip("-").replace(".", "")) - 1 - int(exponent)
    return f"{float(text):.{max(0, decimals)}f}"


class _Dumper(pyyaml.CSafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


_NUMBER_LIKE = re.compile(r"[-+.0-9][0-9_:.eExXoObB+-]*")


def _needs_quotes(text: str) -> bool:
    if text in ("", "=", "<<"):
        return True
    return resolve(text).__class__ is not str or _NUMBER_LIKE.fullmatch(text) is not None


def _represent_str(dumper: Any, text: str) -> Any:
    style = "|" if "\n" in text else '"' if _needs_quotes(text) else None
    return dumper.represent_scalar(f"{_CORE}str", text, style=style)


_Dumper.add_representer(str, _represent_str)
