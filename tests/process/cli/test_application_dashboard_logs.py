"""The logs of the page of Applications over HTTP, against the cluster in memory: whose are told, and whose are not."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

import aiohttp
import pytest

from shipway.api.kinds import PODS
from shipway.base.clock import SystemClock
from shipway.cli.dashboard import acting, acting_on_applications, log_of, looked_around
from shipway.kube.objects.resource import Obj
from shipway.server.dashboard.application_rest import BASE, ApplicationPage
from shipway.server.dashboard.rest import Dashboard, Settings
from tests.unit.cli.conftest import Shop
from tests.unit.cli.test_app_logs import SAID, Saying, web
from tests.unit.cli.test_app_tree import a_pod

__all__ = ["web"]


@asynccontextmanager
async def asking(shop: Shop, *, blur: bool = False) -> AsyncGenerator["Asking", None]:
    clock = SystemClock()
    look_around, read_log = partial(looked_around, shop.session), partial(log_of, shop.session)
    page = ApplicationPage(shop.client, clock, "", look_around, acting_on_applications(shop.session), read_log)
    settings = Settings("shop", "t0ken", is_blurred=blur)
    shown = None if blur else page
    async with Dashboard(shop.client, clock, acting(shop.session), settings, shown) as board, aiohttp.ClientSession() as http:
        await board.start(0)
        yield Asking(http, f"{board.address}{BASE}api/v1/applications/argocd/shop")


class Asking:
    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.http, self.url = http, url

    async def log(self, query: str) -> tuple[int, str]:
        async with self.http.get(f"{self.url}/log?{query}") as answer:
            if answer.status != 200:
                return answer.status, (await answer.json())["message"] if answer.content_type == "application/json" else ""
            return answer.status, (await answer.content.readline()).decode()


async def test_a_pod_of_the_tree_is_read_from_its_last_lines_on(shop: Shop, web: Obj) -> None:
    said = Saying(SAID)
    shop.server.attach_logs(said)
    async with asking(shop) as page:
        assert await page.log("namespace=shop&pod=web-1-a&container=proxy") == (200, "GET /\n")
        assert await page.log("namespace=shop&pod=web-1-a&container=web&previous=true") == (200, "one\n")
        assert await page.log("namespace=shop&pod=web-1-a&container=web&whole=true") == (200, "one\n")
        async with page.http.get(page.url) as answer:
            told = {(one["kind"], one["name"]): one["containers"] for one in (await answer.json())["resources"]}
    asked = [(voice, options["follow"], options["tail_lines"], options["previous"]) for voice, options in said.asked]
    assert asked == [
        ("web-1-a/proxy", True, 200, False), ("web-1-a/web", False, 200, True), ("web-1-a/web", False, None, False),
    ]  # fmt: skip
    assert (told["Pod", "web-1-a"], told["Deployment", "web"]) == (["web", "proxy"], [])


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        pytest.param("namespace=shop&pod=other&container=web", 404, "shop has no pod other in namespace shop, or no longer",
                     id="of nobody's"),
        pytest.param("namespace=argocd&pod=web-1-a&container=web", 404, "shop has no pod web-1-a in namespace argocd",
                     id="another namespace"),
        pytest.param("namespace=shop&pod=web-1-a&container=db", 400, 'pod web-1-a has no container "db": it has web, proxy',
                     id="another container"),
        pytest.param("namespace=shop&pod=web-1-a&container=web", 400, "waiting to start", id="the API server refuses"),
        pytest.param("container=web", 400, "say whose log is wanted", id="no pod"),
    ],
)  # fmt: skip
async def test_why_there_is_no_log(shop: Shop, web: Obj, query: str, status: int, told: str) -> None:
    """A pod of the same namespace that is not of the tree is not told, though whoever started the dashboard may read it."""
    stranger = a_pod("other", {"app": "other"}, web)
    del stranger["metadata"]["ownerReferences"]
    await shop.create(PODS, stranger)
    shop.server.attach_logs(Saying({"other/web": [b"secret\n"]}))
    async with asking(shop) as page:
        answered, message = await page.log(query)
    assert (answered, told in message) == (status, True), message


@pytest.mark.proves("000-40")
async def test_a_blurred_screen_shows_no_logs(shop: Shop, web: Obj) -> None:
    shop.server.attach_logs(Saying(SAID))
    async with asking(shop, blur=True) as page:
        assert await page.log("namespace=shop&pod=web-1-a&container=web") == (404, "")
