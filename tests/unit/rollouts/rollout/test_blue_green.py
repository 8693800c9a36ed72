"""Blue-green updates as stories: what the services select, how many pods there are, what the status says."""

import pytest

from shipway.kube.objects.resource import Obj
from tests.unit.rollouts.rollout.sandbox import Sandbox, blue_green, deployed

ANALYSIS: Obj = {"templates": [{"templateName": "errors"}]}


def updated(world: Sandbox, image: str = "shop/web:v2") -> tuple[str, str]:
    """(old, new) hash after an update has been walked until it waits."""
    old = world.status["stableRS"]
    world.set_image(image)
    world.settle()
    return old, world.status["currentPodHash"]


@pytest.mark.compat("rollouts:events", "rollouts:blueGreen.services")
def test_the_events_of_an_update_are_those_of_argo_rollouts() -> None:
    """As Argo Rollouts' own end-to-end test lists them (1.9.1, functional_test.go)."""
    world = blue_green(preview=False)
    world.settle()
    assert world.status["phase"] == "Healthy"
    _, new = updated(world)
    assert world.reasons == [
        "RolloutAddedToInformer",
        "RolloutUpdated",
        "NewReplicaSetCreated",
        "ScalingReplicaSet",
        "RolloutCompleted",
        "SwitchService",
        "RolloutUpdated",
        "NewReplicaSetCreated",
        "RolloutNotCompleted",
        "ScalingReplicaSet",
        "SwitchService",
        "RolloutCompleted",
    ]
    assert world.events[-1].message == f"Rollout completed update to revision 2 ({new}): Completed blue-green update"


@pytest.mark.compat("rollouts:blueGreen.scaleDownDelaySeconds")
def test_the_old_version_stays_for_a_while_after_the_switch() -> None:
    world = deployed(blue_green())
    old, new = updated(world)
    assert (world.points_at("web"), world.points_at("web-preview")) == (new, new)
    assert world.replica_sets() == {old: 3, new: 3}
    assert world.status["phase"] == "Healthy"
    assert world.status["HPAReplicas"] == 3
    world.wait(31)
    world.settle()
    assert world.replica_sets() == {old: 0, new: 3}


@pytest.mark.compat("rollouts:blueGreen.autoPromotionEnabled")
def test_without_auto_promotion_a_person_switches() -> None:
    world = deployed(blue_green(autoPromotionEnabled=False))
    old, new = updated(world)
    assert (world.status["phase"], world.status["message"]) == ("Paused", "BlueGreenPause")
    assert (world.points_at("web"), world.points_at("web-preview")) == (old, new)
    world.patch_status(pauseConditions=None)
    world.settle()
    assert world.points_at("web") == new
    assert world.status["phase"] == "Healthy"


@pytest.mark.compat("rollouts:blueGreen.autoPromotionSeconds")
def test_auto_promotion_after_seconds() -> None:
    world = deployed(blue_green(autoPromotionSeconds=20))
    old, new = updated(world)
    assert (world.status["phase"], world.points_at("web")) == ("Paused", old)
    world.wait(20)
    world.settle()
    assert (world.status["phase"], world.points_at("web")) == ("Healthy", new)


@pytest.mark.compat("rollouts:blueGreen.previewReplicaCount")
def test_the_preview_may_be_small_until_it_is_resumed() -> None:
    world = deployed(blue_green(autoPromotionEnabled=False, previewReplicaCount=1))
    old, new = updated(world)
    assert world.replica_sets() == {old: 3, new: 1}
    world.patch_status(pauseConditions=None)
    world.settle()
    assert world.replica_sets() == {old: 3, new: 3}
    assert world.points_at("web") == new


def test_a_version_whose_pods_do_not_come_is_never_switched_to() -> None:
    world = deployed(blue_green())
    world.set_image("shop/web:v2")
    world.reconcile()
    (new,) = world.replica_sets().keys() - {world.status["stableRS"]}
    world.healthy[new] = False
    world.settle()
    assert world.points_at("web") == world.status["stableRS"] != new
    world.wait(601)
    world.settle()
    assert "ProgressDeadlineExceeded" in world.status["message"]


