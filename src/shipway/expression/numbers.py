"""Go's rules for numbers: integers and floats are different things, division gives a float, overflow is an infinity."""

import math
from typing import Any

from msgspec import Struct

from shipway.expression.lexer import ExpressionError

LONGEST_TEXT = 10_000_000
"""Characters of a text that an expression may put together."""


class Moment(Struct, frozen=True, order=True):
    """A point in time, in seconds since the epoch."""

    at: float


class Span(Struct, frozen=True, order=True):
    """A duration in seconds."""

    seconds: float


def kind_of(value: Any) -> str:
    """What Go would call the value's type."""
    match value:
        case None:
            return "nil"
        case bool():
            return "bool"
        case int():
            return "int"
        case float():
            return "float64"
        case str():
            return "string"
        case list():
            return "array"
        case dict():
            return "map"
        case Moment():
            return "time.Time"
        case Span():
            return "time.Duration"
        case _:
            return type(value).__name__


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def mismatch(operator: str, left: Any, right: Any) -> ExpressionError:
    return ExpressionError(f"invalid operation: {operator} (mismatched types {kind_of(left)} and {kind_of(right)})")


def _wrapped(number: Any) -> Any:
    """Integers have 64 bits and wrap around."""
    return (number + 2**63) % 2**64 - 2**63 if isinstance(number, int) else number


def add(left: Any, right: Any) -> Any:
    if isinstance(left, str) and isinstance(right, str):
        if len(left) + len(right) > LONGEST_TEXT:
            raise ExpressionError(f"a text of more than {LONGEST_TEXT} characters")
        return left + right
    if is_number(left) and is_number(right):
        return _wrapped(left + right)
    match left, right:
        case (Moment(), Span()):
            return Moment(left.at + right.seconds)
        case (Span(), Moment()):
            return Moment(left.seconds + right.at)
        case (Span(), Span()):
            return Span(left.seconds + right.seconds)
        case _:
            raise mismatch("+", left, right)


def subtract(left: Any, right: Any) -> Any:
    if is_number(left) and is_number(right):
        return _wrapped(left - right)
    match left, right:
        case (Moment(), Moment()):
            return Span(left.at - right.at)
        case (Moment(), Span()):
            return Moment(left.at - right.seconds)
        case (Span(), Span()):
            return Span(left.seconds - right.seconds)
        case _:
            raise mismatch("-", left, right)


def multiply(left: Any, right: Any) -> Any:
    if is_number(left) and is_number(right):
        return _wrapped(left * right)
    match left, right:
        case (int() | float(), Span()):
            return Span(left * right.seconds)
        case (Span(), int() | float()):
            return Span(left.seconds * right)
        case _:
            raise mismatch("*", left, right)


def divide(left: Any, right: Any) -> float:
    """Always a float; by zero an infinity or NaN, as IEEE 754 has it."""
    if not (is_number(left) and is_number(right)):
        raise mismatch("/", left, right)
    if right != 0:
        return float(left) / float(right)
    if left == 0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, float(right))


def modulo(left: Any, right: Any) -> int:
    """Of integers only; the sign is the dividend's."""
    if not all(isinstance(side, int) and not isinstance(side, bool) for side in (left, right)):
        raise mismatch("%", left, right)
    if right == 0:
        raise ExpressionError("integer divide by zero")
    remainder = abs(left) % abs(right)
    return -remainder if left < 0 else remainder


def power(left: Any, right: Any) -> float:
    """`math.Pow`: never complex, never an exception."""
    if not (is_number(left) and is_number(right)):
        raise mismatch("**", left, right)
    try:
        return math.pow(left, right)
    except OverflowError:
        return math.copysign(math.inf, left) if float(right).is_integer() and right % 2 else math.inf
    except ValueError:
        return math.inf if left == 0 else math.nan


def compare(operator: str, left: Any, right: Any) -> bool:
    """`<`, `<=`, `>`, `>=` between two numbers, strings, moments or durations."""
    alike = type(left) is type(right) and isinstance(left, str | Moment | Span)
    if not alike and not (is_number(left) and is_number(right)):
        raise mismatch(operator, left, right)
    match operator:
        case "<":
            return left < right
        case "<=":
            return left <= right
        case ">":
            return left > right
        case _:
            return left >= right


def equal(left: Any, right: Any) -> bool:
    """1 and 1.0 are equal, true and 1 are not."""
    if isinstance(left, bool) or isinstance(right, bool):
        return isinstance(left, bool) and isinstance(right, bool) and left == right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    return left == right
