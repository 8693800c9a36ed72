"""Shares in the VirtualRouter behind a VirtualService, pod hashes in two VirtualNodes."""

from typing import Any

import pytest
from msgspec.structs import replace

from shipway.kube.objects.resource import Obj
from shipway.rollouts.rollout.names import HASH_LABEL, MANAGED_BY
from shipway.rollouts.traffic.app_mesh import AppMesh, read_config
from shipway.rollouts.traffic.router import Split
from tests.unit.rollouts.traffic.looking import after, look, made, split

ROUTER = AppMesh("web", "web-canary", "web-stable")
VERSION = "appmesh.k8s.aws/v1beta2"


def service(**provider: Any) -> Obj:
    found = provider or {"virtualRouter": {"virtualRouterRef": {"name": "router"}}}
    return made(VERSION, "VirtualService", "web", {"provider": found})


def node(side: str, **more: Any) -> Obj:
    selector = {"matchLabels": {"app": "web", HASH_LABEL: f"{side}-tbd"}}
    return made(VERSION, "VirtualNode", f"web-{side}", {"podSelector": selector, "listeners": []}, **more)


def route(canary: int, stable: int, name: str = "main", kind: str = "httpRoute", nodes: str = "web") -> Obj:
    targets = [
        {"virtualNodeRef": {"name": f"{nodes}-{side}"}, "weight": weight}
        for side, weight in (("canary", canary), ("stable", stable))
    ]
    return {"name": name, kind: {"match": {"prefix": "/"}, "action": {"weightedTargets": targets}}}


def router(*routes: Obj) -> Obj:
    return made(VERSION, "VirtualRouter", "router", {"listeners": [], "routes": list(routes)})


def mesh(*routes: Obj) -> tuple[Obj, ...]:
    return (service(), node("canary"), node("stable"), router(*(routes or (route(0, 100),))))


def hashes(objs: dict[str, Obj]) -> tuple[str, str]:
    """(canary, stable)."""
    found = (objs[f"web-{side}"]["spec"]["podSelector"]["matchLabels"] for side in ("canary", "stable"))
    canary, stable = (labels.get(HASH_LABEL, "") for labels in found)
    return canary, stable


def updating(canary: int, canary_hash: str = "new", coming: str = "new", stable: str = "old") -> Split:
    return split(canary, canary_hash=canary_hash, coming_hash=coming, stable_hash=stable)


@pytest.mark.compat("rollouts:router.appMesh")
@pytest.mark.parametrize("kind", ["httpRoute", "http2Route", "grpcRoute", "tcpRoute"])
def test_shares_of_every_kind_of_route(kind: str) -> None:
    objs = after(ROUTER, updating(20), *mesh(route(0, 100, kind=kind)))
    assert objs["router"]["spec"]["routes"] == [route(20, 80, kind=kind)]
    assert hashes(objs) == ("new", "old")
    assert objs["web-stable"]["metadata"]["annotations"] == {MANAGED_BY: "web"}
    assert objs["web-stable"]["spec"]["podSelector"]["matchLabels"]["app"] == "web"
    edits = ROUTER.edits(look(ROUTER, *mesh()), updating(20))
    assert [(edit.target.name, edit.turn) for edit in edits] == [("web-stable", 0), ("web-canary", 0), ("router", 1)]


@pytest.mark.compat("rollouts:router.appMesh")
def test_a_pod_finds_its_virtual_node_when_it_is_born() -> None:
    """And a canary that is not there selects no pods: App Mesh refuses a pod that two VirtualNodes select."""
    rest = after(ROUTER, updating(0, "old", "old"), *mesh())
    assert hashes(rest) == ("canary-hash", "old")
    unborn = after(ROUTER, updating(0, canary_hash=""), *rest.values())
    assert hashes(unborn) == ("new", "old")
    half = after(ROUTER, updating(50), *unborn.values())
    assert half["router"]["spec"]["routes"] == [route(50, 50)]
    promoted = updating(0, stable="new")
    edits = ROUTER.edits(look(ROUTER, *half.values()), promoted)
    assert [(edit.target.name, edit.turn) for edit in edits] == [("web-stable", 0), ("web-canary", 2), ("router", 1)]
    assert hashes(after(ROUTER, promoted, *half.values())) == ("canary-hash", "new")
    lost = updating(0, stable="")  # no stable pod answers now: what is there stays, and is never the canary's too
    assert hashes(after(ROUTER, replace(lost, coming_hash="old"), *rest.values())) == ("canary-hash", "old")


def test_only_named_routes_and_those_to_the_two_nodes() -> None:
    routes = (route(0, 100), route(1, 99, "api"), route(2, 98, "other", nodes="other"))
    every = after(ROUTER, updating(20), *mesh(*routes))["router"]["spec"]["routes"]
    assert every == [route(20, 80), route(20, 80, "api"), routes[2]]
    picked = replace(ROUTER, routes=("api",))
    assert after(picked, updating(20), *mesh(*routes))["router"]["spec"]["routes"] == [
        routes[0],
        route(20, 80, "api"),
        routes[2],
    ]


