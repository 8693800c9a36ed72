"""The two hashes that Argo Rollouts' own end-to-end tests expect, and the details of Go's JSON that decide them."""

import pytest

from shipway.rollouts.rollout.template_hash import go_json, pod_template_hash, steps_hash


def template(name: str, **spec: object) -> dict:
    container = {
        "name": name,
        "image": "nginx:1.19-alpine",
        "ports": [{"name": "http", "containerPort": 80, "protocol": "TCP"}],
        "resources": {"requests": {"memory": "16Mi", "cpu": "5m"}},
    }
    return {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container], **spec}}


@pytest.mark.compat("rollouts:template-hash")
@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        (template("canary-scaledowndelay"), "674d8cf959"),
        (template("dynamic-stable-scale", readinessGates=[{"conditionType": "argoproj.io/e2e-readiness"}]), "6b56c8cdb4"),
    ],
)
def test_the_hash_is_the_one_that_argo_rollouts_writes(pods: dict, expected: str) -> None:
    assert pod_template_hash(pods, None) == expected


def test_the_collision_count_changes_the_hash() -> None:
    hashes = {pod_template_hash(template("shop"), count) for count in (None, 0, 1, 2)}
    assert len(hashes) == 4


def test_fields_come_in_declared_order_and_unknown_ones_are_dropped() -> None:
    text = go_json({"spec": {"surprise": 1, "restartPolicy": "Always", "containers": []}, "metadata": {}}, "PodTemplateSpec")
    assert text == '{"metadata":{},"spec":{"containers":[],"restartPolicy":"Always"}}'


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (None, "[CanaryStep", "null"),
        ([], "[CanaryStep", "[]"),
        ([{"pause": {}}, {"setWeight": 0}], "[CanaryStep", '[{"pause":{}},{"setWeight":0}]'),
        ({"b": "1", "a": "<&>"}, "{string", '{"a":"\\u003c\\u0026\\u003e","b":"1"}'),
        ({"cpu": "1000m"}, "{quantity", '{"cpu":"1"}'),
    ],
)
def test_go_json(value: object, kind: str, text: str) -> None:
    assert go_json(value, kind) == text


def test_the_protocol_of_a_port_is_hashed_as_its_default() -> None:
    stated = template("shop")
    unstated = template("shop")
    del unstated["spec"]["containers"][0]["ports"][0]["protocol"]
    assert pod_template_hash(unstated, None) == pod_template_hash(stated, None)


def test_absent_steps_hash_like_null() -> None:
    assert steps_hash(None) != steps_hash([])
