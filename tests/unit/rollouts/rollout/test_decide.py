"""Whole canaries over `decide`: each test tells a story and looks at the world, never at calls."""

import pytest

from shipway.kube.objects.resource import Ref
from shipway.rollouts.rollout.names import HASH_LABEL
from tests.unit.rollouts.rollout.sandbox import Sandbox, deployed, plain, routed

PAUSE: dict = {"pause": {}}


def weight(value: int) -> dict:
    return {"setWeight": value}


def updated(sandbox: Sandbox, image: str = "shop/web:v2") -> Sandbox:
    """An update begun and walked until it waits."""
    sandbox.set_image(image)
    sandbox.settle()
    return sandbox


def test_the_first_deploy_runs_no_steps() -> None:
    world = plain(weight(5), PAUSE)
    world.settle()
    assert world.status["phase"] == "Healthy"
    assert world.status["currentStepIndex"] == 2
    assert list(world.replica_sets().values()) == [4]
    assert world.status["stableRS"] == world.status["currentPodHash"] != ""
    assert world.reasons == [
        "RolloutAddedToInformer",
        "RolloutUpdated",
        "NewReplicaSetCreated",
        "RolloutNotCompleted",
        "ScalingReplicaSet",
        "RolloutCompleted",
    ]


@pytest.mark.proves("000-34", "004-03")
@pytest.mark.compat(
    "rollouts:phase",
    "rollouts:canary.services",
    "rollouts:step.setWeight",
    "rollouts:step.pause",
    "rollouts:canary.scaleDownDelaySeconds",
)
def test_a_canary_walks_its_steps_and_is_promoted() -> None:
    world = deployed(routed(weight(5), PAUSE, weight(30), {"pause": {"duration": "10s"}}, weight(100)))
    v1 = world.status["stableRS"]
    updated(world)
    v2 = world.status["currentPodHash"]
    assert (world.status["phase"], world.status["message"]) == ("Paused", "CanaryPauseStep")
    assert world.weights() == (5, 95)
    assert world.replica_sets() == {v1: 4, v2: 1}
    assert (world.points_at("web-stable"), world.points_at("web-canary")) == (v1, v2)
    world.patch_status(pauseConditions=None)
    world.settle()
    assert world.weights() == (30, 70)
    assert world.replica_sets() == {v1: 4, v2: 2}
    world.wait(10)
    world.settle()
    assert world.status["phase"] == "Healthy"
    assert world.status["stableRS"] == v2
    assert world.weights() == (0, 100)
    assert (world.points_at("web-stable"), world.points_at("web-canary")) == (v2, v2)
    assert world.replica_sets() == {v1: 4, v2: 4}
    world.wait(31)
    world.settle()
    assert world.replica_sets() == {v1: 0, v2: 4}
    assert world.status["canary"]["weights"]["stable"] == {
        "weight": 100,
        "serviceName": "web-stable",
        "podTemplateHash": v2,
    }


@pytest.mark.compat("rollouts:canary.analysis")
def test_a_failed_background_analysis_takes_all_traffic_back_in_one_pass() -> None:
    world = deployed(routed(weight(50), PAUSE, canary={"analysis": {"templates": [{"templateName": "errors"}]}}))
    v1 = world.status["stableRS"]
    updated(world)
    assert world.weights() == (50, 50)
    world.finish_run("Failed", 'Metric "errors" assessed Failed due to failed (1) > failureLimit (0)')
    world.reconcile()
    assert world.weights() == (0, 100)
    assert world.points_at("web-canary") == v1
    assert world.status["abort"] is True
    world.settle()
    assert world.status["phase"] == "Degraded"
    assert world.status["message"] == (
        "RolloutAborted: Rollout aborted update to revision 2: Background analysis phase error/failed: "
        'Metric "errors" assessed Failed due to failed (1) > failureLimit (0)'
    )
    assert world.status["currentStepIndex"] == 0
    v2 = world.status["currentPodHash"]
    assert world.replica_sets() == {v1: 4, v2: 2}
    world.wait(31)
    world.settle()
    assert world.replica_sets() == {v1: 4, v2: 0}
    before = world.writes
    world.settle()
    assert world.writes == before


