"""Label and field selectors: parsed once, asked often.

A label selector comes as text (`app=web,tier in (a,b),!legacy`, what a client sends in a query) or as the structured form
that objects carry (`{matchLabels, matchExpressions}`). Both become the same `LabelSelector`, whose `str()` is the text form
again. The grammar and the error texts follow apimachinery `labels.Parse`; a field selector is the smaller
`fields.ParseSelector` (`a.b=x,c!=y`, with `\\,` `\\=` `\\\\` escapes).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NoReturn

from msgspec import Struct

from shipway.base.errors import InvalidInput
from shipway.kube.objects.views import dig

Operator = Literal["=", "!=", "in", "notin", "exists", "!", "gt", "lt"]

_TOKEN = re.compile(r"\s*(==|!=|[=!(),<>]|[^\s=!(),<>]+)")
_KEY = re.compile(r"(?:[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_REQUIREMENT = "unable to parse requirement: "
_SYMBOLS = frozenset("=!(),<>")
_OPERATORS: dict[str, Operator] = {
    "=": "=", "==": "=", "!=": "!=", "in": "in", "notin": "notin", ">": "gt", "<": "lt",
}  # fmt: skip
_EXPRESSIONS: dict[str, Operator] = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}


class Requirement(Struct, frozen=True, order=True):
    """One term: a label key, an operator and its values (one for `=` and `!=`, none for `exists` and `!`)."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "exists":
                return value is not None
            case "!":
                return value is None
            case "=" | "in":
                return value is not None and value in self.values
            case "!=" | "notin":
                return value is None or value not in self.values
            case "gt" | "lt":
                return value is not None and _compare(value, self.operator, self.values[0])

    def __str__(self) -> str:
        match self.operator:
            case "exists":
                return self.key
            case "!":
                return f"!{self.key}"
            case "in" | "notin":
                return f"{self.key} {self.operator} ({','.join(sorted(self.values))})"
            case "gt" | "lt":
                return f"{self.key}{'>' if self.operator == 'gt' else '<'}{self.values[0]}"
            case _:
                return f"{self.key}{self.operator}{self.values[0]}"


class LabelSelector(Struct, frozen=True):
    """A conjunction of requirements; no requirement matches everything, `nothing` matches nothing."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        """Whether an object with these labels is selected."""
        have = labels or {}
        return not self.nothing and all(r.matches(have) for r in self.requirements)

    @property
    def is_everything(self) -> bool:
        return not self.nothing and not self.requirements

    def __str__(self) -> str:
        return ",".join(str(r) for r in self.requirements)


EVERYTHING = LabelSelector()
NOTHING = LabelSelector(nothing=True)


def parse_label_selector(text: str) -> LabelSelector:
    """The selector of a `labelSelector=` query. Raises InvalidInput with the API server's own wording."""
    if not text.strip():
        return EVERYTHING
    return LabelSelector(tuple(sorted(_Parser(text).requirements())))


def label_selector_of(selector: Mapping[str, Any] | None) -> LabelSelector:
    """The selector of `{matchLabels, matchExpressions}`: None selects nothing, `{}` everything (metav1.LabelSelector)."""
    if selector is None:
        return NOTHING
    labels: dict[str, Any] = selector.get("matchLabels") or {}
    expressions: list[dict[str, Any]] = selector.get("matchExpressions") or []
    terms = [Requirement(key, "=", (str(value),)) for key, value in labels.items()]
    terms += map(_requirement_of, expressions)
    return LabelSelector(tuple(sorted(terms)))


def matches_labels(wanted: Mapping[str, str] | None, labels: Mapping[str, str] | None) -> bool:
    """Whether `labels` carry every pair of `wanted` (a Service's selector). An empty `wanted` matches nothing."""
    have = labels or {}
    return bool(wanted) and all(have.get(key) == value for key, value in (wanted or {}).items())


class FieldTerm(Struct, frozen=True, order=True):
    """`path` is dotted; `equal` False means `!=`."""

    path: str
    equal: bool
    value: str


class FieldSelector(Struct, frozen=True):
    """A conjunction of field comparisons. Which paths a kind supports is for the server to say."""

    terms: tuple[FieldTerm, ...] = ()

    def matches(self, obj: Mapping[str, Any], field: Callable[[Mapping[str, Any], str], str] | None = None) -> bool:
        """Whether the object is selected; `field` overrides how a path is read (default: `field_value`)."""
        read = field or field_value
        return all((read(obj, term.path) == term.value) == term.equal for term in self.terms)

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(term.path for term in self.terms)

    def required(self, path: str) -> str | None:
        """The value that `path` must have, if the selector pins it: lets a server look up instead of scan."""
        return next((t.value for t in self.terms if t.path == path and t.equal), None)

    def __str__(self) -> str:
        return ",".join(f"{t.path}{'=' if t.equal else '!='}{_escape(t.value)}" for t in self.terms)


