"""Laws of the embedded API server: whatever is written in whatever order.

- a watch from a list's version, replayed over that list, gives the list of now
- a watcher with a selector ends with exactly what a list with it shows
- pages taken while others write show the state of the first page
- resource versions only grow; a write that changes nothing keeps them
"""

import asyncio
import random
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.base.clock import Instant
from shipway.base.ids import RandomIds
from shipway.kube.objects.wire import Request
from shipway.localcluster.apiserver.server import ApiServer
from tests.effort import examples

MAPS = "/api/v1/namespaces/default/configmaps"
MERGE = {"content-type": "application/merge-patch+json"}
Query = tuple[tuple[str, str], ...]
Objects = dict[str, Any]

NAMES = st.sampled_from(["a", "b", "c", "d"])
COLORS = st.sampled_from(["red", "green", None])
WRITES = st.one_of(
    st.tuples(st.just("create"), NAMES, COLORS),
    st.tuples(st.just("paint"), NAMES, COLORS),
    st.tuples(st.just("hold"), NAMES, st.booleans()),
    st.tuples(st.just("delete"), NAMES, st.none()),
)


class _Clock:
    def now(self) -> Instant:
        return Instant(1_800_000_000.0)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


async def _ask(server: ApiServer, method: str, path: str, body: Any = None, query: Query = ()) -> Any:
    raw = orjson.dumps(body) if body is not None else b""
    answer = await server.send(Request(method, path, query, MERGE if method == "PATCH" else {}, raw))
    return orjson.loads(answer.body)


async def _write(server: ApiServer, write: tuple[str, str, Any]) -> None:
    verb, name, value = write
    labels = {"metadata": {"labels": {"color": value}}}
    if verb == "create":
        created = {"metadata": {"name": name, "labels": {"color": value} if value else {}}}
        await _ask(server, "POST", MAPS, created)
    elif verb == "paint":
        await _ask(server, "PATCH", f"{MAPS}/{name}", labels)
    elif verb == "hold":
        await _ask(server, "PATCH", f"{MAPS}/{name}", {"metadata": {"finalizers": ["a.b/c"] if value else None}})
    else:
        await _ask(server, "DELETE", f"{MAPS}/{name}")


async def _listed(server: ApiServer, query: Query = ()) -> tuple[Objects, str]:
    body = await _ask(server, "GET", MAPS, query=query)
    return {item["metadata"]["name"]: item for item in body["items"]}, body["metadata"]["resourceVersion"]


async def _replayed(server: ApiServer, start: Objects, version: str, query: Query) -> Objects:
    """`start` with everything applied that a watch from `version` tells until the present."""
    _, now = await _listed(server)
    watch = (("watch", "true"), ("resourceVersion", version), ("allowWatchBookmarks", "true"), *query)
    answer = await server.send(Request("GET", MAPS, watch))
    assert answer.stream is not None
    seen, last = dict(start), int(version)
    # a last write that every selector sees tells when the watcher has caught up
    await _ask(server, "POST", MAPS, {"metadata": {"name": "end", "labels": {"color": "red"}}})
    async for chunk in answer.stream:
        for line in chunk.splitlines():
            event = orjson.loads(line)
            metadata = event["object"]["metadata"]
            assert int(metadata["resourceVersion"]) > last, "versions only grow"
            last = int(metadata["resourceVersion"])
            if metadata["name"] == "end":
                await answer.stream.aclose()
                return seen
            if event["type"] == "DELETED":
                assert seen.pop(metadata["name"], None) is not None, "only what was there is deleted"
            else:
                assert (event["type"] == "MODIFIED") == (metadata["name"] in seen)
                seen[metadata["name"]] = event["object"]
    raise AssertionError(f"the watch ended before {now}")


def _plain(objects: Objects) -> Objects:
    return {
        name: {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")} for name, obj in objects.items()
    }


@settings(max_examples=examples(60), deadline=None)
@given(
    st.lists(WRITES, max_size=12),
    st.lists(WRITES, max_size=12),
    st.sampled_from(["", "color=red", "color in (red,green)", "color"]),
)
def test_a_watch_replayed_over_a_list_is_the_list_of_now(before: list[Any], after: list[Any], selector: str) -> None:
    async def check() -> None:
        server = await ApiServer.open(path=None, clock=_Clock(), ids=RandomIds(random.Random(1)))
        query: Query = (("labelSelector", selector),) if selector else ()
        for write in before:
            await _write(server, write)
        start, version = await _listed(server, query)
        for write in after:
            await _write(server, write)
        end, _ = await _listed(server, query)
        assert _plain(await _replayed(server, start, version, query)) == _plain(end)

    asyncio.run(check())


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(WRITES, max_size=15), st.lists(st.lists(WRITES, max_size=3), max_size=5))
def test_pages_show_the_state_of_the_first(before: list[Any], between: list[list[Any]]) -> None:
    async def check() -> None:
        server = await ApiServer.open(path=None, clock=_Clock(), ids=RandomIds(random.Random(1)))
        for write in before:
            await _write(server, write)
        whole, version = await _listed(server)
        shown: Objects = {}
        query: Query = (("limit", "1"),)
        for writes in [*between, [], [], [], [], []]:
            page = await _ask(server, "GET", MAPS, query=query)
            assert page["metadata"]["resourceVersion"] == version
            shown |= {item["metadata"]["name"]: item for item in page["items"]}
            if not (token := page["metadata"].get("continue")):
                break
            query = (("limit", "1"), ("continue", token))
            for write in writes:
                await _write(server, write)
        assert shown == whole

    asyncio.run(check())
