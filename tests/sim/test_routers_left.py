"""What routers leave behind when they are taken out of a Rollout (nothing); what they do about other hands (write again)."""

from typing import Any

import pytest

from shipway.api.kinds import APP_MESH_ROUTERS, HTTP_ROUTES, MAPPINGS, ROLLOUTS, SERVICES
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import dig
from tests.sim.rollouts_world import NS, World, simulate
from tests.sim.test_routers import (
    ACTION,
    APISIX_ROUTES,
    DESTINATION_RULES,
    HEADER,
    INGRESSES,
    ISTIO,
    TRAEFIK_SERVICES,
    TRAFFIC_SPLITS,
    alb_shares,
    edge_ingress,
    everywhere,
    http_routes,
    is_gone,
    mesh_hashes,
    mesh_objects,
    mesh_shares,
    paused_behind_many,
    routed,
    shares,
    subsets,
    with_alb,
    with_istio,
)

OWNED = ((INGRESSES, "web-web-canary"), (TRAFFIC_SPLITS, "web"), (MAPPINGS, "web-canary"))
"""What Rollouts make for themselves."""


async def change(world: World, **canary: Any) -> None:
    """Edits the strategy, and takes the header route out of its steps."""
    canary["steps"] = [{"setWeight": 30}, {"pause": {}}]
    await world.user.patch(ROLLOUTS, NS, "web", {"spec": {"strategy": {"canary": canary}}})
    await world.clock.sleep(3)


@pytest.mark.compat("rollouts:router.left")
def test_an_istio_block_that_is_taken_out_leaves_nothing_behind() -> None:
    async def story(world: World) -> None:
        routing = {"istio": ISTIO, "managedRoutes": [{"name": "staff"}]}
        await world.user.create(ROLLOUTS, routed(routing, {"setHeaderRoute": HEADER}, {"setWeight": 20}, {"pause": {}}))
        await world.phase("Healthy")
        await world.set_image("shop/web:v2")
        await world.phase("Paused")
        assert len(await http_routes(world.user)) == 2
        await change(world, trafficRouting=None)
        assert await shares(world.user) == (0, 100)
        assert len(await http_routes(world.user)) == 1
        assert await subsets(world.user) == {"canary": "", "stable": ""}
        rule = await world.user.get(DESTINATION_RULES, NS, "web")
        assert not dig(rule, "metadata", "annotations")
        assert dig(rule, "spec", "subsets", 0, "labels") == {"app": "web"}

    with_istio(story)


@pytest.mark.compat("rollouts:router.left")
def test_routers_that_are_taken_out_leave_nothing_behind() -> None:
    async def story(world: World) -> None:
        await paused_behind_many(world)
        left = await world.user.get(ROLLOUTS, NS, "web")
        assert "nginx" in left["metadata"]["annotations"]["shipway.dev/reaches"]
        gone = ("nginx", "smi", "apisix", "ambassador", "appMesh", "managedRoutes")
        await change(world, trafficRouting=dict.fromkeys(gone))
        for resource, name in (*OWNED, (APISIX_ROUTES, "staff")):
            assert await is_gone(world.user, resource, name)
        route = await world.user.get(APISIX_ROUTES, NS, "web")
        assert [backend["weight"] for backend in route["spec"]["http"][0]["backends"]] == [100, 0]
        assert await mesh_shares(world.user) == (0, 100)
        assert await mesh_hashes(world.user) == ("canary-hash", "")
        weighted = await world.user.get(TRAEFIK_SERVICES, NS, "web")
        assert weighted["spec"]["weighted"]["services"][1]["weight"] == 30
        found = await world.user.get(ROLLOUTS, NS, "web")
        assert "nginx" not in found["metadata"]["annotations"]["shipway.dev/reaches"]

    simulate(story)


