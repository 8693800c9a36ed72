"""The format of recorded series, and what is refused."""

import math
from typing import Any

import orjson
import pytest

from shipway.base.errors import InvalidInput
from shipway.rehearsal.recording import read_recording


def at(series: Any, seconds: float, *, is_hit: bool = True, **more: Any) -> Any:
    text = orjson.dumps({"series": {"x": series}, **more}).decode()
    return read_recording(text).series["x"].at(seconds, is_hit=is_hit)


SHAPES: list[tuple[Any, float, Any]] = [
    (3, 100.0, 3.0),
    ({"constant": 3}, 0.0, 3.0),
    ([[0, 1], [60, 2]], 59.9, 1.0),
    ([[0, 1], [60, 2]], 60.0, 2.0),
    ([[0, 1]], 301.0, None),
    ([[10, 1]], 9.0, None),
    ([["1m", 1]], 61.0, 1.0),
    ({"points": [["2026-11-20T10:01:00Z", "4.5"]]}, 60.0, 4.5),
    ({"step": {"at": "1m", "from": 1, "to": 2}}, 59.0, 1.0),
    ({"step": {"at": "1m", "from": 1, "to": 2}}, 60.0, 2.0),
    ({"ramp": {"start": "1m", "end": "2m", "from": 0, "to": 10}}, 90.0, 5.0),
    ({"fault": 0.5, "otherwise": 0.1}, 0.0, 0.5),
    ({"vector": [[[0, 1]], [[50, 2]]]}, 60.0, [1.0, 2.0]),
    ({"vector": [[[100, 1]]]}, 60.0, None),
    ({"constant": {"p95": 120}}, 0.0, {"p95": 120}),
]


@pytest.mark.parametrize(("series", "seconds", "value"), SHAPES)
def test_every_shape_has_a_value_at_a_time(series: Any, seconds: float, value: Any) -> None:
    assert at(series, seconds, start="2026-11-20T10:00:00Z") == value


def test_a_fault_shows_only_where_there_is_traffic_and_nan_stays_nan() -> None:
    assert at({"fault": 0.5, "otherwise": 0.1}, 0.0, is_hit=False) == 0.1
    assert math.isnan(at([[0, None]], 1.0))
    assert at([[0, 1]], 20.0, max_gap="10s") is None


REFUSED: list[tuple[Any, str]] = [
    ("[]", "give an object with `series`"),
    ("{", "no JSON"),
    ('{"series": {}, "serie": 1}', "serie: unknown; there are series, start"),
    ('{"series": {"x": [[60, 1], [0, 1]]}}', "series x: point 1 is at 0s, after one at 1m0s: the clock of the recording went"),
    ('{"series": {"x": [1, 2]}}', r"series x: point 0 is no \[time, value\]"),
    ('{"series": {"x": [["soon", 1]]}}', "series x: point 0: 'soon' is no time: give seconds since the start"),
    ('{"series": {"x": "high"}}', "series x: 'high' is no number"),
    ('{"series": {"x": {"wave": 1}}}', "series x: give one of points, constant, step, ramp"),
    ('{"series": {"x": {"step": {"at": "never", "from": 0, "to": 1}}}}', "series x: step.at: .*never"),
    ('{"series": {}, "start": "yesterday"}', "start: .*RFC 3339"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_what_cannot_be_read_is_named(text: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        read_recording(text)


@pytest.mark.parametrize(
    ("rate", "expected"),
    [(50, 5000.0), ([[0, 10], [50, 30]], 2000.0), ({"ramp": {"start": 0, "end": 50, "from": 0, "to": 100}}, 7500.0)],
)
def test_requests_are_the_area_under_the_rate(rate: Any, expected: float) -> None:
    recording = read_recording(orjson.dumps({"series": {}, "requests_per_second": rate}).decode())
    assert recording.requests(0.0, 100.0) == pytest.approx(expected)
