"""App Mesh: weights in the routes of the VirtualRouter behind a VirtualService, pods in the selectors of two VirtualNodes.

The Rollout names the VirtualService and, for each version, the VirtualNode; the VirtualRouter is the one that the
VirtualService names. A pod joins its VirtualNode when it is born, so the canary's carries the new hash before the new pods
exist; while there is no canary it carries a hash that no pod has, for two VirtualNodes must not select the same pods.

Three turns: stable pods are in place, then the shares move, and a canary that has lost its share is let go after that.
"""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from shipway.api.app_mesh import (
    GROUP,
    VIRTUAL_NODE,
    VIRTUAL_ROUTER,
    VIRTUAL_SERVICE,
    node_of,
    route_kind,
    targets_of,
    with_pod_label,
)
from shipway.api.rollout import Wire
from shipway.kube.objects.resource import Obj, Ref
from shipway.kube.objects.views import annotations_of, copy_obj, dig, namespace_of, spec_of
from shipway.rollouts.rollout.names import HASH_LABEL, MANAGED_BY
from shipway.rollouts.traffic.router import Edit, Look, Problem, Seen, Split, difference, read_as

_SELECTOR = ("spec", "podSelector", "matchLabels")
NO_CANARY = "canary-hash"
"""What Argo Rollouts writes as the hash of a canary that is not there."""


class VirtualService(Wire, frozen=True):
    name: str = ""
    routes: tuple[str, ...] = ()


class NodeRef(Wire, frozen=True):
    name: str = ""


class NodeGroup(Wire, frozen=True):
    canary_virtual_node_ref: NodeRef = NodeRef()
    stable_virtual_node_ref: NodeRef = NodeRef()


class Block(Wire, frozen=True):
    virtual_service: VirtualService | None = None
    virtual_node_group: NodeGroup = NodeGroup()


class AppMesh(Struct, frozen=True):
    """The router. `routes` are names in the VirtualRouter; without any it is all that lead to the two VirtualNodes."""

    service: str
    canary_node: str
    stable_node: str
    routes: tuple[str, ...] = ()

    def targets(self, rollout: str, namespace: str, managed: Sequence[str], look: Look) -> tuple[Ref, ...]:
        service = Ref(GROUP, VIRTUAL_SERVICE, namespace, self.service)
        nodes = (Ref(GROUP, VIRTUAL_NODE, namespace, name) for name in (self.stable_node, self.canary_node))
        router = _router_of(look(service))
        return (*nodes, service, *((router,) if router is not None else ()))

    def problem(self, seen: Seen, split: Split) -> Problem | None:
        stable, canary, service, *routers = seen.objs
        for ref, field in ((stable, "stableVirtualNodeRef"), (canary, "canaryVirtualNodeRef")):
            path = f"appMesh.virtualNodeGroup.{field}.name"
            if (absent := seen.absence(ref, path)) is not None:
                return absent
            owner = annotations_of(seen.get(ref) or {}).get(MANAGED_BY, split.rollout)
            if split.rollout and owner != split.rollout:
                return Problem(path, ref.name, f'VirtualNode "{ref.name}" is managed by another Rollout: {owner}')
        field = "appMesh.virtualService"
        if (absent := seen.absence(service, f"{field}.name")) is not None:
            return absent
        if not routers:
            return Problem(f"{field}.name", service.name, "Virtual-service is not associated with virtual-router")
        if (absent := seen.absence(routers[0], f"{field}.name")) is not None:
            return absent
        detail = self._router_problem(routers[0].name, seen.get(routers[0]) or {}, frozenset((stable, canary)))
        return Problem(field, service.name, detail) if detail is not None else None

    def edits(self, seen: Seen, split: Split) -> tuple[Edit, ...]:
        stable, canary, _, *routers = seen.objs
        stable_hash = split.stable_hash or dig(seen.get(stable), *_SELECTOR, HASH_LABEL, default="")
        canary_hash = split.coming_hash if split.coming_hash not in ("", stable_hash) else NO_CANARY
        made: list[Edit] = []
        for ref, pod_hash, turn in ((stable, split.stable_hash, 0), (canary, canary_hash, 0 if split.canary else 2)):
            live = seen.get(ref)
            ops = list(difference(live, _wanted_node(live, pod_hash, split))) if live is not None else []
            made += [Edit(ref, ops, turn=turn)] if ops else []
        shares = {stable: split.stable, canary: split.canary}
        for ref in routers:
            live = seen.get(ref)
            ops = list(difference(live, self._shared(live, shares))) if live is not None else []
            made += [Edit(ref, ops, turn=1)] if ops else []
        return tuple(made)

    def taken_up(self, seen: Seen, *, edited: bool) -> bool | None:
        return None

    def _picked(self, router: Obj) -> Iterator[tuple[int, Obj]]:
        for index, route in enumerate(spec_of(router).get("routes") or []):
            if not self.routes or route.get("name") in self.routes:
                yield index, route

    def _shared(self, router: Obj, shares: dict[Ref, int]) -> Obj:
        wanted = copy_obj(router)
        for _, route in self._picked(wanted):
            for target in targets_of(route):
                target["weight"] = shares.get(node_of(target, router), target.get("weight", 0))
        return wanted

    def _router_problem(self, name: str, router: Obj, nodes: frozenset[Ref]) -> str | None:
        """What Argo Rollouts says of a VirtualRouter; of those that Rollouts pick routes in, only these are looked at."""
        if not spec_of(router).get("routes"):
            return f"No routes defined for AppMesh virtual-router {name}"
        shared = False
        for _, route in self._picked(router):
            where = f"AppMesh virtual-router {name} and route {route.get('name')}"
            kind, found = route_kind(route), targets_of(route)
            if not kind:
                return f"Error getting route details for {where}. Error: Route has unsupported route type"
            if dig(route, kind, "action", "weightedTargets") is None:
                return f"Invalid route action found for {where}"
            if len(found) != len(nodes):
                return f"Invalid number of weightedTargets ({len(found)}) for {where}, expected 2"
            leads = nodes == {node_of(target, router) for target in found}
            if self.routes and not leads:
                return f"The weightedTargets of {where} are not {self.stable_node} and {self.canary_node}"
            shared = shared or leads
        absent = sorted(set(self.routes) - {route.get("name") for _, route in self._picked(router)})
        if absent:
            return f"AppMesh virtual-router {name} has no route {absent[0]}"
        nothing = f"No route of AppMesh virtual-router {name} leads to {self.stable_node} and {self.canary_node}"
        return None if shared else nothing


