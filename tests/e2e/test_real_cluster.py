"""The same story on a real Kubernetes API server: steps 3 to 8, with simulated pods.

What the embedded cluster's proxy shows there, the route's weights and a metric server of the test show here.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from shipway.api.kinds import APPLICATION_SETS, APPLICATIONS, HTTP_ROUTES, ROLLOUTS
from shipway.assembly.engines import engine_process
from shipway.assembly.installation import install_crds, prepare
from shipway.assembly.settings import RunSettings
from shipway.base.clock import Instant, SystemClock
from shipway.demo.git_server import GitServer
from shipway.demo.repository import SampleShop
from shipway.demo.story import ARGOCD, SHOP, CanaryStory, canary_weight, runs_image
from shipway.demo.timeline import Timeline
from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import load_kubeconfig
from shipway.kube.client.transport import HttpTransport
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from shipway.kube.runtime.waiting import One, wait_until
from shipway.localcluster.node.addresses import AddressBook
from shipway.localcluster.node.node import Node
from shipway.localcluster.node.proxy.proxy import Proxy
from shipway.server.http import HttpServer
from tests.kube.installation import MANAGED, Access, Audited, granted

CLOCK = SystemClock()
A_WRITE_WAS_BEATEN, HISTORY, METADATA = "another write came first", "history limits", "metadata of canary pods"
JOB_METRIC, RESTART, SETS = "a job metric", "a restart", "ApplicationSets"
SHARING, WORKLOAD, EXPERIMENT, RULE = "several replicas", "a workloadRef", "an Experiment", "a verification rule"
AN_OLD_EVENT = "an event that another process began to count happens again"
SELDOM = {
    Access("get", "argoproj.io", "applications"): A_WRITE_WAS_BEATEN,
    Access("get", "argoproj.io", "rollouts"): A_WRITE_WAS_BEATEN,
    Access("get", "argoproj.io", "analysisruns"): A_WRITE_WAS_BEATEN,
    Access("get", "apps", "replicasets"): A_WRITE_WAS_BEATEN,
    Access("delete", "apps", "replicasets"): HISTORY,
    Access("delete", "argoproj.io", "analysisruns"): HISTORY,
    Access("create", "batch", "jobs"): JOB_METRIC,
    Access("delete", "batch", "jobs"): JOB_METRIC,
    Access("list", "", "pods"): RESTART,
    Access("watch", "", "pods"): RESTART,
    Access("create", "", "pods/eviction"): RESTART,
    Access("patch", "", "pods"): METADATA,
    Access("get", "argoproj.io", "experiments"): A_WRITE_WAS_BEATEN,
    Access("update", "argoproj.io", "experiments"): EXPERIMENT,
    Access("patch", "argoproj.io", "experiments"): EXPERIMENT,
    Access("create", "argoproj.io", "experiments"): EXPERIMENT,
    Access("delete", "argoproj.io", "experiments"): HISTORY,
    Access("get", "", "services"): EXPERIMENT,
    Access("create", "", "services"): EXPERIMENT,
    Access("delete", "", "services"): EXPERIMENT,
    Access("list", "apps", "daemonsets"): RULE,
    Access("watch", "apps", "daemonsets"): RULE,
    Access("list", "", "podtemplates"): WORKLOAD,
    Access("watch", "", "podtemplates"): WORKLOAD,
    Access("get", "argoproj.io", "applicationsets"): SETS,
    Access("update", "argoproj.io", "applicationsets"): SETS,
    Access("update", "argoproj.io", "applicationsets/status"): SETS,
    Access("patch", "argoproj.io", "applications"): SETS,
    Access("create", "argoproj.io", "applications"): SETS,
    Access("delete", "argoproj.io", "applications"): SETS,
    Access("get", "", "events"): AN_OLD_EVENT,
    Access("patch", "coordination.k8s.io", "leases"): SHARING,
    Access("delete", "coordination.k8s.io", "leases"): SHARING,
}
"""What is granted though this story never needs it, and what does."""
OF_THE_FIRST = {
    Access("create", "argoproj.io", "appprojects"),
    Access("create", "", "secrets"),
    Access("create", "coordination.k8s.io", "leases"),
}
"""Needed by the first process of a cluster only: the others find the default project, the key and the Lease."""


class RouteWatcher:
    """Where nobody sends requests, the route says who would get them."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def first_answer_of(self, version: str, seconds: float) -> Instant:
        if version != "v1":
            await self._until(lambda rollout: runs_image(rollout, version), ROLLOUTS, seconds)
            await self._until(lambda route: (canary_weight(route) or 0) > 0, HTTP_ROUTES, seconds)
        return CLOCK.now()

    def last_answer_of(self, version: str) -> Instant | None:
        return None

    async def _until(self, is_so, resource, seconds: float) -> None:
        await wait_until(self._client, One(resource, SHOP, "web"), is_so, seconds=seconds)


