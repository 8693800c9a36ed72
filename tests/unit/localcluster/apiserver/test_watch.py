"""Watches: what a change means to a watcher, where it may start, how the present is told."""

from typing import Any

import pytest

from shipway.base.ids import RandomIds
from shipway.localcluster.apiserver.server import ApiServer
from tests.unit.localcluster.apiserver.conftest import CORE, Api, SteppedClock, config_map, events, pod

MAPS = f"{CORE}/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"


def brief(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["type"], event["object"]["metadata"].get("name", "")) for event in found]


async def version(api: Api) -> str:
    return (await api.get(MAPS)).body["metadata"]["resourceVersion"]


async def test_a_watch_replays_what_happened_since_its_version(api: Api) -> None:
    start = await version(api)
    await api.post(MAPS, config_map("a"))
    await api.patch(f"{MAPS}/a", {"data": {"k": "w"}})
    await api.delete(f"{MAPS}/a")
    found = await api.watched(f"{MAPS}?watch=true&resourceVersion={start}", 3)
    assert brief(found) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in found]
    assert versions == sorted(set(versions))
    assert found[2]["object"]["data"] == {"k": "w"}


async def test_a_watch_without_a_version_tells_the_present_first(api: Api) -> None:
    await api.post(MAPS, config_map("a"))
    response = await api.send("GET", f"{MAPS}?watch=true")
    await api.post(MAPS, config_map("b"))
    assert brief(await events(response, 2)) == [("ADDED", "a"), ("ADDED", "b")]


async def test_a_watch_list_ends_the_present_with_a_bookmark(api: Api) -> None:
    await api.post(MAPS, config_map("a"))
    query = "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    found = await api.watched(f"{MAPS}?{query}", 2)
    assert brief(found) == [("ADDED", "a"), ("BOOKMARK", "")]
    assert found[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert found[1]["object"]["metadata"]["resourceVersion"] == await version(api)


async def test_crossing_a_selector_is_coming_and_going(api: Api) -> None:
    start = await version(api)
    await api.post(MAPS, config_map("a", labels={"app": "x"}))
    await api.patch(f"{MAPS}/a", {"metadata": {"labels": {"app": "y"}}})
    await api.patch(f"{MAPS}/a", {"metadata": {"labels": {"app": "x"}}})
    await api.delete(f"{MAPS}/a")
    found = await api.watched(f"{MAPS}?watch=true&labelSelector=app=x&resourceVersion={start}", 4)
    assert brief(found) == [("ADDED", "a"), ("DELETED", "a"), ("ADDED", "a"), ("DELETED", "a")]
    gone = found[1]["object"]["metadata"]
    assert gone["labels"] == {"app": "x"}
    assert int(gone["resourceVersion"]) > int(found[0]["object"]["metadata"]["resourceVersion"])


async def test_a_field_selector_follows_a_pod_to_its_node(api: Api) -> None:
    await api.post(f"{CORE}/pods", pod("p"))
    start = await version(api)
    body = {"target": {"kind": "Node", "name": "n1"}, "metadata": {"name": "p"}}
    assert (await api.post(f"{CORE}/pods/p/binding", body)).code == 201
    found = await api.watched(f"/api/v1/pods?watch=true&fieldSelector=spec.nodeName=n1&resourceVersion={start}", 1)
    assert brief(found) == [("ADDED", "p")]
    assert (await api.post(f"{CORE}/pods/p/binding", body)).code == 409


async def test_metadata_and_tables_are_watched_too(api: Api) -> None:
    start = await version(api)
    await api.post(MAPS, config_map("a"))
    await api.post(MAPS, config_map("b"))
    url = f"{MAPS}?watch=true&resourceVersion={start}"
    partial = await api.watched(url, 2, accept=METADATA)
    assert [event["object"]["kind"] for event in partial] == ["PartialObjectMetadata"] * 2
    assert "data" not in partial[0]["object"]
    first, second = await api.watched(url, 2, accept=TABLE)
    assert [column["name"] for column in first["object"]["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert second["object"]["columnDefinitions"] is None
    assert second["object"]["rows"][0]["cells"] == ["b", 1, "0s"]


async def test_one_object_is_watched_by_its_name(api: Api) -> None:
    start = await version(api)
    await api.post(MAPS, config_map("a"))
    await api.post(MAPS, config_map("b"))
    found = await api.watched(f"{MAPS}?watch=true&fieldSelector=metadata.name=b&resourceVersion={start}", 1)
    assert brief(found) == [("ADDED", "b")]
    legacy = await api.watched(f"/api/v1/watch/namespaces/default/configmaps?resourceVersion={start}", 2)
    assert brief(legacy) == [("ADDED", "a"), ("ADDED", "b")]


async def test_a_version_that_was_forgotten_is_refused() -> None:
    clock = SteppedClock()
    server = await ApiServer.open(path=None, clock=clock, ids=RandomIds(), history_seconds=60, history_minimum=0)
    api = Api(server, clock)
    start = (await api.post(MAPS, config_map("a"))).body["metadata"]["resourceVersion"]
    await api.patch(f"{MAPS}/a", {"data": {"k": "1"}})
    await clock.sleep(61)
    await api.patch(f"{MAPS}/a", {"data": {"k": "2"}})
    (found,) = await api.watched(f"{MAPS}?watch=true&resourceVersion={start}", 1)
    assert found["type"] == "ERROR"
    assert (found["object"]["code"], found["object"]["reason"]) == (410, "Expired")
    assert found["object"]["message"].startswith(f"too old resource version: {start} (")
    exact = await api.get(f"{MAPS}?resourceVersion={start}&resourceVersionMatch=Exact")
    assert (exact.code, exact.message) == (410, "The resourceVersion for the provided list is too old.")


async def test_bookmarks_come_about_every_minute_and_the_end_is_silent(api: Api) -> None:
    start = await version(api)
    response = await api.send("GET", f"{MAPS}?watch=true&allowWatchBookmarks=true&timeoutSeconds=90&resourceVersion={start}")
    assert response.stream is not None
    api.clock.time += 61  # type: ignore[assignment]
    await api.post(MAPS, config_map("a"))
    found = await events(response, 1)
    assert [event["type"] for event in found] == ["ADDED"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("watch=true&resourceVersionMatch=NotOlderThan", 422),
        ("watch=true&sendInitialEvents=true", 422),
        ("sendInitialEvents=true&resourceVersionMatch=NotOlderThan", 422),
        ("resourceVersionMatch=NotOlderThan", 422),
        ("resourceVersion=0&resourceVersionMatch=Exact", 422),
        ("resourceVersion=1&resourceVersionMatch=Sometimes", 422),
        ("resourceVersion=garbage", 400),
        ("continue=garbage", 400),
        ("continue=abc&resourceVersion=5", 400),
        ("labelSelector=a%20b", 400),
        ("fieldSelector=spec.x=1", 400),
        ("limit=x", 400),
    ],
)
async def test_refused_queries(api: Api, query: str, code: int) -> None:
    answer = await api.get(f"{MAPS}?{query.replace('%20', ' ')}")
    assert answer.code == code
