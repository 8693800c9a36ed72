"""A small world for the rollouts engine: a real API server in memory with its own controllers, the real engine, played pods.

Time is virtual. Played are only the kubelet (a pod becomes ready `START_SECONDS` after it is there, unless its image is
listed as broken) and the metric server (`measure` answers what the test says).
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
from prometheus_client import generate_latest

from shipway.api.crds import load_crds
from shipway.api.kinds import (
    ANALYSIS_TEMPLATES,
    CRDS,
    EVENTS,
    HTTP_ROUTES,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    ROLLOUTS,
    SERVICES,
)
from shipway.api.metrics import Sample
from shipway.api.plugins import DeclaredPlugins, StepReply
from shipway.api.rollout import read_spec, read_status
from shipway.assembly.metrics import count_objects
from shipway.base.clock import Clock, Instant, LoopClock, rfc3339
from shipway.base.errors import Conflict, NotFound, ShipwayError
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, dig, is_deleting, labels_of, name_of
from shipway.kube.objects.wire import Transport
from shipway.kube.runtime.controller import Resolver
from shipway.kube.runtime.decision import Ask
from shipway.kube.runtime.runtime import Runtime
from shipway.kube.runtime.virtual_time import run_in_virtual_time
from shipway.localcluster.apiserver.server import ApiServer
from shipway.localcluster.controllers.garbage import controller as garbage
from shipway.localcluster.controllers.replicaset.controller import ReplicaSetController
from shipway.rollouts.analysis.asks import MeasureAsk
from shipway.rollouts.analysis.controller import AnalysisRunController
from shipway.rollouts.budget.asks import Budget, BudgetAsk
from shipway.rollouts.controllers import rollout_controllers
from shipway.rollouts.metrics import RolloutMetrics
from shipway.rollouts.rollout.names import HASH_LABEL, REVISION
from shipway.rollouts.rollout.phase import client_phase
from shipway.rollouts.rollout.plugin_calls import StepAsk
from shipway.rollouts.settings import RolloutSettings
from tests.sim.faults import until_it_dies

EPOCH = Instant(1_795_000_000.0)
NS = "shop"
START_SECONDS = 0.5
PLUGINS = DeclaredPlugins(steps=frozenset(("acme/ticket",)))
PLUGIN_SECONDS = 0.7
"""How long a plugin thinks."""


class World:
    """The cluster as a user sees it. `errors` is what the metric server answers, but for what `errors_of` has a word of.

    `budget`: what is left of every error budget, or why the metric server does not say.
    `broken` images never become ready. `said` are the plugin's next answers by operation (Successful when there are none left),
    `executed` what it was asked."""

    settings = RolloutSettings(plugins=PLUGINS)

    def __init__(self, server: Transport, clock: Clock, wrap: Callable[[Transport, Clock], Transport]) -> None:
        self.clock = clock
        self.user = Client(server, user_agent="kubectl", manager="kubectl-edit")
        self.kubelet = Client(server, user_agent="kubelet", manager="kubelet")
        self.broken: set[str] = set()
        self.errors: float = 0.0
        self.errors_of: dict[str, Any] = {}
        self.budget: float | ShipwayError = 1.0
        self.budgets_asked = 0
        self.said: dict[str, list[StepReply]] = {}
        self.executed: list[Obj] = []
        self.cluster = Runtime(
            self.kubelet,
            [ReplicaSetController(), garbage.GarbageCollector()],
            clock=clock,
            resolvers=garbage.resolvers(self.kubelet),
        )
        self._server = server
        self._wrap = wrap
        self.crashes = 0
        self.engine = self.make_engine()

    def make_engine(self) -> Runtime:
        """A fresh process of the engine: nothing remembered."""
        client = Client(self._wrap(self._server, self.clock), manager="shipway")
        controllers: list[Any] = [*rollout_controllers(self.settings), AnalysisRunController()]
        runtime = Runtime(client, controllers, clock=self.clock, resolvers=self.resolvers(client), rng=random.Random(7))
        count_objects(runtime, RolloutMetrics(RolloutSettings()))
        return runtime

    def resolvers(self, client: Client) -> dict[type[Ask], Resolver]:
        """What answers the engine's questions to the outside."""
        return {MeasureAsk: self._measure, BudgetAsk: self._budget, StepAsk: self._plugin}

    async def run(self) -> None:
        """The engine, started again after every crash (and when it could not start)."""
        while True:
            await until_it_dies(self.engine.run(), ShipwayError)
            self.crashes += 1
            await self.clock.sleep(0.1)
            self.engine = self.make_engine()

    async def _measure(self, ask: MeasureAsk) -> Any:
        asked = ask.request.provider.decode()
        value = next((value for word, value in self.errors_of.items() if word in asked), self.errors)
        return Sample(value, str(value))

    async def _budget(self, ask: BudgetAsk) -> Budget:
        self.budgets_asked += 1
        if isinstance(self.budget, ShipwayError):
            raise self.budget
        return Budget(self.budget)

    async def _plugin(self, ask: StepAsk) -> StepReply:
        self.executed.append(orjson.loads(ask.request))
        await self.clock.sleep(PLUGIN_SECONDS)
        answers = self.said.get(ask.op, [])
        return answers.pop(0) if answers else StepReply("Successful")

    async def play_kubelet(self) -> None:
        """Pods come up, and go away when they are told to."""
        while True:
            for pod in (await self.kubelet.list(PODS, NS)).items:
                image = dig(pod, "spec", "containers", 0, "image")
                if is_deleting(pod):
                    await self._gone(pod)
                elif dig(pod, "status", "phase") != "Running" and image not in self.broken:
                    await self._up(pod)
            await self.clock.sleep(START_SECONDS)

    async def _gone(self, pod: Obj) -> None:
        try:
            await self.kubelet.delete(PODS, NS, name_of(pod), grace_seconds=0)
        except NotFound:
            return

    async def _up(self, pod: Obj) -> None:
        at = rfc3339(self.clock.now())
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": at}
        try:
            status = {"status": {"phase": "Running", "conditions": [ready]}}
            await self.kubelet.patch(PODS, NS, name_of(pod), status, subresource="status")
        except (NotFound, Conflict):
            return

    # --- looks

    async def rollout(self) -> Obj:
        return await self.user.get(ROLLOUTS, NS, "web")

    async def until(self, condition: Callable[[Obj], Any], seconds: float = 120.0) -> Obj:
        """The Rollout as soon as `condition` holds for it."""
        found: Obj = {}
        for _ in range(int(seconds / 0.1)):
            found = await self.rollout()
            if condition(found):
                return found
            await self.clock.sleep(0.1)
        raise AssertionError(f"never came true; status: {found.get('status')}")

    async def phase(self, wanted: str, message: str = "", seconds: float = 120.0) -> Obj:
        def is_so(found: Obj) -> bool:
            phase, text = client_phase(found["metadata"]["generation"], read_spec(found), read_status(found))
            return phase == wanted and message in text

        return await self.until(is_so, seconds)

    async def weights(self) -> tuple[int, int]:
        """(canary, stable) in the route."""
        found = await self.user.get(HTTP_ROUTES, NS, "web")
        refs = {ref["name"]: ref.get("weight", 1) for ref in found["spec"]["rules"][0]["backendRefs"]}
        return refs["web-canary"], refs["web-stable"]

    async def sizes(self) -> dict[str, int]:
        sets = (await self.user.list(REPLICA_SETS, NS)).items
        return {labels_of(rs)[HASH_LABEL]: rs["spec"]["replicas"] for rs in sets}

    async def reasons(self) -> list[str]:
        """Reasons of the Rollout's events in the order they were told."""
        events = [
            event for event in (await self.user.list(EVENTS, NS)).items if dig(event, "involvedObject", "kind") == "Rollout"
        ]
        return [event["reason"] for event in sorted(events, key=lambda event: int(event["metadata"]["resourceVersion"]))]

    async def told(self) -> list[str]:
        """Reasons and messages of the Rollout's events in the order they were told; names of ReplicaSets by revision."""
        events = [
            event for event in (await self.user.list(EVENTS, NS)).items if dig(event, "involvedObject", "kind") == "Rollout"
        ]
        names = {
            labels_of(rs)[HASH_LABEL]: f"<{annotations_of(rs)[REVISION]}>"
            for rs in (await self.user.list(REPLICA_SETS, NS)).items
        }
        lines: list[str] = []
        for event in sorted(events, key=lambda event: int(event["metadata"]["resourceVersion"])):
            line = f"{event['reason']}: {event['message']}"
            for pod_hash, revision in names.items():
                line = line.replace(pod_hash, revision)
            lines.append(line)
        return lines

    def scraped(self) -> list[str]:
        """What a Prometheus server reads from the engine."""
        return generate_latest(self.engine.metrics.registry).decode().splitlines()

    # --- people

    async def set_image(self, image: str) -> None:
        container = {"name": "web", "image": image}
        await self.user.patch(ROLLOUTS, NS, "web", {"spec": {"template": {"spec": {"containers": [container]}}}})

    async def patch_status(self, **status: Any) -> None:
        await self.user.patch(ROLLOUTS, NS, "web", {"status": status}, subresource="status")


