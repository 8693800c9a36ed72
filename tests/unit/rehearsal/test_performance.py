"""What a rehearsal tells of a strategy."""

from typing import Any

import msgspec
import pytest

from shipway.base.errors import InvalidInput
from shipway.kube.objects.patches import merge_patch
from shipway.rehearsal.performance import rehearse
from tests.unit.rehearsal.plays import BACKGROUND, STEPS, play, played, template, weights
from tests.unit.rollouts.rollout.sandbox import rollout


def test_a_good_version_walks_its_steps() -> None:
    seen = played()
    assert weights(seen) == [(0.0, 0.0), (5.0, 20.0), (70.0, 60.0), (135.0, 100.0)]
    assert (seen.ending.outcome, seen.ending.at, seen.exposed) == ("promoted", 135.0, 20 * 65 + 60 * 65)
    assert [(one.at, one.phase, one.value) for one in seen.measurements[:2]] == [
        (0.0, "Successful", "[0.01]"),
        (10.0, "Successful", "[0.01]"),
    ]


@pytest.mark.proves("000-06")
@pytest.mark.parametrize("limit", [0, 1, 3])
def test_a_bad_version_reaches_no_more_than_its_weight_for_as_long_as_it_takes_to_notice(limit: int) -> None:
    seen = played(series={"step": {"at": 75, "from": 0.01, "to": 0.3}}, metric={"failureLimit": limit})
    assert (seen.ending.outcome, seen.ending.weight) == ("aborted", 60.0)
    assert seen.ending.at == 80.0 + 10.0 * limit
    assert f"failed ({limit + 1}) > failureLimit ({limit})" in seen.ending.message
    most = max(weight for _, weight in weights(seen)) / 100
    first = weights(seen)[1][0]
    assert 0 < seen.exposed <= most * 100 * (seen.ending.at - first)
    assert seen.moments[-1].weight == 0.0


def test_the_same_play_is_the_same_bytes() -> None:
    bad = {"series": {"fault": 0.2}}
    assert msgspec.json.encode(played(**bad)) == msgspec.json.encode(played(**bad))


CUTS: list[tuple[Any, str, str, str]] = [
    ([[0, 0.01], [1000, 0.01]], "aborted", "Error", "index out of range"),
    ([[0, 0.01], [20, "NaN"], [30, 0.01]], "aborted", "Failed", "NaN"),
    ([[0, 1.0], [20, 2.5]], "aborted", "Failed", "1"),
    ({"vector": [[[0, 0.01]], {"constant": 9}]}, "promoted", "Successful", "[0.01,9]"),
]


@pytest.mark.parametrize(("series", "outcome", "phase", "text"), CUTS)
def test_odd_series_end_in_a_state_and_a_sentence(series: Any, outcome: str, phase: str, text: str) -> None:
    """A gap is no data, NaN is no success, percent where a ratio is meant fails at once."""
    seen = played(series=series, spec={"canary": {**BACKGROUND, "maxSurge": 1}}, metric={"consecutiveErrorLimit": 0})
    if outcome == "aborted" and phase == "Error":
        seen = rehearse(play({"setWeight": 20}, {"pause": {"duration": "10m"}}, series=series, metric={"interval": "1m"}))
        assert seen.warnings == ("errors has no point between 0s and 16m40s: 5m0s after the first there is no data",)
    assert seen.ending.outcome == outcome
    assert any(one.phase == phase and text in one.value + one.message for one in seen.measurements)


def test_no_data_is_nil_to_datadog() -> None:
    metric = {"provider": {"datadog": {"query": "x"}}, "successCondition": "default(result, 0) < 0.05"}
    seen = played(series=[], metric=metric)
    assert (seen.ending.outcome, {one.phase for one in seen.measurements}) == ("promoted", {"Successful"})


def test_a_pause_without_end_waits_for_a_person() -> None:
    steps = ({"setWeight": 20}, {"pause": {}}, {"setWeight": 60})
    alone = played(*steps, metric={"interval": "10m"})
    assert (alone.ending.outcome, alone.ending.step, alone.ending.weight) == ("waiting", "2: pause", 20.0)
    helped = played(*steps, promote_after=600.0)
    assert (helped.ending.outcome, weights(helped)[2]) == ("promoted", (610.0, 60.0))


