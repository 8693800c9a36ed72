"""Verification rules over a blue-green Rollout."""

from shipway.api.kinds import VERIFICATION_RULES
from shipway.kube.objects.resource import Obj
from tests.unit.rollouts.rollout.ruled import Ruled, rule, updating
from tests.unit.rollouts.rollout.sandbox import blue_green, deployed


def green(*rules: Obj) -> Ruled:
    plain = blue_green()
    world = Ruled(*((VERIFICATION_RULES, one) for one in rules))
    world.objs |= plain.objs
    world.version = 1000
    deployed(world)
    return world


def test_before_the_switch_blue_green_waits_for_the_rule_and_after_it_the_old_version_stays() -> None:
    world = green(rule(at=["BeforePromotion", "AfterPromotion"]))
    old = world.status["stableRS"]
    updating(world)
    new = world.status["currentPodHash"]
    assert world.points_at("web") == old and world.runs() == {"org-before": ""}
    world.say("-org-before", "Successful")
    world.settle()
    assert world.points_at("web") == new and "org-after" in world.runs()
    assert world.status["stableRS"] == old
    world.say("-org-after", "Failed", "no")
    world.settle()
    assert world.points_at("web") == old
    assert "Verification rule 'org' analysis phase error/failed: no" in world.status["message"]


def test_blue_green_is_promoted_when_all_rules_are_content() -> None:
    world = updating(green(rule(at=["Canary", "BeforePromotion", "AfterPromotion"])))
    world.say("-org-before", "Successful")
    world.settle()
    assert world.points_at("web") == world.status["stableRS"]
    world.say("-org-canary", "Running", measured=1)
    world.settle()
    world.say("-org-after", "Successful")
    world.settle()
    assert world.status["stableRS"] == world.status["currentPodHash"]
