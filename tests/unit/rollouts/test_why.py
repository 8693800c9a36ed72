"""The one sentence, in every state a Rollout can rest in."""

from shipway.api.kinds import ANALYSIS_RUNS, EXPERIMENTS
from shipway.rollouts.why import why
from tests.unit.rollouts.rollout.sandbox import Sandbox, blue_green, deployed, routed

PAUSE: dict = {"pause": {}}
ANALYSIS: dict = {"analysis": {"templates": [{"templateName": "errors"}]}}


def updated(world: Sandbox) -> Sandbox:
    world.set_image("shop/web:v2")
    world.settle()
    return world


def said(world: Sandbox) -> str:
    return why(world.rollout, world.list(ANALYSIS_RUNS), world.now)


def test_healthy() -> None:
    world = deployed(routed(PAUSE))
    assert said(world) == f"web is fully on {world.status['stableRS']}: all 4 pods are available."


def test_waiting_for_a_person() -> None:
    world = updated(deployed(routed({"setWeight": 20}, PAUSE, {"setWeight": 60})))
    assert said(world) == "web waits at step 2 of 3 for somebody to promote it; then comes setWeight: 60."


def test_a_timed_pause() -> None:
    world = updated(deployed(routed({"setWeight": 20}, {"pause": {"duration": "2m"}})))
    world.wait(30)
    assert said(world) == "web pauses at step 2 of 2 for another 90s and then goes on with full promotion."


def test_a_blue_green_update_that_waits() -> None:
    world = updated(deployed(blue_green(autoPromotionEnabled=False)))
    bad = world.status["currentPodHash"]
    assert said(world) == (
        f"web: {bad} stands ready (it can be seen behind web-preview) and waits for somebody to promote it to all traffic."
    )


def test_an_analysis_step() -> None:
    world = updated(deployed(routed({"setWeight": 20}, ANALYSIS, {"setWeight": 60})))
    run = world.status["canary"]["currentStepAnalysisRunStatus"]["name"]
    assert said(world) == f"web waits at step 2 of 3 for analysis run {run}; if it succeeds, setWeight: 60 follows."


def test_an_experiment_step() -> None:
    trial = {"experiment": {"templates": [{"name": "new", "specRef": "canary"}]}}
    world = updated(deployed(routed({"setWeight": 20}, trial, {"setWeight": 60})))
    name = world.status["canary"]["currentExperiment"]
    assert said(world) == f"web waits at step 2 of 3 for Experiment {name}; if it succeeds, setWeight: 60 follows."
    (experiment,) = world.list(EXPERIMENTS)
    world.put(EXPERIMENTS, {**experiment, "status": {"phase": "Inconclusive"}})
    world.settle()
    assert said(world) == (
        f"web waits for a person, because the Experiment {name} could not tell good from bad: promote to go on, or abort."
    )


def test_an_abort_says_why_and_what_to_do() -> None:
    world = updated(deployed(routed({"setWeight": 20}, ANALYSIS)))
    world.finish_run("Failed", "errors was 0.3")
    world.settle()
    bad, good = world.status["currentPodHash"], world.status["stableRS"]
    assert said(world) == (
        f"web threw out {bad} and serves only {good}: Rollout aborted update to revision 2: Step-based analysis phase "
        "error/failed: errors was 0.3. Fix the version and push it, or retry the same one; until then the spec differs "
        "from what runs."
    )


def test_an_invalid_spec() -> None:
    world = deployed(routed(PAUSE))
    world.edit(strategy={"canary": {"steps": [{"setWeight": 400}]}})
    world.settle()
    assert "spec.strategy.steps[0].setWeight" in said(world)
    assert "Correct that field" in said(world)


def test_pods_that_do_not_come() -> None:
    world = deployed(routed({"setWeight": 50}, PAUSE))
    world.set_image("shop/web:v2")
    world.reconcile()
    world.healthy[next(iter(world.replica_sets().keys() - {world.status["stableRS"]}))] = False
    world.settle()
    assert said(world) == "web is at step 1 of 2 (setWeight: 50) and waits: more replicas need to be updated."