@pytest.mark.compat("rollouts:router.left")
def test_a_gateway_route_and_services_that_are_taken_out_are_as_before() -> None:
    async def story(world: World) -> None:
        plugin = {"argoproj-labs/gatewayAPI": {"httpRoute": "web", "namespace": NS}}
        routing = {"plugins": plugin, "managedRoutes": [{"name": "staff"}]}
        await world.user.create(ROLLOUTS, routed(routing, {"setHeaderRoute": HEADER}, {"setWeight": 20}, {"pause": {}}))
        await world.phase("Healthy")
        await world.set_image("shop/web:v2")
        await world.phase("Paused")
        await change(world, trafficRouting=None, canaryService=None, stableService=None)
        left = await world.user.get(HTTP_ROUTES, NS, "web")
        assert await world.weights() == (0, 100)
        assert len(left["spec"]["rules"]) == 1
        assert not left["metadata"].get("labels")
        for name in ("web-stable", "web-canary"):
            found = await world.user.get(SERVICES, NS, name)
            assert found["spec"]["selector"] == {"app": "web"}
            assert not found["metadata"].get("annotations")
        assert "shipway.dev/reaches" not in (await world.rollout())["metadata"]["annotations"]

    simulate(story)


@pytest.mark.compat("rollouts:router.left")
def test_an_alb_block_that_is_taken_out_leaves_the_action_to_stable_alone() -> None:
    async def story(world: World) -> None:
        await world.user.create(INGRESSES, edge_ingress())
        await world.user.create(ROLLOUTS, routed(with_alb(), {"setHeaderRoute": HEADER}, {"setWeight": 20}, {"pause": {}}))
        await world.phase("Healthy")
        await world.set_image("shop/web:v2")
        await world.phase("Paused")
        assert await alb_shares(world.user) == (20, 80)
        await change(world, trafficRouting=None)
        assert await alb_shares(world.user) == (0, 100)
        edge = await world.user.get(INGRESSES, NS, "edge")
        assert set(edge["metadata"]["annotations"]) == {ACTION}
        assert len(edge["spec"]["rules"][0]["http"]["paths"]) == 1

    simulate(story)


async def edit(user: Client, resource: Resource, name: str, path: str, value: Any) -> None:
    await user.patch(resource, NS, name, [{"op": "replace", "path": path, "value": value}], type="json")


@pytest.mark.compat("rollouts:router.restored")
def test_what_somebody_edits_or_deletes_behind_any_router_is_reported_and_written_again() -> None:
    async def story(world: World) -> None:
        user = world.user
        await paused_behind_many(world)
        weight_key = "nginx.ingress.kubernetes.io~1canary-weight"
        for resource, name, path, value in (
            (INGRESSES, "web-web-canary", f"/metadata/annotations/{weight_key}", "90"),
            (TRAEFIK_SERVICES, "web", "/spec/weighted/services/1/weight", 90),
            (TRAFFIC_SPLITS, "web", "/spec/backends/0/weight", 90),
            (APISIX_ROUTES, "web", "/spec/http/0/backends/1/weight", 90),
            (APISIX_ROUTES, "staff", "/spec/http/0/backends/0/weight", 1),
            (MAPPINGS, "web-canary", "/spec/weight", 90),
            (APP_MESH_ROUTERS, "web", "/spec/routes/0/httpRoute/action/weightedTargets/0/weight", 90),
        ):
            await edit(user, resource, name, path, value)
            await world.clock.sleep(2)
            assert await everywhere(user) == [30] * 6
            assert (
                f"TrafficRouteRestored: {resource.kind} shop/{name} no longer says what the Rollout wants: written again"
                in (await world.told())
            )
        for resource, name in (*OWNED, (APISIX_ROUTES, "staff")):
            await user.delete(resource, NS, name)
            await world.clock.sleep(2)
            assert not await is_gone(user, resource, name)
            assert f"TrafficRouteRestored: {resource.kind} shop/{name} is gone: written again" in await world.told()
        assert await everywhere(user) == [30] * 6
        theirs = ((TRAEFIK_SERVICES, "web"), (APISIX_ROUTES, "web"), (SERVICES, "web-canary"), (MAPPINGS, "web"))
        for resource, name in (*theirs, *((kind, obj["metadata"]["name"]) for kind, obj in mesh_objects())):
            found = await user.get(resource, NS, name)
            await user.delete(resource, NS, name)
            await world.phase("Degraded", "InvalidSpec")
            await user.create(resource, bare(found))
            await world.phase("Paused")
            assert await everywhere(user) == [30] * 6

    simulate(story)


