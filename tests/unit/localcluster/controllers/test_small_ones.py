"""Status patches, job counts, disruption budgets, lost pods and what every namespace has, as tables and laws."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.api.kinds import JOBS, REPLICA_SETS
from shipway.base.clock import rfc3339
from shipway.kube.objects.patches import merge_patch
from shipway.localcluster.controllers import pod_collector, service_accounts
from shipway.localcluster.controllers.disruption.decide import amounts
from shipway.localcluster.controllers.disruption.decide import decide as decide_disruption
from shipway.localcluster.controllers.disruption.observe import Observed as Budget
from shipway.localcluster.controllers.job.accounting import account, format_indexes, parse_indexes, uncounted
from shipway.localcluster.controllers.job.observe import TRACKING
from shipway.localcluster.controllers.status import condition, status_change, with_condition
from tests.unit.localcluster.controllers.objects import NOW, Obj, meta, pod, replica_set

LATER = NOW + 60


@pytest.mark.parametrize(
    ("there", "wanted", "patch"),
    [
        ({}, {"a": 1}, {"a": 1}),
        ({"a": 1}, {"a": 1}, None),
        ({"a": 1, "b": 2}, {"a": 0}, {"a": 0, "b": None}),
        ({"a": 1}, {}, {"a": None}),
        ({}, {"a": None, "b": [], "c": {}}, None),
        ({"c": [1]}, {"c": []}, {"c": None}),
    ],
)
def test_a_status_patch_says_what_differs(there: Obj, wanted: Obj, patch: Obj | None) -> None:
    change = status_change(REPLICA_SETS, {**replica_set(), "status": there}, wanted)
    assert (change.status if change else None) == patch


def test_a_condition_keeps_its_time_until_its_status_changes() -> None:
    first = with_condition([], condition("Ready", True, "A", "a"), NOW)
    second = with_condition(first, condition("Ready", True, "B", "b"), LATER)
    third = with_condition(second, condition("Ready", False, "B", "b"), LATER)
    assert [c[0]["lastTransitionTime"] for c in (first, second, third)] == [rfc3339(NOW), rfc3339(NOW), rfc3339(LATER)]
    assert with_condition(third, condition("Ready", False, "B", "b"), LATER + 9) == third


@given(st.frozensets(st.integers(0, 50)))
def test_indexes_survive_their_text(indexes: frozenset[int]) -> None:
    assert parse_indexes(format_indexes(indexes)) == indexes


@pytest.mark.parametrize(("indexes", "text"), [([], ""), ([3], "3"), ([0, 1, 2, 5, 7, 8], "0-2,5,7-8")])
def test_indexes_are_written_as_ranges(indexes: list[int], text: str) -> None:
    assert format_indexes(indexes) == text


def job(**status: Any) -> Obj:
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta("work"), "spec": {}, "status": status}


@given(st.lists(st.sampled_from(["Succeeded", "Failed", "Running"]), max_size=8), st.randoms(use_true_random=False))
def test_every_end_is_counted_once_whenever_writes_are_lost(phases: list[str], chance: Any) -> None:
    """The status write and the removal of finalizers may each be lost any number of times."""
    pods = {f"p{n}": pod(f"p{n}", phase=phase, finalizers=[TRACKING]) for n, phase in enumerate(phases)}
    work = job()
    for step in range(40):
        found = account(work, list(pods.values()))
        lucky = step > 20 or chance.random() < 0.5
        if lucky:
            for one in found.countable:
                pods[one["metadata"]["name"]] = merge_patch(one, {"metadata": {"finalizers": None}})
        if step > 20 or chance.random() < 0.5:
            status = {"succeeded": found.succeeded, "failed": found.failed}
            work = merge_patch(work, {"status": {**status, "uncountedTerminatedPods": uncounted(work, found)}})
        if lucky and chance.random() < 0.3:
            pods = {name: one for name, one in pods.items() if one["metadata"].get("finalizers")}
    found = account(work, list(pods.values()))
    assert found.is_settled
    assert (found.succeeded, found.failed) == (phases.count("Succeeded"), phases.count("Failed"))
    assert JOBS.kind == work["kind"]


def budget(**spec: Any) -> Obj:
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta("web"), "spec": spec, "status": {}}


PODS = tuple(pod(f"p{n}") for n in range(4))


@pytest.mark.parametrize(
    ("spec", "scales", "expected"),
    [
        ({"minAvailable": 3}, {"r": 4}, (4, 3)),
        ({"minAvailable": "50%"}, {"r": 5}, (5, 3)),
        ({"maxUnavailable": 1}, {"r": 4}, (4, 3)),
        ({"maxUnavailable": "30%"}, {"r": 5}, (5, 3)),
        ({"maxUnavailable": 9}, {"r": 4}, (4, 0)),
        ({"maxUnavailable": 1}, {"bare": None}, (0, 0)),
    ],
)
def test_how_many_pods_a_budget_wants(spec: Obj, scales: dict[str, int | None], expected: tuple[int, int]) -> None:
    assert amounts(Budget(budget(**spec), PODS, scales)) == expected


@pytest.mark.parametrize(
    ("pods", "allowed"),
    [
        (PODS, 1),
        (PODS[:3], 0),
        ((*PODS[:3], pod("p3", ready_for=None)), 0),
        ((*PODS[:3], pod("p3", deletionTimestamp="x")), 0),
    ],
)
def test_how_many_pods_may_go(pods: tuple[Obj, ...], allowed: int) -> None:
    change = decide_disruption(Budget(budget(maxUnavailable=1), pods, {"r": 4}), NOW).change
    assert change is not None and change.status is not None
    assert change.status["disruptionsAllowed"] == allowed
    assert change.status["conditions"][0]["reason"] == ("SufficientPods" if allowed else "InsufficientPods")


def test_a_granted_eviction_counts_until_its_pod_goes() -> None:
    made = budget(maxUnavailable=1)
    made["status"] = {"disruptedPods": {"p0": rfc3339(NOW - 10), "gone": rfc3339(NOW - 10)}}
    decision = decide_disruption(Budget(made, PODS, {"r": 4}), NOW)
    assert decision.change.status["disruptedPods"] == {"p0": rfc3339(NOW - 10)}
    assert decision.change.status["disruptionsAllowed"] == 0
    assert decision.wake == NOW + 110


@pytest.mark.parametrize(
    ("one", "has_node", "is_removed"),
    [
        (pod("a"), True, False),
        (pod("a", ready_for=100), False, True),
        (pod("a", ready_for=5), False, False),
        (pod("a", node="", ready_for=None), True, False),
        (pod("a", node="", ready_for=None, deletionTimestamp="x"), True, True),
    ],
)
def test_which_pods_nobody_will_report_on(one: Obj, has_node: bool, is_removed: bool) -> None:
    decision = pod_collector.decide(pod_collector.Observed(one, has_node), NOW)
    assert bool(decision.batches) is is_removed


NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
ACCOUNT = {"metadata": {"name": "default"}}


@pytest.mark.parametrize(
    ("account", "root", "certificate", "verbs"),
    [
        (None, None, "CA", ["Create", "Create"]),
        (ACCOUNT, None, "CA", ["Create"]),
        (ACCOUNT, {"data": {"ca.crt": "CA"}}, "CA", []),
        (ACCOUNT, {"data": {"ca.crt": "old"}}, "CA", ["Patch"]),
        (ACCOUNT, None, "", []),
    ],
)
def test_what_every_namespace_has(account: Obj | None, root: Obj | None, certificate: str, verbs: list[str]) -> None:
    decision = service_accounts.decide(service_accounts.Observed(NAMESPACE, account, root), certificate)
    assert [type(action).__name__ for batch in decision.batches for action in batch.actions] == verbs
