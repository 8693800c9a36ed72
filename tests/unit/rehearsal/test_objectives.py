"""When a burning budget throws a release out, in virtual time."""

from typing import Any

import pytest

from shipway.rehearsal.timeline import Timeline
from tests.unit.rehearsal.plays import played

OBJECTIVE = {
    "target": "99",
    "window": "4w",
    "indicator": {"ratio": {"errors": {"metric": "e"}, "total": {"metric": "t"}}},
}


def burnt(share: Any, *, interval: str = "1m", block: Any = None) -> Timeline:
    """Half of the traffic for eight hours, or until the budget burns too fast."""
    metric = {
        "interval": interval,
        "successCondition": 'result.severity != "critical"',
        "failureCondition": 'result.severity == "critical"',
        "provider": {"plugin": {"shipway.dev/slo": block or {"objective": OBJECTIVE}}},
    }
    return played({"setWeight": 50}, {"pause": {"duration": "8h"}}, series=share, metric=metric)


@pytest.mark.proves("004-10", "rehearsal:slo")
@pytest.mark.parametrize(
    ("share", "interval", "caught"),
    [
        (0.2, "1m", 0.14 / 0.2 * 3600),  # 20 times too fast: the hour is 14 times over after 42 minutes
        (0.08, "5m", 0.07 / 0.08 * 21600),  # 8 times: the six hours are 7 times over after five and a quarter
    ],
    ids=["fast", "slow"],
)
def test_a_fast_burn_is_caught_within_the_hour_and_a_slow_one_within_six(share: float, interval: str, caught: float) -> None:
    seen = burnt(share, interval=interval)
    step = {"1m": 60.0, "5m": 300.0}[interval]
    assert seen.ending.outcome == "aborted"
    assert caught <= seen.ending.at <= caught + 2 * step
    assert seen.measurements[-1].value.startswith("critical: burns ")
    assert "spent by this release" in seen.measurements[-1].value


def test_a_short_spike_and_a_burn_within_the_budget_are_let_through() -> None:
    spike = [[0, 0.0], [600, 0.9], [660, 0.0]] + [[660 + 240 * number, 0.0] for number in range(1, 121)]
    assert burnt(spike, interval="5m").ending.outcome == "promoted"
    assert burnt(0.009, interval="10m").ending.outcome == "promoted"


def test_an_objective_of_the_cluster_cannot_be_rehearsed() -> None:
    seen = burnt(0.0, block={"serviceLevelObjective": "shop"})
    assert seen.ending.outcome == "aborted"
    assert "write the objective itself" in seen.measurements[0].message
