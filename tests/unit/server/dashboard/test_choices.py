"""Which buttons there are, and what they say before they act."""

import pytest

from shipway.kube.objects.resource import Obj
from shipway.server.dashboard.choices import Choice, choices
from tests.unit.cli.objects import CANARY, STABLE, replica_set, rollout

SETS = [replica_set(STABLE, 1, "v1", 4), replica_set(CANARY, 2, "v2", 1)]


def chosen(obj: Obj) -> dict[str, Choice]:
    return {choice.verb: choice for choice in choices(obj, SETS)}


INVALID = {"canary": {"steps": [{"setWeight": 500}]}}
CAN_GO_BACK = {"restart", "undo-1"}
DONE = {"stableRS": CANARY, "currentStepIndex": 4, "phase": "Healthy", "pauseConditions": []}


@pytest.mark.parametrize(
    ("found", "possible"),
    [
        pytest.param(rollout(), {"promote", "promote-full", "abort", *CAN_GO_BACK}, id="paused"),
        pytest.param(rollout(**DONE), CAN_GO_BACK, id="done"),
        pytest.param(rollout(abort=True, pauseConditions=[]), {"promote", "promote-full", "retry", *CAN_GO_BACK}, id="aborted"),
        pytest.param(rollout(strategy=INVALID), {"abort", *CAN_GO_BACK}, id="invalid"),
    ],
)
def test_what_changes_nothing_cannot_be_chosen(found: Obj, possible: set[str]) -> None:
    assert {verb for verb, choice in chosen(found).items() if choice.possible} == possible


@pytest.mark.parametrize(
    ("verb", "says"),
    [
        ("promote", "web leaves its pause at step 2 of 4 (pause) and goes on with setWeight: 60."),
        ("abort", "web throws out the new version: all traffic goes back to the stable one at once."),
        ("restart", "web replaces its 5 pods one after the other, without an update and without its steps."),
        ("undo-1", "web goes back to the pods of revision 1 (registry.example/web:v1) by the steps of an update. "
                   "What Git says stays as it is."),
    ],
)  # fmt: skip
def test_each_says_what_it_brings_about(verb: str, says: str) -> None:
    assert chosen(rollout())[verb].says == says


def test_where_each_is_put() -> None:
    paths = {verb: (choice.path, choice.body) for verb, choice in chosen(rollout()).items()}
    assert paths["promote"] == ("promote", {})
    assert paths["promote-full"] == ("promote", {"full": True})
    assert paths["undo-1"] == ("undo/1", {})


def test_pods_of_another_object_are_not_put_back_here() -> None:
    referring = rollout()
    referring["spec"]["workloadRef"] = {"kind": "Deployment", "name": "web"}
    assert not [verb for verb in chosen(referring) if verb.startswith("undo")]


def test_an_invalid_rollout_says_why_it_cannot_be_promoted() -> None:
    assert "cannot be promoted while its spec is invalid" in chosen(rollout(strategy=INVALID))["promote"].says