def rollout(*steps: Obj, replicas: int = 2, **canary: Any) -> Obj:
    """The Rollout `web` behind the HTTPRoute `web`."""
    return {
        "apiVersion": ROLLOUTS.api_version,
        "kind": ROLLOUTS.kind,
        "metadata": {"name": "web", "namespace": NS},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "shop/web:v1"}]},
            },
            "strategy": {
                "canary": {
                    "canaryService": "web-canary",
                    "stableService": "web-stable",
                    "steps": list(steps),
                    "trafficRouting": {"plugins": {"argoproj-labs/gatewayAPI": {"httpRoute": "web", "namespace": NS}}},
                    **canary,
                }
            },
        },
    }


def service(name: str) -> Obj:
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80, "protocol": "TCP"}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": NS}, "spec": spec}


def route() -> Obj:
    refs = [{"name": "web-stable", "port": 80, "weight": 100}, {"name": "web-canary", "port": 80, "weight": 0}]
    return {
        "apiVersion": HTTP_ROUTES.api_version,
        "kind": HTTP_ROUTES.kind,
        "metadata": {"name": "web", "namespace": NS},
        "spec": {"parentRefs": [{"name": "shop"}], "rules": [{"backendRefs": refs}]},
    }


def errors_template() -> Obj:
    """Fails when more than 5 % of requests fail; asked every two seconds."""
    metric = {
        "name": "errors",
        "interval": "2s",
        "initialDelay": "1s",
        "failureLimit": 0,
        "successCondition": "result <= 0.05",
        "provider": {"web": {"url": "http://metrics.test/errors", "jsonPath": "{$.share}"}},
    }
    return {
        "apiVersion": ANALYSIS_TEMPLATES.api_version,
        "kind": ANALYSIS_TEMPLATES.kind,
        "metadata": {"name": "errors", "namespace": NS},
        "spec": {"metrics": [metric]},
    }


