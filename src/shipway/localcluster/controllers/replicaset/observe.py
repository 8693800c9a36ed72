"""What a ReplicaSet's pass looks at: the set, its pods, and pods of nobody that it might adopt."""

from msgspec import Struct

from shipway.api.kinds import PODS, REPLICA_SETS
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import uid_of
from shipway.kube.runtime.controller import ObjectKey, World


class Observed(Struct, frozen=True):
    """`pods` are those the set controls, whatever their state."""

    replica_set: Obj
    pods: tuple[Obj, ...] = ()
    orphans: tuple[Obj, ...] = ()


def observe(key: ObjectKey, world: World) -> Observed | None:
    found = world.get(REPLICA_SETS, key.namespace, key.name)
    if found is None:
        return None
    return Observed(
        found,
        tuple(world.indexed(PODS, "controller", uid_of(found))),
        tuple(world.indexed(PODS, "orphans", key.namespace)),
    )
