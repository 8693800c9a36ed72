"""The status of a blue-green Rollout after a pass."""

import msgspec

from shipway.api.rollout import BlueGreenStatus, CanaryStatus, RolloutStatus
from shipway.kube.objects.selectors import label_selector_of
from shipway.kube.objects.views import dig
from shipway.rollouts.rollout.blue_green import is_pause_over, pointed_now, settings
from shipway.rollouts.rollout.blue_green_runs import PromotionRuns
from shipway.rollouts.rollout.facts import Facts
from shipway.rollouts.rollout.pauses import Moves
from shipway.rollouts.rollout.status import Next, counted, settled

replace = msgspec.structs.replace


def reset_blue_green(facts: Facts, pointed: dict[str, str]) -> Next:
    """The status at the beginning of an update."""
    status = _with_selectors(facts, counted(facts), PromotionRuns(), pointed)
    status = replace(status, promote_full=False, restarted_at=facts.spec.restart_at or None, canary=CanaryStatus())
    return settled(facts, _by_active(facts, status), Moves(clear=True, lift=True))


def advance_blue_green(
    facts: Facts, runs: PromotionRuns, moves: Moves, pointed: dict[str, str], restarted_at: str | None
) -> Next:
    """The status after a pass of an update: switched, promoted, aborted or waiting."""
    status = replace(_with_selectors(facts, counted(facts), runs, pointed), restarted_at=restarted_at)
    if facts.status.promote_full or facts.is_rollback_in_window:
        moves = moves.merged(Moves(clear=True, lift=True))
    if (reason := _promotion(facts, runs, moves, status)) is not None:
        return _promoted(facts, status, reason)
    checkpoint = _checkpoint(facts, runs, moves)
    blue_green = replace(status.blue_green, scale_up_preview_check_point=checkpoint)
    if facts.is_promoted and facts.status.abort:
        moves = moves.merged(Moves(lift=True))
    return settled(facts, _by_active(facts, replace(status, blue_green=blue_green)), moves)


def scaled_blue_green(facts: Facts) -> RolloutStatus:
    """The stored status with the counts of the active version: what a pass that only scales writes."""
    return _by_active(facts, facts.status)


def _with_selectors(facts: Facts, status: RolloutStatus, runs: PromotionRuns, pointed: dict[str, str]) -> RolloutStatus:
    blue_green = settings(facts)

    def selector(name: str) -> str:
        return pointed.get(name) or pointed_now(facts, name) if name else ""

    told = BlueGreenStatus(
        active_selector=selector(blue_green.active_service),
        preview_selector=selector(blue_green.preview_service),
        scale_up_preview_check_point=False,
        pre_promotion_analysis_run_status=runs.pre,
        post_promotion_analysis_run_status=runs.post,
    )
    return replace(status, blue_green=told, current_step_index=None)


def _by_active(facts: Facts, status: RolloutStatus) -> RolloutStatus:
    """Replica counts and selector that autoscalers see are those of the active version alone."""
    active = next((rs for rs in facts.roles.all if rs.hash == status.blue_green.active_selector), None)
    if active is None:
        return status
    return replace(
        status,
        hpa_replicas=active.current,
        selector=str(label_selector_of(dig(active.obj, "spec", "selector", default={}))),
        available_replicas=active.available,
        ready_replicas=active.ready,
    )


def _promotion(facts: Facts, runs: PromotionRuns, moves: Moves, status: RolloutStatus) -> str | None:
    """Why the new version becomes the stable one now; None when it does not."""
    active = status.blue_green.active_selector
    if facts.stable is None or not active:
        return "Initial deploy"
    if active != facts.pod_hash:
        return None
    if facts.status.promote_full:
        return "Full promotion requested"
    if facts.is_rollback_in_window:
        return "Rollback within window"
    if (facts.aborted or moves.abort is not None) and not moves.lift:
        return None
    if settings(facts).post_promotion_analysis is not None or not runs.post_is_content:
        if facts.new is not None and facts.new.deadline is not None:
            return f"Rollback to '{facts.new.name}' within scaleDownDelay"
        if not runs.post_is_content:
            return None
    return "Completed blue-green update"


def _promoted(facts: Facts, status: RolloutStatus, reason: str) -> Next:
    text = f"Rollout completed update to revision {facts.next_revision} ({facts.pod_hash}): {reason}"
    notes = (facts.note("RolloutCompleted", text),) if facts.status.stable_rs != facts.pod_hash else ()
    status = replace(status, stable_rs=facts.pod_hash, promote_full=False)
    return settled(facts, _by_active(facts, status), Moves(clear=True, lift=True), notes)


def _checkpoint(facts: Facts, runs: PromotionRuns, moves: Moves) -> bool:
    """Whether the preview has had its test at previewReplicaCount, so that it may grow to full size."""
    preview = settings(facts).preview_replica_count
    if preview is None:
        return False
    if facts.status.blue_green.scale_up_preview_check_point:
        return True
    if moves.add or not runs.pre_is_content or not is_pause_over(facts):
        return False
    return facts.new is not None and facts.new.available == preview
