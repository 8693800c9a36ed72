"""Steps by the error budget, over `decide`: chosen once, written before anything begins, and held where nothing is left."""

from typing import Any

import pytest

from shipway.api.kinds import ANALYSIS_RUNS, ANALYSIS_TEMPLATES
from shipway.base.errors import ShipwayError, Unavailable
from shipway.kube.objects.patches import merge_patch
from shipway.kube.objects.resource import Ref
from shipway.kube.objects.views import dig
from shipway.kube.runtime.decision import Answer
from shipway.rollouts import actions
from shipway.rollouts.budget.asks import Budget, BudgetAsk, asks_of
from shipway.rollouts.budget.pinned import Pinned, pinned_of
from shipway.rollouts.budget.policy import read_policy
from shipway.rollouts.rollout.names import STRATEGY, STRATEGY_BY_BUDGET
from shipway.rollouts.rollout.spec import Invalid, parse
from shipway.rollouts.view import Family, view_of
from shipway.rollouts.why import why
from tests.unit.rollouts.rollout.ruled import rule, ruled, updating
from tests.unit.rollouts.rollout.sandbox import NS, START, Sandbox, blue_green, deployed, plain, routed, template

POLICY = """
objectives: [{serviceLevelObjective: checkout}]
strategies:
  fast: {atLeast: 75%, steps: [{setWeight: 50}, {pause: {}}]}
  normal: {atLeast: 50%}
  careful: {atLeast: 10%, steps: [{setWeight: 1}, {pause: {}}, {setWeight: 2}, {pause: {}}]}
"""
OWN = ({"setWeight": 20}, {"pause": {}})
ROUTED = pytest.mark.parametrize("make", [routed, plain], ids=["routed", "by pods"])


def annotated(world: Sandbox, policy: str | None = POLICY) -> Sandbox:
    world.objs[Ref("argoproj.io", "Rollout", NS, "web")] = merge_patch(
        world.rollout, {"metadata": {"annotations": {STRATEGY_BY_BUDGET: policy}}}
    )
    return world


def live(make: Any = routed, **more: Any) -> Sandbox:
    return deployed(annotated(make(*OWN, **more)))


def measured(world: Sandbox, left: float | ShipwayError, policy: str = POLICY) -> None:
    """What Prometheus says from now on."""
    for ask in asks_of(read_policy(policy), NS):
        failed = isinstance(left, ShipwayError)
        world.answers[ask] = Answer(error=left, at=world.now) if failed else Answer(value=Budget(left), at=world.now)


def updated(left: float | ShipwayError, make: Any = routed, image: str = "shop/web:v2", **more: Any) -> Sandbox:
    world = live(make, **more)
    measured(world, left)
    world.set_image(image)
    world.settle()
    return world


def asks(world: Sandbox) -> list[BudgetAsk]:
    decision = world.reconcile()
    return [ask for ask in decision.asks if isinstance(ask, BudgetAsk)] if decision is not None else []


def pinned(world: Sandbox) -> Pinned:
    found = pinned_of(world.rollout)
    assert found is not None
    return found


def said(world: Sandbox) -> str:
    return why(world.rollout, world.list(ANALYSIS_RUNS), world.now)


def apply(world: Sandbox, patches: actions.Patches) -> None:
    world.objs[Ref("argoproj.io", "Rollout", NS, "web")] = merge_patch(
        merge_patch(world.rollout, patches.root), {"status": patches.status}
    )
    world.settle()


@pytest.mark.parametrize(
    ("left", "pace", "weight"),
    [(0.8, "fast", 50), (0.6, "normal", 20), (0.3, "careful", 1), (0.04, "freeze", 0), (Unavailable("no route"), "careful", 1)],
)
def test_a_release_takes_the_steps_that_its_budget_allows(left: Any, pace: str, weight: int) -> None:
    world = updated(left)
    assert pinned(world).pace == pace
    assert world.weights() == (weight, 100 - weight)
    assert world.status["phase"] == "Paused"


