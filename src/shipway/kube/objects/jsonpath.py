"""Kubernetes' dialect of JSONPath: printer columns, `-o jsonpath` look-ups, conditions on web metrics.

    .spec.replicas   {.items[*].metadata.name}   .status.conditions[?(@.type=="Ready")].status   $..image   .a['b.c'][-1]

An expression is compiled once into steps; each step maps every value found so far to the values below it, so a path that
leads nowhere finds nothing (kubectl's `--allow-missing-template-keys`). Braces and the leading dot may be left out. Text
around braces and `{range}` belong to kubectl's templates and are refused.
"""

import operator
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from msgspec import Struct

from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Json

Step = Callable[[list[Any]], list[Any]]


def find(expression: str, obj: Json) -> list[Any]:
    """Every value that `expression` selects, in document order. Raises InvalidInput for an expression that does not parse."""
    return _walked(compiled(expression), [obj])


def _walked(steps: tuple[Step, ...], found: list[Any]) -> list[Any]:
    for step in steps:
        found = step(found)
    return found


@lru_cache(maxsize=4096)
def compiled(expression: str) -> tuple[Step, ...]:
    """The steps of an expression; raises InvalidInput as `find` does. For admission: is this path well-formed?"""
    text = expression.strip()
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1].strip()
    if "{" in text or "}" in text:
        raise _malformed(expression, "only one {…} without text around it is supported")
    if text and text[0] not in "$@.[":
        text = "." + text
    return tuple(_Parser(expression, text).steps())


def _malformed(expression: str, why: str) -> InvalidInput:
    return InvalidInput(f'invalid JSONPath "{expression}": {why}', reason="InvalidJSONPath")


_NAME = re.compile(r"(?:\\.|[^\\.\[\]\s()=!<>@$'\",?*])+")
_SLICE = re.compile(r"\s*(-?\d*)\s*(?::\s*(-?\d*)\s*(?::\s*(-?\d*)\s*)?)?")
_QUOTED = re.compile(r"\s*(?:'((?:\\.|[^'\\])*)'|\"((?:\\.|[^\"\\])*)\")\s*")


class _Parser:
    def __init__(self, expression: str, text: str) -> None:
        self._expression, self._text, self._at = expression, text, 0

    def steps(self) -> Iterator[Step]:
        if self._text[:1] in ("$", "@"):
            self._at = 1
        while self._at < len(self._text):
            if self._text.startswith("..", self._at):
                self._at += 2
                yield _descend
                if not self._text.startswith("[", self._at):
                    yield self._field()
            elif self._text[self._at] == ".":
                self._at += 1
                if self._at < len(self._text):  # a lone "." is the object itself
                    yield self._field()
            elif self._text[self._at] == "[":
                yield self._bracket()
            else:
                raise _malformed(self._expression, f'unexpected "{self._text[self._at]}" at {self._at}')

    def _field(self) -> Step:
        if self._text.startswith("*", self._at):
            self._at += 1
            return _every
        if self._text.startswith("[", self._at):
            return self._bracket()
        match = _NAME.match(self._text, self._at)
        if not match:
            raise _malformed(self._expression, f"a field name is missing at {self._at}")
        self._at = match.end()
        return _field_step((re.sub(r"\\(.)", r"\1", match.group()),))

    def _bracket(self) -> Step:
        start, self._at = self._at, self._at + 1
        if self._text.startswith("?(", self._at):
            return self._filter()
        if self._text.startswith("*]", self._at):
            self._at += 2
            return _every
        if _QUOTED.match(self._text, self._at):
            return self._names()
        end = self._text.find("]", self._at)
        if end < 0:
            raise _malformed(self._expression, f'"[" at {start} is never closed')
        inside, self._at = self._text[self._at : end], end + 1
        return self._indexes(inside)

    def _names(self) -> Step:
        names: list[str] = []
        while match := _QUOTED.match(self._text, self._at):
            names.append(match.group(1) if match.group(1) is not None else match.group(2))
            self._at = match.end()
            closing = self._text[self._at : self._at + 1]
            self._at += 1
            if closing == "]":
                return _union_step(tuple(self._quoted(name) for name in names))
            if closing != ",":
                break
        raise _malformed(self._expression, "a list of quoted names is never closed")

    def _quoted(self, text: str) -> Step:
        """A quoted name is a field; to kubectl it is a path, so one with dots is looked for as both."""
        field = _field_step((re.sub(r"\\(.)", r"\1", text),))
        if "." not in text.replace("\\.", ""):
            return field
        steps = tuple(_Parser(self._expression, f".{text}").steps())

        def step(found: list[Any]) -> list[Any]:
            return [reached for value in found for reached in field([value]) or _walked(steps, [value])]

        return step

    def _indexes(self, inside: str) -> Step:
        selectors: list[slice] = []
        for part in inside.split(","):
            match = _SLICE.fullmatch(part)
            if not match or not part.strip():
                raise _malformed(self._expression, f'"{inside}" is neither an index, a slice, a quoted name nor a filter')
            first, last, step = (int(text) if text else None for text in match.groups())
            if ":" in part:
                selectors.append(slice(first, last, step))
            elif first is not None:
                selectors.append(slice(first, first + 1 or None))
        if any(selector.step is not None and selector.step <= 0 for selector in selectors):
            raise _malformed(self._expression, "the step of a slice must be positive")
        return _union_step(tuple(_slice_step(selector) for selector in selectors))

    def _filter(self) -> Step:
        end = _closing(self._text, self._at + 1)
        if end < 0 or not self._text.startswith("]", end + 1):
            raise _malformed(self._expression, "a filter is never closed: write [?(@.field==value)]")
        inside, self._at = self._text[self._at + 2 : end], end + 2
        left, sign, right = _split_comparison(inside)
        if not left:
            raise _malformed(self._expression, "a filter compares nothing: write [?(@.field==value)]")
        return _filter_step(_Condition(self._operand(left), sign, self._operand(right) if sign else ()))

    def _operand(self, text: str) -> "tuple[Step, ...] | _Literal":
        """A path relative to the item, or a literal."""
        if text[:1] in ("@", "$"):
            return tuple(_Parser(self._expression, text).steps())
        if match := _QUOTED.fullmatch(text):
            return _Literal(match.group(1) if match.group(1) is not None else match.group(2))
        if text in ("true", "false"):
            return _Literal(text == "true")
        try:
            return _Literal(float(text) if "." in text or "e" in text else int(text))
        except ValueError as error:
            raise _malformed(self._expression, f'"{text}" is neither a path nor a literal') from error