async def furnished(there: World) -> None:
    """CRDs, the namespace, the services, the route and the template; no Rollout yet."""
    for crd in load_crds():
        try:
            await there.user.create(CRDS, crd)
        except Conflict:
            continue
    while not {HTTP_ROUTES, ROLLOUTS, ANALYSIS_TEMPLATES} <= set(await there.user.discover()):
        await there.clock.sleep(0.1)
    await there.user.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NS}})
    for name in ("web-stable", "web-canary"):
        await there.user.create(SERVICES, service(name))
    await there.user.create(HTTP_ROUTES, route())
    await there.user.create(ANALYSIS_TEMPLATES, errors_template())


@asynccontextmanager
async def running(there: World, *others: Awaitable[None]) -> AsyncGenerator[World, None]:
    """The world with its engine, its kubelet and `others` at work."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_alive(work)) for work in (there.play_kubelet(), there.run(), *others)]
        try:
            yield there
        finally:
            for task in tasks:
                task.cancel()


async def _alive(work: Awaitable[None]) -> None:
    await work


@asynccontextmanager
async def world(
    wrap: Callable[[Transport, Clock], Transport] = lambda server, clock: server, make: type[World] = World
) -> AsyncGenerator[World, None]:
    """A running world on the embedded API server."""
    clock = LoopClock(asyncio.get_running_loop(), EPOCH)
    server = await ApiServer.open(path=None, clock=clock, ids=RandomIds(random.Random(1)))
    there = make(server, clock, wrap)
    await furnished(there)
    async with running(there, there.cluster.run()):
        yield there
    await server.close()


def simulate(story: Callable[[World], Awaitable[None]], make: type[World] = World) -> None:
    """Runs `story` in a fresh world, in virtual time."""

    async def main() -> None:
        async with world(make=make) as there:
            await story(there)

    run_in_virtual_time(main())
