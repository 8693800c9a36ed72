"""Schemas of built-in and custom kinds: how fields merge, what is known, what is preserved."""

from typing import Any

import pytest
from msgspec import UNSET

from shipway.kube.objects import packs
from shipway.kube.objects.schema import DEDUCED, RAW, Schema, builtin_schema, crd_schema, object_meta


def at(schema: Schema | None, path: str) -> Schema:
    """The node at "spec.containers[].env"."""
    for step in path.replace("[]", ".[]").split("."):
        assert schema is not None, path
        schema = schema.items if step == "[]" else schema.child(step)
    assert schema is not None, path
    return schema


DEPLOYMENT, POD, SERVICE = ("apps", "v1", "Deployment"), ("", "v1", "Pod"), ("", "v1", "Service")
CRD = ("apiextensions.k8s.io", "v1", "CustomResourceDefinition")

LISTS: list[tuple[tuple[str, str, str], str, str, tuple[str, ...], str]] = [
    (POD, "spec.containers", "map", ("name",), "name"),
    (POD, "spec.containers[].ports", "map", ("containerPort", "protocol"), "containerPort"),
    (POD, "spec.containers[].env", "map", ("name",), "name"),
    (POD, "spec.containers[].args", "atomic", (), ""),
    (POD, "spec.containers[].volumeMounts", "map", ("mountPath",), "mountPath"),
    (POD, "spec.tolerations", "atomic", (), ""),
    (POD, "spec.imagePullSecrets", "map", ("name",), "name"),
    (POD, "spec.topologySpreadConstraints", "map", ("topologyKey", "whenUnsatisfiable"), "topologyKey"),
    (SERVICE, "spec.ports", "map", ("port", "protocol"), "port"),
    (POD, "metadata.finalizers", "set", (), ""),
    (POD, "metadata.ownerReferences", "map", ("uid",), "uid"),
    (POD, "status.conditions", "map", ("type",), "type"),
]


@pytest.mark.parametrize(("kind", "path", "list_type", "keys", "merge_key"), LISTS)
def test_lists(kind: tuple[str, str, str], path: str, list_type: str, keys: tuple[str, ...], merge_key: str) -> None:
    node = at(builtin_schema(*kind), path)
    assert (node.type, node.list_type, node.map_keys, node.merge_key) == ("array", list_type, keys, merge_key)


def test_keys_that_an_item_may_leave_out() -> None:
    ports = at(builtin_schema(*POD), "spec.containers[].ports")
    assert ports.key_defaults == {"containerPort": 0, "protocol": "TCP"}
    assert at(builtin_schema(*SERVICE), "spec.ports").key_defaults["protocol"] == "TCP"
    assert at(builtin_schema(*POD), "spec.imagePullSecrets").key_defaults == {"name": ""}


def test_maps() -> None:
    deployment = builtin_schema(*DEPLOYMENT)
    assert at(deployment, "spec.selector").map_type == "atomic"
    assert at(deployment, "spec.template.spec.nodeSelector").map_type == "atomic"
    assert at(deployment, "metadata.labels").map_type == "granular"
    assert at(deployment, "metadata.labels.anything").type == "string"
    assert at(deployment, "spec.strategy").patch_strategies == ("retainKeys",)
    assert at(builtin_schema(*POD), "spec.volumes").patch_strategies == ("merge", "retainKeys")
    assert deployment is not None and deployment.child("specc") is None


def test_types_that_are_known_by_name() -> None:
    deployment = builtin_schema(*DEPLOYMENT)
    assert at(deployment, "spec.strategy.rollingUpdate.maxSurge").int_or_string
    assert at(deployment, "spec.template.spec.containers[].resources.limits.cpu").quantity
    assert at(deployment, "metadata.managedFields[].fieldsV1").preserve_unknown
    assert at(builtin_schema("apps", "v1", "ControllerRevision"), "data") is RAW


def test_what_a_go_struct_never_leaves_out() -> None:
    deployment = builtin_schema(*DEPLOYMENT)
    present = {
        path: at(deployment, f"spec.{path}").present for path in ("strategy", "strategy.rollingUpdate", "template", "paused")
    }
    assert present == {"strategy": True, "strategy.rollingUpdate": False, "template": True, "paused": False}
    assert at(deployment, "spec.template.spec.containers").present


def test_kinds() -> None:
    assert builtin_schema("apps", "v1", "Nothing") is None
    assert builtin_schema(*DEPLOYMENT) is builtin_schema(*DEPLOYMENT)
    assert all(builtin_schema(*kind.split("/")) is not None for kind in packs.kinds())


def test_cyclic_types_are_closed() -> None:
    schema = at(builtin_schema(*CRD), "spec.versions[].schema.openAPIV3Schema")
    assert at(schema, "properties.x") is schema
    assert at(schema, "properties.x.not") is schema
    assert schema.properties["$ref"].type == "string"


STRUCTURAL: dict[str, Any] = {
    "type": "object",
    "required": ["spec"],
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "size": {"type": "integer", "default": 3, "minimum": 1, "format": "int32"},
                "mode": {"type": "string", "enum": ["a", "b"], "nullable": True},
                "port": {"x-kubernetes-int-or-string": True},
                "any": {"x-kubernetes-preserve-unknown-fields": True},
                "half": {
                    "type": "object",
                    "x-kubernetes-preserve-unknown-fields": True,
                    "properties": {"known": {"type": "object"}},
                },
                "map": {"type": "object", "additionalProperties": {"type": "string"}},
                "open": {"type": "object", "additionalProperties": True},
                "one": {"type": "object", "x-kubernetes-map-type": "atomic"},
                "tags": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
                "embedded": {
                    "type": "object",
                    "x-kubernetes-embedded-resource": True,
                    "x-kubernetes-preserve-unknown-fields": True,
                },
                "doors": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name", "side"],
                    "items": {
                        "type": "object",
                        "properties": {"name": {"type": "string"}, "side": {"type": "string", "default": "left"}},
                    },
                },
            },
        }
    },
}


def test_custom_kinds() -> None:
    schema = crd_schema(STRUCTURAL)
    assert schema.properties["metadata"] is object_meta()
    assert schema.required == ("spec",)
    size, mode = at(schema, "spec.size"), at(schema, "spec.mode")
    assert (size.type, size.default, size.format, size.limits and size.limits.minimum) == ("integer", 3, "int32", 1)
    assert (mode.enum, mode.nullable, mode.default, mode.limits) == (("a", "b"), True, UNSET, None)
    assert at(schema, "spec.port").int_or_string
    assert at(schema, "spec.tags").list_type == "set"
    assert at(schema, "spec.one").map_type == "atomic"
    doors = at(schema, "spec.doors")
    assert (doors.map_keys, doors.key_defaults) == (("name", "side"), {"side": "left"})


def test_what_a_custom_kind_preserves() -> None:
    spec = at(crd_schema(STRUCTURAL), "spec")
    assert spec.child("nothing") is None
    assert at(spec, "any").child("x") is DEDUCED
    assert at(spec, "half.known").child("x") is DEDUCED  # apply deduces below, though pruning does not preserve there
    assert not at(spec, "half.known").preserve_unknown
    assert at(spec, "map").additional is not None and at(spec, "map.x").type == "string"
    assert at(spec, "open").additional is DEDUCED
    assert at(spec, "embedded.metadata") is object_meta()
    assert DEDUCED.child("anything") is DEDUCED
