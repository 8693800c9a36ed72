"""What is answered of a Rollout: Argo's fields, ours beside them, and nothing secret."""

from typing import Any

import msgspec
import pytest

from shipway.kube.objects.resource import Obj
from shipway.server.dashboard.shapes import acted, info_of, plain_step
from tests.unit.cli.objects import CANARY, NOW, STABLE, Family, family, rollout


def told(family: Family) -> Obj:
    return msgspec.json.decode(msgspec.json.encode(info_of(family, NOW)))


@pytest.mark.proves("001-28")
def test_a_paused_canary_in_the_shape_of_argos_dashboard() -> None:
    info = told(family())
    assert {key: info[key] for key in ("status", "message", "icon", "strategy", "step", "setWeight", "actualWeight")} == {
        "status": "Paused", "message": "CanaryPauseStep", "icon": "fa-pause-circle", "strategy": "Canary", "step": "1/4",
        "setWeight": "20", "actualWeight": "20",
    }  # fmt: skip
    assert [info[key] for key in ("ready", "current", "desired", "updated", "available", "generation")] == [5, 5, 5, 1, 5, "1"]
    assert [(rs["revision"], rs["canary"], rs["stable"], rs["template"]) for rs in info["replicaSets"]] == [
        (2, True, False, CANARY),
        (1, False, True, STABLE),
    ]
    assert [pod["ready"] for pod in info["replicaSets"][1]["pods"]] == ["1/1", "1/1"]
    assert info["containers"] == [{"name": "web", "image": "registry.example/web:v2"}]
    assert info["steps"] == [{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {"duration": 10}}]
    (run,) = info["analysisRuns"]
    assert (run["status"], run["revision"], run["successful"], run["failed"]) == ("Running", 2, 4, 1)


@pytest.mark.proves("001-28")
def test_what_argos_dashboard_does_not_say() -> None:
    ours = told(family())["shipway"]
    assert ours["why"] == "web waits at step 2 of 4 for somebody to promote it; then comes setWeight: 60."
    assert [(step["text"], step["state"]) for step in ours["steps"]] == [
        ("setWeight: 20", "done"), ("pause", "current"), ("setWeight: 60", "ahead"), ("pause: 10", "ahead"),
    ]  # fmt: skip
    assert [choice["verb"] for choice in ours["choices"] if choice["possible"]] == [
        "promote", "promote-full", "abort", "restart", "undo-1",
    ]  # fmt: skip


def with_secrets() -> Family:
    """Passwords wherever a manifest may hold one."""
    made = family()
    for obj in (made.rollout, *made.replica_sets):
        obj["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "PASSWORD", "value": "s3cret"}]
        obj["metadata"].setdefault("annotations", {})["kubectl.kubernetes.io/last-applied-configuration"] = "s3cret"
    made.pods[0]["spec"]["containers"][0]["args"] = ["--token=s3cret"]
    made.rollout["spec"]["strategy"] = {
        "canary": {
            "steps": [
                {"plugin": {"name": "p", "config": {"key": "s3cret"}}},
                {"analysis": {"templates": [{"templateName": "t"}], "args": [{"name": "token", "value": "s3cret"}]}},
            ]
        }
    }
    provider = {"web": {"url": "https://x/?key=s3cret", "headers": [{"key": "Authorization", "value": "s3cret"}]}}
    made.runs[0]["spec"] = {"metrics": [{"name": "errors", "provider": provider}], "args": [{"name": "a", "value": "s3cret"}]}
    return made


def test_no_answer_holds_values_of_environment_arguments_or_providers() -> None:
    made = with_secrets()
    assert b"s3cret" not in msgspec.json.encode(info_of(made, NOW))
    assert b"s3cret" not in msgspec.json.encode(acted(made.rollout))


@pytest.mark.parametrize(
    ("step", "shown"),
    [
        ({"analysis": {"templates": [{"templateName": "t"}], "args": [{"name": "a", "value": "x"}]}},
         {"analysis": {"templates": [{"templateName": "t"}]}}),
        ({"setHeaderRoute": {"name": "h", "match": [{"headerValue": {"exact": "x"}}]}}, {"setHeaderRoute": {"name": "h"}}),
        ({"experiment": {"templates": [{"name": "a", "specRef": "canary", "service": {}}]}},
         {"experiment": {"templates": [{"name": "a", "specRef": "canary"}]}}),
        ({"plugin": None}, {"plugin": {"name": ""}}),
    ],
)  # fmt: skip
def test_a_step_is_shown_without_what_it_was_given(step: Obj, shown: Obj) -> None:
    assert plain_step(step) == shown


@pytest.mark.parametrize(
    "strategy",
    [
        {"blueGreen": {"activeService": "web"}},
        {"canary": {}},
        {"canary": {"steps": [{"pause": {"duration": "soon"}}]}},
        {"canary": "x"},
    ],
)
def test_any_rollout_can_be_shown(strategy: dict[str, Any]) -> None:
    shown = info_of(Family(rollout(strategy=strategy)), NOW)
    assert shown.object_meta.name == "web"
    assert shown.shipway.why
