"""Blue-green: the new version stands beside the old one, whole, until the active Service is switched over in one go.

    preview service -> new version at once
    new version at its preview size, then (after pause and pre-promotion analysis) at full size
    active service  -> new version once every pod of it is available and nothing holds it back
    stable          = new version once the post-promotion analysis is content; the old one stays for scaleDownDelaySeconds

An abort switches the active service back to stable, as soon as stable has a pod to answer. (After Argo Rollouts 1.9,
`rollout/bluegreen.go`; there an abort waits until the bad version is fully available.)
"""

from msgspec import Struct

from shipway.api.rollout import BlueGreen
from shipway.base.clock import Instant
from shipway.rollouts.rollout.blue_green_runs import PromotionRuns
from shipway.rollouts.rollout.effects import NOTHING, Effects, acting, together
from shipway.rollouts.rollout.facts import Facts
from shipway.rollouts.rollout.names import PAUSE_BLUE_GREEN, PAUSE_INCONCLUSIVE
from shipway.rollouts.rollout.pauses import Moves
from shipway.rollouts.rollout.replica_set import ReplicaSet
from shipway.rollouts.rollout.scaling import aged, delays_scale_down, freed_deadlines, is_reachable, scale, thrown_out
from shipway.rollouts.rollout.services import hash_of, switch


class Cutover(Struct, frozen=True):
    """`pointed`: services that this pass switches, with their new hash."""

    pointed: dict[str, str] = {}
    effects: Effects = NOTHING


class Hold(Struct, frozen=True):
    """Whether the update waits before its switch, and until when."""

    moves: Moves = Moves()
    wake: Instant | None = None


def settings(facts: Facts) -> BlueGreen:
    assert facts.blue_green is not None, "only asked of blue-green Rollouts"
    return facts.blue_green


def pointed_now(facts: Facts, name: str) -> str:
    """The hash that a service selects at the moment."""
    return hash_of(facts.seen.services.get(name))


def new_size(facts: Facts) -> int:
    """How many pods the new version should have: previewReplicaCount until it has been resumed, then all."""
    preview, new = settings(facts).preview_replica_count, facts.new
    active = facts.status.blue_green.active_selector
    known = {rs.hash for rs in facts.roles.all}
    if preview is None or new is None or active not in known or active == new.hash or facts.status.promote_full:
        return facts.replicas
    paused = facts.spec.paused or bool(facts.status.pause_conditions)
    resumed = facts.status.blue_green.scale_up_preview_check_point and not paused
    return facts.replicas if resumed and new.hash == facts.status.current_pod_hash else preview


def is_saturated(facts: Facts, rs: ReplicaSet | None) -> bool:
    """Every pod that spec.replicas asks for is there and available, and was asked for that reason."""
    return rs is not None and rs.replicas == rs.available == facts.replicas and rs.desired_replicas == str(facts.replicas)


def _is_at_size(facts: Facts) -> bool:
    new = facts.new
    return new is not None and new.replicas == new.available == new_size(facts)


def _is_fast_tracked(facts: Facts) -> bool:
    """A recent version, a forced promotion, a service that nobody has switched before, or one that is switched already."""
    active, new = pointed_now(facts, settings(facts).active_service), facts.new
    return new is None or facts.is_quick_way_back or facts.status.promote_full or active in ("", new.hash)


def plan_hold(facts: Facts, runs: PromotionRuns) -> Hold:
    """The pause before the switch: begun, kept or ended."""
    if facts.aborted or not _is_at_size(facts) or facts.is_halted:
        return Hold()
    checkpoint = facts.status.blue_green.scale_up_preview_check_point
    if _is_fast_tracked(facts) or checkpoint or not _wants_pause(settings(facts)):
        return Hold(Moves(drop=(PAUSE_BLUE_GREEN,)))
    if not runs.pre_is_content:
        return Hold()
    since = next((pause.start_time for pause in facts.status.pause_conditions if pause.reason == PAUSE_BLUE_GREEN), None)
    if since is None:
        return Hold() if facts.status.controller_pause else Hold(Moves(add=(PAUSE_BLUE_GREEN,)), _end(facts, 0.0))
    if is_pause_over(facts):
        return Hold(Moves(drop=(PAUSE_BLUE_GREEN,)))
    return Hold(wake=_end(facts, facts.seconds_since(since) or 0.0))


