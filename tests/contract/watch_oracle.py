"""Runs the table of `watch_table` against an API server, real or embedded."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import aiohttp

from shipway.kube.objects.wire import Request
from shipway.localcluster.apiserver.server import ApiServer
from tests.contract.api_oracle import AGENT, Embedded, Real, Target, masked, run_steps
from tests.contract.api_table.steps import Case, Step
from tests.contract.watch_table import WatchCase

GOLDEN = Path(__file__).parent.parent / "golden" / "watch_oracle.json"
_PATIENCE = 10.0


async def embedded_lines(server: ApiServer, path: str, accept: str) -> AsyncGenerator[bytes, None]:
    """The chunks of a watch of the server in this process; the first `None`-like chunk says that it runs."""
    path, _, query = path.partition("?")
    pairs = tuple((key, value) for key, _, value in (part.partition("=") for part in query.split("&") if part))
    answer = await server.send(Request("GET", path, pairs, {"accept": accept, "user-agent": AGENT}))
    assert answer.stream is not None, answer.body
    yield b""
    async with aclosing(answer.stream) as stream:
        async for chunk in stream:
            yield chunk


async def real_lines(session: aiohttp.ClientSession, url: str, accept: str) -> AsyncGenerator[bytes, None]:
    """The same of a real one."""
    async with session.get(url, headers={"Accept": accept, "User-Agent": AGENT}) as response:
        assert response.status == 200, await response.text()
        yield b""
        async for chunk in response.content.iter_any():
            yield chunk


class Watcher:
    """A server to be watched: how to ask it, and how to open a stream."""

    def __init__(self, target: Target, server: ApiServer | None = None, real: tuple[aiohttp.ClientSession, str] | None = None):
        self.target = target
        self._server, self._real = server, real

    @classmethod
    def embedded(cls, server: ApiServer) -> "Watcher":
        return cls(Embedded(server), server=server)

    @classmethod
    def real(cls, session: aiohttp.ClientSession, url: str) -> "Watcher":
        return cls(Real(session, url), real=(session, url))

    def open(self, path: str, accept: str) -> AsyncGenerator[bytes, None]:
        if self._server is not None:
            return embedded_lines(self._server, path, accept)
        assert self._real is not None
        session, url = self._real
        return real_lines(session, url + path, accept)


async def run(watcher: Watcher, case: WatchCase) -> list[Any]:
    """The masked events of a case."""
    namespace = f"watch-{case.name}"
    await watcher.target.ask(Step("POST", ""), "/api/v1/namespaces", {"metadata": {"name": namespace}})
    await run_steps(watcher.target, case.before, namespace)
    collection = case.collection.replace("{ns}", namespace)
    _, listed, _ = await watcher.target.ask(Step("GET", ""), collection, None)
    query = case.query.replace("{rv}", listed["metadata"]["resourceVersion"])
    events: list[Any] = []
    async with aclosing(watcher.open(f"{collection}?watch=true&{query}", case.accept)) as chunks, asyncio.timeout(_PATIENCE):
        await anext(chunks)
        changes = asyncio.ensure_future(run_steps(watcher.target, case.during, namespace))
        rest = b""
        while len(events) < case.count:
            rest += await anext(chunks)
            *lines, rest = rest.split(b"\n")
            events += [json.loads(line) for line in lines if line]
        await changes
    _check_versions(events)
    return [_masked_event(event) for event in events[: case.count]]


async def run_until(watcher: Watcher, case: Case, collection: str, selector: str, last: Step) -> list[Any]:
    """The masked events that a watch over the collection tells while the steps are taken, until the `last` one."""
    namespace = f"case-{case.name}"
    await watcher.target.ask(Step("POST", ""), "/api/v1/namespaces", {"metadata": {"name": namespace}})
    path = collection.replace("{ns}", namespace)
    _, listed, _ = await watcher.target.ask(Step("GET", ""), path, None)
    query = f"watch=true&resourceVersion={listed['metadata']['resourceVersion']}{selector}"
    events: list[Any] = []
    async with aclosing(watcher.open(f"{path}?{query}", "application/json")) as chunks, asyncio.timeout(_PATIENCE):
        await anext(chunks)
        await run_steps(watcher.target, [*case.steps, last], namespace)
        rest = b""
        while not events or events[-1]["object"]["metadata"]["name"] != last.body["metadata"]["name"]:
            rest += await anext(chunks)
            *lines, rest = rest.split(b"\n")
            events += [json.loads(line) for line in lines if line]
    _check_versions(events)
    return [_masked_event(event) for event in events]


def _check_versions(events: list[Any]) -> None:
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events if event["type"] != "BOOKMARK"]
    assert len(versions) == len(set(versions)), versions


def _masked_event(event: Any) -> Any:
    shown = event["object"]
    if event["type"] == "BOOKMARK":
        metadata = shown["metadata"]
        return {"type": "BOOKMARK", "kind": shown["kind"], "annotations": metadata.get("annotations")}
    if shown["kind"] == "Table":
        return {"type": event["type"], "columns": bool(shown["columnDefinitions"]), "table": masked(shown)}
    return {"type": event["type"], "object": masked(shown)}
