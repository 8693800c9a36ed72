"""How many pods the canary and the stable ReplicaSet get: arithmetic only.

With a traffic router the canary gets `ceil(weight * replicas / max)` pods and stable keeps all of its own (or what its share
of the traffic needs, with dynamicStableScale). Without one the share of pods IS the share of traffic: the split whose ratio
is closest to the weight, reached inside maxSurge and maxUnavailable. Every rule follows Argo Rollouts 1.9
(`utils/replicaset/canary.go`), whose own test numbers are the table in the tests.
"""

import math

from msgspec import Struct


class Pods(Struct, frozen=True):
    """A ReplicaSet as arithmetic sees it: what its spec asks for and how many of them are available."""

    replicas: int
    available: int


class Limits(Struct, frozen=True):
    """`surge` pods above `replicas` may exist, `unavailable` of them may be missing."""

    replicas: int
    surge: int
    unavailable: int

    @property
    def most(self) -> int:
        return self.replicas + self.surge

    @property
    def least(self) -> int:
        return self.replicas - self.unavailable


def limits(replicas: int, max_surge: int | str, max_unavailable: int | str) -> Limits:
    """Surge rounds up, unavailable rounds down; both zero would block every update, so one pod may then be missing."""
    surge = _part(max_surge, replicas, up=True)
    unavailable = _part(max_unavailable, replicas, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Limits(replicas, surge, min(unavailable, replicas))


def _part(value: int | str, whole: int, *, up: bool) -> int:
    """A string is a percentage, with or without its sign (the legacy reading that Argo Rollouts keeps)."""
    if isinstance(value, int):
        return value
    share = int(value.rstrip("%")) * whole
    return -(-share // 100) if up else share // 100


def pods_for_weight(replicas: int, weight: int, most: int) -> int:
    """Pods that carry `weight` of `most`, rounded up."""
    return -(-weight * replicas // most)


class Aim(Struct, frozen=True):
    """The size a canary is to have: for `weight` of `most`, at least `at_least`, or exactly `explicit` (setCanaryScale)."""

    weight: int
    most: int = 100
    explicit: int | None = None
    at_least: int = 0


def routed_counts(replicas: int, aim: Aim) -> tuple[int, int]:
    """(canary, stable) with a traffic router: stable stays whole."""
    sized = floor_at(pods_for_weight(replicas, aim.weight, aim.most), aim.at_least)
    return (sized if aim.explicit is None else aim.explicit), replicas


def dynamic_counts(replicas: int, aim: Aim, carried: tuple[int, int] | None, *, aborted: bool) -> tuple[int, int]:
    """(canary, stable) with dynamicStableScale. `carried` is the (canary, stable) weight last written to the router.

    Neither side may shrink below the traffic it still carries.
    """
    canary, _ = routed_counts(replicas, aim)
    stable = pods_for_weight(replicas, aim.most - aim.weight, aim.most)
    if carried is not None:
        stable = max(stable, pods_for_weight(replicas, carried[1], aim.most))
        if aborted:
            canary = max(canary, pods_for_weight(replicas, carried[0], aim.most))
    return floor_at(canary, aim.at_least), floor_at(stable, aim.at_least)


def floor_at(count: int, at_least: int) -> int:
    """minPodsPerReplicaSet: a ReplicaSet that has pods at all has at least so many."""
    return max(count, at_least) if count else 0


def basic_counts(bounds: Limits, weight: int, most: int, new: Pods | None, stable: Pods | None, old: int) -> tuple[int, int]:
    """(new, stable) for the next pass without a router, given what exists now; `old` counts pods of other ReplicaSets.

    `stable` is None when there is none or when it is the new one: then the new one simply goes to full size.
    """
    want_new, want_stable = (
        (bounds.replicas, 0) if stable is None else nearest_split(bounds.replicas, weight, most, bounds.surge)
    )
    next_new, next_stable = _scaled_up(bounds, (want_new, want_stable), new, stable, old)
    if old > 0:
        return next_new, next_stable
    growing = new is None or want_new >= new.replicas
    counted = _counted(new, ignore_availability=not growing) + _counted(stable, ignore_availability=growing)
    spare = counted - bounds.least
    if spare <= 0:
        return next_new, next_stable
    if not growing:
        next_new = _drained(new, want_new, spare, next_new)
        return _within(bounds, new, stable, next_new, next_stable)
    if stable is not None:
        next_stable = _drained(stable, want_stable, spare, next_stable)
        next_stable, next_new = _within(bounds, stable, new, next_stable, next_new)
    return next_new, next_stable


def _scaled_up(bounds: Limits, wanted: tuple[int, int], new: Pods | None, stable: Pods | None, old: int) -> tuple[int, int]:
    """Grows towards `wanted` as far as the surge allows, stable first."""
    next_new = new.replicas if new else 0
    next_stable = stable.replicas if stable else 0
    room = bounds.most - (old + next_new + next_stable)
    if stable is not None and next_stable < wanted[1] and room > 0:
        grown = min(wanted[1], next_stable + room)
        room -= grown - next_stable
        next_stable = grown
    if new is not None and next_new < wanted[0] and room > 0:
        next_new = min(wanted[0], next_new + room)
    return next_new, next_stable


def _counted(pods: Pods | None, *, ignore_availability: bool) -> int:
    """Pods that count as serving when deciding how many may go. Pods that are already being removed do not."""
    if pods is None:
        return 0
    return pods.replicas if ignore_availability or pods.replicas < pods.available else pods.available


def _drained(pods: Pods | None, wanted: int, spare: int, otherwise: int) -> int:
    return max(wanted, pods.replicas - spare) if pods is not None and pods.replicas > wanted else otherwise


def _within(bounds: Limits, drained: Pods | None, other: Pods | None, count: int, other_count: int) -> tuple[int, int]:
    """Corrects (drained, other) so that neither surge nor availability is broken by the two moving at once."""
    if other is None:
        return count, other_count
    over = max(0, other_count + count - bounds.most)
    available = min(drained.available, count) if drained else 0
    other_count -= over
    available += min(other.available, other_count)
    lost = max(0, other.available - other_count)
    other_count += min(lost, max(0, bounds.least - available))
    return count - max(0, other_count + count - bounds.most), other_count


def nearest_split(replicas: int, weight: int, most: int, surge: int) -> tuple[int, int]:
    """(canary, stable) whose ratio is closest to `weight` of `most`, at `replicas` or, with surge, one more; ties round up.

    Between the ends each side keeps at least one pod whenever there are two to share.
    """
    if replicas == 0:
        return 0, 0
    upper, lower = -(-replicas * weight // most), replicas * weight // most
    zero_allowed = weight in (0, most) or (replicas == 1 and surge == 0)
    options: list[tuple[int, int]] = []
    if upper < replicas or zero_allowed:
        options.append((upper, replicas))
    if not _tied(weight, most, replicas) and (lower != 0 or zero_allowed):
        options.append((lower, replicas))
    if surge > 0:
        options.append((upper, replicas + 1))
        if not _tied(weight, most, replicas + 1) and (lower != 0 or zero_allowed):
            options.append((lower, replicas + 1))
    if not options:
        return 0, replicas
    canary, total = min(options, key=lambda option: abs(option[0] * most / option[1] - weight))
    return canary, total - canary


def _tied(weight: int, most: int, total: int) -> bool:
    return math.modf(total * (weight / most))[0] == 0.5
