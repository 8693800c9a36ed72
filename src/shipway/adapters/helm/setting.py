"""`--set name=value` as Helm reads it (its strvals grammar), written into existing values.

`a.b=1` goes into maps, `a[0].b=1` into lists, `{x,y}` is a list, `\\` takes the next character literally, `null`, `true` and
whole numbers are what they look like unless a string is forced.
"""

from collections.abc import Callable
from typing import Any

from shipway.base.errors import InvalidInput

MAX_INDEX = 65536
"""Helm's own limit for a list index."""

_Typed = Callable[[str], Any]


class Int64(int):
    """A whole number that was set, which Helm keeps as one; numbers of value files are floats to it."""


def set_value(values: dict[str, Any], text: str, *, force_string: bool = False) -> None:
    """Write `name=value[,name=value]` into `values`. Raises `InvalidInput` (InvalidParameter)."""
    _Setting(text, str if force_string else _typed).run(values)


def escape_commas(value: str) -> str:
    """A parameter's value as Argo CD hands it to `--set`: its commas belong to the value, unless it is a `{list}`."""
    if value.startswith("{") and value.endswith("}"):
        return value
    out: list[str] = []
    for at, here in enumerate(value):
        out.append("\\," if here == "," and (at == 0 or value[at - 1] != "\\") else here)
    return "".join(out)


def _typed(text: str) -> Any:
    word = {"true": True, "false": False, "null": None, "0": Int64(0)}
    if text.lower() in word:
        return word[text.lower()]
    digits = text[1:] if text[:1] in ("-", "+") else text
    if text[:1] != "0" and digits.isascii() and digits.isdigit() and -(2**63) <= int(text) < 2**63:
        return Int64(text)
    return text


class _Setting:
    """One walk over the text."""

    def __init__(self, text: str, typed: _Typed) -> None:
        self._text = text
        self._at = 0
        self._typed = typed

    def run(self, values: dict[str, Any]) -> None:
        while self._at < len(self._text):
            self._key(values)

    def _key(self, into: dict[str, Any]) -> None:
        name, end = self._until("=[,.")
        if end == "=":
            _put(into, name, self._value())
        elif end == ".":
            self._map(into, name)
        elif end == "[":
            _put(into, name, self._item(self._list_of(into.get(name)), self._index()))
        elif end == "," or name:
            raise self._refusal(f"key {name!r} has no value")

    def _map(self, into: dict[str, Any], name: str) -> None:
        inner = self._map_of(into.get(name))
        if self._at >= len(self._text):  # Helm takes `a.` for no setting at all
            return
        self._key(inner)
        if not inner and not self._text.endswith("."):
            raise self._refusal(f"key map {name!r} has no value")
        if inner:
            _put(into, name, inner)

    def _item(self, items: list[Any], index: int) -> list[Any]:
        name, end = self._until("[.=")
        if name:
            raise self._refusal(f"unexpected text at the end of a list index: {name!r}")
        old = items[index] if index < len(items) else None
        if end == "=":
            new = self._value()
        elif end == "[":
            new = self._item(self._list_of(old), self._index())
        elif end == ".":
            new = dict(old) if isinstance(old, dict) else {}
            self._key(new)
        else:  # Helm takes `a[0]` without a value as no setting at all
            return items
        items.extend([None] * (index + 1 - len(items)))
        items[index] = new
        return items

    def _index(self) -> int:
        text, end = self._until("]")
        if end != "]" or not (text.isascii() and text.isdigit()) or int(text) > MAX_INDEX:
            raise self._refusal(f"{text!r} is not a list index up to {MAX_INDEX}")
        return int(text)

    def _value(self) -> Any:
        if self._text[self._at : self._at + 1] == "{":
            self._at += 1
            return self._list()
        text, _ = self._until(",")
        return self._typed(text)

    def _list(self) -> list[Any]:
        found: list[Any] = []
        while True:
            text, end = self._until(",}")
            if not end:
                raise self._refusal("a list is not closed by }")
            found.append(self._typed(text))
            if end == "}":
                break
        if self._text[self._at : self._at + 1] == ",":
            self._at += 1
        return found

    def _until(self, stops: str) -> tuple[str, str]:
        """Text up to one of `stops` and which one it was, "" at the end."""
        out: list[str] = []
        while self._at < len(self._text):
            here = self._text[self._at]
            self._at += 1
            if here in stops:
                return "".join(out), here
            if here == "\\":
                here = self._text[self._at : self._at + 1]
                self._at += 1
            out.append(here)
        return "".join(out), ""

    def _map_of(self, value: Any) -> dict[str, Any]:
        if value is not None and not isinstance(value, dict):
            raise self._refusal(f"{value!r} stands there already, not a map")
        return dict(value or {})

    def _list_of(self, value: Any) -> list[Any]:
        if value is not None and not isinstance(value, list):
            raise self._refusal(f"{value!r} stands there already, not a list")
        return list(value or [])

    def _refusal(self, problem: str) -> InvalidInput:
        return InvalidInput(
            f"parameter {self._text!r}: {problem}: correct spec.source.helm.parameters", reason="InvalidParameter"
        )


def _put(into: dict[str, Any], name: str, value: Any) -> None:
    if name:
        into[name] = value
