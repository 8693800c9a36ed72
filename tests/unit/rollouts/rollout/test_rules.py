"""Verification rules: what they add to an update, when they let it go on, and what they leave alone."""

from __future__ import annotations

import pytest

from shipway.api.kinds import (
    ANALYSIS_RUNS,
    ANALYSIS_TEMPLATES,
    CLUSTER_ANALYSIS_TEMPLATES,
    HTTP_ROUTES,
    ROLLOUTS,
    SERVICES,
    VERIFICATION_RULES,
)
from shipway.kube.objects.patches import merge_patch
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, labels_of, name_of
from shipway.rollouts.actions import promote
from shipway.rollouts.rollout.names import VERIFICATION
from shipway.rollouts.why import why
from tests.unit.rollouts.rollout.ruled import STEPS, Ruled, rule, ruled, updating
from tests.unit.rollouts.rollout.sandbox import deployed, rollout, route, routed, service, template


def test_a_first_deployment_and_a_finished_rollout_have_no_runs() -> None:
    world = ruled()
    assert not world.list(ANALYSIS_RUNS)
    assert VERIFICATION not in annotations_of(world.rollout)


def test_a_rule_adds_a_run_of_its_own_that_anybody_can_tell() -> None:
    world = updating(ruled())
    assert world.runs() == {"org-canary": ""}
    run = world.run("-org-canary")
    assert name_of(run) == f"web-{world.status['currentPodHash']}-2-org-canary"
    assert labels_of(run)["rollout-type"] == "Background" and labels_of(run)["app"] == "web"
    assert [metric["name"] for metric in run["spec"]["metrics"]] == ["errors"]
    assert "VerificationRuleStarted" in world.reasons


def test_arguments_are_filled_in_as_in_a_rollouts_analysis() -> None:
    given = [
        {"name": "hash", "valueFrom": {"podTemplateHashValue": "Latest"}},
        {"name": "service", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "limit", "value": "0.05"},
    ]
    world = ruled(rule(args=given))
    asking = merge_patch(template("errors"), {"spec": {"args": [{"name": one["name"]} for one in given]}})
    world.put(ANALYSIS_TEMPLATES, asking)
    updating(world)
    args = {one["name"]: one["value"] for one in world.run("-org-canary")["spec"]["args"]}
    assert args == {"hash": world.status["currentPodHash"], "service": "web", "limit": "0.05"}


def test_a_failed_rule_aborts_and_the_message_names_it_and_the_metric() -> None:
    world = updating(ruled())
    stable = world.status["stableRS"]
    world.say("-org-canary", "Failed", 'Metric "errors" assessed Failed due to failed (1) > failureLimit (0)')
    world.settle()
    assert world.weights() == (0, 100) and world.points_at("web-canary") == stable
    assert world.status["message"] == (
        "RolloutAborted: Rollout aborted update to revision 2: Verification rule 'org' analysis phase error/failed: "
        'Metric "errors" assessed Failed due to failed (1) > failureLimit (0)'
    )
    assert "StaleEnvironment" not in world.reasons


@pytest.mark.parametrize("steps", [(), STEPS])
def test_the_promotion_waits_until_a_rule_beside_the_update_has_measured_once(steps: tuple[Obj, ...]) -> None:
    world = updating(ruled(steps=steps))
    world.wait(60)
    world.settle()
    assert world.status["stableRS"] != world.status["currentPodHash"]
    assert not world.events or "ProgressDeadlineExceeded" not in world.reasons
    assert "org" in why(world.rollout, world.list(ANALYSIS_RUNS))
    world.say("-org-canary", "Running", measured=1)
    world.settle()
    assert world.status["stableRS"] == world.status["currentPodHash"]
    assert world.run("-org-canary")["spec"]["terminate"] is True