@pytest.mark.compat("rollouts:events")
def test_the_events_of_an_update_come_in_order() -> None:
    world = deployed(plain(weight(50), {"pause": {"duration": 3}}, replicas=1, canary={"maxSurge": 1, "maxUnavailable": 0}))
    updated(world)
    assert world.reasons == [
        "RolloutUpdated",
        "NewReplicaSetCreated",
        "RolloutNotCompleted",
        "ScalingReplicaSet",
        "RolloutStepCompleted",
        "RolloutPaused",
    ]
    messages = [note.message for note in world.events]
    v2 = world.status["currentPodHash"]
    assert messages[0] == "Rollout updated to revision 2"
    assert messages[2] == f"Rollout not completed, started update to revision 2 ({v2})"
    assert messages[3] == f"Scaled up ReplicaSet web-{v2} (revision 2) from 0 to 1"
    assert messages[4] == "Rollout step 1/2 completed (setWeight: 50)"
    assert messages[5] == "Rollout is paused (CanaryPauseStep)"


@pytest.mark.compat("rollouts:events")
def test_the_events_of_abort_retry_and_promotion_are_those_of_argo_rollouts() -> None:
    """The list that Argo Rollouts' own end-to-end test expects (1.9.1, TestRolloutAbortRetryPromote)."""
    limits = {"maxSurge": 1, "maxUnavailable": 0}
    world = plain(weight(50), {"pause": {"duration": "3s"}}, replicas=1, canary=limits)
    world.settle()
    updated(world)
    world.patch_status(abort=True)
    world.settle()
    assert list(world.replica_sets().values()) == [1, 0]
    world.patch_status(abort=False)
    world.settle()
    world.wait(3)
    world.settle()
    assert world.reasons == [
        "RolloutAddedToInformer",
        "RolloutUpdated",
        "NewReplicaSetCreated",
        "RolloutNotCompleted",
        "ScalingReplicaSet",
        "RolloutCompleted",
        "RolloutUpdated",
        "NewReplicaSetCreated",
        "RolloutNotCompleted",
        "ScalingReplicaSet",
        "RolloutStepCompleted",
        "RolloutPaused",
        "ScalingReplicaSet",
        "RolloutAborted",
        "ScalingReplicaSet",
        "RolloutStepCompleted",
        "RolloutPaused",
        "RolloutStepCompleted",
        "RolloutResumed",
        "ScalingReplicaSet",
        "RolloutCompleted",
    ]
    assert world.events[-1].message == (
        f"Rollout completed update to revision 2 ({world.status['stableRS']}): Completed all 2 canary steps"
    )


def test_a_client_abort_between_actions_and_status_wins() -> None:
    world = deployed(routed(weight(20), PAUSE))
    world.set_image("shop/web:v2")
    for _ in range(3):
        world.reconcile()
        world.play_pods()
    world.reconcile(before_write=lambda: world.patch_status(abort=True))
    assert world.status["abort"] is True
    world.settle()
    assert world.weights() == (0, 100)
    assert world.status["phase"] == "Degraded"


@pytest.mark.compat("rollouts:client.abort")
def test_retry_starts_over() -> None:
    world = deployed(routed(weight(20), PAUSE))
    updated(world)
    world.patch_status(abort=True)
    world.settle()
    world.patch_status(abort=False)
    world.settle()
    assert world.weights() == (20, 80)
    assert (world.status["phase"], world.status["currentStepIndex"]) == ("Paused", 1)
    assert world.status.get("abortedAt") is None


def test_retry_judges_anew_even_while_the_aborted_pods_still_run() -> None:
    world = deployed(routed(weight(20), PAUSE, canary={"analysis": {"templates": [{"templateName": "errors"}]}}))
    updated(world)
    world.finish_run("Failed")
    world.settle()
    assert world.status["phase"] == "Degraded"
    first = world.status["canary"]["currentBackgroundAnalysisRunStatus"]["name"]
    world.patch_status(abort=False)
    world.settle()
    assert (world.status["phase"], world.weights()) == ("Paused", (20, 80))
    assert world.status["canary"]["currentBackgroundAnalysisRunStatus"]["name"] == f"{first}.1"


