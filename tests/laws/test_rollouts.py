"""Laws of rollouts, over random histories: pods come and go, people change their minds, processes die between two writes.

At every single write of the engine the safety laws are looked at; at the end of every history the world is left alone and
must come to rest.
"""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shipway.api.kinds import REPLICA_SETS
from shipway.kube.objects.resource import Ref
from shipway.kube.objects.views import dig
from shipway.rollouts.rollout.replicas import limits
from tests.effort import examples
from tests.unit.rollouts.rollout.sandbox import Crash, Sandbox, blue_green, deployed, plain, routed

BACKGROUND = {"analysis": {"templates": [{"templateName": "errors"}]}}
ANALYSIS = {"analysis": {"templates": [{"templateName": "errors"}]}}

waits = st.one_of(
    st.just({"pause": {}}), st.integers(1, 60).map(lambda seconds: {"pause": {"duration": seconds}}), st.just(ANALYSIS)
)
weights = st.integers(0, 100).map(lambda weight: {"setWeight": weight})
scales = st.one_of(
    st.integers(0, 5).map(lambda count: {"setCanaryScale": {"replicas": count}}),
    st.just({"setCanaryScale": {"matchTrafficWeight": True}}),
)
plain_steps = st.lists(st.tuples(weights, waits), min_size=1, max_size=3).map(
    lambda pairs: [step for pair in pairs for step in pair]
)
steps = st.one_of(plain_steps, st.lists(st.one_of(weights, waits, scales), max_size=6))


SWITCHES: list[dict[str, Any]] = [
    {},
    {"autoPromotionEnabled": False},
    {"autoPromotionSeconds": 10},
    {"prePromotionAnalysis": ANALYSIS["analysis"]},
    {"postPromotionAnalysis": ANALYSIS["analysis"]},
    {"autoPromotionEnabled": False, "previewReplicaCount": 1, "prePromotionAnalysis": ANALYSIS["analysis"]},
    {"previewReplicaCount": 2, "postPromotionAnalysis": ANALYSIS["analysis"], "abortScaleDownDelaySeconds": 0},
]


def pass_once(world: Sandbox) -> None:
    world.reconcile()


def walk(world: Sandbox) -> None:
    """Pods come up and passes follow, until it waits for something."""
    world.settle(80)


def another(tag: str) -> Callable[[Sandbox], None]:
    """Somebody wants another version, or one of before."""
    return lambda world: world.set_image(f"shop/web:{tag}")


def resume(world: Sandbox) -> None:
    """What is waited for happens: the pause ends, the runs succeed."""
    world.finish_run("Successful")
    if world.status.get("pauseConditions"):
        world.patch_status(pauseConditions=None)
    world.settle(80)


def crash_in_a_pass(after: int) -> Callable[[Sandbox], None]:
    def act(world: Sandbox) -> None:
        world.crash_after = after
        try:
            world.reconcile()
        except Crash:
            pass
        finally:
            world.crash_after = None

    return act


