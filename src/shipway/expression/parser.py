"""A Pratt parser: each operator has a binding power, and a loop climbs as long as the next one binds tighter.

The powers are those of expr-lang. `a | f(b)` is `f(a, b)`. A closure (`{# > 1}`) may leave its braces out where a builtin
expects one; inside it `.x` means `#.x`.
"""

from shipway.expression.lexer import ExpressionError, Token, tokenize
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

BINDING = {
    "|": 0, "or": 10, "||": 10, "and": 15, "&&": 15,
    "==": 20, "!=": 20, "<": 20, ">": 20, "<=": 20, ">=": 20,
    "in": 20, "not in": 20, "matches": 20, "contains": 20, "startsWith": 20, "endsWith": 20,
    "..": 25, "+": 30, "-": 30, "*": 60, "/": 60, "%": 60, "**": 100, "^": 100, "??": 500,
}  # fmt: skip
UNARY_BINDING = {"not": 50, "!": 50, "-": 90, "+": 90}
CLOSURE_POSITION = {
    name: 1
    for name in (
        "all", "none", "any", "one", "filter", "map", "count", "find", "findIndex", "findLast", "findLastIndex",
        "groupBy", "sortBy", "sum", "reduce",
    )
}  # fmt: skip
"""Builtins whose second argument is a closure."""
LITERALS = {"true": True, "false": False, "nil": None}
DEEPEST = 100


def parse(expression: str) -> Node:
    """The tree of an expression. Raises ExpressionError."""
    return _Parser(expression).whole()


