"""Evaluates a tree over `result`, with Argo Rollouts' own functions beside the builtins.

A condition must give a boolean; anything else, and every type error, is an ExpressionError. `isNil` and `default` look at
the measured result whatever argument they are given: users' templates rely on it.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import re2

from shipway.base.clock import Instant
from shipway.base.durations import parse_duration
from shipway.expression import numbers
from shipway.expression.builtins import BUILTINS, LARGEST
from shipway.expression.checker import check_condition
from shipway.expression.lexer import ExpressionError
from shipway.expression.library import library, method
from shipway.expression.nodes import (
    Binary,
    Call,
    Chain,
    Choice,
    Closure,
    Invoke,
    Let,
    ListOf,
    Literal,
    MapOf,
    Member,
    Name,
    Node,
    Slice,
    Unary,
)
from shipway.expression.parser import parse
from shipway.expression.types import type_of_result

MOST_STEPS = 100_000
"""Nodes that one evaluation may visit."""
ITEMS_PER_STEP = 10
"""Items or characters that count as one step."""
Scope = dict[str, Any]


def evaluate_condition(expression: str, result: Any, now: Instant | None = None) -> bool:
    """Whether `expression` holds for the measured `result` (JSON-like values; floats may be NaN). Raises ExpressionError."""
    tree = parse(expression)
    check_condition(tree, type_of_result(result))
    value = _value(expression, tree, result, now)
    if not isinstance(value, bool):
        raise ExpressionError(f"expected bool, but got {numbers.kind_of(value)}: {expression!r}")
    return value


def evaluate_time(expression: str, now: Instant) -> Instant:
    """The point in time that `now() - duration("5m")` and the like mean. Raises ExpressionError."""
    value = _value(expression, parse(expression), None, now)
    if not isinstance(value, numbers.Moment):
        raise ExpressionError(f"expected a time, but got {numbers.kind_of(value)}: {expression!r}")
    return Instant(value.at)


def evaluate(expression: str, names: Mapping[str, Any], now: Instant) -> Any:
    """The value of an expression over `names` (JSON-like values) and the library. Raises ExpressionError."""
    return _value(expression, parse(expression), None, now, {**library(now), **names})


def check_syntax(expression: str) -> None:
    """Raises ExpressionError for what can never be evaluated, whatever the names stand for."""
    parse(expression)


def _value(expression: str, tree: Node, result: Any, now: Instant | None, names: Mapping[str, Any] | None = None) -> Any:
    try:
        return _Evaluation(result, now).value(tree, {"result": result} if names is None else dict(names))
    except (TypeError, ValueError, AttributeError, KeyError, ArithmeticError, RecursionError) as error:
        raise ExpressionError(f"cannot evaluate {expression!r}: {error}") from error


class _Missing(Exception):
    """An optional member of nil: the chain it stands in is nil."""


class _Evaluation:
    def __init__(self, result: Any, now: Instant | None) -> None:
        self._steps = 0
        self._functions = _functions_of(result, now)

    def value(self, node: Node, scope: Scope) -> Any:
        self._pay(1)
        match node:
            case Literal():
                return node.value
            case Name():
                return self._name(node, scope)
            case ListOf():
                return [self.value(item, scope) for item in node.items]
            case MapOf():
                return {self.value(key, scope): self.value(value, scope) for key, value in node.entries}
            case Unary():
                return _unary(node.operator, self.value(node.operand, scope))
            case Binary():
                return self._binary(node, scope)
            case Choice():
                branch = node.then if _boolean(self.value(node.condition, scope)) else node.otherwise
                return self.value(branch, scope)
            case Call():
                return self._call(node, scope)
            case Let():
                return self.value(node.body, {**scope, node.name: self.value(node.value, scope)})
            case _:
                return self._access(node, scope)

    def _pay(self, steps: int) -> None:
        self._steps += steps
        if self._steps > MOST_STEPS:
            raise ExpressionError(f"the expression takes more than {MOST_STEPS} steps")

    def _paid(self, value: Any) -> Any:
        """The value; a long list or text costs steps wherever it is gone through or made."""
        if isinstance(value, list | str | dict):
            self._pay(len(value) // ITEMS_PER_STEP)
        return value

    def _access(self, node: Node, scope: Scope) -> Any:
        match node:
            case Member():
                return self._member(node, scope)
            case Chain():
                try:
                    return self.value(node.body, scope)
                except _Missing:
                    return None
            case Slice():
                return self._slice(node, scope)
            case Invoke():
                return self._invoke(node, scope)
            case _:
                raise ExpressionError("a closure stands where a value is expected")

    def _name(self, node: Name, scope: Scope) -> Any:
        if node.name in scope:
            return scope[node.name]
        raise ExpressionError(f"unknown name {node.name} at {node.at + 1}")

    def _binary(self, node: Binary, scope: Scope) -> Any:
        left = self.value(node.left, scope)
        match node.operator:
            case "and" | "&&":
                return _boolean(left) and _boolean(self.value(node.right, scope))
            case "or" | "||":
                return _boolean(left) or _boolean(self.value(node.right, scope))
            case "??":
                return self.value(node.right, scope) if left is None else left
            case operator:
                right = self._paid(self.value(node.right, scope))
                return self._paid(_OPERATORS[operator](self._paid(left), right))

    def _call(self, node: Call, scope: Scope) -> Any:
        if node.function == "reduce":
            return self._reduce(node, scope)
        fewest, most, function = self._functions.get(node.function, (0, -1, None))
        if function is None:
            raise ExpressionError(f"unknown name {node.function} at {node.at + 1}")
        if not fewest <= len(node.arguments) <= most:
            raise ExpressionError(f"{node.function} takes {fewest} to {most} arguments, not {len(node.arguments)}")
        return self._paid(function(*(self._paid(self._argument(argument, scope)) for argument in node.arguments)))

    def _argument(self, node: Node, scope: Scope) -> Any:
        return self._closure(node, scope) if isinstance(node, Closure) else self.value(node, scope)

    def _closure(self, closure: Closure, scope: Scope) -> Callable[[Any, int], Any]:
        return lambda item, index: self.value(closure.body, {**scope, "#": item, "#index": index})

    def _reduce(self, node: Call, scope: Scope) -> Any:
        items = self.value(node.arguments[0], scope)
        closure = node.arguments[1]
        if not isinstance(items, list) or not isinstance(closure, Closure):
            raise ExpressionError("reduce takes an array and a closure")
        rest = list(enumerate(items))
        if len(node.arguments) > 2:
            total = self.value(node.arguments[2], scope)
        elif rest:
            total = rest.pop(0)[1]
        else:
            raise ExpressionError("reduce of an empty array with no initial value")
        for index, item in rest:
            total = self.value(closure.body, {**scope, "#": item, "#index": index, "#acc": total})
        return total

    def _member(self, node: Member, scope: Scope) -> Any:
        target = self.value(node.target, scope)
        key = self.value(node.key, scope)
        if target is None:
            if node.optional:
                raise _Missing
            raise ExpressionError(f"cannot fetch {key} from <nil>")
        if isinstance(target, dict):
            return target.get(key)
        if isinstance(target, list | str) and isinstance(key, int) and not isinstance(key, bool):
            if not -len(target) <= key < len(target):
                raise ExpressionError(f"index out of range: {key} (array length is {len(target)})")
            return target[key]
        raise ExpressionError(f"cannot fetch {key} from {numbers.kind_of(target)}")

    def _invoke(self, node: Invoke, scope: Scope) -> Any:
        target, name = self.value(node.function.target, scope), self.value(node.function.key, scope)
        function = method(target, name)
        if function is None:
            raise ExpressionError(f"{numbers.kind_of(target)} has no function {name}")
        return self._paid(function(*(self._paid(self.value(argument, scope)) for argument in node.arguments)))

    def _slice(self, node: Slice, scope: Scope) -> Any:
        target = self.value(node.target, scope)
        if not isinstance(target, list | str):
            raise ExpressionError(f"cannot slice {numbers.kind_of(target)}")
        start = self.value(node.start, scope) if node.start else None
        stop = self.value(node.stop, scope) if node.stop else None
        return self._paid(target[start:stop])


def _unary(operator: str, value: Any) -> Any:
    if operator in ("not", "!"):
        return not _boolean(value)
    if not numbers.is_number(value):
        raise ExpressionError(f"invalid operation: {operator} (mismatched type {numbers.kind_of(value)})")
    return -value if operator == "-" else value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ExpressionError(f"non-bool expression (type {numbers.kind_of(value)}) used as condition")
    return value


def _range(start: Any, stop: Any) -> list[int]:
    if stop - start > LARGEST:
        raise ExpressionError(f"a range of more than {LARGEST} numbers")
    return list(range(start, stop + 1))


def _contains(item: Any, container: Any) -> bool:
    if isinstance(container, dict):
        return item in container
    if isinstance(container, list):
        return any(numbers.equal(item, other) for other in container)
    if container is None:
        return False
    raise numbers.mismatch("in", item, container)


def _on_text(operator: str, test: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    def tested(left: Any, right: Any) -> bool:
        if not isinstance(left, str) or not isinstance(right, str):
            raise numbers.mismatch(operator, left, right)
        return test(left, right)

    return tested


def _matches(text: str, pattern: str) -> bool:
    try:
        return re2.search(pattern, text) is not None
    except re2.error as error:
        raise ExpressionError(f"bad regular expression {pattern!r}: {error}") from None


def _ordered(operator: str) -> Callable[[Any, Any], bool]:
    return lambda left, right: numbers.compare(operator, left, right)


_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "==": numbers.equal,
    "!=": lambda left, right: not numbers.equal(left, right),
    **{operator: _ordered(operator) for operator in ("<", "<=", ">", ">=")},
    "+": numbers.add,
    "-": numbers.subtract,
    "*": numbers.multiply,
    "/": numbers.divide,
    "%": numbers.modulo,
    "**": numbers.power,
    "..": _range,
    "in": _contains,
    "matches": _on_text("matches", _matches),
    "contains": _on_text("contains", lambda text, part: part in text),
    "startsWith": _on_text("startsWith", lambda text, part: text.startswith(part)),
    "endsWith": _on_text("endsWith", lambda text, part: text.endswith(part)),
}


def _functions_of(result: Any, now: Instant | None) -> dict[str, tuple[int, int, Callable[..., Any]]]:
    """The builtins and Argo Rollouts' own six functions."""
    return {
        **BUILTINS,
        "asInt": (1, 1, BUILTINS["int"][2]),
        "asFloat": (1, 1, BUILTINS["float"][2]),
        "isNaN": (1, 1, lambda value: isinstance(value, float) and math.isnan(value)),
        "isInf": (1, 1, lambda value: isinstance(value, float) and math.isinf(value)),
        "isNil": (1, 1, lambda _: result is None),
        "now": (0, 0, lambda: numbers.Moment(now or 0.0)),
        "duration": (1, 1, lambda text: numbers.Span(parse_duration(text))),
        "default": (2, 2, lambda _, otherwise: otherwise if result is None else result),
    }
