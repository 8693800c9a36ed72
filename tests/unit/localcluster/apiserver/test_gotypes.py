"""The round trip through a Go struct, on plain JSON."""
# ruff: noqa: E501 - tables, one case per line

from typing import Any

import pytest

from shipway.localcluster.apiserver.gotypes import Found, WrongType, normal_form


def formed(kind: str, body: dict[str, Any], api_version: str = "v1") -> dict[str, Any]:
    found = normal_form(body, api_version, kind)
    return {key: value for key, value in found.items() if key not in ("kind", "apiVersion", "metadata")}


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        ("ConfigMap", {"data": {}, "binaryData": None}, {}),
        ("ConfigMap", {"data": {"a": None, "b": ""}}, {"data": {"a": "", "b": ""}}),
        ("ConfigMap", {"immutable": False, "odd": 1}, {"immutable": False}),
        ("Service", {}, {"spec": {}, "status": {"loadBalancer": {}}}),
        ("Secret", {"data": {"a": "Yg\n=="}}, {"data": {"a": "Yg=="}}),
    ],
)
def test_empty_null_and_unknown(kind: str, body: dict[str, Any], expected: dict[str, Any]) -> None:
    assert formed(kind, body) == expected


def test_what_is_always_written_is_there_and_keeps_its_order() -> None:
    spec = formed("Pod", {"spec": {"containers": [{"image": "x", "name": "a", "ports": []}]}})["spec"]
    assert spec == {"containers": [{"name": "a", "image": "x", "resources": {}}]}
    assert list(spec["containers"][0]) == ["name", "image", "resources"]
    assert formed("Role", {"rules": []}, "rbac.authorization.k8s.io/v1") == {"rules": None}


def test_a_form_that_is_remembered_belongs_to_nobody() -> None:
    body = {"spec": {"odd": 1, "containers": [{"name": "a", "image": "x", "odd": 2, "ports": [{"containerPort": 1}]}]}}
    for _ in range(2):
        found = Found([])
        spec = normal_form(body, "v1", "Pod", found)["spec"]
        assert found.unknown == ["spec.odd", "spec.containers[0].odd"]
        assert spec == {"containers": [{"name": "a", "image": "x", "ports": [{"containerPort": 1}], "resources": {}}]}
        spec["containers"][0]["ports"][0]["containerPort"] = 2


def test_a_remembered_form_depends_on_how_empty_lists_are_kept() -> None:
    for keep, expected in ((True, []), (False, None), (True, [])):
        spec = normal_form({"spec": {"containers": []}}, "v1", "Pod", Found([], keep))["spec"]
        assert spec == {"containers": expected}


def test_what_json_cannot_hold_is_judged_all_the_same() -> None:
    with pytest.raises(WrongType, match="cannot unmarshal number into Go struct field"):
        normal_form({"spec": {"containers": [{"name": 2**70}]}}, "v1", "Pod")


def test_values_are_respelled() -> None:
    container = {"name": "a", "resources": {"limits": {"cpu": "0.5", "memory": 1024}}}
    spec = formed("Pod", {"spec": {"containers": [container]}})["spec"]
    assert spec["containers"][0]["resources"] == {"limits": {"cpu": "500m", "memory": "1024"}}
    times = {"renewTime": "2026-01-01T01:00:00.500000+01:00"}
    lease = formed("Lease", {"spec": times}, "coordination.k8s.io/v1")
    assert lease["spec"]["renewTime"] == "2026-01-01T00:00:00.500000Z"


def test_unknown_paths_come_in_the_order_of_the_document() -> None:
    found = Found([])
    body = {"metadata": {"odd": 1}, "spec": {"containers": [{"name": "a"}, {"x": 1, "env": [{"y": 2}]}]}, "z": 3}
    normal_form(body, "v1", "Pod", found)
    assert found.unknown == ["metadata.odd", "spec.containers[1].x", "spec.containers[1].env[0].y", "z"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"spec": []}, "json: cannot unmarshal array into Go struct field Pod.spec of type PodSpec"),
        ({"spec": {"hostNetwork": "yes"}}, "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool"),
        ({"spec": {"priority": 1.5}}, "json: cannot unmarshal number into Go struct field PodSpec.spec.priority of type int32"),
        ({"spec": {"containers": [{"name": 3}]}}, "json: cannot unmarshal number into Go struct field Container.spec.containers.name of type string"),
        ({"metadata": {"creationTimestamp": "soon"}}, 'parsing time "soon" as "2006-01-02T15:04:05Z07:00": cannot parse "soon" as "2006"'),
    ],
)  # fmt: skip
def test_wrong_types_are_named_as_go_names_them(body: dict[str, Any], message: str) -> None:
    with pytest.raises(WrongType) as error:
        normal_form(body, "v1", "Pod")
    assert str(error.value) == message


def test_a_second_round_trip_changes_nothing() -> None:
    body = {"spec": {"template": {"spec": {"containers": [{"name": "a", "env": [], "args": ["x"]}]}}, "replicas": 0}}
    once = normal_form(body, "apps/v1", "Deployment")
    assert normal_form(once, "apps/v1", "Deployment") == once
