"""The dashboard over HTTP, with the addresses and shapes of Argo's, against the cluster in memory."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio

from shipway.api.kinds import PODS, ROLLOUTS
from shipway.base.clock import SystemClock
from shipway.base.errors import InvalidInput
from shipway.cli.dashboard import DashboardFlags, acting, serve
from shipway.server.dashboard.blur import false_name
from shipway.server.dashboard.guard import TOKEN_HEADER
from shipway.server.dashboard.rest import Dashboard, Settings
from tests.unit.cli.conftest import Shop
from tests.unit.cli.objects import CANARY, family, pod, rollout
from tests.waiting import eventually

BASE = "api/v1/rollouts/shop"


class Page:
    """A client of the dashboard; addresses are below the page's."""

    def __init__(self, dashboard: Dashboard, http: aiohttp.ClientSession, shop: Shop) -> None:
        self.dashboard, self.http, self.shop = dashboard, http, shop

    async def get(self, path: str, **headers: str) -> tuple[int, Any]:
        async with self.http.get(self.dashboard.url + path, headers=headers) as answer:
            return answer.status, orjson.loads(await answer.read())

    async def put(self, path: str, body: str = "", **headers: str) -> tuple[int, Any]:
        async with self.http.put(self.dashboard.url + path, data=body, headers=headers) as answer:
            return answer.status, orjson.loads(await answer.read())

    @asynccontextmanager
    async def watch(self, path: str) -> AsyncGenerator["Stream", None]:
        async with self.http.get(self.dashboard.url + path) as answer:
            assert answer.headers["Content-Type"] == "text/event-stream"
            yield Stream(answer.content)


class Stream:
    """Server-sent events."""

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content

    async def next(self) -> tuple[str, Any]:
        """(event, data) of the next event."""
        kind = "message"
        async with asyncio.timeout(60):
            while True:
                line = (await self._content.readuntil(b"\n")).decode()
                if line.startswith("event: "):
                    kind = line[7:].strip()
                if line.startswith("data: "):
                    return kind, orjson.loads(line[6:])

    async def result(self) -> Any:
        return (await self.next())[1]["result"]


@asynccontextmanager
async def page_of(shop: Shop, *, blur: bool = False) -> AsyncGenerator[Page, None]:
    clock = SystemClock()
    settings = Settings("shop", "t0ken", is_blurred=blur)
    async with Dashboard(shop.client, clock, acting(shop.session), settings) as dashboard, aiohttp.ClientSession() as http:
        await dashboard.start(0)
        yield Page(dashboard, http, shop)


@pytest_asyncio.fixture
async def page(shop: Shop) -> AsyncGenerator[Page, None]:
    await shop.create_family(family())
    async with page_of(shop) as made:
        yield made


@pytest.mark.proves("001-28")
@pytest.mark.compat("rollouts:client.dashboard")
async def test_what_can_be_read(page: Page) -> None:
    assert await page.get("api/v1/namespace") == (200, {"namespace": "shop", "availableNamespaces": ["shop"]})
    version = (await page.get("api/v1/version"))[1]["rolloutsVersion"]
    assert version.startswith("v") and "shipway" in version
    status, listed = await page.get(f"{BASE}/info")
    assert (status, [one["objectMeta"]["name"] for one in listed["rollouts"]]) == (200, ["web"])
    status, info = await page.get(f"{BASE}/web/info")
    assert (status, info["status"], info["step"], len(info["replicaSets"])) == (200, "Paused", "1/4", 2)
    assert [len(rs["pods"]) for rs in info["replicaSets"]] == [1, 2]
    assert await page.get(f"{BASE}/nope/info") == (
        404,
        {
            "error": "there is no Rollout nope in namespace shop",
            "code": 5,
            "message": "there is no Rollout nope in namespace shop",
        },
    )
    assert (await page.get("api/v1/rollouts/empty/info"))[1] == {"rollouts": []}
    assert len(page.dashboard.scenes) == 0


