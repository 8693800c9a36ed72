"""Which ReplicaSet is scaled in this pass, and to what. One role a pass: stable, then new, then the old ones.

Old ReplicaSets that traffic may still reach are left alone. Behind a router an old stable one is kept for
scaleDownDelaySeconds (the `scale-down-deadline` annotation), so that going back is quick; by pod counts it must go at once,
because its pods ARE its share of the traffic.
"""

from functools import partial

from msgspec import Struct

from shipway.api.kinds import REPLICA_SETS
from shipway.api.rollout import Weights
from shipway.base.clock import Instant, rfc3339
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from shipway.kube.runtime.decision import Action, Patch
from shipway.rollouts.rollout.counts import bounds, carried_weights, wanted_counts
from shipway.rollouts.rollout.effects import NOTHING, Effects, acting, together
from shipway.rollouts.rollout.facts import Facts
from shipway.rollouts.rollout.names import DESIRED_REPLICAS, HASH_LABEL, SCALE_DOWN_DEADLINE
from shipway.rollouts.rollout.observe import service_names
from shipway.rollouts.rollout.replica_set import ReplicaSet
from shipway.rollouts.rollout.replicas import pods_for_weight


class Scaling(Struct, frozen=True):
    """`scaled`: a size changes in this pass, so no step may complete in it."""

    scaled: bool = False
    effects: Effects = NOTHING


def is_scaling_event(facts: Facts) -> bool:
    """Whether spec.replicas differs from what an active ReplicaSet was last scaled for (and scaling is not halted)."""
    wanted = str(facts.replicas)
    return not facts.is_halted and any(rs.replicas > 0 and rs.desired_replicas not in (None, wanted) for rs in facts.roles.all)


def plan_scaling(facts: Facts, weights: Weights | None) -> Scaling:
    """What the ReplicaSets are to be scaled to in this pass, in which the routers give `weights`."""
    if facts.is_halted:
        return Scaling()
    freed = freed_deadlines(facts)
    noted: list[Effects] = [freed]
    for plan in (_stable, partial(_new, weights=weights), _others):
        part = plan(facts)
        noted.append(part.effects)
        if part.scaled:
            return Scaling(True, together(*noted))
    return Scaling(False, together(*noted))


def _stable(facts: Facts) -> Scaling:
    if not facts.roles.is_updating or facts.stable is None:
        return Scaling()
    wanted = wanted_counts(facts, carried_weights(facts))[1]
    return scale(facts, facts.stable, max(wanted, facts.replicas) if facts.is_leaving_router else wanted)


def _new(facts: Facts, weights: Weights | None) -> Scaling:
    if facts.new is None:
        return Scaling()
    if outlives_abort(facts):
        return scale(facts, facts.new, facts.new.replicas)
    if not delays_scale_down(facts):
        wanted = wanted_counts(facts, carried_weights(facts))[0]
        return scale(facts, facts.new, max(wanted, _used(facts, facts.new, weights)))
    return thrown_out(facts, facts.new)


def _used(facts: Facts, new: ReplicaSet, weights: Weights | None) -> int:
    """How many of the new pods traffic leads to, which may still be more than its step wants: where stable cannot carry it."""
    if facts.is_leaving_router:
        return new.replicas
    by_step = facts.is_routed and facts.canary_scale is None and not facts.canary.dynamic_stable_scale
    if not by_step or weights is None or weights.canary.pod_template_hash != new.hash:
        return 0
    return min(new.replicas, pods_for_weight(facts.replicas, weights.canary.weight, facts.most))


def thrown_out(facts: Facts, new: ReplicaSet) -> Scaling:
    """The new version after an abort: kept for a while once stable is whole, then scaled to nothing."""
    if new.deadline is None:
        settled = facts.stable is not None and facts.stable.available == facts.replicas
        if not settled or new.replicas == 0:
            return scale(facts, new, new.replicas)
        return kept_until(facts, new, Instant(facts.now + (facts.abort_delay or 0)))
    due = new.deadline_at
    if due is not None and due > facts.now:
        return kept_until(facts, new, due)
    return scale(facts, new, 0, keep_deadline=True)


def outlives_abort(facts: Facts) -> bool:
    """Whether an aborted canary is to stay as it is (abortScaleDownDelaySeconds: 0), and nothing else says its size."""
    stays = facts.aborted and facts.delays and facts.abort_delay is None and facts.stable is not None
    return stays and not facts.canary.dynamic_stable_scale and facts.canary_scale is None


def delays_scale_down(facts: Facts) -> bool:
    """Whether an aborted canary stays up for abortScaleDownDelaySeconds."""
    if not facts.aborted or facts.stable is None or not facts.delays or facts.abort_delay is None:
        return False
    return not (facts.canary.dynamic_stable_scale and facts.canary.abort_scale_down_delay_seconds is None)


