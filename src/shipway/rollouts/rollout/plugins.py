"""Steps that plugins do: what an answer makes of the status, as Argo Rollouts writes it, and what follows for the update.

    Successful    the step is done
    Failed        the update is thrown out with the plugin's words
    Running       run again after `requeueAfter` (at least 10 s; 30 s where it says nothing)
    Error         run again after 30 s, on the notes from before; never the end of an update by itself

Abort and Terminate happen once, and nothing waits for them: whatever they say is only written down.
"""

from msgspec import Struct
from msgspec.structs import replace

from shipway.api.plugins import StepReply
from shipway.api.rollout import StepPluginStatus
from shipway.base.clock import Instant, rfc3339
from shipway.base.durations import format_duration
from shipway.kube.runtime.decision import Answer, Note
from shipway.rollouts.rollout.facts import Facts
from shipway.rollouts.rollout.pauses import Moves
from shipway.rollouts.rollout.plugin_calls import RUN, Call, is_run_of, next_call, run_at
from shipway.rollouts.rollout.spec import Invalid, invalid

SOONEST, USUALLY, AFTER_ERROR = 10.0, 30.0, 30.0
"""Seconds until a plugin is run again: at least, where it does not say when, and after an error."""


class PluginWork(Struct, frozen=True):
    """All operations up to now; `phase` is that of the current step's Run."""

    statuses: tuple[StepPluginStatus, ...] = ()
    phase: str | None = None
    moves: Moves = Moves()
    notes: tuple[Note, ...] = ()
    wake: Instant | None = None


def plan_plugins(facts: Facts) -> PluginWork:
    """What the plugins of a canary come to in this pass."""
    before = facts.status.canary.step_plugin_statuses
    statuses = () if _is_retry(facts) else before
    call = next_call(facts.rollout, facts.spec)
    answer = facts.seen.answers.get(call.ask) if call is not None else None
    if call is not None and answer is not None:
        statuses = _put(statuses, _ran(facts, call, answer) if call.operation == RUN else _ended(facts, call, answer))
    if not _may_run(facts):
        return PluginWork(statuses, notes=_notes(facts, before, statuses))
    run = next((one for one in statuses if is_run_of(one, facts.index, facts.canary.steps)), None)
    if run is None and not _is_paused(facts):
        run = _begun(facts)
        statuses = _put(statuses, run)
    moves, wake = Moves(), None
    if run is not None and run.phase == "Failed":
        moves = Moves(abort=f"Step plugin {run.name} failed" + (f": {run.message}" if run.message else ""))
    elif run is not None and run.phase != "Successful" and run_at(run) > facts.now:
        wake = run_at(run)  # later it is the answer that wakes
    notes = _notes(facts, before, statuses)
    return PluginWork(statuses, run.phase if run is not None else None, moves, notes, wake)


def plugin_problem(facts: Facts) -> Invalid | None:
    """A step whose plugin nobody has declared. What is thrown out goes back all the same."""
    declared = facts.seen.settings.plugins.steps
    for index, step in enumerate(() if facts.aborted else facts.canary.steps):
        if step.plugin is not None and step.plugin.name not in declared:
            detail = "this StepPlugin is not declared: declare its command in the folder of `shipway run --plugins`"
            return invalid(f"spec.strategy.canary.steps[{index}].plugin.name", step.plugin.name, detail)
    return None


def _is_retry(facts: Facts) -> bool:
    return facts.status.aborted_at is not None and not facts.status.abort


def _may_run(facts: Facts) -> bool:
    is_over = facts.aborted or facts.is_first_deploy or facts.is_promoted
    is_forced = facts.status.promote_full or facts.is_rollback_in_window
    return facts.step is not None and facts.step.plugin is not None and not (is_over or is_forced)


def _is_paused(facts: Facts) -> bool:
    return facts.spec.paused or bool(facts.status.pause_conditions)


def _begun(facts: Facts) -> StepPluginStatus:
    assert facts.step is not None and facts.step.plugin is not None
    name, now = facts.step.plugin.name, rfc3339(facts.now)
    if name in facts.seen.settings.plugins.disabled:
        told = "the plugin is disabled: not run"
        return StepPluginStatus(
            facts.index, name, RUN, "Successful", told, started_at=now, updated_at=now, finished_at=now, disabled=True
        )
    return StepPluginStatus(facts.index, name, RUN, "Running", started_at=now)


def _ran(facts: Facts, call: Call, answer: Answer) -> StepPluginStatus:
    reply, now = _reply(answer), rfc3339(facts.now)
    run = replace(
        call.run, phase=reply.phase, message=reply.message, updated_at=now, backoff="", executions=call.run.executions + 1
    )
    if reply.phase == "Error":
        return replace(run, backoff=format_duration(AFTER_ERROR))
    run = replace(run, status=reply.status)
    if reply.phase != "Running":
        return replace(run, finished_at=now)
    after = USUALLY if reply.requeue_after is None else max(SOONEST, reply.requeue_after)
    return replace(run, backoff=format_duration(after))


def _ended(facts: Facts, call: Call, answer: Answer) -> StepPluginStatus:
    reply, now = _reply(answer), rfc3339(facts.now)
    return StepPluginStatus(
        call.run.index,
        call.run.name,
        call.operation,
        reply.phase,
        reply.message,
        started_at=rfc3339(answer.at),
        updated_at=now,
        finished_at=now,
    )


def _reply(answer: Answer) -> StepReply:
    return StepReply("Error", answer.error.message) if answer.error is not None else answer.value


def _put(every: tuple[StepPluginStatus, ...], one: StepPluginStatus) -> tuple[StepPluginStatus, ...]:
    """In the place of the same operation of the same step, else at the end: the order is that in which they began."""
    key = (one.index, one.operation)
    if any((other.index, other.operation) == key for other in every):
        return tuple(one if (other.index, other.operation) == key else other for other in every)
    return (*every, one)


def _notes(facts: Facts, before: tuple[StepPluginStatus, ...], after: tuple[StepPluginStatus, ...]) -> tuple[Note, ...]:
    """One event for every phase that is new, but for a Run that succeeded: of that the end of the step tells."""
    known = {(one.index, one.operation): one.phase for one in before}
    return tuple(
        facts.note("StepPluginTransition", _told(one), warning=one.phase in ("Failed", "Error"))
        for one in after
        if known.get((one.index, one.operation)) != one.phase and (one.operation, one.phase) != (RUN, "Successful")
    )


def _told(one: StepPluginStatus) -> str:
    what = f"Step plugin {one.name} of step {one.index + 1}" + ("" if one.operation == RUN else f": {one.operation}")
    return f"{what} is {one.phase}" + (f": {one.message}" if one.message else "")
