"""What an AnalysisRun does next.

Measurements are asks: a metric that is due asks, an answer that has arrived becomes a measurement in the status, and the
next measurement is another ask (its number differs). So a crash between asking and writing only asks again, and the run's
status is all the memory there is. The first metric that ends badly ends its siblings.
"""

from msgspec import Struct

from shipway.api.kinds import ANALYSIS_RUNS
from shipway.api.metrics import MeasureRequest
from shipway.base.clock import Instant, parse_rfc3339, rfc3339
from shipway.base.errors import InvalidInput
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
from shipway.kube.runtime.decision import Answer, Ask, Batch, Change, Decision, Delete, Note
from shipway.rollouts.analysis.asks import MeasureAsk
from shipway.rollouts.analysis.assess import BAD, ENDED, assess_metric, assess_run, message_of
from shipway.rollouts.analysis.measuring import due_at, number_of_next, read_answer, with_reading
from shipway.rollouts.analysis.metric import Metric, read_metrics


class ObservedRun(Struct, frozen=True):
    """A run, and the answers that have arrived for the measurements it may be waiting for."""

    run: Obj
    answers: dict[MeasureAsk, Answer]


class _Progress(Struct, frozen=True):
    results: tuple[Obj, ...]
    whys: dict[str, str]
    asks: tuple[Ask, ...]
    wakes: tuple[Instant, ...]


def decide(observed: ObservedRun, now: Instant) -> Decision:
    run = observed.run
    status = status_of(run)
    if is_deleting(run):
        return Decision()
    if status.get("phase") in ENDED:
        return _clean_up(run, now)
    try:
        metrics = read_metrics(run)
    except InvalidInput as error:
        return _finish(run, {**status, "phase": "Error", "message": error.message}, now)
    started_at = parse_rfc3339(status["startedAt"]) if status.get("startedAt") else now
    progress = _advance(observed, metrics, started_at, now)
    phase, message = assess_run(metrics, progress.results, progress.whys)
    fresh = _status(status, metrics, progress, phase, message)
    fresh["startedAt"] = status.get("startedAt") or rfc3339(now)
    if phase in ENDED:
        return _finish(run, fresh, now, _metric_notes(run, progress.results))
    wake = min(progress.wakes, default=None)
    return Decision(asks=progress.asks, change=_change(run, fresh), wake=wake, notes=_metric_notes(run, progress.results))


def asks_of(run: Obj) -> tuple[MeasureAsk, ...]:
    """The measurement each metric of the run would make next: where `observe` looks for answers."""
    try:
        metrics = read_metrics(run)
    except InvalidInput:
        return ()
    return tuple(_ask(run, metric, result) for metric, result in zip(metrics, _results(run, metrics), strict=True))


def _advance(observed: ObservedRun, metrics: tuple[Metric, ...], started_at: Instant, now: Instant) -> _Progress:
    """Takes in the answers that are here; then ends the siblings if one metric has ended badly."""
    run = observed.run
    results = _results(run, metrics)
    taken = [_take_in(observed, metric, result, now) for metric, result in zip(metrics, results, strict=True)]
    is_terminating = bool(spec_of(run).get("terminate"))
    assessed = [
        assess_metric(metric, result, is_terminating=is_terminating) for metric, result in zip(metrics, taken, strict=True)
    ]
    if any(one.phase in BAD and not metric.is_dry_run for metric, one in zip(metrics, assessed, strict=True)):
        is_terminating = True
        assessed = [assess_metric(m, result, is_terminating=True) for m, result in zip(metrics, taken, strict=True)]
    asks: list[Ask] = []
    wakes: list[Instant] = []
    fresh: list[Obj] = []
    for metric, result, one in zip(metrics, taken, assessed, strict=True):
        fresh.append({**result, "phase": one.phase})
        if one.phase in ENDED:
            continue
        due = due_at(metric, result, started_at)
        if due <= now:
            asks.append(_ask(run, metric, result))
        else:
            wakes.append(due)
    whys = {metric.name: one.why for metric, one in zip(metrics, assessed, strict=True) if one.why}
    return _Progress(tuple(fresh), whys, tuple(asks), tuple(wakes))


def _take_in(observed: ObservedRun, metric: Metric, result: Obj, now: Instant) -> Obj:
    answer = observed.answers.get(_ask(observed.run, metric, result))
    if answer is None or result.get("phase") in ENDED:
        return result
    return with_reading(metric, result, read_answer(metric, answer), answer.at, now)


