"""The dashboard as a person sees it: a real browser on `shipway rollout dashboard`, the real engine behind it.

A scripted update is played: a good figure is measured, it pauses, somebody promotes it with a button, it turns green.
"""

import asyncio
import struct
import zlib
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import orjson
import pytest
import pytest_asyncio
from aiohttp import web

from shipway.api.kinds import ANALYSIS_TEMPLATES, ROLLOUTS
from shipway.assembly.cluster import embedded_cluster
from shipway.assembly.engines import engine_process
from shipway.assembly.installation import prepare
from shipway.assembly.settings import RunSettings
from shipway.base.clock import SystemClock
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.server.dashboard.blur import false_name
from tests.browser import Tab, browser
from tests.e2e.running import served_page
from tests.ports import free_port

SPELL = "<img src=x onerror=alert(1)>"
"""What must never be read as markup."""


class Stage:
    """A cluster with the engine, and what starts the dashboard on it."""

    def __init__(self, client: Client, kubeconfig: Path, folder: Path, metrics: str) -> None:
        self.client, self.metrics = client, metrics
        self._kubeconfig, self._folder = kubeconfig, folder

    def dashboard(self, *flags: str, port: int = 0) -> AbstractAsyncContextManager[str]:
        """Its address, while it runs."""
        return served_page("rollout", self._kubeconfig, self._folder / "url", "--port", str(port), *flags)


@pytest_asyncio.fixture
async def stage(tmp_path: Path) -> AsyncGenerator[Stage, None]:
    clock = SystemClock()
    async with embedded_cluster(tmp_path / "home", clock) as cluster, figures() as metrics:
        settings = RunSettings(kubeconfig=cluster.kubeconfig, engines=("rollouts",), cache=tmp_path / "cache")
        await prepare(cluster.client, settings)
        async with engine_process(cluster.client, clock, settings) as process, asyncio.TaskGroup() as group:
            ready = asyncio.Event()
            running = group.create_task(process.run(ready.set))
            await asyncio.wait_for(ready.wait(), 90)
            yield Stage(cluster.client, cluster.kubeconfig, tmp_path, metrics)
            running.cancel()


