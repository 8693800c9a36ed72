"""From a commit to a canary and back: the GitOps engine and the rollouts engine, which meet only in Kubernetes objects."""

from collections.abc import Iterable
from typing import Any

from shipway.api.kinds import ANALYSIS_RUNS, APPLICATIONS, HTTP_ROUTES, NODES, REPLICA_SETS, ROLLOUTS, SERVICES
from shipway.api.metrics import Sample
from shipway.base.clock import Clock
from shipway.gitops.why import why
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from shipway.kube.runtime.runtime import Runtime
from shipway.localcluster.apiserver.server import ApiServer
from shipway.rollouts.analysis.asks import MeasureAsk
from shipway.rollouts.analysis.controller import AnalysisRunController
from shipway.rollouts.controllers import rollout_controllers
from shipway.rollouts.settings import RolloutSettings
from tests.sim.cluster_world import NodeRules, node
from tests.sim.gitops_world import World, application, simulate
from tests.sim.rollouts_world import errors_template, rollout, route, service

STEPS = (
    {"setWeight": 5},
    {"pause": {"duration": "20s"}},
    {"setWeight": 30},
    {"pause": {"duration": "20s"}},
    {"setWeight": 100},
)
BACKGROUND = {"templates": [{"templateName": "errors"}], "startingStep": 1}


class Metrics:
    """The metric server of the story: the share of failed requests of whatever version is out."""

    def __init__(self) -> None:
        self.errors = 0.0

    async def measure(self, ask: MeasureAsk) -> Sample:
        return Sample(self.errors, str(self.errors))

    def runtimes(self, server: ApiServer, clock: Clock) -> Iterable[Runtime]:
        """The rollouts engine, and the node that the pods run on."""
        engine = Client(server, manager="shipway-rollouts")
        controllers: list[Any] = [*rollout_controllers(RolloutSettings()), AnalysisRunController()]
        kubelet: list[Any] = [NodeRules()]
        return (
            Runtime(engine, controllers, clock=clock, resolvers={MeasureAsk: self.measure}),
            Runtime(Client(server, manager="kubelet"), kubelet, clock=clock),
        )


def manifests(image: str = "slow:1", hostname: str = "shop.test") -> list[Obj]:
    """The shop as Git has it."""
    wanted = rollout(*STEPS, analysis=BACKGROUND)
    wanted["spec"]["template"]["spec"]["containers"][0]["image"] = image
    path = route()
    path["spec"]["hostnames"] = [hostname]
    return [service("web-stable"), service("web-canary"), path, errors_template(), wanted]


async def begin(there: World) -> None:
    """A node, the Application, and the first version fully live."""
    made = node()
    await there.user.create(NODES, made)
    await there.user.patch(NODES, "", "node-1", {"status": made["status"]}, subresource="status")
    await there.user.create(APPLICATIONS, application())
    await there.until(lambda app: dig(app, "status", "health", "status") == "Healthy" and "operation" not in app)


async def weights(there: World) -> tuple[int, int]:
    refs = {
        r["name"]: r["weight"] for r in dig(await there.user.get(HTTP_ROUTES, "shop", "web"), "spec", "rules", 0, "backendRefs")
    }
    return refs["web-canary"], refs["web-stable"]


async def until_weight(there: World, canary: int) -> None:
    for _ in range(2000):
        if await weights(there) == (canary, 100 - canary):
            return
        await there.clock.sleep(0.05)
    raise AssertionError(f"the canary never had {canary} %: {await weights(there)}")


def writes_to_objects(there: World) -> list[tuple[str, str]]:
    return [write for write in there.engine.writes if "/applications/" not in write[1]]


def test_during_a_canary_the_gitops_engine_writes_no_object() -> None:
    metrics = Metrics()

    async def story(there: World) -> None:
        await begin(there)
        await there.push(manifests("slow:2"))
        await until_weight(there, 5)
        await there.until(lambda app: "operation" not in app and dig(app, "status", "sync", "status") == "Synced")
        there.engine.writes.clear()
        await until_weight(there, 30)
        app = await there.app()
        assert dig(app, "status", "sync", "status") == "Synced"
        await there.until(lambda app: dig(app, "status", "health", "status") == "Healthy")
        assert await weights(there) == (0, 100)
        await there.settle(60)
        assert writes_to_objects(there) == []
        live = await there.user.get(SERVICES, "shop", "web-stable")
        assert set(live["spec"]["selector"]) == {"app", "rollouts-pod-template-hash"}

    simulate(story, manifests(), others=metrics.runtimes)


def test_a_change_of_the_route_in_git_keeps_the_weight_and_a_hand_edit_of_it_is_healed() -> None:
    metrics = Metrics()

    async def story(there: World) -> None:
        await begin(there)
        await there.push(manifests("slow:2"))
        await until_weight(there, 5)
        commit = await there.push(manifests("slow:2", hostname="www.shop.test"))
        await there.until(lambda app: dig(app, "status", "operationState", "syncResult", "revision") == commit)
        await there.until(lambda app: "operation" not in app)
        live = await there.user.get(HTTP_ROUTES, "shop", "web")
        assert live["spec"]["hostnames"] == ["www.shop.test"]
        assert await weights(there) == (5, 95)
        await there.user.patch(HTTP_ROUTES, "shop", "web", {"spec": {"hostnames": ["stolen.test"]}})
        await there.settle(3)
        live = await there.user.get(HTTP_ROUTES, "shop", "web")
        assert live["spec"]["hostnames"] == ["www.shop.test"]
        assert await weights(there) == (5, 95)
        healed = [event["message"] for event in await there.events() if event["reason"] == "DriftHealed"]
        assert healed == ["HTTPRoute.gateway.networking.k8s.io shop/web: spec.hostnames changed by kubectl-edit"]

    simulate(story, manifests(), others=metrics.runtimes)


def test_an_aborted_canary_leaves_the_application_degraded_and_nothing_loops() -> None:
    metrics = Metrics()

    async def story(there: World) -> None:
        await begin(there)
        metrics.errors = 0.3
        await there.push(manifests("slow:3"))
        app = await there.until(lambda app: dig(app, "status", "health", "status") == "Degraded")
        assert await weights(there) == (0, 100)
        await there.settle(5)
        there.engine.writes.clear()
        await there.settle(1200)
        assert there.engine.writes == []
        app = await there.app()
        assert dig(app, "status", "sync", "status") == "Synced"
        children = [
            obj for kind in (ROLLOUTS, REPLICA_SETS, ANALYSIS_RUNS) for obj in (await there.user.list(kind, "shop")).items
        ]
        commit = there.repository.head[:7]
        assert why(app, children) == (
            f"shop is Degraded: Git wants 3 (commit {commit}), but the canary was aborted because metric errors failed "
            "(30 % > 5 %); all traffic is on 1. "
            "Fix the cause and push, or revert the commit."
        )
        metrics.errors = 0.0
        await there.push(manifests("slow:1"))
        await there.until(lambda app: dig(app, "status", "health", "status") == "Healthy")

    simulate(story, manifests(), others=metrics.runtimes)
