"""The client's requests and how it reads answers, over canned answers."""

from collections.abc import AsyncGenerator
from typing import Any

import orjson
import pytest

from shipway.base.errors import Conflict, InvalidInput, NotFound, Unavailable
from shipway.kube.client.client import Client, LogOptions
from shipway.kube.client.errors import Expired
from shipway.kube.objects.resource import Resource
from shipway.kube.objects.wire import Request, Response

PODS = Resource("", "v1", "Pod", "pods")
DEPLOYMENTS = Resource("apps", "v1", "Deployment", "deployments")
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "a", "name": "p"}}


class Canned:
    """A transport that gives prepared answers in order and remembers what it was asked."""

    def __init__(self, *answers: Response) -> None:
        self.answers = list(answers)
        self.asked: list[Request] = []

    async def send(self, request: Request) -> Response:
        self.asked.append(request)
        return self.answers.pop(0)

    async def close(self) -> None:
        pass


def ok(body: Any = None, status: int = 200) -> Response:
    return Response(status, {}, orjson.dumps(POD if body is None else body))


def failed(code: int, reason: str) -> Response:
    return ok({"kind": "Status", "code": code, "reason": reason, "message": "no"}, code)


async def chunks(*parts: bytes) -> AsyncGenerator[bytes, None]:
    for part in parts:
        yield part


def page(names: str, token: str = "", version: str = "5") -> Response:
    return ok(
        {"metadata": {"resourceVersion": version, "continue": token}, "items": [{"metadata": {"name": n}} for n in names]}
    )


async def test_writes_name_their_manager_and_media_type() -> None:
    transport = Canned(ok(), ok(), ok(), ok(), ok(), ok())
    client = Client(transport, manager="me")
    await client.create(PODS, POD, dry_run=True)
    await client.replace(PODS, POD, subresource="status", manager="other")
    await client.patch(PODS, "a", "p", {"x": 1})
    await client.patch(PODS, "a", "p", [], type="json")
    await client.patch(PODS, "a", "p", {}, type="strategic", subresource="scale")
    await client.apply(DEPLOYMENTS, POD, manager="git", force=False)
    seen = [(r.method, r.path, dict(r.query), r.headers["content-type"]) for r in transport.asked]
    base = "/api/v1/namespaces/a/pods"
    assert seen == [
        ("POST", base, {"fieldManager": "me", "dryRun": "All"}, "application/json"),
        ("PUT", f"{base}/p/status", {"fieldManager": "other"}, "application/json"),
        ("PATCH", f"{base}/p", {"fieldManager": "me"}, "application/merge-patch+json"),
        ("PATCH", f"{base}/p", {"fieldManager": "me"}, "application/json-patch+json"),
        ("PATCH", f"{base}/p/scale", {"fieldManager": "me"}, "application/strategic-merge-patch+json"),
        ("PATCH", "/apis/apps/v1/namespaces/a/deployments/p", {"fieldManager": "git", "force": "false"},
         "application/apply-patch+yaml"),
    ]  # fmt: skip


async def test_a_delete_carries_its_preconditions() -> None:
    transport = Canned(ok())
    await Client(transport).delete(PODS, "a", "p", uid="u", resource_version="3", propagation="Foreground", grace_seconds=0)
    assert orjson.loads(transport.asked[0].body) == {
        "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Foreground", "gracePeriodSeconds": 0,
        "preconditions": {"uid": "u", "resourceVersion": "3"},
    }  # fmt: skip


async def test_eviction_and_binding_go_to_their_subresources() -> None:
    transport = Canned(ok({}), ok({}))
    await Client(transport).evict("a", "p")
    await Client(transport).bind("a", "p", "n1")
    assert [r.path.rsplit("/", 1)[1] for r in transport.asked] == ["eviction", "binding"]
    assert orjson.loads(transport.asked[1].body)["target"]["name"] == "n1"


@pytest.mark.parametrize("name", ["", "a/b", ".."])
async def test_what_is_no_name_is_not_sent(name: str) -> None:
    transport = Canned()
    with pytest.raises(InvalidInput):
        await Client(transport).delete(PODS, "a", name)
    assert transport.asked == []


async def test_errors_are_the_houses_own() -> None:
    client = Client(Canned(failed(404, "NotFound"), failed(409, "AlreadyExists"), Response(200, {}, b"<html>")))
    with pytest.raises(NotFound, match="get /api/v1/namespaces/a/pods/p: no"):
        await client.get(PODS, "a", "p")
    with pytest.raises(Conflict) as caught:
        await client.create(PODS, POD)
    assert caught.value.reason == "AlreadyExists"
    with pytest.raises(Unavailable):
        await client.get(PODS, "a", "p")


async def test_lists_follow_their_pages() -> None:
    transport = Canned(page("ab", "next"), page("c"))
    listing = await Client(transport).list(PODS, "a", label_selector="x=y", field_selector="f=g", metadata_only=True)
    assert [item["metadata"]["name"] for item in listing.items] == ["a", "b", "c"]
    assert listing.resource_version == "5" and listing.items[0]["kind"] == "Pod"
    first, second = transport.asked
    assert ("labelSelector", "x=y") in first.query and ("fieldSelector", "f=g") in first.query
    assert ("continue", "next") in second.query
    assert "PartialObjectMetadataList" in first.headers["accept"]


