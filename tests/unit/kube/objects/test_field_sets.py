"""Sets of field paths, and whether an ownership entry covers what we want."""

from typing import Any

import pytest

from shipway.kube.objects.field_sets import (
    FieldSet,
    Owner,
    covers,
    difference,
    element_text,
    field_set,
    in_order,
    intersection,
    key_element,
    owner_of,
    paths,
    uncovered,
    union,
    value_element,
    without_subtrees,
)
from shipway.kube.objects.schema import Schema, crd_schema

M: FieldSet = {}

OPERATIONS: list[tuple[Any, FieldSet, FieldSet, FieldSet]] = [
    (union, {}, {}, {}),
    (union, {"f:a": M}, {}, {"f:a": M}),
    (union, {"f:a": M}, {"f:b": M}, {"f:a": M, "f:b": M}),
    (union, {"f:a": M}, {"f:a": {"f:b": M}}, {"f:a": {".": M, "f:b": M}}),
    (union, {"f:a": {"f:c": M}}, {"f:a": {"f:b": M}}, {"f:a": {"f:b": M, "f:c": M}}),
    (union, {"f:a": {".": M, "f:c": M}}, {"f:a": M}, {"f:a": {".": M, "f:c": M}}),
    (difference, {"f:a": M, "f:b": M}, {"f:a": M}, {"f:b": M}),
    (difference, {"f:a": M}, {"f:a": M}, {}),
    (difference, {"f:a": {"f:b": M}}, {"f:a": M}, {"f:a": {"f:b": M}}),  # a parent takes no children with it
    (difference, {"f:a": M}, {"f:a": {"f:b": M}}, {"f:a": M}),  # nor a child its parent
    (difference, {"f:a": {".": M, "f:b": M}}, {"f:a": M}, {"f:a": {"f:b": M}}),
    (difference, {"f:a": {".": M, "f:b": M}}, {"f:a": {"f:b": M}}, {"f:a": M}),
    (difference, {"f:a": {".": M, "f:b": M}}, {"f:a": {".": M, "f:b": M}}, {}),
    (difference, {}, {"f:a": M}, {}),
    (intersection, {"f:a": M, "f:b": M}, {"f:b": M, "f:c": M}, {"f:b": M}),
    (intersection, {"f:a": M}, {"f:a": {"f:b": M}}, {}),
    (intersection, {"f:a": {".": M, "f:b": M}}, {"f:a": M}, {"f:a": M}),
    (intersection, {"f:a": {".": M, "f:b": M}}, {"f:a": {".": M, "f:b": M, "f:c": M}}, {"f:a": {".": M, "f:b": M}}),
    (without_subtrees, {"f:a": {"f:b": M}, "f:c": M}, {"f:a": M}, {"f:c": M}),
    (without_subtrees, {"f:a": {".": M, "f:b": M}}, {"f:a": {"f:b": M}}, {"f:a": M}),
    (without_subtrees, {"f:a": M}, {"f:a": {"f:b": M}}, {"f:a": M}),
    (without_subtrees, {"f:a": {"f:b": M}}, {"f:a": {"f:b": M}}, {}),
]


@pytest.mark.parametrize(("operation", "a", "b", "expected"), OPERATIONS)
def test_set_operations(operation: Any, a: FieldSet, b: FieldSet, expected: FieldSet) -> None:
    assert operation(a, b) == expected


def test_elements() -> None:
    assert key_element({"protocol": "TCP", "containerPort": 80}) == 'k:{"containerPort":80,"protocol":"TCP"}'
    assert key_element({"name": "a<b&c"}) == 'k:{"name":"a\\u003cb\\u0026c"}'
    assert value_element("x") == 'v:"x"'
    assert value_element(1.0) == "v:1"
    assert element_text('k:{"containerPort":80,"protocol":"TCP"}') == '[containerPort=80,protocol="TCP"]'
    assert element_text('v:"x"') == '[="x"]'
    assert element_text("i:3") == "[3]"
    assert element_text("v:true") == "[=true]"
    assert element_text("f:a.b/c") == ".a.b/c"


def test_paths_come_members_first() -> None:
    fields = {"f:b": {".": M, "f:x": M}, "f:a": {"f:y": M}, "f:c": M}
    assert paths(fields) == [".b", ".c", ".a.y", ".b.x"]


def test_order() -> None:
    assert list(in_order({"f:b": M, ".": M, "f:a": {"f:d": M, "f:c": M}})) == [".", "f:a", "f:b"]
    assert field_set("metadata.labels", "spec") == {"f:metadata": {"f:labels": M}, "f:spec": M}


OURS: FieldSet = {
    "f:metadata": {"f:labels": {"f:app": M}, "f:annotations": {"f:a.b/c": M}},
    "f:spec": {
        "f:replicas": M,
        "f:selector": M,
        "f:strategy": M,
        "f:template": {
            "f:metadata": {"f:labels": {"f:app": M}},
            "f:spec": {
                "f:containers": {
                    'k:{"name":"app"}': {
                        ".": M,
                        "f:name": M,
                        "f:image": M,
                        "f:args": M,
                        "f:resources": {"f:limits": {"f:cpu": M}},
                        "f:ports": {
                            'k:{"containerPort":80,"protocol":"TCP"}': {".": M, "f:containerPort": M},
                            'k:{"containerPort":80,"protocol":"UDP"}': {".": M, "f:containerPort": M, "f:protocol": M},
                        },
                    }
                },
            },
        },
        "f:finalizers": {'v:"a"': M},
    },
}


