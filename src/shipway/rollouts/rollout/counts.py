"""The replica counts a Rollout wants for its canary and its stable ReplicaSet now: `replicas.py` applied to the facts."""

from shipway.rollouts.rollout.facts import Facts
from shipway.rollouts.rollout.replica_set import ReplicaSet
from shipway.rollouts.rollout.replicas import (
    Aim,
    Limits,
    Pods,
    basic_counts,
    dynamic_counts,
    limits,
    pods_for_weight,
    routed_counts,
)


def bounds(facts: Facts) -> Limits:
    if facts.blue_green is not None:
        return limits(facts.replicas, 0, facts.blue_green.max_unavailable)
    return limits(facts.replicas, facts.canary.max_surge, facts.canary.max_unavailable)


def wanted_counts(facts: Facts, carried: tuple[int, int] | None = None) -> tuple[int, int]:
    """(new, stable). `carried` is the (canary, stable) weight that the router has, where stable follows the traffic."""
    explicit, weight = _scale(facts)
    if not facts.is_routed:
        stable = _pods(facts.stable) if facts.roles.is_updating else None
        old = sum(rs.replicas for rs in facts.roles.others)
        return basic_counts(bounds(facts), weight, facts.most, _pods(facts.new), stable, old)
    aim = Aim(weight, facts.most, explicit, facts.canary.min_pods_per_replica_set or 0)
    if not facts.canary.dynamic_stable_scale:
        return routed_counts(facts.replicas, aim)
    return dynamic_counts(facts.replicas, aim, carried, aborted=facts.aborted)


def carried_weights(facts: Facts) -> tuple[int, int] | None:
    """(canary, stable) as last written to the router."""
    weights = facts.status.canary.weights
    return (weights.canary.weight, weights.stable.weight) if weights is not None else None


def at_wanted_counts(facts: Facts, carried: tuple[int, int] | None = None) -> bool:
    """Whether the pods a step asks for are there: canary available, stable at its size, and (by pods) nothing else serving."""
    canary, stable = wanted_counts(facts, carried)
    if facts.new is None or not has_progressed_enough(facts, facts.new, canary):
        return False
    if not (facts.is_routed and facts.canary.dynamic_stable_scale) and not _is_at(facts.stable, stable):
        return False
    return facts.is_routed or not any(rs.available for rs in facts.roles.others)


def has_progressed_enough(facts: Facts, new: ReplicaSet, wanted: int) -> bool:
    """Whether enough of `wanted` pods are available: all of them, unless replicaProgressThreshold is content with less."""
    threshold = facts.canary.replica_progress_threshold
    if threshold is None or threshold.value < 0:
        return new.replicas == wanted and new.available == wanted
    if threshold.type == "Percent":
        return wanted == 0 or new.serving * 100 >= threshold.value * wanted
    return new.serving >= threshold.value


def _is_at(rs: ReplicaSet | None, count: int) -> bool:
    return rs is not None and rs.replicas == count and rs.current == count


def _scale(facts: Facts) -> tuple[int | None, int]:
    """(explicit replicas of the canary, weight to size it for)."""
    if facts.status.promote_full or facts.is_first_deploy or facts.is_promoted:
        return None, facts.most
    scale = facts.canary_scale
    if scale is not None and scale.replicas is not None:
        return scale.replicas, 0
    if scale is not None and scale.weight is not None:
        return None, scale.weight
    if facts.aborted and facts.canary.dynamic_stable_scale:
        return None, _weight_on_the_way_back(facts)
    return None, facts.step_weight


def _weight_on_the_way_back(facts: Facts) -> int:
    """After an abort with dynamicStableScale the steps are walked down as stable grows, so that no surge of pods starts."""
    if facts.new is None or facts.stable is None:
        return 0
    carrying = max(facts.replicas - facts.stable.available, facts.new.available)
    lower = [
        step.set_weight
        for step in facts.canary.steps
        if step.set_weight is not None and pods_for_weight(facts.replicas, step.set_weight, facts.most) < carrying
    ]
    return lower[-1] if lower else 0


def _pods(rs: ReplicaSet | None) -> Pods | None:
    return Pods(rs.replicas, rs.available) if rs is not None else None
