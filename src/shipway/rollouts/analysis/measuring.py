"""When the next measurement of a metric is due, and what an answer adds to its result."""

from collections.abc import Mapping

import orjson
from msgspec import Struct

from shipway.api.measured import shortened
from shipway.base.clock import Instant, parse_rfc3339, rfc3339
from shipway.expression import ExpressionError
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import metadata, name_of, namespace_of
from shipway.kube.runtime.decision import Answer
from shipway.rollouts.analysis.assess import Phase, judge
from shipway.rollouts.analysis.jobs import NAME_KEY, NAMESPACE_KEY, RunJobs, belongs_to, in_flight_job, job_name, job_phase
from shipway.rollouts.analysis.metric import Metric

AFTER_ERROR = 10.0
"""Seconds until a measurement that errored is tried again (Argo Rollouts' DefaultErrorRetryInterval)."""
_COUNTER: dict[Phase, str] = {"Successful": "successful", "Failed": "failed", "Inconclusive": "inconclusive", "Error": "error"}


class Reading(Struct, frozen=True):
    """One measurement as it will stand in the status."""

    phase: Phase
    value: str = ""
    message: str = ""
    metadata: Mapping[str, str] = {}
    resume_after: float = 0.0


def under_way(result: Obj) -> Obj:
    """The measurement that goes on at the metric server or in a plugin, {} when there is none."""
    last: Obj = (result.get("measurements") or [{}])[-1]
    return last if last.get("resumeAt") and not last.get("finishedAt") else {}


def as_asked(result: Obj, *, is_terminating: bool) -> tuple[str, bytes]:
    """The operation that is asked of a provider, and the measurement under way that it concerns."""
    measurement = under_way(result)
    if not measurement:
        return "run", b""
    return "terminate" if is_terminating else "resume", orjson.dumps(measurement, option=orjson.OPT_SORT_KEYS)


def due_at(metric: Metric, result: Obj, started_at: Instant) -> Instant:
    """When the next measurement may be made."""
    measurements = result.get("measurements") or []
    if not measurements:
        return Instant(started_at + metric.initial_delay)
    last = measurements[-1]
    if going_on := under_way(result):
        return parse_rfc3339(going_on["resumeAt"])
    pause = AFTER_ERROR if last.get("phase") == "Error" else metric.interval or 0.0
    return Instant(parse_rfc3339(last["finishedAt"]) + pause)


def number_of_next(result: Obj) -> int:
    """Measurements that have an answer, errors included, plus one: the number of the next ask."""
    return (result.get("count") or 0) + (result.get("error") or 0) + 1


def read_answer(metric: Metric, answer: Answer) -> Reading:
    """Judges an answer. An error of the provider or of the condition is an errored measurement, never a failed one."""
    if answer.error is not None:
        return Reading("Error", message=answer.error.message)
    sample = answer.value
    if sample.phase:
        return Reading(sample.phase, sample.text, sample.message, sample.metadata, sample.resume_after)
    try:
        return Reading(judge(metric, sample.value, answer.at), sample.text, sample.message, sample.metadata)
    except ExpressionError as error:
        return Reading("Error", sample.text, error.message, sample.metadata)


def with_reading(metric: Metric, result: Obj, reading: Reading, asked_at: Instant, now: Instant) -> Obj:
    """The metric's result with one more measurement, or with an answer to the one under way; `metric.keep` are kept."""
    begun = under_way(result)
    before = (result.get("measurements") or [])[: -1 if begun else None]
    is_over = reading.phase != "Running"
    measurement: Obj = {
        "phase": reading.phase,
        "startedAt": begun.get("startedAt") or rfc3339(asked_at),
        **({"finishedAt": rfc3339(now)} if is_over else {"resumeAt": rfc3339(Instant(now + max(1.0, reading.resume_after)))}),
        **_told(reading, begun.get("metadata") or {}),
    }
    if not is_over:
        return {**result, "measurements": [*before, measurement][-metric.keep :]}
    return _counted(metric, result, reading.phase, [*before, measurement])


def _told(reading: Reading, known: Mapping[str, str] = {}) -> Obj:
    """What a reading says, in the fields of a measurement; `known`: its metadata so far."""
    metadata = {**known, **{key: shortened(text) for key, text in reading.metadata.items()}}
    told: Obj = {"value": shortened(reading.value), "message": shortened(reading.message), "metadata": metadata}
    return {field: said for field, said in told.items() if said}


def with_job(run: Obj, metric: Metric, result: Obj, jobs: RunJobs, now: Instant) -> Obj:
    """The result of a `job` metric, brought up to what its Job says by now."""
    if in_flight_job(result):
        return _resumed(metric, result, jobs, now)
    name = job_name(run, metric, number_of_next(result))
    if why := jobs.refused.get(name):
        return with_reading(metric, result, Reading("Error", message=why), now, now)
    job = jobs.found.get(name)
    if job is None or not belongs_to(run, job):
        return result
    started: Obj = {
        "phase": "Running",
        "startedAt": metadata(job).get("creationTimestamp") or rfc3339(now),
        "metadata": {NAME_KEY: name_of(job), NAMESPACE_KEY: namespace_of(job)},
    }
    begun = {**result, "measurements": [*(result.get("measurements") or []), started]}
    return _resumed(metric, begun, jobs, now)


def terminated(metric: Metric, result: Obj, now: Instant) -> Obj:
    """A measurement under way is ended well, whatever it would have said. That of a plugin is asked to end."""
    ends_here = in_flight_job(result) or (under_way(result) and not metric.plugin)
    return _finished(metric, result, Reading("Successful", message="Metric Terminated"), now) if ends_here else result


def _resumed(metric: Metric, result: Obj, jobs: RunJobs, now: Instant) -> Obj:
    name = in_flight_job(result)
    job = jobs.found.get(name)
    if job is None:
        return _finished(metric, result, Reading("Error", message=f'job.batch "{name}" not found'), now)
    phase = job_phase(job)
    return result if phase == "Running" else _finished(metric, result, Reading(phase), now)


def _finished(metric: Metric, result: Obj, reading: Reading, now: Instant) -> Obj:
    *before, last = result["measurements"]
    ended = {**last, "phase": reading.phase, "finishedAt": rfc3339(now), **_told(reading, last.get("metadata") or {})}
    return _counted(metric, result, reading.phase, [*before, ended])


def _counted(metric: Metric, result: Obj, phase: Phase, measurements: list[Obj]) -> Obj:
    counter = _COUNTER[phase]
    is_error = phase == "Error"
    return {
        **result,
        "measurements": measurements[-metric.keep :],
        counter: (result.get(counter) or 0) + 1,
        "count": (result.get("count") or 0) + (0 if is_error else 1),
        "consecutiveError": (result.get("consecutiveError") or 0) + 1 if is_error else 0,
        "consecutiveSuccess": (result.get("consecutiveSuccess") or 0) + 1 if phase == "Successful" else 0,
    }
