"""What is read out of a Rollout and its objects: tables, without a cluster."""

from typing import Any

import pytest

from shipway.api.rollout import read_spec, read_status
from shipway.kube.objects.resource import Obj
from shipway.rollouts.rollout.replica_set import read_replica_set
from shipway.rollouts.view import actual_weight, phase_of, replica_set_status, roles_of, set_weight, view_of
from tests.unit.cli.objects import CANARY, STABLE, STEPS, Family, analysis_run, family, pod, replica_set, rollout

ROUTED = {"canary": {"steps": STEPS, "trafficRouting": {"plugins": {"argoproj-labs/gatewayAPI": {"httpRoute": "web"}}}}}
BLUE_GREEN = {"blueGreen": {"activeService": "web"}}
DONE = {"currentStepIndex": 4, "stableRS": CANARY, "phase": "Healthy", "message": "", "pauseConditions": []}


def weights(canary: int) -> dict[str, Any]:
    return {"canary": {"weights": {"canary": {"weight": canary}, "stable": {"weight": 100 - canary}}}}


@pytest.mark.proves("001-20")
@pytest.mark.parametrize(
    ("found", "asked", "actual"),
    [
        pytest.param(rollout(currentStepIndex=0), 20, 20, id="at a setWeight"),
        pytest.param(rollout(currentStepIndex=3), 60, 20, id="at the pause after one"),
        pytest.param(rollout(currentStepIndex=4), 100, 100, id="after the last step"),
        pytest.param(rollout(abort=True, currentStepIndex=0), 0, 20, id="aborted"),
        pytest.param(rollout(availableReplicas=0), 20, 0, id="nothing available"),
        pytest.param(rollout(strategy=ROUTED, **weights(15)), 20, 15, id="what the router was told"),
        pytest.param(rollout(strategy=ROUTED), 20, 0, id="the router was told nothing yet"),
        pytest.param(rollout(strategy={"canary": {}}, currentStepIndex=None), 100, 100, id="no steps"),
        pytest.param(rollout(strategy={"canary": {"steps": [{"pause": {}}]}}, currentStepIndex=0), 0, 20, id="no weight yet"),
        pytest.param(rollout(strategy=BLUE_GREEN), None, None, id="blue-green"),
    ],
)
def test_weights(found: Obj, asked: int | None, actual: int | None) -> None:
    sets = [read_replica_set(replica_set(STABLE, 1, "v1", 4)), read_replica_set(replica_set(CANARY, 2, "v2", 1))]
    spec, status = read_spec(found), read_status(found)
    assert (set_weight(spec, status), actual_weight(spec, status, sets)) == (asked, actual)


@pytest.mark.parametrize(
    ("found", "roles"),
    [
        (rollout(), {STABLE: ("stable",), CANARY: ("canary",), "older": ()}),
        (rollout(**DONE), {STABLE: (), CANARY: ("stable",), "": ()}),
        (
            rollout(strategy=BLUE_GREEN, blueGreen={"activeSelector": STABLE, "previewSelector": CANARY}),
            {STABLE: ("stable", "active"), CANARY: ("preview",)},
        ),
        (
            rollout(strategy=BLUE_GREEN, blueGreen={"activeSelector": CANARY, "previewSelector": CANARY}),
            {STABLE: ("stable",), CANARY: ("active",)},
        ),
    ],
    ids=["canary", "promoted", "before the switch", "after the switch"],
)
def test_roles(found: Obj, roles: dict[str, tuple[str, ...]]) -> None:
    assert {pod_hash: roles_of(pod_hash, read_spec(found), read_status(found)) for pod_hash in roles} == roles


@pytest.mark.parametrize(
    ("replicas", "available", "change", "status"),
    [
        (3, 3, {}, "Healthy"),
        (3, 2, {}, "Progressing"),
        (0, 0, {}, "ScaledDown"),
        (3, 3, {"observedGeneration": 0}, "Progressing"),
        (3, 2, {"conditions": [{"type": "ReplicaFailure", "status": "True"}]}, "Degraded"),
    ],
)
def test_state_of_a_replica_set(replicas: int, available: int, change: Obj, status: str) -> None:
    found = replica_set(STABLE, 1, "v1", replicas, available=available)
    assert replica_set_status(read_replica_set({**found, "status": {**found["status"], **change}})) == status


def test_only_what_the_rollout_owns_belongs_to_it() -> None:
    strangers = [pod(STABLE, "zzzzz", owner="another")]
    mine = family()
    view = view_of(Family(mine.rollout, mine.replica_sets, [*mine.pods, *strangers], mine.runs))
    assert [found.name[-5:] for found in view.revisions[1].replica_sets[0].pods] == ["aaaaa", "bbbbb"]


def test_revisions_come_newest_first_with_their_analyses() -> None:
    view = view_of(family(runs=[analysis_run("b", "Failed", failed=2), analysis_run("a", "Error", error=5)]))
    assert [revision.number for revision in view.revisions] == [2, 1]
    assert [(run.name, run.phase, run.failed, run.error) for run in view.revisions[0].runs] == [
        ("a", "Error", 0, 5),
        ("b", "Failed", 2, 0),
    ]


def test_images_are_those_that_run() -> None:
    mine = family(**DONE)
    gone = Family(mine.rollout, [replica_set(STABLE, 1, "v1", 0), replica_set(CANARY, 2, "v2", 5)])
    assert [(image.image, image.roles) for image in view_of(gone).images] == [("registry.example/web:v2", ("stable",))]


def test_a_change_that_nobody_has_seen_yet_is_progressing() -> None:
    found = rollout(**DONE)
    found["metadata"]["generation"] = 7
    assert phase_of(found) == ("Progressing", "waiting for rollout spec update to be observed")


def test_a_broken_rollout_can_be_looked_at() -> None:
    found = rollout()
    found["spec"]["replicas"] = "five"
    del found["status"]
    view = view_of(Family(found))
    assert view.phase == "Degraded"
    assert "spec.replicas" in view.message
