"""Fields of custom resources that have a type of Kubernetes': one value in two spellings is no difference."""

from typing import Any

import pytest

from shipway.gitops.customizations import read_customizations
from shipway.gitops.known_types import KnownTypes, is_spelled_otherwise, read_known_types
from shipway.kube.objects.resource import Obj

KEY = "resource.customizations.knownTypeFields.example.com_Widget"


def types(*fields: tuple[str, str]) -> KnownTypes:
    text = "\n".join(f"- {{field: {field}, type: {kind}}}" for field, kind in fields)
    known, problems = read_known_types(read_customizations({"data": {KEY: text}}))
    assert not problems
    return known


def widget(spec: Any) -> Obj:
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "web"}, "spec": spec}


def pod(cpu: Any, **more: Any) -> Obj:
    return {"template": {"spec": {"containers": [{"name": "main", "resources": {"requests": {"cpu": cpu}}, **more}]}}}


@pytest.mark.parametrize(
    ("field", "kind", "stated", "live", "is_same"),
    [
        ("spec.cpu", "core/Quantity", {"cpu": "1000m"}, {"cpu": "1"}, True),
        ("spec.cpu", "core/Quantity", {"cpu": 1}, {"cpu": "1"}, True),
        ("spec.cpu", "core/Quantity", {"cpu": "1000m"}, {"cpu": "2"}, False),
        ("spec.cpu", "core/Quantity", {"cpu": "much"}, {"cpu": "much"}, True),
        ("spec.cpu", "core/Quantity", {"cpu": "1000m", "size": "1000m"}, {"cpu": "1", "size": "1"}, False),
        ("spec.every", "meta/v1/Duration", {"every": "60m"}, {"every": "1h0m0s"}, True),
        ("spec.every", "meta/v1/Duration", {"every": "60m"}, {"every": "1h0m1s"}, False),
        ("spec.every", "meta/v1/Duration", {"every": "often"}, {"every": "1h0m1s"}, False),
        ("spec", "core/v1/ResourceRequirements", {"limits": {"memory": "1024Mi"}}, {"limits": {"memory": "1Gi"}}, True),
        ("spec.limits", "core/v1/ResourceList", {"limits": {"memory": "1024Mi"}}, {"limits": {"memory": "1Gi"}}, True),
        ("spec.template.spec", "core/v1/PodSpec", pod("1000m"), pod(1), True),
        ("spec.template.spec", "core/v1/PodSpec", pod("1000m", unknown=1, args=[]), pod("1", imagePullPolicy="Always"), True),
        ("spec.template.spec", "core/v1/PodSpec", pod("1000m", image="a"), pod("1", image="b"), False),
        ("spec.template.spec.containers", "core/v1/Container", pod("1000m"), pod("1"), True),
        ("spec.template.spec.containers.resources", "core/v1/ResourceRequirements", pod("1000m"), pod("1"), True),
        ("spec.nothing", "core/v1/PodSpec", pod("1000m"), pod("1"), False),
        ("spec.template", "core/v1/PodSpec", {"template": "text"}, {"template": "text"}, True),
    ],
)
@pytest.mark.compat("argocd:cm.resource.customizations.knownTypeFields")
def test_one_value_in_two_spellings(field: str, kind: str, stated: Any, live: Any, is_same: bool) -> None:
    assert is_spelled_otherwise(widget(stated), widget(live), types((field, kind))) is is_same


def test_kinds_without_such_fields_are_not_compared() -> None:
    known = types(("spec.cpu", "core/Quantity"))
    other = {**widget({}), "kind": "Gadget"}
    assert not is_spelled_otherwise(other, other, known)


def test_the_pods_of_a_rollout_are_known_unless_the_team_says_otherwise() -> None:
    rollout = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout"}
    stated, live = {**rollout, "spec": pod("1000m")}, {**rollout, "spec": pod("1")}
    assert is_spelled_otherwise(stated, live, read_known_types(read_customizations(None))[0])
    key = KEY.replace("example.com_Widget", "argoproj.io_Rollout")
    said = read_customizations({"data": {key: "[{field: spec.cpu, type: core/Quantity}]"}})
    assert not is_spelled_otherwise(stated, live, read_known_types(said)[0])


@pytest.mark.compat("argocd:cm.resource.customizations")
def test_the_older_single_key_says_the_same() -> None:
    text = "example.com/Widget:\n  knownTypeFields:\n  - field: spec.cpu\n    type: core/Quantity\n"
    known, problems = read_known_types(read_customizations({"data": {"resource.customizations": text}}))
    assert not problems and is_spelled_otherwise(widget({"cpu": "1000m"}), widget({"cpu": "1"}), known)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[{field: spec.cpu, type: core/v1/Sandwich}]", "type 'core/v1/Sandwich' is not supported"),
        ("[{field: spec.cpu}]", "Object missing required field `type`"),
        ("field: spec.cpu", "Expected `array`"),
        ("[{", "did not find expected node content"),
    ],
)
@pytest.mark.compat("argocd:cm.resource.customizations.knownTypeFields")
def test_what_cannot_be_read_is_told_and_leaves_the_rest(text: str, told: str) -> None:
    other = KEY.replace("Widget", "Gadget")
    data = {KEY: text, other: "[{field: spec.cpu, type: core/Quantity}]"}
    known, (problem,) = read_known_types(read_customizations({"data": data}))
    assert problem.startswith("argocd-cm: resource.customizations.knownTypeFields of example.com/Widget: ") and told in problem
    assert ("example.com", "Gadget") in known and ("example.com", "Widget") not in known


def test_a_pattern_names_no_kind() -> None:
    data = {KEY.replace("example.com_Widget", "all"): "[{field: spec.cpu, type: core/Quantity}]"}
    _, (problem,) = read_known_types(read_customizations({"data": data}))
    assert "names no kind" in problem
