"""A failed validation ends an update wherever it stands."""

import pytest

from shipway.api.kinds import ANALYSIS_RUNS
from shipway.kube.runtime.decision import Patch
from tests.unit.rollouts.rollout.sandbox import deployed, routed

FAILABLE = (
    {"setWeight": 5},
    {"analysis": {"templates": [{"templateName": "errors"}]}},
    {"pause": {"duration": 30}},
    {"setWeight": 50},
    {"setCanaryScale": {"replicas": 3}},
    {"pause": {}},
    {"setCanaryScale": {"matchTrafficWeight": True}},
    {"setWeight": 100},
)


@pytest.mark.parametrize("step", range(len(FAILABLE)))
def test_a_failed_validation_at_any_step_takes_everything_back_and_says_why(step: int) -> None:
    world = deployed(routed(*FAILABLE, canary={"analysis": {"templates": [{"templateName": "errors"}]}}))
    stable = world.status["stableRS"]
    world.set_image("shop/web:v2")
    for _ in range(200):
        if world.status.get("currentStepIndex") == step and world.list(ANALYSIS_RUNS):
            break
        world.reconcile()
        world.reconcile()  # the run that the first pass has named
        world.play_pods()
        if world.status.get("currentStepIndex") == 1 < step:
            world.finish_run("Successful", kind="Step")
        if world.status.get("pauseConditions") and world.status["currentStepIndex"] < step:
            world.patch_status(pauseConditions=None)
    assert world.status["currentStepIndex"] == step
    world.finish_run("Failed", "too many errors")
    world.settle()
    assert world.weights() == (0, 100)
    assert world.points_at("web-stable") == world.points_at("web-canary") == stable
    assert world.replica_sets()[stable] == 4
    assert world.status["message"].startswith("RolloutAborted: Rollout aborted update to revision 2: ")
    assert "too many errors" in world.status["message"]
    assert "RolloutAborted" in world.reasons


def test_an_abort_needs_one_round_trip_until_all_traffic_is_stables() -> None:
    world = deployed(routed({"setWeight": 50}, {"pause": {}}))
    world.set_image("shop/web:v2")
    world.settle()
    world.patch_status(abort=True)
    decision = world.reconcile()
    assert decision is not None
    kinds = {action.resource.kind for action in decision.batches[0].actions if isinstance(action, Patch)}
    assert kinds == {"Service", "HTTPRoute"}
    assert world.weights() == (0, 100)
