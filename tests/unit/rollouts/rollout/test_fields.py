"""Fields of a Rollout whose effect is small and exact."""

import pytest

from shipway.api.kinds import ANALYSIS_RUNS, CLUSTER_ANALYSIS_TEMPLATES, PODS, REPLICA_SETS, ROLLOUTS
from shipway.kube.objects.resource import Ref
from shipway.kube.objects.views import annotations_of, dig, labels_of
from shipway.kube.runtime.controller import ObjectKey
from shipway.rollouts.analysis.controller import AnalysisRunController
from shipway.rollouts.rollout.controller import RolloutController
from shipway.rollouts.rollout.names import HASH_LABEL
from shipway.rollouts.settings import RolloutSettings
from tests.unit.rollouts.rollout.sandbox import Sandbox, blue_green, deployed, plain, routed, template

PAUSE = {"pause": {}}


def updated(world: Sandbox, image: str = "shop/web:v2") -> Sandbox:
    world.set_image(image)
    world.settle()
    return world


def promoted(world: Sandbox, *images: str) -> Sandbox:
    for image in images:
        updated(world, image)
        world.patch_status(promoteFull=True)
        world.settle()
        world.wait(40)
        world.settle()
    return world


@pytest.mark.compat("rollouts:spec.rollbackWindow")
@pytest.mark.parametrize(("revisions", "skips"), [(1, False), (2, True), (None, False)])
def test_a_rollback_inside_the_window_skips_steps_and_analyses(revisions: int | None, skips: bool) -> None:
    """v1, v2, v3 were stable; between v1 and v3 stands one revision, which is fewer than two."""
    window = {"rollbackWindow": {"revisions": revisions}} if revisions else {}
    world = deployed(routed({"setWeight": 20}, PAUSE, **window))
    world.wait(60)
    promoted(world, "shop/web:v2", "shop/web:v3")
    world.events.clear()
    updated(world, "shop/web:v1")
    assert (world.status["phase"] == "Healthy") is skips
    assert any("Rollback within window" in note.message for note in world.events) is skips
    assert ("RolloutStepCompleted" not in world.reasons) is skips
    assert world.weights() == ((0, 100) if skips else (20, 80))


@pytest.mark.compat("rollouts:spec.analysis.successfulRunHistoryLimit", "rollouts:spec.analysis.unsuccessfulRunHistoryLimit")
def test_old_runs_go_by_their_verdict() -> None:
    analysis = {"analysis": {"templates": [{"templateName": "errors"}]}}
    limits = {"successfulRunHistoryLimit": 1, "unsuccessfulRunHistoryLimit": 2}
    world = deployed(routed(analysis, PAUSE, analysis=limits))
    updated(world)
    for phase in ("Successful", "Failed", "Failed", "Failed"):
        world.finish_run(phase)
        world.settle()
        world.patch_status(abort=True)
        world.settle()
        world.patch_status(abort=False)
        world.settle()
    world.finish_run("Successful")
    world.settle()
    phases = [dig(run, "status", "phase") for run in world.list(ANALYSIS_RUNS)]
    assert sorted(phases) == ["Failed", "Failed", "Successful"]


@pytest.mark.compat("rollouts:analysisRunMetadata")
def test_runs_wear_what_the_analysis_says() -> None:
    wear = {"labels": {"team": "shop"}, "annotations": {"why": "canary"}}
    analysis = {"analysis": {"templates": [{"templateName": "errors"}], "analysisRunMetadata": wear}}
    world = updated(deployed(routed(analysis)))
    (run,) = world.list(ANALYSIS_RUNS)
    assert labels_of(run)["team"] == "shop"
    assert annotations_of(run)["why"] == "canary"
    assert labels_of(run)["rollout-type"] == "Step"


@pytest.mark.compat("rollouts:templates.clusterScope")
def test_a_template_of_the_cluster() -> None:
    analysis = {"analysis": {"templates": [{"templateName": "slo", "clusterScope": True}]}}
    world = routed(analysis)
    shared = template("slo", "latency", "errors")
    del shared["metadata"]["namespace"]
    world.put(CLUSTER_ANALYSIS_TEMPLATES, shared)
    updated(deployed(world))
    (run,) = world.list(ANALYSIS_RUNS)
    assert [metric["name"] for metric in run["spec"]["metrics"]] == ["latency", "errors"]


