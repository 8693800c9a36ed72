"""The builtin functions, as a table from name to (fewest, most arguments, function).

Functions that take a closure are given a Python callable in its place. `Bounded` sizes keep a condition from eating the
machine: what would be larger is refused.
"""

import base64
import json
import math
import statistics
from collections.abc import Callable
from typing import Any

from shipway.expression.lexer import ExpressionError
from shipway.expression.numbers import is_number, kind_of

Predicate = Callable[[Any, int], Any]
LARGEST = 1_000_000
"""Items or characters a builtin may produce."""


def _list(value: Any, function: str) -> list[Any]:
    if not isinstance(value, list):
        raise ExpressionError(f"builtin {function} takes only array (got {kind_of(value)})")
    return value


def _text(value: Any, function: str) -> str:
    if not isinstance(value, str):
        raise ExpressionError(f"builtin {function} takes a string (got {kind_of(value)})")
    return value


def _holds(predicate: Predicate, items: list[Any]) -> list[bool]:
    answers = [predicate(item, index) for index, item in enumerate(items)]
    if not all(isinstance(answer, bool) for answer in answers):
        raise ExpressionError("closure should return bool")
    return answers


def _first(items: list[Any], predicate: Predicate, order: Callable[[Any], Any]) -> int:
    hits = _holds(predicate, items)
    return next((index for index in order(range(len(items))) if hits[index]), -1)


def _element(items: list[Any], index: int) -> Any:
    return items[index] if index >= 0 else None


def _length(value: Any) -> int:
    if not isinstance(value, str | list | dict):
        raise ExpressionError(f"invalid argument for len (type {kind_of(value)})")
    return len(value.encode()) if isinstance(value, str) else len(value)


def _integer(value: Any) -> int:
    try:
        if isinstance(value, str):
            return int(value, 10)
        if is_number(value):
            return math.trunc(value)
    except (ValueError, OverflowError):
        raise ExpressionError(f"invalid operation: int({value!r})") from None
    raise ExpressionError(f"invalid operation: int({kind_of(value)})")


def _floating(value: Any) -> float:
    try:
        if isinstance(value, str) or is_number(value):
            return float(value)
    except ValueError:
        raise ExpressionError(f"invalid operation: float({value!r})") from None
    raise ExpressionError(f"invalid operation: float({kind_of(value)})")


def _numbers(arguments: tuple[Any, ...], function: str) -> list[Any]:
    flat = [item for value in arguments for item in (value if isinstance(value, list) else [value])]
    if not all(is_number(item) for item in flat):
        raise ExpressionError(f"invalid argument for {function}: numbers expected")
    return flat


def _extreme(function: str, pick: Callable[[list[Any]], Any]) -> Callable[..., Any]:
    def extreme(*arguments: Any) -> Any:
        numbers = _numbers(arguments, function)
        return pick(numbers) if numbers else None

    return extreme


def _sum(items: Any, each: Predicate | None = None) -> Any:
    values = [each(item, index) for index, item in enumerate(_list(items, "sum"))] if each else items
    return sum(_numbers((values,), "sum"))


def _average(pick: Callable[[list[Any]], float], function: str) -> Callable[..., float]:
    def average(*arguments: Any) -> float:
        numbers = _numbers(arguments, function)
        return float(pick(numbers)) if numbers else 0.0

    return average


def _round(value: Any) -> float:
    """Half away from zero, as Go's math.Round."""
    number = _numbers((value,), "round")[0]
    return math.copysign(math.floor(abs(number) + 0.5), number) if math.isfinite(number) else float(number)


def _grouped(items: Any, key: Predicate) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = {}
    for index, item in enumerate(_list(items, "groupBy")):
        groups.setdefault(key(item, index), []).append(item)
    return groups


def _sorted(items: Any, key: Predicate | None, order: str = "asc") -> list[Any]:
    pairs = [(key(item, index) if key else item, item) for index, item in enumerate(_list(items, "sort"))]
    if order not in ("asc", "desc"):
        raise ExpressionError(f"invalid order {order}, expected asc or desc")
    try:
        ranked = sorted(pairs, key=lambda pair: pair[0], reverse=order == "desc")
    except TypeError:
        raise ExpressionError("cannot sort items of different types") from None
    return [item for _, item in ranked]


def _repeat(text: Any, times: Any) -> str:
    if _integer(times) < 0 or len(_text(text, "repeat")) * _integer(times) > LARGEST:
        raise ExpressionError(f"repeat would produce more than {LARGEST} characters")
    return text * _integer(times)


def _bounded(size: int, function: str) -> None:
    if size > LARGEST:
        raise ExpressionError(f"{function} would produce more than {LARGEST} items or characters")


def _replaced(text: Any, old: Any, new: Any) -> str:
    text, old, new = _text(text, "replace"), _text(old, "replace"), _text(new, "replace")
    _bounded(text.count(old) * len(new), "replace")
    return text.replace(old, new)


def _joined(items: Any, glue: Any = "") -> str:
    texts = [_text(item, "join") for item in _list(items, "join")]
    _bounded(sum(map(len, texts)) + len(texts) * len(_text(glue, "join")), "join")
    return glue.join(texts)


def _concatenated(*lists: Any) -> list[Any]:
    _bounded(sum(len(_list(items, "concat")) for items in lists), "concat")
    return [item for items in lists for item in items]


def _unique(items: Any) -> list[Any]:
    """The first of each; as everywhere, 1 and 1.0 are equal, true and 1 are not."""
    firsts: dict[Any, Any] = {}
    for item in _list(items, "uniq"):
        key = json.dumps(item, sort_keys=True) if isinstance(item, list | dict) else item
        firsts.setdefault((type(item) if isinstance(item, bool | list | dict) else None, key), item)
    return list(firsts.values())