@pytest.mark.compat("rollouts:router.restored")
def test_what_somebody_edits_behind_a_load_balancer_is_reported_and_written_again() -> None:
    async def story(world: World) -> None:
        await world.user.create(INGRESSES, edge_ingress())
        await world.user.create(ROLLOUTS, routed(with_alb(), {"setWeight": 20}, {"pause": {}}))
        await world.phase("Healthy")
        await world.set_image("shop/web:v2")
        await world.phase("Paused")
        await edit(world.user, INGRESSES, "edge", f"/metadata/annotations/{ACTION.replace('/', '~1')}", "{}")
        await world.clock.sleep(2)
        assert await alb_shares(world.user) == (20, 80)
        told = await world.told()
        assert "TrafficRouteRestored: Ingress shop/edge no longer says what the Rollout wants: written again" in told
        assert "PatchingALBIngress: Updating Ingress `edge` to desiredWeight '20'" in told

    simulate(story)


@pytest.mark.compat("rollouts:events")
def test_routers_tell_the_events_that_argo_rollouts_tells() -> None:
    async def story(world: World) -> None:
        await paused_behind_many(world)
        told = await world.told()
        for line in (
            "CreatingCanaryIngress: Creating canary ingress `web-web-canary` with weight `0`",
            "PatchingCanaryIngress: Updating Ingress `web-web-canary` to desiredWeight '30'",
            "TrafficSplitCreated: TrafficSplit `web` created",
            "TrafficSplitModified: TrafficSplit `web` modified",
        ):
            assert line in told
        assert not any(line.startswith("TrafficRouteRestored") for line in told)

    simulate(story)


def bare(obj: Obj) -> Obj:
    """An object as a user would make it again."""
    meta = {key: value for key, value in obj["metadata"].items() if key in ("name", "namespace", "labels", "annotations")}
    spec = {key: value for key, value in obj["spec"].items() if not key.startswith("clusterIP")}
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": meta, "spec": spec}


@pytest.mark.compat("rollouts:router.restored")
def test_what_somebody_edits_in_a_mesh_a_gateway_route_or_a_service_is_reported_and_written_again() -> None:
    async def story(world: World) -> None:
        user = world.user
        plugin = {"argoproj-labs/gatewayAPI": {"httpRoute": "web", "namespace": NS}}
        istio = {"virtualService": {"name": "web"}, "destinationRule": ISTIO["destinationRule"]}
        await world.user.create(ROLLOUTS, routed({"istio": istio, "plugins": plugin}, {"setWeight": 20}, {"pause": {}}))
        await world.phase("Healthy")
        await world.set_image("shop/web:v2")
        found = await world.phase("Paused")
        stable, canary = found["status"]["stableRS"], found["status"]["currentPodHash"]
        label = "rollouts-pod-template-hash"
        for resource, name, path, value in (
            (DESTINATION_RULES, "web", f"/spec/subsets/0/labels/{label}", stable),
            (HTTP_ROUTES, "web", "/spec/rules/0/backendRefs/1/weight", 99),
        ):
            await edit(user, resource, name, path, value)
            await world.clock.sleep(2)
            line = f"TrafficRouteRestored: {resource.kind} shop/{name} no longer says what the Rollout wants: written again"
            assert line in await world.told()
        assert await subsets(user) == {"canary": canary, "stable": stable}
        assert await world.weights() == (20, 80)
        for name, pod_hash, other in (("web-stable", stable, canary), ("web-canary", canary, stable)):
            await edit(user, SERVICES, name, f"/spec/selector/{label}", other)
            await world.clock.sleep(2)
            assert (await user.get(SERVICES, NS, name))["spec"]["selector"][label] == pod_hash
        told = [line for line in await world.told() if "SwitchService" in line]
        assert any("service 'web-stable' from '<2>' to '<1>'" in line for line in told), told

    with_istio(story)
