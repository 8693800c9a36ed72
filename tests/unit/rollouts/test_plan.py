"""What would happen, in rows."""

import pytest

from shipway.base.errors import InvalidInput
from shipway.rollouts.plan import PlanRow, plan
from tests.unit.rollouts.rollout.sandbox import blue_green, deployed, plain, rollout, routed

STEPS = ({"setWeight": 5}, {"pause": {"duration": "1m"}}, {"setWeight": 50}, {"pause": {}})


def test_a_routed_canary() -> None:
    assert plan(rollout(*STEPS, routed=True, replicas=10)) == (
        PlanRow(1, "setWeight: 5", 5, 1, 10, "until the pods are available"),
        PlanRow(2, "pause: 1m", 5, 1, 10, "60 s"),
        PlanRow(3, "setWeight: 50", 50, 5, 10, "until the pods are available"),
        PlanRow(4, "pause", 50, 5, 10, "for a person"),
        PlanRow(5, "full promotion", 100, 10, 0, "until every pod is available"),
    )


def test_a_stable_that_follows_the_traffic() -> None:
    rows = plan(rollout(*STEPS, routed=True, replicas=10, canary={"dynamicStableScale": True, "minPodsPerReplicaSet": 2}))
    assert [(row.canary, row.stable) for row in rows] == [(2, 10), (2, 10), (5, 5), (5, 5), (10, 0)]


def test_a_canary_by_pods() -> None:
    rows = plan(rollout(*STEPS, replicas=10))
    assert [(row.canary, row.stable) for row in rows] == [(1, 10), (1, 10), (5, 5), (5, 5), (10, 0)]


def test_explicit_scales_and_analyses() -> None:
    analysis = {"analysis": {"templates": [{"templateName": "errors"}]}}
    rows = plan(rollout({"setCanaryScale": {"replicas": 3}}, {"setWeight": 10}, analysis, routed=True, replicas=10))
    assert [row.canary for row in rows] == [3, 3, 3, 10]
    assert rows[2].waits == "until the analysis succeeds (errors)"


def test_blue_green() -> None:
    analysis = {"templates": [{"templateName": "errors"}]}
    world = blue_green(autoPromotionEnabled=False, previewReplicaCount=1, postPromotionAnalysis=analysis)
    assert [(row.step, row.weight, row.canary, row.waits) for row in plan(world.rollout)] == [
        ("preview behind web-preview", 0, 1, "until the pods are available"),
        ("pause", 0, 1, "for a person"),
        ("switch web", 100, 3, ""),
        ("analysis after the switch", 100, 3, "until the analysis succeeds (errors)"),
    ]


def test_what_cannot_run_is_refused_in_the_words_of_the_condition() -> None:
    with pytest.raises(InvalidInput, match="SetWeight needs to be between 0 and 100"):
        plan(rollout({"setWeight": 101}))


@pytest.mark.proves("004-01")
@pytest.mark.parametrize("is_routed", [True, False], ids=["routed", "by pods"])
def test_who_meets_the_new_version_at_each_step_is_what_was_planned(is_routed: bool) -> None:
    steps = ({"setWeight": 1}, {"pause": {}}, {"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {}})
    world = deployed((routed if is_routed else plain)(*steps, replicas=10))
    rows = {row.number: row for row in plan(world.rollout)}
    stable = world.status["stableRS"]
    world.set_image("shop/web:v2")
    met: list[tuple[int, int]] = []
    for _ in range(3):
        world.settle()
        row = rows[world.status["currentStepIndex"] + 1]
        sizes = world.replica_sets()
        assert (sizes.pop(stable), sum(sizes.values())) == (row.stable, row.canary)
        if is_routed:
            assert world.weights() == (row.weight, 100 - row.weight)
        met.append((row.weight, row.canary))
        world.patch_status(pauseConditions=None)
    assert met == [(1, 1), (20, 2), (60, 6)]
