"""Steps that are Experiments, over `decide`: what is made, what ends the step, what ends the Experiment, who gets traffic."""

from typing import Any

import pytest

from shipway.api.kinds import EXPERIMENTS
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import copy_obj, labels_of, name_of
from shipway.rollouts import actions
from shipway.rollouts.rollout.names import HASH_LABEL
from tests.unit.rollouts.rollout.sandbox import Sandbox, deployed, plain

TRIAL: Obj = {
    "experiment": {
        "duration": "5m",
        "templates": [
            {"name": "old", "specRef": "stable"},
            {"name": "new", "specRef": "canary", "replicas": 3, "metadata": {"labels": {"trial": "new"}}},
        ],
        "analyses": [
            {
                "name": "errors",
                "templateName": "errors",
                "requiredForCompletion": True,
                "args": [
                    {"name": "old", "valueFrom": {"podTemplateHashValue": "Stable"}},
                    {"name": "new", "value": "{{templates.new.podTemplateHash}}"},
                ],
            }
        ],
    }
}
PAUSE: Obj = {"pause": {}}


def on_trial(*steps: Obj, **more: Any) -> Sandbox:
    """A Rollout whose update has come to the Experiment of its first step."""
    world = deployed(plain(*(steps or (TRIAL, PAUSE)), **more))
    world.set_image("shop/web:v2")
    world.settle()
    return world


def experiments(world: Sandbox) -> dict[str, Obj]:
    return {name_of(one): one for one in world.list(EXPERIMENTS)}


def current(world: Sandbox) -> Obj:
    return experiments(world)[world.status["canary"]["currentExperiment"]]


def report(world: Sandbox, phase: str, message: str = "", **status: Any) -> None:
    world.put(EXPERIMENTS, {**current(world), "status": {"phase": phase, "message": message, **status}})
    world.settle()


@pytest.mark.compat("rollouts:step.experiment")
def test_a_step_makes_one_experiment_of_the_two_versions() -> None:
    world = on_trial()
    (made,) = experiments(world).values()
    new_hash, stable_hash = world.status["currentPodHash"], world.status["stableRS"]
    assert name_of(made) == f"web-{new_hash}-2-0" == world.status["canary"]["currentExperiment"]
    assert labels_of(made)[HASH_LABEL] == new_hash
    assert made["metadata"]["annotations"] == {"rollout.argoproj.io/revision": "2"}
    assert made["metadata"]["ownerReferences"][0]["name"] == "web"
    old, new = made["spec"].pop("templates")
    assert (old["selector"], new["selector"]) == (
        {"matchLabels": {"app": "web"}},
        {"matchLabels": {"app": "web", "trial": "new"}},
    )
    assert new["template"] == {
        "metadata": {"labels": {"app": "web", "trial": "new"}},
        "spec": {"containers": [{"name": "web", "image": "shop/web:v2"}]},
    }
    assert old["template"]["spec"]["containers"][0]["image"] == "shop/web:v1"
    assert ("replicas" in old, new["replicas"], "service" in new) == (False, 3, False)
    args = [{"name": "old", "value": stable_hash}, TRIAL["experiment"]["analyses"][0]["args"][1]]
    analysis = {"name": "errors", "templateName": "errors", "requiredForCompletion": True, "args": args}
    assert made["spec"] == {"progressDeadlineSeconds": 600, "duration": "5m", "analyses": [analysis]}
    assert world.status["currentStepIndex"] == 0
    assert world.reasons.count("ExperimentCreated") == 1


@pytest.mark.compat("rollouts:step.experiment")
@pytest.mark.parametrize(
    ("phase", "step", "rollout_phase", "message"),
    [
        ("Running", 0, "Progressing", ""),
        ("Successful", 1, "Paused", "CanaryPauseStep"),
        ("Failed", 0, "Degraded", "RolloutAborted: Rollout aborted update to revision 2: too many errors"),
        ("Error", 0, "Degraded", "RolloutAborted: Rollout aborted update to revision 2: too many errors"),
        ("Inconclusive", 0, "Paused", "InconclusiveExperiment"),
    ],
)
def test_its_phase_decides_about_the_step(phase: str, step: int, rollout_phase: str, message: str) -> None:
    world = on_trial()
    report(world, phase, "too many errors")
    assert world.status["currentStepIndex"] == step
    assert (world.status["phase"], world.status["message"]) == (rollout_phase, message or world.status["message"])
    assert bool(world.status["canary"].get("currentExperiment")) == (phase in ("Running", "Inconclusive"))
    assert len(experiments(world)) == 1


def test_one_without_a_message_is_named_in_the_abort() -> None:
    world = on_trial()
    name = name_of(current(world))
    report(world, "Failed")
    assert world.status["message"].endswith(f"revision 2: Experiment '{name}' ended as Failed")


@pytest.mark.parametrize("how", ["abort", "promote", "promote_full", "new image", "other steps"])
def test_one_that_is_not_wanted_any_more_is_terminated(how: str) -> None:
    world = on_trial()
    report(world, "Running")
    name = name_of(current(world))
    if how == "new image":
        world.set_image("shop/web:v3")
    elif how == "other steps":
        world.edit(strategy={"canary": {"steps": [PAUSE]}})
    else:
        world.patch_status(**getattr(actions, how)(world.rollout).status)
    world.settle()
    assert experiments(world)[name]["spec"].get("terminate") is True
    assert world.status["canary"].get("currentExperiment", "") != name


def test_a_retry_and_a_resumed_doubt_start_a_new_one() -> None:
    world = on_trial()
    base = name_of(current(world))
    report(world, "Failed")
    world.patch_status(abort=False)
    world.settle()
    assert world.status["canary"]["currentExperiment"] == f"{base}-1"
    report(world, "Inconclusive")
    world.patch_status(pauseConditions=None)
    world.settle()
    assert world.status["canary"]["currentExperiment"] == f"{base}-2"
    report(world, "Inconclusive")
    promoted = actions.promote(world.rollout)
    world.patch_status(**promoted.status)
    world.settle()
    assert world.status["currentStepIndex"] == 1
    assert len(experiments(world)) == 3


def test_an_experiment_made_before_a_crash_is_found_again_though_the_server_has_completed_it() -> None:
    world = on_trial()
    (made,) = experiments(world).values()
    completed = copy_obj(made)
    for template in completed["spec"]["templates"]:
        template["template"]["spec"]["containers"][0]["resources"] = {}
    world.put(EXPERIMENTS, completed)
    world.patch_status(canary={"currentExperiment": None})
    world.settle()
    assert list(experiments(world)) == [name_of(made)] == [world.status["canary"]["currentExperiment"]]


def test_a_missing_template_and_a_field_that_is_not_there_are_said() -> None:
    missing = copy_obj(TRIAL)
    missing["experiment"]["analyses"][0]["templateName"] = "nowhere"
    world = on_trial(missing)
    assert "spec.strategy.canary.steps[0].experiment.analyses[0].templateName" in world.status["message"]
    assert "AnalysisTemplate 'nowhere' not found" in world.status["message"]
    lost = copy_obj(TRIAL)
    lost["experiment"]["analyses"][0]["args"] = [{"name": "x", "valueFrom": {"fieldRef": {"fieldPath": "status.nowhere"}}}]
    world = on_trial(lost)
    assert "the Experiment of step 1 cannot be made: invalid path status.nowhere" in world.status["message"]