async def test_argos_addresses_stand_below_the_root_too(page: Page) -> None:
    root = page.dashboard.url.removesuffix("rollouts/")
    async with page.http.get(f"{root}{BASE}/info") as answer:
        assert answer.status == 200
    async with page.http.get(root) as answer:
        assert (str(answer.url), answer.content_type) == (
            page.dashboard.url.replace("localhost", answer.url.host or ""),
            "text/html",
        )


@pytest.mark.proves("004-17", "004-18", "001-27")
@pytest.mark.compat("rollouts:client.dashboard")
async def test_what_can_be_done(page: Page) -> None:
    status, after = await page.put(f"{BASE}/web/promote", "{}")
    assert status == 200
    assert set(after) == {"metadata", "spec", "status"}
    assert (await page.shop.rollout())["status"].get("pauseConditions") is None
    await page.put(f"{BASE}/web/promote", '{"full": true}')
    assert (await page.shop.rollout())["status"]["promoteFull"] is True
    await page.put(f"{BASE}/web/abort")
    assert (await page.shop.rollout())["status"]["abort"] is True
    await page.put(f"{BASE}/web/retry")
    assert (await page.shop.rollout())["status"].get("abort", False) is False
    await page.put(f"{BASE}/web/restart")
    assert (await page.shop.rollout())["spec"]["restartAt"]
    await page.put(f"{BASE}/web/set/web/registry.example/team/web/v3")
    assert (await page.shop.rollout())["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example/team/web:v3"
    await page.put(f"{BASE}/web/undo/1")
    assert (await page.shop.rollout())["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example/web:v1"


@pytest.mark.parametrize(
    ("path", "body", "status", "told"),
    [
        ("nope/promote", "", 404, "Rollout nope not found in namespace shop"),
        ("web/promote", "[", 400, "the body is no JSON object"),
        ("web/promote", "[]", 400, "the body is no JSON object"),
        ("web/undo/9", "", 404, "web has no revision 9 to go back to"),
        ("web/undo/x", "", 400, '"x" is no revision'),
        ("web/set/nope/img/v1", "", 404, 'web has no container "nope"'),
    ],
)
async def test_what_cannot_be_done_is_said(page: Page, path: str, body: str, status: int, told: str) -> None:
    before = await page.shop.rollout()
    answered, said = await page.put(f"{BASE}/{path}", body)
    assert (answered, said["message"].startswith(told), said["error"]) == (status, True, said["message"])
    assert await page.shop.rollout() == before


async def test_pages_of_others_are_refused(page: Page) -> None:
    foreign = {"Origin": "http://evil.example", TOKEN_HEADER: "t0ken"}
    assert (await page.put(f"{BASE}/web/abort", **foreign))[0] == 403
    assert (await page.get(f"{BASE}/info", Host="evil.example"))[0] == 403
    ours = {"Origin": page.dashboard.url.removesuffix("/rollouts/"), TOKEN_HEADER: "t0ken"}
    assert (await page.put(f"{BASE}/web/abort", **{**ours, TOKEN_HEADER: "other"}))[0] == 403
    assert "abort" not in (await page.shop.rollout())["status"]
    assert (await page.put(f"{BASE}/web/abort", **ours))[0] == 200


async def test_the_page_allows_nothing_from_elsewhere(page: Page) -> None:
    async with page.http.get(page.dashboard.url) as answer:
        text, policy = await answer.text(), answer.headers["Content-Security-Policy"]
    assert 'content="t0ken"' in text and "http" not in text.replace("http-equiv", "")
    assert "default-src 'none'" in policy and "unsafe" not in policy
    async with page.http.get(f"{page.dashboard.url}rollouts.js") as answer:
        assert (answer.status, answer.content_type) == (200, "text/javascript")
    async with page.http.get(f"{page.dashboard.url}nope.js") as answer:
        assert answer.status == 404


@pytest.mark.proves("001-28")
async def test_a_stream_tells_each_change_of_one_rollout_and_its_end(page: Page) -> None:
    async with page.watch(f"{BASE}/web/info/watch") as stream:
        assert (await stream.result())["status"] == "Paused"
        await page.put(f"{BASE}/web/abort")
        assert (await stream.result())["shipway"]["why"].startswith("web threw out")
        made = pod(CANARY, "ddddd")
        made["metadata"]["ownerReferences"][0]["uid"] = await canary_uid(page)
        await page.shop.create(PODS, made)
        assert [len(rs["pods"]) for rs in (await stream.result())["replicaSets"]] == [2, 2]
        await page.shop.client.delete(ROLLOUTS, "shop", "web")
        assert (await stream.next())[0] == "gone"


async def canary_uid(page: Page) -> str:
    info = (await page.get(f"{BASE}/web/info"))[1]
    return info["replicaSets"][0]["objectMeta"]["uid"]


@pytest.mark.proves("001-28")
async def test_the_list_tells_only_what_changed(page: Page) -> None:
    async with page.watch(f"{BASE}/info/watch") as stream:
        first = await stream.result()
        assert (first["type"], first["rolloutInfo"]["objectMeta"]["name"]) == ("Added", "web")
        assert await stream.next() == ("listed", {"count": 1})
        other = rollout()
        other["metadata"]["name"] = "other"
        await page.shop.create(ROLLOUTS, other)
        added = await stream.result()
        assert (added["type"], added["rolloutInfo"]["objectMeta"]["name"]) == ("Added", "other")
        assert await stream.next() == ("listed", {"count": 2})
        await page.shop.client.delete(ROLLOUTS, "shop", "web")
        gone = await stream.result()
        assert (gone["type"], gone["rolloutInfo"]["objectMeta"]) == ("Deleted", {"name": "web", "namespace": "shop"})


async def test_watches_are_shared_and_end_with_the_last_page(page: Page) -> None:
    async with page.watch(f"{BASE}/info/watch") as one, page.watch(f"{BASE}/web/info/watch") as other:
        await one.next()
        await other.next()
        assert len(page.dashboard.scenes) == 1
    await page.put(f"{BASE}/web/abort")  # a page that has gone is noticed when there is something to tell it
    await eventually(lambda: len(page.dashboard.scenes) == 0)


@pytest.mark.proves("000-40")
async def test_blurred_names_are_shown_and_understood(shop: Shop) -> None:
    await shop.create_family(family())
    async with page_of(shop, blur=True) as page:
        namespace, name, container = false_name("shop"), false_name("web"), false_name("web")
        assert (await page.get("api/v1/namespace"))[1] == {"namespace": namespace, "availableNamespaces": [namespace]}
        base = f"api/v1/rollouts/{namespace}"
        async with page.http.get(f"{page.dashboard.url}{base}/info") as answer:
            text = await answer.text()
        assert name in text and "shop" not in text and "registry" not in text and '"web' not in text
        async with page.watch(f"{base}/{name}/info/watch") as stream:
            assert (await stream.result())["objectMeta"]["namespace"] == namespace
        status, after = await page.put(f"{base}/{name}/promote")
        assert (status, after["metadata"]["name"]) == (200, name)
        assert (await page.put(f"{base}/{name}/set/{container}/img/v9"))[0] == 200
        assert (await shop.rollout())["spec"]["template"]["spec"]["containers"][0]["image"] == "img:v9"
        assert (await page.get(f"{base}/web/info"))[0] == 404
        assert (await page.get("api/v1/rollouts/shop/info"))[0] == 404


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (DashboardFlags(port=-1), "--port -1 is no port"),
        (DashboardFlags(port=65536), "--port 65536 is no port"),
        (DashboardFlags(root_path="../x"), '--root-path "../x" is no plain path'),
        (DashboardFlags(root_path="a b"), '--root-path "a b" is no plain path'),
        (DashboardFlags(root_path="{x}"), '--root-path "{x}" is no plain path'),
    ],
)
async def test_bad_flags_are_refused(shop: Shop, flags: DashboardFlags, told: str) -> None:
    with pytest.raises(InvalidInput, match=f"^{told.replace('.', '[.]')}"):
        await serve(shop.session, flags)


async def test_a_port_that_is_taken_is_named(page: Page, shop: Shop) -> None:
    port = int(page.dashboard.url.split(":")[2].split("/")[0])
    with pytest.raises(InvalidInput, match=f"cannot listen on 127.0.0.1:{port}: .*give another --port"):
        await serve(shop.session, DashboardFlags(port=port))