def _results(run: Obj, metrics: tuple[Metric, ...]) -> list[Obj]:
    """The stored results in the order of the metrics; empty ones for metrics that have none yet."""
    stored = _stored(run)
    return [stored.get(metric.name) or _empty_result(metric) for metric in metrics]


def _stored(run: Obj) -> dict[str, Obj]:
    results: list[Obj] = status_of(run).get("metricResults") or []
    return {result["name"]: result for result in results}


def _empty_result(metric: Metric) -> Obj:
    return {"name": metric.name, "phase": "Pending", **({"dryRun": True} if metric.is_dry_run else {})}


def _ask(run: Obj, metric: Metric, result: Obj) -> MeasureAsk:
    request = MeasureRequest(namespace_of(run), metric.provider, metric.secrets)
    return MeasureAsk(uid_of(run), metric.name, number_of_next(result), request)


def _status(before: Obj, metrics: tuple[Metric, ...], progress: _Progress, phase: str, message: str) -> Obj:
    results = [
        {**result, "message": message_of(result, progress.whys.get(result["name"], ""))} if result["phase"] in BAD else result
        for result in progress.results
    ]
    dry = [result for metric, result in zip(metrics, results, strict=True) if metric.is_dry_run]
    real = [result for metric, result in zip(metrics, results, strict=True) if not metric.is_dry_run]
    return {
        **before,
        "phase": phase,
        "metricResults": results,
        "runSummary": _summary(real),
        **({"dryRunSummary": _summary(dry)} if dry else {}),
        **({"message": message} if message else {}),
    }


def _summary(results: list[Obj]) -> Obj:
    summary: Obj = {"count": len(results)}
    for phase in ("Successful", "Failed", "Inconclusive", "Error"):
        number = sum(result["phase"] == phase for result in results)
        if number:
            summary[phase.lower()] = number
    return summary


def _finish(run: Obj, status: Obj, now: Instant, notes: tuple[Note, ...] = ()) -> Decision:
    phase = status["phase"]
    status = {"startedAt": rfc3339(now), **status, "completedAt": rfc3339(now)}
    kind = "Warning" if phase in ("Failed", "Error") else "Normal"
    text = f"Analysis Completed. Result: {phase}" + (f": {status['message']}" if status.get("message") else "")
    note = Note(regarding=_regarding(run), reason=f"AnalysisRun{phase}", message=text, type=kind)
    return Decision(change=_change(run, status), notes=(*notes, note))


def _metric_notes(run: Obj, results: tuple[Obj, ...]) -> tuple[Note, ...]:
    """One event per metric that has ended since the last look."""
    before = {name: result.get("phase") for name, result in _stored(run).items()}
    return tuple(
        Note(
            regarding=_regarding(run),
            reason=f"Metric{result['phase']}",
            message=f"Metric '{result['name']}' Completed. Result: {result['phase']}",
            type="Warning" if result["phase"] in ("Failed", "Error") else "Normal",
        )
        for result in results
        if result["phase"] in ENDED and before.get(result["name"]) not in ENDED
    )


def _clean_up(run: Obj, now: Instant) -> Decision:
    """A finished run is deleted when its time to live has passed."""
    status = status_of(run)
    ttl: Obj = spec_of(run).get("ttlStrategy") or {}
    by_phase = {"Successful": "secondsAfterSuccess", "Failed": "secondsAfterFailure", "Error": "secondsAfterFailure"}
    seconds: float | None = ttl.get(by_phase.get(status["phase"], ""), ttl.get("secondsAfterCompletion"))
    if seconds is None or not status.get("completedAt"):
        return Decision()
    end = Instant(parse_rfc3339(status["completedAt"]) + float(seconds))
    if now < end:
        return Decision(wake=end)
    return Decision(batches=(Batch((Delete(ANALYSIS_RUNS, namespace_of(run), name_of(run), uid=uid_of(run)),)),))


def _change(run: Obj, status: Obj) -> Change:
    return Change(ANALYSIS_RUNS, namespace_of(run), name_of(run), resource_version_of(run), status=status)


def _regarding(run: Obj) -> Obj:
    meta = metadata(run)
    return {
        "apiVersion": ANALYSIS_RUNS.api_version,
        "kind": "AnalysisRun",
        "namespace": meta.get("namespace", ""),
        "name": meta.get("name", ""),
        "uid": meta.get("uid", ""),
    }
