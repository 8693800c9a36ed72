"""Runs the table of `watch_table` against an API server, real or embedded."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from tests.contract.api_oracle import ask, masked, run_steps
from tests.contract.api_table.steps import Case, Step
from tests.contract.servers import Server
from tests.contract.watch_table import LIST_FIRST, WatchCase

_PATIENCE = 60.0


async def run(server: Server, case: WatchCase) -> list[Any]:
    """The masked events of a case."""
    namespace = f"watch-{case.name}"
    await ask(server, Step("POST", ""), "/api/v1/namespaces", {"metadata": {"name": namespace}})
    await run_steps(server, case.before, namespace)
    collection = case.collection.replace("{ns}", namespace)
    _, listed, _ = await ask(server, Step("GET", ""), collection, None)
    query = case.query.replace("{rv}", listed["metadata"]["resourceVersion"])
    events: list[Any] = []
    async with (
        aclosing(server.stream(f"{collection}?watch=true&{query}", {"accept": case.accept})) as chunks,
        asyncio.timeout(_PATIENCE),
    ):
        await anext(chunks)
        reading = _events(chunks)
        if LIST_FIRST in case.query:
            # A busy server sends the bookmark late, and changes would overtake it.
            while not events or events[-1]["type"] != "BOOKMARK":
                events += await anext(reading)
        changes = asyncio.ensure_future(run_steps(server, case.during, namespace))
        while len(events) < case.count:
            events += await anext(reading)
        await changes
    _check_versions(events)
    return [_masked_event(event) for event in events[: case.count]]


async def _events(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[Any]]:
    """Those that each chunk of a stream ends, as they come, but for bookmarks that a server sends whenever it likes."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield [event for event in (json.loads(line) for line in lines if line) if not _is_by_the_way(event)]


async def run_until(server: Server, case: Case, collection: str, selector: str, last: Step) -> list[Any]:
    """The masked events that a watch over the collection tells while the steps are taken, until the `last` one."""
    namespace = f"case-{case.name}"
    await ask(server, Step("POST", ""), "/api/v1/namespaces", {"metadata": {"name": namespace}})
    path = collection.replace("{ns}", namespace)
    _, listed, _ = await ask(server, Step("GET", ""), path, None)
    query = f"watch=true&resourceVersion={listed['metadata']['resourceVersion']}{selector}"
    events: list[Any] = []
    async with aclosing(server.stream(f"{path}?{query}", {"accept": "application/json"})) as chunks, asyncio.timeout(_PATIENCE):
        await anext(chunks)
        await run_steps(server, [*case.steps, last], namespace)
        reading = _events(chunks)
        while not events or events[-1]["object"]["metadata"]["name"] != last.body["metadata"]["name"]:
            events += await anext(reading)
    _check_versions(events)
    return [_masked_event(event) for event in events]


def _is_by_the_way(event: Any) -> bool:
    """Whether it is a bookmark that does not end the initial events."""
    return event["type"] == "BOOKMARK" and not event["object"]["metadata"].get("annotations")


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
