"""Open pull requests, from any forge by one way: pages of JSON, until one is empty (or not full, where that means the same).

A forge differs from the others in its URL, its header for the token and the names of its fields; that is one row of `FORGES`.
A forge that is away, that has enough of us or that answers something else is an error: never an empty list.
"""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import orjson
from msgspec import Struct

from shipway.api.forges import ForgeKind, PullRequest, PullRequestsQuery
from shipway.api.metrics import Fetch, HttpAnswer, HttpCall
from shipway.base.errors import Denied, InvalidInput, NotFound, Unavailable

PAGE = 100
MAX_PAGES = 50
TIMEOUT = 30.0


class Forge(Struct, frozen=True):
    """How one forge is asked. `url`, `query` and `headers` from a query and the token; `read` one entry of its list."""

    name: str
    default_api: str
    url: Callable[[PullRequestsQuery, str], str]
    query: Callable[[PullRequestsQuery], Mapping[str, str]]
    headers: Callable[[str], Mapping[str, str]]
    read: Callable[[Any], PullRequest]
    fills_pages: bool = True
    """Whether a page that is not full is the last one; some servers have a smaller limit than they are asked for."""


async def pull_requests(fetch: Fetch, query: PullRequestsQuery, token: str) -> tuple[PullRequest, ...]:
    """Those that are open and carry all labels of the query, by number.

    Raises NotFound (no such repository), Denied (the token), Unavailable (away, or asking for time), InvalidInput (an API that
    is none).
    """
    forge = FORGES[query.kind]
    api = (query.api or forge.default_api).rstrip("/")
    if urlsplit(api).scheme not in ("http", "https") or not urlsplit(api).netloc:
        raise InvalidInput(f"{forge.name}: api {query.api!r} is no URL: give https://host", reason="InvalidForge")
    found: list[PullRequest] = []
    for page in range(1, MAX_PAGES + 1):
        entries = await _page(fetch, forge, query, api, token, page)
        found += [_read(forge, one) for one in entries]
        if not entries or (forge.fills_pages and len(entries) < PAGE):
            wanted = set(query.labels)
            return tuple(sorted(one for one in found if wanted <= set(one.labels)))
    raise InvalidInput(f"{forge.name} {query.place}: more than {PAGE * MAX_PAGES} pull requests are open", reason="TooMany")


async def _page(fetch: Fetch, forge: Forge, query: PullRequestsQuery, api: str, token: str, page: int) -> list[Any]:
    purpose = f"{forge.name} {query.place}"
    call = HttpCall(
        purpose=purpose,
        url=forge.url(query, api),
        query={**forge.query(query), "page": str(page)},
        headers={"Accept": "application/json", "User-Agent": "shipway", **(forge.headers(token) if token else {})},
        timeout=TIMEOUT,
        is_insecure=query.is_insecure,
        follows_redirects=False,
    )
    answer = await fetch(call)
    _check(answer, purpose)
    try:
        entries = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        entries = None
    if not isinstance(entries, list):
        raise Unavailable(f"{purpose}: the answer is no list of pull requests: is `api` right?", reason="ForgeFailed")
    return entries


def _check(answer: HttpAnswer, purpose: str) -> None:
    status, headers = answer.status, answer.headers
    if status == 200:
        return
    is_limited = status == 429 or (status == 403 and headers.get("x-ratelimit-remaining") == "0") or "retry-after" in headers
    if is_limited:
        after = headers.get("retry-after", "")
        seconds = float(after) if after.isdecimal() else 60.0
        raise Unavailable(f"{purpose}: the forge asks for time (HTTP {status})", after=seconds, reason="RateLimited")
    if status in (401, 403):
        raise Denied(f"{purpose}: HTTP {status}: the token is missing, wrong, or may not read them", reason="ForgeLogin")
    if status == 404:
        raise NotFound(f"{purpose}: there is no such repository, or the token may not see it", reason="NoRepository")
    raise Unavailable(f"{purpose}: HTTP {status}", reason="ForgeFailed")


def _read(forge: Forge, entry: Any) -> PullRequest:
    try:
        return forge.read(entry)
    except (KeyError, TypeError, AttributeError, ValueError):
        raise Unavailable(
            f"{forge.name}: a pull request lacks what it needs (number, branches, commit)", reason="ForgeFailed"
        ) from None


def _names(labels: Any) -> tuple[str, ...]:
    return tuple(str(one["name"]) if isinstance(one, dict) else str(one) for one in labels or ())


def _github_url(query: PullRequestsQuery, api: str) -> str:
    """GitHub Enterprise serves its API below a path."""
    base = api if urlsplit(api).netloc.startswith("api.") or api.endswith("/api/v3") else f"{api}/api/v3"
    return f"{base}/repos/{quote(query.owner, safe='')}/{quote(query.repo, safe='')}/pulls"


def _like_github(entry: Any) -> PullRequest:
    return PullRequest(
        number=int(entry["number"]),
        title=str(entry.get("title") or ""),
        branch=str(entry["head"]["ref"]),
        target_branch=str(entry["base"]["ref"]),
        head_sha=str(entry["head"]["sha"]),
        labels=_names(entry.get("labels")),
        author=str((entry.get("user") or {}).get("login") or ""),
    )


def _of_gitlab(entry: Any) -> PullRequest:
    return PullRequest(
        number=int(entry["iid"]),
        title=str(entry.get("title") or ""),
        branch=str(entry["source_branch"]),
        target_branch=str(entry["target_branch"]),
        head_sha=str(entry["sha"]),
        labels=_names(entry.get("labels")),
        author=str((entry.get("author") or {}).get("username") or ""),
    )


FORGES: dict[ForgeKind, Forge] = {
    "github": Forge(
        "GitHub",
        "https://api.github.com",
        _github_url,
        lambda _: {"state": "open", "per_page": str(PAGE)},
        lambda token: {"Authorization": f"Bearer {token}", "X-GitHub-Api-Version": "2022-11-28"},
        _like_github,
    ),
    "gitlab": Forge(
        "GitLab",
        "https://gitlab.com",
        lambda query, api: f"{api}/api/v4/projects/{quote(query.repo, safe='')}/merge_requests",
        lambda query: {"per_page": str(PAGE), **({"state": query.state} if query.state else {})},
        lambda token: {"PRIVATE-TOKEN": token},
        _of_gitlab,
    ),
    "gitea": Forge(
        "Gitea",
        "",
        lambda query, api: f"{api}/api/v1/repos/{quote(query.owner, safe='')}/{quote(query.repo, safe='')}/pulls",
        lambda _: {"state": "open", "limit": str(PAGE)},
        lambda token: {"Authorization": f"token {token}"},
        _like_github,
        fills_pages=False,
    ),
}
