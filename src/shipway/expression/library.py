"""What expressions of notifications may call besides builtins: `time.Parse(…)`, `strings.ToUpper(…)`, `repo.QueryEscape(…)`.

Argo CD's triggers do, with the methods of Go's times: `time.Now().Sub(time.Parse(app.status.reconciledAt)).Minutes() >= 5`.
"""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote_plus, urlsplit

from shipway.base.clock import Instant, parse_rfc3339
from shipway.expression.builtins import BUILTINS
from shipway.expression.lexer import ExpressionError
from shipway.expression.numbers import Moment, Span, kind_of

Function = Callable[..., Any]


def library(now: Instant) -> Mapping[str, Mapping[str, Any]]:
    """The functions and constants, by the name that they are called on."""
    return {"time": {**_TIME, "Now": lambda: Moment(now)}, "strings": STRINGS, "repo": REPO}


def method(target: Any, name: str) -> Function | None:
    """What `target.name(…)` calls; None where there is nothing of the kind."""
    if isinstance(target, dict):
        found = target.get(name)
        return found if callable(found) else None
    of_kind = _METHODS.get(type(target), {}).get(name)
    return None if of_kind is None else lambda *arguments: of_kind(target, *arguments)


def _parsed(text: Any) -> Moment:
    if not isinstance(text, str):
        raise ExpressionError(f"time.Parse takes a text, not {kind_of(text)}")
    return Moment(parse_rfc3339(text))


_TIME: Mapping[str, Any] = {
    "Parse": _parsed,
    "Nanosecond": Span(1e-9),
    "Microsecond": Span(1e-6),
    "Millisecond": Span(1e-3),
    "Second": Span(1.0),
    "Minute": Span(60.0),
    "Hour": Span(3600.0),
}


def _host_and_path(url: str) -> tuple[str, str]:
    """Of a repository's URL, or of its short form for SSH (`git@host:owner/name.git`), without the user."""
    if "://" not in url and ":" in url:
        host, _, path = url.partition(":")
    else:
        parts = urlsplit(url)
        host, path = parts.netloc, parts.path
    return host.rpartition("@")[2], path.lstrip("/")


def full_name(url: str) -> str:
    """`owner/name` of a repository."""
    return "/".join(_host_and_path(url)[1].removesuffix(".git").split("/")[:2])


def https_url(url: str) -> str:
    """Where a browser finds a repository that is fetched over whatever protocol."""
    return "https://" + "/".join(_host_and_path(url))


STRINGS: Mapping[str, Function] = {
    "ReplaceAll": BUILTINS["replace"][2],
    "ToUpper": BUILTINS["upper"][2],
    "ToLower": BUILTINS["lower"][2],
}
REPO: Mapping[str, Function] = {"FullNameByRepoURL": full_name, "RepoURLToHTTPS": https_url, "QueryEscape": quote_plus}
_METHODS: Mapping[type, Mapping[str, Function]] = {
    Moment: {
        "Add": lambda moment, span: Moment(moment.at + span.seconds),
        "Sub": lambda moment, other: Span(moment.at - other.at),
        "Before": lambda moment, other: moment.at < other.at,
        "After": lambda moment, other: moment.at > other.at,
        "Equal": lambda moment, other: moment.at == other.at,
        "Unix": lambda moment: int(moment.at),
    },
    Span: {
        "Hours": lambda span: span.seconds / 3600,
        "Minutes": lambda span: span.seconds / 60,
        "Seconds": lambda span: span.seconds,
        "Milliseconds": lambda span: int(span.seconds * 1000),
    },
}
