"""The embedded API server and a real one, in the same run over HTTPS: one client and sixteen, lists, watches.

`TARGETS=embedded,real make bench NAME=api`; the real control plane's figures are named `real_…` and are left out, with a line
that says so, where it is not built (`make kube`). Both run in processes of their own; the clients run in this one, so their own
work is in the figures. `start_10k_ms`: how long the embedded one takes to start from 10,000 objects on disk. `rss_mb`: resident
memory of all processes of a cluster with those objects. `pods_100_s`, `rollout_100_s`: until a Deployment of 100 simulated pods
is up, and rolled over.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

from bench.applications import a_cluster
from bench.bench_apply import deployment
from shipway.base.clock import SystemClock
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import load_kubeconfig
from shipway.kube.client.transport import HttpTransport
from shipway.kube.objects.wire import Request
from shipway.localcluster.apiserver.server import ApiServer
from shipway.localcluster.node.addresses import AddressBook
from shipway.localcluster.node.node import Node
from tests.kube.control_plane import built_binary

TARGETS = os.environ.get("TARGETS", "embedded,real").split(",")
MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
FORCED = (("fieldManager", "bench"), ("force", "true"))
JSON, MERGE, APPLY = ({"Content-Type": f"application/{kind}"} for kind in ("json", "merge-patch+json", "apply-patch+yaml"))
TABLE = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
COUNT = 400
OBJECTS = 10_000
WATCHERS, CHANGES = 50, 500
Query = tuple[tuple[str, str], ...]


def run() -> dict[str, float]:
    """Requests per second (`_1`, `_16`: clients), and milliseconds."""
    found: dict[str, float] = {}
    for target in TARGETS:
        if target == "real" and built_binary() is None:
            print("the real control plane is not built: run `make kube`", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory() as home:
            measured = asyncio.run(_measure(target, Path(home)))
        found |= {name if target == "embedded" else f"{target}_{name}": value for name, value in measured.items()}
    if "embedded" in TARGETS:
        with tempfile.TemporaryDirectory() as home:
            found["start_10k_ms"] = asyncio.run(_start(Path(home)))
    return found


async def _measure(target: str, home: Path) -> dict[str, float]:
    found: dict[str, float] = {}
    async with a_cluster(target, home) as served:
        client = Client(HttpTransport(load_kubeconfig(served.kubeconfig, None)))
        await _verbs(client, found)
        await _watching(client, found)
        async with _a_node(target, client, home):
            await _pods(client, found)
        await _lists(client, found)
        found["rss_mb"] = round(served.mb)
        await client.close()
    return found


@asynccontextmanager
async def _a_node(target: str, client: Client, home: Path) -> AsyncIterator[None]:
    """The node agent for the real control plane; the embedded cluster brings its own."""
    if target == "embedded":
        yield
        return
    async with Node(client, name="bench", home=home / "node", clock=SystemClock(), addresses=AddressBook()):
        yield


async def _pods(client: Client, found: dict[str, float]) -> None:
    wanted = deployment("1")
    wanted["metadata"] |= {"name": "hundred", "namespace": "default"}
    labels = {"app": "hundred"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "example/app:1"}]}}
    wanted["spec"] = {"replicas": 100, "selector": {"matchLabels": labels}, "template": pod}

    async def took(change: Awaitable[bytes]) -> float:
        begun = time.perf_counter()
        await change
        while not _is_up(orjson.loads(await _ask(client, "GET", f"{DEPLOYMENTS}/hundred"))):
            await SystemClock().sleep(0.02)
        return round(time.perf_counter() - begun, 2)

    found["pods_100_s"] = await took(_ask(client, "POST", DEPLOYMENTS, wanted, JSON))
    body = {"spec": {"template": {"metadata": {"annotations": {"version": "2"}}}}}
    found["rollout_100_s"] = await took(_ask(client, "PATCH", f"{DEPLOYMENTS}/hundred", body, MERGE))
    await _ask(client, "DELETE", f"{DEPLOYMENTS}/hundred")


def _is_up(found: dict[str, Any]) -> bool:
    status, meta = found.get("status") or {}, found["metadata"]
    seen = status.get("observedGeneration", 0) >= meta["generation"]
    return seen and status.get("updatedReplicas") == status.get("availableReplicas") == status.get("replicas") == 100


async def _ask(
    client: Client, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, query: Query = ()
) -> bytes:
    answer = await client.raw(method, path, query=query, headers=headers, body=orjson.dumps(body) if body else b"")
    assert answer.status < 300, answer.body
    return answer.body


async def _verbs(client: Client, found: dict[str, float]) -> None:
    def created(number: int) -> Awaitable[bytes]:
        return _ask(client, "POST", MAPS, {"metadata": {"name": f"m{number}"}, "data": {"k": str(number)}}, JSON)

    def patched(number: int) -> Awaitable[bytes]:
        return _ask(client, "PATCH", f"{MAPS}/m{number % COUNT}", {"data": {"n": str(number)}}, MERGE)

    def applied(number: int, clients: int) -> Awaitable[bytes]:
        # Each client has an object of its own: sixteen on one would measure how a server lets them wait. The template stays
        # the same and wants no pods: the controllers, which work beside it, would be in the figure.
        wanted = deployment("1")
        wanted["spec"]["replicas"] = 0
        wanted["metadata"] |= {"name": (name := f"web-{number % clients}"), "annotations": {"n": str(number)}}
        return _ask(client, "PATCH", f"{DEPLOYMENTS}/{name}", wanted, APPLY, FORCED)

    for clients in (1, 16):
        shift = clients * 100_000
        found[f"create_{clients}_per_s"] = await _rate(clients, lambda n, shift=shift: created(n + shift))
    for number in range(COUNT):
        await created(number)
    for clients in (1, 16):
        found[f"get_{clients}_per_s"] = await _rate(clients, lambda n: _ask(client, "GET", f"{MAPS}/m{n % COUNT}"))
        found[f"patch_{clients}_per_s"] = await _rate(clients, lambda n, c=clients: patched(n + c * COUNT))
        found[f"apply_{clients}_per_s"] = await _rate(clients, lambda n, c=clients: applied(n + c * COUNT, c))


async def _rate(clients: int, act: Callable[[int], Awaitable[Any]]) -> float:
    async def lane(first: int) -> None:
        for number in range(first, COUNT, clients):
            await act(number)

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for first in range(clients):
            group.create_task(lane(first))
    return round(COUNT / (time.perf_counter() - begun))


async def _watching(client: Client, found: dict[str, float]) -> None:
    """Seconds until fifty watchers have seen five hundred changes of one object."""
    version = orjson.loads(await _ask(client, "GET", MAPS, query=(("limit", "1"),)))["metadata"]["resourceVersion"]
    query: Query = (("watch", "true"), ("resourceVersion", version), ("fieldSelector", "metadata.name=m0"))

    async def watch() -> None:
        answer = await client.raw("GET", MAPS, query=query)
        assert answer.stream is not None
        lines = 0
        async for chunk in answer.stream:
            lines += chunk.count(b"\n")
            if lines >= CHANGES:
                break
        await answer.stream.aclose()

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(WATCHERS):
            group.create_task(watch())
        for number in range(CHANGES):
            await _ask(client, "PATCH", f"{MAPS}/m0", {"data": {"w": str(number)}}, MERGE)
    found["watch_50x500_s"] = round(time.perf_counter() - begun, 2)


async def _lists(client: Client, found: dict[str, float]) -> None:
    """Milliseconds until the bytes of ten thousand objects, or of a table of five hundred, are here."""
    have = len(orjson.loads(await _ask(client, "GET", MAPS))["items"])

    async def lane(first: int) -> None:
        for number in range(first, OBJECTS, 16):
            await _ask(client, "POST", MAPS, {"metadata": {"name": f"x{number}"}, "data": {"k": str(number)}}, JSON)

    async with asyncio.TaskGroup() as group:
        for first in range(16):
            group.create_task(lane(have + first))
    found["list_10k_ms"] = await _milliseconds(lambda: _ask(client, "GET", MAPS))
    found["table_500_ms"] = await _milliseconds(lambda: _ask(client, "GET", MAPS, None, TABLE, (("limit", "500"),)))


async def _milliseconds(act: Callable[[], Awaitable[Any]]) -> float:
    best = float("inf")
    for _ in range(3):
        begun = time.perf_counter()
        await act()
        best = min(best, time.perf_counter() - begun)
    return round(best * 1000, 1)


async def _start(home: Path) -> float:
    path = home / "state.db"
    server = await ApiServer.open(path=path, clock=SystemClock(), ids=RandomIds())
    for number in range(OBJECTS):
        body = orjson.dumps({"metadata": {"name": f"x{number}"}, "data": {"k": str(number)}})
        await server.send(Request("POST", MAPS, body=body))
    await server.close()
    begun = time.perf_counter()
    server = await ApiServer.open(path=path, clock=SystemClock(), ids=RandomIds())
    taken = time.perf_counter() - begun
    await server.close()
    return round(taken * 1000)
