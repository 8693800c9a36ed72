"""Open pull requests, from any forge as one kind of value."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from shipway.adapters.forges.port import Conversation
from shipway.api.forges import ForgeKind, PullRequest, PullRequestsQuery
from shipway.api.metrics import Fetch


class _Lists(Struct, frozen=True):
    """Where a forge has them, and how one of them reads."""

    path: Callable[[PullRequestsQuery], str]
    query: Callable[[PullRequestsQuery], Mapping[str, str]]
    read: Callable[[Any], PullRequest]


async def pull_requests(fetch: Fetch, query: PullRequestsQuery, token: str) -> tuple[PullRequest, ...]:
    """Those that are open and carry all labels of the query, by number. Raises what a `Conversation` raises."""
    lists = _LISTS[query.kind]
    forge = Conversation(fetch, query.kind, query.api, token, query.place, is_insecure=query.is_insecure)
    entries = await forge.all(lists.path(query), lists.query(query))
    found: list[PullRequest] = [forge.read(lists.read, one) for one in entries]
    wanted = set(query.labels)
    return tuple(sorted(one for one in found if wanted <= set(one.labels)))


def _repository(query: PullRequestsQuery) -> str:
    return f"/repos/{quote(query.owner, safe='')}/{quote(query.repo, safe='')}/pulls"


def _names(labels: Any) -> tuple[str, ...]:
    return tuple(str(one["name"]) if isinstance(one, dict) else str(one) for one in labels or ())


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


_LISTS: dict[ForgeKind, _Lists] = {
    "github": _Lists(_repository, lambda _: {}, _like_github),
    "gitlab": _Lists(
        lambda query: f"/projects/{quote(query.repo, safe='')}/merge_requests",
        lambda query: {"state": query.state} if query.state else {},
        _of_gitlab,
    ),
    "gitea": _Lists(_repository, lambda _: {"state": "open"}, _like_github),
}
