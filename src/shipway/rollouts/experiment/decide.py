"""What an Experiment does next.

It starts all variants, waits until every one is available, starts the analyses, and ends: when its duration has passed, when
the required analyses have succeeded, when any of them or a variant goes wrong, or when somebody terminates it. Whatever the
end, the variants are scaled down (after `scaleDownDelaySeconds`), their Services deleted and unfinished runs terminated. All of
that is decided from the status and from what is there: what a process that dies leaves, the next one clears.
"""

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from shipway.api.experiment import (
    AnalysisStatus,
    ExperimentSpec,
    ExperimentStatus,
    TemplateStatus,
    write_experiment_status,
)
from shipway.api.kinds import EXPERIMENTS
from shipway.base.clock import Instant, parse_rfc3339, rfc3339
from shipway.base.errors import Conflict, ShipwayError, verdict
from shipway.kube.objects.patches import merge_diff
from shipway.kube.objects.views import is_deleting, name_of, namespace_of, resource_version_of, status_of
from shipway.kube.runtime.decision import Action, Batch, Change, Conclusion, Create, Decision, Note, Outcome, regarding
from shipway.rollouts.experiment.observe import ObservedExperiment
from shipway.rollouts.experiment.runs import ENDED, Analysed, plan_analysis
from shipway.rollouts.experiment.spec import duration_of
from shipway.rollouts.experiment.variants import Situation, Variant, plan_variant, strays
from shipway.rollouts.rollout.conditions import put
from shipway.rollouts.rollout.names import PROGRESSING

BAD = ("Failed", "Error", "Inconclusive")
ORDER = ("Successful", "Running", "Pending", "Inconclusive", "Error", "Failed")
"""From good to bad, as Argo Rollouts ranks them: the worst analysis speaks for all."""
PHASE_OF_TEMPLATE = {"Progressing": "Pending", "": "Pending"}
TEMPLATE_ORDER = ("Successful", "Running", "Progressing", "", "Error", "Failed")


class _Verdict(Struct, frozen=True):
    phase: str
    message: str = ""


def decide(seen: ObservedExperiment, now: Instant) -> Decision:
    """What is to be done about an Experiment now. Pure."""
    if is_deleting(seen.experiment):
        return Decision()
    if seen.problem and seen.status.phase not in ENDED:
        status = replace(seen.status, phase="Error", message=f"InvalidSpec: {seen.problem}")
        return _decision(seen, _with_condition(seen, status, now), (), None)
    at = Situation(is_ending(seen.spec, seen.status), _has_passed(seen, now), now)
    variants = [plan_variant(seen, template, at) for template in seen.spec.templates]
    analysed = [plan_analysis(seen, analysis, is_ending=at.is_ending) for analysis in seen.spec.analyses]
    status = replace(
        seen.status,
        template_statuses=tuple(one.status for one in variants),
        analysis_runs=tuple(one.status for one in analysed if one.status != AnalysisStatus(name=one.status.name)),
    )
    status = _with_condition(seen, _advanced(seen.spec, status, now), now)
    actions = (*_actions(variants, analysed), *strays(seen))
    return _decision(seen, status, actions, _wake(seen, status, variants, now))


