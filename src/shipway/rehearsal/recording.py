"""What metric servers answer in a rehearsal: recorded points, or a shape that is made up. The format is in docs/rehearsal.md.

A series stands under the name of its metric, or under the text of its query. Between two points the earlier one holds, as a
metric server answers, but no longer than `max_gap`: after that there is no data, and the measurement says so.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import orjson
from msgspec import Struct
from msgspec.structs import replace

from shipway.base.clock import Instant, parse_rfc3339
from shipway.base.durations import format_duration, parse_duration
from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj

MAX_GAP = 300.0
"""Seconds for which a point holds: Prometheus' own look-back."""
SHAPES = ("points", "constant", "step", "ramp", "fault", "vector")


class Points(Struct, frozen=True):
    """Recorded: values from `times` on, in seconds since the start."""

    times: tuple[float, ...]
    values: tuple[Any, ...]
    max_gap: float = MAX_GAP

    def at(self, seconds: float, *, is_hit: bool) -> Any:
        """None: no data."""
        index = bisect_right(self.times, seconds) - 1
        return self.values[index] if index >= 0 and seconds - self.times[index] <= self.max_gap else None

    def gaps(self) -> list[tuple[float, float]]:
        """Stretches from one point to the next that are too long for the first to hold."""
        return [(before, after) for before, after in pairwise(self.times) if after - before > self.max_gap]

    def bends(self) -> tuple[float, ...]:
        """Moments between which the value goes on as a straight line."""
        return (*self.times, *(time + self.max_gap for time in self.times))


class Ramp(Struct, frozen=True):
    """From one value to another between two moments; both the same moment: a step."""

    before: Any
    after: Any
    start: float
    end: float

    def at(self, seconds: float, *, is_hit: bool) -> Any:
        if seconds < self.start:
            return self.before
        if seconds >= self.end:
            return self.after
        return self.before + (self.after - self.before) * (seconds - self.start) / (self.end - self.start)

    def bends(self) -> tuple[float, ...]:
        return (self.start, self.end)


class Fault(Struct, frozen=True):
    """`value` while the new version gets traffic, `otherwise` while it gets none."""

    value: Any
    otherwise: Any

    def at(self, seconds: float, *, is_hit: bool) -> Any:
        return self.value if is_hit else self.otherwise

    def bends(self) -> tuple[float, ...]:
        return ()


class Vector(Struct, frozen=True):
    """Several labelled series under one query; those that have data now answer, in their order."""

    members: tuple["Shape", ...]

    def at(self, seconds: float, *, is_hit: bool) -> Any:
        values = [value for one in self.members if (value := one.at(seconds, is_hit=is_hit)) is not None]
        return values or None

    def bends(self) -> tuple[float, ...]:
        return tuple(bend for one in self.members for bend in one.bends())


def steady(value: Any) -> Ramp:
    """A value that stays the same."""
    return Ramp(value, value, 0.0, 0.0)


Shape = Points | Ramp | Fault | Vector


class Recording(Struct, frozen=True):
    """`series` by name or query; `rate`: requests per second to the whole service; `start`: when the update begins."""

    series: Mapping[str, Shape] = {}
    rate: Shape = steady(0.0)
    start: Instant = parse_rfc3339("2026-01-01T00:00:00Z")

    def with_series(self, name: str, shape: Shape) -> "Recording":
        return replace(self, series={**self.series, name: shape})

    def find(self, metric: str, provider: Obj) -> Shape | None:
        """The series that answers a metric: by name, else by query."""
        if metric in self.series:
            return self.series[metric]
        return self.series.get(query_of(provider))

    def requests(self, start: float, end: float) -> float:
        """Requests to the service between two moments, in seconds since the start."""
        cuts = sorted({start, end, *(cut for cut in self.rate.bends() if start < cut < end)})
        pieces = ((after - before, self.rate.at((before + after) / 2, is_hit=True)) for before, after in pairwise(cuts))
        return sum(seconds * (rate or 0.0) for seconds, rate in pieces)

    def warnings(self) -> list[str]:
        """What is odd about the series and will show in the measurements."""
        return [text for name, shape in sorted(self.series.items()) for text in _oddities(name, shape)]


def query_of(provider: Obj) -> str:
    """The text that a provider is asked, "" when it has none."""
    settings: Obj = next((one for one in provider.values() if isinstance(one, dict)), {})
    return str(settings.get("query") or settings.get("url") or "")