async def test_an_expired_page_starts_over_without_pages() -> None:
    transport = Canned(page("ab", "next"), failed(410, "Expired"), page("abc"))
    listing = await Client(transport).list(PODS)
    assert len(listing.items) == 3
    assert not [key for key, _ in transport.asked[2].query if key in ("limit", "continue")]


async def test_watches_ask_for_bookmarks_and_end_with_the_stream() -> None:
    line = orjson.dumps({"type": "ADDED", "object": {"metadata": {"name": "p"}}}) + b"\n"
    transport = Canned(Response(200, {}, stream=chunks(line[:9], line[9:])))
    events = [e async for e in Client(transport).watch(PODS, "a", resource_version="7", timeout_seconds=9.5)]
    assert [(e.type, e.obj["metadata"]["name"]) for e in events] == [("ADDED", "p")]
    assert dict(transport.asked[0].query) == {
        "watch": "true", "allowWatchBookmarks": "true", "resourceVersion": "7", "timeoutSeconds": "9"
    }  # fmt: skip


async def test_a_watch_from_too_long_ago_is_expired() -> None:
    with pytest.raises(Expired):
        async for _ in Client(Canned(failed(410, "Expired"))).watch(PODS, resource_version="1"):
            pass


async def test_logs_come_in_chunks_or_whole() -> None:
    transport = Canned(Response(200, {}, stream=chunks(b"a\n", b"b\n")), Response(200, {}, b"c\n"), failed(400, "BadRequest"))
    client = Client(transport)
    assert [c async for c in client.logs("a", "p", container="x", follow=True, tail_lines=5)] == [b"a\n", b"b\n"]
    assert dict(transport.asked[0].query) == {"container": "x", "follow": "true", "tailLines": "5"}
    options: LogOptions = {"since_seconds": 0.5, "previous": True, "timestamps": True, "container": ""}
    assert [c async for c in client.logs("a", "p", **options)] == [b"c\n"]
    assert dict(transport.asked[1].query) == {"sinceSeconds": "1", "previous": "true", "timestamps": "true"}
    with pytest.raises(InvalidInput):
        [c async for c in client.logs("a", "p")]


ROW = {"resource": "pods", "responseKind": {"kind": "Pod"}, "scope": "Namespaced", "verbs": ["list", "watch", "get"],
       "subresources": [{"subresource": "status"}]}  # fmt: skip
REVIEW = {"resource": "reviews", "responseKind": {"kind": "Review"}, "scope": "Cluster", "verbs": ["create"]}
WIDGET = {"resource": "widgets", "responseKind": {"kind": "Widget"}, "scope": "Cluster", "verbs": ["list", "watch"]}


def aggregated(name: str, **versions: list[dict[str, Any]]) -> Response:
    rows = [{"version": version, "resources": resources} for version, resources in versions.items()]
    return ok({"kind": "APIGroupDiscoveryList", "items": [{"metadata": {"name": name}, "versions": rows}]})


EXPECTED = (
    Resource("", "v1", "Pod", "pods", True, True),
    Resource("x.io", "v2", "Widget", "widgets", False, False),
    Resource("x.io", "v1", "Widget", "widgets", False, False),
)


async def test_discovery_in_two_requests() -> None:
    transport = Canned(aggregated("", v1=[ROW, REVIEW]), aggregated("x.io", v2=[WIDGET], v1=[WIDGET]))
    assert await Client(transport).discover() == EXPECTED


async def test_discovery_of_an_older_server_group_by_group() -> None:
    def row(name: str, kind: str, namespaced: bool, *verbs: str) -> dict[str, Any]:
        return {"name": name, "kind": kind, "namespaced": namespaced, "verbs": list(verbs)}

    core = [
        row("pods", "Pod", True, "list", "watch"),
        row("pods/status", "Pod", True, "get"),
        row("reviews", "R", False, "create"),
    ]
    widgets = {"resources": [row("widgets", "Widget", False, "list", "watch")]}
    versions = [{"version": "v1"}, {"version": "v2"}]
    down = {"name": "down.io", "preferredVersion": {"version": "v1"}, "versions": [{"version": "v1"}]}
    transport = Canned(
        ok({"kind": "APIVersions", "versions": ["v1"]}),
        ok({"resources": core}),
        ok({"kind": "APIGroupList",
            "groups": [{"name": "x.io", "preferredVersion": {"version": "v2"}, "versions": versions}, down]}),
        ok(widgets), ok(widgets), failed(503, "ServiceUnavailable"),
    )  # fmt: skip
    assert await Client(transport).discover() == EXPECTED


async def test_acting_as_somebody_else_says_so_with_every_request() -> None:
    transport = Canned(ok(), ok())
    client = Client(transport)
    assert client.acting_as("") is client
    await client.acting_as("system:serviceaccount:shop:deployer").get(PODS, "a", "p")
    await client.get(PODS, "a", "p")
    assert [one.headers.get("impersonate-user") for one in transport.asked] == ["system:serviceaccount:shop:deployer", None]