def test_without_analysis_a_pause_is_where_it_ends() -> None:
    seen = played({"setWeight": 20}, {"pause": {}}, spec={"canary": {}})
    assert (seen.ending.outcome, seen.ending.at) == ("waiting", 5.0)


def test_analysis_steps_pods_and_blue_green_too() -> None:
    step = {"analysis": {"templates": [{"templateName": "health"}]}}
    metric = {"count": 3}
    by_pods = rollout({"setWeight": 25}, step, replicas=4)
    good = play(metric=metric)
    seen = rehearse(msgspec.structs.replace(good, rollout=by_pods))
    assert seen.ending.outcome == "promoted"
    assert [one.run for one in seen.measurements] == ["Step"] * 3
    assert max(one.canary for one in seen.moments if one.step.startswith("2")) == 1
    blue_green = rollout(replicas=2)
    blue_green["spec"]["strategy"] = {
        "blueGreen": {"activeService": "web", "prePromotionAnalysis": {"templates": [{"templateName": "health"}]}}
    }
    bad = play(series=0.9, metric=metric)
    seen = rehearse(msgspec.structs.replace(bad, rollout=blue_green))
    assert (seen.ending.outcome, seen.exposed) == ("aborted", 0.0)


@pytest.mark.parametrize(("value", "outcome"), [(1, "promoted"), (0, "aborted")])
def test_a_job_ends_as_the_recording_says(value: int, outcome: str) -> None:
    job = {"job": {"spec": {"template": {"spec": {"containers": [], "restartPolicy": "Never"}}}}}
    tests = template(provider=job, interval=None, successCondition="")
    steps = ({"setWeight": 20}, {"analysis": {"templates": [{"templateName": "health"}]}})
    one = msgspec.structs.replace(play(*steps, series=value, spec={"canary": {}}), others=(tests,))
    assert rehearse(one).ending.outcome == outcome


def test_what_the_engine_refuses_is_refused() -> None:
    broken = merge_patch(rollout(*STEPS, routed=True), {"spec": {"strategy": {"canary": {"stableService": None}}}})
    with pytest.raises(InvalidInput, match='The Rollout "web" is invalid'):
        rehearse(msgspec.structs.replace(play(), rollout=broken))
    with pytest.raises(InvalidInput, match="AnalysisTemplate 'health' not found"):
        rehearse(msgspec.structs.replace(play(), others=()))
    trial = {"experiment": {"templates": [{"name": "new", "specRef": "canary"}]}}
    with pytest.raises(InvalidInput, match=r"steps\[1\]\.experiment: a rehearsal cannot play it"):
        rehearse(play({"setWeight": 10}, trial))


def test_a_step_that_a_plugin_does_is_passed_over_and_said_so() -> None:
    seen = played({"setWeight": 20}, {"plugin": {"name": "acme/ticket"}}, {"setWeight": 60})
    assert seen.ending.outcome == "promoted"
    assert seen.warnings == ("step 2 (plugin: acme/ticket): a rehearsal runs no plugin, it counts as Successful at once",)


def test_a_metric_that_a_plugin_measures_is_read_from_the_recording() -> None:
    rows = {"provider": {"plugin": {"acme/rows": {"table": "orders"}}}, "successCondition": "result <= 0.05"}
    assert played(metric=rows).ending.outcome == "promoted"
    assert played(metric=rows, series=0.3).ending.outcome == "aborted"


def test_a_rule_among_the_files_judges_the_rehearsal_too() -> None:
    given = play(series={"fault": 0.2}, spec={"canary": {}})
    rule = {
        "apiVersion": "shipway.dev/v1alpha1",
        "kind": "VerificationRule",
        "metadata": {"name": "org"},
        "spec": {"templates": [{"templateName": "health"}]},
    }
    assert rehearse(given).ending.outcome == "promoted"
    seen = rehearse(msgspec.structs.replace(given, others=(*given.others, rule)))
    assert (seen.ending.outcome, "Verification rule 'org'" in seen.ending.message) == ("aborted", True)
    absent = {**rule, "spec": {"templates": [{"templateName": "contract"}]}}
    with pytest.raises(InvalidInput, match="verification rule 'org' cannot judge it: AnalysisTemplate 'contract' not found"):
        rehearse(msgspec.structs.replace(given, others=(*given.others, absent)))
