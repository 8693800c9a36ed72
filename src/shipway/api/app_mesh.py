"""Where App Mesh's objects keep what a canary moves: shares in the routes of VirtualRouters, a pod hash in VirtualNodes.

A VirtualRouter is named by a VirtualService and not by a Rollout; the VirtualNodes that it shares traffic between are. So both
who watches it and who claims its shares find it by them (`nodes_of`).
"""

from collections.abc import Iterator, Set

from shipway.kube.objects.resource import Obj, Ref
from shipway.kube.objects.views import copy_obj, dig, namespace_of, spec_of

GROUP = "appmesh.k8s.aws"
VIRTUAL_SERVICE, VIRTUAL_ROUTER, VIRTUAL_NODE = "VirtualService", "VirtualRouter", "VirtualNode"
ROUTE_KINDS = ("httpRoute", "tcpRoute", "http2Route", "grpcRoute")


def node_of(target: Obj, router: Obj) -> Ref:
    """The VirtualNode that a weighted target leads to; without a namespace it is the router's."""
    ref: Obj = target.get("virtualNodeRef") or {}
    return Ref(GROUP, VIRTUAL_NODE, ref.get("namespace") or namespace_of(router), ref.get("name") or "")


def route_kind(route: Obj) -> str:
    """Which kind of route it is; "" for one that no traffic is shared in."""
    return next((kind for kind in ROUTE_KINDS if route.get(kind) is not None), "")


def targets_of(route: Obj) -> list[Obj]:
    """The weighted targets of a route."""
    return dig(route, route_kind(route), "action", "weightedTargets", default=[])


def nodes_of(router: Obj) -> frozenset[Ref]:
    """All VirtualNodes that a VirtualRouter leads to."""
    return frozenset(node_of(target, router) for route in _routes(router) for target in targets_of(route))


def keep_shares(desired: Obj, live: Obj, nodes: Set[Ref], names: Set[str]) -> Obj:
    """Git's VirtualRouter with the live weights of targets that lead to `nodes`, in the routes of `names` (none: all)."""
    there = {key: target.get("weight") for key, target in _claimed(live, nodes, names)}
    merged = copy_obj(desired)
    for key, target in _claimed(merged, nodes, names):
        if there.get(key) is not None:
            target["weight"] = there[key]
    return merged


def strip_shares(desired: Obj, nodes: Set[Ref], names: Set[str]) -> Obj:
    """Git's VirtualRouter without those weights."""
    stripped = copy_obj(desired)
    for _, target in _claimed(stripped, nodes, names):
        target.pop("weight", None)
    return stripped


def keep_pod_label(desired: Obj, live: Obj, label: str) -> Obj:
    """Git's VirtualNode with the live value of `label` in its pod selector."""
    kept = dig(live, "spec", "podSelector", "matchLabels", label)
    return with_pod_label(desired, label, kept) if kept else desired


def strip_pod_label(desired: Obj, label: str) -> Obj:
    """Git's VirtualNode without `label` in its pod selector."""
    return with_pod_label(desired, label, None) if dig(desired, "spec", "podSelector", "matchLabels", label) else desired


def with_pod_label(node: Obj, label: str, value: str | None) -> Obj:
    """A VirtualNode that asks for `label` in its pods; None: that does not."""
    made = copy_obj(node)
    selector: Obj = {**(spec_of(node).get("podSelector") or {})}
    labels: dict[str, str] = {**(selector.get("matchLabels") or {})}
    labels.pop(label, None)
    selector["matchLabels"] = labels if value is None else {**labels, label: value}
    made["spec"] = {**spec_of(made), "podSelector": selector}
    return made


def _routes(router: Obj) -> list[Obj]:
    return spec_of(router).get("routes") or []


def _claimed(router: Obj, nodes: Set[Ref], names: Set[str]) -> Iterator[tuple[tuple[str, Ref], Obj]]:
    for route in _routes(router):
        name: str = route.get("name") or ""
        for target in targets_of(route) if not names or name in names else ():
            node = node_of(target, router)
            if node in nodes:
                yield (name, node), target
