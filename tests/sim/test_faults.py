"""The real engines under faults: crashes between any two writes, lost answers, refusals, dropped and stale watches.

A world per seed: the embedded API server in memory with its built-in controllers, and the GitOps, Rollouts and analysis
engines behind a transport that misbehaves. A story is played on it (a good release, a bad one, a hand edit, a manifest that
goes). Whatever happened on the way, at the end everything is as it should be, nothing was made twice, and nobody writes.
A failure prints its seed; run it alone with `pytest -k 'seed-17'`.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from shipway.api.crds import load_crds
from shipway.api.kinds import (
    ANALYSIS_RUNS,
    APPLICATIONS,
    CONFIG_MAPS,
    CRDS,
    DEPLOYMENTS,
    HTTP_ROUTES,
    NAMESPACES,
    REPLICA_SETS,
    ROLLOUTS,
)
from shipway.api.ledger import first_break
from shipway.api.metrics import Sample
from shipway.base.clock import Instant
from shipway.demo.story import canary_weight, is_promoted, is_synced_and_healthy, runs_image
from shipway.gitops.asks import DryRunAsk, HeadAsk, RecordAsk, RenderAsk
from shipway.gitops.controllers import gitops_controllers
from shipway.gitops.ledger import last_operation, remembered_on
from shipway.gitops.settings import GitOpsSettings
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, labels_of, spec_of
from shipway.kube.objects.wire import Request, Response
from shipway.kube.runtime.runtime import Runtime
from shipway.kube.runtime.virtual_time import run_in_virtual_time
from shipway.kube.runtime.waiting import One, follow, wait_until
from shipway.rollouts.analysis.asks import MeasureAsk
from shipway.rollouts.analysis.controller import AnalysisRunController
from shipway.rollouts.controllers import rollout_controllers
from shipway.rollouts.settings import RolloutSettings
from tests.sim.book import Book
from tests.sim.cluster_world import Cluster, cluster, deployment, node
from tests.sim.faults import Crash, Faults, FaultyTransport, until_it_dies
from tests.sim.gitops_world import Repository, application

SEEDS = 50
STEPS = [0, 5, 30, 100]
RESTART_SECONDS = 1.0


class Counting:
    """Innermost: what really reached the server from the engines."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.writes = 0

    async def send(self, request: Request) -> Response:
        dry = ("dryRun", "All") in request.query
        if request.method != "GET" and not dry and "/events" not in request.path:
            self.writes += 1
        return await self._server.send(request)

    async def close(self) -> None:
        """The server belongs to the world."""


class Shipway:
    """The engines as one process that dies and is started again."""

    def __init__(self, there: Cluster, repository: Repository, rng: random.Random) -> None:
        self.reached = Counting(there.server)
        self.transport = FaultyTransport(self.reached, there.clock, rng, Faults())
        self.repository = repository
        self.book = Book()
        self._there = there
        self._rng = rng
        self._runtime: Runtime | None = None

    async def run(self) -> None:
        while True:
            self._runtime = self._started()
            await until_it_dies(self._runtime.run())
            await self._there.clock.sleep(RESTART_SECONDS)

    def pushed(self) -> None:
        if self._runtime:
            self._runtime.refresh(lambda ask: isinstance(ask, HeadAsk))

    def _started(self) -> Runtime:
        client = Client(self.transport, manager="shipway-gitops")

        async def dry_run(ask: DryRunAsk) -> Obj:
            return await client.apply(ask.resource, ask.obj, manager=ask.manager, dry_run=True)

        async def measure(ask: MeasureAsk) -> Sample:
            is_bad = runs_image(await self._there.user.get(ROLLOUTS, "shop", "web"), "v3")
            return Sample(0.3 if is_bad else 0.0, "0.3" if is_bad else "0")

        controllers = [
            *gitops_controllers(GitOpsSettings(namespace="argocd", key=b"simulation")),
            *rollout_controllers(RolloutSettings()),
            AnalysisRunController(),
        ]
        resolvers = {
            HeadAsk: self.repository.head_of,
            RenderAsk: self.repository.render,
            DryRunAsk: dry_run,
            MeasureAsk: measure,
            RecordAsk: self.book.record,
        }
        return Runtime(client, controllers, clock=self._there.clock, resolvers=resolvers, rng=self._rng)


