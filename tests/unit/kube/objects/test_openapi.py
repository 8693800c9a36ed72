"""What an API server publishes of the built-in kinds: enough for `kubectl apply`, `--validate` and `explain`."""

from typing import Any

import pytest

from shipway.kube.objects.openapi import REF, definition_name, openapi_components

DEPLOYMENT = "io.k8s.api.apps.v1.Deployment"


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"].removeprefix(REF)} if isinstance(node.get("$ref"), str) else set[str]()
        return own.union(*(references(child) for child in node.values()))
    return set[str]().union(*(references(child) for child in node)) if isinstance(node, list) else set()


@pytest.mark.parametrize("group_version", [("", "v1"), ("apps", "v1"), ("batch", "v1"), ("apiextensions.k8s.io", "v1")])
def test_documents_are_closed_and_bounded(group_version: tuple[str, str]) -> None:
    found = openapi_components(*group_version)
    assert references(found) <= set(found)
    assert "io.k8s.apimachinery.pkg.apis.meta.v1.Status" in found


def test_a_kind_says_which_it_is_and_has_texts() -> None:
    node = openapi_components("apps", "v1")[DEPLOYMENT]
    assert definition_name("apps", "v1", "Deployment") == DEPLOYMENT
    assert node["x-kubernetes-group-version-kind"] == [{"group": "apps", "version": "v1", "kind": "Deployment"}]
    assert node["description"].startswith("Deployment enables declarative updates")
    assert node["properties"]["spec"]["allOf"] == [{"$ref": REF + "io.k8s.api.apps.v1.DeploymentSpec"}]
    assert node["properties"]["spec"]["description"]


def test_merge_keys_and_unions_as_a_real_server_has_them() -> None:
    found = openapi_components("apps", "v1")
    containers = found["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    assert containers["x-kubernetes-list-map-keys"] == ["name"]
    assert found["io.k8s.apimachinery.pkg.util.intstr.IntOrString"]["format"] == "int-or-string"
    assert found["io.k8s.apimachinery.pkg.api.resource.Quantity"]["oneOf"] == [{"type": "string"}, {"type": "number"}]
    assert not any(key.startswith("x-shipway") for node in found.values() for key in _keys(node))


def _keys(node: Any) -> list[str]:
    if isinstance(node, dict):
        return [*node, *(key for child in node.values() for key in _keys(child))]
    return []


def test_an_unknown_group_has_only_what_every_answer_may_be() -> None:
    names = {name.rpartition(".")[2] for name in openapi_components("nobody", "v1")}
    assert names == {"ListMeta", "ShardInfo", "Status", "StatusCause", "StatusDetails"}
