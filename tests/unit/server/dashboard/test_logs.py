"""The log of a container on its way to a page: told as it comes, held by nobody, ended with the page."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from shipway.base.errors import Denied, NotFound, ShipwayError, Unavailable
from shipway.kube.objects.resource import Obj
from shipway.server.dashboard.answers import answering, refusal
from shipway.server.dashboard.logs import Wanted, ensure_speaks, relayed, wanted_of
from shipway.server.listening import listen
from tests.waiting import eventually

PIECE = b"x" * 65536
MANY = 4096
"""Pieces: a quarter of a GiB."""


class Container:
    """Says `pieces`, then fails with `error`, or waits for ever where it `stays`. `told`: how many were taken."""

    def __init__(self, *pieces: bytes, error: ShipwayError | None = None, stays: bool = False) -> None:
        self.told, self.is_open = 0, False
        self._pieces, self._error, self._stays = pieces, error, stays

    async def log(self) -> AsyncGenerator[bytes, None]:
        self.is_open = True
        try:
            for piece in self._pieces:
                self.told += 1
                yield piece
            if self._error:
                raise self._error
            if self._stays:
                await asyncio.get_running_loop().create_future()
        finally:
            self.is_open = False


@asynccontextmanager
async def served(read: Callable[[web.Request], AsyncGenerator[bytes, None]]) -> AsyncGenerator[str, None]:
    async def handler(request: web.Request) -> web.StreamResponse:
        return await relayed(request, read(request))

    app = web.Application()
    app.router.add_get("/{namespace}/{name}/log", answering(handler, refusal))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        _, port = await listen(runner, "127.0.0.1", 0, "--port")
        yield f"http://127.0.0.1:{port}/argocd/shop/log"
    finally:
        await runner.cleanup()


async def test_a_log_is_told_as_it_comes_and_ends_with_the_container() -> None:
    said = Container(b"one\ntw", b"o\n")
    async with served(lambda _: said.log()) as url, aiohttp.ClientSession() as http, http.get(url) as answer:
        assert (answer.status, answer.content_type, await answer.read()) == (200, "text/plain", b"one\ntwo\n")
    assert not said.is_open


@pytest.mark.parametrize("pieces", [(), (b"one\n",)], ids=["silent", "has spoken"])
async def test_the_request_to_the_api_server_ends_with_the_page(pieces: tuple[bytes, ...]) -> None:
    said = Container(*pieces, stays=True)
    async with served(lambda _: said.log()) as url:
        async with aiohttp.ClientSession() as http:
            asking = asyncio.create_task(_first_line(http, url))
            await eventually(lambda: said.is_open and said.told == len(pieces))
            asking.cancel()
        await eventually(lambda: not said.is_open)


async def _first_line(http: aiohttp.ClientSession, url: str) -> None:
    async with http.get(url) as answer:
        await answer.content.readline()
        await asyncio.get_running_loop().create_future()


async def test_a_slow_page_holds_the_api_server_back() -> None:
    said = Container(*[PIECE] * MANY)
    async with served(lambda _: said.log()) as url, aiohttp.ClientSession() as http, http.get(url) as answer:
        await answer.content.readexactly(1)
        before = -1
        while before != said.told:
            before = said.told
            await _turns(200)
        assert 0 < said.told < MANY
        answer.close()
        await eventually(lambda: not said.is_open)
    assert said.told < MANY


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("error", "status"), [(Denied("pods/log is forbidden"), 403), (NotFound("no pod"), 404), (Unavailable("away"), 503)]
)
async def test_what_fails_before_the_first_word_is_said(error: ShipwayError, status: int) -> None:
    said = Container(error=error)
    async with served(lambda _: said.log()) as url, aiohttp.ClientSession() as http, http.get(url) as answer:
        assert (answer.status, (await answer.json())["message"]) == (status, error.message)


async def test_what_breaks_off_does_not_look_like_an_end() -> None:
    said = Container(b"one\n", error=Unavailable("the API server has gone"))
    async with served(lambda _: said.log()) as url, aiohttp.ClientSession() as http, http.get(url) as answer:
        with pytest.raises(aiohttp.ClientError):
            await answer.read()


async def test_an_address_says_whose_log() -> None:
    found: list[Wanted] = []

    def read(request: web.Request) -> AsyncGenerator[bytes, None]:
        found.append(wanted_of(request))
        return Container(b"one\n").log()

    async with served(read) as url, aiohttp.ClientSession() as http:
        async with http.get(f"{url}?namespace=shop&pod=web-1&container=web&previous=true&whole=true") as answer:
            assert answer.status == 200
        async with http.get(f"{url}?container=web") as answer:
            assert (answer.status, "?namespace=" in (await answer.json())["message"]) == (400, True)
    assert found == [Wanted("argocd", "shop", "shop", "web-1", "web", previous=True, is_whole=True)]


WANTED = Wanted("argocd", "shop", "shop", "web-1", "web")
PULLING = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
CRASHED = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 1}}}


def pod(node: str = "n1", *, container: str = "web", **status: Any) -> Obj:
    return {
        "metadata": {"name": "web-1", "namespace": "shop"},
        "spec": {"nodeName": node, "containers": [{"name": container}], "initContainers": [{"name": "setup"}]},
        "status": status,
    }


UNSCHEDULED = [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}]


@pytest.mark.parametrize(
    ("found", "told"),
    [
        pytest.param(pod(container="app"), 'pod web-1 has no container "web": it has app, setup', id="another container"),
        pytest.param(pod(""), "pod web-1 has no node yet, so nothing of it has run", id="no node"),
        pytest.param(
            pod("", conditions=UNSCHEDULED),
            "pod web-1 has no node yet, so nothing of it has run: 0/3 nodes are available",
            id="no node for it",
        ),
        pytest.param(
            pod(containerStatuses=[{"name": "web", "state": PULLING}]),
            "container web of pod web-1 has not started: ImagePullBackOff: no such image",
            id="waiting",
        ),
    ],
)
def test_why_there_is_nothing_to_read(found: Obj, told: str) -> None:
    with pytest.raises(ShipwayError) as raised:
        ensure_speaks(found, WANTED)
    assert raised.value.message == told


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(pod(containerStatuses=[{"name": "web", "state": {"running": {}}}]), id="running"),
        pytest.param(pod(containerStatuses=[{"name": "web", **CRASHED}]), id="between two runs"),
        pytest.param(pod(), id="nothing known"),
    ],
)
def test_whoever_has_run_can_be_read(found: Obj) -> None:
    ensure_speaks(found, WANTED)
