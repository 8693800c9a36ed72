"""One sentence about a Rollout: what it waits for, and what happens next.

Pure over the object (and its AnalysisRuns, where known). Made once, printed by the command line, the page, comments and
notifications alike.
"""

from collections.abc import Iterable

from shipway.api.rollout import RolloutSpec, RolloutStatus, Step
from shipway.base.clock import Instant, parse_rfc3339
from shipway.base.durations import format_age
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, generation_of, labels_of, name_of, status_of
from shipway.rollouts.budget.pinned import Pinned, pinned_of
from shipway.rollouts.budget.policy import policy_of, told
from shipway.rollouts.rollout.facts import status_of_rollout
from shipway.rollouts.rollout.names import (
    ASKED,
    AT_LABEL,
    HASH_LABEL,
    INVALID_SPEC,
    PAUSE_INCONCLUSIVE,
    PAUSE_INCONCLUSIVE_EXPERIMENT,
    PAUSE_STEP,
    PROGRESSING,
    UNVERIFIED,
)
from shipway.rollouts.rollout.phase import client_phase
from shipway.rollouts.rollout.rule_names import ENDED, rule_of
from shipway.rollouts.rollout.spec import Invalid, parse
from shipway.rollouts.rollout.steps import describe


def why(rollout: Obj, runs: Iterable[Obj] = (), now: Instant | None = None) -> str:
    """The sentence. `now` lets it say how long a timed pause still lasts."""
    name, spec, status = name_of(rollout), parse(rollout), status_of_rollout(rollout)
    for condition in status.conditions:
        if condition.type == INVALID_SPEC and condition.reason == UNVERIFIED:
            reason = condition.message.partition("left alone: ")[2]
            return f"{name} goes on with what it runs, and its new version waits: {reason}."
        if condition.type == INVALID_SPEC:
            return f"{name} is not reconciled: {condition.message} Correct that field; the running version is left alone."
    if isinstance(spec, Invalid):
        return f"{name} will be refused: {spec}."
    phase, message = client_phase(generation_of(rollout), spec, status)
    if message.startswith("waiting for rollout"):
        return f"{name} has just been changed and is about to be looked at."
    if status.abort:
        return _aborted(name, status)
    if phase == "Degraded":
        return f"{name} is stuck: {_message(status)} Look at the pods of revision {status.current_pod_hash}, then fix or undo."
    if spec.paused:
        return f"{name} is paused by hand (spec.paused): nothing moves until it is set to false."
    if status.pause_conditions and (pinned := _freeze(rollout, status)) is not None:
        return _frozen(rollout, pinned)
    if status.pause_conditions:
        return _paused(name, spec, status, tuple(runs), now)
    if phase == "Healthy":
        return f"{name} is fully on {status.stable_rs}: all {status.available_replicas} pods are available."
    return _progressing(name, spec, status, message, tuple(runs))


def _aborted(name: str, status: RolloutStatus) -> str:
    return (
        f"{name} threw out {status.current_pod_hash} and serves only {status.stable_rs}: {_message(status)} "
        "Fix the version and push it, or retry the same one; until then the spec differs from what runs."
    )


def _message(status: RolloutStatus) -> str:
    text = next((condition.message for condition in status.conditions if condition.type == PROGRESSING), status.message)
    return text if text.endswith(".") else f"{text}."


def _paused(name: str, spec: RolloutSpec, status: RolloutStatus, runs: tuple[Obj, ...], now: Instant | None) -> str:
    pause = status.pause_conditions[0]
    after = _next(spec, status)
    if pause.reason == PAUSE_INCONCLUSIVE:
        rule = next((rule_of(run) for run in runs if _is_of(run, status) and ASKED in annotations_of(run)), "")
        judge = f"verification rule '{rule}'" if rule else "an analysis"
        return f"{name} waits for a person, because {judge} could not tell good from bad: promote to go on, or abort."
    if pause.reason == PAUSE_INCONCLUSIVE_EXPERIMENT:
        trial = f"the Experiment {status.canary.current_experiment}"
        return f"{name} waits for a person, because {trial} could not tell good from bad: promote to go on, or abort."
    step = _step(spec, status)
    blue_green = spec.strategy.blue_green
    if blue_green is not None:
        shown = f" (it can be seen behind {blue_green.preview_service})" if blue_green.preview_service else ""
        until = _left(pause.start_time, blue_green.auto_promotion_seconds, now) if blue_green.auto_promotion_seconds else ""
        waits = f"waits{until}, or" if until else "waits"
        return f"{name}: {status.current_pod_hash} stands ready{shown} and {waits} for somebody to promote it to all traffic."
    if pause.reason == PAUSE_STEP and step is not None and step.pause is not None and step.pause.duration is not None:
        left = _left(pause.start_time, step.pause.seconds, now)
        return f"{name} pauses at step {_place(spec, status)}{left} and then goes on with {after}."
    return f"{name} waits at step {_place(spec, status)} for somebody to promote it; then comes {after}."


