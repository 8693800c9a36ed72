"""Canaries whose traffic a real Envoy and a real Traefik carry, configured only by the objects that the engine writes."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from shipway.api.kinds import HTTP_ROUTES, PODS, REPLICA_SETS, ROLLOUTS, SERVICES
from shipway.base.clock import Clock, SystemClock, rfc3339
from shipway.base.errors import Conflict, NotFound
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import annotations_of, dig, is_deleting, name_of
from shipway.kube.objects.wire import Transport
from shipway.kube.runtime.runtime import Runtime
from shipway.localcluster.apiserver.server import ApiServer
from shipway.localcluster.controllers.built_in import built_in_resolvers
from shipway.localcluster.controllers.endpoints.controller import EndpointSliceController
from shipway.localcluster.controllers.garbage.controller import GarbageCollector
from shipway.localcluster.controllers.replicaset.controller import ReplicaSetController
from shipway.rollouts import actions
from shipway.rollouts.rollout.names import SCALE_DOWN_DEADLINE
from tests.e2e.proxies import INGRESS_ROUTES, envoy, traefik
from tests.e2e.traffic import Backends, Users, failed, own_address, share
from tests.sim.rollouts_world import NS, World, furnished, rollout, running

pytestmark = pytest.mark.timeout(480)

MANY = 20_000
TRAEFIK_SERVICES = Resource("traefik.io", "v1alpha1", "TraefikService", "traefikservices")
HEADER = {"name": "testers", "match": [{"headerName": "X-Canary", "headerValue": {"exact": "yes"}}]}
STEPS = (
    {"setCanaryScale": {"replicas": 1}},
    {"setHeaderRoute": HEADER},
    {"pause": {}},
    {"setWeight": 30},
    {"setCanaryScale": {"matchTrafficWeight": True}},
    {"pause": {}},
    {"setWeight": 70},
    {"pause": {"duration": 1}},
)


class Shop(World):
    """The world of the simulations in real time, with pods that answer: all of a version at one address."""

    def __init__(self, server: Transport, clock: Clock, backends: Backends) -> None:
        super().__init__(server, clock, lambda same, _: same)
        self.backends = backends
        controllers = [ReplicaSetController(), EndpointSliceController(), GarbageCollector()]
        self.cluster = Runtime(self.kubelet, controllers, clock=clock, resolvers=built_in_resolvers(self.kubelet))

    async def _up(self, pod: Obj) -> None:
        host = self.backends.host
        self.backends.pods[version_of(pod)].add(name_of(pod))
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": rfc3339(self.clock.now())}
        status = {"phase": "Running", "conditions": [ready], "podIP": host, "podIPs": [{"ip": host}]}
        with suppress(NotFound, Conflict):
            await self.kubelet.patch(PODS, NS, name_of(pod), {"status": status}, subresource="status")

    async def reap(self) -> None:
        """Pods that are no more do not answer."""
        while True:
            there = {name_of(pod) for pod in (await self.kubelet.list(PODS, NS)).items if not is_deleting(pod)}
            for names in self.backends.pods.values():
                names &= there
            await self.clock.sleep(0.02)

    async def end_scale_down_delay(self) -> None:
        """Lets old pods go now: the delay is there for proxies that are slower than the API server, however slow they are."""
        over = {"metadata": {"annotations": {SCALE_DOWN_DEADLINE: rfc3339(self.clock.now())}}}
        for rs in (await self.user.list(REPLICA_SETS, NS)).items:
            if SCALE_DOWN_DEADLINE in annotations_of(rs):
                await self.user.patch(REPLICA_SETS, NS, name_of(rs), over)

    def container(self, version: str) -> Obj:
        port = {"name": "http", "containerPort": self.backends.ports[version]}
        return {"name": "web", "image": f"shop/web:{version}", "ports": [port]}

    async def release(self, version: str) -> None:
        template = {"spec": {"containers": [self.container(version)]}}
        await self.user.patch(ROLLOUTS, NS, "web", {"spec": {"template": template}})


@asynccontextmanager
async def shop() -> AsyncGenerator[tuple[Shop, ApiServer], None]:
    """A cluster with the Rollout `web` and pods that answer; the Rollout is not created yet, its services are."""
    backends, clock = Backends(own_address()), SystemClock()
    server = await ApiServer.open(path=None, clock=clock, ids=RandomIds())
    async with backends.serve("v1", "v2"):
        there = Shop(server, clock, backends)
        await furnished(there)
        for name in ("web-stable", "web-canary"):
            ports = [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}]
            await there.user.patch(SERVICES, NS, name, {"spec": {"ports": ports}})
        async with running(there, there.cluster.run(), there.reap()):
            yield there, server
    await server.close()


def version_of(pod: Obj) -> str:
    return dig(pod, "spec", "containers", 0, "image").rpartition(":")[2]


async def begin(there: Shop, *steps: Obj, **canary: Any) -> None:
    """The Rollout in its first version."""
    wanted = rollout(*steps, scaleDownDelaySeconds=600, **canary)
    wanted["spec"]["template"]["spec"]["containers"] = [there.container("v1")]
    await there.user.create(ROLLOUTS, wanted)
    await there.phase("Healthy")


async def answers(port: int, *headers: str) -> Users:
    """Users of a proxy that has begun to answer."""
    users = Users(port, "shop.test", *headers)
    async with asyncio.timeout(60):
        while not users.answers or failed(users.answers):
            users.answers.clear()
            try:
                await users.ask(8)
            except* (OSError, asyncio.IncompleteReadError):
                pass
            await asyncio.sleep(0.05)
    users.answers.clear()
    return users


async def at_weight(there: Shop, users: Users, weight: int) -> None:
    """Waits until the proxy splits about as it should, then measures."""
    async with asyncio.timeout(60):
        while abs(share(await users.ask(400), "v2") - weight) > 15:
            await asyncio.sleep(0.05)
    many = await users.ask(MANY)
    assert not failed(many)
    assert abs(share(many, "v2") - weight) <= 2, many


async def a_whole_canary(there: Shop, port: int) -> None:
    """Header-only at weight 0, then 30 %, then all; and not one failed request."""
    users, testers = await answers(port), await answers(port, "X-Canary: yes")
    async with asyncio.TaskGroup() as group:
        always = Users(port)
        asking = group.create_task(always.keep_asking())
        await there.release("v2")
        await there.phase("Paused")
        async with asyncio.timeout(60):
            while share(await testers.ask(80), "v2") < 100:
                await asyncio.sleep(0.05)
        assert share(await testers.ask(800), "v2") == 100
        assert share(await users.ask(800), "v1") == 100
        await there.patch_status(pauseConditions=None)
        await there.until(lambda found: found["status"]["currentStepIndex"] == 5)
        await at_weight(there, users, 30)
        await there.patch_status(pauseConditions=None)
        await there.phase("Healthy")
        async with asyncio.timeout(60):
            while share(await users.ask(400), "v2") < 100:
                await asyncio.sleep(0.05)
        await there.end_scale_down_delay()
        async with asyncio.timeout(60):
            while there.backends.pods["v1"]:
                await asyncio.sleep(0.05)
        assert share(await users.ask(800), "v2") == 100
        asking.cancel()
    for crowd in (users, testers, always):
        assert not failed(crowd.answers)
    assert always.answers.total() > 100


@pytest.mark.compat("rollouts:router.gatewayAPI")
@pytest.mark.proves("000-35", "rollouts:envoy")
async def test_an_envoy_carries_a_whole_canary(tmp_path: Path, program: Callable[[str], str]) -> None:
    path = program("envoy")
    async with shop() as (there, _):
        await begin(there, *STEPS, trafficRouting=GATEWAY)
        async with envoy(path, there.user, NS, tmp_path) as port:
            await a_whole_canary(there, port)


GATEWAY = {
    "managedRoutes": [{"name": "testers"}],
    "plugins": {"argoproj-labs/gatewayAPI": {"httpRoute": "web", "namespace": NS}},
}


@pytest.mark.compat("rollouts:router.gatewayAPI")
@pytest.mark.proves("000-35", "rollouts:traefik")
async def test_a_traefik_carries_a_whole_canary(tmp_path: Path, program: Callable[[str], str]) -> None:
    path = program("traefik")
    async with shop() as (there, server):
        await begin(there, *STEPS, trafficRouting=GATEWAY)
        async with traefik(path, server, NS, tmp_path) as port:
            await a_whole_canary(there, port)


TRIAL = {
    "experiment": {
        "scaleDownDelaySeconds": 5,
        "templates": [
            {"name": "old", "specRef": "stable", "replicas": 1, "weight": 30},
            {"name": "new", "specRef": "canary", "replicas": 1, "weight": 20},
        ],
    }
}


@pytest.mark.compat("rollouts:router.gatewayAPI", "rollouts:step.experiment")
@pytest.mark.parametrize("how", ["promote", "abort"])
async def test_a_traefik_gives_a_variant_of_an_experiment_its_share(
    tmp_path: Path, program: Callable[[str], str], how: str
) -> None:
    """The canary has no weight here: whoever meets v2 meets the variant, behind a Service that came with it."""
    path = program("traefik")
    async with shop() as (there, server):
        await begin(there, TRIAL, {"pause": {}}, trafficRouting=GATEWAY)
        async with traefik(path, server, NS, tmp_path) as port:
            users, always = await answers(port), Users(port)
            async with asyncio.TaskGroup() as group:
                asking = group.create_task(always.keep_asking())
                await there.release("v2")
                await there.until(lambda found: dig(found, "status", "canary", "weights", "additional"))
                await at_weight(there, users, 20)
                await there.patch_status(**getattr(actions, how)(await there.rollout()).status)
                await there.phase("Paused" if how == "promote" else "Degraded")
                async with asyncio.timeout(60):
                    while share(await users.ask(400), "v1") < 100:
                        await asyncio.sleep(0.05)
                    while there.backends.pods["v2"]:
                        await asyncio.sleep(0.05)
                assert share(await users.ask(800), "v1") == 100
                asking.cancel()
            for crowd in (users, always):
                assert not failed(crowd.answers)


@pytest.mark.compat("rollouts:router.traefik")
async def test_a_traefik_splits_by_the_weights_of_its_own_service(tmp_path: Path, program: Callable[[str], str]) -> None:
    path = program("traefik")
    async with shop() as (there, server):
        await there.user.delete(HTTP_ROUTES, NS, "web")
        async with traefik(path, server, NS, tmp_path) as port:
            services = [{"name": name, "port": 80, "weight": 1} for name in ("web-stable", "web-canary")]
            await make(there.user, TRAEFIK_SERVICES, {"weighted": {"services": services}})
            rule = {"kind": "Rule", "match": "Host(`shop.test`)", "services": [{"name": "web", "kind": "TraefikService"}]}
            await make(there.user, INGRESS_ROUTES, {"entryPoints": ["web"], "routes": [rule]})
            routing = {"traefik": {"weightedTraefikServiceName": "web"}}
            await begin(there, {"setWeight": 25}, {"pause": {}}, trafficRouting=routing)
            users = await answers(port)
            await there.release("v2")
            await there.phase("Paused")
            await at_weight(there, users, 25)
            await there.patch_status(abort=True)
            await there.phase("Degraded")
            async with asyncio.timeout(60):
                while share(await users.ask(400), "v1") < 100:
                    await asyncio.sleep(0.05)
            assert not failed(users.answers)


async def make(client: Client, resource: Resource, spec: Obj) -> None:
    meta = {"name": "web", "namespace": NS}
    await client.create(resource, {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta, "spec": spec})
