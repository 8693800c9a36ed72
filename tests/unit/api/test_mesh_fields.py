"""What a canary moves in the objects of meshes and ingress controllers is not Git's: stripped from it, carried over by it."""

from typing import Any

import pytest

from shipway.api.handed_over import claims_of, merge, rows_for, strip
from shipway.kube.objects.resource import Obj

ISTIO = {
    "virtualService": {"name": "web"},
    "destinationRule": {"name": "web", "canarySubsetName": "next", "stableSubsetName": "now"},
}

ALB = "alb.ingress.kubernetes.io"


def ingress(paths: list[str], annotations: Obj, host: str = "a") -> Obj:
    found = [{"path": "/*", "backend": {"service": {"name": name}}} for name in paths]
    made = obj("networking.k8s.io/v1", "Ingress", rules=[{"host": host, "http": {"paths": found}}])
    made["metadata"]["annotations"] = annotations
    return made


def rollout(**routing: Any) -> Obj:
    canary = {"canaryService": "canary", "stableService": "stable", "trafficRouting": routing}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"strategy": {"canary": canary}},
    }


def obj(api_version: str, kind: str, **spec: Any) -> Obj:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "web", "namespace": "shop"}, "spec": spec}


def to(host: str, weight: int | None = None, subset: str = "") -> Obj:
    destination = {"host": host, **({"subset": subset} if subset else {})}
    return {"destination": destination, **({} if weight is None else {"weight": weight})}


def service(*http: Obj, **spec: Any) -> Obj:
    return obj("networking.istio.io/v1", "VirtualService", hosts=["a"], **({"http": list(http)} if http else {}), **spec)


def pair(stable: int | None, canary: int | None) -> list[Obj]:
    return [to("stable.shop", stable), to("canary.shop", canary)]


APP_MESH = {
    "virtualService": {"name": "web"},
    "virtualNodeGroup": {"canaryVirtualNodeRef": {"name": "next"}, "stableVirtualNodeRef": {"name": "now"}},
}


def mesh_router(*routes: tuple[str, int | None, int | None]) -> Obj:
    """A VirtualRouter with routes of (name, weight of the canary, weight of stable), and one that leads elsewhere."""
    found = [{"name": "else", "tcpRoute": {"action": {"weightedTargets": [mesh_target("other", 5)]}}}]
    for name, canary, stable in routes:
        targets = [mesh_target("next", canary), mesh_target("now", stable)]
        found.append({"name": name, "httpRoute": {"action": {"weightedTargets": targets}}})
    return obj("appmesh.k8s.aws/v1beta2", "VirtualRouter", routes=found)


def mesh_target(node: str, weight: int | None) -> Obj:
    return {"virtualNodeRef": {"name": node}, **({} if weight is None else {"weight": weight})}


def mesh_node(labels: dict[str, str]) -> Obj:
    return obj("appmesh.k8s.aws/v1beta2", "VirtualNode", podSelector={"matchLabels": labels}, listeners=[])


