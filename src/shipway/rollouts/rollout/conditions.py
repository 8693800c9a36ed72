"""The conditions of a Rollout, as Argo Rollouts writes them: types, reasons and messages are contract.

A condition is written anew when its status or reason changes; a change of the message alone is not written. The one
exception is Progressing with progress: its lastUpdateTime is the clock that progressDeadlineSeconds runs by.
"""

from msgspec import Struct

from shipway.api.rollout import BlueGreen, Condition, RolloutStatus
from shipway.base.clock import Instant, parse_rfc3339, rfc3339
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import status_of
from shipway.kube.runtime.decision import Note
from shipway.rollouts.rollout.facts import Facts
from shipway.rollouts.rollout.names import (
    AVAILABLE,
    COMPLETED,
    HEALTHY,
    INVALID_SPEC,
    PAUSED,
    PROGRESSING,
    REPLICA_FAILURE,
)
from shipway.rollouts.rollout.pauses import Moves, is_aborted
from shipway.rollouts.rollout.rule_names import is_awaiting_verdict

Conditions = tuple[Condition, ...]


class Judged(Struct, frozen=True):
    """The conditions after a pass, the abort that a missed deadline may cause, and the events they are worth."""

    conditions: Conditions
    abort: str | None = None
    notes: tuple[Note, ...] = ()


def find(conditions: Conditions, kind: str) -> Condition | None:
    for condition in conditions:  # asked a dozen times in every pass
        if condition.type == kind:
            return condition
    return None


def put(conditions: Conditions, kind: str, status: str, reason: str, message: str, now: Instant) -> Conditions:
    """The conditions with this one; unchanged when status and reason are the same already."""
    before = find(conditions, kind)
    if before is not None and (before.status, before.reason) == (status, reason):
        return conditions
    since = before.last_transition_time if before is not None and before.status == status else rfc3339(now)
    fresh = Condition(kind, status, reason, message, rfc3339(now), since)
    return (*without(conditions, kind), fresh)


def without(conditions: Conditions, kind: str) -> Conditions:
    return tuple(condition for condition in conditions if condition.type != kind)


def paused_conditions(conditions: Conditions, status: RolloutStatus, *, user_paused: bool, now: Instant) -> Conditions:
    """Paused, and Progressing while paused: lack of progress must not be held against a Rollout that waits."""
    progressing, paused = find(conditions, PROGRESSING), find(conditions, PAUSED)
    reason = progressing.reason if progressing else ""
    is_paused = bool(status.pause_conditions) or user_paused
    completed = bool(status.stable_rs) and status.stable_rs == status.current_pod_hash
    if is_paused != (reason == "RolloutPaused") and reason != "RolloutAborted" and not completed:
        told = ("RolloutPaused", "Rollout is paused") if is_paused else ("RolloutResumed", "Rollout is resumed")
        conditions = put(conditions, PROGRESSING, "Unknown", *told, now)
    if not status.abort and reason == "RolloutAborted":
        conditions = put(conditions, PROGRESSING, "Unknown", "RolloutRetry", "Retrying Rollout after abort", now)
    if is_paused != (paused is not None and paused.status == "True") and reason != "RolloutAborted":
        conditions = put(conditions, PAUSED, "True" if is_paused else "False", "RolloutPaused", "Rollout is paused", now)
    return conditions


def judge(facts: Facts, after: RolloutStatus, moves: Moves) -> Judged:
    """All conditions of a status that is about to be written (`after` holds the conditions so far)."""
    healthy = is_healthy(facts, after)
    conditions, became_unhealthy = _health(facts, after.conditions, healthy=healthy)
    aborted = is_aborted(facts.status, moves)
    notes: tuple[Note, ...] = ()
    abort: str | None = None
    if aborted:
        conditions, notes = _aborted(facts, conditions, moves)
    elif healthy:
        name = facts.new.name if facts.new else ""
        text = f'ReplicaSet "{name}" has successfully progressed.'
        conditions = put(conditions, PROGRESSING, "True", "NewReplicaSetAvailable", text, facts.now)
    elif _has_progressed(facts.status, after) or became_unhealthy:
        conditions = _progress(facts, after, conditions, became_unhealthy=became_unhealthy)
    elif _may_time_out(facts, after) and is_timed_out(conditions, facts.spec.progress_deadline_seconds, facts.now):
        conditions, abort, notes = _timed_out(facts, conditions)
    conditions = _availability(facts, after, conditions)
    conditions = _replica_failure(facts, conditions)
    conditions, completed_notes = _completed(facts, after, conditions)
    return Judged(conditions, abort, notes + completed_notes)