def read_config(raw: object) -> AppMesh | str:
    """The router of an `appMesh` block, or what is wrong with it."""
    block = read_as(raw, Block)
    if isinstance(block, str):
        return block
    service, group = block.virtual_service, block.virtual_node_group
    if service is None or not service.name:
        return "Invalid value: null: must provide virtual-service"
    canary, stable = group.canary_virtual_node_ref.name, group.stable_virtual_node_ref.name
    if not canary or not stable:
        return "Required value: virtualNodeGroup needs canaryVirtualNodeRef.name and stableVirtualNodeRef.name"
    if canary == stable:
        return "Invalid value: canaryVirtualNodeRef and stableVirtualNodeRef are the same virtual-node"
    return AppMesh(service.name, canary, stable, service.routes)


def _router_of(service: Obj | None) -> Ref | None:
    """The VirtualRouter that provides a VirtualService."""
    ref: Obj = dig(service, "spec", "provider", "virtualRouter", "virtualRouterRef", default={})
    if service is None or not ref.get("name"):
        return None
    return Ref(GROUP, VIRTUAL_ROUTER, ref.get("namespace") or namespace_of(service), ref["name"])


def _wanted_node(node: Obj, pod_hash: str, split: Split) -> Obj:
    """The VirtualNode with a hash ("": as it is). The last time stable selects as the user wrote it, and the canary nothing."""
    if split.leaving and annotations_of(node).get(MANAGED_BY) != split.rollout:
        return node
    if pod_hash:
        node = with_pod_label(node, HASH_LABEL, pod_hash)
    elif split.leaving:
        node = with_pod_label(node, HASH_LABEL, None)
    others = {key: value for key, value in annotations_of(node).items() if key != MANAGED_BY}
    annotations = others if split.leaving else {**others, MANAGED_BY: split.rollout}
    if annotations != annotations_of(node):
        node = {**node, "metadata": {**node["metadata"], "annotations": annotations}}
    return node
