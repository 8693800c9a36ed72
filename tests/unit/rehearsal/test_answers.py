"""What a recording answers in place of each provider: the shape in which conditions would see it."""

from typing import Any

import pytest

from tests.unit.rehearsal.plays import played

QUERY = {"query": "q"}
THRESHOLD = {"address": "http://kayenta", "threshold": {"pass": 90, "marginal": 75}}
SHARE = {"constant": {"share": 1, "count": 7}}

ANSWERS: list[tuple[str, dict[str, Any], Any, str, str]] = [
    ("graphite", QUERY, 0.01, "result[0] <= 0.05", "[0.01]"),
    ("influxdb", QUERY, {"vector": [0.01, {"constant": 9}]}, "result[0] <= 0.05 && len(result) == 2", "[0.01,9]"),
    ("wavefront", QUERY, 0.01, "result <= 0.05", "0.01"),
    ("wavefront", QUERY, {"vector": [0.01, 0.02]}, "result[1] <= 0.05", "[0.01,0.02]"),
    ("newRelic", QUERY, SHARE, "result.share / 2 == 0.5", '{"count":7,"share":1}'),
    ("skywalking", QUERY, SHARE, "result.count == 7", '{"count":7,"share":1}'),
    ("cloudWatch", {}, 0.01, "all(result[0].Values, {# <= 0.05})", "[[0.01]]"),
    ("cloudWatch", {}, {"vector": [0.01, 0.02]}, "result[1].Values[0] == 0.02", "[[0.01] [0.02]]"),
    ("cloudWatch", {}, {"constant": [{"Values": [1, 2]}]}, "len(result[0].Values) == 2", "[[1 2]]"),
    ("kayenta", THRESHOLD, 90, "", "90"),
    ("kayenta", THRESHOLD, 99.9, "result == 'nothing that a score would be'", "99"),
]


@pytest.mark.parametrize(("kind", "settings", "series", "condition", "text"), ANSWERS)
def test_a_recording_answers_as_the_provider_would(
    kind: str, settings: dict[str, Any], series: Any, condition: str, text: str
) -> None:
    seen = played(series=series, metric={"provider": {kind: settings}, "successCondition": condition})
    assert seen.ending.outcome == "promoted", seen.ending.message
    assert {(one.phase, one.value) for one in seen.measurements} == {("Successful", text)}


@pytest.mark.parametrize(
    ("kind", "settings", "series", "phase", "message"),
    [
        ("graphite", QUERY, 0.5, "Failed", ""),
        ("cloudWatch", {}, 0.5, "Failed", ""),
        ("kayenta", THRESHOLD, 80, "Inconclusive", ""),
        ("kayenta", THRESHOLD, 10, "Failed", ""),
        ("kayenta", THRESHOLD, "NaN", "Error", "kayenta answers scores: record numbers from 0 to 100"),
        ("newRelic", QUERY, 0.5, "Error", 'newRelic answers rows: record objects of their columns, such as {"share": 0.01}'),
        ("skywalking", QUERY, 0.5, "Error", 'skywalking answers objects: record them, such as {"share": 0.01}'),
        ("cloudWatch", {}, {"constant": {"Values": [1]}}, "Error", "cloudWatch answers lists of results"),
        ("influxdb", QUERY, [], "Error", "the recording of metric errors has no data at 0s"),
    ],
)
def test_bad_and_odd_series_end_it_with_a_sentence(
    kind: str, settings: dict[str, Any], series: Any, phase: str, message: str
) -> None:
    condition = {"cloudWatch": "result[0].Values[0] <= 0.05", "graphite": "result[0] <= 0.05"}.get(kind, "result.share <= 0.05")
    metric = {"provider": {kind: settings}, "successCondition": condition, "consecutiveErrorLimit": 0}
    seen = played(series=series, metric=metric)
    assert seen.ending.outcome != "promoted"
    assert phase in {one.phase for one in seen.measurements}
    assert message in " ".join(one.message for one in seen.measurements)