def is_healthy(facts: Facts, status: RolloutStatus) -> bool:
    """Every pod is of the stable template and available; the services point there, or no other pod is left."""
    if facts.blue_green is not None:
        whole = status.updated_replicas == status.available_replicas == facts.replicas
        return whole and _is_switched(facts.blue_green, status)
    walked = not facts.canary.steps or status.current_step_index in (None, len(facts.canary.steps))
    promoted = bool(status.stable_rs) and status.stable_rs == status.current_pod_hash
    counts = {status.replicas, status.updated_replicas, status.available_replicas}
    return walked and promoted and counts == {facts.replicas}


def _is_switched(blue_green: BlueGreen, status: RolloutStatus) -> bool:
    wanted, told = status.current_pod_hash, status.blue_green
    return told.active_selector == wanted and (not blue_green.preview_service or told.preview_selector == wanted)


def _health(facts: Facts, conditions: Conditions, *, healthy: bool) -> tuple[Conditions, bool]:
    paused = bool(facts.status.pause_conditions) or facts.spec.paused
    if healthy and not paused:
        return put(conditions, HEALTHY, "True", "RolloutHealthy", "Rollout is healthy", facts.now), False
    if find(facts.status.conditions, HEALTHY) is None:
        return conditions, False
    after = put(conditions, HEALTHY, "False", "RolloutHealthy", "Rollout is not healthy", facts.now)
    return after, after is not conditions


def _aborted(facts: Facts, conditions: Conditions, moves: Moves) -> tuple[Conditions, tuple[Note, ...]]:
    before = find(conditions, PROGRESSING)
    timed_out = before.message if before is not None and before.reason == "ProgressDeadlineExceeded" else ""
    cause = moves.abort or timed_out
    message = f"Rollout aborted update to revision {facts.revision}" + (f": {cause}" if cause else "")
    after = put(conditions, PROGRESSING, "False", "RolloutAborted", message, facts.now)
    return after, () if after is conditions else (facts.note("RolloutAborted", message, warning=True),)


def _has_progressed(before: RolloutStatus, after: RolloutStatus) -> bool:
    stepped = None not in (before.current_step_index, after.current_step_index)
    selectors = (after.blue_green.active_selector, after.blue_green.preview_selector)
    return (
        after.stable_rs != before.stable_rs
        or selectors != (before.blue_green.active_selector, before.blue_green.preview_selector)
        or (stepped and before.current_step_index != after.current_step_index)
        or after.current_step_hash != before.current_step_hash
        or after.updated_replicas != before.updated_replicas
        or after.replicas - after.updated_replicas < before.replicas - before.updated_replicas
        or after.ready_replicas > before.ready_replicas
        or after.available_replicas > before.available_replicas
    )


def _progress(facts: Facts, after: RolloutStatus, conditions: Conditions, *, became_unhealthy: bool) -> Conditions:
    name = f'ReplicaSet "{facts.new.name}"' if facts.new else f'Rollout "{facts.name}"'
    reason, message = "ReplicaSetUpdated", f"{name} is progressing."
    if became_unhealthy and after.stable_rs == after.current_pod_hash:
        reason, message = "ReplicaSetNotAvailable", "Rollout does not have minimum availability"
    before = find(facts.status.conditions, PROGRESSING)
    since = before.last_transition_time if before is not None and before.status == "True" else rfc3339(facts.now)
    fresh = Condition(PROGRESSING, "True", reason, message, rfc3339(facts.now), since)
    return (*without(conditions, PROGRESSING), fresh)


def _may_time_out(facts: Facts, after: RolloutStatus) -> bool:
    """Pauses, analyses, experiments, plugins and the wait for an old ReplicaSet's deadline are not lack of progress."""
    step = facts.step
    waits = step is not None and (step.analysis or step.pause or step.experiment or step.plugin) is not None
    paused = find(after.conditions, PAUSED)
    waits = waits or is_awaiting_verdict(facts.seen.runs, facts.pod_hash, is_walked=step is None)
    return not (waits or (paused is not None and paused.status == "True") or any(rs.deadline for rs in facts.roles.others))


