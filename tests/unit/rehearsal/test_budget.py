"""Strategies by the error budget, rehearsed: the recording says what is left of it."""

from typing import Any

import orjson
import pytest

from shipway.base.errors import InvalidInput
from shipway.kube.objects.patches import merge_patch
from shipway.rehearsal.performance import Play, rehearse
from shipway.rehearsal.recording import read_recording
from shipway.rehearsal.timeline import Timeline
from shipway.rollouts.rollout.names import STRATEGY_BY_BUDGET
from tests.unit.rehearsal.plays import STEPS, weights
from tests.unit.rollouts.rollout.sandbox import rollout

POLICY = """
objectives: [{serviceLevelObjective: checkout}]
strategies:
  fast: {atLeast: 75%, steps: [{setWeight: 50}, {pause: {duration: 30s}}]}
  normal: {atLeast: 50%}
  careful: {atLeast: 10%, steps: [{setWeight: 1}, {pause: {duration: 2m}}]}
"""


def played(left: Any, policy: str = POLICY, **more: Any) -> Timeline:
    """A routed canary of 20 and 60 % whose budget is `left`; None: the recording says nothing of it."""
    series = {"checkout": left} if left is not None else {}
    recording = read_recording(orjson.dumps({"series": series, "requests_per_second": 100}).decode())
    made = merge_patch(rollout(*STEPS, routed=True), {"metadata": {"annotations": {STRATEGY_BY_BUDGET: policy}}})
    return rehearse(Play(made, recording=recording, **more))


@pytest.mark.parametrize(
    ("left", "pace", "course"),
    [
        (0.9, "fast", [0.0, 50.0, 100.0]),
        (0.6, "normal", [0.0, 20.0, 60.0, 100.0]),
        (0.2, "careful", [0.0, 1.0, 100.0]),
        (None, "careful", [0.0, 1.0, 100.0]),
    ],
)
def test_the_steps_by_what_is_left(left: float | None, pace: str, course: list[float]) -> None:
    seen = played(left)
    assert [weight for _, weight in weights(seen)] == course
    assert [(one.run, one.metric, one.phase) for one in seen.measurements] == [("Budget", "checkout", pace)]
    assert seen.ending.outcome == "promoted"
    if left is None:
        assert "the recording has no series checkout: add what is left of this error budget" in seen.measurements[0].value


def test_a_freeze_ends_when_the_recording_says_so() -> None:
    seen = played({"step": {"at": "10m", "from": 0.04, "to": 0.8}})
    assert [one.phase for one in seen.measurements] == ["freeze", "fast"]
    assert weights(seen)[1][0] == pytest.approx(605, abs=6)
    assert seen.ending.outcome == "promoted"


def test_nobody_comes_to_a_freeze_for_ever() -> None:
    seen = played(0.04)
    assert (seen.ending.outcome, seen.ending.weight) == ("waiting", 0.0)
    assert played(0.04, promote_after=60.0).ending.outcome == "promoted"


def test_the_same_budget_gives_the_same_bytes() -> None:
    assert played(0.04) == played(0.04)


def test_an_experiment_in_any_strategy_cannot_be_played() -> None:
    trial = "steps: [{experiment: {templates: [{name: a, specRef: canary}]}}]"
    with pytest.raises(InvalidInput, match="a rehearsal cannot play it"):
        played(0.9, POLICY.replace("steps: [{setWeight: 1}, {pause: {duration: 2m}}]", trial))
