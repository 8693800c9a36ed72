"""Checks the types of a whole tree before it is evaluated (see `types.py` for the rules of the operators)."""

from collections.abc import Callable

from shipway.expression import types
from shipway.expression.builtins import BUILTINS
from shipway.expression.lexer import ExpressionError
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
from shipway.expression.types import ANY, ARRAY, BOOL, FLOAT, INT, MAP, STRING, Type

Scope = dict[str, Type]

_RETURNS: dict[str, Type] = {
    **dict.fromkeys(("all", "none", "any", "one", "hasPrefix", "hasSuffix", "isNaN", "isInf", "isNil"), BOOL),
    **dict.fromkeys(("count", "len", "findIndex", "findLastIndex", "indexOf", "lastIndexOf", "int", "asInt"), INT),
    **dict.fromkeys(("float", "asFloat", "ceil", "floor", "round"), FLOAT),
    **dict.fromkeys(
        (
            "string", "type", "trim", "trimPrefix", "trimSuffix", "upper", "lower", "replace", "repeat", "join", "toJSON",
            "toBase64", "fromBase64",
        ),
        STRING,
    ),
    **dict.fromkeys(("keys", "values", "toPairs", "sort", "sortBy", "take", "reverse", "uniq", "concat", "flatten"), ARRAY),
    **dict.fromkeys(("split", "splitAfter"), Type("array", STRING)),
    **dict.fromkeys(("groupBy", "fromPairs"), MAP),
    "now": types.TIME,
    "duration": types.DURATION,
}  # fmt: skip
_PREDICATES = frozenset(
    ("all", "none", "any", "one", "filter", "count", "find", "findIndex", "findLast", "findLastIndex")
)  # fmt: skip
_OVER_ARRAYS = _PREDICATES | {"map", "groupBy", "sortBy", "reduce", "sum"}
_OF_NUMBERS = frozenset(("isNaN", "isInf", "abs", "ceil", "floor", "round"))

_KNOWN = frozenset((*BUILTINS, *_RETURNS, "reduce", "default"))


def check_condition(node: Node, result: Type) -> None:
    """Raises ExpressionError when the tree cannot give a boolean for a `result` of this type."""
    found = _type(node, {"result": result})
    if found.kind not in ("bool", "any"):
        raise ExpressionError(f"expected bool, but got {found.shown}")


def _type(node: Node, scope: Scope) -> Type:
    match node:
        case Literal():
            return types.type_of_result(node.value)
        case Name():
            if node.name not in scope:
                raise ExpressionError(f"unknown name {node.name} at {node.at + 1}")
            return scope[node.name]
        case ListOf():
            for item in node.items:
                _type(item, scope)
            return ARRAY
        case MapOf():
            for key, value in node.entries:
                _type(key, scope)
                _type(value, scope)
            return MAP
        case Unary():
            return _unary(node, scope)
        case Binary():
            return types.operation(node.operator, _type(node.left, scope), _type(node.right, scope))
        case Choice():
            return _choice(node, scope)
        case Call():
            return _call(node, scope)
        case Let():
            return _type(node.body, {**scope, node.name: _type(node.value, scope)})
        case _:
            return _access(node, scope)


def _access(node: Node, scope: Scope) -> Type:
    match node:
        case Chain():
            _type(node.body, scope)
            return ANY
        case Member():
            return _member(node, scope)
        case Slice():
            return _slice(node, scope)
        case Invoke():
            raise ExpressionError(f"cannot call a field at {node.at + 1}")
        case _:
            raise ExpressionError("a closure stands where a value is expected")


def _unary(node: Unary, scope: Scope) -> Type:
    operand = _type(node.operand, scope)
    kinds = ("bool",) if node.operator in ("not", "!") else ("int", "float", "duration")
    if not types.is_one_of(operand, *kinds):
        raise ExpressionError(f"invalid operation: {node.operator} (mismatched type {operand.shown})")
    return BOOL if kinds == ("bool",) else operand


