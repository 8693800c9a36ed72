"""Splits an expression into tokens."""

import re
from typing import Literal

from msgspec import Struct

from shipway.base.errors import InvalidInput


class ExpressionError(InvalidInput):
    """The expression cannot be read or evaluated; the message quotes it and points at the place."""

    default_reason = "InvalidExpression"


TokenKind = Literal["number", "string", "name", "operator", "end"]

LONGEST = 10_000
"""Characters of an expression; longer ones are refused."""

_NAMED_OPERATORS = frozenset(("and", "or", "not", "in", "matches", "contains", "startsWith", "endsWith"))
_PATTERN = re.compile(
    r"""
    (?P<space>\s+|//[^\n]*|/\*.*?\*/)
  | (?P<number>0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|(?:\d[\d_]*)?\.\d[\d_]*(?:[eE][+-]?\d+)?|\d[\d_]*(?:[eE][+-]?\d+)?)
  | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)
  | (?P<name>[A-Za-z_$][A-Za-z0-9_$]*)
  | (?P<operator>\*\*|\.\.|\?\?|\?\.|&&|\|\||==|!=|<=|>=|[-+*/%^<>!?:.,;|=\#()\[\]{}])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)", re.DOTALL)


class Token(Struct, frozen=True):
    """`text` is what stands there (for strings the value); `at` its offset in the expression."""

    kind: TokenKind
    text: str
    at: int


def tokenize(expression: str) -> tuple[Token, ...]:
    """All tokens, closed by an "end" token. Raises ExpressionError at the first character that fits nowhere."""
    if len(expression) > LONGEST:
        raise ExpressionError(f"the expression has {len(expression)} characters; at most {LONGEST} are read")
    tokens: list[Token] = []
    at = 0
    while at < len(expression):
        found = _PATTERN.match(expression, at)
        if found is None:
            raise ExpressionError(f"unexpected character {expression[at]!r} at {at + 1} in {expression!r}")
        if found.lastgroup != "space":
            tokens.append(_token(found, at))
        at = found.end()
    return (*tokens, Token("end", "", len(expression)))


def _token(found: re.Match[str], at: int) -> Token:
    text = found.group()
    match found.lastgroup:
        case "number":
            return Token("number", text.replace("_", ""), at)
        case "string":
            return Token("string", text[1:-1] if text[0] == "`" else _unescape(text[1:-1]), at)
        case "name" if text not in _NAMED_OPERATORS:
            return Token("name", text, at)
        case _:
            return Token("operator", text, at)


def _unescape(text: str) -> str:
    def one(found: re.Match[str]) -> str:
        escape = found.group(1)
        if escape[0] in "xuU" and len(escape) > 1:
            return chr(int(escape[1:], 16))
        if len(escape) == 3:
            return chr(int(escape, 8))
        return _ESCAPES.get(escape, escape)

    return _ESCAPE.sub(one, text)
