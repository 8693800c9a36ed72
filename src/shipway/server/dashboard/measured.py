"""What an AnalysisRun has measured: lists in the shape of Argo's dashboard, and series with their bounds for a chart. Pure.

A measured value is a text: a number, a list of one number, or anything a provider answers. Only the first two are drawn.
"""

import math
import re
from collections.abc import Iterator
from typing import Any

import orjson
from msgspec import Struct

from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, namespace_of

JOB_NAME = "job-name"
"""What a measurement that is a Job remembers."""
BOUND = re.compile(r"\bresult(?:\[0\])?\s*(>=|<=|>|<)\s*(-?\d+(?:\.\d+)?(?:[eE]-?\d+)?)(?![\w.])")
MOST_POINTS = 200
LONGEST_VALUE = 200
"""Characters of a value that is no number."""


class Shape(Struct, frozen=True, rename="camel"):
    """Sent as JSON with these fields."""


class JobInfo(Shape, frozen=True):
    object_meta: dict[str, str]
    status: str
    metric_name: str
    started_at: str


class NonJobInfo(Shape, frozen=True):
    value: str
    status: str
    metric_name: str
    started_at: str


class MetricInfo(Shape, frozen=True):
    name: str
    success_condition: str
    failure_condition: str
    count: int
    inconclusive_limit: int
    failure_limit: int


class Point(Shape, frozen=True):
    """One measurement; `number` is None where the value is none."""

    at: str
    value: str
    number: float | None
    phase: str


class Bound(Shape, frozen=True):
    """A value that a condition compares the result with: `success` needs it, `failure` is what it must not be."""

    kind: str
    operator: str
    number: float


class MetricView(Shape, frozen=True):
    """One metric; counts are of all its measurements, also of those that are not kept."""

    name: str
    phase: str
    message: str
    success_condition: str
    failure_condition: str
    failure_limit: int
    failed: int
    successful: int
    inconclusive: int
    error: int
    bounds: list[Bound]
    points: list[Point]


def metrics(run: Obj) -> list[MetricView]:
    """In the order of the spec; one that was not measured yet has no points."""
    results = {result.get("name"): result for result in dig(run, "status", "metricResults", default=[]) or []}
    return [_metric(spec, results.get(spec.get("name")) or {}) for spec in _specs(run)]


def _metric(spec: Obj, result: Obj) -> MetricView:
    success, failure = str(spec.get("successCondition") or ""), str(spec.get("failureCondition") or "")
    kept = (result.get("measurements") or [])[-MOST_POINTS:]
    return MetricView(
        name=spec.get("name") or "",
        phase=result.get("phase") or "Pending",
        message=result.get("message") or "",
        success_condition=success,
        failure_condition=failure,
        failure_limit=_whole(spec.get("failureLimit")),
        failed=result.get("failed") or 0,
        successful=result.get("successful") or 0,
        inconclusive=result.get("inconclusive") or 0,
        error=result.get("error") or 0,
        bounds=[*bounds("success", success), *bounds("failure", failure)],
        points=[_point(one) for one in kept],
    )


def bounds(kind: str, condition: str) -> list[Bound]:
    """The numbers that a condition compares the result with, where it does so plainly."""
    return [Bound(kind, match[1], float(match[2])) for match in BOUND.finditer(condition)]


def number_of(value: object) -> float | None:
    """The finite number that a measured value is, or the only one of a list."""
    try:
        read = orjson.loads(str(value))
    except ValueError:
        return None
    if isinstance(read, list) and len(read) == 1:
        read = read[0]
    if isinstance(read, bool) or not isinstance(read, int | float):
        return None
    return float(read) if math.isfinite(read) else None


def metric_infos(run: Obj) -> list[MetricInfo]:
    """What is asked of each metric; never where it is measured."""
    return [
        MetricInfo(
            spec.get("name") or "", str(spec.get("successCondition") or ""), str(spec.get("failureCondition") or ""),
            _whole(spec.get("count")), _whole(spec.get("inconclusiveLimit")), _whole(spec.get("failureLimit")),
        )
        for spec in _specs(run)
    ]  # fmt: skip


def jobs(run: Obj) -> list[JobInfo]:
    """Measurements that are Jobs."""
    return [
        JobInfo({"name": job, "namespace": namespace_of(run)}, one.get("phase") or "", name, one.get("startedAt") or "")
        for name, one in _measurements(run)
        if (job := (one.get("metadata") or {}).get(JOB_NAME))
    ]


def values(run: Obj) -> list[NonJobInfo]:
    """All other measurements."""
    return [
        NonJobInfo(_text(one), one.get("phase") or "", name, one.get("startedAt") or "")
        for name, one in _measurements(run)
        if not (one.get("metadata") or {}).get(JOB_NAME)
    ]


def _measurements(run: Obj) -> Iterator[tuple[str, Obj]]:
    for result in dig(run, "status", "metricResults", default=[]) or []:
        for one in (result.get("measurements") or [])[-MOST_POINTS:]:
            yield result.get("name") or "", one


def _point(measurement: Obj) -> Point:
    at = measurement.get("finishedAt") or measurement.get("startedAt") or ""
    return Point(at, _text(measurement), number_of(measurement.get("value")), measurement.get("phase") or "")


def _text(measurement: Obj) -> str:
    return str(measurement.get("value") or "")[:LONGEST_VALUE]


def _specs(run: Obj) -> list[Obj]:
    return dig(run, "spec", "metrics", default=[]) or []


def _whole(value: Any) -> int:
    """An int-or-string as a number; 0 for what is none, such as an argument that is not filled in."""
    return int(value) if str(value or "").isdigit() else 0
