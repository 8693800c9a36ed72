"""Two services that take turns: no selector changes while a service has traffic."""

import pytest

from shipway.api.kinds import HTTP_ROUTES
from shipway.kube.objects.resource import Ref
from tests.unit.rollouts.rollout.sandbox import Sandbox, deployed, route, routed

PAIR = {"pingService": "web-stable", "pongService": "web-canary"}
CANARY = {"pingPong": PAIR, "canaryService": None, "stableService": None}


def shop(*steps: dict) -> Sandbox:
    world = routed(*(steps or ({"setWeight": 30}, {"pause": {}})), canary=CANARY)
    return deployed(world)


def test_ping_is_the_first_to_be_stable() -> None:
    world = shop()
    assert world.status["canary"]["stablePingPong"] == "ping"
    assert world.points_at("web-stable") == world.status["stableRS"]
    assert world.points_at("web-canary") == ""
    assert world.weights() == (0, 100)
    assert world.status["canary"]["weights"]["stable"]["serviceName"] == "web-stable"


@pytest.mark.parametrize("canary", [CANARY, {}], ids=["ping and pong", "stable and canary"])
def test_routes_are_in_order_before_the_first_version_is_healthy(canary: dict) -> None:
    world = routed({"setWeight": 30}, {"pause": {}}, canary=canary)
    world.put(HTTP_ROUTES, route({"backendRefs": [{"name": name, "port": 80} for name in PAIR.values()]}))
    seen: list[tuple[int, int]] = []
    world.on_write = lambda there: seen.append(there.weights()) if there.status.get("phase") == "Healthy" else None
    world.settle()
    assert set(seen) == {(0, 100)}


@pytest.mark.compat("rollouts:canary.pingPong")
@pytest.mark.proves("rollouts:ping-pong")
def test_an_update_moves_the_traffic_and_no_selector_under_it() -> None:
    world = shop()
    v1 = world.status["stableRS"]
    moved: list[tuple[str, str, tuple[int, int]]] = []
    world.on_write = lambda there: moved.append((there.points_at("web-stable"), there.points_at("web-canary"), there.weights()))
    world.set_image("shop/web:v2")
    world.settle()
    v2 = world.status["currentPodHash"]
    assert (world.weights(), world.points_at("web-stable"), world.points_at("web-canary")) == ((30, 70), v1, v2)
    world.patch_status(pauseConditions=None)
    world.settle()
    assert (world.status["phase"], world.status["canary"]["stablePingPong"]) == ("Healthy", "pong")
    assert (world.weights(), world.points_at("web-stable"), world.points_at("web-canary")) == ((100, 0), v1, v2)
    weights = world.status["canary"]["weights"]
    assert (weights["stable"]["serviceName"], weights["stable"]["weight"]) == ("web-canary", 100)
    pointed = {(stable, canary) for stable, canary, share in moved if share[0] > 0}
    assert pointed == {(v1, v2)}, "a selector changed under traffic"
    assert not [now for now in moved if now[1] == "" and now[2][0] > 0]


def test_the_next_update_goes_the_other_way() -> None:
    world = shop()
    world.set_image("shop/web:v2")
    world.settle()
    world.patch_status(promoteFull=True)
    world.settle()
    world.wait(31)
    world.settle()
    v2 = world.status["stableRS"]
    world.set_image("shop/web:v3")
    world.settle()
    v3 = world.status["currentPodHash"]
    assert (world.weights(), world.points_at("web-stable"), world.points_at("web-canary")) == ((70, 30), v3, v2)
    world.patch_status(abort=True)
    world.settle()
    assert (world.weights(), world.points_at("web-canary")) == ((100, 0), v2)
    assert world.status["canary"]["stablePingPong"] == "pong"
    world.set_image("shop/web:v2")
    world.settle()
    assert world.status["phase"] == "Healthy"
    assert world.weights() == (100, 0)


def test_a_service_switched_by_hand_is_set_right() -> None:
    world = shop()
    world.set_image("shop/web:v2")
    world.settle()
    v1, v2 = world.status["stableRS"], world.status["currentPodHash"]
    for name, wrong in (("web-stable", v2), ("web-canary", v1)):
        service = world.objs[Ref("", "Service", "shop", name)]
        service["spec"]["selector"]["rollouts-pod-template-hash"] = wrong
    world.settle()
    assert (world.points_at("web-stable"), world.points_at("web-canary")) == (v1, v2)
