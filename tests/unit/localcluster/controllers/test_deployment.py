"""What a Deployment decides, as tables."""

from typing import Any

import pytest

from shipway.base.clock import Instant, rfc3339
from shipway.base.errors import Conflict
from shipway.kube.runtime.decision import Create, Decision, Delete, Outcome, Patch
from shipway.localcluster.controllers.deployment import scaling
from shipway.localcluster.controllers.deployment.decide import conclude, decide
from shipway.localcluster.controllers.deployment.observe import Observed
from shipway.localcluster.controllers.deployment.replica_sets import is_same_template, made_replica_set, template_hash
from tests.unit.localcluster.controllers.objects import NOW, Obj, deployment, owner, pod, replica_set, template

OWNED = [owner("Deployment")]
D = "deployment.kubernetes.io/"


def rs(name: str, replicas: int, available: int | None = None, image: str = "v1", **more: Any) -> Obj:
    """A set of deployment `web`, sized for `desired` (default 4) and `maximum` pods."""
    desired, maximum = more.pop("desired", 4), more.pop("maximum", 5)
    revision = more.pop("revision", 2 if name == "new" else 1)
    notes = {f"{D}desired-replicas": str(desired), f"{D}max-replicas": str(maximum), f"{D}revision": str(revision)}
    ready = replicas if available is None else available
    return replica_set(name, replicas, image, available=ready, ownerReferences=OWNED, annotations=notes, **more)


def actions(decision: Decision) -> list[Any]:
    return [action for batch in decision.batches for action in batch.actions]


def sizes(decision: Decision) -> dict[str, int]:
    """The new size of every set that the decision makes or resizes."""
    found: dict[str, int] = {}
    for action in actions(decision):
        if isinstance(action, Create):
            found["created"] = action.obj["spec"]["replicas"]
        elif isinstance(action, Patch) and "replicas" in action.body.get("spec", {}):
            found[action.name] = action.body["spec"]["replicas"]
    return found


def condition(decision: Any, kind: str) -> Obj:
    return next(c for c in decision.change.status["conditions"] if c["type"] == kind)


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "resolved"),
    [
        (4, "25%", "25%", (1, 1)),
        (3, "25%", "25%", (1, 0)),
        (10, "25%", "25%", (3, 2)),
        (3, 0, 0, (0, 1)),
        (1, "0%", "20%", (0, 1)),
        (2, 5, 10, (5, 2)),
        (0, "25%", "25%", (0, 1)),
    ],
)
def test_limits(replicas: int, surge: Any, unavailable: Any, resolved: tuple[int, int]) -> None:
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}
    found = scaling.limits(deployment(replicas, strategy=rolling))
    assert (found.surge, found.unavailable) == resolved


# 4 replicas, one more and one less allowed. Old sets are of another image, the new one of the deployment's.
STEPS: list[tuple[str, list[Obj], dict[str, int]]] = [
    ("nothing yet", [], {"created": 4}),
    ("an old set that is full", [rs("old", 4, image="v0")], {"created": 1}),
    ("the new one has no room, all available", [rs("old", 4, image="v0"), rs("new", 1)], {"old": 2}),
    ("the new one is not available yet", [rs("old", 4, image="v0"), rs("new", 1, 0)], {"old": 3}),
    ("room again", [rs("old", 3, image="v0"), rs("new", 1, 0)], {"new": 2}),
    ("nothing may go", [rs("old", 3, image="v0"), rs("new", 2, 0)], {}),
    ("unhealthy old pods go first", [rs("old", 4, 2, image="v0"), rs("new", 1, 1)], {"old": 2}),
    ("only unhealthy old pods", [rs("old", 3, 0, image="v0"), rs("new", 2, 0)], {}),
    (
        "the oldest goes first",
        [
            rs("older", 1, image="v-1", creationTimestamp=rfc3339(NOW - 9000)),
            rs("old", 2, image="v0", creationTimestamp=rfc3339(NOW - 5000)),
            rs("new", 2),
        ],
        {"older": 0, "old": 1},
    ),
    ("done", [rs("old", 0, image="v0", revision=0), rs("new", 4)], {}),
    ("one too many", [rs("new", 5)], {"new": 4}),
    ("back to an old template", [rs("first", 0), rs("second", 4, image="v2", revision=1)], {"first": 1}),
]