@pytest.mark.compat("rollouts:blueGreen.prePromotionAnalysis")
def test_pre_promotion_analysis_gates_the_switch() -> None:
    world = deployed(blue_green(prePromotionAnalysis=ANALYSIS))
    old, new = updated(world)
    assert world.points_at("web") == old
    run = world.status["blueGreen"]["prePromotionAnalysisRunStatus"]["name"]
    assert run == f"web-{new}-2-pre"
    world.finish_run("Successful")
    world.settle()
    assert world.points_at("web") == new
    assert world.status["phase"] == "Healthy"


def test_a_failed_pre_promotion_analysis_aborts_before_anybody_is_served() -> None:
    world = deployed(blue_green(prePromotionAnalysis=ANALYSIS))
    old, new = updated(world)
    world.finish_run("Failed", "no")
    world.settle()
    assert world.points_at("web") == old
    assert world.status["message"] == (
        "RolloutAborted: Rollout aborted update to revision 2: Blue/green pre-promotion analysis phase error/failed: no"
    )
    world.wait(31)
    world.settle()
    assert world.replica_sets() == {old: 3, new: 0}


@pytest.mark.compat("rollouts:blueGreen.postPromotionAnalysis")
def test_a_failed_post_promotion_analysis_switches_back_in_one_pass() -> None:
    world = deployed(blue_green(postPromotionAnalysis=ANALYSIS))
    old, new = updated(world)
    assert world.points_at("web") == new
    assert (world.status["phase"], world.status["stableRS"]) == ("Progressing", old)
    assert world.status["message"] == "waiting for analysis to complete"
    world.finish_run("Failed", "no")
    world.reconcile()
    assert world.points_at("web") == old
    world.settle()
    assert world.status["phase"] == "Degraded"
    assert world.replica_sets()[old] == 3


def test_the_old_version_waits_for_the_post_promotion_analysis() -> None:
    world = deployed(blue_green(postPromotionAnalysis=ANALYSIS))
    old, new = updated(world)
    world.wait(300)
    world.settle()
    assert world.replica_sets() == {old: 3, new: 3}
    world.finish_run("Successful")
    world.settle()
    assert world.status["stableRS"] == new
    world.wait(31)
    world.settle()
    assert world.replica_sets() == {old: 0, new: 3}


@pytest.mark.compat("rollouts:blueGreen.scaleDownDelaySeconds")
def test_going_back_while_the_old_pods_are_there_is_immediate() -> None:
    world = deployed(blue_green(autoPromotionEnabled=False))
    old, new = updated(world)
    world.patch_status(pauseConditions=None)
    world.settle()
    assert world.points_at("web") == new
    world.set_image("shop/web:v1")
    world.settle()
    assert world.points_at("web") == old
    assert world.status["phase"] == "Healthy"
    assert world.status["stableRS"] == old


def test_scaling_reaches_both_versions() -> None:
    world = deployed(blue_green(autoPromotionEnabled=False))
    old, new = updated(world)
    world.edit(replicas=5)
    world.settle()
    assert world.replica_sets() == {old: 5, new: 5}
    assert world.points_at("web") == old


def test_promote_full_skips_pause_and_analysis() -> None:
    world = deployed(blue_green(autoPromotionEnabled=False, prePromotionAnalysis=ANALYSIS))
    _, new = updated(world)
    world.patch_status(promoteFull=True)
    world.settle()
    assert world.points_at("web") == new
    assert world.status["phase"] == "Healthy"


@pytest.mark.compat("rollouts:blueGreen.abort")
def test_abort_and_retry() -> None:
    world = deployed(blue_green(autoPromotionEnabled=False))
    old, new = updated(world)
    world.patch_status(abort=True)
    world.settle()
    assert (world.status["phase"], world.points_at("web")) == ("Degraded", old)
    world.patch_status(abort=False)
    world.settle()
    assert (world.status["phase"], world.status["message"]) == ("Paused", "BlueGreenPause")
    assert world.replica_sets() == {old: 3, new: 3}


def test_a_finished_update_is_left_alone() -> None:
    world = deployed(blue_green())
    updated(world)
    world.wait(3600)
    world.settle()
    before = world.writes
    for _ in range(3):
        world.wait(3600)
        world.settle()
    assert world.writes == before