def test_nothing_happens_before_the_budget_is_known() -> None:
    world = live()
    before = world.writes
    world.set_image("shop/web:v2")
    (ask,) = asks(world)
    assert (ask.namespace, ask.objective) == (NS, "checkout")
    assert world.writes == before
    assert len(world.replica_sets()) == 1
    measured(world, 0.8)
    world.reconcile()
    assert pinned(world).pace == "fast"
    assert len(world.replica_sets()) == 1
    world.settle()
    assert len(world.replica_sets()) == 2
    assert asks(world) == []
    assert (world.events[0].reason, world.events[0].message, world.events[0].type) == (
        "StrategyChosen",
        "Strategy fast: 80.0% of the error budget of checkout is left",
        "Normal",
    )


def test_a_budget_that_nobody_knows_is_told_as_a_warning() -> None:
    world = updated(Unavailable("Prometheus does not answer"))
    assert (world.events[0].type, world.events[0].message) == (
        "Warning",
        "Strategy careful: the error budget of checkout is not known (Prometheus does not answer)",
    )
    assert view_of(Family(world.rollout)).by_budget.startswith("careful (the error budget of checkout is not known")


def test_neither_the_budget_nor_the_policy_changes_a_release_in_the_middle() -> None:
    world = updated(0.8)
    measured(world, 0.01)
    annotated(world, POLICY.replace("setWeight: 50", "setWeight: 99"))
    world.settle()
    assert (world.weights(), pinned(world).pace) == ((50, 50), "fast")
    apply(world, actions.promote(world.rollout))
    assert world.status["stableRS"] == world.status["currentPodHash"]
    assert pinned(world).pace == "fast"
    writes = world.writes
    world.settle()
    assert world.writes == writes
    measured(world, 0.3)
    world.set_image("shop/web:v3")
    world.settle()
    assert (world.weights(), pinned(world).pace) == ((1, 99), "careful")


@ROUTED
def test_a_frozen_release_goes_on_by_itself_when_there_is_budget_again(make: Any) -> None:
    world = updated(0.04, make)
    new = world.status["currentPodHash"]
    assert world.replica_sets()[new] == 0
    assert world.events[0].reason == "ReleaseFrozen"
    assert said(world) == (
        "web is frozen: 4.0% of the error budget of checkout is left. It goes on by itself once 10% of it is left; "
        "`shipway rollout promote web` lets it go on now step by step, with --full to all at once."
    )
    told = len(world.events)
    measured(world, 0.06)
    world.settle()
    assert "6.0% of" in said(world)
    measured(world, Unavailable("no route"))
    world.settle()
    assert "6.0% of" in said(world)
    assert len(world.events) == told
    measured(world, 0.6)
    world.settle()
    assert pinned(world).pace == "normal"
    assert said(world) == "web waits at step 2 of 2 for somebody to promote it; then comes full promotion."
    assert world.replica_sets()[new] == 1
    assert asks(world) == []


@ROUTED
def test_a_person_lets_a_frozen_release_go_on(make: Any) -> None:
    world = updated(0.04, make)
    apply(world, actions.promote(world.rollout))
    assert world.status["currentStepIndex"] == 2
    assert dig(world.rollout, "status", "pauseConditions", 0, "reason") == "CanaryPauseStep"
    assert pinned(world).pace == "freeze"
    measured(world, 0.9)
    assert asks(world) == []
    assert said(world).startswith("web waits at step 3 of 5 for somebody to promote it")


@ROUTED
def test_a_person_sends_a_frozen_release_to_all(make: Any) -> None:
    world = updated(0.04, make)
    apply(world, actions.promote_full(world.rollout))
    assert world.status["stableRS"] == world.status["currentPodHash"]
    assert world.status["phase"] == "Healthy"


def test_a_frozen_release_is_not_judged() -> None:
    world = updated(0.04, canary={"analysis": {"templates": [{"templateName": "errors"}]}})
    assert not world.list(ANALYSIS_RUNS)
    measured(world, 0.6)
    world.settle()
    assert len(world.list(ANALYSIS_RUNS)) == 1


def test_a_frozen_release_without_its_policy_takes_its_own_steps() -> None:
    world = updated(0.04)
    annotated(world, None)
    world.settle()
    assert STRATEGY not in dig(world.rollout, "metadata", "annotations")
    assert world.weights() == (20, 80)


def test_a_freeze_for_want_of_knowledge_says_so() -> None:
    world = annotated(live(), POLICY + "onError: freeze\n")
    measured(world, Unavailable("no route"))
    world.set_image("shop/web:v2")
    world.settle()
    assert said(world).startswith(
        "web is frozen: the error budget of checkout is not known (no route). "
        "It goes on by itself once it is known and 10% of it is left; "
    )
    world.settle()
    assert world.weights() == (0, 100)
    measured(world, 0.2)
    world.settle()
    assert pinned(world).pace == "careful"