def test_a_template_of_the_cluster_that_is_not_there_is_named() -> None:
    analysis = {"analysis": {"templates": [{"templateName": "slo", "clusterScope": True}]}}
    world = routed(analysis)
    world.settle()
    assert "ClusterAnalysisTemplate 'slo' not found" in world.status["message"]


@pytest.mark.compat("rollouts:blueGreen.activeMetadata", "rollouts:blueGreen.previewMetadata")
def test_blue_green_pods_wear_their_role_and_change_it_in_place() -> None:
    active, preview = {"labels": {"role": "active"}}, {"labels": {"role": "preview"}}
    world = deployed(blue_green(autoPromotionEnabled=False, activeMetadata=active, previewMetadata=preview))
    world.grow_pods()
    updated(world)
    world.grow_pods()
    world.settle()
    v2 = world.status["currentPodHash"]

    def worn() -> set[tuple[bool, str]]:
        return {(labels_of(pod)[HASH_LABEL] == v2, labels_of(pod).get("role", "")) for pod in world.list(PODS)}

    assert worn() == {(False, "active"), (True, "preview")}
    world.patch_status(pauseConditions=None)
    world.settle()
    assert (True, "active") in worn()
    assert (True, "preview") not in worn()
    assert len(world.replica_sets()) == 2, "metadata made a new revision"


@pytest.mark.compat("rollouts:spec.scaleDownDelayRevisionLimit")
def test_only_so_many_old_versions_outlive_their_traffic() -> None:
    world = deployed(blue_green(scaleDownDelaySeconds=600, scaleDownDelayRevisionLimit=1))
    v1 = world.status["stableRS"]
    for image in ("shop/web:v2", "shop/web:v3"):
        updated(world, image)
    v3 = world.status["stableRS"]
    sizes = world.replica_sets()
    assert sizes[v1] == 0
    assert sizes[v3] == 3
    assert sorted(sizes.values()) == [0, 3, 3]


@pytest.mark.compat("rollouts:antiAffinity.preferredDuringSchedulingIgnoredDuringExecution")
def test_new_pods_would_rather_keep_away_from_stable_ones() -> None:
    wish = {"antiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": {"weight": 7}}}
    world = updated(deployed(plain({"setWeight": 50}, PAUSE, canary=wish)))
    v1, v2 = world.status["stableRS"], world.status["currentPodHash"]
    (new,) = [rs for rs in world.list(REPLICA_SETS) if labels_of(rs)[HASH_LABEL] == v2]
    (term,) = dig(
        new, "spec", "template", "spec", "affinity", "podAntiAffinity", "preferredDuringSchedulingIgnoredDuringExecution"
    )
    assert term["weight"] == 7
    assert term["podAffinityTerm"]["topologyKey"] == "kubernetes.io/hostname"
    assert v1 in str(term["podAffinityTerm"]["labelSelector"])


@pytest.mark.compat("rollouts:spec.minReadySeconds")
def test_min_ready_seconds_reach_the_replica_set() -> None:
    world = deployed(plain(minReadySeconds=5))
    (rs,) = world.list(REPLICA_SETS)
    assert rs["spec"]["minReadySeconds"] == 5
    world.edit(minReadySeconds=9)
    world.settle()
    (rs,) = world.list(REPLICA_SETS)
    assert rs["spec"]["minReadySeconds"] == 9


@pytest.mark.compat("rollouts:canary.abortScaleDownDelaySeconds")
@pytest.mark.parametrize(("delay", "waits", "left"), [(None, 31, 0), (5, 6, 0), (0, 4000, 1)])
def test_how_long_a_version_outlives_its_abort(delay: int | None, waits: int, left: int) -> None:
    strategy = {} if delay is None else {"abortScaleDownDelaySeconds": delay}
    world = updated(deployed(routed({"setWeight": 20}, PAUSE, canary=strategy)))
    v2 = world.status["currentPodHash"]
    world.patch_status(abort=True)
    world.settle()
    assert world.replica_sets()[v2] == 1
    assert world.weights() == (0, 100)
    world.wait(waits)
    world.settle()
    assert world.replica_sets()[v2] == left