def _others(facts: Facts) -> Scaling:
    """Old ReplicaSets, youngest first, as far as availability allows; pods that do not serve go in any case."""
    parts: list[Scaling] = []
    spare = sum(rs.serving for rs in facts.roles.all) - bounds(facts).least
    kept = 0
    for rs in sorted(facts.roles.others, key=lambda rs: rs.revision, reverse=True):
        serving = rs.serving
        if rs.replicas == 0:
            continue
        if (facts.is_routed or facts.is_leaving_router) and is_reachable(facts, rs):
            parts.append(scale(facts, rs, rs.replicas))
        elif spare <= 0:
            parts.append(scale(facts, rs, serving))
        elif facts.is_routed:
            part, kept = aged(facts, rs, kept)
            parts.append(part)
            spare -= serving if part.scaled else 0
        else:
            parts.append(scale(facts, rs, max(0, serving - spare)))
            spare -= serving
    return Scaling(any(part.scaled for part in parts), together(*(part.effects for part in parts)))


def aged(facts: Facts, rs: ReplicaSet, kept: int) -> tuple[Scaling, int]:
    """One old ReplicaSet whose traffic somebody decides about; `kept` counts those that a deadline keeps.

    A version that never became stable goes at once behind a router, for nothing leads to it; blue-green keeps it too.
    """
    may_stay = facts.is_promoted or rs.deadline is not None or facts.blue_green is not None
    if not may_stay or facts.canary.dynamic_stable_scale or facts.scale_down_delay == 0:
        return scale(facts, rs, 0), kept
    if kept >= facts.kept_revisions:
        return scale(facts, rs, 0), kept
    due = rs.deadline_at if rs.deadline else Instant(facts.now + facts.scale_down_delay)
    if due is None or due <= facts.now:
        return scale(facts, rs, 0), kept + 1
    return kept_until(facts, rs, due), kept + 1


def is_reachable(facts: Facts, rs: ReplicaSet) -> bool:
    """Whether a status field or a service selector still names the ReplicaSet, so that traffic may reach it."""
    weights = facts.status.canary.weights
    named = {facts.status.stable_rs, facts.status.current_pod_hash}
    if facts.blue_green is not None:
        named |= {facts.status.blue_green.active_selector, facts.status.blue_green.preview_selector}
    if weights is not None:
        named |= {weights.canary.pod_template_hash, weights.stable.pod_template_hash}
    for name in (*service_names(facts.spec), *facts.seen.reach.services):
        named.add(dig(facts.seen.services.get(name), "spec", "selector", HASH_LABEL, default=""))
    return rs.hash in named


def scale(facts: Facts, rs: ReplicaSet, wanted: int, *, keep_deadline: bool = False) -> Scaling:
    """Scales one ReplicaSet and notes on it which spec.replicas that was for; nothing when both are so already."""
    noted = str(facts.replicas)
    if rs.replicas == wanted and rs.desired_replicas == noted:
        return Scaling()
    annotations: Obj = {DESIRED_REPLICAS: noted}
    if wanted == 0 and rs.deadline is not None and not keep_deadline:
        annotations[SCALE_DOWN_DEADLINE] = None
    body: Obj = {"metadata": {"annotations": annotations}}
    if rs.replicas == wanted:
        return Scaling(effects=acting(_patch(facts, rs, body)))
    body["spec"] = {"replicas": wanted}
    way = "up" if wanted > rs.replicas else "down"
    text = f"Scaled {way} ReplicaSet {rs.name} (revision {rs.revision}) from {rs.replicas} to {wanted}"
    action = _patch(facts, rs, body)
    return Scaling(True, acting(action, notes=((action, facts.note("ScalingReplicaSet", text)),)))


def freed_deadlines(facts: Facts) -> Effects:
    """The new and the stable ReplicaSet have no deadline, unless an abort gave the canary one."""
    free = [facts.stable] if facts.stable is not None else []
    if facts.new is not None and not delays_scale_down(facts):
        free.append(facts.new)
    with_deadline = {rs.uid: rs for rs in free if rs.deadline is not None}
    body: Obj = {"metadata": {"annotations": {SCALE_DOWN_DEADLINE: None}}}
    return acting(*(_patch(facts, rs, body) for rs in with_deadline.values()))


def kept_until(facts: Facts, rs: ReplicaSet, due: Instant) -> Scaling:
    """Leaves the ReplicaSet at its size until `due`, which is noted on it unless a deadline is there already."""
    noted = scale(facts, rs, rs.replicas).effects
    if rs.deadline is not None:
        return Scaling(effects=together(noted, Effects(wake=due)))
    body: Obj = {"metadata": {"annotations": {SCALE_DOWN_DEADLINE: rfc3339(due)}}}
    return Scaling(effects=together(noted, acting(_patch(facts, rs, body), wake=due)))


def _patch(facts: Facts, rs: ReplicaSet, body: Obj) -> Action:
    return Patch(REPLICA_SETS, facts.namespace, rs.name, body, uid=rs.uid)
