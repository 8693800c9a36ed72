"""The embedded API server over HTTPS with its state on disk: one client and sixteen, lists, watches, start from 10,000 objects.

The clients run in this process, so their own work is in the figures.
"""

import asyncio
import ssl
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from bench.bench_apply import deployment
from shipway.base.clock import SystemClock
from shipway.base.ids import RandomIds
from shipway.kube.objects.wire import Request
from shipway.localcluster.apiserver.http import Identity, serve
from shipway.localcluster.apiserver.server import ApiServer
from shipway.localcluster.apiserver.tls import ensure_tls

MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENT = "/apis/apps/v1/namespaces/default/deployments/web?fieldManager=bench&force=true"
JSON = {"Content-Type": "application/json"}
MERGE = {"Content-Type": "application/merge-patch+json"}
APPLY = {"Content-Type": "application/apply-patch+yaml"}
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
COUNT = 400
OBJECTS = 10_000
WATCHERS, CHANGES = 50, 500


def run() -> dict[str, float]:
    """Requests per second (`_1`, `_16`: clients), and milliseconds."""
    with tempfile.TemporaryDirectory() as home:
        return asyncio.run(_measure(Path(home)))


async def _measure(home: Path) -> dict[str, float]:
    clock = SystemClock()
    server = await ApiServer.open(path=home / "state.db", clock=clock, ids=RandomIds())
    tls = ensure_tls(home / "pki", clock.now())
    found: dict[str, float] = {}
    async with serve(server, tokens={"t": Identity("bench")}, tls=tls) as url:
        connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(tls.ca)), limit=200)
        headers = {"Authorization": "Bearer t"}
        async with aiohttp.ClientSession(url, connector=connector, headers=headers) as session:
            await _verbs(session, found)
            await _watching(session, found)
    await _lists(server, found)
    await server.close()
    found["start_10k_ms"] = await _start(home)
    return found


async def _verbs(session: aiohttp.ClientSession, found: dict[str, float]) -> None:
    async def ask(method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> None:
        async with session.request(method, path, data=orjson.dumps(body) if body else None, headers=headers) as answer:
            await answer.read()
            assert answer.status < 300, await answer.text()

    def created(number: int) -> Awaitable[None]:
        return ask("POST", MAPS, {"metadata": {"name": f"m{number}"}, "data": {"k": str(number)}}, JSON)

    def patched(number: int) -> Awaitable[None]:
        return ask("PATCH", f"{MAPS}/m{number % COUNT}", {"data": {"n": str(number)}}, MERGE)

    def applied(number: int) -> Awaitable[None]:
        return ask("PATCH", DEPLOYMENT, deployment(str(number)), APPLY)

    for clients in (1, 16):
        shift = clients * 100_000
        found[f"create_{clients}_per_s"] = await _rate(clients, lambda n, shift=shift: created(n + shift))
    for number in range(COUNT):
        await created(number)
    for clients in (1, 16):
        found[f"get_{clients}_per_s"] = await _rate(clients, lambda n: ask("GET", f"{MAPS}/m{n % COUNT}"))
        found[f"patch_{clients}_per_s"] = await _rate(clients, lambda n, c=clients: patched(n + c * COUNT))
        found[f"apply_{clients}_per_s"] = await _rate(clients, lambda n, c=clients: applied(n + c * COUNT))


async def _rate(clients: int, act: Callable[[int], Awaitable[None]]) -> float:
    async def lane(first: int) -> None:
        for number in range(first, COUNT, clients):
            await act(number)

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for first in range(clients):
            group.create_task(lane(first))
    return round(COUNT / (time.perf_counter() - begun))


async def _watching(session: aiohttp.ClientSession, found: dict[str, float]) -> None:
    """Seconds until fifty watchers have seen five hundred changes of one object."""
    async with session.get(MAPS + "?limit=1") as answer:
        version = (await answer.json())["metadata"]["resourceVersion"]

    async def watch() -> None:
        query = f"?watch=true&resourceVersion={version}&fieldSelector=metadata.name=m0"
        async with session.get(MAPS + query) as answer:
            lines = 0
            async for chunk in answer.content.iter_any():
                lines += chunk.count(b"\n")
                if lines >= CHANGES:
                    return

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(WATCHERS):
            group.create_task(watch())
        for number in range(CHANGES):
            async with session.patch(f"{MAPS}/m0", data=orjson.dumps({"data": {"w": str(number)}}), headers=MERGE) as answer:
                await answer.read()
    found["watch_50x500_s"] = round(time.perf_counter() - begun, 2)


async def _lists(server: ApiServer, found: dict[str, float]) -> None:
    """Milliseconds of lists of ten thousand objects, without the network."""
    have = len(orjson.loads((await server.send(Request("GET", MAPS))).body)["items"])
    for number in range(have, OBJECTS):
        body = orjson.dumps({"metadata": {"name": f"x{number}"}, "data": {"k": str(number)}})
        await server.send(Request("POST", MAPS, body=body))
    found["list_10k_ms"] = await _milliseconds(server, Request("GET", MAPS))
    found["table_500_ms"] = await _milliseconds(server, Request("GET", MAPS, (("limit", "500"),), {"accept": TABLE["Accept"]}))


async def _milliseconds(server: ApiServer, request: Request) -> float:
    best = float("inf")
    for _ in range(3):
        begun = time.perf_counter()
        await server.send(request)
        best = min(best, time.perf_counter() - begun)
    return round(best * 1000, 1)


async def _start(home: Path) -> float:
    begun = time.perf_counter()
    server = await ApiServer.open(path=home / "state.db", clock=SystemClock(), ids=RandomIds())
    taken = time.perf_counter() - begun
    await server.close()
    return round(taken * 1000)