class _Parser:
    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._tokens = tokenize(expression)
        self._position = 0
        self._depth = 0
        self._closures = 0

    def whole(self) -> Node:
        node = self._sequence()
        if self._here.kind != "end":
            raise self._unexpected()
        return node

    @property
    def _here(self) -> Token:
        return self._tokens[self._position]

    def _next(self) -> Token:
        token = self._here
        self._position += 1
        return token

    def _at(self, *operators: str) -> bool:
        return self._here.kind == "operator" and self._here.text in operators

    def _take(self, operator: str) -> bool:
        if self._at(operator):
            self._position += 1
            return True
        return False

    def _expect(self, operator: str) -> None:
        if not self._take(operator):
            raise self._unexpected(f", expected {operator!r}")

    def _unexpected(self, hint: str = "") -> ExpressionError:
        token = self._here
        what = "end of the expression" if token.kind == "end" else repr(token.text)
        return ExpressionError(f"unexpected {what} at {token.at + 1} in {self._expression!r}{hint}")

    def _sequence(self) -> Node:
        """`let x = ...; ...` or one expression."""
        if self._here.kind == "name" and self._here.text == "let":
            at = self._next().at
            name = self._next().text
            self._expect("=")
            value = self._binary(0)
            self._expect(";")
            return Let(at, name, value, self._sequence())
        return self._binary(0)

    def _binary(self, power: int) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise ExpressionError(f"the expression is nested deeper than {DEEPEST} levels")
        left = self._prefix()
        while (operator := self._operator()) is not None and BINDING[operator] >= power:
            left = self._infix(left, operator)
        if power == 0 and self._take("?"):
            then = self._binary(0)
            self._expect(":")
            left = Choice(left.at, left, then, self._binary(0))
        self._depth -= 1
        return left

    def _operator(self) -> str | None:
        token = self._here
        if token.kind != "operator":
            return None
        following = self._tokens[self._position + 1] if token.text == "not" else token
        if token.text == "not" and following.kind == "operator" and following.text == "in":
            return "not in"
        return token.text if token.text in BINDING else None

    def _infix(self, left: Node, operator: str) -> Node:
        at = self._next().at
        if operator == "not in":
            self._next()
            return Unary(at, "not", Binary(at, "in", left, self._binary(BINDING["in"] + 1)))
        if operator == "|":
            return self._postfix(self._call(self._next(), (left,)))
        right_associative = operator in ("**", "^")
        right = self._binary(BINDING[operator] + (0 if right_associative else 1))
        return Binary(at, "**" if operator == "^" else operator, left, right)

    def _prefix(self) -> Node:
        token = self._here
        if token.kind == "operator" and token.text in UNARY_BINDING:
            self._next()
            return Unary(token.at, token.text, self._binary(UNARY_BINDING[token.text]))
        return self._postfix(self._primary())

    def _primary(self) -> Node:
        token = self._next()
        if token.kind == "number":
            return Literal(token.at, self._number(token))
        if token.kind == "string":
            return Literal(token.at, token.text)
        if token.kind == "name":
            return self._named(token)
        match token.text:
            case "(":
                inner = self._sequence()
                self._expect(")")
                return inner
            case "[":
                return ListOf(token.at, self._arguments("]"))
            case "{":
                return self._map(token)
            case "#" if self._closures:
                return Name(token.at, self._pointer())
            case "." if self._closures:
                name = self._next()
                return Member(token.at, Name(token.at, "#"), Literal(name.at, name.text))
        self._position -= 1
        raise self._unexpected()

    def _pointer(self) -> str:
        """`#`, `#index` or `#acc`."""
        token = self._here
        touches = token.at == self._tokens[self._position - 1].at + 1
        return "#" + self._next().text if token.kind == "name" and touches else "#"

    def _number(self, token: Token) -> int | float:
        try:
            if token.text[:2].lower() in ("0x", "0b", "0o"):
                return int(token.text, 0)
            return int(token.text) if token.text.isdigit() else float(token.text)
        except ValueError:
            raise ExpressionError(f"bad number {token.text!r} at {token.at + 1}") from None

    def _named(self, token: Token) -> Node:
        if token.text in LITERALS:
            return Literal(token.at, LITERALS[token.text])
        if self._at("("):
            return self._call(token, ())
        return Name(token.at, token.text)

    def _call(self, name: Token, first: tuple[Node, ...]) -> Node:
        if name.kind != "name":
            self._position -= 1
            raise self._unexpected(", expected a function")
        self._expect("(")
        closure_at = CLOSURE_POSITION.get(name.text, -1) - len(first)
        return Call(name.at, name.text, (*first, *self._arguments(")", closure_at)))

    def _arguments(self, closing: str, closure_at: int = -1) -> tuple[Node, ...]:
        arguments: list[Node] = []
        while not self._take(closing):
            if arguments:
                self._expect(",")
                if self._take(closing):
                    break
            arguments.append(self._closure() if len(arguments) == closure_at else self._sequence())
        return tuple(arguments)

    def _closure(self) -> Node:
        at = self._here.at
        braces = self._take("{")
        self._closures += 1
        body = self._sequence()
        self._closures -= 1
        if braces:
            self._expect("}")
        return Closure(at, body)

    def _map(self, opening: Token) -> Node:
        entries: list[tuple[Node, Node]] = []
        while not self._take("}"):
            if entries:
                self._expect(",")
                if self._take("}"):
                    break
            entries.append(self._entry())
        return MapOf(opening.at, tuple(entries))

    def _entry(self) -> tuple[Node, Node]:
        token = self._next()
        if token.text == "(" and token.kind == "operator":
            key = self._sequence()
            self._expect(")")
        else:
            key = Literal(token.at, token.text)
        self._expect(":")
        return key, self._sequence()

    def _postfix(self, node: Node) -> Node:
        optional = False
        while True:
            token = self._here
            if self._take(".") or self._take("?."):
                skips = token.text == "?."
                optional = optional or skips
                node = self._index(node, skips) if self._at("[") else self._member(node, skips)
            elif self._at("["):
                node = self._index(node, False)
            elif isinstance(node, Member) and self._take("("):
                node = Invoke(node.at, node, self._arguments(")"))
            else:
                return Chain(node.at, node) if optional else node

    def _member(self, node: Node, optional: bool) -> Node:
        name = self._next()
        if name.kind not in ("name", "operator") or not name.text[:1].isidentifier():
            self._position -= 1
            raise self._unexpected(", expected a field name")
        return Member(name.at, node, Literal(name.at, name.text), optional)

    def _index(self, node: Node, optional: bool) -> Node:
        at = self._next().at
        if self._take(":"):
            return self._slice(node, at, None)
        start = self._sequence()
        if self._take(":"):
            return self._slice(node, at, start)
        self._expect("]")
        return Member(at, node, start, optional)

    def _slice(self, node: Node, at: int, start: Node | None) -> Node:
        stop = None if self._at("]") else self._sequence()
        self._expect("]")
        return Slice(at, node, start, stop)