CASES = [
    pytest.param(
        {"istio": {"virtualService": {"name": "web"}}},
        service({"route": pair(100, 0), "timeout": "5s"}),
        service({"route": pair(80, 20)}),
        service({"route": pair(80, 20), "timeout": "5s"}),
        service({"route": pair(None, None), "timeout": "5s"}),
        id="a VirtualService by hosts",
    ),
    pytest.param(
        {"istio": {"virtualServices": [{"name": "web", "routes": ["main"]}]}},
        service({"name": "main", "route": pair(100, 0)}, {"name": "other", "route": pair(50, 50)}),
        service({"name": "other", "route": pair(1, 99)}, {"name": "main", "route": pair(70, 30)}),
        service({"name": "main", "route": pair(70, 30)}, {"name": "other", "route": pair(50, 50)}),
        service({"name": "main", "route": pair(None, None)}, {"name": "other", "route": pair(50, 50)}),
        id="only the named routes",
    ),
    pytest.param(
        {"istio": {"virtualService": {"name": "web"}}, "managedRoutes": [{"name": "staff"}]},
        service({"route": pair(100, 0)}),
        service({"name": "staff", "route": [to("canary", 100)]}, {"route": pair(95, 5)}),
        service({"name": "staff", "route": [to("canary", 100)]}, {"route": pair(95, 5)}),
        service({"route": pair(None, None)}),
        id="managed routes stay on top",
    ),
    pytest.param(
        {"istio": {"virtualService": {"name": "web", "tcpRoutes": [{"port": 1}], "routes": ["x"]}}},
        service(tcp=[{"match": [{"port": 1}], "route": pair(100, 0)}]),
        service(tcp=[{"match": [{"port": 1}], "route": pair(60, 40)}]),
        service(tcp=[{"match": [{"port": 1}], "route": pair(60, 40)}]),
        service(tcp=[{"match": [{"port": 1}], "route": pair(None, None)}]),
        id="tcp routes",
    ),
    pytest.param(
        {"istio": {"virtualService": {"name": "web"}}},
        service({"route": [*pair(50, 10), to("stranger", 40)]}),
        service({"route": pair(90, 10)}),
        service({"route": pair(90, 10)}),
        service({"route": [*pair(None, None), to("stranger", 40)]}),
        id="a destination that the canary took out",
    ),
    pytest.param(
        {"istio": ISTIO},
        service({"route": [to("web", 100, "now"), to("web", 0, "next")]}),
        service({"route": [to("web", 90, "now"), to("web", 10, "next")]}),
        service({"route": [to("web", 90, "now"), to("web", 10, "next")]}),
        service({"route": [to("web", None, "now"), to("web", None, "next")]}),
        id="a VirtualService by subsets",
    ),
    pytest.param(
        {"istio": ISTIO},
        obj(
            "networking.istio.io/v1",
            "DestinationRule",
            host="web",
            subsets=[{"name": "next"}, {"name": "now", "labels": {"a": "b"}}],
        ),
        obj(
            "networking.istio.io/v1",
            "DestinationRule",
            host="old",
            subsets=[{"name": name, "labels": {"rollouts-pod-template-hash": name * 2}} for name in ("now", "next")],
        ),
        obj(
            "networking.istio.io/v1",
            "DestinationRule",
            host="web",
            subsets=[
                {"name": "next", "labels": {"rollouts-pod-template-hash": "nextnext"}},
                {"name": "now", "labels": {"a": "b", "rollouts-pod-template-hash": "nownow"}},
            ],
        ),
        obj(
            "networking.istio.io/v1",
            "DestinationRule",
            host="web",
            subsets=[{"name": "next"}, {"name": "now", "labels": {"a": "b"}}],
        ),
        id="subset labels",
    ),
    pytest.param(
        {"smi": {}},
        obj("split.smi-spec.io/v1alpha3", "TrafficSplit", backends=[{"service": "canary", "weight": 0}]),
        obj("split.smi-spec.io/v1alpha3", "TrafficSplit", backends=[{"service": "canary", "weight": 7}]),
        obj("split.smi-spec.io/v1alpha3", "TrafficSplit", backends=[{"service": "canary", "weight": 7}]),
        obj("split.smi-spec.io/v1alpha3", "TrafficSplit", backends=[{"service": "canary"}]),
        id="a TrafficSplit named like the Rollout",
    ),
    pytest.param(
        {"traefik": {"weightedTraefikServiceName": "web"}},
        obj(
            "traefik.io/v1alpha1",
            "TraefikService",
            weighted={"services": [{"name": "stable", "port": 8}, {"name": "x", "weight": 1}]},
        ),
        obj(
            "traefik.io/v1alpha1",
            "TraefikService",
            weighted={"services": [{"name": "stable", "weight": 9}, {"name": "x", "weight": 2}]},
        ),
        obj(
            "traefik.io/v1alpha1",
            "TraefikService",
            weighted={"services": [{"name": "stable", "port": 8, "weight": 9}, {"name": "x", "weight": 1}]},
        ),
        obj(
            "traefik.io/v1alpha1",
            "TraefikService",
            weighted={"services": [{"name": "stable", "port": 8}, {"name": "x", "weight": 1}]},
        ),
        id="a TraefikService",
    ),
    pytest.param(
        {"apisix": {"route": {"name": "web", "rules": ["r"]}}},
        obj(
            "apisix.apache.org/v2",
            "ApisixRoute",
            http=[{"name": "r", "backends": [{"serviceName": s, "weight": 1} for s in ("stable", "canary")]}],
        ),
        obj(
            "apisix.apache.org/v2",
            "ApisixRoute",
            http=[{"name": "r", "backends": [{"serviceName": s, "weight": 5} for s in ("stable", "canary")]}],
        ),
        obj(
            "apisix.apache.org/v2",
            "ApisixRoute",
            http=[{"name": "r", "backends": [{"serviceName": s, "weight": 5} for s in ("stable", "canary")]}],
        ),
        obj(
            "apisix.apache.org/v2",
            "ApisixRoute",
            http=[{"name": "r", "backends": [{"serviceName": s} for s in ("stable", "canary")]}],
        ),
        id="an ApisixRoute",
    ),
    pytest.param(
        {"alb": {"ingress": "web", "servicePort": 80}, "managedRoutes": [{"name": "staff"}]},
        ingress(["stable"], {"mine": "new", f"{ALB}/actions.stable": "git"}),
        ingress(["staff", "stable"], {"mine": "old", f"{ALB}/actions.stable": "live", f"{ALB}/actions.staff": "live"}),
        ingress(["staff", "stable"], {"mine": "new", f"{ALB}/actions.stable": "live"}),
        ingress(["stable"], {"mine": "new"}),
        id="annotations and paths of an ALB's Ingress",
    ),
    pytest.param(
        {"appMesh": APP_MESH},
        mesh_router(("main", 0, 100), ("api", 1, 99)),
        mesh_router(("api", 30, 70), ("main", 20, 80)),
        mesh_router(("main", 20, 80), ("api", 30, 70)),
        mesh_router(("main", None, None), ("api", None, None)),
        id="a VirtualRouter, found by its VirtualNodes",
    ),
    pytest.param(
        {"appMesh": {**APP_MESH, "virtualService": {"name": "web", "routes": ["main"]}}},
        mesh_router(("main", 0, 100), ("api", 1, 99)),
        mesh_router(("main", 20, 80), ("api", 30, 70)),
        mesh_router(("main", 20, 80), ("api", 1, 99)),
        mesh_router(("main", None, None), ("api", 1, 99)),
        id="named routes of a VirtualRouter",
    ),
    pytest.param(
        {"appMesh": {**APP_MESH, "virtualNodeGroup": {"canaryVirtualNodeRef": {"name": "web"}}}},
        mesh_node({"app": "web", "rollouts-pod-template-hash": "canary-tbd"}),
        mesh_node({"app": "old", "rollouts-pod-template-hash": "abc"}),
        mesh_node({"app": "web", "rollouts-pod-template-hash": "abc"}),
        mesh_node({"app": "web"}),
        id="the hash in a VirtualNode",
    ),
]


