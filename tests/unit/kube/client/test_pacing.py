"""Requests go as fast as they may, in the order they came; a server that is busy is asked again when it says."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from shipway.base.clock import Instant, LoopClock
from shipway.kube.client.kubeconfig import ClusterConfig
from shipway.kube.client.pacing import UNLIMITED, Limits, Pace, limits_of
from shipway.kube.client.transport import HttpTransport
from shipway.kube.objects.wire import Request
from shipway.kube.runtime.virtual_time import run_in_virtual_time

Handler = Callable[[web.Request], Coroutine[Any, Any, web.Response]]


async def moments(limits: Limits, requests: int) -> list[float]:
    """When each of so many requests may go, in seconds from the first."""
    clock = LoopClock(asyncio.get_running_loop(), Instant(0.0))
    pace, went = Pace(limits, clock), []

    async def one() -> None:
        await pace.turn()
        went.append(round(clock.now(), 3))

    async with asyncio.TaskGroup() as group:
        for _ in range(requests):
            group.create_task(one())
    return went


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", UNLIMITED),
        ("127.96.0.1", UNLIMITED),
        ("::1", UNLIMITED),
        ("localhost", UNLIMITED),
        ("10.96.0.1", Limits()),
        ("127.example.com", Limits()),
        ("kubernetes.default.svc", Limits()),
    ],
)
def test_a_server_on_this_machine_is_not_paced(host: str, expected: Limits) -> None:
    assert limits_of(host) == expected


@pytest.mark.parametrize(
    ("limits", "requests", "expected"),
    [
        (Limits(qps=10, burst=3), 6, [0, 0, 0, 0.1, 0.2, 0.3]),
        (Limits(qps=2, burst=1), 3, [0, 0.5, 1.0]),
        (UNLIMITED, 500, [0] * 500),
    ],
)
def test_the_burst_goes_at_once_and_the_rest_at_the_rate(limits: Limits, requests: int, expected: list[float]) -> None:
    assert run_in_virtual_time(moments(limits, requests)) == expected


@asynccontextmanager
async def served(handler: Handler) -> AsyncGenerator[str, None]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("path", "busy", "retry_after", "status", "asked"),
    [
        ("/api/v1/pods", 2, "0", 200, 3),
        ("/api/v1/pods", 9, "0", 429, 4),
        ("/api/v1/pods", 1, "3600", 429, 1),
        ("/api/v1/pods", 1, None, 429, 1),
        ("/api/v1/namespaces/n/pods/p/eviction", 1, "0", 429, 1),
    ],
)
async def test_a_busy_server_is_asked_again(path: str, busy: int, retry_after: str | None, status: int, asked: int) -> None:
    seen: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.path)
        headers = {"Retry-After": retry_after} if retry_after else {}
        return web.Response(status=429 if len(seen) <= busy else 200, headers=headers)

    async with served(answer) as url:
        transport = HttpTransport(ClusterConfig(server=url))
        assert (await transport.send(Request("POST", path))).status == status
        await transport.close()
    assert len(seen) == asked


async def test_answers_under_way_are_bounded() -> None:
    under_way: list[int] = [0]
    most: list[int] = []
    release = asyncio.Event()

    async def answer(_: web.Request) -> web.Response:
        under_way[0] += 1
        most.append(under_way[0])
        if len(most) == 3:
            release.set()
        await release.wait()
        under_way[0] -= 1
        return web.Response()

    async with served(answer) as url:
        transport = HttpTransport(ClusterConfig(server=url), limits=Limits(qps=0, at_once=3))
        async with asyncio.TaskGroup() as group:
            for _ in range(12):
                group.create_task(transport.send(Request("GET", "/api/v1/pods")))
        await transport.close()
    assert (len(most), max(most)) == (12, 3)
