"""The status after a pass: counted, advanced by a step where one is done, promoted where all is done.

`reset_status` starts a new update; `advance` walks the present one. Both end in `settled`, which adds pauses, conditions and
phase in one place.
"""

import msgspec
from msgspec import Struct

from shipway.api.rollout import CanaryStatus, RolloutStatus
from shipway.base.clock import Instant
from shipway.kube.objects.selectors import label_selector_of
from shipway.kube.objects.views import generation_of
from shipway.kube.runtime.decision import Note
from shipway.rollouts.rollout.analysis import Runs
from shipway.rollouts.rollout.conditions import deadline_at, judge, paused_conditions, without
from shipway.rollouts.rollout.counts import at_wanted_counts, carried_weights, has_progressed_enough
from shipway.rollouts.rollout.facts import PING, PONG, Facts
from shipway.rollouts.rollout.names import INVALID_SPEC, PAUSE_STEP
from shipway.rollouts.rollout.pauses import Moves, apply_moves
from shipway.rollouts.rollout.phase import phase_of
from shipway.rollouts.rollout.split import Traffic
from shipway.rollouts.rollout.steps import StepFacts, describe, move_of

replace = msgspec.structs.replace


class Next(Struct, frozen=True):
    """The status to be written, the events it is worth, and when to look again."""

    status: RolloutStatus
    notes: tuple[Note, ...] = ()
    wake: Instant | None = None


def counted(facts: Facts) -> RolloutStatus:
    """The stored status with fresh counts, and without an InvalidSpec that has been mended."""
    every = facts.roles.all
    current = sum(rs.current for rs in every)
    conditions = without(facts.status.conditions, INVALID_SPEC)
    return replace(
        facts.status,
        conditions=paused_conditions(conditions, facts.status, user_paused=facts.spec.paused, now=facts.now),
        current_pod_hash=facts.pod_hash,
        current_step_hash=facts.step_hash,
        replicas=current,
        hpa_replicas=current,
        updated_replicas=facts.new.current if facts.new else 0,
        ready_replicas=sum(rs.ready for rs in every),
        available_replicas=sum(rs.available for rs in every),
        selector=str(label_selector_of(facts.spec.selector)),
        promote_full=facts.status.promote_full and facts.pod_hash != facts.status.stable_rs,
    )


def scaled_status(facts: Facts, counts: RolloutStatus | None = None) -> Next:
    """The status after a pass that only follows a change of spec.replicas; `counts` has its own numbers (blue-green)."""
    available = sum(rs.available for rs in facts.roles.all)
    current = sum(rs.current for rs in facts.roles.all)
    conditions = paused_conditions(facts.status.conditions, facts.status, user_paused=facts.spec.paused, now=facts.now)
    status = replace(counts or facts.status, conditions=conditions)
    if counts is None:
        status = replace(status, available_replicas=available, hpa_replicas=current)
    return _finished(facts, apply_moves(facts.status, status, Moves(), facts.now))


def reset_status(facts: Facts) -> Next:
    """The status at the beginning of an update: step 0, unless the template is stable's again."""
    steps = len(facts.canary.steps)
    notes: tuple[Note, ...] = ()
    index = 0 if steps else None
    if facts.new is not None and steps:
        if facts.status.stable_rs == facts.new.hash:
            notes, index = (facts.note("SkipSteps", "Rollback to stable ReplicaSets"),), steps
        elif facts.is_rollback_in_window and facts.new.replicas > 0:
            text = "Rollback to active ReplicaSets within RollbackWindow"
            notes, index = (facts.note("SkipSteps", text),), steps
    canary = replace(
        facts.status.canary,
        current_step_analysis_run_status=None,
        current_background_analysis_run_status=None,
        current_experiment="",
        step_plugin_statuses=(),
    )
    status = replace(
        counted(facts),
        canary=canary,
        current_step_index=index,
        promote_full=False,
        restarted_at=facts.spec.restart_at or None,
    )
    return settled(facts, status, Moves(clear=True, lift=True), notes)


def advance(facts: Facts, runs: Runs, traffic: Traffic, restarted_at: str | None, *, scaled: bool) -> Next:
    """The status after a pass of an update: promoted, aborted, one step further, or waiting."""
    canary = CanaryStatus(
        weights=traffic.weights,
        current_step_analysis_run_status=runs.step,
        current_background_analysis_run_status=runs.background,
        stable_ping_pong=facts.status.canary.stable_ping_pong,
        current_experiment=runs.experiment.name if runs.experiment is not None else "",
        step_plugin_statuses=runs.plugins.statuses,
    )
    status = replace(counted(facts), canary=canary, restarted_at=restarted_at)
    moves = runs.moves
    if facts.status.promote_full or facts.is_rollback_in_window:
        moves = moves.merged(Moves(clear=True, lift=True))
    if (reason := promotion(facts, moves)) is not None:
        return _promoted(facts, status, reason)
    steps = len(facts.canary.steps)
    if facts.aborted or moves.abort is not None:
        status = replace(status, current_step_index=0 if steps else None)
        return settled(facts, status, moves)
    if facts.is_promoted and facts.status.abort:
        moves = moves.merged(Moves(lift=True))
    if facts.status.promote_full or facts.is_rollback_in_window:
        return settled(facts, replace(status, current_step_index=steps or None), moves)
    return _walked(facts, status, moves, runs, traffic, scaled=scaled)