def shop(version: str, *, banner: bool = True) -> list[Obj]:
    """What Git holds: a routed Rollout with its analysis, a Deployment, and perhaps a ConfigMap."""
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    services = [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {"selector": {"app": "web"}, "ports": ports},
        }
        for name in ("web-stable", "web-canary")
    ]
    backends = [{"name": name, "port": 80} for name in ("web-stable", "web-canary")]
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "web"},
        "spec": {"parentRefs": [{"name": "shop"}], "rules": [{"backendRefs": backends}]},
    }
    catalog = deployment(image="shop/catalog:1", replicas=2, name="catalog")
    del catalog["metadata"]["namespace"]
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "banner"}, "data": {"text": "sale"}}
    return [*services, route, template(), rollout(version), catalog, *([config] if banner else [])]


def template() -> Obj:
    metric = {
        "name": "error-rate",
        "interval": "2s",
        "failureLimit": 1,
        "successCondition": "result <= 0.05",
        "provider": {"web": {"url": "http://metrics.test/"}},
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisTemplate",
        "metadata": {"name": "error-rate"},
        "spec": {"metrics": [metric]},
    }


def rollout(version: str) -> Obj:
    labels = {"app": "web"}
    canary = {
        "stableService": "web-stable",
        "canaryService": "web-canary",
        "trafficRouting": {"plugins": {"argoproj-labs/gatewayAPI": {"httpRoute": "web", "namespace": "shop"}}},
        "analysis": {"templates": [{"templateName": "error-rate"}], "startingStep": 1},
        "steps": [
            {"setWeight": 5},
            {"pause": {"duration": "20s"}},
            {"setWeight": 30},
            {"pause": {"duration": "20s"}},
            {"setWeight": 100},
        ],
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": f"shop/web:{version}"}]},
            },
            "strategy": {"canary": canary},
        },
    }


@asynccontextmanager
async def world(seed: int) -> AsyncGenerator[tuple[Cluster, Shipway], None]:
    async with cluster([node()], seed) as there:
        for crd in load_crds():
            await there.user.create(CRDS, crd)
        for name in ("argocd", "shop"):
            await there.user.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        repository = Repository()
        repository.commit(shop("v1"))
        shipway = Shipway(there, repository, random.Random(seed))
        async with asyncio.TaskGroup() as group:
            running = group.create_task(shipway.run())
            watching = [group.create_task(watch(there)) for watch in (weights_stay_on_the_steps, no_kind_is_called_unserved)]
            yield there, shipway
            running.cancel()
            for task in watching:
                task.cancel()


async def weights_stay_on_the_steps(there: Cluster) -> None:
    """From the first weight that we write on, the route only ever gives the canary the weight of a step."""
    is_ours = False
    async for route in follow(there.user, One(HTTP_ROUTES, "shop", "web")):
        weight = canary_weight(route)
        is_ours = is_ours or weight == 0  # before the first weight is written, the Gateway API's default of 1 stands there
        assert not is_ours or weight in STEPS, f"weight {weight} belongs to no step"


async def no_kind_is_called_unserved(there: Cluster) -> None:
    """A cluster that cannot be asked what it serves is no fault of the spec."""
    async for rollout in follow(there.user, One(ROLLOUTS, "shop", "web")):
        said = dig(rollout, "status", "message", default="")
        assert "does not serve" not in said, said


async def push(shipway: Shipway, objects: list[Obj]) -> None:
    shipway.repository.commit(objects)
    shipway.pushed()


async def becomes_healthy(there: Cluster) -> None:
    await wait_until(there.user, One(APPLICATIONS, "argocd", "shop"), is_synced_and_healthy, seconds=600)


async def becomes(there: Cluster, condition: Callable[[Obj | None], bool]) -> None:
    await wait_until(there.user, One(ROLLOUTS, "shop", "web"), condition, seconds=900)


