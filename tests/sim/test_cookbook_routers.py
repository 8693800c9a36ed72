"""The recipe of docs/cookbook.md that is the same for every router: tests first, then weights, as it stands there."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from shipway.api.kinds import APP_MESH_ROUTERS, HTTP_ROUTES, MAPPINGS, ROLLOUTS
from shipway.base.errors import Conflict
from shipway.kube.objects import yaml
from shipway.kube.objects.patches import merge_patch
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import annotations_of, dig
from tests.sim.rollouts_world import NS, World, simulate
from tests.sim.test_cookbook import FOR_EVERY_ROUTER, PAGE
from tests.sim.test_routers import (
    APISIX_ROUTES,
    INGRESSES,
    TRAEFIK_SERVICES,
    TRAFFIC_SPLITS,
    VIRTUAL_SERVICES,
    install,
    is_gone,
)

ACTION = "alb.ingress.kubernetes.io/actions.web-root"
Weights = Callable[[Obj], dict[str, Any]]


def documents(text: str) -> list[Obj]:
    return [doc for block in re.findall(r"^```yaml\n(.*?)^```$", text, re.M | re.S) for doc in yaml.load_all(block)]


def chapters() -> tuple[list[Obj], dict[str, list[Obj]]]:
    """What all routers share, and what each adds."""
    recipe = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    shared, *parts = re.split(r"^### ", next(one for one in recipe if one.startswith(FOR_EVERY_ROUTER)), flags=re.MULTILINE)
    return [*documents(recipe[0]), *documents(shared)], {part.partition("\n")[0]: documents(part) for part in parts}


SHARED, ROUTERS = chapters()


def forwarded(edge: Obj) -> dict[str, Any]:
    groups = dig(json.loads(annotations_of(edge).get(ACTION, "{}")), "ForwardConfig", "TargetGroups", default=[])
    return {group["ServiceName"]: group["Weight"] for group in groups}


def destinations(found: Obj) -> dict[str, Any]:
    return {one["destination"]["host"]: one["weight"] for one in found["spec"]["http"][0]["route"]}


def backends(found: Obj, *path: str | int, name: str = "name") -> dict[str, Any]:
    return {one[name]: one.get("weight", 0) for one in dig(found, *path, default=[])}


def mesh_targets(found: Obj) -> dict[str, Any]:
    targets = dig(found, "spec", "routes", 0, "httpRoute", "action", "weightedTargets", default=[])
    return {target["virtualNodeRef"]["name"]: target["weight"] for target in targets}


def nginx_weight(found: Obj) -> dict[str, Any]:
    return {"web-canary": annotations_of(found).get("nginx.ingress.kubernetes.io/canary-weight", 0)}


LOOKS: dict[str, tuple[Resource, str, Weights]] = {
    "Gateway API": (HTTP_ROUTES, "web", lambda found: backends(found, "spec", "rules", 0, "backendRefs")),
    "Istio": (VIRTUAL_SERVICES, "web", destinations),
    "NGINX": (INGRESSES, "web-web-canary", nginx_weight),
    "AWS load balancer": (INGRESSES, "web", forwarded),
    "SMI": (TRAFFIC_SPLITS, "web", lambda found: backends(found, "spec", "backends", name="service")),
    "Ambassador": (MAPPINGS, "web-canary", lambda found: {"web-canary": found["spec"]["weight"]}),
    "App Mesh": (APP_MESH_ROUTERS, "web", mesh_targets),
    "Traefik": (TRAEFIK_SERVICES, "web", lambda found: backends(found, "spec", "weighted", "services")),
    "APISIX": (APISIX_ROUTES, "web", lambda found: backends(found, "spec", "http", 0, "backends", name="serviceName")),
}


async def apply(world: World, router: str) -> None:
    """The template with what the router adds to it."""
    await install(world.user, world.clock)
    served = await world.user.discover()
    adds = ROUTERS[router]
    for obj in (*SHARED, *adds[1:]):
        merged = merge_patch(obj, adds[0]) if obj["kind"] == ROLLOUTS.kind else obj
        resource = next(one for one in served if (one.kind, one.api_version) == (obj["kind"], obj["apiVersion"]))
        try:
            await world.user.create(resource, merge_patch(merged, {"metadata": {"namespace": NS}}))
        except Conflict:
            continue


@pytest.mark.proves("004-09", "rollouts:cookbook")
@pytest.mark.parametrize("router", LOOKS)
@pytest.mark.parametrize(("failed", "shares"), [(0.0, {0, 10, 50, 100}), (1.0, {0})], ids=["passes", "fails"])
def test_the_gate_comes_before_the_weights(router: str, failed: float, shares: set[int]) -> None:
    resource, name, weights = LOOKS[router]
    met: set[int] = set()

    def look(old: Obj | None, new: Obj | None) -> None:
        if new is not None and new["metadata"]["name"] == name:
            met.add(int(weights(new).get("web-canary", 0)))

    async def story(world: World) -> None:
        world.errors = failed
        await apply(world, router)
        await world.phase("Healthy")
        world.engine.follow(resource, look)
        await world.set_image("registry.example/web:v2")
        if failed:
            await world.phase("Degraded", "RolloutAborted")
        else:
            await world.phase("Paused")
            await world.phase("Healthy", seconds=400)
        await world.clock.sleep(5)
        at_last: Obj | None = None if await is_gone(world.user, resource, name) else await world.user.get(resource, NS, name)
        share = int(weights(at_last).get("web-canary", 0)) if at_last is not None else 0  # a Mapping is there only with a share
        assert (met | {share}, share) == (shares, 0)

    simulate(story)


def test_the_page_has_an_example_for_every_router() -> None:
    assert set(ROUTERS) == set(LOOKS)
