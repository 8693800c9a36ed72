"""The branches of all repositories of an organization, from any forge as one kind of value.

Filters are used as early as they can be: what a name or a topic rules out is not asked for its branches, and what a branch's
name rules out not for its paths.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

from msgspec import Struct
from msgspec.structs import replace

from shipway.adapters.forges.port import Conversation
from shipway.api.forges import Branch, BranchesQuery, BranchFilter, ForgeKind
from shipway.api.metrics import Fetch
from shipway.base.globs import glob_or_regex

AT_ONCE = 8
"""Questions to one forge that are under way at a time."""


class _Repository(Struct, frozen=True):
    """A repository, and where the forge has its branches; `default` is "" for an empty one."""

    form: Branch
    default: str
    path: str


class _Lists(Struct, frozen=True):
    """How a forge is asked: for its repositories, the commit in a branch's entry, and whether a path is there."""

    path: Callable[[BranchesQuery], str]
    query: Callable[[BranchesQuery], dict[str, str]]
    read: Callable[[BranchesQuery, Any], _Repository]
    sha: str
    branches: str
    has: Callable[[Conversation, _Repository, str, str], Any]


async def branches(fetch: Fetch, query: BranchesQuery, token: str) -> tuple[Branch, ...]:
    """What passes, in order. Raises what a `Conversation` raises; one repository that fails is a failure of all."""
    lists = _LISTS[query.kind]
    forge = Conversation(fetch, query.kind, query.api, token, query.place, is_insecure=query.is_insecure)
    entries = await forge.all(lists.path(query), lists.query(query))
    repositories = [forge.read(lambda entry: lists.read(query, entry), one) for one in entries]
    picked = [one for one in repositories if one.default and any(_fits_repository(one, each) for each in _filters(query))]
    room = asyncio.Semaphore(AT_ONCE)

    async def of(one: _Repository) -> list[Branch]:
        async with room:
            return await _of(forge, lists, query, one)

    found = await asyncio.gather(*map(of, picked))
    return tuple(sorted(branch for listed in found for branch in listed))


async def _of(forge: Conversation, lists: _Lists, query: BranchesQuery, one: _Repository) -> list[Branch]:
    if query.all_branches:
        entries = await forge.all(f"{one.path}{lists.branches}")
    else:
        default = await forge.one(f"{one.path}{lists.branches}/{quote(one.default, safe='')}")
        entries = [] if default is None else [default]
    made = [
        forge.read(lambda entry: replace(one.form, branch=entry["name"], sha=entry["commit"][lists.sha]), e) for e in entries
    ]
    return [branch for branch in made if await _passes(forge, lists, query, one, branch)]


async def _passes(forge: Conversation, lists: _Lists, query: BranchesQuery, one: _Repository, branch: Branch) -> bool:
    for each in _filters(query):
        if not _fits_repository(one, each) or not _found(each.branch, (branch.branch,)):
            continue
        wanted = [(path, True) for path in each.paths_exist] + [(path, False) for path in each.paths_do_not_exist]
        if all([bool(await lists.has(forge, one, branch.branch, path.strip("/"))) == there for path, there in wanted]):
            return True
    return False


def _filters(query: BranchesQuery) -> tuple[BranchFilter, ...]:
    return query.filters or (BranchFilter(),)


def _fits_repository(one: _Repository, each: BranchFilter) -> bool:
    return _found(each.repository, (one.form.repository,)) and _found(each.label, one.form.labels)


def _found(pattern: str, texts: Iterable[str]) -> bool:
    return not pattern or any(glob_or_regex(f"/{pattern}/")(text) for text in texts)


def _url(query: BranchesQuery, https: str, ssh: str) -> str:
    """SSH unless something else is said, as in Argo CD."""
    return https if query.clone_protocol == "https" else ssh


def _like_github(query: BranchesQuery, entry: Any) -> _Repository:
    name = str(entry["name"])
    labels = tuple(entry.get("topics") or ())
    url = _url(query, str(entry["clone_url"]), str(entry["ssh_url"]))
    form = Branch(query.organization, name, "", "", url, str(entry["id"]), labels)
    path = f"/repos/{quote(query.organization, safe='')}/{quote(name, safe='')}"
    return _Repository(form, str(entry.get("default_branch") or ""), path)


def _of_gitlab(query: BranchesQuery, entry: Any) -> _Repository:
    url = _url(query, str(entry["http_url_to_repo"]), str(entry["ssh_url_to_repo"]))
    labels = tuple(entry.get("topics") or ())
    form = Branch(str(entry["namespace"]["full_path"]), str(entry["path"]), "", "", url, str(entry["id"]), labels)
    return _Repository(form, str(entry.get("default_branch") or ""), f"/projects/{entry['id']}/repository")


async def _has_content(forge: Conversation, one: _Repository, branch: str, path: str) -> bool:
    return await forge.one(f"{one.path}/contents/{quote(path)}", {"ref": branch}) is not None


async def _has_in_tree(forge: Conversation, one: _Repository, branch: str, path: str) -> bool:
    """GitLab knows files and folders by the list of what lies beside them."""
    folder, _, name = path.rpartition("/")
    listed = await forge.one(f"{one.path}/tree", {"ref": branch, "path": folder, "per_page": "100"})
    return any(entry.get("name") == name for entry in listed or ())


def _of_group(query: BranchesQuery) -> dict[str, str]:
    asked = {"include_subgroups": str(query.include_subgroups).lower(), "with_shared": str(query.include_shared).lower()}
    return {**asked, **({"topic": query.topic} if query.topic else {})}


_LISTS: dict[ForgeKind, _Lists] = {
    "github": _Lists(
        lambda query: f"/orgs/{quote(query.organization, safe='')}/repos",
        lambda _: {},
        _like_github,
        "sha",
        "/branches",
        _has_content,
    ),
    "gitlab": _Lists(
        lambda query: f"/groups/{quote(query.organization, safe='')}/projects",
        _of_group,
        _of_gitlab,
        "id",
        "/branches",
        _has_in_tree,
    ),
    "gitea": _Lists(
        lambda query: f"/orgs/{quote(query.organization, safe='')}/repos",
        lambda _: {},
        _like_github,
        "id",
        "/branches",
        _has_content,
    ),
}