@pytest.mark.compat("rollouts:canary.minPodsPerReplicaSet")
def test_a_canary_has_at_least_so_many_pods() -> None:
    world = updated(deployed(routed({"setWeight": 1}, PAUSE, replicas=10, canary={"minPodsPerReplicaSet": 2})))
    assert world.replica_sets()[world.status["currentPodHash"]] == 2


@pytest.mark.compat("rollouts:canary.dynamicStableScale")
def test_stable_shrinks_as_traffic_leaves_it_and_grows_before_it_comes_back() -> None:
    world = deployed(routed({"setWeight": 60}, PAUSE, replicas=10, canary={"dynamicStableScale": True}))
    v1 = world.status["stableRS"]
    lowest: list[int] = []
    world.on_write = lambda there: lowest.append(
        there.available(v1) * 100 - there.weights()[1] * 10 if there.weights()[1] else 0
    )
    updated(world)
    v2 = world.status["currentPodHash"]
    assert (world.weights(), world.replica_sets()) == ((60, 40), {v1: 4, v2: 6})
    world.patch_status(abort=True)
    world.settle()
    assert world.weights() == (0, 100)
    assert world.replica_sets()[v1] == 10
    assert min(lowest) >= 0, "stable had more traffic than pods for it"


@pytest.mark.proves("001-24")
@pytest.mark.parametrize("is_routed", [True, False], ids=["routed", "by pods"])
def test_an_abort_restores_what_an_autoscaler_wants_even_in_the_middle_of_a_surge(is_routed: bool) -> None:
    make = routed if is_routed else plain
    world = deployed(make({"setWeight": 50}, PAUSE, replicas=10))
    v1 = world.status["stableRS"]
    world.set_image("shop/web:v2")
    world.reconcile()
    (v2,) = set(world.replica_sets()) - {v1}
    world.healthy[v2] = False
    world.settle()
    world.edit(replicas=14)
    world.settle()
    assert 0 < world.replica_sets()[v2] <= 7
    world.patch_status(abort=True)
    world.settle()
    world.wait(31)
    world.settle()
    assert world.replica_sets() == {v1: 14, v2: 0}
    assert world.status["HPAReplicas"] == 14


@pytest.mark.compat("rollouts:instance-id")
def test_only_the_rollouts_of_the_own_instance_are_reconciled() -> None:
    world = plain(PAUSE)
    world.controller = RolloutController(RolloutSettings("blue"))
    assert world.reconcile() is None
    labelled = {**world.rollout["metadata"], "labels": {"argo-rollouts.argoproj.io/controller-instance-id": "blue"}}
    world.put(ROLLOUTS, {**world.rollout, "metadata": labelled})
    world.settle()
    assert world.status["phase"] == "Healthy"


@pytest.mark.compat("rollouts:instance-id")
def test_runs_wear_the_instance_and_are_measured_by_it_alone() -> None:
    world = plain({"analysis": {"templates": [{"templateName": "errors"}]}})
    label = {"argo-rollouts.argoproj.io/controller-instance-id": "blue"}
    world.put(ROLLOUTS, {**world.rollout, "metadata": {**world.rollout["metadata"], "labels": label}})
    world.controller = RolloutController(RolloutSettings("blue"))
    updated(deployed(world))
    (run,) = world.list(ANALYSIS_RUNS)
    assert label.items() <= labels_of(run).items()
    key = ObjectKey("shop", run["metadata"]["name"])
    assert AnalysisRunController(instance_id="blue").observe(key, world) is not None
    assert AnalysisRunController().observe(key, world) is None


@pytest.mark.compat("rollouts:reset")
def test_steps_that_change_in_the_middle_begin_the_update_again() -> None:
    world = updated(deployed(routed({"setWeight": 20}, PAUSE, {"setWeight": 60}, PAUSE)))
    world.patch_status(pauseConditions=None)
    world.settle()
    assert world.status["currentStepIndex"] == 3
    steps = [{"setWeight": 10}, PAUSE]
    world.edit(strategy={"canary": {"steps": steps}})
    world.settle()
    assert (world.status["currentStepIndex"], world.weights()) == (1, (10, 90))


