"""Which services go out unjudged."""

from typing import Any

import pytest

from shipway.kube.objects.resource import Obj
from shipway.rollouts.coverage import EXEMPT, Around, Cover, coverage
from tests.unit.rollouts.rollout.sandbox import rollout

ERRORS: dict[str, Any] = {"templates": [{"templateName": "errors"}]}
LATENCY: dict[str, Any] = {"templates": [{"templateName": "latency"}]}


def template(name: str, namespace: str = "shop", **more: Any) -> Obj:
    metrics = [
        {"name": name, "successCondition": "result < 1", "provider": {"prometheus": {"address": "http://p", "query": "q"}}}
    ]
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"metrics": metrics, **more}}


KNOWN = (template("errors"), template("latency"), template("watched", dryRun=[{"metricName": ".+"}]), template("org", ""))


def one(made: Obj) -> Cover:
    (found,) = coverage([made], [], Around([made], KNOWN))
    return found


def annotated(made: Obj, reason: object) -> Obj:
    return {**made, "metadata": {**made["metadata"], "annotations": {EXEMPT: reason}}}


def deployment(name: str) -> Obj:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"namespace": "shop", "name": name}, "spec": {}}


def test_analyses_of_a_canary_are_named_once_background_first() -> None:
    steps = ({"setWeight": 5}, {"analysis": LATENCY}, {"setWeight": 50}, {"analysis": ERRORS})
    found = one(rollout(*steps, canary={"analysis": ERRORS}))
    assert (found.state, found.canary, found.preview, found.post_deploy) == ("verified", ("errors", "latency"), (), ())


def test_blue_green_is_judged_as_a_preview_and_after_the_switch() -> None:
    made = rollout()
    strategy = {"blueGreen": {"activeService": "web", "prePromotionAnalysis": ERRORS, "postPromotionAnalysis": LATENCY}}
    found = one({**made, "spec": {**made["spec"], "strategy": strategy}})
    assert (found.canary, found.preview, found.post_deploy) == ((), ("errors",), ("latency",))


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (rollout({"setWeight": 5}), "its strategy has no analysis"),
        (rollout({"analysis": {**ERRORS, "dryRun": [{"metricName": ".*"}]}}), "its analyses are dry runs"),
        (rollout({"analysis": {"templates": [{"templateName": "watched"}]}}), "its analyses are dry runs"),
        (rollout({"analysis": {"templates": [{"templateName": "org"}]}}), "AnalysisTemplate 'org' not found"),
        (rollout({"setWeight": 500}), "its spec is invalid: spec.strategy.steps[0].setWeight"),
        (annotated(rollout({"setWeight": 5}), "  "), f"{EXEMPT} gives no reason"),
        (annotated(rollout({"setWeight": 5}), None), f"{EXEMPT} gives no reason"),
    ],
    ids=["nothing", "dry-run", "dry-run-template", "missing-template", "invalid", "blank-reason", "no-reason"],
)
def test_what_nothing_judges_is_unverified_and_says_why(made: Obj, why: str) -> None:
    found = one(made)
    assert found.state == "unverified"
    assert found.told.startswith(why)


def test_a_dry_run_of_one_metric_among_two_leaves_the_other_to_judge() -> None:
    both = [*ERRORS["templates"], *LATENCY["templates"]]
    found = one(rollout({"analysis": {"templates": both, "dryRun": [{"metricName": "latency"}]}}))
    assert found.state == "verified"


def test_a_template_of_the_cluster_judges_in_every_namespace() -> None:
    found = one(rollout({"analysis": {"templates": [{"templateName": "org", "clusterScope": True}]}}))
    assert found.canary == ("org",)


def test_an_exemption_has_a_reason_and_yields_to_an_analysis() -> None:
    assert (one(annotated(rollout(), "batch only")).state, one(annotated(rollout(), "batch only")).told) == (
        "exempt",
        "batch only",
    )
    assert one(annotated(rollout({"analysis": ERRORS}), "batch only")).state == "verified"


def test_a_deployment_is_a_service_unless_a_rollout_takes_it_over() -> None:
    made = rollout({"analysis": ERRORS})
    takes = {**made, "spec": {**made["spec"], "workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "taken"}}}
    takes["metadata"] = {**made["metadata"], "namespace": "shop"}
    found = coverage([], [deployment("taken"), deployment("left")], Around([takes]))
    assert [(cover.kind, cover.name, cover.state) for cover in found] == [("Deployment", "left", "unverified")]
