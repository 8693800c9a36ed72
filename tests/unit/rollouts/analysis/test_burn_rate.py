"""How fast an error budget burns: windows, queries and what a condition sees."""

import math

import pytest

from shipway.base.durations import format_span, parse_span
from shipway.base.errors import InvalidInput
from shipway.rollouts.analysis.burn_rate import alarms, judged, narrowed, queries, read_burning, read_objective

RATIO = {
    "ratio": {
        "errors": {"metric": 'http_requests_total{job="shop",code=~"5.."}'},
        "total": {"metric": 'http_requests_total{job="shop"}'},
    }
}
OBJECTIVE = {"target": "99", "window": "4w", "indicator": RATIO}


def objective(**changes):
    return read_objective({**OBJECTIVE, **changes}, "SLO")


def answers(**shares: float) -> dict:
    """A share of failures for each window; those not given are 0."""
    found = {name: [0.0] for name in queries(objective(), "", 0)}
    return found | {name.replace("_", ""): [share] for name, share in shares.items()}


@pytest.mark.proves("004-12", "rehearsal:slo")
def test_four_weeks_have_the_windows_of_pyrra() -> None:
    found = [(one.severity, format_span(one.long), format_span(one.short), one.factor) for one in alarms(28 * 86400)]
    assert found == [
        ("critical", "1h", "5m", 14),
        ("critical", "6h", "30m", 7),
        ("warning", "1d", "2h", 2),
        ("warning", "4d", "6h", 1),
    ]
    assert [format_span(one.long) for one in alarms(7 * 86400)] == ["15m", "1h30m", "6h", "1d"]
    assert all(one.short >= 60 for one in alarms(3600))


def test_spans_are_those_of_prometheus() -> None:
    assert [parse_span(text) for text in ("4w", "30d", "1h30m", "500ms")] == [2_419_200, 2_592_000, 5400, 0.5]
    assert [format_span(parse_span(text)) for text in ("4w", "30d", "1h30m", "90s", "0s")] == [
        "4w",
        "30d",
        "1h30m",
        "1m30s",
        "0s",
    ]
    for text in ("", "5", "1.5h", "4 w", "-1h"):
        with pytest.raises(ValueError, match="not a valid duration"):
            parse_span(text)


@pytest.mark.proves("004-12", "rehearsal:slo")
def test_queries_need_no_promql_by_hand() -> None:
    asked = queries(objective(), 'version="v2"', 90.5)
    assert list(asked) == ["5m", "30m", "1h", "2h", "6h", "1d", "4d", "4w", "release"]
    assert asked["5m"] == (
        '(sum(rate(http_requests_total{job="shop",code=~"5.."}[300s])) or vector(0))'
        ' / sum(rate(http_requests_total{job="shop"}[300s]))'
    )
    assert asked["release"] == (
        '((sum(increase(http_requests_total{job="shop",code=~"5..",version="v2"}[91s])) or vector(0)))'
        ' / (sum(increase(http_requests_total{job="shop"}[2419200s])) * 0.01)'
    )
    latency = {"latency": {"success": {"metric": 'd_bucket{le="0.5"}'}, "total": {"metric": "d_count"}}}
    assert queries(objective(indicator=latency), "", 0)["1h"] == (
        '1 - (sum(rate(d_bucket{le="0.5"}[3600s])) or vector(0)) / sum(rate(d_count[3600s]))'
    )
    native = {"latencyNative": {"total": {"metric": "d"}, "latency": "500ms"}}
    assert queries(objective(indicator=native), "", 0)["1h"] == "1 - histogram_fraction(0, 0.5, sum(rate(d[3600s])))"
    gauge = {"bool_gauge": {"metric": "up"}}
    assert (
        queries(objective(indicator=gauge), "", 0)["1h"]
        == "1 - sum(sum_over_time(up[3600s])) / sum(count_over_time(up[3600s]))"
    )


@pytest.mark.parametrize(
    ("selector", "wanted"),
    [("m", "m{a='b'}"), ("m{}", "m{a='b'}"), ("m{x='y'}", "m{x='y',a='b'}"), ("m{x='y',}", "m{x='y',a='b'}")],
)
def test_matchers_are_added(selector, wanted) -> None:
    assert narrowed(selector, "a='b'") == wanted


@pytest.mark.proves("004-10", "rehearsal:slo")
@pytest.mark.parametrize(
    ("shares", "severity"),
    [
        ({}, ""),
        ({"_5m": 0.2, "_1h": 0.2}, "critical"),  # 20 times the budget of 1 %
        ({"_5m": 0.2}, ""),  # a spike
        ({"_1h": 0.2}, ""),  # over already
        ({"_30m": 0.08, "_6h": 0.08}, "critical"),  # slower, and for longer
        ({"_2h": 0.03, "_1d": 0.03}, "warning"),
        ({"_6h": 0.015, "_4d": 0.015}, "warning"),
    ],
)
def test_an_alarm_needs_both_of_its_windows(shares, severity) -> None:
    sample = judged(objective(), answers(**shares))
    assert sample.value["severity"] == severity
    assert (severity or "burns at most") in sample.text


def test_the_budget_is_told_and_what_the_release_spent_of_it() -> None:
    sample = judged(objective(), {**answers(_4w=0.0025), "release": [0.031]})
    assert sample.value["left"] == pytest.approx(0.75)
    assert sample.value["spentByRelease"] == 0.031
    assert sample.text.endswith("; 75.0% of the budget left, 3.10% spent by this release")


def test_no_traffic_burns_nothing_and_no_data_is_an_error() -> None:
    assert judged(objective(), {name: [math.nan] for name in answers()}).value["severity"] == ""
    with pytest.raises(InvalidInput, match="Prometheus has no data"):
        judged(objective(), {name: [] for name in answers()})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"target": "100"}, "between 0 and 100"),
        ({"target": "much"}, "could not convert"),
        ({"window": "4 weeks"}, "not a valid duration"),
        ({"window": "5m"}, "at least an hour"),
        ({"indicator": {}}, "exactly one of ratio"),
        ({"indicator": {**RATIO, "bool_gauge": {"metric": "up"}}}, "exactly one of ratio"),
        ({"indicator": {"ratio": {"errors": {"metric": "e"}}}}, "total"),
    ],
)
def test_an_objective_that_cannot_work_says_why(changes, says) -> None:
    with pytest.raises(InvalidInput, match=says):
        objective(**changes)


def test_a_block_names_one_objective() -> None:
    assert read_burning({"serviceLevelObjective": "shop"}).service_level_objective == "shop"
    for wrong in ({}, {"objective": OBJECTIVE, "serviceLevelObjective": "shop"}):
        with pytest.raises(InvalidInput, match="exactly one of objective and serviceLevelObjective"):
            read_burning(wrong)
    with pytest.raises(InvalidInput, match="`release` works with the indicators ratio and latency only"):
        queries(objective(indicator={"bool_gauge": {"metric": "up"}}), "a='b'", 0)
    with pytest.raises(InvalidInput, match="unknown field"):
        read_burning({"objectiv": OBJECTIVE})
