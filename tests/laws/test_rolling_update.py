"""Laws of a Deployment's rolling update, over any sizes, limits and pace of pods.

A toy world carries out what `decide` says: ReplicaSets are made, resized and deleted at once, their pods become available
(or fail) whenever Hypothesis pleases.
"""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.base.clock import Instant, rfc3339
from shipway.kube.objects.patches import merge_patch
from shipway.kube.runtime.decision import Create, Delete, Patch
from shipway.localcluster.controllers.deployment import scaling
from shipway.localcluster.controllers.deployment.decide import decide
from shipway.localcluster.controllers.deployment.observe import Observed
from tests.effort import examples
from tests.unit.localcluster.controllers.objects import NOW, Obj, deployment, owner, replica_set

Limit = st.one_of(st.integers(0, 5), st.integers(0, 100).map(lambda n: f"{n}%"))
STEPS = 60


class Toy:
    """A deployment and its sets, which may start in any state that an earlier rollout could have left."""

    def __init__(self, wanted: Obj, old: list[tuple[int, int]]) -> None:
        self.wanted = wanted
        self.now = Instant(NOW)
        self.sets: dict[str, Obj] = {}
        maximum = str(scaling.maximum(wanted))
        for n, (size, available) in enumerate(old):
            notes = {
                "deployment.kubernetes.io/revision": str(n + 1),
                "deployment.kubernetes.io/desired-replicas": str(wanted["spec"]["replicas"]),
                "deployment.kubernetes.io/max-replicas": maximum,
            }
            made = replica_set(f"old{n}", size, f"v-{n}", available=min(size, available), annotations=notes)
            made["metadata"]["ownerReferences"] = [owner("Deployment")]
            made["metadata"]["creationTimestamp"] = rfc3339(NOW - 1000 + n)
            self.sets[f"old{n}"] = made

    def decide(self) -> list[Any]:
        decision = decide(Observed(self.wanted, tuple(self.sets.values())), self.now)
        if decision.change is not None:
            self.wanted = merge_patch(self.wanted, {**decision.change.root, "status": decision.change.status or {}})
        return [action for batch in decision.batches for action in batch.actions]

    def carry_out(self, actions: list[Any]) -> None:
        for action in actions:
            if isinstance(action, Create):
                made = {**action.obj, "status": {"observedGeneration": 1}}
                made["metadata"] = {**made["metadata"], "uid": "new-uid", "generation": 1, "creationTimestamp": rfc3339(NOW)}
                self.sets[made["metadata"]["name"]] = made
            elif isinstance(action, Patch):
                self.sets[action.name] = merge_patch(self.sets[action.name], action.body)
            elif isinstance(action, Delete):
                del self.sets[action.name]

    def let_pods_change(self, name: str, available: int) -> None:
        """`available` of the set's pods are available from now on; it has as many pods as it should."""
        size = self.sets[name]["spec"]["replicas"]
        counts = {"replicas": size, "availableReplicas": min(available, size), "readyReplicas": min(available, size)}
        self.sets[name] = merge_patch(self.sets[name], {"status": counts})

    @property
    def total(self) -> int:
        return sum(rs["spec"]["replicas"] for rs in self.sets.values())

    @property
    def available(self) -> int:
        """Pods that are available and will not be taken away."""
        return sum(min(rs["status"].get("availableReplicas", 0), rs["spec"]["replicas"]) for rs in self.sets.values())

    def finish(self) -> None:
        """All pods become available; runs until nothing is decided any more."""
        for _ in range(STEPS):
            for name in self.sets:
                self.let_pods_change(name, 99)
            actions = self.decide()
            if not actions:
                return
            self.carry_out(actions)
        raise AssertionError("it never comes to rest")


@st.composite
def toys(draw: st.DrawFn) -> Toy:
    replicas = draw(st.integers(0, 12))
    rolling = {"maxSurge": draw(Limit), "maxUnavailable": draw(Limit)}
    wanted = deployment(replicas, strategy={"type": "RollingUpdate", "rollingUpdate": rolling})
    shares = draw(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=3))
    return Toy(wanted, shares)


@given(toys(), st.data())
@settings(max_examples=examples(150), deadline=None)
def test_it_never_breaks_its_limits_and_always_arrives(toy: Toy, data: st.DataObject) -> None:
    limits = scaling.limits(toy.wanted)
    replicas = toy.wanted["spec"]["replicas"]
    most, least = replicas + limits.surge, replicas - limits.unavailable
    for _ in range(data.draw(st.integers(0, 15))):
        total, available = toy.total, toy.available
        toy.carry_out(toy.decide())
        assert toy.total <= max(most, total), "never more than replicas + maxSurge"
        assert toy.available >= min(least, available), "never fewer available than replicas - maxUnavailable by our doing"
        for name in list(toy.sets):
            toy.let_pods_change(name, data.draw(st.integers(0, 12)))
    toy.finish()
    sizes = {name: rs["spec"]["replicas"] for name, rs in toy.sets.items()}
    new = [size for name, size in sizes.items() if not name.startswith("old")]
    assert new == [replicas] and sum(sizes.values()) == replicas
    assert toy.decide() == [], "a second run does nothing"


@given(toys(), st.integers(0, 12))
@settings(max_examples=examples(80), deadline=None)
def test_scaling_while_it_rolls_shares_out_everything(toy: Toy, replicas: int) -> None:
    toy.carry_out(toy.decide())
    toy.wanted = merge_patch(toy.wanted, {"spec": {"replicas": replicas}})
    before = toy.total
    toy.carry_out(toy.decide())
    assert toy.total <= max(replicas + scaling.limits(toy.wanted).surge, before)
    assert all(rs["spec"]["replicas"] >= 0 for rs in toy.sets.values())
    toy.finish()
    assert toy.total == replicas


@given(toys())
@settings(max_examples=examples(80), deadline=None)
def test_the_same_picture_gives_the_same_decision(toy: Toy) -> None:
    """Names are derived, so a pass on a stale picture asks for what is already there."""
    observed = Observed(toy.wanted, tuple(toy.sets.values()))
    assert decide(observed, NOW) == decide(observed, NOW)