def test_before_the_promotion_a_canary_is_held_below_all_traffic() -> None:
    world = updating(ruled(rule(at=["BeforePromotion"])))
    assert world.runs() == {}
    world.wait(31)
    world.settle()
    assert world.status["currentStepIndex"] == 2 and world.weights() == (20, 80)
    assert world.runs() == {"org-before": ""}
    world.wait(3600)
    world.settle()
    assert world.weights() == (20, 80) and world.status["phase"] == "Progressing"
    world.say("-org-before", "Successful")
    world.settle()
    assert world.status["stableRS"] == world.status["currentPodHash"]


def test_after_the_promotion_a_canary_has_all_traffic_and_can_still_go_back() -> None:
    world = updating(ruled(rule(at=["AfterPromotion"])))
    stable = world.status["stableRS"]
    world.wait(31)
    world.settle()
    assert world.weights() == (100, 0) and world.runs() == {"org-after": ""}
    assert world.status["stableRS"] == stable != world.status["currentPodHash"]
    world.wait(3600)
    world.settle()
    assert world.status["phase"] == "Progressing"
    world.say("-org-after", "Failed", "no")
    world.settle()
    assert world.weights() == (0, 100)
    assert "Verification rule 'org' analysis phase error/failed: no" in world.status["message"]


def test_an_inconclusive_rule_waits_for_a_person_and_judges_again_when_there_was_one() -> None:
    world = updating(ruled())
    world.say("-org-canary", "Inconclusive")
    world.settle()
    assert world.status["pauseConditions"][-1]["reason"] == "InconclusiveAnalysisRun"
    patches = promote(world.rollout)
    world.put(ROLLOUTS, merge_patch(merge_patch(world.rollout, patches.root), {"status": patches.status}))
    world.settle()
    assert world.runs() == {"org-canary": "Inconclusive", "org-canary.1": ""}
    assert not [one for one in world.status.get("pauseConditions") or [] if one["reason"] == "InconclusiveAnalysisRun"]


def test_a_retry_is_judged_anew_by_the_rules_of_its_time() -> None:
    world = updating(ruled())
    world.say("-org-canary", "Failed")
    world.settle()
    world.put(ANALYSIS_TEMPLATES, template("latency"))
    world.put(VERIFICATION_RULES, rule("org", "latency"))
    world.patch_status(abort=False)
    world.settle()
    assert world.runs() == {"org-canary": "Failed", "org-canary.1": ""}
    assert [metric["name"] for metric in world.run("-org-canary.1")["spec"]["metrics"]] == ["latency"]


# --- what has to be there


@pytest.mark.proves("000-39")
def test_a_required_rule_whose_template_is_missing_keeps_only_the_new_version_waiting() -> None:
    world = ruled(rule("org", "contract"))
    before = world.status["stableRS"]
    world.settle()
    assert world.status["phase"] == "Healthy"
    updating(world)
    assert world.status["phase"] == "Degraded"
    assert "verification rule 'org' cannot judge it: AnalysisTemplate 'contract' not found" in world.status["message"]
    assert "waits" in why(world.rollout) and "org" in why(world.rollout)
    assert world.replica_sets() == {before: 4}
    world.edit(replicas=6)
    world.settle()
    assert world.replica_sets() == {before: 6}
    world.put(ANALYSIS_TEMPLATES, template("contract"))
    world.settle()
    assert world.status["phase"] != "Degraded" and world.runs() == {"org-canary": ""}


def test_rules_that_may_not_be_read_keep_new_versions_waiting_and_nothing_else() -> None:
    world = ruled()
    world.refused = "verificationrules.shipway.dev is forbidden"
    world.settle()
    assert world.status["phase"] == "Healthy"
    updating(world)
    assert "verification rules may not be read (verificationrules.shipway.dev is forbidden)" in world.status["message"]
    world.refused = ""
    world.settle()
    assert world.runs() == {"org-canary": ""}


def test_a_rule_that_is_not_required_is_left_out_where_its_template_is_missing() -> None:
    world = updating(ruled(rule("org", "contract", required=False)))
    assert world.status["phase"] != "Degraded" and world.runs() == {}


