"""Nothing of an answer may tell a name, a host or an image, and the same name is hidden the same way everywhere."""

import re

import msgspec
import pytest

from shipway.server.dashboard.blur import HIDDEN, blurred, false_name, message
from shipway.server.dashboard.shapes import info_of
from tests.unit.cli.objects import NOW, Family, analysis_run, family

ROUTED = {
    "canary": {
        "stableService": "payments-stable",
        "steps": [
            {"setHeaderRoute": {"name": "payments-beta", "match": [{"headerName": "x", "headerValue": {"exact": "acme"}}]}},
            {"analysis": {"templates": [{"templateName": "payments-errors"}]}},
        ],
        "trafficRouting": {"managedRoutes": [{"name": "payments-beta"}]},
    }
}


def everything() -> Family:
    """With names, hosts and foreign words wherever a manifest has a place for them."""
    run = analysis_run("web-payments-run", "Failed", failed=1)
    run["metadata"]["uid"] = "r2"
    run["status"]["message"] = 'Metric "payments-errors" assessed Failed: Get "https://prometheus.acme.example:9090": refused'
    run["status"]["metricResults"][0] |= {"message": "acme said no", "measurements": [{"value": "acme", "phase": "Failed"}]}
    run["spec"]["metrics"][0] |= {"successCondition": 'result == "acme"'}
    made = family(
        runs=[run], message="web-payments-run of acme failed", currentStepIndex=0, pauseConditions=[], abort=True,
        conditions=[{"type": "Progressing", "reason": "RolloutAborted", "message": "Rollout aborted by acme.example"}],
    )  # fmt: skip
    made.rollout["metadata"] |= {"labels": {"team": "acme", "acme.example/x": "y"}, "annotations": {"acme": "acme"}}
    made.rollout["spec"]["strategy"] = ROUTED
    made.pods[0]["status"] |= {"hostIP": "10.11.12.13", "podIP": "10.0.0.1"}
    made.pods[0]["spec"]["nodeName"] = "node-acme"
    return made


@pytest.mark.proves("000-40")
def test_no_name_host_or_image_is_left() -> None:
    text = msgspec.json.encode(blurred(info_of(everything(), NOW))).decode()
    for secret in ("payments", "acme", "registry", "example", "10.11", "shop", "9090", "prometheus", "team"):
        assert secret not in text
    assert not re.search(r"\bweb\b", text)


@pytest.mark.proves("000-40")
def test_states_numbers_and_times_stay() -> None:
    clear = msgspec.to_builtins(info_of(family(), NOW))
    shown = blurred(info_of(family(), NOW))
    for field in ("status", "message", "step", "setWeight", "actualWeight", "ready", "desired", "icon", "strategy"):
        assert shown[field] == clear[field]
    assert [pod["status"] for rs in shown["replicaSets"] for pod in rs["pods"]] == ["Running"] * 3
    assert shown["shipway"]["why"] == clear["shipway"]["why"].replace("web ", f"{false_name('web')} ")
    for now, before in zip(shown["shipway"]["choices"], clear["shipway"]["choices"], strict=True):
        assert HIDDEN not in now["says"]
        assert (now["verb"], now["possible"], now["path"]) == (before["verb"], before["possible"], before["path"])


@pytest.mark.proves("000-40")
def test_one_name_has_one_false_name_at_all_times() -> None:
    assert false_name("web") == "n-cca2fc28"
    shown = blurred(info_of(family(), NOW))
    assert shown == blurred(info_of(family(), NOW))
    assert shown["objectMeta"]["name"] == shown["containers"][0]["name"] == "n-cca2fc28"
    assert false_name("") == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Rollout aborted update to revision 2", "Rollout aborted update to revision 2"),
        ("CanaryPauseStep", "CanaryPauseStep"),
        ("more replicas need to be updated", "more replicas need to be updated"),
        ("ReplicaSet web is waiting", f"ReplicaSet {false_name('web')} is waiting"),
        ("Get https://a.b/c: no such host", HIDDEN),
        ("", ""),
    ],
)
def test_of_a_message_only_known_words_are_left(text: str, shown: str) -> None:
    assert message(text, {"web": false_name("web")}) == shown