def test_a_router_of_another_namespace() -> None:
    away = {"virtualRouter": {"virtualRouterRef": {"name": "router", "namespace": "mesh"}}}
    there = router(route(0, 100))
    there["metadata"]["namespace"] = "mesh"
    for target in there["spec"]["routes"][0]["httpRoute"]["action"]["weightedTargets"]:
        target["virtualNodeRef"]["namespace"] = "shop"
    seen = look(ROUTER, service(**away), node("canary"), node("stable"), there)
    assert ROUTER.problem(seen, split(0)) is None
    assert {edit.target.namespace for edit in ROUTER.edits(seen, split(20)) if edit.target.name == "router"} == {"mesh"}


def test_taken_out_it_leaves_the_nodes_as_they_can_be() -> None:
    half = after(ROUTER, updating(50), *mesh())
    gone = after(ROUTER, replace(split(0), leaving=True), *half.values())
    assert hashes(gone) == ("canary-hash", "")
    assert gone["router"]["spec"]["routes"] == [route(0, 100)]
    assert not any(gone[name]["metadata"]["annotations"] for name in ("web-canary", "web-stable"))
    theirs = after(ROUTER, replace(split(0), leaving=True), *mesh())
    assert hashes(theirs) == ("canary-tbd", "stable-tbd")


def one_target() -> Obj:
    found = route(0, 100)
    del found["httpRoute"]["action"]["weightedTargets"][0]
    return found


@pytest.mark.compat("rollouts:router.appMesh")
@pytest.mark.parametrize(
    ("objs", "detail"),
    [
        ((), 'VirtualNode "web-stable" not found in namespace "shop"'),
        ((node("stable"), service()), 'VirtualNode "web-canary" not found in namespace "shop"'),
        ((node("stable"), node("canary")), 'VirtualService "web" not found in namespace "shop"'),
        (
            (node("stable"), node("canary"), service(virtualNode={})),
            "Virtual-service is not associated with virtual-router",
        ),
        ((node("stable"), node("canary"), service()), 'VirtualRouter "router" not found in namespace "shop"'),
        ((*mesh()[:3], router()), "No routes defined for AppMesh virtual-router router"),
        (
            mesh({"name": "main", "udpRoute": {}}),
            "Error getting route details for AppMesh virtual-router router and route main. "
            "Error: Route has unsupported route type",
        ),
        (
            mesh({"name": "main", "httpRoute": {"action": {}}}),
            "Invalid route action found for AppMesh virtual-router router and route main",
        ),
        (
            mesh(one_target()),
            "Invalid number of weightedTargets (1) for AppMesh virtual-router router and route main, expected 2",
        ),
        (
            mesh(route(0, 100, nodes="other")),
            "No route of AppMesh virtual-router router leads to web-stable and web-canary",
        ),
        (
            (service(), node("stable"), node("canary", annotations={MANAGED_BY: "api"}), router(route(0, 100))),
            'VirtualNode "web-canary" is managed by another Rollout: api',
        ),
        (mesh(), None),
    ],
)
def test_problems(objs: tuple[Obj, ...], detail: str | None) -> None:
    problem = ROUTER.problem(look(ROUTER, *objs), split(0))
    assert (problem.detail if problem is not None else None) == detail


@pytest.mark.parametrize(
    ("routes", "detail"),
    [
        (("other",), "The weightedTargets of AppMesh virtual-router router and route other are not web-stable and web-canary"),
        (("main", "absent"), "AppMesh virtual-router router has no route absent"),
        (("main",), None),
    ],
)
def test_problems_of_named_routes(routes: tuple[str, ...], detail: str | None) -> None:
    named = replace(ROUTER, routes=routes)
    problem = named.problem(look(named, *mesh(route(0, 100), route(0, 100, "other", nodes="other"))), split(0))
    assert (problem.detail if problem is not None else None) == detail


def test_configurations() -> None:
    nodes = {"canaryVirtualNodeRef": {"name": "web-canary"}, "stableVirtualNodeRef": {"name": "web-stable"}}
    whole = {"virtualService": {"name": "web", "routes": ["main"]}, "virtualNodeGroup": nodes}
    assert read_config(whole) == replace(ROUTER, routes=("main",))
    assert read_config({"virtualNodeGroup": nodes}) == "Invalid value: null: must provide virtual-service"
    same = {**nodes, "canaryVirtualNodeRef": {"name": "web-stable"}}
    for group in ({}, {"canaryVirtualNodeRef": {"name": "x"}}, same):
        assert "virtual" in str(read_config({**whole, "virtualNodeGroup": group}))
        assert isinstance(read_config({**whole, "virtualNodeGroup": group}), str)