def conclude(fresh: ObservedExperiment, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion | None:
    """What can never be created is an error of its template or analysis."""
    refused = {
        name_of(one.action.obj): one.error.message
        for one in outcomes
        if isinstance(one.action, Create) and one.error is not None and _is_final(one.error)
    }
    if not refused:
        return None
    again = decide(replace(fresh, refused=refused), now)
    return Conclusion(change=again.change, wake=again.wake, notes=again.notes)


def _is_final(error: ShipwayError) -> bool:
    """Whether trying again is of no use: a name that somebody else has, or an object that the server refuses."""
    if isinstance(error, Conflict):  # a quota that two writers count at once is one too, and passes
        return error.reason == "NameTaken"
    return verdict(error).retry == "on_change"


def is_ending(spec: ExperimentSpec, status: ExperimentStatus) -> bool:
    """Whether variants and runs are to go, as the status stands."""
    if spec.terminate or status.phase in ENDED:
        return True
    failed = any(template.status in BAD for template in status.template_statuses)
    return failed or any(run.phase in BAD for run in status.analysis_runs) or _required_succeeded(spec, status)


def _required_succeeded(spec: ExperimentSpec, status: ExperimentStatus) -> bool:
    required = {analysis.name for analysis in spec.analyses if analysis.required_for_completion}
    good = {run.name for run in status.analysis_runs if run.phase == "Successful"}
    return bool(required) and required <= good


def _has_passed(seen: ObservedExperiment, now: Instant) -> bool:
    end = _end(seen.spec, seen.status)
    return end is not None and end <= now


def _end(spec: ExperimentSpec, status: ExperimentStatus) -> Instant | None:
    duration = duration_of(spec)
    if duration is None or not status.available_at:
        return None
    return Instant(parse_rfc3339(status.available_at) + duration)


def _advanced(spec: ExperimentSpec, status: ExperimentStatus, now: Instant) -> ExperimentStatus:
    """The phase that templates and analyses come to. One that has ended stays as it ended."""
    if status.phase in ENDED:
        return status
    templates, analyses = _of_templates(status.template_statuses), _of_analyses(spec, status)
    if templates.phase == "Running" and not status.available_at:
        status = replace(status, available_at=rfc3339(now))
    has_required = any(analysis.required_for_completion for analysis in spec.analyses)
    if templates.phase in ENDED:
        defers = templates.phase == "Successful" and (analyses.phase in ENDED or has_required)
        said = analyses if defers else templates
    elif analyses.phase in BAD or _required_succeeded(spec, status):
        said = analyses
    else:
        said = templates
    return replace(status, phase=said.phase, message=said.message)


def _of_templates(statuses: Iterable[TemplateStatus]) -> _Verdict:
    worst = max(statuses, key=lambda one: TEMPLATE_ORDER.index(one.status), default=None)
    if worst is None:
        return _Verdict("Successful")
    return _Verdict(PHASE_OF_TEMPLATE.get(worst.status, worst.status), worst.message)


def _of_analyses(spec: ExperimentSpec, status: ExperimentStatus) -> _Verdict:
    known = {run.name: run for run in status.analysis_runs}
    phases = [_Verdict(run.phase or "Pending", run.message) for run in known.values()]
    # What was not started before the end is never started, and cannot hold it up.
    if not is_ending(spec, status) and any(analysis.name not in known for analysis in spec.analyses):
        phases.append(_Verdict("Pending"))
    worst = max(phases, key=lambda one: ORDER.index(one.phase), default=_Verdict("Successful"))
    if worst.phase in ("Running", "Pending") and _required_succeeded(spec, status):
        return _Verdict("Successful", "Required AnalysisRuns completed")
    return _Verdict("Running", worst.message) if worst.phase == "Pending" else worst


def _with_condition(seen: ObservedExperiment, status: ExperimentStatus, now: Instant) -> ExperimentStatus:
    """Progressing, as Argo Rollouts words it; InvalidExperimentSpec where it cannot be run."""
    name, conditions = name_of(seen.experiment), status.conditions
    if seen.problem:
        conditions = put(conditions, "InvalidExperimentSpec", "True", "InvalidSpec", seen.problem, now)
    elif status.phase == "Successful":
        text = f'Experiment "{name}" has successfully ran and completed.'
        conditions = put(conditions, PROGRESSING, "False", "ExperimentCompleted", text, now)
    elif status.phase in ENDED:
        conditions = put(conditions, PROGRESSING, "False", f"Experiment{status.phase}", status.message, now)
    elif status.available_at:
        conditions = put(conditions, PROGRESSING, "True", "ExperimentRunning", f'Experiment "{name}" is running.', now)
    else:
        text = f'Experiment "{name}" is progressing.'
        conditions = put(conditions, PROGRESSING, "True", "ReplicaSetUpdated", text, now)
    return replace(status, conditions=conditions)


def _actions(variants: Iterable[Variant], analysed: Iterable[Analysed]) -> tuple[Action, ...]:
    return tuple(action for one in (*variants, *analysed) for action in one.actions)


def _wake(seen: ObservedExperiment, status: ExperimentStatus, variants: Iterable[Variant], now: Instant) -> Instant | None:
    if status != seen.status and is_ending(seen.spec, status) and not is_ending(seen.spec, seen.status):
        return now
    end = None if is_ending(seen.spec, status) else _end(seen.spec, status)
    wakes = [one.wake for one in variants if one.wake is not None]
    return min((instant for instant in (end, *wakes) if instant is not None and instant > now), default=None)


def _decision(
    seen: ObservedExperiment, status: ExperimentStatus, actions: tuple[Action, ...], wake: Instant | None
) -> Decision:
    patch = merge_diff(status_of(seen.experiment), write_experiment_status(status))
    here = (EXPERIMENTS, namespace_of(seen.experiment), name_of(seen.experiment))
    change = Change(*here, resource_version_of(seen.experiment), status=patch) if patch else None
    batches = (Batch(actions, on_failure="continue"),) if actions else ()
    return Decision(batches=batches, change=change, wake=wake, notes=_notes(seen, status, actions))


def _notes(seen: ObservedExperiment, status: ExperimentStatus, actions: Iterable[Action]) -> tuple[Note, ...]:
    """One event for each thing whose state has changed."""
    before = {one.name: one.status for one in seen.status.template_statuses}
    runs = {one.name: one.phase for one in seen.status.analysis_runs}
    told = [
        (f"Template{one.status}", f"Template '{one.name}' transitioned", before.get(one.name, ""), one.status, one.message)
        for one in status.template_statuses
    ]
    told += [
        (f"AnalysisRun{one.phase}", f"AnalysisRun '{one.name}' transitioned", runs.get(one.name, ""), one.phase, one.message)
        for one in status.analysis_runs
    ]
    told.append((f"Experiment{status.phase}", "Experiment transitioned", seen.status.phase, status.phase, status.message))
    return tuple(
        Note(
            regarding(EXPERIMENTS, seen.experiment),
            reason,
            f"{what} from {was} -> {now}" + (f": {message}" if message else ""),
            "Warning" if now in BAD else "Normal",
        )
        for reason, what, was, now, message in told
        if was != now and now
    )
