"""Smoke tests that users write, a Job and a web metric, decide about a release: with a real HTTP server and real exit codes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from shipway.api.kinds import ANALYSIS_TEMPLATES, ROLLOUTS
from shipway.assembly.cluster import embedded_cluster
from shipway.assembly.engines import engine_process
from shipway.assembly.installation import prepare
from shipway.assembly.settings import RunSettings
from shipway.base.clock import SystemClock
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from shipway.kube.runtime.waiting import One, wait_until

STEPS: list[Obj] = [{"setWeight": 50}, {"analysis": {"templates": [{"templateName": "smoke"}]}}]


@asynccontextmanager
async def orders(status: str) -> AsyncGenerator[str, None]:
    """The URL of a service whose self-test says `status`."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"checks": [{"name": "orders", "status": status}]})

    app = web.Application()
    app.router.add_get("/selftest", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/selftest"
    await runner.cleanup()


def by_job(code: int) -> Obj:
    container = {"name": "smoke", "image": "example/smoke:v1", "command": ["sh", "-c", f"exit {code}"]}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    return {"name": "smoke", "provider": {"job": {"spec": {"backoffLimit": 0, "template": template}}}}


def by_web(url: str) -> Obj:
    found = {"url": url, "jsonPath": "{$.checks[?(@.name=='orders')].status}"}
    return {"name": "selftest", "successCondition": 'result == "ok"', "provider": {"web": found}}


def rollout(version: str) -> Obj:
    container = {"name": "web", "image": f"example/web:{version}"}
    labels = {"app": "web"}
    return {
        "apiVersion": ROLLOUTS.api_version,
        "kind": ROLLOUTS.kind,
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            "strategy": {"canary": {"steps": STEPS}},
        },
    }


@asynccontextmanager
async def cluster(home: Path) -> AsyncGenerator[Client, None]:
    """An embedded cluster with the engine of `shipway run`."""
    clock = SystemClock()
    async with embedded_cluster(home / "home", clock) as there:
        settings = RunSettings(kubeconfig=there.kubeconfig, engines=("rollouts",), cache=home / "cache")
        await prepare(there.client, settings)
        async with engine_process(there.client, clock, settings) as process, asyncio.TaskGroup() as group:
            ready = asyncio.Event()
            running = group.create_task(process.run(ready.set))
            await asyncio.wait_for(ready.wait(), 90)
            yield there.client
            running.cancel()


async def becomes(client: Client, phase: str, version: str) -> Obj:
    def is_so(found: Obj | None) -> bool:
        image = dig(found or {}, "spec", "template", "spec", "containers", 0, "image", default="")
        observed = dig(found or {}, "status", "observedGeneration") == str(dig(found or {}, "metadata", "generation"))
        return observed and image.endswith(version) and dig(found or {}, "status", "phase") == phase

    found = await wait_until(client, One(ROLLOUTS, "default", "web"), is_so, seconds=60)
    assert found is not None
    return found


@pytest.mark.proves("004-21")
@pytest.mark.parametrize(
    ("code", "status", "cause"),
    [
        (0, "ok", ""),
        (3, "ok", 'Metric "smoke" assessed Failed due to failed (1) > failureLimit (0)'),
        (0, "no connection", 'Metric "selftest" assessed Failed due to failed (1) > failureLimit (0)'),
    ],
    ids=["both are content", "the job fails", "the web metric fails"],
)
async def test_a_job_and_a_web_metric_decide_about_a_release(tmp_path: Path, code: int, status: str, cause: str) -> None:
    async with cluster(tmp_path) as client, orders(status) as url:
        template = {"metadata": {"name": "smoke", "namespace": "default"}, "spec": {"metrics": [by_job(code), by_web(url)]}}
        await client.create(ANALYSIS_TEMPLATES, {"apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisTemplate", **template})
        await client.create(ROLLOUTS, rollout("v1"))
        stable = (await becomes(client, "Healthy", "v1"))["status"]["stableRS"]
        await client.patch(ROLLOUTS, "default", "web", {"spec": rollout("v2")["spec"]})
        if not cause:
            assert (await becomes(client, "Healthy", "v2"))["status"]["stableRS"] != stable
            return
        found = await becomes(client, "Degraded", "v2")
        assert cause in found["status"]["message"]
        assert found["status"]["stableRS"] == stable
        assert found["status"]["abort"] is True
