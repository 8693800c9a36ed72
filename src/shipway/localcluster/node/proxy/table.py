"""The routing table as frozen values, and how a request finds its rule in it. Pure.

Whoever is most specific wins, as the Gateway API says (HTTPRouteRule.matches): the hostname first (exact before wildcard,
longer wildcard before shorter), then the path (exact, then regular expression, then the longest prefix), the method, the
number of headers, the number of query parameters; then the oldest route, the route's name, and the order in it. Entries are
sorted so once, when the table is built, and a request takes the first that fits.
"""

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import parse_qsl

from msgspec import Struct

PathKind = Literal["exact", "prefix", "regex", "text"]
"""`prefix` means whole path elements (Kubernetes), `text` any beginning (Istio)."""


class Endpoint(Struct, frozen=True, order=True):
    """One pod's address for one port, as the API shows it."""

    ip: str
    port: int
    pod: str = ""


class HeaderChange(Struct, frozen=True):
    """What a filter does to headers; names as given."""

    set: tuple[tuple[str, str], ...] = ()
    add: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()

    def apply(self, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        gone = {name.lower() for name in self.remove} | {name.lower() for name, _ in self.set}
        return [*(h for h in headers if h[0].lower() not in gone), *self.set, *self.add]


class Backend(Struct, frozen=True):
    """One weighted target. `problem` says why it cannot be used at all (a reference that does not resolve)."""

    namespace: str
    service: str
    port: int
    weight: int = 1
    endpoints: tuple[Endpoint, ...] = ()
    problem: str = ""
    request: HeaderChange | None = None

    @property
    def id(self) -> str:
        return f"{self.namespace}/{self.service}:{self.port}"


class Redirect(Struct, frozen=True):
    """RequestRedirect; empty fields keep what the request had. `path` is (kind, value): full or prefix."""

    status: int = 302
    scheme: str = ""
    host: str = ""
    port: int = 0
    path: tuple[Literal["full", "prefix"], str] | None = None


class Rewrite(Struct, frozen=True):
    """URLRewrite; empty fields keep what the request had."""

    host: str = ""
    path: tuple[Literal["full", "prefix"], str] | None = None


class Mirror(Struct, frozen=True):
    """Where copies go, and of how many requests."""

    backend: Backend
    percent: float = 100.0


class Filters(Struct, frozen=True):
    """What happens to a request on the way."""

    request: HeaderChange | None = None
    response: HeaderChange | None = None
    redirect: Redirect | None = None
    rewrite: Rewrite | None = None
    mirrors: tuple[Mirror, ...] = ()


class Rule(Struct, frozen=True):
    """Where matching requests go. `id` stays the same while the rule does, so that its turns survive a new table."""

    id: str
    backends: tuple[Backend, ...]
    filters: Filters = Filters()
    timeout_seconds: float | None = None

    @property
    def weights(self) -> tuple[int, ...]:
        return tuple(backend.weight for backend in self.backends)


class Pattern(Struct, frozen=True):
    """A value to compare with: text, or a compiled expression that must match all of it."""

    name: str
    text: str = ""
    regex: Any = None

    def fits(self, value: str | None) -> bool:
        if value is None:
            return False
        return self.regex.fullmatch(value) is not None if self.regex is not None else value == self.text


class Match(Struct, frozen=True):
    """One match of a rule; everything in it must fit. Header names in lower case."""

    path_kind: PathKind = "prefix"
    path: str = "/"
    regex: Any = None
    method: str = ""
    headers: tuple[Pattern, ...] = ()
    query: tuple[Pattern, ...] = ()

    @property
    def rank(self) -> tuple[int, int, int, int, int]:
        """Sorts the most specific first."""
        kind = {"exact": 0, "regex": 1, "prefix": 2, "text": 2}[self.path_kind]
        return (kind, -len(self.path), 0 if self.method else 1, -len(self.headers), -len(self.query))

    def fits(self, method: str, path: str, query: str, fields: Mapping[str, str]) -> bool:
        if not self._fits_path(path) or (self.method and self.method != method):
            return False
        if self.headers and not all(pattern.fits(fields.get(pattern.name)) for pattern in self.headers):
            return False
        if not self.query:
            return True
        given: dict[str, str] = {}
        for name, value in parse_qsl(query, keep_blank_values=True):
            given.setdefault(name, value)  # of a repeated parameter the first counts
        return all(pattern.fits(given.get(pattern.name)) for pattern in self.query)

    def _fits_path(self, path: str) -> bool:
        if self.path_kind == "prefix":
            return has_prefix(path, self.path)
        if self.path_kind == "exact":
            return path == self.path
        if self.path_kind == "text":
            return path.startswith(self.path)
        return self.regex.fullmatch(path) is not None


class Entry(Struct, frozen=True):
    """`order` sorts an entry where not the most specific wins but whoever stands first, as in a VirtualService; such entries
    go before all others of their host."""

    match: Match
    rule: Rule
    order: tuple[int, ...] = ()

    @property
    def rank(self) -> tuple[int, ...]:
        return (0, *self.order) if self.order else (1, *self.match.rank)


class Table(Struct, frozen=True):
    """`hosts`: exact names. `wildcards`: suffixes (".example.com"), longest first. `anywhere`: rules without a hostname."""

    hosts: Mapping[str, tuple[Entry, ...]] = {}
    wildcards: tuple[tuple[str, tuple[Entry, ...]], ...] = ()
    anywhere: tuple[Entry, ...] = ()

    def find(self, host: str, method: str, target: str, fields: Mapping[str, str]) -> Entry | None:
        """The entry for a request; `host` in lower case without port."""
        path, _, query = target.partition("?")
        for entries in self._groups(host):
            for entry in entries:
                if entry.match.fits(method, path, query, fields):
                    return entry
        return None

    def _groups(self, host: str):
        if host in self.hosts:
            yield self.hosts[host]
        for suffix, entries in self.wildcards:
            if host.endswith(suffix) and len(host) > len(suffix):
                yield entries
        yield self.anywhere

    def rules(self) -> list[Rule]:
        """Each once, however many hosts and matches lead to it."""
        groups = [*self.hosts.values(), *(entries for _, entries in self.wildcards), self.anywhere]
        return list({entry.rule.id: entry.rule for entries in groups for entry in entries}.values())


def has_prefix(path: str, prefix: str) -> bool:
    """Prefixes match whole path elements: /shop fits /shop and /shop/x, not /shopping."""
    trimmed = prefix.rstrip("/")
    return path.startswith(trimmed) and (len(path) == len(trimmed) or path[len(trimmed)] == "/")


def rewritten_path(change: tuple[Literal["full", "prefix"], str], match: Match, target: str) -> str:
    """The target with its path replaced, or only the prefix that matched; the query stays."""
    path, mark, query = target.partition("?")
    kind, value = change
    if kind == "full":
        return f"{value}{mark}{query}"
    if match.path_kind == "text":
        return f"{value}{path[len(match.path) :]}{mark}{query}"
    rest = path[len(match.path.rstrip("/")) :] if match.path_kind == "prefix" else ""
    joined = f"{value.rstrip('/')}/{rest.lstrip('/')}" if rest.strip("/") else (value.rstrip("/") + rest or "/")
    return f"{joined}{mark}{query}"
