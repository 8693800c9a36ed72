"""Pull requests and branches of three forges, against small servers that take nothing but what their documentation says."""

from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import pytest

from shipway.adapters.forges.branches import branches
from shipway.adapters.forges.pull_requests import pull_requests
from shipway.adapters.http.fetch import HttpFetch
from shipway.api.forges import Branch, BranchesQuery, BranchFilter, PullRequest, PullRequestsQuery
from shipway.base.errors import Denied, InvalidInput, NotFound, ShipwayError, Unavailable
from tests.forge_server import TOKEN, ForgeServer, Repo, forge_server

KINDS = ("github", "gitlab", "gitea")


@pytest.fixture(params=KINDS)
async def forge(request: pytest.FixtureRequest) -> AsyncGenerator[ForgeServer, None]:
    async with forge_server(request.param) as server:
        yield server


async def look(forge: ForgeServer, token: str = TOKEN, **query: Any) -> tuple[PullRequest, ...]:
    place = {"owner": "", "repo": "acme/shop"} if forge.kind == "gitlab" else {"owner": "acme", "repo": "shop"}
    async with aiohttp.ClientSession() as session:
        asked = PullRequestsQuery(**{"kind": forge.kind, "api": forge.url, **place, **query})
        return await pull_requests(HttpFetch(session), asked, token)


async def test_what_is_open_is_told_with_branches_commit_labels_and_author(forge: ForgeServer) -> None:
    forge.pulls = [(12, "feature/b", ("preview", "x")), (7, "fix-a", ())]
    assert await look(forge) == (
        PullRequest(7, "Change 7", "fix-a", "main", f"{7:040x}", (), "ada"),
        PullRequest(12, "Change 12", "feature/b", "main", f"{12:040x}", ("preview", "x"), "ada"),
    )
    assert [one.number for one in await look(forge, labels=("preview", "x"))] == [12]


@pytest.mark.parametrize("count", [0, 1, 50, 51, 100, 101, 250])
async def test_all_pages_are_read(forge: ForgeServer, count: int) -> None:
    forge.pulls = [(number, f"b{number}", ()) for number in range(1, count + 1)]
    assert [one.number for one in await look(forge)] == list(range(1, count + 1))


@pytest.mark.parametrize(
    ("status", "text", "headers", "error", "told"),
    [
        (429, "", {"Retry-After": "17"}, Unavailable, "asks for time"),
        (403, "", {"X-RateLimit-Remaining": "0"}, Unavailable, "asks for time"),
        (403, "", {}, Denied, "HTTP 403: the token"),
        (404, "", {}, NotFound, "no such repository"),
        (500, "[]", {}, Unavailable, "HTTP 500"),
        (301, "", {"Location": "http://elsewhere.test/"}, Unavailable, "HTTP 301"),
        (200, "<html>", {}, Unavailable, "the answer is no JSON"),
        (200, "{}", {}, Unavailable, "the answer is no list"),
        (200, '[{"number": 1, "iid": 1}]', {}, Unavailable, "lacks what it needs"),
    ],
)
async def test_trouble_is_an_error_and_never_an_empty_list(
    forge: ForgeServer, status: int, text: str, headers: dict[str, str], error: type[ShipwayError], told: str
) -> None:
    forge.answer = (status, text, headers)
    with pytest.raises(error, match=told) as raised:
        await look(forge)
    assert TOKEN not in str(raised.value)
    if headers.get("Retry-After"):
        assert isinstance(raised.value, Unavailable) and raised.value.after == 17


async def test_a_wrong_token_is_the_tokens_owners_to_mend(forge: ForgeServer) -> None:
    with pytest.raises(Denied, match="HTTP 401"):
        await look(forge, "wrong")


async def test_an_api_that_is_none_is_refused(forge: ForgeServer) -> None:
    with pytest.raises(InvalidInput, match="is no URL"):
        await look(forge, api="file:///etc/passwd")
    with pytest.raises(Unavailable):
        await look(forge, api="http://127.0.0.1:1")


async def branches_of(forge: ForgeServer, *filters: BranchFilter, **query: Any) -> tuple[Branch, ...]:
    place = "acme/team" if forge.kind == "gitlab" else "acme"
    async with aiohttp.ClientSession() as session:
        asked = BranchesQuery(**{"kind": forge.kind, "organization": place, "api": forge.url, "filters": filters, **query})
        return await branches(HttpFetch(session), asked, TOKEN)


def named(found: tuple[Branch, ...]) -> list[tuple[str, str]]:
    return [(one.repository, one.branch) for one in found]


async def test_branches_of_all_repositories(forge: ForgeServer) -> None:
    forge.repos = [
        Repo("shop", {"main": set(), "feature/x": set()}, "web", "go"),
        Repo("api", {"trunk": set()}),
        Repo("new", {}),
    ]
    assert named(await branches_of(forge)) == [("api", "trunk"), ("shop", "main")]
    found = await branches_of(forge, all_branches=True, clone_protocol="https")
    assert named(found) == [("api", "trunk"), ("shop", "feature/x"), ("shop", "main")]
    shop = found[1]
    assert shop.url == "https://forge.test/acme/shop.git"
    assert (shop.labels, shop.repository_id, len(shop.sha)) == (("web", "go"), str(forge.repos[0].number), 40)
    assert shop.organization == ("acme/team" if forge.kind == "gitlab" else "acme")
    assert (await branches_of(forge))[0].url == "git@forge.test:acme/api.git"


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ([BranchFilter(repository="^sh")], [("shop", "dev"), ("shop", "main")]),
        ([BranchFilter(label="^web$")], [("shop", "dev"), ("shop", "main")]),
        ([BranchFilter(branch="dev")], [("api", "dev"), ("shop", "dev")]),
        ([BranchFilter(paths_exist=("deploy/app.yaml",))], [("api", "dev"), ("shop", "main")]),
        ([BranchFilter(paths_exist=("deploy/app.yaml",), paths_do_not_exist=("old",))], [("shop", "main")]),
        (
            [BranchFilter(repository="api", branch="dev"), BranchFilter(repository="shop", branch="main")],
            [("api", "dev"), ("shop", "main")],
        ),
        ([BranchFilter(repository="nothing")], []),
    ],
)
async def test_filters(forge: ForgeServer, filters: list[BranchFilter], found: list[tuple[str, str]]) -> None:
    forge.repos = [
        Repo("shop", {"main": {"deploy/app.yaml"}, "dev": set()}, "web"),
        Repo("api", {"main": set(), "dev": {"deploy/app.yaml", "old"}}),
    ]
    assert named(await branches_of(forge, *filters, all_branches=True)) == found


async def test_what_a_name_rules_out_is_not_asked_for(forge: ForgeServer) -> None:
    forge.repos = [Repo(f"r{number}", {"main": set()}) for number in range(30)]
    await branches_of(forge, BranchFilter(repository="^r7$", paths_exist=("x",)))
    assert sum("branches" in one for one in forge.requests) == 1


async def test_an_organization_that_fails_is_an_error(forge: ForgeServer) -> None:
    with pytest.raises(NotFound):
        await branches_of(forge, organization="other")
    forge.answer = (502, "", {})
    with pytest.raises(Unavailable):
        await branches_of(forge)
