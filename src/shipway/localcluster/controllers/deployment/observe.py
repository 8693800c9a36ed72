"""What a Deployment's pass looks at: the deployment, its ReplicaSets, sets of nobody that match, and its pods."""

from msgspec import Struct

from shipway.api.kinds import DEPLOYMENTS, PODS, REPLICA_SETS
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import uid_of
from shipway.kube.runtime.controller import ObjectKey, World


class Observed(Struct, frozen=True):
    """`replica_sets` are those the deployment controls; `pods` are the pods of those, by the uid of their set."""

    deployment: Obj
    replica_sets: tuple[Obj, ...] = ()
    orphans: tuple[Obj, ...] = ()
    pods: dict[str, tuple[Obj, ...]] = {}


def observe(key: ObjectKey, world: World) -> Observed | None:
    found = world.get(DEPLOYMENTS, key.namespace, key.name)
    if found is None:
        return None
    owned = tuple(world.indexed(REPLICA_SETS, "controller", uid_of(found)))
    return Observed(
        found,
        owned,
        tuple(world.indexed(REPLICA_SETS, "orphans", key.namespace)),
        {uid_of(owner): tuple(world.indexed(PODS, "controller", uid_of(owner))) for owner in owned},
    )
