"""The demo's Git server over its real protocol: clone, push, large pushes, webhooks in order."""

import asyncio
import io
import logging
import os
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession, web

from shipway.adapters.git.mirrors import Mirrors
from shipway.api.sources import HeadRequest
from shipway.base.clock import SystemClock
from shipway.base.errors import InvalidInput
from shipway.demo.git_server import GitServer
from shipway.server.webhook import PushEvent, parse_push
from tests.repository import WorkingCopy


@pytest.fixture
async def server(tmp_path: Path):
    made = GitServer(tmp_path / "root")
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def receiver(server):
    """Takes webhooks as Shipway does: what it reads of each push, and the push as it was delivered."""
    pushes: list[tuple[PushEvent, dict[str, Any]]] = []

    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        event = parse_push(request.headers, body, {"webhook.github.secret": "s3cr3t"})
        if event:
            pushes.append((event, orjson.loads(body)))
        return web.json_response({})

    app = web.Application()
    app.router.add_post("/api/webhook", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.notify(f"http://127.0.0.1:{runner.addresses[0][1]}/api/webhook", "s3cr3t")
    yield pushes
    await runner.cleanup()


async def working_copy(server: GitServer, path: Path, name: str = "shop") -> WorkingCopy:
    return await asyncio.to_thread(WorkingCopy, path, server.create(name))


async def push(copy: WorkingCopy, files, *refs: str) -> str:
    commit = await asyncio.to_thread(copy.commit, files)
    await asyncio.to_thread(copy.push, *refs)
    return commit


async def test_push_and_fetch(server, tmp_path):
    copy = await working_copy(server, tmp_path / "copy")
    commit = await push(copy, {"a.yaml": "a: 1\n"})
    mirrors = Mirrors(tmp_path / "home", clock=SystemClock())
    head = await mirrors.head(HeadRequest(server.url("shop"), "HEAD", b"{}"))
    assert head.commit == commit
    assert mirrors.snapshot(server.url("shop"), head.trees).read("a.yaml") == b"a: 1\n"


async def test_a_push_is_told_with_its_commits(server, receiver, tmp_path):
    copy = await working_copy(server, tmp_path / "copy")
    first = await push(copy, {"a.yaml": "1", "b.yaml": "1"})
    second = await push(copy, {"a.yaml": "2", "b.yaml": None, "d/c.yaml": "1"})
    await asyncio.to_thread(copy.git, "push", "-q", "origin", f"{first}:refs/heads/old")
    (_, created), (event, moved), (branch_event, _) = receiver
    assert (created["ref"], created["created"], created["after"]) == ("refs/heads/main", True, first)
    assert (moved["before"], moved["after"], moved["forced"]) == (first, second, False)
    changed = {kind: moved["commits"][0][kind] for kind in ("added", "modified", "removed")}
    assert changed == {"added": ["d/c.yaml"], "modified": ["a.yaml"], "removed": ["b.yaml"]}
    assert branch_event.refs == ("refs/heads/old",)
    assert server.url("shop") in event.repo_urls
    assert [d.status for d in server.deliveries] == [200, 200, 200]


async def test_many_pushes_are_told_in_order(server, receiver, tmp_path):
    copy = await working_copy(server, tmp_path / "copy")
    commits = [await push(copy, {"n": str(n)}) for n in range(8)]
    assert [told["after"] for _, told in receiver] == commits
    assert [told["before"] for _, told in receiver[1:]] == commits[:-1]


async def test_a_rewritten_branch_is_told_as_forced(server, receiver, tmp_path):
    copy = await working_copy(server, tmp_path / "copy")
    await push(copy, {"n": "1"})
    await push(copy, {"n": "2"})
    await asyncio.to_thread(copy.git, "reset", "-q", "--hard", "HEAD~1")
    await push(copy, {"n": "3"})
    assert receiver[-1][1]["forced"] is True


async def test_nobody_listens(server, tmp_path):
    server.notify("http://127.0.0.1:9/none", "x")
    copy = await working_copy(server, tmp_path / "copy")
    await push(copy, {"n": "1"})
    assert [d.status for d in server.deliveries] == [0]


async def test_a_large_push_is_streamed(server, tmp_path):
    copy = await working_copy(server, tmp_path / "copy")
    noise = os.urandom(3 << 20)
    commit = await push(copy, {"big.bin": noise})
    mirrors = Mirrors(tmp_path / "home", clock=SystemClock())
    head = await mirrors.head(HeadRequest(server.url("shop"), "main", b"{}"))
    assert (head.commit, mirrors.snapshot(server.url("shop"), head.trees).read("big.bin")) == (commit, noise)


@pytest.mark.parametrize("path", ["/none.git/info/refs", "/shop.git/config", "/../shop.git/HEAD", "/shop.git/%2e%2e/x", "/"])
async def test_nothing_else_is_served(server, path):
    server.create("shop")
    async with ClientSession() as session, session.get(server.url("shop").removesuffix("/shop.git") + path) as answer:
        assert answer.status == 404


def test_names_stay_below_the_root(tmp_path):
    for name in ("../x", "", "a b", "-x", ".git"):
        with pytest.raises(InvalidInput):
            GitServer(tmp_path).create(name)


async def test_a_client_that_has_read_enough_may_leave(server):
    """go-git closes the connection of `ls-remote` before the last chunk."""
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    logging.getLogger("aiohttp.server").addHandler(handler)
    server.create("shop")
    port = server.url("shop").split(":")[2].split("/")[0]
    for _ in range(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
        writer.write(b"GET /shop.git/info/refs?service=git-upload-pack HTTP/1.1\r\nHost: git\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()
    await server.stop()
    logging.getLogger("aiohttp.server").removeHandler(handler)
    assert said.getvalue() == ""