def _walked(facts: Facts, status: RolloutStatus, moves: Moves, runs: Runs, traffic: Traffic, *, scaled: bool) -> Next:
    """The current step, moved on if it may be."""
    step = facts.step
    if step is None or facts.spec.paused or scaled or moves.add or (facts.is_gated and facts.index >= facts.gate > 0):
        index = facts.index if facts.canary.steps else None
        return settled(facts, replace(status, current_step_index=index), moves.merged(Moves(resumed=_is_resumed(facts))))
    move = move_of(step, _step_facts(facts, runs, traffic))
    if move == "pause":
        moves = moves.merged(Moves(add=(PAUSE_STEP,)))
    if move != "next":
        wake = _pause_end(facts)
        return settled(facts, replace(status, current_step_index=facts.index), moves, wake=wake)
    index = facts.index + 1
    canary = replace(status.canary, current_step_analysis_run_status=None, current_experiment="")
    text = f"Rollout step {index}/{len(facts.canary.steps)} completed ({describe(step)})"
    note = facts.note("RolloutStepCompleted", text)
    moves = moves.merged(Moves(drop=(PAUSE_STEP,)))
    return settled(facts, replace(status, canary=canary, current_step_index=index), moves, (note,))


def _is_resumed(facts: Facts) -> bool:
    """Whether a person has ended the pause of the current step."""
    is_at_pause = facts.step is not None and facts.step.pause is not None
    return is_at_pause and facts.status.controller_pause and not facts.status.pause_conditions


def _step_facts(facts: Facts, runs: Runs, traffic: Traffic) -> StepFacts:
    pause = next((p for p in facts.status.pause_conditions if p.reason == PAUSE_STEP), None)
    judge_of_step = runs.step or runs.experiment
    return StepFacts(
        at_counts=at_wanted_counts(facts, _carried(facts, traffic)),
        weight_verified=traffic.verified,
        was_paused=facts.status.controller_pause,
        paused_for=facts.seconds_since(pause.start_time) if pause is not None else None,
        run_phase=judge_of_step.status if judge_of_step is not None else runs.plugins.phase,
    )


def _carried(facts: Facts, traffic: Traffic) -> tuple[int, int] | None:
    if traffic.weights is None:
        return carried_weights(facts)
    return traffic.weights.canary.weight, traffic.weights.stable.weight


def _pause_end(facts: Facts) -> Instant | None:
    """When a timed pause is over; None for one that waits for a person."""
    step = facts.step
    pause = next((p for p in facts.status.pause_conditions if p.reason == PAUSE_STEP), None)
    if step is None or step.pause is None or step.pause.duration is None:
        return None
    if pause is None:
        return Instant(facts.now + step.pause.seconds)
    waited = facts.seconds_since(pause.start_time)
    return Instant(facts.now + max(0.0, step.pause.seconds - (waited or 0.0)))


def promotion(facts: Facts, moves: Moves) -> str | None:
    """Why the new ReplicaSet becomes the stable one now; None when it does not."""
    if facts.stable is None:
        return "Initial deploy"
    if (facts.aborted or moves.abort is not None) and not moves.lift:
        return None
    if facts.new is None:
        return None
    if facts.new.serving < facts.replicas and not has_progressed_enough(facts, facts.new, facts.replicas):
        return None
    if facts.status.promote_full:
        return "Full promotion requested"
    if facts.is_rollback_in_window:
        return "Rollback within window"
    if not facts.is_judged:
        return None
    return f"Completed all {len(facts.canary.steps)} canary steps" if facts.step is None else None


def _promoted(facts: Facts, status: RolloutStatus, reason: str) -> Next:
    steps = len(facts.canary.steps)
    notes: tuple[Note, ...] = ()
    if facts.status.stable_rs != facts.pod_hash:
        text = f"Rollout completed update to revision {facts.next_revision} ({facts.pod_hash}): {reason}"
        notes = (facts.note("RolloutCompleted", text),)
        if facts.canary.ping_pong is not None:
            turn = PONG if facts.status.canary.stable_ping_pong == PING else PING
            status = replace(status, canary=replace(status.canary, stable_ping_pong=turn))
    status = replace(status, stable_rs=facts.pod_hash, promote_full=False, current_step_index=steps or None)
    return settled(facts, status, Moves(clear=True, lift=True), notes)


def settled(
    facts: Facts, status: RolloutStatus, moves: Moves, notes: tuple[Note, ...] = (), wake: Instant | None = None
) -> Next:
    """Conditions, pauses, abort and phase of a status whose counts and place are decided."""
    judged = judge(facts, status, moves)
    if judged.abort is not None:
        moves = moves.merged(Moves(abort=judged.abort))
    status = apply_moves(facts.status, replace(status, conditions=judged.conditions), moves, facts.now)
    conditions = paused_conditions(status.conditions, status, user_paused=facts.spec.paused, now=facts.now)
    done = _finished(facts, replace(status, conditions=conditions))
    stops = tuple(instant for instant in (wake, done.wake) if instant is not None)
    return Next(done.status, (*notes, *judged.notes, *_pause_notes(facts, done.status)), min(stops, default=None))


def _finished(facts: Facts, status: RolloutStatus) -> Next:
    status = replace(
        status,
        observed_generation=str(generation_of(facts.rollout)),
        workload_observed_generation=facts.workload_generation,
    )
    phase, message = phase_of(facts.spec, status)
    return Next(replace(status, phase=phase, message=message), wake=deadline_at(facts, status))


def _pause_notes(facts: Facts, after: RolloutStatus) -> tuple[Note, ...]:
    was, now = bool(facts.status.pause_conditions), bool(after.pause_conditions)
    if now and not was:
        return (facts.note("RolloutPaused", f"Rollout is paused ({after.pause_conditions[0].reason})"),)
    if was and not now and not after.abort:
        return (facts.note("RolloutResumed", "Rollout is resumed"),)
    return ()
