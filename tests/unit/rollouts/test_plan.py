"""What would happen, in rows."""

from collections.abc import Callable

import pytest

from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj
from shipway.rollouts.plan import PlanRow, WayBack, plan, told, way_back
from tests.unit.rollouts.rollout.sandbox import Sandbox, blue_green, deployed, plain, rollout, routed

STEPS = ({"setWeight": 5}, {"pause": {"duration": "1m"}}, {"setWeight": 50}, {"pause": {}})


def test_a_routed_canary() -> None:
    assert plan(rollout(*STEPS, routed=True, replicas=10)) == (
        PlanRow(1, "setWeight: 5", 5, 5.0, 1, 10, "until the pods are available"),
        PlanRow(2, "pause: 1m", 5, 5.0, 1, 10, "60 s"),
        PlanRow(3, "setWeight: 50", 50, 50.0, 5, 10, "until the pods are available"),
        PlanRow(4, "pause", 50, 50.0, 5, 10, "for a person"),
        PlanRow(5, "full promotion", 100, 100.0, 10, 0, "until every pod is available"),
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


def test_an_experiment_reaches_with_its_new_variants_too() -> None:
    templates = [{"name": "old", "specRef": "stable", "weight": 20}, {"name": "new", "specRef": "canary", "weight": 5}]
    smi = {"plugins": None, "smi": {}}
    trial = {"experiment": {"templates": templates}}
    rows = plan(rollout({"setWeight": 10}, trial, routed=True, replicas=10, canary={"trafficRouting": smi}))
    assert rows[1] == PlanRow(2, "experiment", 10, 15.0, 1, 10, "until the Experiment succeeds (old, new)")


def test_a_plugin_is_named_and_waited_for() -> None:
    rows = plan(rollout({"setWeight": 10}, {"plugin": {"name": "acme/ticket", "config": {}}}, routed=True, replicas=10))
    assert rows[1] == PlanRow(2, "plugin: acme/ticket", 10, 10.0, 1, 10, "until the plugin succeeds (acme/ticket)")


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
    met: list[tuple[int, int, float]] = []
    for _ in range(3):
        world.settle()
        row = rows[world.status["currentStepIndex"] + 1]
        sizes = world.replica_sets()
        assert (old := sizes.pop(stable), new := sum(sizes.values())) == (row.stable, row.canary)
        if is_routed:
            assert world.weights() == (row.weight, 100 - row.weight)
            assert row.reaches == row.weight
        else:
            assert row.reaches == pytest.approx(100 * new / (new + old), abs=0.05)
        met.append((row.weight, row.canary, row.reaches))
        world.patch_status(pauseConditions=None)
    if is_routed:
        assert met == [(1, 1, 1.0), (20, 2, 20.0), (60, 6, 60.0)]
    else:
        assert met == [(1, 1, 9.1), (20, 2, 20.0), (60, 6, 60.0)], "one pod of eleven is the least that pods can do"


class Starts:
    """Counts the pods that have to start, ReplicaSet by ReplicaSet, from now on."""

    def __init__(self, world: Sandbox) -> None:
        self.count = 0
        self._sizes = world.replica_sets()
        world.on_write = self._look

    def _look(self, world: Sandbox) -> None:
        sizes = world.replica_sets()
        self.count += sum(max(0, size - self._sizes.get(name, 0)) for name, size in sizes.items())
        self._sizes = sizes


def walk(world: Sandbox, image: str) -> None:
    """To that version, with somebody who says yes at every pause."""
    world.set_image(image)
    for _ in range(10):
        world.settle()
        world.wait(1)
        if world.status.get("pauseConditions"):
            world.patch_status(pauseConditions=None)


def in_a_window() -> Sandbox:
    """Blue and green behind a router: the whole new version first, then the traffic bit by bit."""
    steps = ({"setCanaryScale": {"weight": 100}}, {"setWeight": 25}, {"pause": {}}, {"setWeight": 100})
    return routed(*steps, replicas=3, rollbackWindow={"revisions": 2})


@pytest.mark.proves("004-11", "004-04")
@pytest.mark.parametrize("made", [blue_green, in_a_window], ids=["at one stroke", "by weights"])
@pytest.mark.parametrize(("after", "starts"), [(10, 0), (60, 3)], ids=["within the delay", "after it"])
def test_the_way_back_needs_the_pods_that_the_plan_says(made: Callable[[], Sandbox], after: float, starts: int) -> None:
    world = deployed(made())
    back = way_back(world.rollout)
    assert back == WayBack(kept=30, starts=3, ready_after=0, walks=False)
    first = world.status["stableRS"]
    world.wait(60)
    walk(world, "shop/web:v2")
    assert world.status["stableRS"] != first
    world.wait(after)
    world.settle()
    begun = Starts(world)
    world.set_image("shop/web:v1")
    world.settle()
    assert (world.status["stableRS"], world.status["phase"]) == (first, "Healthy")
    assert begun.count == starts == (0 if after < back.kept else back.starts)


@pytest.mark.proves("004-04")
def test_blue_takes_everything_back_in_the_middle_of_a_shift_without_a_new_pod() -> None:
    world = deployed(in_a_window())
    blue = world.status["stableRS"]
    world.set_image("shop/web:v2")
    world.settle()
    green = world.status["currentPodHash"]
    assert world.replica_sets() == {blue: 3, green: 3}
    assert world.weights() == (25, 75)
    begun = Starts(world)
    world.patch_status(abort=True)
    world.settle()
    assert (world.weights(), world.replica_sets()[blue], begun.count) == ((0, 100), 3, 0)


@pytest.mark.parametrize(
    ("found", "sentences"),
    [
        (
            rollout({"setWeight": 5}, routed=True, replicas=10, minReadySeconds=20),
            [
                "Going back after the promotion takes the steps again (once 10 pods have started and have been ready for "
                "20 s); spec.rollbackWindow skips them."
            ],
        ),
        (
            rollout(routed=True, replicas=2, canary={"scaleDownDelaySeconds": 600}),
            [
                "Going back within 600 s of the promotion: safe at once, no pod has to start.",
                "Going back later (or with scaleDownDelaySeconds: 0): safe once 2 pods have started.",
            ],
        ),
        (rollout(replicas=2), ["Going back after the promotion: safe once 2 pods have started."]),
        (
            rollout(routed=True, canary={"dynamicStableScale": True}),
            ["Going back after the promotion: safe once 4 pods have started."],
        ),
    ],
    ids=["by steps", "by a router", "by pods", "stable follows"],
)
def test_the_way_back_in_words(found: Obj, sentences: list[str]) -> None:
    assert list(told(way_back(found))) == sentences