@pytest.mark.parametrize(("sets", "expected"), [step[1:] for step in STEPS], ids=[step[0] for step in STEPS])
def test_the_next_step_of_a_rolling_update(sets: list[Obj], expected: dict[str, int]) -> None:
    observed = Observed(deployment(4), tuple(sets))
    decision = decide(observed, NOW)
    if not sizes(decision) and actions(decision):
        # The pass only wrote annotations (a revision moved): the step comes with the next one.
        (patch,) = actions(decision)
        moved = next(one for one in sets if one["metadata"]["name"] == patch.name)
        moved["metadata"]["annotations"].update(patch.body["metadata"]["annotations"])
        decision = decide(observed, NOW)
    assert sizes(decision) == expected


def test_the_new_set_is_named_for_its_template() -> None:
    wanted = deployment(4, minReadySeconds=7)
    wanted["metadata"]["annotations"] = {"team": "shop", "kubectl.kubernetes.io/last-applied-configuration": "{}"}
    (creation,) = actions(decide(Observed(wanted), NOW))
    made = creation.obj
    suffix = template_hash(template(), 0)
    assert made["metadata"]["name"] == f"web-{suffix}"
    assert made["metadata"]["labels"] == {"app": "web", "pod-template-hash": suffix}
    assert made["spec"]["selector"] == {"matchLabels": {"app": "web", "pod-template-hash": suffix}}
    assert made["spec"]["template"]["metadata"]["labels"]["pod-template-hash"] == suffix
    assert made["spec"]["minReadySeconds"] == 7
    expected = {"team": "shop", f"{D}revision": "1", f"{D}desired-replicas": "4", f"{D}max-replicas": "5"}
    assert made["metadata"]["annotations"] == expected
    assert is_same_template(made["spec"]["template"], template())


def test_a_name_that_somebody_else_has_leads_to_another_hash() -> None:
    observed = Observed(deployment(4))
    decision = decide(observed, NOW)
    taken = Outcome(actions(decision)[0], error=Conflict("taken", reason="NameTaken"))
    conclusion = conclude(observed, decision, (taken,), NOW)
    assert conclusion.change.status["collisionCount"] == 1
    again = deployment(4)
    again["status"] = {"collisionCount": 1}
    assert made_replica_set(again, 4, {})["metadata"]["name"] != actions(decision)[0].obj["metadata"]["name"]


def test_a_rollback_gives_the_old_set_the_next_revision() -> None:
    sets = (rs("first", 0, revision=1), rs("second", 4, image="v2", revision=2))
    (patch,) = actions(decide(Observed(deployment(4), sets), NOW))
    assert patch.name == "first"
    assert patch.body == {"metadata": {"annotations": {f"{D}revision": "3", f"{D}revision-history": "1"}}}


@pytest.mark.parametrize(
    ("replicas", "sets", "expected"),
    [
        (8, [rs("new", 4)], {"new": 8}),
        (2, [rs("new", 4)], {"new": 2}),
        (8, [rs("old", 3, image="v0"), rs("new", 2)], {"old": 6, "new": 4}),
        (2, [rs("old", 3, image="v0"), rs("new", 2)], {"old": 2, "new": 1}),
        (0, [rs("old", 3, image="v0"), rs("new", 2)], {"old": 0, "new": 0}),
    ],
)
def test_scaling_in_the_middle_of_a_rollout_is_shared_out(replicas: int, sets: list[Obj], expected: dict[str, int]) -> None:
    assert sizes(decide(Observed(deployment(replicas), tuple(sets)), NOW)) == expected


def test_a_paused_deployment_makes_no_new_set_but_can_be_scaled() -> None:
    old = rs("old", 4, image="v0")
    assert actions(decide(Observed(deployment(4, paused=True), (old,)), NOW)) == []
    assert sizes(decide(Observed(deployment(6, paused=True), (old,)), NOW)) == {"old": 6}


