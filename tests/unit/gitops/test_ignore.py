"""Differences to ignore: which rules speak of an object, and what is left alone or carried over."""

from typing import Any

import pytest

from shipway.api.application import IgnoreDifference
from shipway.gitops.customizations import read_customizations
from shipway.gitops.ignore import problem_of, rules_for, rules_in, with_live, with_live_fields, without
from shipway.gitops.ignored_by_jq import pointers_to
from shipway.kube.objects.resource import Ref

WEB = Ref("apps", "Deployment", "shop", "web")


@pytest.mark.parametrize(
    ("rule", "speaks"),
    [
        (IgnoreDifference("Deployment", "apps"), True),
        (IgnoreDifference("Deployment"), False),
        (IgnoreDifference("*", "*"), True),
        (IgnoreDifference("Deploy*", "*"), True),
        (IgnoreDifference("Deployment", "apps", "web", "shop"), True),
        (IgnoreDifference("Deployment", "apps", "other"), False),
        (IgnoreDifference("Deployment", "apps", "web", "elsewhere"), False),
    ],
)
@pytest.mark.compat("argocd:ignoreDifferences.target")
def test_which_rules_speak_of_an_object(rule: IgnoreDifference, speaks: bool) -> None:
    assert bool(rules_for(WEB, [rule])) is speaks


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (IgnoreDifference("Deployment", "[a"), "group: '[a' is not a valid pattern"),
        (
            IgnoreDifference("Deployment", json_pointers=("spec/replicas",)),
            "jsonPointers[0]: JSON Pointer 'spec/replicas' must",
        ),
        (IgnoreDifference(), "kind: it is required"),
        (IgnoreDifference("*", "*", json_pointers=("/spec",)), ""),
    ],
)
@pytest.mark.compat("argocd:ignoreDifferences.target")
def test_a_rule_that_cannot_work_is_told(rule: IgnoreDifference, told: str) -> None:
    assert problem_of(rule).startswith(told) and bool(problem_of(rule)) is bool(told)


def containers(*images: str) -> Any:
    return {"spec": {"containers": [{"name": image[0], "image": image} for image in images]}}


def test_selected_items_are_taken_away_from_the_last_to_the_first() -> None:
    pointers = pointers_to([["spec", "containers", 0], ["spec", "containers", 10], ["spec", "containers", 2, "image"]])
    assert pointers == ("/spec/containers/10", "/spec/containers/2/image", "/spec/containers/0")
    found = without(containers("a1", "b1", "c1"), pointers)
    assert found == {"spec": {"containers": [{"name": "b", "image": "b1"}, {"name": "c"}]}}
    assert pointers_to([["a/b", "c~d"], []]) == ("/a~1b/c~0d",)


def test_live_values_are_found_by_the_name_of_their_item() -> None:
    merged = with_live(containers("a1", "b1"), containers("x9", "b9", "a9"), ["/spec/containers/1/image"])
    assert merged == containers("a1", "b9")
    assert with_live(containers("a1"), containers("b9"), ["/spec/containers/0/image"]) == containers("a1")


@pytest.mark.compat("argocd:ignoreDifferences.managedFieldsManagers")
def test_fields_of_a_manager_are_carried_over_where_git_states_them() -> None:
    fields = {
        "f:spec": {
            "f:replicas": {},
            "f:paused": {},
            "f:containers": {'k:{"name":"b"}': {".": {}, "f:image": {}}, 'k:{"name":"z"}': {".": {}, "f:image": {}}},
        }
    }
    desired = {"spec": {"replicas": 1, **containers("a1", "b1")["spec"]}}
    live = {"spec": {"replicas": 5, "paused": True, **containers("z9", "b9", "a9")["spec"]}}
    assert with_live_fields(desired, live, fields) == {"spec": {"replicas": 5, **containers("a1", "b9")["spec"]}}


@pytest.mark.compat("argocd:cm.resource.customizations.ignoreDifferences")
def test_rules_for_whole_kinds_come_from_argocd_cm() -> None:
    settings = {
        "resource.customizations.ignoreDifferences.apps_Deployment": "jsonPointers: [/spec/replicas]",
        "resource.customizations.ignoreDifferences.all": "managedFieldsManagers: [kube-controller-manager]",
        "resource.customizations.ignoreDifferences.admissionregistration.k8s.io_MutatingWebhookConfiguration": (
            "jqPathExpressions:\n- .webhooks[]?.clientConfig.caBundle\n"
        ),
        "resource.customizations.ignoreDifferences.batch_Job": "jsonPointers: /spec",
        "resource.customizations.ignoreDifferences.batch_CronJob": "{",
    }
    rules, problems = rules_in(read_customizations({"data": settings}))
    assert {(rule.group, rule.kind) for rule in rules_for(WEB, rules)} == {("apps", "Deployment"), ("*", "*")}
    hooks = Ref("admissionregistration.k8s.io", "MutatingWebhookConfiguration", "", "a")
    assert [rule.jq_path_expressions for rule in rules_for(hooks, rules) if rule.group != "*"] == [
        (".webhooks[]?.clientConfig.caBundle",)
    ]
    assert sorted(problem.split(": ")[1] for problem in problems) == [
        "resource.customizations.ignoreDifferences of batch/CronJob",
        "resource.customizations.ignoreDifferences of batch/Job",
    ]
