"""Thresholds in another unit than what is measured: told by the names in the query, by its factors, and by recorded figures."""

import math
import re
from collections.abc import Iterator
from statistics import median

from shipway.rehearsal.lint.findings import Finding, Subject
from shipway.rehearsal.recording import Points, Ramp, Shape, Vector

SECONDS = re.compile(r"_seconds(_bucket|_sum|_total)?\b|duration_s\b", re.I)
MILLIS = re.compile(r"_milliseconds|_millis|_ms(_bucket|_sum)?\b", re.I)
SHARE = re.compile(r"error|fail|success|availab|ratio|5\.\.|5xx", re.I)
THOUSAND = re.compile(r"\*\s*(1000|1e3)\b")
HUNDRED = re.compile(r"\*\s*100\b(?!\s*\*)|\b100\s*\*")
LONG_SECONDS, SHORT_MILLIS = 60.0, 1.0
"""A latency threshold above the one is hardly meant in seconds, below the other hardly in milliseconds."""
FAR = 25.0
"""Recorded values further than this from the threshold are taken for another unit."""


def find(subject: Subject) -> Iterator[Finding]:
    query = subject.query
    is_average = "_sum" in query and "_count" in query
    of_query = _of_share if "/" in query and not is_average else _of_time
    yield from [*of_query(query, subject)] or _of_figures(subject)


def _of_time(query: str, subject: Subject) -> Iterator[Finding]:
    if not SECONDS.search(query) and not MILLIS.search(query):
        return
    in_millis = bool(MILLIS.search(query) or THOUSAND.search(query))
    for field, number in subject.thresholds:
        if in_millis and number < SHORT_MILLIS:
            yield _unit(field, "the query measures milliseconds", number, "seconds", number * 1000)
        elif not in_millis and number > LONG_SECONDS:
            yield _unit(field, "the query measures seconds", number, "milliseconds", number / 1000)


def _of_share(query: str, subject: Subject) -> Iterator[Finding]:
    if "/" not in query or not SHARE.search(query + subject.metric.name):
        return
    is_percent = bool(HUNDRED.search(query))
    for field, number in subject.thresholds:
        if not is_percent and 1.0 < number <= 100.0:
            yield _unit(field, "the query gives a ratio from 0 to 1", number, "percent", number / 100)
        elif is_percent and 0.0 < number < 1.0:
            yield _unit(field, "the query gives percent", number, "a ratio", number * 100)


def _unit(field: str, measured: str, number: float, other: str, better: float) -> Finding:
    return Finding("unit", field, f"{measured}, {number:g} looks like {other}", f"compare with {better:g}")


def _of_figures(subject: Subject) -> Iterator[Finding]:
    shape = subject.recording.find(subject.metric.name, subject.provider) if subject.recording else None
    values = _values(shape) if shape is not None else []
    if not values or (usual := median(values)) <= 0:
        return
    for field, number in subject.thresholds:
        far = usual / number if number > 0 else 0.0
        if far >= FAR or (0 < far <= 1 / (FAR * FAR)):
            text = f"what was recorded (usually {usual:g}) is {far:g} times {number:g}"
            yield Finding("unit", field, text, "bring both into one unit: seconds and milliseconds, or ratio and percent")


def _values(shape: Shape) -> list[float]:
    match shape:
        case Points():
            raw = list(shape.values)
        case Ramp():
            raw = [shape.before]
        case Vector():
            return [value for one in shape.members for value in _values(one)]
        case _:
            raw = []
    return [value for value in raw if isinstance(value, float) and math.isfinite(value)]
