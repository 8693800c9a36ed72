"""Static types, as expr-lang checks them before it evaluates anything.

A condition is compiled against the measured value: a number is `float64`, a vector `[]float64`, a JSON object a map whose
members can be anything. What can never fit (`result == 'x'` for a number) is refused even where it would not be reached,
so that a mistake in a condition is an errored measurement and not a failed release. `ANY` fits everything and is looked at
again when the value is there.

The rules are those of expr-lang 1.15.5's checker.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from shipway.expression.lexer import ExpressionError


class Type(Struct, frozen=True):
    """`kind`: any, nil, bool, int, float, string, array, map, time or duration; `element` of an array (None: any)."""

    kind: str
    element: Type | None = None

    @property
    def item(self) -> Type:
        return self.element or ANY

    @property
    def shown(self) -> str:
        """As Go writes it in a message."""
        if self.kind == "array":
            return f"[]{self.item.shown}"
        return _SHOWN.get(self.kind, self.kind)


ANY = Type("any")
NIL = Type("nil")
BOOL = Type("bool")
INT = Type("int")
FLOAT = Type("float")
STRING = Type("string")
ARRAY = Type("array")
MAP = Type("map")
TIME = Type("time")
DURATION = Type("duration")
_SHOWN = {
    "any": "interface {}", "nil": "nil", "float": "float64", "map": "map[string]interface {}", "time": "time.Time",
    "duration": "time.Duration",
}  # fmt: skip


def type_of_result(value: Any) -> Type:
    """The static type of a measured value. A list of numbers is a list of floats; any other list can hold anything."""
    match value:
        case None:
            return NIL
        case bool():
            return BOOL
        case int():
            return INT
        case float():
            return FLOAT
        case str():
            return STRING
        case list():
            return Type("array", FLOAT) if value and all(type(item) is float for item in value) else ARRAY
        case _:
            return MAP


def is_one_of(given: Type, *kinds: str) -> bool:
    return given.kind == "any" or given.kind in kinds


def operation(operator: str, left: Type, right: Type) -> Type:
    """The type of `left operator right`. Raises ExpressionError for types that do not fit."""
    found = _operation(operator, left, right)
    if found is None:
        raise ExpressionError(f"invalid operation: {operator} (mismatched types {left.shown} and {right.shown})")
    return found


def _operation(operator: str, left: Type, right: Type) -> Type | None:
    match operator:
        case "==" | "!=":
            return BOOL if _comparable(left, right) else None
        case "and" | "&&" | "or" | "||":
            return BOOL if is_one_of(left, "bool") and is_one_of(right, "bool") else None
        case "<" | "<=" | ">" | ">=":
            return BOOL if _ordered(left, right) else None
        case "in":
            return _membership(left, right)
        case "matches" | "contains" | "startsWith" | "endsWith":
            return BOOL if is_one_of(left, "string") and is_one_of(right, "string") else None
        case "..":
            return Type("array", INT) if is_one_of(left, "int") and is_one_of(right, "int") else None
        case "??":
            return _either(left, right)
        case _:
            return _arithmetic(operator, left, right)


_NUMBERS = ("int", "float")


def _comparable(left: Type, right: Type) -> bool:
    if "nil" in (left.kind, right.kind) or "any" in (left.kind, right.kind):
        return True
    return left.kind == right.kind or (left.kind in _NUMBERS and right.kind in _NUMBERS)


def _ordered(left: Type, right: Type) -> bool:
    groups = (("int", "float", "duration"), ("string",), ("time",))
    return any(is_one_of(left, *group) and is_one_of(right, *group) for group in groups)


def _membership(left: Type, right: Type) -> Type | None:
    match right.kind:
        case "any":
            return BOOL
        case "map":
            if not is_one_of(left, "string", "nil"):
                raise ExpressionError(f"cannot use {left.shown} as type string in map key")
            return BOOL
        case "array":
            if not _comparable(left, right.item):
                raise ExpressionError(f"cannot use {left.shown} as type {right.item.shown} in array")
            return BOOL
        case _:
            return None


def _either(left: Type, right: Type) -> Type:
    if left.kind == "nil":
        return right
    return left if right.kind in ("nil", left.kind) else ANY


def _arithmetic(operator: str, left: Type, right: Type) -> Type | None:
    if left.kind in _NUMBERS and right.kind in _NUMBERS:
        if operator == "%":
            return INT if left.kind == right.kind == "int" else None
        return FLOAT if operator in ("/", "**") or "float" in (left.kind, right.kind) else INT
    if operator in ("+", "-") and (moment := _of_time(operator, left.kind, right.kind)):
        return moment
    if operator == "+" and left.kind == right.kind == "string":
        return STRING
    if "any" not in (left.kind, right.kind):
        return None
    known = left if right.kind == "any" else right
    allowed = {
        "%": ("int",),
        "+": (*_NUMBERS, "string", "time", "duration"),
        "-": (*_NUMBERS, "time", "duration"),
    }.get(operator, (*_NUMBERS, "duration"))
    if not is_one_of(known, *allowed):
        return None
    return {"%": INT, "/": FLOAT, "**": FLOAT}.get(operator, ANY)


def _of_time(operator: str, left: str, right: str) -> Type | None:
    table = {
        ("+", "time", "duration"): TIME,
        ("+", "duration", "time"): TIME,
        ("+", "duration", "duration"): DURATION,
        ("-", "time", "time"): DURATION,
        ("-", "time", "duration"): TIME,
        ("-", "duration", "duration"): DURATION,
    }
    return table.get((operator, left, right))
