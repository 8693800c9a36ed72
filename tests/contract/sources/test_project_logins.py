"""Logins that are for one AppProject alone: what they open stays closed to all others."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec.structs import replace

from shipway.adapters.git.mirrors import Mirrors
from shipway.api.repositories import Credentials, Repository
from shipway.api.sources import HeadRequest
from shipway.assembly.repositories import Logins
from shipway.base.clock import SystemClock
from shipway.base.errors import Denied, NotFound, Unavailable
from shipway.demo.git_server import GitServer
from tests.contract.sources.chart_places import ChartHost, packed, shelf
from tests.git_hosts import Door, basic
from tests.repository import WorkingCopy


def secret(url: str, project: str, password: str) -> Repository:
    login = Credentials(username="me", password=password, project=project)
    return Repository(url, f"{project}-{password}", project=project, credentials=login)


@pytest_asyncio.fixture
async def door(tmp_path: Path) -> AsyncGenerator[Door, None]:
    """A Git server with the repository `shop`, open to me:s3cr3t."""
    server = GitServer(tmp_path / "root")
    await server.start()
    copy = await asyncio.to_thread(WorkingCopy, tmp_path / "copy", server.create("shop"))
    await asyncio.to_thread(copy.commit, {"a.yaml": "a: 1\n"})
    await asyncio.to_thread(copy.push)
    async with Door(server, basic("me", "s3cr3t")).open() as opened:
        yield opened
    await server.stop()


@pytest.mark.proves("002-19", "gitops:project-repositories")
@pytest.mark.compat("argocd:repository.project")
async def test_a_mirror_of_one_project_answers_no_other(door: Door, tmp_path: Path) -> None:
    url = f"{door.url}/shop.git"
    logins = Logins()
    logins.put(secret(url, "bank", "s3cr3t"))
    logins.put(secret(url, "guess", "wrong"))
    mirrors = Mirrors(tmp_path / "mirrors", clock=SystemClock(), credentials=logins.credentials)
    asked = HeadRequest(url, "main", b"{}")
    head = await mirrors.head(replace(asked, project="bank"))
    assert mirrors.snapshot(url, head.trees).read("a.yaml") == b"a: 1\n"
    for other in ("guess", "shop", ""):
        with pytest.raises(Unavailable, match=r"shop\.git") as caught:
            await mirrors.head(replace(asked, project=other))
        assert caught.value.reason == "LoginRefused"
        assert mirrors.last_known(replace(asked, project=other, revision=head.commit)) is None
        with pytest.raises(NotFound):
            await mirrors.known_head(replace(asked, project=other, revision=head.commit))
    logins.put(secret(url, "guess", "s3cr3t"))
    logins.remove(secret(url, "guess", "wrong"))
    mirrors.changed(url)
    assert await mirrors.head(replace(asked, project="guess")) == head
    assert mirrors.last_known(replace(asked, project="bank", revision=head.commit)) is not None
    assert mirrors.snapshot(url, mirrors.narrow(url, head.trees, ("a.yaml",))).read("a.yaml") == b"a: 1\n"


@pytest.mark.proves("gitops:project-repositories")
async def test_an_index_that_one_project_may_read_is_told_to_no_other(tmp_path: Path) -> None:
    host = ChartHost(basic("me", "s3cret"))
    host.charts["web", "1.0.0"] = packed("web", "1.0.0")
    async with host.open(), shelf(tmp_path / "charts") as there:
        logins = Logins()
        logins.put(secret(host.url, "bank", "s3cret"))
        there.logins = logins.credentials
        assert (await there.head(host.url, "web", "1.x", "bank")).commit == "1.0.0"
        for other in ("shop", ""):
            with pytest.raises(Denied, match="give its login in a repository Secret"):
                await there.head(host.url, "web", "1.x", other)
