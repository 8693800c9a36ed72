"""Laws of verification rules, over random histories: nothing new becomes stable unjudged, and every history comes to rest."""

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shipway.api.kinds import ANALYSIS_RUNS, ANALYSIS_TEMPLATES, DEPLOYMENTS, VERIFICATION_RULES
from shipway.kube.objects.patches import merge_patch
from shipway.kube.objects.resource import Ref
from shipway.kube.objects.views import annotations_of, dig, labels_of
from shipway.rollouts.rollout.names import AT_LABEL, HASH_LABEL, RULE_LABEL, VERIFICATION
from shipway.rollouts.rollout.rule_names import latest
from shipway.rollouts.verification.selection import read_pinned
from tests.laws.test_rollouts import Watchman, crash_in_a_pass, lawful, left_alone, pass_once, resume, steps, walk
from tests.unit.rollouts.rollout.ruled import Ruled, beside, rule, ruled
from tests.unit.rollouts.rollout.sandbox import Sandbox, template

PLACES = ["Canary", "BeforePromotion", "AfterPromotion"]
at = st.lists(st.sampled_from(PLACES), min_size=1, max_size=3, unique=True)


def push(world: Sandbox) -> None:
    """A version that there never was."""
    world.version += 1
    world.set_image(f"shop/web:{world.version}")


def move_ground(world: Sandbox) -> None:
    world.version += 1
    world.put(DEPLOYMENTS, beside(f"shop/catalog:{world.version}"))


def end_runs(phase: str) -> Callable[[Sandbox], None]:
    return lambda world: world.finish_run(phase, "because")


def change_rule(places: list[str]) -> Callable[[Sandbox], None]:
    def act(world: Sandbox) -> None:
        here = world.objs[Ref("shipway.dev", "VerificationRule", "", "org")]
        world.put(VERIFICATION_RULES, merge_patch(here, {"spec": {"at": places}}))

    return act


events = st.one_of(
    st.just(push),
    st.just(walk),
    st.just(walk),
    st.just(resume),
    st.just(pass_once),
    st.just(move_ground),
    st.sampled_from(["Successful", "Failed", "Error", "Inconclusive"]).map(end_runs),
    st.sampled_from([1, 40, 700]).map(lambda seconds: lambda world: world.wait(seconds)),
    st.sampled_from([{"abort": True}, {"abort": False}, {"pauseConditions": None}]).map(
        lambda field: lambda world: world.patch_status(**field)
    ),
    st.integers(0, 6).map(crash_in_a_pass),
    at.map(change_rule),
)


class Judge:
    """Looks at every write: whoever becomes stable has a good word of each rule at each of its places."""

    def __init__(self, world: Ruled) -> None:
        self.stable = world.status["stableRS"]
        self.watchman = Watchman(world)
        world.on_write = self.look

    def look(self, world: Sandbox) -> None:
        self.watchman.look(world)
        before, self.stable = self.stable, world.status["stableRS"]
        if self.stable == before:
            return
        pinned = read_pinned(annotations_of(world.rollout).get(VERIFICATION, ""))
        assert pinned.hash == self.stable and pinned.rules, "it became stable unjudged"
        for one in pinned.rules:
            for place in one.at:
                assert self._has_good_word(world, one.name, place), f"{one.name} at {place} has not succeeded"

    def _has_good_word(self, world: Sandbox, name: str, place: str) -> bool:
        mine = [
            run
            for run in world.list(ANALYSIS_RUNS)
            if (labels_of(run).get(RULE_LABEL), labels_of(run).get(AT_LABEL)) == (name, place)
            and labels_of(run)[HASH_LABEL] == self.stable
        ]
        base = min((run["metadata"]["name"] for run in mine), key=len, default="").split(".")[0]
        return dig(latest(mine, base), "status", "phase", default="") == "Successful"


@lawful
@given(steps, at, st.lists(events, max_size=20))
def test_nothing_new_becomes_stable_unjudged_and_every_history_ends(
    canary_steps: list[dict[str, Any]], places: list[str], history: list[Callable[[Sandbox], None]]
) -> None:
    world = ruled(rule("org", "latency", at=places), steps=tuple(canary_steps))
    world.put(ANALYSIS_TEMPLATES, template("latency"))
    judge = Judge(world)
    for event in [push, walk, *history]:
        event(world)
        judge.watchman.last = judge.watchman._picture(world)
    left_alone(world)
    assert world.status["phase"] in ("Healthy", "Degraded")
    assert world.status["phase"] == "Healthy" or world.status["abort"] is True
    assert world.weights() == (0, 100)
    before = world.writes
    world.settle()
    assert world.writes == before


@lawful
@given(steps, st.lists(st.sampled_from([push, walk, resume, pass_once, move_ground]), max_size=15))
def test_a_rule_for_others_changes_nothing(
    canary_steps: list[dict[str, Any]], history: list[Callable[[Sandbox], None]]
) -> None:
    nobody = rule("other", selector={"matchLabels": {"not": "web"}})
    without, other = (ruled(nobody, steps=tuple(canary_steps)) for _ in range(2))
    del without.objs[Ref("shipway.dev", "VerificationRule", "", "other")]
    for event in [push, walk, *history]:
        event(without)
        event(other)
    strip = {"metadata": {"resourceVersion": None, "uid": None}}
    assert merge_patch(without.rollout, strip) == merge_patch(other.rollout, strip)
