"""The arithmetic of a rolling update: how many pods each ReplicaSet should have next.

Pure functions from numbers to numbers, after k8s.io/kubernetes pkg/controller/deployment. Two promises hold at any time: the
sets together never ask for more than `replicas + maxSurge` pods, and never is anything taken away that would leave fewer
than `replicas - maxUnavailable` available.
"""

from collections.abc import Sequence
from math import ceil, floor
from typing import Any

from msgspec import Struct

from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, dig, metadata, name_of
from shipway.localcluster.controllers.deployment.replica_sets import DESIRED, MAXIMUM, by_age, count_of, replicas_of

Sizes = dict[str, int]
"""The next size of each set that changes, by name."""


class Limits(Struct, frozen=True):
    """Pods above and below `replicas` that a rollout may have, resolved to numbers."""

    surge: int
    unavailable: int


def limits(deployment: Obj) -> Limits:
    """maxSurge rounded up, maxUnavailable rounded down; if both are 0, one pod may be unavailable (ResolveFenceposts)."""
    if strategy_of(deployment) == "Recreate":
        return Limits(0, 0)
    rolling = dig(deployment, "spec", "strategy", "rollingUpdate", default={})
    replicas = replicas_of(deployment)
    surge = _scaled(rolling.get("maxSurge", "25%"), replicas, ceil)
    unavailable = min(replicas, _scaled(rolling.get("maxUnavailable", "25%"), replicas, floor))
    return Limits(surge, unavailable if surge or unavailable else 1)


def strategy_of(deployment: Obj) -> str:
    return dig(deployment, "spec", "strategy", "type", default="RollingUpdate")


def maximum(deployment: Obj) -> int:
    """What is written on the sets as max-replicas."""
    return replicas_of(deployment) + limits(deployment).surge


def total(sets: Sequence[Obj]) -> int:
    return sum(replicas_of(rs) for rs in sets)


def available(sets: Sequence[Obj]) -> int:
    return sum(count_of(rs, "availableReplicas") for rs in sets)


def new_set_size(deployment: Obj, new: Obj | None, sets: Sequence[Obj]) -> int:
    """The next size of the new set (NewRSNewReplicas); `sets` are all, the new one included if it exists."""
    wanted, has = replicas_of(deployment), replicas_of(new) if new else 0
    if strategy_of(deployment) == "Recreate" or has >= wanted:
        return wanted
    room = wanted + limits(deployment).surge - total(sets)
    return has + max(0, min(room, wanted - has))


def old_set_sizes(deployment: Obj, new: Obj, old: Sequence[Obj]) -> Sizes:
    """The next sizes of the old sets: unhealthy pods first, then healthy ones as far as availability allows."""
    floor_of_available = replicas_of(deployment) - limits(deployment).unavailable
    new_unavailable = replicas_of(new) - count_of(new, "availableReplicas")
    removable = total([*old, new]) - floor_of_available - new_unavailable
    if removable <= 0:
        return {}
    sizes = {name_of(rs): replicas_of(rs) for rs in old}
    for rs in by_age(old):
        unhealthy = max(0, sizes[name_of(rs)] - count_of(rs, "availableReplicas"))
        gone = min(removable, unhealthy)
        sizes[name_of(rs)] -= gone
        removable -= gone
    spare = min(removable, available([*old, new]) - floor_of_available)
    for rs in by_age(old):
        gone = min(max(0, spare), sizes[name_of(rs)])
        sizes[name_of(rs)] -= gone
        spare -= gone
    return {name_of(rs): sizes[name_of(rs)] for rs in old if sizes[name_of(rs)] != replicas_of(rs)}


def proportional_sizes(deployment: Obj, active: Sequence[Obj]) -> Sizes:
    """The sizes of all active sets after the deployment itself was scaled in the middle of a rollout (or while paused)."""
    wanted = replicas_of(deployment)
    allowed = wanted + limits(deployment).surge if wanted > 0 else 0
    to_add = allowed - total(active)
    ordered = _by_size(active, newest_first=to_add > 0)
    sizes, added = {name_of(rs): replicas_of(rs) for rs in ordered}, 0
    for rs in ordered:
        share = _share(deployment, rs, to_add, added)
        sizes[name_of(rs)] += share
        added += share
    if ordered:
        first = name_of(ordered[0])
        sizes[first] = max(0, sizes[first] + to_add - added)
    return sizes


def is_saturated(deployment: Obj, rs: Obj) -> bool:
    """The set has all pods, available, and was sized for this deployment (deploymentutil.IsSaturated)."""
    wanted = replicas_of(deployment)
    return replicas_of(rs) == wanted == count_of(rs, "availableReplicas") == _annotated(rs, DESIRED)


def _share(deployment: Obj, rs: Obj, to_add: int, added: int) -> int:
    """A set's part of the pods to add or remove, in proportion to its size (GetReplicaSetProportion)."""
    if to_add == 0 or added == to_add or replicas_of(rs) == 0:
        return 0
    if replicas_of(deployment) == 0:
        return -replicas_of(rs)
    before = _annotated(rs, MAXIMUM) or count_of(deployment, "replicas") or maximum(deployment)
    grown = floor(replicas_of(rs) * maximum(deployment) / before + 0.5)
    change, left = grown - replicas_of(rs), to_add - added
    return min(max(0, change), left) if to_add > 0 else max(min(0, change), left)


def _by_size(sets: Sequence[Obj], *, newest_first: bool) -> list[Obj]:
    aged = by_age(sets)
    return sorted(aged[::-1] if newest_first else aged, key=lambda rs: -replicas_of(rs))


def _annotated(rs: Obj, key: str) -> int:
    text = annotations_of(rs).get(key, "")
    return int(text) if text.isdecimal() else 0


def _scaled(value: Any, whole: int, rounding: Any) -> int:
    """An int or a percentage of `whole`."""
    if isinstance(value, str) and value.endswith("%"):
        return int(rounding(whole * float(value[:-1]) / 100))
    return int(value or 0)


def is_scaling(deployment: Obj, sets: Sequence[Obj]) -> bool:
    """Whether the deployment's size changed since its sets were last given theirs (isScalingEvent)."""
    for rs in sets:
        text = annotations_of(rs).get(DESIRED, "")
        if replicas_of(rs) > 0 and text.isdecimal() and int(text) != replicas_of(deployment):
            return not metadata(deployment).get("deletionTimestamp")
    return False