def _choice(node: Choice, scope: Scope) -> Type:
    condition = _type(node.condition, scope)
    if not types.is_one_of(condition, "bool"):
        raise ExpressionError(f"non-bool expression (type {condition.shown}) used as condition")
    then, otherwise = _type(node.then, scope), _type(node.otherwise, scope)
    if then.kind == "nil":
        return otherwise
    return then if otherwise.kind in ("nil", then.kind) else ANY


def _member(node: Member, scope: Scope) -> Type:
    target, key = _type(node.target, scope), _type(node.key, scope)
    name = node.key.value if isinstance(node.key, Literal) and isinstance(node.key.value, str) else ""
    match target.kind:
        case "any" | "nil":
            return ANY
        case "map":
            if not types.is_one_of(key, "string"):
                raise ExpressionError(f"cannot use {key.shown} to get an element from {target.shown}")
            return ANY
        case "array":
            if not types.is_one_of(key, "int"):
                raise ExpressionError(f"array elements can only be selected using an integer (got {key.shown})")
            return target.item
        case _ if name:
            raise ExpressionError(f"type {target.shown} has no field {name}")
        case _:
            raise ExpressionError(f"type {target.shown}[{key.shown}] is undefined")


def _slice(node: Slice, scope: Scope) -> Type:
    target = _type(node.target, scope)
    if not types.is_one_of(target, "string", "array"):
        raise ExpressionError(f"cannot slice {target.shown}")
    for bound in (node.start, node.stop):
        if bound is not None and not types.is_one_of(found := _type(bound, scope), "int"):
            raise ExpressionError(f"non-integer slice index {found.shown}")
    return target


def _call(node: Call, scope: Scope) -> Type:
    if node.function not in _KNOWN:
        raise ExpressionError(f"unknown name {node.function} at {node.at + 1}")
    given = [ANY if isinstance(one, Closure) else _type(one, scope) for one in node.arguments]
    closure = next((one for one in node.arguments if isinstance(one, Closure)), None)
    if node.function in _OVER_ARRAYS and given and not types.is_one_of(given[0], "array"):
        raise ExpressionError(f"builtin {node.function} takes only array (got {given[0].shown})")
    if node.function in ("first", "last") and given and not types.is_one_of(given[0], "array"):
        raise ExpressionError(f"cannot get {node.function} element from {given[0].shown}")
    if node.function == "len" and given and not types.is_one_of(given[0], "array", "map", "string"):
        raise ExpressionError(f"invalid argument for len (type {given[0].shown})")
    if node.function in _OF_NUMBERS and given and not types.is_one_of(given[0], "int", "float"):
        raise ExpressionError(f"cannot use {given[0].shown} as argument (type float64) to call {node.function}")
    inner = _closure(node, closure, given[0], scope) if closure is not None and given else None
    return _RETURN_RULES.get(node.function, _fixed)(node, given, inner)


def _closure(node: Call, closure: Closure, items: Type, scope: Scope) -> Type:
    item = items.item if items.kind == "array" else ANY
    inner = _type(closure.body, {**scope, "#": item, "#index": INT, "#acc": ANY})
    if node.function in _PREDICATES and not types.is_one_of(inner, "bool"):
        raise ExpressionError(f"predicate should return boolean (got {inner.shown})")
    return inner


def _fixed(node: Call, given: list[Type], inner: Type | None) -> Type:
    return _RETURNS.get(node.function, ANY)


def _same(node: Call, given: list[Type], inner: Type | None) -> Type:
    return given[0] if given else ANY


def _element(node: Call, given: list[Type], inner: Type | None) -> Type:
    return given[0].item if given and given[0].kind == "array" else ANY


_RETURN_RULES: dict[str, Callable[[Call, list[Type], Type | None], Type]] = {
    "map": lambda node, given, inner: Type("array", inner),
    "filter": _same,
    "abs": _same,
    "find": _element,
    "findLast": _element,
}
