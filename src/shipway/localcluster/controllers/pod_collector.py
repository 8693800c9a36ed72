"""Pods that nobody will ever report on again: bound to a node that is gone, or deleted before they had one.

They are removed at once, without grace (the pod garbage collector of Kubernetes).
"""

from collections.abc import Iterable

from msgspec import Struct

from shipway.api.kinds import NODES, PODS
from shipway.base.clock import Instant, parse_rfc3339
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, is_deleting, name_of, namespace_of, spec_of, uid_of
from shipway.kube.runtime.controller import ObjectKey, World, own_key
from shipway.kube.runtime.decision import Batch, Conclusion, Decision, Delete, Indexed, Outcome, Watch
from shipway.localcluster.controllers.pods import by_node

PATIENCE = 20.0
"""Seconds for which a missing node may still turn up (its object may be on its way into the cache)."""


class Observed(Struct, frozen=True):
    """A pod and whether its node is there."""

    pod: Obj
    has_node: bool


def decide(observed: Observed, now: Instant) -> Decision:
    """Removes the pod if it is an orphan and nothing has been heard of it for a while."""
    pod, since = observed.pod, _earliest(observed.pod)
    is_unbound = not spec_of(pod).get("nodeName")
    if observed.has_node and not (is_unbound and is_deleting(pod)):
        return Decision()
    if not is_unbound and now < since:
        return Decision(wake=since)
    gone = Delete(PODS, namespace_of(pod), name_of(pod), uid=uid_of(pod), grace_seconds=0)
    return Decision((Batch((gone,)),))


def _pods_of_node(node: Obj) -> Iterable[Indexed]:
    return (Indexed(PODS, "node", name_of(node)),)


class PodCollector:
    """Removes orphaned pods."""

    name = "pod-garbage-collector"
    watches = (Watch(PODS, own_key, indexes={"node": by_node}), Watch(NODES, _pods_of_node))

    def observe(self, key: ObjectKey, world: World) -> Observed | None:
        pod = world.get(PODS, key.namespace, key.name)
        if pod is None:
            return None
        node = spec_of(pod).get("nodeName")
        return Observed(pod, not node or world.get(NODES, "", node) is not None)

    def decide(self, observed: Observed, now: Instant) -> Decision:
        return decide(observed, now)

    def conclude(self, fresh: Observed, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion | None:
        return None


def _earliest(pod: Obj) -> Instant:
    conditions: list[Obj] = dig(pod, "status", "conditions", default=[])
    times = [c["lastTransitionTime"] for c in conditions if c.get("lastTransitionTime")]
    latest = max([*times, pod["metadata"].get("creationTimestamp") or "1970-01-01T00:00:00Z"])
    return Instant(parse_rfc3339(latest) + PATIENCE)