def _app(**fields: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": [{"name": "app", **fields}]}}}}


APP = '.spec.template.spec.containers[name="app"]'
DESIRED: list[tuple[dict[str, Any], list[str]]] = [
    ({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x", "namespace": "y"}}, []),
    ({"metadata": {"name": "x", "labels": {"app": "x"}, "annotations": {"a.b/c": "1"}}}, []),
    ({"metadata": {"labels": {"app": "x", "tier": "y"}}}, [".metadata.labels.tier"]),
    ({"metadata": {"creationTimestamp": None}, "status": {"replicas": 1}}, []),
    ({"spec": {"replicas": 2}}, []),
    ({"spec": {"paused": True}}, [".spec.paused"]),
    ({"spec": {"selector": {"matchLabels": {"app": "x"}}}}, []),  # atomic: one leaf covers all below
    ({"spec": {"strategy": {}}}, []),
    (_app(image="x", args=["a"]), []),
    (_app(resources={"limits": {"cpu": "1"}}), []),
    (_app(resources={"limits": {"memory": "1"}}), [f"{APP}.resources.limits.memory"]),
    (_app(resources={}), [f"{APP}.resources"]),
    (_app(command=["x"]), [f"{APP}.command"]),
    (_app(env=[], command=None), []),  # nothing that could be owned
    (_app(lifecycle={"preStop": None}), []),
    (_app(ports=[{"containerPort": 80}]), []),
    (_app(ports=[{"containerPort": 80, "protocol": "UDP"}]), []),
    (_app(ports=[{"containerPort": 81}]), [f"{APP}.ports[containerPort=81]"]),
    (_app(ports=[{"containerPort": 80, "name": "x"}]), [f'{APP}.ports[containerPort=80,protocol="TCP"].name']),
    ({"spec": {"template": {"spec": {"containers": [{"name": "b"}]}}}}, ['.spec.template.spec.containers[name="b"]']),
    ({"spec": {"finalizers": ["a", "b"]}}, ['.spec.finalizers[="b"]']),
    ({"data": {"a": "1"}}, [".data"]),
]


@pytest.mark.parametrize(("desired", "gaps"), DESIRED)
def test_what_an_entry_covers(desired: dict[str, Any], gaps: list[str]) -> None:
    desired = {"apiVersion": "apps/v1", "kind": "Deployment", **desired}
    assert uncovered(OURS, desired) == gaps
    assert covers(OURS, desired) is (not gaps)


FREE: Schema = crd_schema({"type": "object", "properties": {"spec": {"x-kubernetes-preserve-unknown-fields": True}}})
ATOMIC: Schema = crd_schema({"type": "object", "properties": {"spec": {"type": "object", "x-kubernetes-map-type": "atomic"}}})


@pytest.mark.parametrize(("schema", "gaps"), [(ATOMIC, []), (FREE, [".spec"]), (None, [".spec"])])
def test_a_bare_member_is_all_of_an_atomic_map_but_nothing_of_another(schema: Schema | None, gaps: list[str]) -> None:
    """Somebody who takes the only entry of a map leaves us `{}`, which looks as if we owned an atomic map."""
    assert uncovered({"f:spec": {}}, {"kind": "Free", "spec": {"a": 1}}, schema) == gaps
    assert uncovered({"f:spec": {}}, {"kind": "Free", "spec": {}}, schema) == []
    assert uncovered({"f:spec": {}}, {"kind": "Free", "spec": ["a"]}, None) == []


def test_an_empty_list_is_owned_where_it_is_known_to_be_atomic() -> None:
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "rules": []}
    assert uncovered({}, role) == [".rules"]
    assert uncovered({"f:rules": {}}, role) == []
    assert uncovered({}, {"apiVersion": "v1", "kind": "Pod", "spec": {"imagePullSecrets": []}}) == []


def _entry(manager: str, operation: str, time: str, fields: FieldSet) -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "time": time, "apiVersion": "apps/v1", "fieldsV1": fields}


ENTRIES = [
    _entry("shipway", "Apply", "2026-01-01T00:00:00Z", {"f:spec": {"f:paused": M}}),
    _entry("hpa", "Update", "2026-01-01T00:00:00Z", {"f:spec": {"f:replicas": M}}),
    _entry("kubectl-edit", "Update", "2026-01-02T00:00:00Z", {"f:spec": {"f:replicas": M, "f:selector": M}}),
]


def test_who_took_a_path_last() -> None:
    kubectl = Owner("kubectl-edit", "Update", "2026-01-02T00:00:00Z", "apps/v1")
    assert owner_of(ENTRIES, ".spec.replicas") == kubectl
    assert owner_of(ENTRIES, ".spec.selector.matchLabels") == kubectl  # below an atomic field
    assert owner_of(ENTRIES, ".spec") == kubectl  # something below
    assert owner_of(ENTRIES, ".spec.paused", besides="shipway") is None
    assert owner_of(ENTRIES, ".spec.replicasX") is None


def test_who_holds_an_item_is_not_who_took_a_field_of_it() -> None:
    item = {"f:list": {'k:{"name":"a"}': {".": M, "f:name": M}}}
    entries = [_entry("maker", "Update", "2026-01-03T00:00:00Z", item)]
    assert owner_of(entries, '.list[name="a"].value') is None
    holder = Owner("maker", "Update", "2026-01-03T00:00:00Z", "apps/v1")
    assert owner_of(entries, '.list[name="a"]') == holder
    assert owner_of(entries, ".list") == holder
