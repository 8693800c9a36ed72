"""A verdict is bound to what else ran when it was begun."""

import pytest

from shipway.api.kinds import DEPLOYMENTS
from shipway.kube.objects.patches import merge_patch
from shipway.kube.objects.views import annotations_of
from shipway.rollouts.rollout.names import STALE
from shipway.rollouts.rollout.rule_runs import MOST_ATTEMPTS
from tests.unit.rollouts.rollout.ruled import beside, rule, ruled, updating


@pytest.mark.proves("000-08")
def test_a_verdict_on_what_is_there_no_more_is_void_and_says_what_changed() -> None:
    world = updating(ruled())
    world.put(DEPLOYMENTS, beside("shop/catalog:2"))
    world.say("-org-canary", "Failed", "too many errors")
    world.settle()
    assert not world.status.get("abort") and world.runs() == {"org-canary": "Failed", "org-canary.1": ""}
    changed = "deployment/catalog: shop/catalog:1 -> shop/catalog:2"
    assert annotations_of(world.run("-org-canary"))[STALE] == changed
    (told,) = [note for note in world.events if note.reason == "StaleEnvironment"]
    assert changed in told.message and "(attempt 2 of 3)" in told.message
    world.say("-org-canary.1", "Failed", "too many errors")
    world.settle()
    assert world.status["abort"] is True


def test_what_changed_in_between_and_back_again_voids_it_too() -> None:
    world = updating(ruled())
    world.put(DEPLOYMENTS, beside("shop/catalog:2"))
    world.settle()
    world.put(DEPLOYMENTS, beside("shop/catalog:1"))
    world.say("-org-canary", "Error")
    world.settle()
    assert not world.status.get("abort") and "org-canary.1" in world.runs()


def test_a_namespace_that_never_rests_ends_with_a_person() -> None:
    world = updating(ruled())
    for number in range(MOST_ATTEMPTS):
        world.put(DEPLOYMENTS, beside(f"shop/catalog:{number + 2}"))
        world.say("-org-canary" + (f".{number}" if number else ""), "Failed")
        world.settle()
    assert world.status["pauseConditions"][-1]["reason"] == "InconclusiveAnalysisRun"
    assert len(world.runs()) == MOST_ATTEMPTS and not world.status.get("abort")
    assert "3 times in a row" in [note.message for note in world.events if note.reason == "StaleEnvironment"][-1]
    world.patch_status(pauseConditions=None)
    world.settle()
    assert len(world.runs()) == MOST_ATTEMPTS + 1


def test_attempts_are_counted_where_no_history_is_kept() -> None:
    world = updating(ruled(analysis={"unsuccessfulRunHistoryLimit": 0}))
    for number in range(MOST_ATTEMPTS):
        world.put(DEPLOYMENTS, beside(f"shop/catalog:{number + 2}"))
        world.say("-org-canary" + (f".{number}" if number else ""), "Failed")
        world.settle()
    assert list(world.runs()) == [f"org-canary.{MOST_ATTEMPTS - 1}"]
    assert world.status["pauseConditions"][-1]["reason"] == "InconclusiveAnalysisRun"


def test_a_good_verdict_stands_and_so_does_one_after_a_mere_change_of_size() -> None:
    world = updating(ruled(rule(at=["BeforePromotion"])))
    world.wait(31)
    world.settle()
    world.put(DEPLOYMENTS, beside("shop/catalog:2"))
    world.settle()
    world.say("-org-before", "Successful")
    world.settle()
    assert world.status["stableRS"] == world.status["currentPodHash"]
    assert "shop/catalog:2" in annotations_of(world.run("-org-before"))[STALE]
    again = updating(ruled())
    again.put(DEPLOYMENTS, merge_patch(beside("shop/catalog:1"), {"spec": {"replicas": 9}, "status": {"replicas": 9}}))
    again.say("-org-canary", "Failed")
    again.settle()
    assert again.status["abort"] is True