def parse_field_selector(text: str) -> FieldSelector:
    """The selector of a `fieldSelector=` query. Raises InvalidInput."""
    terms: list[FieldTerm] = []
    for part in re.findall(r"(?:[^,\\]|\\.)+", text):
        found = re.match(r"((?:[^=!\\]|\\.)+)(==|!=|=)(.*)", part, re.DOTALL)
        if not found:
            raise InvalidInput(f"invalid selector: '{text}'; can't understand '{part}'", reason="BadRequest")
        terms.append(FieldTerm(found[1], found[2] != "!=", _unescape(found[3], text)))
    return FieldSelector(tuple(terms))


def field_value(obj: Mapping[str, Any], path: str) -> str:
    """The text of a scalar field, "" when it is missing: how field selectors see an object."""
    value = dig(obj, *path.split("."))
    if value is None:
        return ""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _compare(value: str, operator: str, limit: str) -> bool:
    try:
        return int(value) > int(limit) if operator == "gt" else int(value) < int(limit)
    except ValueError:
        return False


def _requirement_of(expression: Mapping[str, Any]) -> Requirement:
    key, name = expression.get("key") or "", expression.get("operator") or ""
    values = tuple(str(v) for v in expression.get("values") or ())
    operator = _EXPRESSIONS.get(name)
    if operator is None:
        raise InvalidInput(f'"{name}" is not a valid label selector operator: use In, NotIn, Exists or DoesNotExist')
    if operator in ("in", "notin") and not values:
        raise InvalidInput(f'label selector on "{key}": operator {name} needs at least one value')
    if operator in ("exists", "!") and values:
        raise InvalidInput(f'label selector on "{key}": operator {name} takes no values')
    return Requirement(key, operator, values)


class _Parser:
    """apimachinery's recursive descent over the token list; keywords are identifiers where a value is expected."""

    def __init__(self, text: str) -> None:
        self._tokens: list[str] = _TOKEN.findall(text)
        self._at = 0

    def requirements(self) -> Iterable[Requirement]:
        while True:
            token = self._peek()
            if not token:
                return
            if token in _SYMBOLS | {"==", "!="} and token != "!":
                self._fail(token, "!, identifier, or 'end of string'")
            yield self._requirement()
            token = self._next()
            if not token:
                return
            if token != ",":
                self._fail(token, "',' or 'end of string'")
            following = self._peek()
            if not following or (following in _SYMBOLS and following != "!"):
                self._fail(following, "identifier after ','")

    def _requirement(self) -> Requirement:
        token = self._next()
        absent = token == "!"
        key = self._next() if absent else token
        if not key or not _is_word(key):
            self._fail(key, "identifier", _REQUIREMENT)
        if not _KEY.fullmatch(key):
            raise _unparsable(f'<nil>: Invalid value: "{key}": not a label key')
        if absent or self._peek() in ("", ","):
            return Requirement(key, "!" if absent else "exists")
        return self._binary(key)

    def _binary(self, key: str) -> Requirement:
        token = self._next()
        operator = _OPERATORS.get(token)
        if operator is None:
            self._fail(token, "in, notin, =, ==, !=, gt, lt", _REQUIREMENT)
        values = self._set() if operator in ("in", "notin") else (self._exact(),)
        if operator in ("gt", "lt") and not re.fullmatch(r"[+-]?\d+", values[0]):
            said = "for 'Gt', 'Lt' operators, the value must be an integer"
            raise _unparsable(f'values[0][{key}]: Invalid value: "{values[0]}": {said}')
        for value in values:
            if not _VALUE.fullmatch(value):
                raise _unparsable(f'values[0][{key}]: Invalid value: "{value}": not a label value')
        return Requirement(key, operator, values)

    def _exact(self) -> str:
        if self._peek() in ("", ","):
            return ""
        token = self._next()
        if not _is_word(token):
            self._fail(token, "identifier", _REQUIREMENT)
        return token

    def _set(self) -> tuple[str, ...]:
        if (token := self._next()) != "(":
            raise _unparsable(f"found '{token}' expected: '('")
        values: set[str] = set()
        expects_value = True
        while (token := self._next()) != ")":
            if _is_word(token):
                values.add(token)
                expects_value = False
            elif token == ",":
                values |= {""} if expects_value else set()
                expects_value = True
            else:
                self._fail(token, "',', or ')'", _REQUIREMENT)
        return tuple(sorted(values | ({""} if expects_value else set())))

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        self._at += 1
        return token

    def _fail(self, found: str, expected: str, prefix: str = "") -> NoReturn:
        raise InvalidInput(f"{prefix}found '{found}', expected: {expected}", reason="BadRequest")


def _unparsable(said: str) -> InvalidInput:
    return InvalidInput(_REQUIREMENT + said, reason="BadRequest")


def _is_word(token: str) -> bool:
    return bool(token) and token[0] not in _SYMBOLS


def _escape(value: str) -> str:
    return re.sub(r"([\\,=])", r"\\\1", value)


def _unescape(value: str, text: str) -> str:
    if re.search(r"(?<!\\)(?:\\\\)*\\(?:[^\\,=]|$)", value):
        raise InvalidInput(f"invalid field selector '{text}': invalid escape sequence in '{value}'", reason="BadRequest")
    return re.sub(r"\\([\\,=])", r"\1", value)