def test_a_rule_that_would_never_end_is_refused_where_the_promotion_waits_for_it() -> None:
    endless = merge_patch(
        template("errors"), {"spec": {"metrics": [{**template("errors")["spec"]["metrics"][0], "interval": "5s"}]}}
    )
    world = ruled(rule(at=["AfterPromotion"]))
    world.put(ANALYSIS_TEMPLATES, endless)
    updating(world)
    assert "metric 'errors' never ends" in world.status["message"]


def test_in_the_middle_of_an_update_the_one_that_runs_goes_no_further() -> None:
    world = updating(ruled(), "shop/web:v2")
    second = world.status["currentPodHash"]
    world.put(VERIFICATION_RULES, rule("org", "contract"))
    world.set_image("shop/web:v3")
    world.settle()
    world.wait(3600)
    world.settle()
    assert world.status["currentPodHash"] == second and world.weights() == (20, 80)
    assert "cannot judge it" in world.status["message"]
    world.say("-org-canary", "Failed")
    world.settle()
    assert world.weights() == (0, 100)
    world.set_image("shop/web:v1")
    world.settle()
    assert world.status["phase"] == "Healthy"


ASKING = {"metadata": {"name": "gate"}, "spec": {}}


@pytest.mark.proves("001-18")
def test_a_rule_without_templates_refuses_what_nothing_judges_unless_a_reason_is_given() -> None:
    world = updating(ruled(ASKING))
    assert "verification rule 'gate' wants every new version judged, and nothing judges this one" in world.status["message"]
    assert "its strategy has no analysis" in world.status["message"]
    world.annotate(exempt=" ")
    world.settle()
    assert world.status["phase"] == "Degraded"
    world.annotate(exempt="a page that nobody reads, until March")
    world.settle()
    assert world.status["phase"] != "Degraded" and len(world.replica_sets()) == 2


@pytest.mark.parametrize(
    ("rules", "canary"),
    [
        ((ASKING, rule()), {}),
        ((ASKING,), {"analysis": {"templates": [{"templateName": "errors"}]}}),
    ],
    ids=["another-rule", "its-own-analysis"],
)
def test_a_rule_without_templates_is_content_with_any_judge(rules: tuple[Obj, ...], canary: Obj) -> None:
    world = updating(ruled(*rules, canary=canary))
    assert world.status["phase"] != "Degraded" and len(world.list(ANALYSIS_RUNS)) == 1


def test_a_dry_run_is_no_judge() -> None:
    watched = merge_patch(template("errors"), {"spec": {"dryRun": [{"metricName": ".*"}]}})
    world = ruled(ASKING, rule())
    world.put(ANALYSIS_TEMPLATES, watched)
    updating(world)
    assert world.status["phase"] == "Degraded"


# --- for whom, and from when


@pytest.mark.proves("001-25")
def test_the_default_of_the_cluster_is_inherited_unless_the_rollout_runs_that_template_itself() -> None:
    default = {"metadata": {"name": "org-errors"}, "spec": template("org-errors")["spec"]}
    inherit = {"metadata": {"name": "org"}, "spec": {"templates": [{"templateName": "org-errors", "clusterScope": True}]}}
    world = ruled(inherit)
    world.put(CLUSTER_ANALYSIS_TEMPLATES, default)
    assert updating(world).runs() == {"org-canary": ""}
    own = {"analysis": {"templates": [{"templateName": "org-errors", "clusterScope": True}]}}
    other = Ruled(
        (SERVICES, service("web-canary")),
        (SERVICES, service("web-stable")),
        (HTTP_ROUTES, route()),
        (CLUSTER_ANALYSIS_TEMPLATES, default),
        (VERIFICATION_RULES, inherit),
        (ROLLOUTS, rollout(*STEPS, routed=True, canary=own)),
    )
    deployed(other)
    updating(other)
    assert other.runs() == {} and len(other.list(ANALYSIS_RUNS)) == 1