@pytest.mark.parametrize(("routing", "git", "live", "merged", "stripped"), CASES)
def test_what_is_moved_is_carried_and_not_compared(routing: Obj, git: Obj, live: Obj, merged: Obj, stripped: Obj) -> None:
    claims = claims_of(rollout(**routing))
    assert rows_for(git, claims)
    assert merge(git, live, claims) == merged
    assert strip(git, claims) == stripped
    assert strip(merge(git, git, claims), claims) == stripped


@pytest.mark.parametrize(("routing", "git", "live", "merged", "stripped"), CASES)
def test_without_the_rollout_all_is_gits(routing: Obj, git: Obj, live: Obj, merged: Obj, stripped: Obj) -> None:
    gone = rollout(**routing)
    gone["metadata"]["deletionTimestamp"] = "2026-11-21T10:00:00Z"
    assert merge(git, live, claims_of(gone)) == git
    assert strip(git, claims_of(gone)) == git


def subsets(*names: str) -> Obj:
    return obj("networking.istio.io/v1", "DestinationRule", host="web", subsets=[{"name": name} for name in names])


@pytest.mark.parametrize(
    ("git", "live", "kept"),
    [
        pytest.param(
            service({"route": pair(100, 0), "timeout": "5s"}),
            service({"route": [*pair(70, 10), to("tried", 20), to("stranger", 0)]}),
            service({"route": [*pair(70, 10), to("tried", 20)], "timeout": "5s"}),
            id="a destination",
        ),
        pytest.param(
            subsets("now", "next"), subsets("now", "next", "tried", "stranger"), subsets("now", "next", "tried"), id="a subset"
        ),
    ],
)
def test_what_leads_to_a_variant_is_the_rollouts_while_it_says_that_it_has_a_share(git: Obj, live: Obj, kept: Obj) -> None:
    routing = {"istio": {"virtualService": {"name": "web"}, "destinationRule": {"name": "web"}}}
    found = {**rollout(**routing), "status": {"canary": {"weights": {"additional": [{"serviceName": "tried", "weight": 20}]}}}}
    assert merge(git, live, claims_of(found)) == kept
    without = merge(git, live, claims_of(rollout(**routing)))
    assert "tried" not in str(without)