def _freeze(rollout: Obj, status: RolloutStatus) -> Pinned | None:
    """What holds a release that its error budget lets not begin; None once a person has let it go on."""
    pinned, is_held = pinned_of(rollout), status.pause_conditions[0].reason == PAUSE_STEP and not status.current_step_index
    is_present = pinned is not None and pinned.pace == "freeze" and pinned.hash == status.current_pod_hash
    return pinned if is_held and is_present else None


def _frozen(rollout: Obj, pinned: Pinned) -> str:
    name, until = name_of(rollout), "it is known" if pinned.left is None else ""
    policy = policy_of(rollout)
    if policy is not None and (least := policy.strategies[-1].at_least) is not None:
        until = " and ".join(filter(None, (until, f"{least:.0%} of it is left")))
    return (
        f"{name} is frozen: {told(pinned.known)}. It goes on by itself once {until}; "
        f"`shipway rollout promote {name}` lets it go on now step by step, with --full to all at once."
    )


def _left(since: str, seconds: int, now: Instant | None) -> str:
    try:
        left = parse_rfc3339(since) + seconds - now if now is not None else None
    except ValueError:
        left = None
    return f" for another {format_age(max(0.0, left))}" if left is not None else f" for {format_age(seconds)}"


def _progressing(name: str, spec: RolloutSpec, status: RolloutStatus, message: str, runs: tuple[Obj, ...]) -> str:
    step = _step(spec, status)
    if (judge := _judge(step, status, runs)) is not None:
        said = _run_message(runs, name_of(judge))
        return (
            f"{name} waits for verification rule '{rule_of(judge)}' (analysis run {name_of(judge)}){said}; "
            "if it has nothing against the new version, that goes on."
        )
    if step is not None and step.analysis is not None and status.current_pod_hash != status.stable_rs:
        run = status.canary.current_step_analysis_run_status
        said = _run_message(runs, run.name) if run else ""
        named = f"analysis run {run.name}" if run else "an analysis run to start"
        return f"{name} waits at step {_place(spec, status)} for {named}{said}; if it succeeds, {_next(spec, status)} follows."
    if step is not None and step.experiment is not None and (trial := status.canary.current_experiment):
        at, after = _place(spec, status), _next(spec, status)
        return f"{name} waits at step {at} for Experiment {trial}; if it succeeds, {after} follows."
    if step is not None and step.plugin is not None and status.current_pod_hash != status.stable_rs:
        told = _plugin(step.plugin.name, status)
        return f"{name} waits at step {_place(spec, status)} for {told}; if it succeeds, {_next(spec, status)} follows."
    if step is not None and status.stable_rs and status.current_pod_hash != status.stable_rs:
        return f"{name} is at step {_place(spec, status)} ({describe(step)}) and waits: {message}."
    wanted = 1 if spec.replicas is None else spec.replicas
    return f"{name} is progressing, {status.available_replicas} of {wanted} pods are available: {message}."


def _plugin(name: str, status: RolloutStatus) -> str:
    """The plugin of the current step, and how far it is."""
    index, told = status.current_step_index or 0, f"the step plugin {name}"
    runs = (one for one in status.canary.step_plugin_statuses if (one.index, one.operation) == (index, "Run"))
    run = next(runs, None)
    if run is not None and run.phase == "Error":
        return f"{told}, which ended in error ({run.message}) and is run again in {run.backoff}"
    return f"{told} ({run.message})" if run is not None and run.message else told


def _judge(step: Step | None, status: RolloutStatus, runs: tuple[Obj, ...]) -> Obj | None:
    """The run of a verification rule that keeps the update where it is."""
    mine = [run for run in runs if _is_of(run, status) and status_of(run).get("phase") not in ENDED]
    return next((run for run in mine if step is None or labels_of(run).get(AT_LABEL) != "Canary"), None)


def _is_of(run: Obj, status: RolloutStatus) -> bool:
    """Whether a verification rule's run is about the version that is being updated to."""
    is_current = labels_of(run).get(HASH_LABEL) == status.current_pod_hash
    return bool(rule_of(run)) and is_current and status.current_pod_hash != status.stable_rs


def _run_message(runs: tuple[Obj, ...], name: str) -> str:
    run = next((run for run in runs if name_of(run) == name), None)
    text = status_of(run).get("message") if run is not None else None
    return f" ({text})" if text else ""


def _step(spec: RolloutSpec, status: RolloutStatus) -> Step | None:
    steps = spec.strategy.canary.steps if spec.strategy.canary else ()
    index = status.current_step_index or 0
    return steps[index] if index < len(steps) else None


def _place(spec: RolloutSpec, status: RolloutStatus) -> str:
    steps = spec.strategy.canary.steps if spec.strategy.canary else ()
    return f"{min((status.current_step_index or 0) + 1, len(steps))} of {len(steps)}"


def _next(spec: RolloutSpec, status: RolloutStatus) -> str:
    steps = spec.strategy.canary.steps if spec.strategy.canary else ()
    index = (status.current_step_index or 0) + 1
    return describe(steps[index]) if index < len(steps) else "full promotion"