def _from_json(text: Any) -> Any:
    try:
        return json.loads(_text(text, "fromJSON"))
    except ValueError as error:
        raise ExpressionError(f"fromJSON: {error}") from None


def _get(target: Any, key: Any) -> Any:
    if isinstance(target, dict):
        return target.get(key)
    if isinstance(target, list) and isinstance(key, int):
        return target[key] if -len(target) <= key < len(target) else None
    return None


def _split(text: Any, separator: Any, most: Any = -1) -> list[str]:
    if separator == "":
        return list(text)
    return _text(text, "split").split(separator, most - 1 if most > 0 else -1)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "<nil>" if value is None else str(value)


BUILTINS: dict[str, tuple[int, int, Callable[..., Any]]] = {
    "all": (2, 2, lambda items, p: all(_holds(p, _list(items, "all")))),
    "none": (2, 2, lambda items, p: not any(_holds(p, _list(items, "none")))),
    "any": (2, 2, lambda items, p: any(_holds(p, _list(items, "any")))),
    "one": (2, 2, lambda items, p: sum(_holds(p, _list(items, "one"))) == 1),
    "filter": (2, 2, lambda items, p: [i for i, hit in zip(items, _holds(p, _list(items, "filter")), strict=True) if hit]),
    "map": (2, 2, lambda items, p: [p(item, index) for index, item in enumerate(_list(items, "map"))]),
    "count": (1, 2, lambda items, p=None: sum(_holds(p or (lambda item, _: item), _list(items, "count")))),
    "find": (2, 2, lambda items, p: _element(items, _first(_list(items, "find"), p, list))),
    "findIndex": (2, 2, lambda items, p: _first(_list(items, "findIndex"), p, list)),
    "findLast": (2, 2, lambda items, p: _element(items, _first(_list(items, "findLast"), p, reversed))),
    "findLastIndex": (2, 2, lambda items, p: _first(_list(items, "findLastIndex"), p, reversed)),
    "groupBy": (2, 2, _grouped),
    "sortBy": (2, 3, lambda items, p, order="asc": _sorted(items, p, order)),
    "sort": (1, 2, lambda items, order="asc": _sorted(items, None, order)),
    "sum": (1, 2, _sum),
    "mean": (1, 99, _average(statistics.fmean, "mean")),
    "median": (1, 99, _average(statistics.median, "median")),
    "max": (1, 99, _extreme("max", max)),
    "min": (1, 99, _extreme("min", min)),
    "len": (1, 1, _length),
    "type": (1, 1, lambda value: {"float64": "float"}.get(kind_of(value), kind_of(value))),
    "abs": (1, 1, lambda value: abs(_numbers((value,), "abs")[0])),
    "ceil": (1, 1, lambda value: float(math.ceil(_numbers((value,), "ceil")[0]))),
    "floor": (1, 1, lambda value: float(math.floor(_numbers((value,), "floor")[0]))),
    "round": (1, 1, _round),
    "int": (1, 1, _integer),
    "float": (1, 1, _floating),
    "string": (1, 1, _plain),
    "trim": (1, 2, lambda text, cut=None: _text(text, "trim").strip(cut)),
    "trimPrefix": (2, 2, lambda text, prefix: _text(text, "trimPrefix").removeprefix(prefix)),
    "trimSuffix": (2, 2, lambda text, suffix: _text(text, "trimSuffix").removesuffix(suffix)),
    "upper": (1, 1, lambda text: _text(text, "upper").upper()),
    "lower": (1, 1, lambda text: _text(text, "lower").lower()),
    "split": (2, 3, _split),
    "splitAfter": (2, 2, lambda text, sep: [f"{part}{sep}" for part in text.split(sep)[:-1]] + [text.split(sep)[-1]]),
    "replace": (3, 3, _replaced),
    "repeat": (2, 2, _repeat),
    "join": (1, 2, _joined),
    "indexOf": (2, 2, lambda text, part: _text(text, "indexOf").find(part)),
    "lastIndexOf": (2, 2, lambda text, part: _text(text, "lastIndexOf").rfind(part)),
    "hasPrefix": (2, 2, lambda text, part: _text(text, "hasPrefix").startswith(part)),
    "hasSuffix": (2, 2, lambda text, part: _text(text, "hasSuffix").endswith(part)),
    "toJSON": (1, 1, lambda value: json.dumps(value, indent=2)),
    "fromJSON": (1, 1, _from_json),
    "toBase64": (1, 1, lambda text: base64.b64encode(_text(text, "toBase64").encode()).decode()),
    "fromBase64": (1, 1, lambda text: base64.b64decode(_text(text, "fromBase64")).decode()),
    "first": (1, 1, lambda items: _get(items, 0)),
    "last": (1, 1, lambda items: _get(items, -1)),
    "get": (2, 2, _get),
    "take": (2, 2, lambda items, number: _list(items, "take")[: _integer(number)]),
    "keys": (1, 1, lambda mapping: list(mapping)),
    "values": (1, 1, lambda mapping: list(mapping.values())),
    "toPairs": (1, 1, lambda mapping: [[key, value] for key, value in mapping.items()]),
    "fromPairs": (1, 1, lambda pairs: {key: value for key, value in pairs}),
    "reverse": (1, 1, lambda items: list(reversed(_list(items, "reverse")))),
    "uniq": (1, 1, _unique),
    "concat": (1, 99, _concatenated),
    "flatten": (1, 1, lambda items: [x for item in items for x in (item if isinstance(item, list) else [item])]),
}  # fmt: skip