@pytest.mark.parametrize(
    ("sets", "pods", "expected"),
    [
        ([rs("old", 4, image="v0")], [], {"old": 0}),
        ([rs("old", 0, 0, image="v0")], [pod("p")], {}),
        ([rs("old", 0, 0, image="v0")], [pod("p", phase="Succeeded")], {"created": 4}),
        ([rs("old", 0, 0, image="v0")], [], {"created": 4}),
    ],
)
def test_recreate_waits_for_the_last_old_pod(sets: list[Obj], pods: list[Obj], expected: dict[str, int]) -> None:
    observed = Observed(deployment(4, strategy={"type": "Recreate"}), tuple(sets), pods={"old-uid": tuple(pods)})
    assert sizes(decide(observed, NOW)) == expected


def test_empty_old_sets_beyond_the_limit_go_lowest_revision_first() -> None:
    old = [rs(f"old{n}", 0, 0, image=f"v{n + 5}", revision=n) for n in (3, 1, 2)]
    sets = (*old, rs("new", 4, revision=4))
    wanted = deployment(4, revisionHistoryLimit=1)
    assert [a.name for a in actions(decide(Observed(wanted, sets), NOW)) if isinstance(a, Delete)] == ["old1", "old2"]


def test_sets_of_nobody_are_adopted_and_strangers_let_go() -> None:
    orphan = replica_set("orphan", ownerReferences=[])
    stranger = rs("stranger", 1, labels={"app": "other"})
    adopt, release = actions(decide(Observed(deployment(4), (stranger,), (orphan,)), NOW))
    assert adopt.body["metadata"]["ownerReferences"] == OWNED
    assert (release.name, release.body["metadata"]["ownerReferences"]) == ("stranger", None)


@pytest.mark.parametrize(
    ("sets", "status", "value", "reason"),
    [
        ([rs("new", 4)], {}, "True", "NewReplicaSetAvailable"),
        ([rs("new", 4, 2)], {}, "True", "ReplicaSetUpdated"),
        ([rs("new", 4, 0)], {"updatedReplicas": 4, "replicas": 4}, "True", "FoundNewReplicaSet"),
    ],
)
def test_progress(sets: list[Obj], status: Obj, value: str, reason: str) -> None:
    wanted = {**deployment(4), "status": status}
    found = condition(decide(Observed(wanted, tuple(sets)), NOW), "Progressing")
    assert (found["status"], found["reason"]) == (value, reason)


def test_no_progress_until_the_deadline_is_a_failure() -> None:
    begun = rfc3339(NOW)
    progressing = {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated", "lastUpdateTime": begun}
    counts = {"updatedReplicas": 4, "replicas": 4, "unavailableReplicas": 4, "observedGeneration": 1}
    stuck = {**deployment(4), "status": {**counts, "conditions": [progressing]}}
    observed = Observed(stuck, (rs("new", 4, 0),))
    before, after = decide(observed, Instant(NOW + 599)), decide(observed, Instant(NOW + 600))
    assert before.wake == NOW + 600
    found = condition(after, "Progressing")
    assert (found["status"], found["reason"]) == ("False", "ProgressDeadlineExceeded")
    assert found["message"] == 'ReplicaSet "new" has timed out progressing.'


def test_the_status_speaks_of_pods_and_of_availability() -> None:
    status = decide(Observed(deployment(4), (rs("old", 3, image="v0"), rs("new", 2, 0))), NOW).change.status
    expected = {"replicas": 5, "updatedReplicas": 2, "readyReplicas": 3, "availableReplicas": 3, "unavailableReplicas": 2}
    assert {key: status.get(key) for key in expected} == expected
    available = next(c for c in status["conditions"] if c["type"] == "Available")
    assert (available["status"], available["reason"]) == ("True", "MinimumReplicasAvailable")


def test_resizes_are_told_as_kubectl_describe_shows_them() -> None:
    observed = Observed(deployment(4), (rs("old", 4, image="v0"), rs("new", 1)))
    decision = decide(observed, NOW)
    conclusion = conclude(observed, decision, tuple(Outcome(a, result={"kind": "x"}) for a in actions(decision)), NOW)
    assert [(n.reason, n.message) for n in conclusion.notes] == [
        ("ScalingReplicaSet", "Scaled down replica set old from 4 to 2")
    ]
