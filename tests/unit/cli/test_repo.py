"""`shipway repo` against an embedded API server and a Git server that asks who we are."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import orjson
import pytest
import pytest_asyncio

from shipway.api.kinds import SECRETS
from shipway.api.repositories import Credentials, parse_repository
from shipway.base.errors import Conflict, InvalidInput, NotFound
from shipway.cli.repo import (
    LoginFlags,
    RepositoryFlags,
    add_repository,
    list_repositories,
    remove_repository,
    show_repository,
)
from shipway.demo.git_server import GitServer
from tests.git_hosts import Door, basic
from tests.repository import WorkingCopy
from tests.unit.cli.conftest import Shop

GOOD = LoginFlags(username="me", password="s3cr3t-one")
BAD = LoginFlags(username="me", password="s3cr3t-wrong")
NO_CHECK = RepositoryFlags(check=False)


@pytest_asyncio.fixture
async def door(tmp_path: Path) -> AsyncGenerator[Door, None]:
    server = GitServer(tmp_path / "root")
    await server.start()
    copy = await asyncio.to_thread(WorkingCopy, tmp_path / "copy", server.create("shop"))
    await asyncio.to_thread(copy.commit, {"a.yaml": "a: 1\n"})
    await asyncio.to_thread(copy.push)
    async with Door(server, basic("me", "s3cr3t-one")).open() as opened:
        yield opened
    await server.stop()


async def test_from_adding_to_removing(shop: Shop, door: Door, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"{door.url}/shop.git"
    assert await add_repository(shop.session, url, RepositoryFlags(), BAD) == 1
    assert "Authentication failed" in capsys.readouterr().err
    assert (await shop.client.list(SECRETS)).items == []

    flags = RepositoryFlags(name="the-shop", project="shop", enable_lfs=True)
    assert await add_repository(shop.session, url, flags, GOOD) == 0
    (secret,) = (await shop.client.list(SECRETS)).items
    name = secret["metadata"]["name"]
    found = parse_repository(secret)
    assert found is not None
    assert (found.url, found.name, found.project, found.type) == (url, "the-shop", "shop", "git")
    assert found.credentials == Credentials(username="me", password="s3cr3t-one", lfs=True, project="shop")

    assert await list_repositories(shop.session) == 0
    for which in (url, url.removesuffix(".git"), "the-shop", name):
        assert await show_repository(shop.session, which) == 0
        assert await show_repository(shop.session, which, "json") == 0
    printed = capsys.readouterr()
    assert f"git    the-shop   {url}   shop      {name}   Successful" in printed.out
    assert "s3cr3t" not in printed.out + printed.err

    with pytest.raises(Conflict, match="--upsert replaces it"):
        await add_repository(shop.session, url, RepositoryFlags(project="shop"), GOOD)
    assert await add_repository(shop.session, url, RepositoryFlags(project="shop", upsert=True, check=False), BAD) == 0
    (secret,) = (await shop.client.list(SECRETS)).items
    assert parse_repository(secret).credentials == Credentials(username="me", password="s3cr3t-wrong", project="shop")  # type: ignore[union-attr]
    assert parse_repository(secret).name == ""  # type: ignore[union-attr]
    assert await show_repository(shop.session, name) == 1

    assert await remove_repository(shop.session, url) == 0
    assert (await shop.client.list(SECRETS)).items == []
    with pytest.raises(NotFound, match="`shipway repo list` shows them all"):
        await remove_repository(shop.session, url)


async def test_a_template_serves_a_url_that_has_no_secret(shop: Shop, door: Door, capsys: pytest.CaptureFixture[str]) -> None:
    assert await show_repository(shop.session, f"{door.url}/shop.git") == 1
    assert await add_repository(shop.session, f"{door.url}/", RepositoryFlags(template=True), GOOD) == 0
    assert await show_repository(shop.session, f"{door.url}/shop.git") == 0
    assert await list_repositories(shop.session, "json") == 0
    printed = capsys.readouterr().out
    (item,) = orjson.loads(printed[printed.index("{\n") :])["items"]
    assert (item["isTemplate"], item["hasLogin"], item["connectionState"]["status"]) == (True, True, "Unknown")
    assert "s3cr3t" not in printed


async def test_several_are_tried_and_one_that_fails_is_the_answer(
    shop: Shop, door: Door, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await list_repositories(shop.session) == 0
    assert "no repositories found in namespace argocd" in capsys.readouterr().err
    await add_repository(shop.session, f"{door.url}/shop.git", RepositoryFlags(), GOOD)
    await add_repository(shop.session, "http://127.0.0.1:1/x.git", NO_CHECK, LoginFlags())
    await add_repository(shop.session, "https://charts.example", RepositoryFlags(type="helm", check=False), LoginFlags())
    assert await list_repositories(shop.session) == 1
    lines = capsys.readouterr().out.splitlines()[-3:]
    assert [next(s for s in ("Successful", "Failed", "Unknown") if s in line) for line in lines] == [
        "Failed",
        "Successful",
        "Unknown",
    ]
    assert await list_repositories(shop.session, check=False) == 0


@pytest.mark.parametrize(
    ("login", "says"),
    [
        (LoginFlags(tls_client_cert_path=Path(__file__)), "belong together"),
        (LoginFlags(ssh_private_key_path=Path("/nowhere/key")), "/nowhere/key cannot be read"),
    ],
)
async def test_what_cannot_work_is_refused(shop: Shop, login: LoginFlags, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        await add_repository(shop.session, "https://git.example/x", RepositoryFlags(), login)