def pods(shares: list[int]) -> Callable[[Sandbox], None]:
    """Each ReplicaSet in turn reports a share (of 4) of its pods as available."""

    def act(world: Sandbox) -> None:
        for rs, share in zip(tuple(world.list(REPLICA_SETS)), shares * 9, strict=False):
            wanted = dig(rs, "spec", "replicas", default=1)
            world.report(rs, wanted, wanted * share // 4)

    return act


def client_in_between(field: dict[str, Any]) -> Callable[[Sandbox], None]:
    return lambda world: world.reconcile(before_write=lambda: world.patch_status(**field)) and None


events = st.one_of(
    st.just(pass_once),
    st.just(pass_once),
    st.just(walk),
    st.just(walk),
    st.just(walk),
    st.just(Sandbox.play_pods),
    st.just(resume),
    st.just(resume),
    st.just(resume),
    st.lists(st.integers(0, 4), min_size=1, max_size=3).map(pods),
    st.integers(0, 6).map(crash_in_a_pass),
    st.sampled_from(["v1", "v2", "v3"]).map(another),
    st.integers(1, 7).map(lambda count: lambda world: world.edit(replicas=count)),
    st.sampled_from([1, 12, 40, 700]).map(lambda seconds: lambda world: world.wait(seconds)),
    st.sampled_from(["Successful", "Failed", "Error", "Inconclusive", "Running"]).map(
        lambda phase: lambda world: world.finish_run(phase)
    ),
    st.sampled_from([{"abort": True}, {"abort": False}, {"promoteFull": True}, {"pauseConditions": None}]).map(
        lambda field: lambda world: world.patch_status(**field)
    ),
    st.sampled_from([{"abort": True}, {"promoteFull": True}, {"pauseConditions": None}]).map(client_in_between),
    st.booleans().map(lambda paused: lambda world: world.edit(paused=paused)),
)


def begun(history: list[Callable[[Sandbox], None]]) -> list[Callable[[Sandbox], None]]:
    """The history with an update under way before it."""
    return [another("v2"), walk, *history]


histories = st.lists(events, max_size=25).map(begun)
lawful = settings(
    max_examples=examples(400, quick=10),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


class Watchman:
    """Looks at the world at every write of the engine and holds it to the safety laws."""

    def __init__(self, world: Sandbox) -> None:
        self.last = self._picture(world)
        world.on_write = self.look

    def _picture(self, world: Sandbox) -> tuple[tuple[int, int], str, str]:
        return world.weights(), world.points_at("web-canary"), world.points_at("web-stable")

    def look(self, world: Sandbox) -> None:
        now = self._picture(world)
        before, self.last = self.last, now
        if now[0][0] > 0 and now[1] in world.replica_sets() and not self._has_scales(world):
            assert world.replica_sets()[now[1]] > 0, "pods were taken away that traffic still goes to"
        if now == before:
            return
        (canary, stable), canary_hash, stable_hash = now
        assert canary + stable == 100
        if canary > 0 and (canary > before[0][0] or canary_hash != before[1]):
            answers = world.available(stable_hash) or world.available(before[1]) or world.available(before[2])
            assert world.available(canary_hash) or not answers, "traffic was given to a version without an available pod"
        if stable > before[0][1] and world.available(stable_hash) == 0:
            assert world.available(canary_hash) == 0, "traffic was taken from pods that answer to pods that do not"
        if canary > before[0][0]:
            assert canary <= self._allowed(world), "the weight is above the step's"

    def _has_scales(self, world: Sandbox) -> bool:
        """With setCanaryScale the number of pods is the user's own word."""
        return any("setCanaryScale" in step for step in dig(world.rollout, "spec", "strategy", "canary", "steps", default=[]))

    def _allowed(self, world: Sandbox) -> int:
        if world.status.get("abort"):
            return 0
        all_steps = dig(world.rollout, "spec", "strategy", "canary", "steps", default=[])
        index = world.status.get("currentStepIndex", 0)
        if index >= len(all_steps):
            return 100
        weights = [step["setWeight"] for step in all_steps[: index + 1] if "setWeight" in step]
        return weights[-1] if weights else 0


def left_alone(world: Sandbox) -> None:
    """Everybody goes home: pods become healthy, runs succeed, pauses are resumed, an abort stays."""
    world.healthy.clear()
    world.edit(paused=False)
    for _ in range(40):
        world.settle(80)
        world.finish_run("Successful")
        world.wait(700)
        if world.status.get("pauseConditions"):
            world.patch_status(pauseConditions=None)
        before = world.writes
        world.settle(80)
        if world.writes == before and not world.status.get("pauseConditions"):
            return
    raise AssertionError(f"no rest: {world.status}")


@lawful
@given(steps, st.booleans(), histories)
def test_traffic_only_goes_where_pods_answer_and_every_history_ends(
    canary_steps: list[dict], background: bool, history: list[Callable[[Sandbox], None]]
) -> None:
    world = deployed(routed(*canary_steps, canary=BACKGROUND if background else {}))
    watchman = Watchman(world)
    for event in history:
        event(world)
        watchman.last = watchman._picture(world)
    left_alone(world)
    assert world.status["phase"] in ("Healthy", "Degraded")
    stable = world.status["stableRS"]
    if world.status["phase"] == "Healthy":
        assert stable == world.status["currentPodHash"]
    else:
        assert world.status["abort"] is True
    assert world.weights() == (0, 100)
    assert world.points_at("web-stable") == stable
    assert world.points_at("web-canary") == stable
    assert world.replica_sets()[stable] == world.rollout["spec"]["replicas"]
    assert sum(world.replica_sets().values()) == world.rollout["spec"]["replicas"]


class Counter:
    """Looks at every write that makes a ReplicaSet smaller: enough pods that answer are left, or no fewer than before."""

    def __init__(self, world: Sandbox, surge: int | str, unavailable: int | str) -> None:
        self.bounds = (surge, unavailable)
        self.left = self.answering(world)
        world.on_write = self.look

    def answering(self, world: Sandbox) -> int:
        """Pods that answer and are asked for; those asked to go may be gone at any moment."""
        sets = world.list(REPLICA_SETS)
        return sum(min(dig(rs, "spec", "replicas"), dig(rs, "status", "availableReplicas", default=0)) for rs in sets)

    def look(self, world: Sandbox) -> None:
        least = limits(world.rollout["spec"]["replicas"], *self.bounds).least
        before, self.left = self.left, self.answering(world)
        assert self.left >= min(before, least), f"{self.left} pods answer, {least} have to"


@lawful
@given(plain_steps, histories, st.sampled_from([("25%", "25%"), (1, 0), (0, 1), ("50%", 0), (0, "100%")]))
@example([{"setWeight": 33}, {"pause": {}}], begun([another("v1"), *[pass_once] * 3]), (1, 0))
def test_without_a_router_every_history_ends_too_and_enough_pods_answer_on_the_way(
    canary_steps: list[dict], history: list[Callable[[Sandbox], None]], bounds: tuple[int | str, int | str]
) -> None:
    world = deployed(plain(*canary_steps, canary={"maxSurge": bounds[0], "maxUnavailable": bounds[1]}))
    counter = Counter(world, *bounds)
    for event in history:
        event(world)
        counter.left = counter.answering(world)
    left_alone(world)
    assert world.status["phase"] in ("Healthy", "Degraded")
    assert sum(world.replica_sets().values()) == world.rollout["spec"]["replicas"]


@lawful
@given(steps, histories)
def test_a_canary_that_loses_its_pods_loses_its_traffic(
    canary_steps: list[dict], history: list[Callable[[Sandbox], None]]
) -> None:
    world = deployed(routed(*canary_steps))
    for event in history:
        event(world)
    world.edit(paused=False)
    world.settle(80)
    stable, canary = world.status["stableRS"], world.status["currentPodHash"]
    if stable == canary or world.weights()[0] == 0:
        return
    for rs in tuple(world.list(REPLICA_SETS)):
        if rs["metadata"]["name"] == f"web-{canary}":
            world.report(rs, dig(rs, "spec", "replicas"), 0)
    world.reconcile()
    assert world.weights() == (0, 100)


@lawful
@given(steps, histories)
def test_an_abort_takes_everything_back_in_one_pass(canary_steps: list[dict], history: list[Callable[[Sandbox], None]]) -> None:
    world = deployed(routed(*canary_steps))
    for event in history:
        event(world)
    world.edit(paused=False)
    world.settle(80)
    if world.status["stableRS"] == world.status["currentPodHash"]:
        return
    world.patch_status(abort=True)
    world.play_pods()
    world.reconcile()
    assert world.weights() == (0, 100)


class Doorman:
    """Looks at the active service at every write: it never leaves pods that answer for pods that do not."""

    def __init__(self, world: Sandbox) -> None:
        self.last = world.points_at("web")
        world.on_write = self.look

    def look(self, world: Sandbox) -> None:
        before, self.last = self.last, world.points_at("web")
        if self.last != before:
            assert world.available(self.last) > 0, "the active service was switched to pods that do not answer"
        if self.last and self.last in world.replica_sets() and not world.replica_sets()[self.last]:
            raise AssertionError("pods were taken away that the active service points at")


@lawful
@given(st.sampled_from(SWITCHES), histories)
def test_blue_green_only_switches_to_pods_that_answer_and_every_history_ends(
    strategy: dict[str, Any], history: list[Callable[[Sandbox], None]]
) -> None:
    world = deployed(blue_green(**strategy))
    doorman = Doorman(world)
    for event in history:
        event(world)
        doorman.last = world.points_at("web")
    left_alone(world)
    stable = world.status["stableRS"]
    assert world.status["phase"] in ("Healthy", "Degraded")
    assert world.points_at("web") == stable
    assert world.replica_sets()[stable] == world.rollout["spec"]["replicas"]


@lawful
@given(steps, histories)
def test_events_never_lie_about_the_first_deploy(canary_steps: list[dict], history: list[Callable[[Sandbox], None]]) -> None:
    world = routed(*canary_steps)
    world.settle()
    assert "RolloutStepCompleted" not in world.reasons
    assert world.status["stableRS"] == world.status["currentPodHash"]


PING_PONG = {
    "pingPong": {"pingService": "web-stable", "pongService": "web-canary"},
    "canaryService": None,
    "stableService": None,
}


class Switchman:
    """Looks at both services at every write: a selector never moves between two versions while it has traffic."""

    def __init__(self, world: Sandbox) -> None:
        self.world = world
        self.before = self.picture()
        world.on_write = lambda _: self.look()

    def picture(self) -> dict[str, tuple[str, int]]:
        canary, stable = self.world.weights()
        return {
            "web-canary": (self.world.points_at("web-canary"), canary),
            "web-stable": (self.world.points_at("web-stable"), stable),
        }

    def look(self) -> None:
        now = self.picture()
        for name, (pod_hash, _) in now.items():
            was, weight = self.before[name]
            if was and pod_hash != was and self.world.available(was):
                assert weight == 0, f"{name} was switched under {weight} % of the traffic"
        self.before = now


@lawful
@given(plain_steps, histories)
def test_services_that_take_turns_are_never_switched_under_traffic(
    canary_steps: list[dict], history: list[Callable[[Sandbox], None]]
) -> None:
    world = deployed(routed(*canary_steps, canary=PING_PONG))
    switchman = Switchman(world)
    for event in history:
        event(world)
        switchman.before = switchman.picture()
    left_alone(world)
    stable = world.status["stableRS"]
    turn = "web-stable" if world.status["canary"]["stablePingPong"] == "ping" else "web-canary"
    assert world.points_at(turn) == stable
    assert world.weights() == ((0, 100) if turn == "web-stable" else (100, 0))


DOWN_AGAIN = [{"setWeight": 78}, {"pause": {}}, {"setWeight": 0}, {"pause": {}}]


def take_the_router_out(world: Sandbox) -> None:
    strategy = world.rollout["spec"]["strategy"]
    if "trafficRouting" in strategy["canary"]:
        world.edit(strategy={"canary": {"trafficRouting": None}})


@lawful
@given(plain_steps, histories, histories)
@example(DOWN_AGAIN, begun([pods([1])]), begun([]))
@example(DOWN_AGAIN, begun([pods([1]), resume]), begun([]))
@example(DOWN_AGAIN[:2], begun([another("v3"), walk, pods([0, 0, 1])]), begun([]))
@example(DOWN_AGAIN[:2], begun([another("v3"), walk, lambda world: world.edit(replicas=5), pass_once]), begun([]))
def test_a_router_may_be_taken_out_at_any_moment(
    canary_steps: list[dict], history: list[Callable[[Sandbox], None]], rest: list[Callable[[Sandbox], None]]
) -> None:
    world = deployed(routed(*canary_steps))
    watchman = Watchman(world)
    for event in [*history, take_the_router_out, *rest]:
        event(world)
        watchman.last = watchman._picture(world)
    left_alone(world)
    assert world.status["phase"] in ("Healthy", "Degraded")
    assert world.weights() == (0, 100)
    assert not world.objs[Ref("gateway.networking.k8s.io", "HTTPRoute", "shop", "web")]["metadata"].get("labels")
    assert "shipway.dev/reaches" in world.rollout["metadata"]["annotations"]
    assert "trafficRouting" not in world.rollout["metadata"]["annotations"]["shipway.dev/reaches"]


onward = st.lists(
    st.one_of(
        st.sampled_from([pass_once, walk, resume, Sandbox.play_pods]),
        st.integers(0, 6).map(crash_in_a_pass),
        st.sampled_from([1, 40]).map(lambda seconds: lambda world: world.wait(seconds)),
    ),
    max_size=20,
)


SCALED_DOWN_BEFORE_THE_LAST_STEP = [
    pass_once,
    pass_once,
    lambda world: world.wait(1),
    crash_in_a_pass(1),
    Sandbox.play_pods,
    pass_once,
]
"""The new pods have been told to go, and the status of their ReplicaSet still counts them."""


@lawful
@given(plain_steps, onward)
@example([{"setWeight": 0}, {"pause": {"duration": 1}}], SCALED_DOWN_BEFORE_THE_LAST_STEP)
def test_an_update_is_healthy_when_all_traffic_leads_to_it_and_weights_are_settled_right_after(
    canary_steps: list[dict], history: list[Callable[[Sandbox], None]]
) -> None:
    """As in Argo Rollouts: first all of the weight, then Healthy, then the stable service and the weights back at 0/100."""
    world = deployed(routed(*canary_steps))
    before = world.status["stableRS"]
    world.set_image("shop/web:v2")

    def look(there: Sandbox) -> None:
        status = there.status
        if status["phase"] != "Healthy" or status["stableRS"] == before:
            return
        sides = zip(there.weights(), ("web-canary", "web-stable"), strict=True)
        assert {there.points_at(service) for weight, service in sides if weight} == {status["stableRS"]}

    world.on_write = look
    for event in [*history, left_alone]:
        event(world)
        if world.status["phase"] == "Healthy" and world.status["stableRS"] != before:
            world.settle(4)
            assert world.weights() == (0, 100)
    assert world.status["stableRS"] != before