def _wants_pause(blue_green: BlueGreen) -> bool:
    return blue_green.auto_promotion_enabled is False or blue_green.auto_promotion_seconds > 0


def _end(facts: Facts, waited: float) -> Instant | None:
    seconds = settings(facts).auto_promotion_seconds
    return Instant(facts.now + max(0.0, seconds - waited)) if seconds > 0 else None


def is_pause_over(facts: Facts) -> bool:
    """Whether nothing (any more) waits for a person or for autoPromotionSeconds."""
    blue_green, status = settings(facts), facts.status
    since = next((pause.start_time for pause in status.pause_conditions if pause.reason == PAUSE_BLUE_GREEN), None)
    if status.blue_green.scale_up_preview_check_point:
        return True
    if blue_green.auto_promotion_enabled is False:
        return status.controller_pause and since is None
    if blue_green.auto_promotion_seconds == 0:
        return True
    if since is None:
        return status.controller_pause
    return (facts.seconds_since(since) or 0.0) >= blue_green.auto_promotion_seconds


def plan_preview(facts: Facts) -> Cutover:
    """The preview service shows the new version from the first moment."""
    name, new = settings(facts).preview_service, facts.new
    if not name or new is None or facts.is_halted or pointed_now(facts, name) == new.hash:
        return Cutover()
    action, note = switch(facts, name, new.hash)
    return Cutover({name: new.hash}, acting(action, notes=((action, note),)))


def plan_active(facts: Facts, runs: PromotionRuns, hold: Hold) -> Cutover:
    """The switch itself, forth or (after an abort) back."""
    name, wanted = settings(facts).active_service, _active_hash(facts, runs, hold)
    if wanted is None or wanted == pointed_now(facts, name):
        return Cutover()
    action, note = switch(facts, name, wanted)
    return Cutover({name: wanted}, acting(action, notes=((action, note),)))


def _active_hash(facts: Facts, runs: PromotionRuns, hold: Hold) -> str | None:
    if facts.aborted:
        answers = facts.stable is not None and facts.stable.available > 0
        return facts.status.stable_rs if answers else None
    if facts.is_halted or facts.new is None or not (_is_at_size(facts) and is_saturated(facts, facts.new)):
        return None
    ready = not hold.moves.add and is_pause_over(facts) and runs.pre_is_content
    return facts.new.hash if _is_fast_tracked(facts) or ready else None


def plan_sizes(facts: Facts, runs: PromotionRuns) -> Effects:
    """Stable whole, the new version at its size, old ones gone when their time has come."""
    parts = [freed_deadlines(facts)]
    if facts.stable is not None and facts.roles.is_updating:
        parts.append(scale(facts, facts.stable, facts.replicas).effects)
    if facts.new is not None:
        thrown = delays_scale_down(facts) and facts.roles.is_updating
        sized = thrown_out(facts, facts.new) if thrown else scale(facts, facts.new, new_size(facts))
        parts.append(sized.effects)
    return together(*parts, *_old_sizes(facts, runs))


def _old_sizes(facts: Facts, runs: PromotionRuns) -> list[Effects]:
    if any(pause.reason == PAUSE_INCONCLUSIVE for pause in facts.status.pause_conditions) or runs.post_is_undecided:
        return []
    parts: list[Effects] = []
    kept = 0
    for rs in sorted(facts.roles.others, key=lambda rs: rs.revision, reverse=True):
        if rs.replicas == 0:
            continue
        if is_reachable(facts, rs):
            parts.append(scale(facts, rs, rs.replicas).effects)
            continue
        part, kept = aged(facts, rs, kept)
        parts.append(part.effects)
    return parts