@pytest.mark.compat("rollouts:client.promote")
def test_promote_full_skips_what_is_left() -> None:
    world = deployed(routed(weight(20), PAUSE, weight(40), PAUSE))
    updated(world)
    world.patch_status(promoteFull=True)
    world.settle()
    assert world.status["phase"] == "Healthy"
    assert world.weights() == (0, 100)
    assert world.events[-1].reason == "RolloutCompleted" or "RolloutCompleted" in world.reasons
    assert "Full promotion requested" in " ".join(note.message for note in world.events)


@pytest.mark.compat("rollouts:client.promote")
def test_a_step_index_patch_moves_on() -> None:
    world = deployed(routed(weight(20), PAUSE, weight(40), PAUSE))
    updated(world)
    world.patch_status(currentStepIndex=2, pauseConditions=None, controllerPause=False)
    world.settle()
    assert world.weights() == (40, 60)
    assert world.status["currentStepIndex"] == 3


@pytest.mark.compat("rollouts:reset")
def test_going_back_to_stable_in_the_middle_skips_the_steps() -> None:
    world = deployed(routed(weight(20), PAUSE))
    v1 = world.status["stableRS"]
    updated(world)
    updated(world, "shop/web:v1")
    assert world.status["phase"] == "Healthy"
    assert world.status["stableRS"] == v1
    assert world.weights() == (0, 100)
    assert "SkipSteps" in world.reasons


def test_changing_ones_mind_drops_the_version_in_between() -> None:
    world = deployed(routed(weight(20), PAUSE))
    v1 = world.status["stableRS"]
    updated(world)
    v2 = world.status["currentPodHash"]
    updated(world, "shop/web:v3")
    v3 = world.status["currentPodHash"]
    assert world.weights() == (20, 80)
    assert world.points_at("web-canary") == v3
    assert world.replica_sets() == {v1: 4, v2: 0, v3: 1}


@pytest.mark.compat("rollouts:step.analysis")
def test_inline_analysis_gates_the_step() -> None:
    analysis = {"analysis": {"templates": [{"templateName": "errors"}]}}
    world = deployed(routed(weight(20), analysis, weight(60), PAUSE))
    updated(world)
    assert world.weights() == (20, 80)
    run = world.status["canary"]["currentStepAnalysisRunStatus"]
    assert run["name"] == f"web-{world.status['currentPodHash']}-2-1"
    world.finish_run("Successful")
    world.settle()
    assert world.weights() == (60, 40)
    assert "currentStepAnalysisRunStatus" not in world.status["canary"]


def test_an_inconclusive_analysis_waits_for_a_person_and_is_asked_again() -> None:
    analysis = {"analysis": {"templates": [{"templateName": "errors"}]}}
    world = deployed(routed(weight(20), analysis, weight(60), PAUSE))
    updated(world)
    world.finish_run("Inconclusive")
    world.settle()
    assert (world.status["phase"], world.status["message"]) == ("Paused", "InconclusiveAnalysisRun")
    world.patch_status(pauseConditions=None)
    world.settle()
    assert world.status["canary"]["currentStepAnalysisRunStatus"]["name"].endswith("-1.1")
    world.finish_run("Successful")
    world.settle()
    assert world.weights() == (60, 40)


def test_a_lower_weight_is_written_before_pods_go() -> None:
    world = deployed(routed(weight(50), PAUSE, weight(0), PAUSE))
    updated(world)
    v2 = world.status["currentPodHash"]
    seen: list[tuple[int, int]] = []
    world.on_write = lambda there: seen.append((there.weights()[0], there.replica_sets()[v2]))
    world.patch_status(pauseConditions=None)
    world.settle()
    assert seen[-1] == (0, 0)
    assert (50, 0) not in seen


def test_an_abort_does_not_leave_the_only_pods_that_answer() -> None:
    world = deployed(routed(weight(50), PAUSE))
    updated(world)
    v1, v2 = world.status["stableRS"], world.status["currentPodHash"]
    world.report(world.objs[Ref("apps", "ReplicaSet", "shop", f"web-{v1}")], 4, 0)
    world.patch_status(abort=True)
    world.reconcile()
    assert (world.weights(), world.points_at("web-canary")) == ((50, 50), v2)
    world.report(world.objs[Ref("apps", "ReplicaSet", "shop", f"web-{v1}")], 4, 1)
    world.reconcile()
    assert (world.weights(), world.points_at("web-canary")) == ((0, 100), v1)


