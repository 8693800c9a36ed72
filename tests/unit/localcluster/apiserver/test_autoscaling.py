"""One autoscaler at two versions: nothing that either can say is lost on the way through the other."""

import json
from typing import Any

import pytest

from shipway.localcluster.apiserver.autoscaling import BEHAVIOR, CONDITIONS, CURRENT, METRICS, as_v1, as_v2
from tests.unit.localcluster.apiserver.conftest import Api

V1 = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers"
V2 = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


def autoscaler(version: str, **spec: Any) -> dict[str, Any]:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    body = {"scaleTargetRef": target, "maxReplicas": 5, **spec}
    return {
        "apiVersion": f"autoscaling/{version}",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": body,
    }


@pytest.mark.parametrize(("stated", "percent"), [({"targetCPUUtilizationPercentage": 60}, 60), ({}, 80)])
async def test_what_v1_creates_v2_shows(api: Api, stated: dict[str, int], percent: int) -> None:
    made = await api.post(V1, autoscaler("v1", **stated))
    assert (made.code, made.body["spec"]["targetCPUUtilizationPercentage"], made.body["spec"]["minReplicas"]) == (
        201,
        percent,
        1,
    )
    found = (await api.get(f"{V2}/web")).body
    target = {"type": "Utilization", "averageUtilization": percent}
    assert found["apiVersion"] == "autoscaling/v2"
    assert found["spec"]["metrics"] == [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    assert "targetCPUUtilizationPercentage" not in found["spec"]
    assert (await api.get(f"{V1}/web")).body["spec"] == made.body["spec"]


async def test_a_list_and_a_table_at_v1(api: Api) -> None:
    await api.post(V2, autoscaler("v2"))
    (item,) = (await api.get(V1)).body["items"]
    assert item["spec"]["targetCPUUtilizationPercentage"] == 80
    tables = [(await api.get(where, accept=TABLE)).body["rows"][0]["cells"] for where in (V1, V2)]
    assert tables[0] == tables[1]
    assert tables[0][2] == "cpu: <unknown>/80%"


async def test_a_change_at_v1_keeps_what_it_cannot_say(api: Api) -> None:
    memory = {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}}
    cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 30}}
    await api.post(V2, autoscaler("v2", metrics=[memory, cpu], behavior=behavior))
    before = (await api.get(f"{V2}/web")).body["spec"]
    assert (await api.patch(f"{V1}/web", {"spec": {"maxReplicas": 9}}, "application/merge-patch+json")).code == 200
    after = (await api.get(f"{V2}/web")).body
    assert after["spec"] == {**before, "maxReplicas": 9}
    assert "annotations" not in after["metadata"]


METRIC = {"name": "rate", "selector": {"matchLabels": {"a": "b"}}}
OBJECT = {"apiVersion": "v1", "kind": "Service", "name": "web"}


@pytest.mark.parametrize(
    ("new", "old"),
    [
        (
            {"type": "Pods", "pods": {"metric": METRIC, "target": {"type": "AverageValue", "averageValue": "5"}}},
            {"type": "Pods", "pods": {"targetAverageValue": "5", "metricName": "rate", "selector": METRIC["selector"]}},
        ),
        (
            {
                "type": "Object",
                "object": {"describedObject": OBJECT, "metric": {"name": "rate"}, "target": {"type": "Value", "value": "9"}},
            },
            {"type": "Object", "object": {"targetValue": "9", "metricName": "rate", "target": OBJECT}},
        ),
        (
            {"type": "External", "external": {"metric": METRIC, "target": {"type": "AverageValue", "averageValue": "2"}}},
            {
                "type": "External",
                "external": {"targetAverageValue": "2", "metricName": "rate", "metricSelector": METRIC["selector"]},
            },
        ),
        (
            {
                "type": "ContainerResource",
                "containerResource": {
                    "name": "cpu",
                    "container": "app",
                    "target": {"type": "Utilization", "averageUtilization": 50},
                },
            },
            {
                "type": "ContainerResource",
                "containerResource": {"targetAverageUtilization": 50, "name": "cpu", "container": "app"},
            },
        ),
    ],
)
def test_every_kind_of_metric_goes_there_and_back(new: dict[str, Any], old: dict[str, Any]) -> None:
    stored = {**autoscaler("v2", metrics=[new]), "status": {}}
    shown = as_v1(stored)
    assert json.loads(shown["metadata"]["annotations"][METRICS]) == [old]
    assert as_v2(shown) == stored


def test_what_was_measured_goes_there_and_back() -> None:
    cpu = {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 40, "averageValue": "10m"}}}
    ready = [{"type": "AbleToScale", "status": "True"}]
    stored = autoscaler("v2", metrics=[{"type": "Resource", "resource": {"name": "cpu", "target": {
        "type": "Utilization", "averageUtilization": 80}}}], behavior={"scaleUp": {"selectPolicy": "Max"}})  # fmt: skip
    stored["status"] = {"currentReplicas": 1, "currentMetrics": [cpu], "conditions": ready}
    stored["metadata"]["annotations"] = {"mine": "1"}
    shown = as_v1(stored)
    assert shown["status"] == {"currentReplicas": 1, "currentCPUUtilizationPercentage": 40}
    assert set(shown["metadata"]["annotations"]) == {"mine", CURRENT, CONDITIONS, BEHAVIOR}
    measured = {"currentAverageUtilization": 40, "currentAverageValue": "10m", "name": "cpu"}
    assert json.loads(shown["metadata"]["annotations"][CURRENT]) == [{"type": "Resource", "resource": measured}]
    assert as_v2(shown) == stored


def test_what_an_object_metric_measured_goes_there_and_back() -> None:
    words = {"describedObject": OBJECT, "metric": METRIC, "current": {"value": "3"}}
    stored = autoscaler("v2", metrics=[{"type": "Resource", "resource": {"name": "cpu", "target": {
        "type": "Utilization", "averageUtilization": 80}}}])  # fmt: skip
    stored["status"] = {"currentMetrics": [{"type": "Object", "object": words}]}
    told = json.loads(as_v1(stored)["metadata"]["annotations"][CURRENT])
    assert list(told[0]["object"].items()) == [
        ("target", OBJECT), ("metricName", "rate"), ("currentValue", "3"), ("selector", METRIC["selector"])
    ]  # fmt: skip
    assert as_v2(as_v1(stored)) == {**stored, "metadata": {"name": "web"}}


def test_an_annotation_that_cannot_be_read_says_nothing() -> None:
    shown = autoscaler("v1", targetCPUUtilizationPercentage=50)
    shown["metadata"]["annotations"] = {METRICS: "{", BEHAVIOR: "[]"}
    assert [metric["type"] for metric in as_v2(shown)["spec"]["metrics"]] == ["Resource"]
