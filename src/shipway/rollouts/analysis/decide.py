"""What an AnalysisRun does next.

Measurements are asks: a metric that is due asks, an answer that has arrived becomes a measurement in the status, and the
next measurement is another ask (its number differs). So a crash between asking and writing only asks again, and the run's
status is all the memory there is. A `job` metric makes a Job instead of asking. The first metric that ends badly ends its
siblings.
"""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from shipway.api.kinds import ANALYSIS_RUNS
from shipway.api.metrics import MeasureRequest
from shipway.base.clock import Instant, parse_rfc3339, rfc3339
from shipway.base.errors import InvalidInput, verdict
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import (
    is_deleting,
    metadata,
    name_of,
    namespace_of,
    resource_version_of,
    spec_of,
    status_of,
    uid_of,
)
from shipway.kube.runtime.decision import Answer, Ask, Batch, Change, Conclusion, Create, Decision, Delete, Note, Outcome
from shipway.rollouts.analysis.asks import MeasureAsk
from shipway.rollouts.analysis.assess import BAD, ENDED, assess_metric, assess_run
from shipway.rollouts.analysis.jobs import RunJobs, creation, in_flight_job, surplus
from shipway.rollouts.analysis.measuring import (
    as_asked,
    due_at,
    number_of_next,
    read_answer,
    terminated,
    under_way,
    with_job,
    with_reading,
)
from shipway.rollouts.analysis.metric import Metric, read_metrics
from shipway.rollouts.analysis.run_status import completion_note, metric_notes, status_with, stored_results


class ObservedRun(Struct, frozen=True):
    """A run, its Jobs, and the answers that have arrived for the measurements it may be waiting for.

    `plugins`: the MetricPlugins that are declared; None: whatever is named.
    """

    run: Obj
    answers: Mapping[MeasureAsk, Answer]
    jobs: RunJobs = RunJobs()
    plugins: frozenset[str] | None = frozenset()


class _Progress(Struct, frozen=True):
    results: tuple[Obj, ...]
    whys: dict[str, str]
    asks: tuple[Ask, ...]
    creates: tuple[Create, ...]
    wakes: tuple[Instant, ...]
    is_terminating: bool


def decide(observed: ObservedRun, now: Instant) -> Decision:
    run = observed.run
    status = status_of(run)
    if is_deleting(run):
        return Decision()
    if status.get("phase") in ENDED:
        return _clean_up(observed, now)
    try:
        metrics = read_metrics(run, observed.plugins)
    except InvalidInput as error:
        return _finish(run, {**status, "phase": "Error", "message": error.message}, now)
    started_at = parse_rfc3339(status["startedAt"]) if status.get("startedAt") else now
    progress = _advance(observed, metrics, started_at, now)
    phase, message = assess_run(run, metrics, progress.results, progress.whys, is_terminating=progress.is_terminating)
    fresh = status_with(status, metrics, progress.results, phase, message)
    fresh["startedAt"] = status.get("startedAt") or rfc3339(now)
    notes = metric_notes(run, progress.results)
    if phase in ENDED:
        return _finish(run, fresh, now, notes)
    wake = min(progress.wakes, default=None)
    batches = _batches(observed, metrics, progress)
    return Decision(batches=batches, asks=progress.asks, change=_change(run, fresh), wake=wake, notes=notes)


