"""A Rollout that is gone, or going: what its Experiment had in Gateway API routes goes with it.

Its Services go with the Rollout, so nobody would answer for a reference to one of them from then on; all else in a route is
left as it is. Which references those are stands on the routes, where the next Rollout of that name finds it, too.
"""

from collections.abc import Iterable

from msgspec import Struct

from shipway.api.route_variants import read_variants
from shipway.base.clock import Instant
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import name_of, namespace_of, resource_version_of
from shipway.kube.runtime.controller import ObjectKey, World
from shipway.kube.runtime.decision import Batch, Decision, Patch
from shipway.rollouts.traffic import gateway_api

BY_VARIANTS = "variants"
"""The index over routes: the Rollouts of which variants stand there."""


class Departed(Struct, frozen=True):
    """Routes in which variants of a Rollout stand that is not there any more."""

    key: ObjectKey
    routes: tuple[tuple[Resource, Obj], ...]


def rollouts_in(route: Obj) -> Iterable[str]:
    """The Rollouts that have variants in a route, as its record names them."""
    return read_variants(route)


def owners_of(route: Obj) -> Iterable[ObjectKey]:
    """The same as keys."""
    parts = (owner.partition("/") for owner in read_variants(route))
    return tuple(ObjectKey(namespace, name) for namespace, _, name in parts if name)


def departed(key: ObjectKey, world: World) -> Departed | None:
    """What a Rollout that is gone left behind; None for nothing, as far as routes are watched."""
    kinds = [world.resource_for(gateway_api.GROUP, kind) for kind in gateway_api.KINDS.values()]
    served = [kind for kind in kinds if kind is not None]
    routes = tuple((kind, route) for kind in served for route in world.indexed(kind, BY_VARIANTS, str(key)))
    return Departed(key, routes) if routes else None


def clear(left: Departed, now: Instant) -> Decision:
    """Takes the variants out of the routes."""
    patches: list[Patch] = []
    for resource, route in left.routes:
        guard = {"op": "replace", "path": "/metadata/resourceVersion", "value": resource_version_of(route)}
        ops = [guard, *gateway_api.without_variants(route, str(left.key))]
        patches.append(Patch(resource, namespace_of(route), name_of(route), ops, type="json"))
    return Decision(batches=(Batch(tuple(patches)),), wake=now)