@asynccontextmanager
async def figures() -> AsyncGenerator[str, None]:
    """A metric server that always says 0.99."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"value": 0.99})

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()


def template(url: str) -> Obj:
    metric = {
        "name": f"success-rate {SPELL}", "interval": "1s", "count": 3, "successCondition": "result >= 0.95",
        "provider": {"web": {"url": url, "jsonPath": "{$.value}"}},
    }  # fmt: skip
    head = {"apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisTemplate"}
    return {**head, "metadata": {"name": "success-rate", "namespace": "default"}, "spec": {"metrics": [metric]}}


def rollout(tag: str) -> Obj:
    steps = [
        {"setWeight": 25},
        {"analysis": {"templates": [{"templateName": "success-rate"}]}},
        {"pause": {}},
        {"setWeight": 50},
    ]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "replicas": 4,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": f"example/web:{tag}"}]},
            },
            "strategy": {"canary": {"steps": steps}},
        },
    }


def click(selector: str) -> str:
    return f"document.querySelector('{selector}').click()"


SAYS_PAUSED = "document.querySelector('.head .badge.paused')?.innerText.includes('Paused')"
CURRENT = "document.querySelector('.steps [aria-current=step]')?.innerText"


@pytest.mark.proves("001-28", "000-40", "001-27", "004-18", "rollouts:dashboard")
@pytest.mark.timeout(360)
async def test_a_scripted_update_in_a_browser(stage: Stage, program: Callable[[str], str], tmp_path: Path) -> None:
    await stage.client.create(ANALYSIS_TEMPLATES, template(stage.metrics))
    await stage.client.create(ROLLOUTS, rollout("v1"))
    async with stage.dashboard() as url, browser(program("chromium"), tmp_path) as tab:
        await tab.open(url)
        await tab.until("document.querySelector('.card .badge.good')?.innerText.includes('Healthy')", within=60)
        await tab.value(click(".card a"))
        await tab.until("document.querySelector('#why')?.innerText.startsWith('web is fully on')")
        assert await tab.value("document.querySelector('button[data-verb=promote]').disabled")

        await stage.client.patch(ROLLOUTS, "default", "web", {"spec": rollout("v2")["spec"]})
        await tab.until(SAYS_PAUSED, within=60)
        await shows_the_pause(tab)
        await promotes(tab)
        await tab.until("document.querySelector('.head .badge.good')?.innerText.includes('Healthy')", within=60)
        await tab.until("document.querySelectorAll('.version.stable .pod.good').length === 4")

        await tab.value(click("button[data-verb=restart]"))
        assert "replaces its 4 pods one after the other" in await tab.value("document.querySelector('#ask-says').innerText")
        await tab.value(click("#ask-yes"))
        await tab.until("document.querySelector('#said').innerText === 'Restart: done'")
        assert (await stage.client.get(ROLLOUTS, "default", "web"))["spec"]["restartAt"]
        assert tab.troubles == []


async def shows_the_pause(tab: Tab) -> None:
    """The stable version stands left of the steps; step, weights and measured figures are there; the picture is not empty."""
    assert "pause" in await tab.until(CURRENT)
    assert "web waits at step 3 of 4 for somebody to promote it; then comes setWeight: 50." in await tab.value(
        "document.querySelector('#why').innerText"
    )
    left, right = "document.querySelector('.version.stable')", "document.querySelector('.steps')"
    assert await tab.value(f"{left}.getBoundingClientRect().right < {right}.getBoundingClientRect().left")
    for seen in (  # pods and measurements are told beside the Rollout, and may come after it
        "document.querySelectorAll('.version.stable .pod').length === 3",
        "document.querySelector('.weights').innerText.includes('weight 25, asked 25')",
        "document.querySelectorAll('.chart circle.good').length === 3",
        "document.querySelectorAll('.chart line.bound.success').length === 1",
    ):
        await tab.until(seen)
    assert SPELL in await tab.value("document.querySelector('.metric h4').innerText")
    assert await tab.value("document.querySelector('img') === null")
    picture = await tab.screenshot()
    assert distinct_bytes(picture) > 50


def distinct_bytes(png: bytes) -> int:
    """Of the pixels, by row as PNG stores them: a page of one colour has two or three."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    at, pixels = 8, b""
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        pixels += png[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += length + 12
    return len(set(zlib.decompress(pixels)))


async def promotes(tab: Tab) -> None:
    """By the keyboard alone: the button, then the answer to what will happen."""
    await tab.value("document.querySelector('button[data-verb=promote]').focus()")
    await tab.key("Enter")
    await tab.until("document.querySelector('#ask').open")
    said = await tab.value("document.querySelector('#ask-says').innerText")
    assert said == "web leaves its pause at step 3 of 4 (pause) and goes on with setWeight: 50."
    await tab.value("document.querySelector('#ask-yes').focus()")
    await tab.key("Enter")
    await tab.until("document.querySelector('#said').innerText === 'Promote: done'")


@pytest.mark.proves("000-40", "rollouts:dashboard")
@pytest.mark.timeout(360)
async def test_a_blurred_page_names_nothing(stage: Stage, program: Callable[[str], str], tmp_path: Path) -> None:
    await stage.client.create(ANALYSIS_TEMPLATES, template(stage.metrics))
    await stage.client.create(ROLLOUTS, rollout("v1"))
    async with stage.dashboard("--blur") as url, browser(program("chromium"), tmp_path) as tab:
        await tab.open(url)
        await tab.until("document.querySelector('.card .badge.good') !== null", within=60)
        await tab.value(click(".card a"))
        await tab.until("document.querySelector('.head h2')?.innerText")
        assert await tab.value("document.querySelector('.head h2').innerText") == false_name("web")
        shown = await tab.value("document.documentElement.outerHTML + location.href + document.title")
        for secret in ("web", "example", "default"):
            assert secret not in shown.replace(url, "")
        assert tab.troubles == []


SEARCHES = (
    ("", True), ("web", True), ("WE", True), ('"web"', True), ('"we"', False), ("!web", False), ("!old", True),
    ("healthy web", True), ("label:app", True), ("label:app=shop", True), ("label:app=other", False),
    ("!label:team", True), ("example/web:v1", True),
)  # fmt: skip
GROUND = "getComputedStyle(document.body).backgroundColor"


@pytest.mark.proves("001-28", "rollouts:dashboard")
@pytest.mark.timeout(360)
async def test_the_page_finds_its_dashboard_again_and_goes_with_the_light(
    stage: Stage, program: Callable[[str], str], tmp_path: Path
) -> None:
    await stage.client.create(ANALYSIS_TEMPLATES, template(stage.metrics))
    await stage.client.create(ROLLOUTS, rollout("v1"))
    async with browser(program("chromium"), tmp_path) as tab:
        port = free_port()  # the second one must find it free
        async with stage.dashboard(port=port) as url:
            await tab.open(url)
            await tab.until("document.querySelector('.card .badge.good') !== null", within=60)
            light = await tab.value(GROUND)
            await tab.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
            assert await tab.value(GROUND) != light
            for query, is_found in SEARCHES:
                assert await tab.value(found_by(query)) is is_found, query
        await tab.until("document.querySelector('#freshness').className === 'late'")
        async with stage.dashboard(port=port):
            await stage.client.patch(ROLLOUTS, "default", "web", {"spec": {"paused": True}})
            await tab.until("document.querySelector('#freshness').innerText === 'live'")
            await tab.until("document.querySelector('.card .badge').innerText.includes('Paused')")


def found_by(query: str) -> str:
    """Whether the search finds a healthy Rollout web with the label app=shop."""
    meta = {"name": "web", "labels": {"app": "shop"}}
    one = {"objectMeta": meta, "status": "Healthy", "containers": [{"image": "example/web:v1"}]}
    return f"import('./list.js').then((list) => list.matches({orjson.dumps(one).decode()}, {orjson.dumps(query).decode()}))"
