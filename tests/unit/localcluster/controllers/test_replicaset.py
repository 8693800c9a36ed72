"""What a ReplicaSet decides, as tables."""

from itertools import islice, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.base.errors import Denied
from shipway.kube.runtime.decision import Create, Decision, Delete, Outcome, Patch
from shipway.localcluster.controllers.pods import deletion_order, free_names, slow_start
from shipway.localcluster.controllers.replicaset.decide import conclude, decide
from shipway.localcluster.controllers.replicaset.observe import Observed
from tests.unit.localcluster.controllers.objects import NOW, Obj, owner, pod, replica_set


def actions(decision: Decision) -> list[Any]:
    return [action for batch in decision.batches for action in batch.actions]


def status(decision: Decision) -> Obj:
    return (decision.change.status if decision.change else None) or {}


def test_missing_pods_are_made_in_growing_batches_with_names_that_do_not_change() -> None:
    observed = Observed(replica_set(replicas=6))
    first, second = decide(observed, NOW), decide(observed, NOW)
    assert [len(batch.actions) for batch in first.batches] == [1, 2, 3]
    names = [action.obj["metadata"]["name"] for action in actions(first)]
    assert names == [action.obj["metadata"]["name"] for action in actions(second)]
    assert len(set(names)) == 6 and all(name.startswith("web-") and len(name) == 9 for name in names)
    made = actions(first)[0].obj
    assert made["metadata"]["ownerReferences"] == [owner("ReplicaSet")]
    assert made["metadata"]["labels"] == {"app": "web"} and made["spec"]["containers"][0]["image"] == "v1"


def test_a_pod_that_is_ending_keeps_its_name_to_itself() -> None:
    (name,) = [action.obj["metadata"]["name"] for action in actions(decide(Observed(replica_set(replicas=1)), NOW))]
    ending = pod(name, deletionTimestamp="2026-11-18T11:00:00Z")
    (again,) = actions(decide(Observed(replica_set(replicas=1), (ending,)), NOW))
    assert again.obj["metadata"]["name"] != name


@pytest.mark.parametrize(
    ("pods", "doomed"),
    [
        ([pod("a"), pod("b"), pod("c"), pod("unbound", node="", ready_for=None, phase="Pending")], "unbound"),
        ([pod("a"), pod("b"), pod("c"), pod("pending", ready_for=None, phase="Pending")], "pending"),
        ([pod("a"), pod("b"), pod("c"), pod("unready", ready_for=None)], "unready"),
        ([pod("a"), pod("b"), pod("c"), pod("cheap", cost=-5)], "cheap"),
        ([pod("a"), pod("b", node="n2"), pod("c", node="n3"), pod("crowded")], "a"),
        ([pod("a"), pod("b"), pod("c"), pod("late", ready_for=5)], "late"),
    ],
)
def test_the_right_pod_goes_first(pods: list[Obj], doomed: str) -> None:
    (deletion,) = actions(decide(Observed(replica_set(replicas=3), tuple(pods)), NOW))
    assert isinstance(deletion, Delete)
    assert (deletion.name, deletion.uid) == (doomed, f"{doomed}-uid")


@pytest.mark.parametrize(
    ("pods", "makes"),
    [
        ([pod("a"), pod("b"), pod("c")], 0),
        ([pod("a"), pod("b"), pod("c", phase="Failed")], 1),
        ([pod("a"), pod("b"), pod("c", phase="Succeeded")], 1),
        ([pod("a"), pod("b"), pod("c", deletionTimestamp="2026-11-18T11:00:00Z")], 1),
    ],
)
def test_only_active_pods_count(pods: list[Obj], makes: int) -> None:
    assert len(actions(decide(Observed(replica_set(replicas=3), tuple(pods)), NOW))) == makes


def test_pods_of_nobody_are_adopted_and_strangers_let_go_before_anything_else() -> None:
    stranger = pod("stranger", labels={"app": "other"})
    orphan, other = pod("orphan", owned_by={}), pod("other", owned_by={}, labels={"app": "other"})
    decision = decide(Observed(replica_set(replicas=3), (stranger,), (orphan, other)), NOW)
    adopt, release = actions(decision)
    assert isinstance(adopt, Patch) and adopt.name == "orphan"
    assert adopt.body["metadata"]["ownerReferences"] == [owner("ReplicaSet")]
    assert (release.name, release.body["metadata"]["ownerReferences"]) == ("stranger", None)
    assert (adopt.uid, adopt.resource_version) == ("orphan-uid", "1")


def test_a_set_that_is_being_deleted_touches_nothing() -> None:
    going = replica_set(replicas=3, deletionTimestamp="2026-11-18T11:00:00Z")
    assert actions(decide(Observed(going, (), (pod("orphan", owned_by={}),)), NOW)) == []


def test_the_status_counts_and_wakes_when_a_pod_becomes_available() -> None:
    pods = (pod("a", ready_for=30), pod("b", ready_for=5), pod("c", ready_for=None))
    decision = decide(Observed(replica_set(spec={"minReadySeconds": 10}), pods), NOW)
    counts = {"replicas": 3, "fullyLabeledReplicas": 3, "readyReplicas": 2, "availableReplicas": 1, "terminatingReplicas": 0}
    assert status(decision) == counts
    assert decision.wake == NOW + 5


def test_a_refused_creation_becomes_a_condition_and_an_event() -> None:
    observed = Observed(replica_set(replicas=1))
    decision = decide(observed, NOW)
    refused = Outcome(actions(decision)[0], error=Denied("exceeded quota"))
    conclusion = conclude(observed, decision, (refused,), NOW)
    (condition,) = conclusion.change.status["conditions"]
    assert (condition["type"], condition["reason"], condition["message"]) == (
        "ReplicaFailure",
        "FailedCreate",
        "exceeded quota",
    )
    assert [(n.reason, n.type, n.message) for n in conclusion.notes] == [
        ("FailedCreate", "Warning", "Error creating: exceeded quota")
    ]


def test_pods_made_and_deleted_are_told() -> None:
    observed = Observed(replica_set(replicas=1))
    decision = decide(observed, NOW)
    (creation,) = actions(decision)
    deletion = Delete(creation.resource, "default", "x")
    conclusion = conclude(observed, decision, (Outcome(creation, result=creation.obj), Outcome(deletion, result={})), NOW)
    name = creation.obj["metadata"]["name"]
    assert [n.message for n in conclusion.notes] == [f"Created pod: {name}", "Deleted pod: x"]


@given(st.sets(st.integers(0, 60)), st.integers(0, 40))
def test_free_names_never_repeat_and_never_take(taken_at: set[int], wanted: int) -> None:
    every = list(islice(free_names("web-", "uid", ()), 61))
    taken = {every[n] for n in taken_at}
    given_names = list(islice(free_names("web-", "uid", taken), wanted))
    assert len(set(given_names)) == wanted and not taken & set(given_names)


@given(st.integers(0, 300))
def test_slow_start_keeps_everything_in_order(count: int) -> None:
    made = [Create(replica_set, {"n": n}) for n in range(count)]  # type: ignore[arg-type]
    batches = slow_start(made)
    assert [action for batch in batches for action in batch.actions] == made
    assert all(len(later.actions) <= 2 * len(earlier.actions) for earlier, later in pairwise(batches))


@given(st.permutations(["a", "b", "c", "d", "e"]))
def test_the_order_of_deletion_does_not_depend_on_the_order_of_looking(order: list[str]) -> None:
    pods = [pod(name, ready_for=None if name in "bd" else 50) for name in order]
    assert [p["metadata"]["name"] for p in deletion_order(pods)] == ["b", "d", "a", "c", "e"]