def test_a_canary_without_pods_gets_no_traffic() -> None:
    world = deployed(routed(weight(50), PAUSE))
    world.set_image("shop/web:v2")
    world.reconcile()
    world.healthy[next(iter(world.replica_sets().keys() - {world.status["stableRS"]}))] = False
    world.settle()
    assert world.weights() == (0, 100)
    assert world.status["phase"] == "Progressing"
    world.wait(601)
    world.settle()
    assert world.status["phase"] == "Degraded"
    assert "ProgressDeadlineExceeded" in world.status["message"]


@pytest.mark.compat("rollouts:spec.progressDeadlineAbort")
def test_a_missed_deadline_can_abort() -> None:
    world = deployed(routed(weight(50), PAUSE, progressDeadlineAbort=True))
    world.set_image("shop/web:v2")
    world.reconcile()
    world.healthy[next(iter(world.replica_sets().keys() - {world.status["stableRS"]}))] = False
    world.settle()
    world.wait(601)
    world.settle()
    assert world.status["abort"] is True
    assert world.status["message"].startswith("RolloutAborted: Rollout aborted update to revision 2: ReplicaSet ")
    assert world.status["message"].endswith(" has timed out progressing.")
    assert world.weights() == (0, 100)


def test_scaling_is_followed_in_the_middle_of_a_pause() -> None:
    world = deployed(routed(weight(50), PAUSE))
    v1 = world.status["stableRS"]
    updated(world)
    v2 = world.status["currentPodHash"]
    world.edit(replicas=8)
    world.settle()
    assert world.replica_sets() == {v1: 8, v2: 4}
    assert world.weights() == (50, 50)
    assert world.status["currentStepIndex"] == 1


@pytest.mark.compat("rollouts:spec.paused")
def test_a_user_pause_stops_the_canary() -> None:
    world = deployed(routed(weight(50), PAUSE))
    world.edit(paused=True)
    updated(world)
    assert world.status["phase"] == "Paused"
    assert world.weights() == (0, 100)
    assert world.status["message"] == "manually paused"
    world.edit(paused=False)
    world.settle()
    assert world.weights() == (50, 50)


@pytest.mark.proves("004-07")
@pytest.mark.compat("rollouts:step.setCanaryScale")
def test_set_canary_scale_holds_until_it_is_taken_back() -> None:
    scale = {"setCanaryScale": {"replicas": 3}}
    match = {"setCanaryScale": {"matchTrafficWeight": True}}
    world = deployed(routed(scale, weight(25), PAUSE, match, PAUSE))
    v1 = world.status["stableRS"]
    updated(world)
    v2 = world.status["currentPodHash"]
    assert world.replica_sets() == {v1: 4, v2: 3}
    assert world.weights() == (25, 75)
    world.patch_status(pauseConditions=None)
    world.settle()
    assert world.replica_sets() == {v1: 4, v2: 1}


@pytest.mark.proves("004-08")
@pytest.mark.compat("rollouts:step.setHeaderRoute")
def test_a_header_route_leads_to_the_canary_before_any_weight() -> None:
    match = [{"headerName": "x-canary", "headerValue": {"exact": "yes"}}]
    routing = {"trafficRouting": {"managedRoutes": [{"name": "by-header"}]}}
    steps = (
        {"setCanaryScale": {"replicas": 1}},
        {"setHeaderRoute": {"name": "by-header", "match": match}},
        PAUSE,
        weight(50),
        PAUSE,
    )
    world = deployed(routed(*steps, canary=routing))
    updated(world)
    rules = world.objs[Ref("gateway.networking.k8s.io", "HTTPRoute", "shop", "web")]["spec"]["rules"]
    assert [rule.get("name") for rule in rules] == [None, "by-header"]
    assert rules[1]["matches"] == [{"headers": [{"type": "Exact", "name": "x-canary", "value": "yes"}]}]
    assert rules[1]["backendRefs"] == [{"name": "web-canary", "port": 80, "weight": 1}]
    assert world.weights() == (0, 100)
    world.patch_status(pauseConditions=None)
    world.settle()
    assert world.weights() == (50, 50)
    assert world.objs[Ref("gateway.networking.k8s.io", "HTTPRoute", "shop", "web")]["spec"]["rules"][1] == rules[1]
    world.patch_status(abort=True)
    world.settle()
    assert len(world.objs[Ref("gateway.networking.k8s.io", "HTTPRoute", "shop", "web")]["spec"]["rules"]) == 1