def _closing(text: str, opened: int) -> int:
    """The index of the parenthesis that closes the one at `opened`, minding quotes; -1 if there is none."""
    depth, quote = 0, ""
    for index in range(opened, len(text)):
        letter = text[index]
        if quote:
            quote = "" if letter == quote and text[index - 1] != "\\" else quote
        elif letter in "'\"":
            quote = letter
        else:
            depth += {"(": 1, ")": -1}.get(letter, 0)
            if depth == 0:
                return index
    return -1


_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}


def _split_comparison(inside: str) -> tuple[str, str, str]:
    quote = ""
    for index, letter in enumerate(inside):
        if quote:
            quote = "" if letter == quote and inside[index - 1] != "\\" else quote
        elif letter in "'\"":
            quote = letter
        else:
            sign = next((s for s in _SIGNS if inside.startswith(s, index)), "")
            if sign:
                return inside[:index].strip(), sign, inside[index + len(sign) :].strip()
    return inside.strip(), "", ""


class _Literal(Struct, frozen=True):
    value: Any


class _Condition(Struct, frozen=True):
    left: tuple[Step, ...] | _Literal
    sign: str
    right: tuple[Step, ...] | _Literal

    def holds(self, item: Any) -> bool:
        left = _values(self.left, item)
        if not self.sign:
            return bool(left)
        right = _values(self.right, item)
        if len(left) != 1 or len(right) != 1:
            return False
        return _compares(left[0], self.sign, right[0])


def _values(operand: tuple[Step, ...] | _Literal, item: Any) -> list[Any]:
    if isinstance(operand, _Literal):
        return [operand.value]
    return _walked(operand, [item])


def _compares(left: Any, sign: str, right: Any) -> bool:
    """Only values of one type compare, as in Go; a boolean is not a number."""
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (left, right))
    return (numbers or type(left) is type(right)) and not isinstance(left, dict | list) and _SIGNS[sign](left, right)


def _field_step(names: tuple[str, ...]) -> Step:
    def step(found: list[Any]) -> list[Any]:
        return [value[name] for value in found if isinstance(value, dict) for name in names if name in value]

    return step


def _slice_step(selector: slice) -> Step:
    def step(found: list[Any]) -> list[Any]:
        return [item for items in _lists(found) for item in items[selector]]

    return step


def _union_step(steps: tuple[Step, ...]) -> Step:
    """All that the first selects, then all that the second does, as kubectl orders them."""

    def step(found: list[Any]) -> list[Any]:
        return [reached for each in steps for reached in each(found)]

    return step if len(steps) != 1 else steps[0]


def _filter_step(condition: _Condition) -> Step:
    def step(found: list[Any]) -> list[Any]:
        return [item for items in _lists(found) for item in items if condition.holds(item)]

    return step


def _lists(found: list[Json]) -> list[list[Any]]:
    return [value for value in found if isinstance(value, list)]


def _items(value: Json) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _every(found: list[Any]) -> list[Any]:
    return [item for value in found for item in _items(value)]


def _descend(found: list[Any]) -> list[Any]:
    """Every value and everything below it, parents first."""
    reached: list[Any] = []
    stack = found[::-1]
    while stack:
        value = stack.pop()
        reached.append(value)
        stack += _items(value)[::-1]
    return reached