@pytest.mark.parametrize(
    ("spec", "is_meant"),
    [
        ({}, True),
        ({"selector": {"matchLabels": {"team": "shop"}}}, True),
        ({"selector": {"matchLabels": {"team": "search"}}}, False),
        ({"selector": {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["shop"]}]}}, False),
        ({"namespaces": ["sh*"]}, True),
        ({"namespaces": ["*-staging", "search"]}, False),
    ],
)
def test_rules_select_by_label_and_namespace(spec: Obj, is_meant: bool) -> None:
    world = ruled(rule(**spec))
    world.put(ROLLOUTS, merge_patch(world.rollout, {"metadata": {"labels": {"team": "shop"}}}))
    assert bool(updating(world).runs()) is is_meant


def test_an_update_keeps_the_rules_that_it_began_with_and_the_next_takes_the_new_ones() -> None:
    world = updating(ruled(rule(at=["Canary", "AfterPromotion"])))
    world.put(ANALYSIS_TEMPLATES, template("latency"))
    world.put(VERIFICATION_RULES, rule("org", "latency"))
    world.put(VERIFICATION_RULES, rule("second", "latency"))
    world.say("-org-canary", "Running", measured=1)
    world.wait(31)
    world.settle()
    assert world.runs() == {"org-canary": "Running", "org-after": ""} and world.runs("second") == {}
    assert world.run("-org-after")["spec"]["metrics"][0]["name"] == "errors"
    world.say("-org-after", "Successful")
    world.settle()
    assert world.status["stableRS"] == world.status["currentPodHash"]
    updating(world, "shop/web:v3")
    assert world.run("-3-org-canary")["spec"]["metrics"][0]["name"] == "latency"
    assert [one for one in world.runs("second")] == ["second-canary"]


def test_a_rule_that_comes_in_the_middle_of_an_update_waits_for_the_next() -> None:
    world = ruled(rule("other", selector={"matchLabels": {"not": "web"}}))
    updating(world)
    world.put(VERIFICATION_RULES, rule())
    world.settle()
    assert world.runs() == {}


def test_an_update_keeps_its_rules_even_where_the_kind_goes_away() -> None:
    world = updating(ruled())
    for key in [key for key in world.objs if key.kind == "VerificationRule"]:
        del world.objs[key]
    world.serves_rules = False
    world.say("-org-canary", "Failed")
    world.settle()
    assert world.status["abort"] is True
    world.set_image("shop/web:v3")
    world.settle()
    assert VERIFICATION not in annotations_of(world.rollout)


def test_going_back_to_what_is_stable_is_judged_by_nobody_and_forgets_the_rules() -> None:
    world = updating(ruled())
    world.set_image("shop/web:v1")
    world.settle()
    assert world.status["phase"] == "Healthy" and VERIFICATION not in annotations_of(world.rollout)
    assert world.run("-org-canary")["spec"]["terminate"] is True


def test_without_a_rule_that_selects_it_every_write_is_the_same_byte_for_byte() -> None:
    plain, other = deployed(routed(*STEPS)), ruled(rule(selector={"matchLabels": {"not": "web"}}))
    for world in (plain, other):
        world.set_image("shop/web:v2")
        world.settle()
        world.wait(31)
        world.settle()
    strip = {"metadata": {"resourceVersion": None, "uid": None}}
    assert merge_patch(plain.rollout, strip) == merge_patch(other.rollout, strip)
    assert [note.message for note in plain.events] == [note.message for note in other.events]


def test_a_rule_survives_a_crash_between_any_two_writes() -> None:
    for crash in range(12):
        world = ruled(rule(at=["Canary", "AfterPromotion"]))
        world.set_image("shop/web:v2")
        world.crash_after = crash
        try:
            world.settle()
        except Exception as error:
            assert type(error).__name__ == "Crash"
        world.crash_after = None
        world.settle()
        assert world.runs() == {"org-canary": ""}