@pytest.mark.compat("rollouts:reset")
def test_steps_that_change_on_a_promoted_rollout_change_nothing() -> None:
    world = promoted(deployed(routed({"setWeight": 20}, PAUSE)), "shop/web:v2")
    before = world.status["stableRS"]
    world.edit(strategy={"canary": {"steps": [{"setWeight": 10}, PAUSE, PAUSE]}})
    world.settle()
    assert (world.status["phase"], world.status["stableRS"], world.status["currentStepIndex"]) == ("Healthy", before, 3)
    assert world.weights() == (0, 100)


@pytest.mark.compat("rollouts:spec.progressDeadlineSeconds")
def test_pods_that_never_start_end_the_update_within_its_deadline() -> None:
    world = deployed(routed({"setWeight": 20}, PAUSE, progressDeadlineSeconds=60))
    world.set_image("shop/web:broken")
    world.reconcile()
    (new,) = set(world.replica_sets()) - {world.status["stableRS"]}
    world.healthy[new] = False
    world.settle()
    assert world.status["phase"] == "Progressing"
    world.wait(61)
    world.settle()
    assert world.status["phase"] == "Degraded"
    assert world.status["message"] == f'ProgressDeadlineExceeded: ReplicaSet "web-{new}" has timed out progressing.'
    assert world.weights() == (0, 100)


@pytest.mark.compat("rollouts:canary.metadata")
def test_metadata_follows_the_role() -> None:
    roles = {"canaryMetadata": {"labels": {"role": "canary"}}, "stableMetadata": {"labels": {"role": "stable"}}}
    world = deployed(plain({"setWeight": 50}, PAUSE, canary=roles))
    v1 = world.status["stableRS"]
    updated(world)
    v2 = world.status["currentPodHash"]

    def role(pod_hash: str) -> str | None:
        rs = world.objs[Ref("apps", "ReplicaSet", "shop", f"web-{pod_hash}")]
        return rs["spec"]["template"]["metadata"]["labels"].get("role")

    assert (role(v1), role(v2)) == ("stable", "canary")
    world.patch_status(promoteFull=True)
    world.settle()
    assert (role(v1), role(v2)) == (None, "stable")
    assert world.status["currentPodHash"] == v2


@pytest.mark.compat("rollouts:antiAffinity.requiredDuringSchedulingIgnoredDuringExecution")
def test_new_pods_keep_away_from_stable_ones() -> None:
    wanted = {"requiredDuringSchedulingIgnoredDuringExecution": {}}
    world = deployed(plain({"setWeight": 50}, PAUSE, canary={"antiAffinity": wanted}))
    v1 = world.status["stableRS"]
    updated(world)
    v2 = world.status["currentPodHash"]
    rs = world.objs[Ref("apps", "ReplicaSet", "shop", f"web-{v2}")]
    (rule,) = rs["spec"]["template"]["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert rule == {
        "labelSelector": {"matchExpressions": [{"key": HASH_LABEL, "operator": "In", "values": [v1]}]},
        "namespaces": ["shop"],
        "topologyKey": "kubernetes.io/hostname",
    }
    rs["metadata"]["labels"][HASH_LABEL] = "other"
    world.settle()
    assert world.status["currentPodHash"] == "other", "the rule is no part of the template"


@pytest.mark.compat("rollouts:spec.revisionHistoryLimit")
def test_history_is_cut_off() -> None:
    world = deployed(plain(revisionHistoryLimit=1))
    for number in range(2, 6):
        updated(world, f"shop/web:v{number}")
    assert sorted(world.replica_sets().values()) == [0, 4]


@pytest.mark.compat("rollouts:spec.replicas")
def test_replicas_that_are_not_stated_become_one() -> None:
    world = plain({"setWeight": 50}, replicas=None)
    world.settle()
    assert world.rollout["spec"]["replicas"] == 1
    assert world.status["phase"] == "Healthy"
