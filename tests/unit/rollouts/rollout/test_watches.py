"""Kinds of routers are watched only for Rollouts that name them."""

import pytest

from shipway.api.kinds import APP_MESH_ROUTERS, APP_MESH_SERVICES, HTTP_ROUTES, REPLICA_SETS, ROLLOUTS
from shipway.kube.objects.patches import merge_patch
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.runtime.decision import Indexed
from shipway.rollouts.experiment.controller import ExperimentController
from shipway.rollouts.notifications.controller import NotificationController
from shipway.rollouts.rollout.controller import RolloutController
from shipway.rollouts.rollout.decide import watches_of
from shipway.rollouts.rollout.names import HASH_LABEL
from shipway.rollouts.rollout.watches import WATCHES, named_by
from shipway.rollouts.settings import RolloutSettings
from tests.unit.rollouts.rollout.sandbox import KEY, Sandbox, rollout

SERVED = [
    Resource(group, "v1", kind, f"{kind.lower()}s")
    for group, kind in (
        ("networking.istio.io", "VirtualService"),
        ("networking.istio.io", "DestinationRule"),
        ("networking.k8s.io", "Ingress"),
        ("traefik.io", "TraefikService"),
        ("split.smi-spec.io", "TrafficSplit"),
        ("getambassador.io", "Mapping"),
        ("appmesh.k8s.aws", "VirtualService"),
        ("appmesh.k8s.aws", "VirtualRouter"),
        ("appmesh.k8s.aws", "VirtualNode"),
    )
]
APP_MESH = {
    "virtualService": {"name": "mesh"},
    "virtualNodeGroup": {"canaryVirtualNodeRef": {"name": "next"}, "stableVirtualNodeRef": {"name": "now"}},
}
SUBSETS = {"name": "rule", "canarySubsetName": "canary", "stableSubsetName": "stable"}


class Served(Sandbox):
    """A cluster with all kinds of routers but the old Traefik group."""

    def resource_for(self, group: str, kind: str) -> Resource | None:
        return HTTP_ROUTES if kind == "HTTPRoute" else next((r for r in SERVED if r.group_kind == (group, kind)), None)


def routed_by(**routing: Obj) -> Obj:
    fields = {"trafficRouting": {"plugins": None, **routing}} if routing else {}
    return merge_patch(rollout(routed=True), {"spec": {"strategy": {"canary": fields}}})


@pytest.mark.parametrize(
    ("obj", "kinds", "names"),
    [
        (rollout(), set(), set()),
        (routed_by(), {"HTTPRoute"}, {"HTTPRoute/shop/web"}),
        (
            routed_by(istio={"virtualService": {"name": "web.edge"}, "destinationRule": SUBSETS}),
            {"VirtualService", "DestinationRule"},
            {"VirtualService/edge/web", "DestinationRule/shop/rule"},
        ),
        (
            routed_by(nginx={"stableIngress": "main"}, smi={}),
            {"Ingress", "TrafficSplit"},
            {"Ingress/shop/main", "Ingress/shop/web-main-canary", "TrafficSplit/shop/web"},
        ),
        (routed_by(traefik={"weightedTraefikServiceName": "t"}), {"TraefikService"}, {"TraefikService/shop/t"}),
        (
            routed_by(ambassador={"mappings": ["main"]}),
            {"Mapping"},
            {"Mapping/shop/main", "Mapping/shop/main-canary"},
        ),
        (
            routed_by(appMesh=APP_MESH),
            {"VirtualNode", "VirtualService"},
            {"VirtualNode/shop/next", "VirtualNode/shop/now", "VirtualService/shop/mesh"},
        ),
    ],
)
def test_only_what_is_named_is_watched(obj: Obj, kinds: set[str], names: set[str]) -> None:
    sandbox = Served((ROLLOUTS, obj))
    seen = sandbox.controller.observe(KEY, sandbox)
    assert seen is not None
    assert {watch.resource.kind for watch in watches_of(seen)} == kinds
    assert {name for name in named_by(sandbox.rollout) if not name.startswith("Service/")} == names
    assert not kinds & {watch.resource.kind for watch in WATCHES}


def test_a_virtual_router_is_watched_once_it_is_known_and_wakes_who_names_its_nodes() -> None:
    provider = {"virtualRouter": {"virtualRouterRef": {"name": "router"}}}
    service = {"metadata": {"name": "mesh", "namespace": "shop"}, "spec": {"provider": provider}}
    targets = [{"virtualNodeRef": {"name": name}, "weight": 50} for name in ("next", "now")]
    route = {"name": "main", "grpcRoute": {"action": {"weightedTargets": targets}}}
    router = {"metadata": {"name": "router", "namespace": "shop"}, "spec": {"routes": [route]}}
    sandbox = Served((ROLLOUTS, routed_by(appMesh=APP_MESH)), (APP_MESH_SERVICES, service), (APP_MESH_ROUTERS, router))
    seen = sandbox.controller.observe(KEY, sandbox)
    assert seen is not None
    (watch,) = (watch for watch in watches_of(seen) if watch.resource.kind == "VirtualRouter")
    woken = {key.value for key in watch.keys(router) if isinstance(key, Indexed)}
    assert woken == {"VirtualNode/shop/next", "VirtualNode/shop/now"}
    assert woken <= set(named_by(sandbox.rollout))


def test_the_replica_sets_of_deployments_are_neither_listed_nor_watched() -> None:
    settings = RolloutSettings()
    controllers = (RolloutController(settings), ExperimentController(settings), NotificationController(settings))
    chosen = [watch.label_selector for one in controllers for watch in one.watches if watch.resource == REPLICA_SETS]
    assert chosen == [HASH_LABEL] * 3, "which Argo Rollouts and we put on every one that we make"


def test_a_replica_set_that_is_somebodys_workload_is_watched_beside_our_own() -> None:
    workload = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "old"}
    sandbox = Served((ROLLOUTS, merge_patch(rollout(), {"spec": {"workloadRef": workload, "template": None}})))
    seen = sandbox.controller.observe(KEY, sandbox)
    assert seen is not None
    (watch,) = (watch for watch in watches_of(seen) if watch.resource == REPLICA_SETS)
    old = {"metadata": {"name": "old", "namespace": "shop"}}
    assert watch.label_selector == "" and Indexed(ROLLOUTS, "named", "ReplicaSet/shop/old") in watch.keys(old)
