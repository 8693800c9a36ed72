"""How forges are talked to: one row for each of what differs, and one way of reading lists and single things.

A forge that is away, that has enough of us or that answers something else is an error: never an empty list.
"""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson
from msgspec import Struct

from shipway.api.forges import ForgeKind
from shipway.api.metrics import Fetch, HttpAnswer, HttpCall
from shipway.base.errors import Denied, InvalidInput, NotFound, Unavailable

PAGE = 100
MAX_PAGES = 50
TIMEOUT = 30.0


class Forge(Struct, frozen=True):
    """`root` is where the API begins, below what users give as `api`; `headers` carry the token; `size` is the name of the
    parameter for the length of a page. `fills_pages`: whether a page that is not full is the last one; some servers have a
    smaller limit than they are asked for."""

    name: str
    default_api: str
    root: Callable[[str], str]
    headers: Callable[[str], Mapping[str, str]]
    size: str = "per_page"
    fills_pages: bool = True


def github_root(api: str) -> str:
    """GitHub Enterprise serves its API below a path."""
    return api if urlsplit(api).netloc.startswith("api.") or api.endswith("/api/v3") else f"{api}/api/v3"


FORGES: dict[ForgeKind, Forge] = {
    "github": Forge(
        "GitHub",
        "https://api.github.com",
        github_root,
        lambda token: {"Authorization": f"Bearer {token}", "X-GitHub-Api-Version": "2022-11-28"},
    ),
    "gitlab": Forge("GitLab", "https://gitlab.com", lambda api: f"{api}/api/v4", lambda token: {"PRIVATE-TOKEN": token}),
    "gitea": Forge(
        "Gitea",
        "",
        lambda api: f"{api}/api/v1",
        lambda token: {"Authorization": f"token {token}"},
        size="limit",
        fills_pages=False,
    ),
}


class Conversation:
    """Questions to one forge about `place`. Raises InvalidInput for an `api` that is no URL."""

    def __init__(self, fetch: Fetch, kind: ForgeKind, api: str, token: str, place: str, *, is_insecure: bool = False) -> None:
        self._fetch = fetch
        self._forge = FORGES[kind]
        self._token = token
        self._is_insecure = is_insecure
        self.purpose = f"{self._forge.name} {place}"
        given = (api or self._forge.default_api).rstrip("/")
        if urlsplit(given).scheme not in ("http", "https") or not urlsplit(given).netloc:
            raise InvalidInput(f"{self._forge.name}: api {api!r} is no URL: give https://host", reason="InvalidForge")
        self._root = self._forge.root(given)

    async def all(self, path: str, query: Mapping[str, str] | None = None) -> list[Any]:
        """Every entry of a list. Raises NotFound, Denied (the token), Unavailable (away, or asking for time)."""
        found: list[Any] = []
        for page in range(1, MAX_PAGES + 1):
            pages = {self._forge.size: str(PAGE), **({"page": str(page)} if page > 1 else {})}
            entries = await self._json(path, {**(query or {}), **pages})
            if not isinstance(entries, list):
                raise Unavailable(f"{self.purpose}: the answer is no list: is `api` right?", reason="ForgeFailed")
            found += entries
            if not entries or (self._forge.fills_pages and len(entries) < PAGE):
                return found
        raise InvalidInput(f"{self.purpose}: there are more than {PAGE * MAX_PAGES} of them", reason="TooMany")

    async def one(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """One thing; None when it is not there. Raises Denied, Unavailable."""
        try:
            return await self._json(path, query or {})
        except NotFound:
            return None

    def read(self, reader: Callable[[Any], Any], entry: Any) -> Any:
        """What `reader` makes of an entry. Raises Unavailable for one that lacks what it needs."""
        try:
            return reader(entry)
        except (KeyError, TypeError, AttributeError, ValueError):
            told = f"{self.purpose}: an entry lacks what it needs (names, numbers, commits): is `api` right?"
            raise Unavailable(told, reason="ForgeFailed") from None

    async def _json(self, path: str, query: Mapping[str, str]) -> Any:
        login = self._forge.headers(self._token) if self._token else {}
        call = HttpCall(
            purpose=self.purpose,
            url=f"{self._root}{path}",
            query=query,
            headers={"Accept": "application/json", "User-Agent": "shipway", **login},
            timeout=TIMEOUT,
            is_insecure=self._is_insecure,
            follows_redirects=False,
        )
        answer = await self._fetch(call)
        _check(answer, self.purpose)
        try:
            return orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            raise Unavailable(f"{self.purpose}: the answer is no JSON: is `api` right?", reason="ForgeFailed") from None


def _check(answer: HttpAnswer, purpose: str) -> None:
    status, headers = answer.status, answer.headers
    if status == 200:
        return
    is_limited = status == 429 or (status == 403 and headers.get("x-ratelimit-remaining") == "0") or "retry-after" in headers
    if is_limited:
        seconds = 60.0 if answer.retry_after is None else answer.retry_after
        raise Unavailable(f"{purpose}: the forge asks for time (HTTP {status})", after=seconds, reason="RateLimited")
    if status in (401, 403):
        raise Denied(f"{purpose}: HTTP {status}: the token is missing, wrong, or may not read this", reason="ForgeLogin")
    if status == 404:
        raise NotFound(f"{purpose}: there is no such repository, or the token may not see it", reason="NoRepository")
    raise Unavailable(f"{purpose}: HTTP {status}", reason="ForgeFailed")
