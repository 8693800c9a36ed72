"""What the scheduler looks at: all pods that wait for a node, all nodes, and what already runs on each.

There is one key for the whole cluster, so that pods placed in one pass are counted against each other.
"""

from msgspec import Struct

from shipway.api.kinds import NODES, PODS
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, is_deleting, name_of, spec_of
from shipway.kube.runtime.controller import World
from shipway.localcluster.controllers.pods import is_finished

SCHEDULER = "default-scheduler"
UNBOUND = ""


class Cluster(Struct, frozen=True):
    """The key of the scheduler."""

    def __str__(self) -> str:
        return "cluster"


class Observed(Struct, frozen=True):
    """`bound` are the unfinished pods of each node, by its name."""

    waiting: tuple[Obj, ...] = ()
    nodes: tuple[Obj, ...] = ()
    bound: dict[str, tuple[Obj, ...]] = {}


def is_waiting(pod: Obj) -> bool:
    """Ours to place: unbound, alive, asking for this scheduler, held back by no gate."""
    ours = (spec_of(pod).get("schedulerName") or SCHEDULER) == SCHEDULER and not dig(pod, "spec", "schedulingGates")
    return ours and not spec_of(pod).get("nodeName") and not is_deleting(pod) and not is_finished(pod)


def observe(key: Cluster, world: World) -> Observed:
    nodes = tuple(world.list(NODES))
    return Observed(
        tuple(pod for pod in world.indexed(PODS, "node", UNBOUND) if is_waiting(pod)),
        nodes,
        {name_of(n): tuple(p for p in world.indexed(PODS, "node", name_of(n)) if not is_finished(p)) for n in nodes},
    )
