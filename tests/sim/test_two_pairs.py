"""Ping and pong behind an ALB, stable and canary services behind a mesh: one canary, two pairs of services."""

import json

import pytest

from shipway.api.kinds import ROLLOUTS, SERVICES
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from shipway.rollouts.rollout.names import HASH_LABEL
from tests.sim.rollouts_world import NS, World, service, simulate
from tests.sim.test_routers import INGRESSES, VIRTUAL_SERVICES, edge_ingress, install, made, routed
from tests.sim.test_routers_left import change

PAIR = {"pingService": "ping", "pongService": "pong"}
STEPS = ({"setWeight": 25}, {"pause": {}})
ACTION = "alb.ingress.kubernetes.io/actions.root"


async def begun(world: World) -> str:
    await install(world.user, world.clock)
    for name in PAIR.values():
        await world.user.create(SERVICES, service(name))
    await world.user.create(INGRESSES, edge_ingress())
    route = [{"destination": {"host": f"web-{side}"}} for side in ("stable", "canary")]
    await world.user.create(VIRTUAL_SERVICES, made(VIRTUAL_SERVICES, http=[{"route": route}]))
    routing = {
        "alb": {"ingress": "edge", "rootService": "root", "servicePort": 80},
        "istio": {"virtualService": {"name": "web"}},
    }
    await world.user.create(ROLLOUTS, routed(routing, *STEPS, pingPong=PAIR))
    return (await world.phase("Healthy"))["status"]["stableRS"]


async def in_the_mesh(world: World) -> dict[str, int]:
    route = (await world.user.get(VIRTUAL_SERVICES, NS, "web"))["spec"]["http"][0]["route"]
    return {entry["destination"]["host"]: entry.get("weight", 0) for entry in route}


async def at_the_edge(world: World) -> dict[str, int]:
    action = json.loads((await world.user.get(INGRESSES, NS, "edge"))["metadata"]["annotations"][ACTION])
    return {group["ServiceName"]: group["Weight"] for group in action["ForwardConfig"]["TargetGroups"]}


async def points_at(world: World, *names: str) -> list[str]:
    found: list[Obj] = [await world.user.get(SERVICES, NS, name) for name in names]
    return [dig(one, "spec", "selector", HASH_LABEL, default="") for one in found]


@pytest.mark.compat("rollouts:canary.pingPong")
def test_each_router_leads_to_its_own_pair() -> None:
    async def story(world: World) -> None:
        v1 = await begun(world)
        await world.clock.sleep(2)
        assert await at_the_edge(world) == {"ping": 100, "pong": 0}
        assert await in_the_mesh(world) == {"web-stable": 100, "web-canary": 0}
        await world.set_image("shop/web:v2")
        v2 = (await world.phase("Paused"))["status"]["currentPodHash"]
        assert await at_the_edge(world) == {"ping": 75, "pong": 25}
        assert await in_the_mesh(world) == {"web-stable": 75, "web-canary": 25}
        assert await points_at(world, "ping", "pong", "web-stable", "web-canary") == [v1, v2, v1, v2]
        await world.patch_status(pauseConditions=None)
        found = await world.phase("Healthy")
        await world.clock.sleep(3)
        assert found["status"]["canary"]["stablePingPong"] == "pong"
        assert await at_the_edge(world) == {"ping": 0, "pong": 100}
        assert await in_the_mesh(world) == {"web-stable": 100, "web-canary": 0}
        assert await points_at(world, "ping", "pong", "web-stable", "web-canary") == [v1, v2, v2, v2]
        told = await world.told()
        assert sum(line.startswith("TrafficWeightUpdated: Traffic weight updated from 0 to 25") for line in told) == 1
        assert not any("TrafficRouteRestored" in line for line in told)
        await world.set_image("shop/web:v3")
        await world.phase("Paused")
        assert await at_the_edge(world) == {"ping": 25, "pong": 75}
        assert await in_the_mesh(world) == {"web-stable": 75, "web-canary": 25}
        await world.patch_status(abort=True)
        await world.phase("Degraded", "RolloutAborted")
        await world.clock.sleep(60)
        assert await at_the_edge(world) == {"ping": 0, "pong": 100}
        assert await in_the_mesh(world) == {"web-stable": 100, "web-canary": 0}
        before = (await world.rollout())["metadata"]["resourceVersion"]
        await world.clock.sleep(600)
        assert (await world.rollout())["metadata"]["resourceVersion"] == before

    simulate(story)


@pytest.mark.compat("rollouts:router.left")
def test_routers_and_services_that_are_taken_out_are_left_in_order() -> None:
    async def story(world: World) -> None:
        await begun(world)
        await world.set_image("shop/web:v2")
        await world.phase("Paused")
        everything = {"trafficRouting": None, "pingPong": None, "canaryService": None, "stableService": None}
        await change(world, **everything)
        assert await at_the_edge(world) == {"ping": 100, "pong": 0}
        assert await in_the_mesh(world) == {"web-stable": 100, "web-canary": 0}
        assert await points_at(world, "ping", "pong", "web-stable", "web-canary") == [""] * 4

    simulate(story)
