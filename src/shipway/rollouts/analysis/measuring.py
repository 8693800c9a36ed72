"""When the next measurement of a metric is due, and what an answer adds to its result."""

from msgspec import Struct

from shipway.base.clock import Instant, parse_rfc3339, rfc3339
from shipway.kube.objects.resource import Obj
from shipway.kube.runtime.decision import Answer
from shipway.rollouts.analysis.assess import Phase, judge
from shipway.rollouts.analysis.expression import ExpressionError
from shipway.rollouts.analysis.metric import Metric

AFTER_ERROR = 10.0
"""Seconds until a measurement that errored is tried again (Argo Rollouts' DefaultErrorRetryInterval)."""
_COUNTER: dict[Phase, str] = {"Successful": "successful", "Failed": "failed", "Inconclusive": "inconclusive", "Error": "error"}


class Reading(Struct, frozen=True):
    """One measurement as it will stand in the status."""

    phase: Phase
    value: str = ""
    message: str = ""


def due_at(metric: Metric, result: Obj, started_at: Instant) -> Instant:
    """When the next measurement may be made."""
    measurements = result.get("measurements") or []
    if not measurements:
        return Instant(started_at + metric.initial_delay)
    last = measurements[-1]
    pause = AFTER_ERROR if last.get("phase") == "Error" else metric.interval or 0.0
    return Instant(parse_rfc3339(last["finishedAt"]) + pause)


def number_of_next(result: Obj) -> int:
    """Measurements that have an answer, errors included, plus one: the number of the next ask."""
    return (result.get("count") or 0) + (result.get("error") or 0) + 1


def read_answer(metric: Metric, answer: Answer) -> Reading:
    """Judges an answer. An error of the provider or of the condition is an errored measurement, never a failed one."""
    if answer.error is not None:
        return Reading("Error", message=answer.error.message)
    try:
        return Reading(judge(metric, answer.value.value), answer.value.text)
    except ExpressionError as error:
        return Reading("Error", answer.value.text, error.message)


def with_reading(metric: Metric, result: Obj, reading: Reading, asked_at: Instant, now: Instant) -> Obj:
    """The metric's result with one more measurement; only the last `metric.keep` are kept."""
    measurement: Obj = {
        "phase": reading.phase,
        "startedAt": rfc3339(asked_at),
        "finishedAt": rfc3339(now),
        **({"value": reading.value} if reading.value else {}),
        **({"message": reading.message} if reading.message else {}),
    }
    counter = _COUNTER[reading.phase]
    is_error = reading.phase == "Error"
    return {
        **result,
        "measurements": [*(result.get("measurements") or []), measurement][-metric.keep :],
        counter: (result.get(counter) or 0) + 1,
        "count": (result.get("count") or 0) + (0 if is_error else 1),
        "consecutiveError": (result.get("consecutiveError") or 0) + 1 if is_error else 0,
        "consecutiveSuccess": (result.get("consecutiveSuccess") or 0) + 1 if reading.phase == "Successful" else 0,
    }
