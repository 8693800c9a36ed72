"""A verdict is bound to what else ran when it was begun."""

import pytest

from shipway.api.kinds import DEPLOYMENTS
from shipway.kube.objects.patches import merge_patch
from shipway.kube.objects.views import annotations_of
from shipway.rollouts.rollout.names import STALE
from shipway.rollouts.rollout.rule_runs import MOST_ATTEMPTS
from shipway.rollouts.verification.environment import MOST_LISTED, Environment, difference, environment_of, fingerprint
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


def deployments(*images: str, **more: str) -> Environment:
    named = {f"{number:03}": image for number, image in enumerate(images)} | more
    return environment_of({f"deployment/{name}": beside(image) for name, image in named.items()})


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (deployments("a:1", "b:1"), ""),
        (deployments("a:2", "b:1"), "deployment/000: a:1 -> a:2"),
        (deployments("a:1"), "deployment/001: b:1 -> nothing"),
        (deployments("a:1", "b:1", cart="c:1"), "deployment/cart: nothing -> c:1"),
    ],
    ids=["same", "changed", "gone", "new"],
)
def test_a_difference_names_what_changed_came_or_went(after: Environment, told: str) -> None:
    assert difference(fingerprint(deployments("a:1", "b:1"), "abc"), after) == told


def test_a_change_of_the_template_alone_is_told_by_its_digest() -> None:
    before = environment_of({"deployment/a": beside("a:1")})
    changed = merge_patch(beside("a:1"), {"spec": {"template": {"metadata": {"annotations": {"restarted": "now"}}}}})
    told = difference(fingerprint(before, "abc"), environment_of({"deployment/a": changed}))
    one, _, other = told.removeprefix("deployment/a: ").partition(" -> ")
    assert one.startswith("a:1 with template ") and other.startswith("a:1 with template ") and one != other


def test_a_rollout_in_the_middle_of_its_update_is_not_what_it_is_at_the_end_of_one() -> None:
    at_rest = merge_patch(beside("a:2"), {"status": {"stableRS": "new", "currentPodHash": "new"}})
    halfway = merge_patch(beside("a:2"), {"status": {"stableRS": "old", "currentPodHash": "new"}})
    before = fingerprint(environment_of({"rollout/a": halfway}), "abc")
    assert difference(before, environment_of({"rollout/a": at_rest})) == "rollout/a: a:2 beside old -> a:2"


def test_annotation_and_difference_are_bounded_and_still_know_of_the_rest() -> None:
    many = deployments(*(f"shop/service-{number}:{'x' * 300}" for number in range(MOST_LISTED + 40)))
    before = fingerprint(many, "abc")
    assert len(before) < 20_000
    last = f"deployment/{MOST_LISTED + 39:03}"
    assert difference(before, {**many, last: "y#1"}) == "one of the 100 workloads beyond the first 60 changed, came or went"
    assert difference(before, dict.fromkeys(many, "y#1")).endswith("; and 55 more")


@pytest.mark.parametrize("broken", ["", "{", '{"workloads": 3}'])
def test_what_somebody_has_broken_says_nothing(broken: str) -> None:
    assert difference(broken, deployments("a:1")) == ""