def is_timed_out(conditions: Conditions, deadline: int, now: Instant) -> bool:
    """Whether the last progress is older than the deadline. A retry does not inherit the time since its abort."""
    progressing = find(conditions, PROGRESSING)
    if progressing is None or progressing.reason == "RolloutAborted":
        return False
    if progressing.reason == "ProgressDeadlineExceeded":
        return True
    return _at(progressing.last_update_time) + deadline < now


def deadline_at(facts: Facts, after: RolloutStatus) -> Instant | None:
    """When to look whether progress was made; None when nothing is being waited for."""
    progressing = find(after.conditions, PROGRESSING)
    if progressing is None or progressing.reason == "ProgressDeadlineExceeded":
        return None
    waiting = after.pause_conditions or facts.spec.paused or after.abort or not _may_time_out(facts, after)
    if waiting or is_healthy(facts, after):
        return None
    return Instant(_at(progressing.last_update_time) + facts.spec.progress_deadline_seconds + 1)


def _at(text: str) -> float:
    try:
        return parse_rfc3339(text)
    except ValueError:
        return 0.0


def _timed_out(facts: Facts, conditions: Conditions) -> tuple[Conditions, str | None, tuple[Note, ...]]:
    name = f'ReplicaSet "{facts.new.name}"' if facts.new else f'Rollout "{facts.name}"'
    message = f"{name} has timed out progressing."
    after = put(conditions, PROGRESSING, "False", "ProgressDeadlineExceeded", message, facts.now)
    if not facts.spec.progress_deadline_abort or facts.is_promoted:
        return after, None, ()
    return after, message, (facts.note("RolloutAborted", message, warning=True),)


def _availability(facts: Facts, after: RolloutStatus, conditions: Conditions) -> Conditions:
    serving = facts.roles.all
    if facts.blue_green is not None:
        serving = tuple(rs for rs in serving if rs.hash == after.blue_green.active_selector)
    available = bool(serving or not facts.replicas) and sum(rs.available for rs in serving) >= facts.replicas
    told = (
        ("True", "Rollout has minimum availability") if available else ("False", "Rollout does not have minimum availability")
    )
    return put(conditions, AVAILABLE, told[0], "AvailableReason", told[1], facts.now)


def _replica_failure(facts: Facts, conditions: Conditions) -> Conditions:
    """A ReplicaSet that cannot make its pods says so on the Rollout; the new one's word comes first."""
    ordered = [rs for rs in (facts.new, *facts.roles.all) if rs is not None]
    failures = [
        raw for rs in ordered for raw in status_of(rs.obj).get("conditions") or [] if raw.get("type") == REPLICA_FAILURE
    ]
    if not failures:
        return without(conditions, REPLICA_FAILURE)
    first: Obj = failures[0]
    status, reason = str(first.get("status", "")), str(first.get("reason", ""))
    before = find(conditions, REPLICA_FAILURE)
    if before is not None and (before.status, before.reason) == (status, reason):
        return conditions
    at = first.get("lastTransitionTime") or rfc3339(facts.now)
    told = Condition(REPLICA_FAILURE, status, reason, str(first.get("message", "")), at, at)
    return (*without(conditions, REPLICA_FAILURE), told)


def _completed(facts: Facts, after: RolloutStatus, conditions: Conditions) -> tuple[Conditions, tuple[Note, ...]]:
    done = bool(after.stable_rs) and after.stable_rs == after.current_pod_hash
    fresh = put(conditions, COMPLETED, "True" if done else "False", "RolloutCompleted", "RolloutCompleted", facts.now)
    if done or fresh is conditions:
        return fresh, ()
    text = f"Rollout not completed, started update to revision {facts.next_revision} ({after.current_pod_hash})"
    return fresh, (facts.note("RolloutNotCompleted", text),)


def invalid_condition(conditions: Conditions, message: str, now: Instant, reason: str = "InvalidSpec") -> Conditions:
    """InvalidSpec with this message; unlike the others it is also written when only the message changes."""
    before = find(conditions, INVALID_SPEC)
    if before is not None and before.message != message:
        conditions = without(conditions, INVALID_SPEC)
    return put(conditions, INVALID_SPEC, "True", reason, message, now)