@asynccontextmanager
async def metric_server(client: Client) -> AsyncIterator[str]:
    """Serves what the demo's proxy serves: no failures for v2, three of ten for v3."""

    async def answer(request: web.Request) -> web.Response:
        is_bad = runs_image(await client.get(ROLLOUTS, SHOP, "web"), "v3")
        return web.json_response({"window": {"failure_ratio": 0.3 if is_bad else 0.0}})

    app = web.Application()
    app.router.add_get("/-/services/{namespace}/{service}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def shipway_on(kubeconfig: Path, account: Path, home: Path) -> AsyncIterator[tuple[Client, GitServer, Audited]]:
    """A node with simulated pods, a gateway, the engines with their account's rights, a Git server that tells of pushes."""
    async with AsyncExitStack() as stack:
        client = Client(HttpTransport(load_kubeconfig(kubeconfig, None)), user_agent="shipway-test", manager="shipway-test")
        stack.push_async_callback(client.close)
        await install_crds(client)
        settings = RunSettings(kubeconfig=account, namespace=ARGOCD, cache=home / "cache")
        audited = Audited(HttpTransport(load_kubeconfig(account)))
        stack.push_async_callback(audited.close)
        engines = Client(audited, user_agent="shipway", manager="shipway")
        await prepare(engines, settings)
        addresses = AddressBook()
        await stack.enter_async_context(Node(client, name="simulated", home=home, clock=CLOCK, addresses=addresses))
        await stack.enter_async_context(Proxy(client, clock=CLOCK, addresses=addresses))
        process = await stack.enter_async_context(engine_process(engines, CLOCK, settings))
        server = HttpServer(process, process.runtime.metrics.registry, process.webhook_secrets)
        await server.start("127.0.0.1", 0)
        stack.push_async_callback(server.stop)
        git = GitServer(home / "repositories")
        await git.start()
        stack.push_async_callback(git.stop)
        git.notify(f"{server.url}/api/webhook", "not configured")
        ready = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            running = group.create_task(process.run(ready.set))
            await asyncio.wait_for(ready.wait(), 90)
            yield client, git, audited
            running.cancel()


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.proves("deploy:least-rights")
async def test_the_story_on_a_real_kubernetes(real_control_plane, shipway_account: Path, tmp_path: Path) -> None:
    there = shipway_on(real_control_plane.kubeconfig, shipway_account, tmp_path)
    async with there as (client, git, audited), metric_server(client) as metrics_url:
        shop = SampleShop(tmp_path / "shop", git.create("shop"), os.environ.get("PATH", os.defpath))
        await shop.create(metrics_url, web_image="shop/web")
        story = CanaryStory(client, shop, RouteWatcher(client), CLOCK, Timeline(CLOCK))
        await story.play(lambda: None)
        found = story.findings
        assert (found.apps_synced, found.promoted, found.aborted) == (3, ["v2"], ["v3"])
        assert [change.weight for change in found.weights] == [0, 5, 30, 100, 0, 5, 0]
        assert found.bad_step_weight_pct == 5
        assert found.healed
        assert found.pruned
        assert found.drift_manager == "ada-by-hand"
        assert all(word in found.why for word in ("Degraded", "v3", "v2", "error-rate"))
    assert audited.refused == []
    own = granted("engines.yaml")
    assert audited.used <= own | granted(*MANAGED)
    unused = own - audited.used - OF_THE_FIRST
    assert unused <= set(SELDOM)
    assert {SELDOM[access] for access in set(SELDOM) - unused} <= {A_WRITE_WAS_BEATEN, AN_OLD_EVENT}, "needed after all"


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.proves("deploy:least-rights")
async def test_a_set_makes_alters_and_deletes_applications_on_a_real_kubernetes(
    real_control_plane, shipway_account: Path, tmp_path: Path
) -> None:
    def one(name: str, path: str = "a") -> dict[str, str]:
        return {"name": name, "path": path}

    def generators(*elements: dict[str, str]) -> Obj:
        return {"spec": {"generators": [{"list": {"elements": list(elements)}}]}}

    async def app_is(name: str, is_so: Callable[[Obj | None], bool]) -> None:
        await wait_until(client, One(APPLICATIONS, ARGOCD, name), is_so, seconds=60)

    there = shipway_on(real_control_plane.kubeconfig, shipway_account, tmp_path)
    async with there as (client, git, audited):
        source = {"repoURL": git.create("fleet"), "path": "{{ .path }}", "targetRevision": "main"}
        destination = {"server": "https://kubernetes.default.svc", "namespace": "default"}
        template = {
            "metadata": {"name": "{{ .name }}", "labels": {"by": "set"}},
            "spec": {"project": "default", "source": source, "destination": destination},
        }
        spec = {"goTemplate": True, "template": template, **generators(one("blue"), one("green"))["spec"]}
        meta = {"name": "fleet", "namespace": ARGOCD}
        kind = {"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet"}
        await client.create(APPLICATION_SETS, {**kind, "metadata": meta, "spec": spec})
        await app_is("blue", lambda app: app is not None)
        await app_is("green", lambda app: app is not None)
        by_hand = {
            "metadata": {"labels": {"by": "hand"}, "annotations": {"note": "mine"}},
            "spec": {"info": [{"name": "a", "value": "b"}]},
        }
        await client.patch(APPLICATIONS, ARGOCD, "blue", by_hand)
        await app_is("blue", lambda app: dig(app, "metadata", "labels", "by") == "set" and dig(app, "spec", "info") is None)
        await client.patch(APPLICATION_SETS, ARGOCD, "fleet", generators(one("blue", "b")))
        await app_is("green", lambda app: app is None)
        await app_is("blue", lambda app: dig(app, "spec", "source", "path") == "b")
        assert dig(await client.get(APPLICATIONS, ARGOCD, "blue"), "metadata", "annotations", "note") == "mine"
        await client.delete(APPLICATION_SETS, ARGOCD, "fleet", propagation="Background")
        await app_is("blue", lambda app: app is None)
    assert audited.refused == []
    assert audited.used <= granted("engines.yaml") | granted(*MANAGED)
