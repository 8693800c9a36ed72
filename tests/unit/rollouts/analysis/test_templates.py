"""Templates become the spec of a run; what cannot be merged is refused with its name."""

import pytest

from shipway.api.rollout import TemplateRef
from shipway.base.errors import InvalidInput
from shipway.rollouts.analysis.templates import AnalysisArgs, resolve

ROLLOUT = {"metadata": {"name": "web", "labels": {"team.io/x": "shop"}}, "spec": {"steps": [{"n": 5}]}}
ABOUT = AnalysisArgs(stable_hash="aaa", latest_hash="bbb", rollout=ROLLOUT)


def template(*metrics: str, args=(), templates=()) -> dict:
    return {"spec": {"metrics": [{"name": name} for name in metrics], "args": list(args), "templates": list(templates)}}


def by_name(**templates) -> dict:
    return {TemplateRef(name): body for name, body in templates.items()}


@pytest.mark.compat("rollouts:templates")
def test_metrics_and_arguments_are_merged() -> None:
    spec = resolve(
        [TemplateRef("a"), TemplateRef("b")],
        by_name(
            a=template("m1", args=[{"name": "svc"}, {"name": "n", "value": "3"}]), b=template("m2", args=[{"name": "svc"}])
        ),
        [{"name": "svc", "value": "web"}],
        ABOUT,
    )
    assert [metric["name"] for metric in spec["metrics"]] == ["m1", "m2"]
    assert spec["args"] == [{"name": "svc", "value": "web"}, {"name": "n", "value": "3"}]


@pytest.mark.compat("rollouts:args")
@pytest.mark.parametrize(
    ("source", "value"),
    [
        ({"podTemplateHashValue": "Stable"}, "aaa"),
        ({"podTemplateHashValue": "Latest"}, "bbb"),
        ({"fieldRef": {"fieldPath": "metadata.labels['team.io/x']"}}, "shop"),
        ({"fieldRef": {"fieldPath": "metadata.labels['absent']"}}, ""),
        ({"fieldRef": {"fieldPath": "metadata.annotations['absent']"}}, ""),
        ({"fieldRef": {"fieldPath": "spec.steps[0].n"}}, "5"),
    ],
)
def test_arguments_of_a_rollout(source, value) -> None:
    spec = resolve(
        [TemplateRef("a")], by_name(a=template("m", args=[{"name": "x"}])), [{"name": "x", "valueFrom": source}], ABOUT
    )
    assert spec["args"] == [{"name": "x", "value": value}]


@pytest.mark.compat("rollouts:templates")
def test_nested_templates_are_flattened_once() -> None:
    templates = by_name(
        top=template(templates=[{"templateName": "a"}, {"templateName": "b"}]),
        a=template("m1", templates=[{"templateName": "b"}]),
        b=template("m2"),
    )
    spec = resolve([TemplateRef("top")], templates, [], ABOUT)
    assert sorted(metric["name"] for metric in spec["metrics"]) == ["m1", "m2"]


@pytest.mark.parametrize(
    ("templates", "refs", "message"),
    [
        ({}, ["a"], "AnalysisTemplate 'a' not found"),
        ({"a": template("m"), "b": template("m")}, ["a", "b"], "two metrics have the same name 'm'"),
        ({"a": template(templates=[{"templateName": "a"}])}, ["a"], "in a circle: a -> a"),
        ({"a": template()}, ["a"], "hold no metric"),
        (
            {
                "a": template("m", args=[{"name": "x", "value": "1"}]),
                "b": template("n", args=[{"name": "x", "value": "2"}]),
            },
            ["a", "b"],
            "Argument `x` specified multiple times",
        ),
    ],
)
def test_what_cannot_be_merged_is_refused(templates, refs, message) -> None:
    with pytest.raises(InvalidInput) as caught:
        resolve([TemplateRef(name) for name in refs], by_name(**templates), [], ABOUT)
    assert message in caught.value.message