def test_what_goes_back_asks_nothing() -> None:
    world = updated(0.8)
    world.set_image("shop/web:v1")
    assert asks(world) == []
    world.settle()
    assert STRATEGY not in dig(world.rollout, "metadata", "annotations")
    assert world.status["phase"] == "Healthy"


def test_an_older_version_is_not_frozen() -> None:
    """The version that burnt the budget is taken back by deploying the one before it."""
    world = live()
    measured(world, 0.6)
    world.wait(60)
    world.set_image("shop/web:v2")
    world.settle()
    apply(world, actions.promote(world.rollout))
    measured(world, -0.5)
    world.set_image("shop/web:v1")
    world.settle()
    assert pinned(world).pace == "careful"
    assert world.weights() == (1, 99)


def test_a_retry_is_a_release_of_its_own() -> None:
    world = updated(0.8)
    apply(world, actions.abort(world.rollout))
    assert (world.weights(), pinned(world).pace) == ((0, 100), "fast")
    measured(world, 0.3)
    apply(world, actions.retry(world.rollout))
    assert (world.weights(), pinned(world).pace) == ((1, 99), "careful")
    assert asks(world) == []


def test_a_new_version_during_a_freeze_is_frozen_too() -> None:
    world = updated(0.04)
    world.set_image("shop/web:v3")
    world.settle()
    assert pinned(world).hash == world.status["currentPodHash"]
    assert world.weights() == (0, 100)
    assert [note.reason for note in world.events].count("ReleaseFrozen") == 2


def test_a_first_deployment_and_a_rollout_without_the_annotation_ask_nothing() -> None:
    world = annotated(routed(*OWN))
    assert asks(world) == []
    other = deployed(routed(*OWN))
    other.set_image("shop/web:v2")
    assert asks(other) == []


def test_pods_do_not_wear_what_was_chosen() -> None:
    world = updated(0.8)
    for ref, obj in world.objs.items():
        if ref.kind == "ReplicaSet":
            assert not {STRATEGY, STRATEGY_BY_BUDGET} & set(dig(obj, "metadata", "annotations", default={}))


def test_a_pin_that_somebody_broke_says_nothing() -> None:
    world = updated(0.8)
    world.objs[Ref("argoproj.io", "Rollout", NS, "web")] = merge_patch(
        world.rollout, {"metadata": {"annotations": {STRATEGY: "{"}}}
    )
    world.settle()
    assert world.weights() == (20, 80)


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("strategies: {}", "metadata.annotations[shipway.dev/strategy-by-budget]: Object missing required field `objectives`"),
        (
            POLICY.replace("setWeight: 50", "setWeight: 150"),
            "metadata.annotations[shipway.dev/strategy-by-budget].strategies.fast.steps[0].setWeight: "
            "Invalid value: 150: SetWeight needs to be between 0 and 100",
        ),
    ],
)
def test_a_policy_that_cannot_be_run_is_an_invalid_spec(policy: str, said: str) -> None:
    world = annotated(deployed(routed(*OWN)), policy)
    world.set_image("shop/web:v2")
    world.settle()
    assert said in world.status["message"]
    assert len(world.replica_sets()) == 1


def test_a_blue_green_rollout_has_no_steps_to_choose() -> None:
    read = parse(annotated(blue_green()).rollout)
    assert isinstance(read, Invalid)
    assert "only a canary has steps to choose" in read.text


def test_time_is_not_looked_at() -> None:
    """A freeze of a year is no lack of progress."""
    world = updated(0.04)
    world.wait(365 * 86400)
    world.settle()
    assert (world.status["phase"], world.now > START) == ("Paused", True)


def test_a_version_that_verification_rules_hold_back_takes_no_steps_before_it_may_begin() -> None:
    world = ruled(rule("org", "smoke"), steps=OWN)
    annotated(world)
    measured(world, 0.8)
    updating(world)
    assert "waits" in world.status["message"]
    assert pinned_of(world.rollout) is None
    world.put(ANALYSIS_TEMPLATES, template("smoke"))
    world.settle()
    assert pinned(world).pace == "fast"