def read_recording(text: str) -> Recording:
    """Raises InvalidInput naming the series and the point."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"no JSON: {error}", reason="InvalidRecording") from None
    if not isinstance(document, dict) or not isinstance(document.get("series"), dict):
        raise _bad('give an object with `series`: {"series": {"error-rate": [[0, 0.01], [60, 0.02]]}}')
    if unknown := sorted(set(document) - {"series", "start", "requests_per_second", "max_gap"}):
        raise _bad(f"{unknown[0]}: unknown; there are series, start, requests_per_second and max_gap")
    start = _start(document.get("start"))
    max_gap = _seconds(document.get("max_gap", MAX_GAP), "max_gap")
    read = _Reader(start or Recording().start, max_gap)
    series = {name: read.shape(name, raw) for name, raw in document["series"].items()}
    rate = read.shape("requests_per_second", document.get("requests_per_second", 0))
    return Recording(series, rate, start or Recording().start)


class _Reader(Struct, frozen=True):
    start: Instant
    max_gap: float

    def shape(self, name: str, raw: Any) -> Shape:
        if isinstance(raw, list):
            return self._points(name, raw)
        if not isinstance(raw, dict):
            return self.shape(name, {"constant": raw})
        kinds = [kind for kind in SHAPES if kind in raw]
        if len(kinds) != 1:
            raise _bad(f"series {name}: give one of {', '.join(SHAPES)}")
        match kinds[0]:
            case "points":
                return self._points(name, raw["points"])
            case "constant":
                return steady(_value(raw["constant"], name))
            case "vector":
                return Vector(tuple(self.shape(f"{name}[{index}]", one) for index, one in enumerate(raw["vector"])))
            case "fault":
                return Fault(_value(raw["fault"], name), _value(raw.get("otherwise", 0.0), name))
            case "step":
                body = raw["step"]
                at = _seconds(body.get("at", 0), f"series {name}: step.at")
                return Ramp(_value(body.get("from"), name), _value(body.get("to"), name), at, at)
            case _:
                body = raw["ramp"]
                begin = _seconds(body.get("start", 0), f"series {name}: ramp.start")
                end = _seconds(body.get("end", 0), f"series {name}: ramp.end")
                return Ramp(_value(body.get("from"), name), _value(body.get("to"), name), begin, max(begin, end))

    def _points(self, name: str, raw: Any) -> Points:
        times: list[float] = []
        values: list[Any] = []
        for index, point in enumerate(raw if isinstance(raw, list) else [None]):
            if not isinstance(point, list) or len(point) != 2:
                raise _bad(f"series {name}: point {index} is no [time, value]")
            time = self._time(point[0], f"series {name}: point {index}")
            if times and time < times[-1]:
                raise _bad(
                    f"series {name}: point {index} is at {format_duration(time)}, after one at {format_duration(times[-1])}: "
                    "the clock of the recording went back; sort the points, or cut the recording there"
                )
            times.append(time)
            values.append(_value(point[1], name))
        return Points(tuple(times), tuple(values), self.max_gap)

    def _time(self, raw: Any, where: str) -> float:
        if isinstance(raw, int | float) and not isinstance(raw, bool):
            return float(raw)
        for read in (parse_duration, lambda text: parse_rfc3339(text) - self.start):
            try:
                return read(str(raw))
            except ValueError:
                continue
        raise _bad(f'{where}: {raw!r} is no time: give seconds since the start, "6m", or "2026-11-20T10:01:00Z"')


def _start(raw: Any) -> Instant | None:
    if raw is None:
        return None
    try:
        return parse_rfc3339(str(raw))
    except ValueError as error:
        raise _bad(f"start: {error}") from None


def _seconds(raw: Any, where: str) -> float:
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        return float(raw)
    try:
        return parse_duration(str(raw))
    except ValueError as error:
        raise _bad(f"{where}: {error}") from None


def _value(raw: Any, name: str) -> Any:
    """A number; null and "NaN" are not-a-number; anything else (an object, a text) is given to the condition as it is."""
    if raw is None:
        return math.nan
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        if isinstance(raw, str):
            try:
                return float(raw)  # as Prometheus writes numbers
            except ValueError:
                pass
            raise _bad(f'series {name}: {raw!r} is no number; write numbers bare, and "NaN" for not a number')
        return raw
    return float(raw)


def _oddities(name: str, shape: Shape) -> list[str]:
    if isinstance(shape, Vector):
        return [text for one in shape.members for text in _oddities(name, one)]
    if not isinstance(shape, Points):
        return []
    found = [
        f"{name} has no point between {format_duration(before)} and {format_duration(after)}: "
        f"{format_duration(shape.max_gap)} after the first there is no data"
        for before, after in shape.gaps()
    ]
    missing = sum(isinstance(value, float) and math.isnan(value) for value in shape.values)
    return [*found, *([f"{name} is not a number (NaN) at {missing} of {len(shape.values)} points"] if missing else [])]


def _bad(problem: str) -> InvalidInput:
    return InvalidInput(problem, reason="InvalidRecording")