async def play(there: Cluster, shipway: Shipway) -> None:
    """The story; faults all the way."""
    await there.user.create(APPLICATIONS, application())
    await becomes_healthy(there)
    await push(shipway, shop("v2"))
    await becomes(there, lambda obj: is_promoted(obj, "v2"))
    await push(shipway, shop("v3"))
    await becomes(there, lambda obj: runs_image(obj, "v3") and bool(dig(obj, "status", "abort")))
    await there.user.patch(DEPLOYMENTS, "shop", "catalog", {"spec": {"replicas": 7}})
    await push(shipway, shop("v3", banner=False))
    await wait_until(there.user, One(CONFIG_MAPS, "shop", "banner"), lambda obj: obj is None, seconds=900)


async def check(there: Cluster, shipway: Shipway) -> None:
    """Everything is as it should be, nothing was made twice, and nobody writes any more."""
    user = there.user
    app, web = await user.get(APPLICATIONS, "argocd", "shop"), await user.get(ROLLOUTS, "shop", "web")
    assert dig(app, "status", "health", "status") == "Degraded"
    assert dig(app, "status", "sync", "status") == "Synced"
    assert dig(web, "status", "message", default="").startswith("RolloutAborted")
    assert canary_weight(await user.get(HTTP_ROUTES, "shop", "web")) == 0
    sets = [obj for obj in (await user.list(REPLICA_SETS, "shop")).items if labels_of(obj).get("app") == "web"]
    images = sorted(dig(obj, "spec", "template", "spec", "containers", 0, "image") for obj in sets)
    assert images == ["shop/web:v1", "shop/web:v2", "shop/web:v3"], "one ReplicaSet per version"
    stable = next(obj for obj in sets if dig(obj, "spec", "template", "spec", "containers", 0, "image").endswith("v2"))
    assert spec_of(stable)["replicas"] == 3
    assert dig(web, "status", "stableRS") == labels_of(stable)["rollouts-pod-template-hash"]
    runs = (await user.list(ANALYSIS_RUNS, "shop")).items
    assert len(runs) == 2, "one background run per release"
    assert spec_of(await user.get(DEPLOYMENTS, "shop", "catalog"))["replicas"] == 2
    recorded = shipway.book.rows["argocd/shop"]
    last = last_operation(app, Instant(there.clock.now() + 3600))
    assert first_break(recorded, remembered_on(app).place, last) is None
    assert len({row.entry for row in recorded}) == len(recorded) >= len(app["status"]["history"])
    before = shipway.reached.writes
    await there.clock.sleep(600)
    assert shipway.reached.writes == before, "at rest nobody writes"


@pytest.mark.parametrize("seed", range(SEEDS), ids=lambda seed: f"seed-{seed}")
def test_whatever_goes_wrong_on_the_way_it_ends_well(seed: int) -> None:
    async def story() -> None:
        async with world(seed) as (there, shipway):
            await play(there, shipway)
            shipway.transport.calm()
            await there.clock.sleep(300)
            await check(there, shipway)
            assert shipway.transport.injected > 10, "the seed has hardly met a fault"

    run_in_virtual_time(story())


def test_the_same_seed_is_the_same_run() -> None:
    def trace(seed: int) -> bytes:
        async def story() -> bytes:
            async with world(seed) as (there, shipway):
                await there.user.create(APPLICATIONS, application())
                await becomes_healthy(there)
                app = await there.user.get(APPLICATIONS, "argocd", "shop")
                return orjson.dumps([app, shipway.transport.injected, shipway.reached.writes], option=orjson.OPT_SORT_KEYS)

        return run_in_virtual_time(story())

    assert trace(3) == trace(3)


def test_a_story_that_is_over_while_the_engines_die_ends() -> None:
    """A watcher that fails in that very moment is told at once, not by the test's timeout."""

    async def dies() -> None:
        await asyncio.sleep(1)
        raise Crash

    async def takes_a_moment_to_end() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(0.1)

    async def process() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(dies())
            group.create_task(takes_a_moment_to_end())

    async def supervise() -> None:
        while True:
            await until_it_dies(process())

    async def story() -> None:
        supervising = asyncio.create_task(supervise())
        await asyncio.sleep(1.05)
        supervising.cancel()
        ended, _ = await asyncio.wait([supervising], timeout=60)
        assert ended

    run_in_virtual_time(story())