@pytest.mark.compat("rollouts:spec.restartAt")
def test_pods_are_restarted_a_few_at_a_time() -> None:
    world = deployed(plain(weight(50), replicas=4))
    world.grow_pods()
    world.wait(60)
    world.edit(restartAt="2026-11-21T08:00:30Z")
    world.reconcile()
    assert len([key for key in world.objs if key.kind == "Pod"]) == 3
    assert world.status["message"] == "rollout is restarting"
    for _ in range(4):
        world.grow_pods()
        world.reconcile()
    assert world.status["restartedAt"] == "2026-11-21T08:00:30Z"
    assert world.status["phase"] == "Healthy"


@pytest.mark.compat("rollouts:canary.replicaProgressThreshold")
def test_a_step_may_be_content_with_part_of_its_pods() -> None:
    threshold = {"replicaProgressThreshold": {"type": "Percent", "value": 50}}
    world = deployed(routed(weight(100), PAUSE, canary=threshold))
    world.set_image("shop/web:v2")
    world.settle()
    v2 = world.status["currentPodHash"]
    assert world.weights() == (100, 0)
    world.set_image("shop/web:v3")
    world.reconcile()
    (v3,) = world.replica_sets().keys() - {world.status["stableRS"], v2}
    world.healthy[v3] = False
    world.settle()
    rs = world.objs[Ref("apps", "ReplicaSet", "shop", f"web-{v3}")]
    world.report(rs, 4, 1)
    world.reconcile()
    assert world.weights() == (0, 100)
    world.report(world.objs[Ref("apps", "ReplicaSet", "shop", f"web-{v3}")], 4, 2)
    for _ in range(3):
        world.reconcile()
    assert world.weights() == (100, 0)


@pytest.mark.compat("rollouts:invalid-spec")
def test_an_invalid_spec_says_so_and_touches_nothing() -> None:
    world = deployed(routed(weight(20), PAUSE))
    world.edit(strategy={"canary": {"steps": [{"setWeight": 120}]}})
    world.settle()
    assert world.status["phase"] == "Degraded"
    assert world.status["message"] == (
        'InvalidSpec: The Rollout "web" is invalid: spec.strategy.steps[0].setWeight: Invalid value: 120: '
        "SetWeight needs to be between 0 and 100"
    )
    world.edit(strategy={"canary": {"steps": [{"setWeight": 20}, {"pause": {}}]}})
    world.settle()
    assert world.status["phase"] == "Healthy"
    assert all(condition["type"] != "InvalidSpec" for condition in world.status["conditions"])


@pytest.mark.compat("rollouts:invalid-spec")
def test_a_missing_service_is_named_and_its_arrival_mends_it() -> None:
    world = routed(weight(20))
    gone = world.objs.pop(Ref("", "Service", "shop", "web-canary"))
    world.settle()
    assert world.status["message"].endswith(
        'spec.strategy.canary.canaryService: Invalid value: "web-canary": service "web-canary" not found'
    )
    world.objs[Ref("", "Service", "shop", "web-canary")] = gone
    world.settle()
    assert world.status["phase"] == "Healthy"


@pytest.mark.compat("rollouts:template-hash")
def test_a_replica_set_of_another_hash_with_the_same_template_is_taken_over() -> None:
    world = deployed(plain(weight(50), PAUSE))
    (key,) = [key for key in world.objs if key.kind == "ReplicaSet"]
    rs = world.objs.pop(key)
    rs["metadata"]["name"] = "web-oldhash"
    for labels in (rs["metadata"]["labels"], rs["spec"]["template"]["metadata"]["labels"]):
        labels[HASH_LABEL] = "oldhash"
    rs["spec"]["template"]["spec"] |= {
        "restartPolicy": "Always",
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
    }
    rs["spec"]["template"]["spec"]["containers"][0] |= {"imagePullPolicy": "IfNotPresent", "resources": {}}
    world.objs[Ref("apps", "ReplicaSet", "shop", "web-oldhash")] = rs
    world.patch_status(stableRS="oldhash", currentPodHash="oldhash")
    world.settle()
    assert world.replica_sets() == {"oldhash": 4}
    assert world.status["phase"] == "Healthy"
