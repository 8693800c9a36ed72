"""CEL itself, by the C++ runtime of its inventors: expressions are compiled once, and answer a value or a reason.

Untyped: `self` is whatever the object holds, so a rule that speaks of a field that the schema lacks compiles here. Bounded: the
runtime ends an expression after 10,000 steps of its loops, and `costs_too_much` refuses what could grow or scan beyond reason
within them, before it runs.
"""

import re
from collections.abc import Mapping
from enum import Enum
from functools import cache, lru_cache
from typing import Any

from msgspec import Struct

from shipway.base.errors import InvalidInput, ShipwayError
from shipway.localcluster.apiserver.rules.functions import GLOBALS, MEMBERS

TOO_COSTLY = "operation cancelled: actual cost limit exceeded"
_OVERLOAD = "no such overload"
_LOOP_STEPS = 10_000
_MOST_BYTES = 1 << 30
_LOOPS = re.compile(r"\.(?:all|exists|exists_one|filter|map)\s*\(")
_GROWS = re.compile(r"[+%]")
_REUSES = re.compile(r"\.map\s*\(|\bcel\.bind\s*\(")
_SQUARES = re.compile(r"\.(?:replace|join)\s*\(")
_SCANS = re.compile(
    r"\.(?:matches|contains|find|findAll|split|indexOf|lastIndexOf|size|isSorted|sum|min|max|replace|join)\s*\("
)


class Old(Enum):
    """How an expression sees the old value: not at all, as it is, or as an optional."""

    NONE = "none"
    PLAIN = "plain"
    OPTIONAL = "optional"


class RuleFailed(ShipwayError):
    """The expression came to no value; the message says why in cel-go's words."""

    default_reason = "RuleFailed"


class Program(Struct, frozen=True):
    """A compiled expression."""

    text: str
    old: Old
    type: str
    _expression: Any

    def evaluate(self, value: Any, before: Any = None, *, has_before: bool = False) -> Any:
        """The answer for `self`, and `oldSelf` if the expression sees it. Raises RuleFailed."""
        given: dict[str, Any] = {"self": value}
        if self.old is Old.PLAIN:
            given["oldSelf"] = before
        elif self.old is Old.OPTIONAL:
            given |= {"has_before__": has_before, "before__": before}
        try:
            answer = self._expression.eval(data=given)
        except RuntimeError as error:
            raise RuleFailed(TOO_COSTLY if "budget" in str(error) else str(error)) from None
        if answer.type().name() == "ERROR":
            raise RuleFailed(_in_go_words(str(answer.plain_value())))
        return answer.plain_value()


@lru_cache(maxsize=8192)
def compiled(text: str, old: Old) -> Program:
    """Raises InvalidInput with the compiler's complaint."""
    wrapped = text
    if old is Old.OPTIONAL:
        wrapped = f"cel.bind(oldSelf, has_before__ ? optional.of(before__) : optional.none(), ({text}\n))"
    try:
        expression = _environment(old).compile(wrapped)
    except RuntimeError as error:
        raise InvalidInput(f"compilation failed: {str(error).removeprefix('INVALID_ARGUMENT: ')}") from None
    return Program(text, old, expression.return_type().name(), expression)


@cache
def _environment(old: Old) -> Any:
    # Imported when the first rule comes: most clusters have none, and the runtime takes 30 ms.
    from cel_expr_python import cel
    from cel_expr_python.ext import ext_bindings, ext_encoders, ext_math, ext_optional, ext_strings

    kinds: Any = cel.Type
    types = {
        "bool": kinds.BOOL,
        "int": kinds.INT,
        "double": kinds.DOUBLE,
        "string": kinds.STRING,
        "dyn": kinds.DYN,
        "list": kinds.List(kinds.DYN),
    }
    functions = [
        cel.FunctionDecl(
            name,
            [cel.Overload(f"shipway_{name.replace('.', '_')}", types[answer], [types[t] for t in takes], is_member, function)],
        )
        for table, is_member in ((MEMBERS, True), (GLOBALS, False))
        for name, (takes, answer, function) in table.items()
    ]
    variables = {"self": kinds.DYN}
    if old is Old.PLAIN:
        variables["oldSelf"] = kinds.DYN
    elif old is Old.OPTIONAL:
        variables |= {"has_before__": kinds.BOOL, "before__": kinds.DYN}
    extensions = [
        ext_strings.ExtStrings(),
        ext_math.ExtMath(),
        ext_encoders.ExtEncoders(),
        ext_optional.ExtOptional(),
        ext_bindings.ExtBindings(),
    ]
    return cel.NewEnv(variables=variables, extensions=extensions, functions=functions)


_GO_WORDS: Mapping[str, str] = {
    r'Key not found in map : "?(.*?)"?': r"no such key: \1",
    r"Index error: index=(-?\d+) size=\d+": r"index out of bounds: \1",
    r"divide by zero": "division by zero",
    r"No matching overloads found : .*": _OVERLOAD,
}


def _in_go_words(error: str) -> str:
    """What cel-go would say, without the code in front."""
    said = re.sub(r"^[A-Z_]+: ", "", error)
    for pattern, words in _GO_WORDS.items():
        if found := re.fullmatch(pattern, said, re.DOTALL):
            return found.expand(words)
    return said


def is_overload(failure: RuleFailed) -> bool:
    """Whether a function or operator was given what it cannot take."""
    return failure.message == _OVERLOAD


class _Shape(Struct, frozen=True):
    """How often an expression may double or square its values, how often it adds one to another, whether it loops, and whether
    it scans texts or lists. A value doubles only where it is used again: in a `map` of a `map`, or by its name in
    `cel.bind`."""

    doublings: int
    additions: int
    squarings: int
    loops: bool
    scans: bool


@lru_cache(maxsize=8192)
def _shape(text: str) -> _Shape:
    additions = len(_GROWS.findall(text))
    doublings = additions if _REUSES.search(text) else 0
    return _Shape(doublings, additions, len(_SQUARES.findall(text)), bool(_LOOPS.search(text)), bool(_SCANS.search(text)))


def needs_size(text: str) -> bool:
    """Whether the size of the value matters for what the expression may cost."""
    shape = _shape(text)
    return bool(shape.additions or shape.squarings or (shape.loops and shape.scans))


def costs_too_much(text: str, size: int) -> bool:
    """Whether a value of `size` bytes could make the expression build more than a gigabyte, or read more than sixteen."""
    shape = _shape(text)
    most = max(size, 64)
    for _ in range(min(shape.squarings, 8)):
        most = min(most * most, _MOST_BYTES + 1)
    most = min(most * (shape.additions + 1) << min(shape.doublings, 30), _MOST_BYTES + 1)
    if shape.loops and shape.scans:
        return most * _LOOP_STEPS > _MOST_BYTES * 16
    return most > _MOST_BYTES