def conclude(fresh: ObservedRun, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion | None:
    """A Job that was made is a measurement under way at once; one that can never be made is an errored measurement."""
    made = {name_of(one.result): one.result for one in outcomes if isinstance(one.action, Create) and one.result}
    refused = {
        name_of(one.action.obj): one.error.message
        for one in outcomes
        if isinstance(one.action, Create) and one.error is not None and verdict(one.error).retry == "on_change"
    }
    if not made and not refused:
        return None
    jobs = replace(fresh.jobs, found={**made, **fresh.jobs.found}, refused=refused)
    again = decide(replace(fresh, jobs=jobs), now)
    return Conclusion(change=again.change, wake=again.wake, notes=again.notes)


def asks_of(run: Obj, plugins: frozenset[str] | None = frozenset()) -> tuple[MeasureAsk, ...]:
    """The measurement each metric of the run would make next, or end: where `observe` looks for answers."""
    try:
        metrics = read_metrics(run, plugins)
    except InvalidInput:
        return ()
    pairs = [(one, result) for one, result in zip(metrics, stored_results(run, metrics), strict=True) if not one.is_job]
    going = tuple(_ask(run, metric, result) for metric, result in pairs)
    ending = tuple(_ask(run, one, result, is_terminating=True) for one, result in pairs if one.plugin and under_way(result))
    return (*going, *ending)


def _advance(observed: ObservedRun, metrics: tuple[Metric, ...], started_at: Instant, now: Instant) -> _Progress:
    """Takes in the answers that are here; then ends the siblings if one metric has ended badly."""
    run = observed.run
    stored = stored_results(run, metrics)
    is_terminating = bool(spec_of(run).get("terminate")) or _has_failed(metrics, stored)
    taken = [_take_in(observed, one, result, is_terminating, now) for one, result in zip(metrics, stored, strict=True)]
    results = _assessed(metrics, taken, is_terminating)
    if not is_terminating and _has_failed(metrics, results):
        is_terminating = True
        taken = [terminated(one, result, now) for one, result in zip(metrics, results, strict=True)]
        results = _assessed(metrics, taken, is_terminating)
    pairs = list(zip(metrics, results, strict=True))
    idle = [(metric, result) for metric, result in pairs if result["phase"] not in ENDED and not _has_job(metric, result)]
    dues = [(now if is_terminating else due_at(metric, result, started_at), metric, result) for metric, result in idle]
    ripe = [(metric, result) for due, metric, result in dues if due <= now]
    return _Progress(
        results=tuple(results),
        whys={metric.name: assess_metric(metric, result, is_terminating=is_terminating).why for metric, result in pairs},
        asks=tuple(_ask(run, metric, one, is_terminating=is_terminating) for metric, one in ripe if not metric.is_job),
        creates=tuple(
            creation(run, metric, number_of_next(result), observed.jobs.namespace) for metric, result in ripe if metric.is_job
        ),
        wakes=tuple(due for due, _, _ in dues if due > now),
        is_terminating=is_terminating,
    )


def _assessed(metrics: tuple[Metric, ...], results: list[Obj], is_terminating: bool) -> list[Obj]:
    return [
        result
        if result["phase"] in ENDED
        else {**result, "phase": assess_metric(metric, result, is_terminating=is_terminating).phase}
        for metric, result in zip(metrics, results, strict=True)
    ]


def _has_failed(metrics: tuple[Metric, ...], results: list[Obj]) -> bool:
    return any(result["phase"] in BAD and not metric.is_dry_run for metric, result in zip(metrics, results, strict=True))


def _take_in(observed: ObservedRun, metric: Metric, result: Obj, is_terminating: bool, now: Instant) -> Obj:
    if result.get("phase") in ENDED:
        return result
    if is_terminating and not (metric.plugin and under_way(result)):
        return terminated(metric, result, now)
    if metric.is_job:
        return with_job(observed.run, metric, result, observed.jobs, now)
    answer = observed.answers.get(_ask(observed.run, metric, result, is_terminating=is_terminating))
    return result if answer is None else with_reading(metric, result, read_answer(metric, answer), answer.at, now)


def _has_job(metric: Metric, result: Obj) -> bool:
    return metric.is_job and bool(in_flight_job(result))


def _ask(run: Obj, metric: Metric, result: Obj, *, is_terminating: bool = False) -> MeasureAsk:
    began = metadata(run).get("creationTimestamp") or ""
    request = MeasureRequest(
        namespace_of(run), metric.provider, metric.secrets, began, *as_asked(result, is_terminating=is_terminating)
    )
    return MeasureAsk(uid_of(run), metric.name, number_of_next(result), request)


def _batches(observed: ObservedRun, metrics: tuple[Metric, ...], progress: _Progress) -> tuple[Batch, ...]:
    """New Jobs, and the end of those that neither the written status nor the next one waits for: so a crash forgets none."""
    run = observed.run
    wanted = frozenset(name_of(create.obj) for create in progress.creates)
    waiting = (*stored_results(run, metrics), *progress.results)
    gone = surplus(run, observed.jobs.found.values(), metrics, waiting, wanted)
    actions = (*progress.creates, *gone)
    return (Batch(actions, on_failure="continue"),) if actions else ()


def _finish(run: Obj, status: Obj, now: Instant, notes: tuple[Note, ...] = ()) -> Decision:
    status = {"startedAt": rfc3339(now), **status, "completedAt": rfc3339(now)}
    return Decision(change=_change(run, status), notes=(*notes, completion_note(run, status)))


def _clean_up(observed: ObservedRun, now: Instant) -> Decision:
    """A finished run ends the Jobs still at work, and is deleted when its time to live has passed."""
    run = observed.run
    left = surplus(run, observed.jobs.found.values(), (), (), frozenset())
    batches = (Batch(left, on_failure="continue"),) if left else ()
    status = status_of(run)
    ttl: Obj = spec_of(run).get("ttlStrategy") or {}
    by_phase = {"Successful": "secondsAfterSuccess", "Failed": "secondsAfterFailure", "Error": "secondsAfterFailure"}
    seconds: float | None = ttl.get(by_phase.get(status["phase"], ""), ttl.get("secondsAfterCompletion"))
    if seconds is None or not status.get("completedAt"):
        return Decision(batches)
    end = Instant(parse_rfc3339(status["completedAt"]) + float(seconds))
    if now < end:
        return Decision(batches, wake=end)
    return Decision((*batches, Batch((Delete(ANALYSIS_RUNS, namespace_of(run), name_of(run), uid=uid_of(run)),))))


def _change(run: Obj, status: Obj) -> Change:
    return Change(ANALYSIS_RUNS, namespace_of(run), name_of(run), resource_version_of(run), status=status)
