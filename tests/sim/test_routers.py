"""Canaries behind routers other than the Gateway API: Istio and App Mesh beside the GitOps engine, and many together."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from shipway.api.crds import load_router_crds
from shipway.api.kinds import APP_MESH_NODES, APP_MESH_ROUTERS, APP_MESH_SERVICES, CRDS, MAPPINGS, ROLLOUTS
from shipway.base.errors import NotFound
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import dig
from shipway.rollouts.rollout.names import HASH_LABEL
from tests.sim import gitops_world
from tests.sim.rollouts_world import NS, World, errors_template, rollout, service, simulate
from tests.sim.test_delivery import Metrics, begin, writes_to_objects

VIRTUAL_SERVICES = Resource("networking.istio.io", "v1", "VirtualService", "virtualservices")
DESTINATION_RULES = Resource("networking.istio.io", "v1", "DestinationRule", "destinationrules")
INGRESSES = Resource("networking.k8s.io", "v1", "Ingress", "ingresses")
TRAEFIK_SERVICES = Resource("traefik.io", "v1alpha1", "TraefikService", "traefikservices")
APISIX_ROUTES = Resource("apisix.apache.org", "v2", "ApisixRoute", "apisixroutes")
TRAFFIC_SPLITS = Resource("split.smi-spec.io", "v1alpha3", "TrafficSplit", "trafficsplits")

ACTION = "alb.ingress.kubernetes.io/actions.root"
Look = Callable[[Client], Awaitable[tuple[int, int]]]
HEADER = {"name": "staff", "match": [{"headerName": "x-staff", "headerValue": {"exact": "yes"}}]}
APP_MESH = {
    "virtualService": {"name": "web"},
    "virtualNodeGroup": {"canaryVirtualNodeRef": {"name": "web-canary"}, "stableVirtualNodeRef": {"name": "web-stable"}},
}
ISTIO = {
    "virtualService": {"name": "web"},
    "destinationRule": {"name": "web", "canarySubsetName": "canary", "stableSubsetName": "stable"},
}


def made(resource: Resource, name: str = "web", **spec: Any) -> Obj:
    meta = {"name": name, "namespace": NS}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta, "spec": spec}


def virtual_service() -> Obj:
    route = [
        {"destination": {"host": "web", "subset": "stable"}, "weight": 100},
        {"destination": {"host": "web", "subset": "canary"}, "weight": 0},
    ]
    return made(VIRTUAL_SERVICES, hosts=["shop.test"], http=[{"route": route}])


def destination_rule() -> Obj:
    subsets = [{"name": name, "labels": {"app": "web"}} for name in ("canary", "stable")]
    return made(DESTINATION_RULES, host="web", subsets=subsets)


def routed(routing: Obj, *steps: Obj, **canary: Any) -> Obj:
    wanted = rollout(*steps, **canary)
    wanted["spec"]["strategy"]["canary"]["trafficRouting"] = routing
    return wanted


async def install(user: Client, clock: Any) -> None:
    for crd in load_router_crds():
        await user.create(CRDS, crd)
    while VIRTUAL_SERVICES not in await user.discover():
        await clock.sleep(0.1)


async def http_routes(user: Client) -> list[Obj]:
    return (await user.get(VIRTUAL_SERVICES, NS, "web"))["spec"]["http"]


async def shares(user: Client) -> tuple[int, int]:
    """(canary, stable) in the route that splits."""
    entries = (await http_routes(user))[-1]["route"]
    weights = {entry["destination"].get("subset") or entry["destination"]["host"]: entry["weight"] for entry in entries}
    return weights.get("canary", 0), weights.get("stable", 0)


async def subsets(user: Client) -> dict[str, str]:
    rule = await user.get(DESTINATION_RULES, NS, "web")
    return {one["name"]: one["labels"].get("rollouts-pod-template-hash", "") for one in rule["spec"]["subsets"]}


def with_istio(story: Callable[[World], Awaitable[None]]) -> None:
    async def full(world: World) -> None:
        await install(world.user, world.clock)
        await world.user.create(VIRTUAL_SERVICES, virtual_service())
        await world.user.create(DESTINATION_RULES, destination_rule())
        await story(world)

    simulate(full)


def test_istio_walks_the_steps_by_subsets() -> None:
    async def story(world: World) -> None:
        steps = (
            {"setCanaryScale": {"replicas": 1}},
            {"setHeaderRoute": HEADER},
            {"pause": {}},
            {"setWeight": 20},
            {"pause": {}},
            {"setHeaderRoute": {"name": "staff"}},
            {"setWeight": 50},
            {"pause": {}},
        )
        routing = {"istio": ISTIO, "managedRoutes": [{"name": "staff"}]}
        await world.user.create(ROLLOUTS, routed(routing, *steps, canaryService=None, stableService=None))
        v1 = (await world.phase("Healthy"))["status"]["stableRS"]
        await world.clock.sleep(1)
        assert await subsets(world.user) == {"canary": v1, "stable": v1}
        await world.set_image("shop/web:v2")
        v2 = (await world.phase("Paused", "CanaryPauseStep"))["status"]["currentPodHash"]
        assert await subsets(world.user) == {"canary": v2, "stable": v1}
        assert await shares(world.user) == (0, 100)
        assert [route.get("name") for route in await http_routes(world.user)] == ["staff", None]
        await world.patch_status(pauseConditions=None)
        await world.until(lambda found: found["status"]["currentStepIndex"] == 4)
        assert await shares(world.user) == (20, 80)
        assert len(await http_routes(world.user)) == 2
        await world.phase("Paused")
        await world.patch_status(pauseConditions=None)
        await world.until(lambda found: found["status"]["currentStepIndex"] == 7)
        assert await shares(world.user) == (50, 50)
        assert len(await http_routes(world.user)) == 1
        await world.phase("Paused")
        await world.patch_status(pauseConditions=None)
        await world.phase("Healthy")
        await world.clock.sleep(2)
        assert await shares(world.user) == (0, 100)
        assert await subsets(world.user) == {"canary": v2, "stable": v2}
        before = await world.user.get(VIRTUAL_SERVICES, NS, "web")
        await world.clock.sleep(600)
        assert await world.user.get(VIRTUAL_SERVICES, NS, "web") == before

    with_istio(story)


def test_istio_gives_everything_back_on_an_abort_and_mends_hand_edits() -> None:
    async def story(world: World) -> None:
        routing = {"istio": ISTIO, "managedRoutes": [{"name": "staff"}]}
        steps = ({"setHeaderRoute": HEADER}, {"setWeight": 20}, {"pause": {}})
        await world.user.create(ROLLOUTS, routed(routing, *steps))
        await world.phase("Healthy")
        await world.set_image("shop/web:v2")
        await world.phase("Paused")
        good = await http_routes(world.user)
        assert await shares(world.user) == (20, 80)
        stranger = {"destination": {"host": "elsewhere"}, "weight": 40}
        ops = [
            {"op": "replace", "path": "/spec/http/1/route/0/weight", "value": 1},
            {"op": "add", "path": "/spec/http/1/route/-", "value": {**stranger, "destination": {"host": "web"}}},
            {"op": "replace", "path": "/spec/http/0/route/0/destination/subset", "value": "stable"},
        ]
        await world.user.patch(VIRTUAL_SERVICES, NS, "web", ops, type="json")
        await world.clock.sleep(2)
        assert await http_routes(world.user) == good
        await world.patch_status(abort=True)
        await world.phase("Degraded", "RolloutAborted")
        assert await shares(world.user) == (0, 100)
        assert len(await http_routes(world.user)) == 1

    with_istio(story)


def test_a_missing_virtual_service_is_told_and_recovered_from() -> None:
    async def story(world: World) -> None:
        await world.user.create(ROLLOUTS, routed({"istio": {"virtualService": {"name": "web"}}}, {"setWeight": 20}))
        await world.phase("Degraded", "this cluster does not serve VirtualService: install Istio's CRDs")
        await install(world.user, world.clock)
        await world.phase("Degraded", 'VirtualService \\"web\\" not found in namespace \\"shop\\"'.replace("\\", ""))
        route = [{"destination": {"host": f"web-{side}"}} for side in ("stable", "canary")]
        await world.user.create(VIRTUAL_SERVICES, made(VIRTUAL_SERVICES, http=[{"route": route}]))
        await world.phase("Healthy")

    simulate(story)


def mesh_objects() -> list[tuple[Resource, Obj]]:
    """What App Mesh needs for the Rollout."""
    nodes = [
        made(APP_MESH_NODES, f"web-{side}", podSelector={"matchLabels": {"app": "web", HASH_LABEL: f"{side}-tbd"}})
        for side in ("canary", "stable")
    ]
    targets = [{"virtualNodeRef": {"name": f"web-{side}"}, "weight": share} for side, share in (("canary", 0), ("stable", 100))]
    route = {"name": "main", "httpRoute": {"match": {"prefix": "/"}, "action": {"weightedTargets": targets}}}
    service = made(APP_MESH_SERVICES, provider={"virtualRouter": {"virtualRouterRef": {"name": "web"}}})
    router = made(APP_MESH_ROUTERS, listeners=[], routes=[route])
    return [*((APP_MESH_NODES, node) for node in nodes), (APP_MESH_SERVICES, service), (APP_MESH_ROUTERS, router)]


def mapping() -> Obj:
    return made(MAPPINGS, prefix="/", hostname="*", service="web-stable:80")


async def paused_behind_many(world: World) -> None:
    """A canary with 30 % behind six routers at once, and a header route."""
    user = world.user
    await install(user, world.clock)
    backend = {"service": {"name": "web-stable", "port": {"number": 80}}}
    rules = [{"host": "shop.test", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]
    await user.create(INGRESSES, made(INGRESSES, rules=rules))
    names = ("web-stable", "web-canary")
    weighted = {"services": [{"name": name, "port": 80} for name in names]}
    await user.create(TRAEFIK_SERVICES, made(TRAEFIK_SERVICES, weighted=weighted))
    backends = [{"serviceName": name, "servicePort": 80} for name in names]
    await user.create(APISIX_ROUTES, made(APISIX_ROUTES, http=[{"name": "web", "backends": backends}]))
    await user.create(MAPPINGS, mapping())
    for resource, obj in mesh_objects():
        await user.create(resource, obj)
    routing = {
        "nginx": {"stableIngress": "web"},
        "ambassador": {"mappings": ["web"]},
        "appMesh": APP_MESH,
        "traefik": {"weightedTraefikServiceName": "web"},
        "smi": {},
        "apisix": {"route": {"name": "web"}},
        "managedRoutes": [{"name": "staff"}],
    }
    steps = ({"setHeaderRoute": HEADER}, {"setWeight": 30}, {"pause": {}})
    await user.create(ROLLOUTS, routed(routing, *steps))
    await world.phase("Healthy")
    await world.set_image("shop/web:v2")
    await world.phase("Paused")


def test_several_routers_at_once() -> None:
    async def story(world: World) -> None:
        user = world.user
        await paused_behind_many(world)
        assert await everywhere(user) == [30] * 6
        assert dig(await user.get(APISIX_ROUTES, NS, "staff"), "spec", "http", 0, "backends", 0, "weight") == 100
        await world.patch_status(abort=True)
        await world.phase("Degraded")
        assert await everywhere(user) == [0] * 6
        assert await is_gone(user, APISIX_ROUTES, "staff")
        assert await is_gone(user, MAPPINGS, "web-canary")

    simulate(story)


async def mesh_shares(user: Client) -> tuple[int, int]:
    """(canary, stable) in the VirtualRouter."""
    router = await user.get(APP_MESH_ROUTERS, NS, "web")
    canary, stable = (target["weight"] for target in router["spec"]["routes"][0]["httpRoute"]["action"]["weightedTargets"])
    return canary, stable


async def mesh_hashes(user: Client) -> tuple[str, str]:
    """(canary, stable) in the selectors of the VirtualNodes; "" where none is asked for."""
    nodes = [await user.get(APP_MESH_NODES, NS, f"web-{side}") for side in ("canary", "stable")]
    canary, stable = (dig(node, "spec", "podSelector", "matchLabels", HASH_LABEL, default="") for node in nodes)
    return canary, stable


async def everywhere(user: Client) -> list[int]:
    """The canary's weight in every object."""
    ingress = await user.get(INGRESSES, NS, "web-web-canary")
    traefik = await user.get(TRAEFIK_SERVICES, NS, "web")
    split = await user.get(TRAFFIC_SPLITS, NS, "web")
    route = await user.get(APISIX_ROUTES, NS, "web")
    return [
        int(ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/canary-weight"]),
        traefik["spec"]["weighted"]["services"][1]["weight"],
        split["spec"]["backends"][0]["weight"],
        route["spec"]["http"][0]["backends"][1]["weight"],
        0 if await is_gone(user, MAPPINGS, "web-canary") else (await user.get(MAPPINGS, NS, "web-canary"))["spec"]["weight"],
        (await mesh_shares(user))[0],
    ]


async def is_gone(user: Client, resource: Resource, name: str, namespace: str = NS) -> bool:
    try:
        await user.get(resource, namespace, name)
    except NotFound:
        return True
    return False


def with_alb() -> Obj:
    alb = {"ingress": "edge", "rootService": "root", "servicePort": 80}
    return {"alb": alb, "managedRoutes": [{"name": "staff"}]}


STEPS = (
    {"setHeaderRoute": HEADER},
    {"setWeight": 5},
    {"pause": {"duration": "20s"}},
    {"setWeight": 30},
    {"pause": {"duration": "20s"}},
)


def manifests(image: str, routing: Obj, *objs: Obj) -> list[Obj]:
    """The shop as Git has it."""
    background = {"templates": [{"templateName": "errors"}], "startingStep": 1}
    wanted = routed({**routing, "managedRoutes": [{"name": "staff"}]}, *STEPS, analysis=background)
    wanted["spec"]["template"]["spec"]["containers"][0]["image"] = image
    return [service("web-stable"), service("web-canary"), errors_template(), wanted, *objs]


def with_mesh(image: str) -> list[Obj]:
    """Git states a stray destination, which the canary takes out."""
    path = virtual_service()
    path["spec"]["http"][0]["route"].append({"destination": {"host": "web"}, "weight": 50})
    return manifests(image, {"istio": ISTIO}, path, destination_rule(), *load_router_crds())


def with_app_mesh(image: str) -> list[Obj]:
    """Git states placeholders for the hashes, as App Mesh asks for."""
    git = manifests(image, {"appMesh": APP_MESH}, *(obj for _, obj in mesh_objects()), *load_router_crds())
    canary = next(obj for obj in git if obj["kind"] == ROLLOUTS.kind)["spec"]["strategy"]["canary"]
    canary["steps"] = [step for step in canary["steps"] if "setHeaderRoute" not in step]
    canary["analysis"]["startingStep"] = 0
    return git


def with_load_balancer(image: str) -> list[Obj]:
    """Git states the action, as it was at the beginning."""
    return manifests(image, {"alb": with_alb()["alb"]}, edge_ingress())


def edge_ingress() -> Obj:
    paths = [{"path": "/*", "pathType": "ImplementationSpecific", "backend": use_annotation("root")}]
    edge = made(INGRESSES, "edge", rules=[{"http": {"paths": paths}}])
    edge["metadata"]["annotations"] = {ACTION: "{}"}
    return edge


def use_annotation(action: str) -> Obj:
    return {"service": {"name": action, "port": {"name": "use-annotation"}}}


async def alb_shares(user: Client) -> tuple[int, int]:
    edge = await user.get(INGRESSES, NS, "edge")
    groups = dig(json.loads(edge["metadata"]["annotations"][ACTION]), "ForwardConfig", "TargetGroups", default=[])
    weights = {group["ServiceName"]: group["Weight"] for group in groups}
    return weights.get("web-canary", 0), weights.get("web-stable", 0)


async def play_load_balancer(there: gitops_world.World) -> None:
    """Gives the Ingress an address, without which it is not healthy."""
    status = {"status": {"loadBalancer": {"ingress": [{"hostname": "lb.test"}]}}}
    for _ in range(100):
        await there.clock.sleep(0.1)
        with suppress(NotFound):
            await there.user.patch(INGRESSES, NS, "edge", status, subresource="status")


async def until_share(there: gitops_world.World, look: Look, canary: int) -> None:
    for _ in range(2000):
        if await look(there.user) == (canary, 100 - canary):
            return
        await there.clock.sleep(0.05)
    raise AssertionError(f"the canary never had {canary} %: {await look(there.user)}")


@pytest.mark.parametrize(("git", "look"), [(with_mesh, shares), (with_app_mesh, mesh_shares), (with_load_balancer, alb_shares)])
def test_the_gitops_engine_writes_nothing_while_a_canary_moves(git: Callable[[str], list[Obj]], look: Look) -> None:
    metrics = Metrics()

    async def story(there: gitops_world.World) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(begin(there))
            group.create_task(play_load_balancer(there))
        await there.push(git("slow:2"))
        await until_share(there, look, 5)
        await there.until(lambda app: "operation" not in app and dig(app, "status", "sync", "status") == "Synced")
        there.engine.writes.clear()
        await until_share(there, look, 30)
        assert dig(await there.app(), "status", "sync", "status") == "Synced"
        await there.until(lambda app: dig(app, "status", "health", "status") == "Healthy")
        assert await look(there.user) == (0, 100)
        metrics.errors = 0.3
        await there.settle(60)
        assert writes_to_objects(there) == []
        await there.push(git("slow:3"))
        await there.until(lambda app: dig(app, "status", "health", "status") == "Degraded")
        await there.settle(5)
        assert await look(there.user) == (0, 100)
        there.engine.writes.clear()
        await there.settle(600)
        assert there.engine.writes == []
        assert dig(await there.app(), "status", "sync", "status") == "Synced"

    gitops_world.simulate(story, git("slow:1"), others=metrics.runtimes)


def with_variant(image: str) -> list[Obj]:
    """A variant of the next version that is tried before it, in a mesh that Git describes."""
    tried = {"templates": [{"name": "tried", "specRef": "canary", "weight": 20}], "duration": "30s"}
    wanted = routed({"istio": ISTIO}, {"experiment": tried}, {"pause": {}})
    container: Obj = wanted["spec"]["template"]["spec"]["containers"][0]
    container |= {"image": image, "ports": [{"containerPort": 8080}]}
    path, rule = virtual_service(), destination_rule()
    return [service("web-stable"), service("web-canary"), path, rule, wanted, *load_router_crds()]


def test_a_variant_in_a_mesh_is_no_drift_while_it_has_a_share() -> None:
    async def story(there: gitops_world.World) -> None:
        await begin(there)
        await there.push(with_variant("slow:2"))
        await until_share(there, stable_and_others, 80)
        await there.settle(2)
        assert len(await subsets(there.user)) == 3
        there.engine.writes.clear()
        await there.settle(15)
        assert await stable_and_others(there.user) == (80, 20)
        assert writes_to_objects(there) == []
        await until_share(there, stable_and_others, 100)
        await there.settle(5)
        assert len(await subsets(there.user)) == 2
        assert writes_to_objects(there) == []
        assert dig(await there.app(), "status", "sync", "status") == "Synced"

    gitops_world.simulate(story, with_variant("slow:1"), others=Metrics().runtimes)


async def stable_and_others(user: Client) -> tuple[int, int]:
    weights = [entry["weight"] for entry in (await http_routes(user))[-1]["route"]]
    return weights[0], sum(weights[1:])
