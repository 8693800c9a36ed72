"""Client-side apply: what is sent, and what the server makes of it."""

from typing import Any

import pytest

from shipway.kube.objects.client_side import client_side_patch, duplicate_key
from shipway.kube.objects.patches import merge_patch
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.schema import builtin_schema
from shipway.kube.objects.strategic import strategic_merge

SCHEMA = builtin_schema("apps", "v1", "Deployment")


def web(*containers: Obj, **spec: Any) -> Obj:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "spec": {**spec, "template": {"spec": {"containers": [*containers]}}},
    }


def box(name: str, *variables: tuple[str, str], **more: Any) -> Obj:
    return {"name": name, **({"env": [{"name": key, "value": value} for key, value in variables]} if variables else {}), **more}


A, B = ("A", "1"), ("B", "2")
TWICE = web(box("main", A, ("A", "2")))
CASES: dict[str, tuple[Obj, Obj, Obj, Obj]] = {
    "what is live already": (web(box("main", A)), web(box("main", A)), web(box("main", A)), web(box("main", A))),
    "a changed value": (web(box("main", A)), web(box("main", ("A", "9"))), web(box("main", A)), web(box("main", ("A", "9")))),
    "an item that left": (web(box("main", A, B)), web(box("main", A)), web(box("main", A, B)), web(box("main", A))),
    "an item of others stays": (
        web(box("main")),
        web(box("main", image="i")),
        web(box("main"), box("proxy")),
        web(box("main", image="i"), box("proxy")),
    ),
    "a field that left": (web(box("main"), paused=True), web(box("main")), web(box("main"), paused=True), web(box("main"))),
    "a field of others stays": (web(box("main")), web(box("main")), web(box("main"), replicas=3), web(box("main"), replicas=3)),
    "nothing was applied before": ({}, web(box("main", A)), web(box("main", B)), web(box("main", A, B))),
    "a key that comes twice": (web(box("main", A)), TWICE, web(box("main", A, B)), TWICE),
    "a key that was twice": (TWICE, web(box("main", A)), TWICE, web(box("main", A))),
    "a strategy that changes": (
        web(strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}),
        web(strategy={"type": "Recreate"}),
        web(strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}),
        web(strategy={"type": "Recreate"}),
    ),
}


def in_any_order(obj: Any) -> Any:
    if isinstance(obj, dict):
        return {key: in_any_order(value) for key, value in obj.items()}
    return sorted(map(in_any_order, obj), key=str) if isinstance(obj, list) else obj


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_patch_of_a_built_in_kind_gives_what_is_wanted(case: tuple[Obj, Obj, Obj, Obj]) -> None:
    applied, wanted, live, result = case
    assert SCHEMA is not None
    patch = client_side_patch(applied, wanted, live, SCHEMA)
    after = strategic_merge(live, patch, SCHEMA)
    assert in_any_order(after) == in_any_order(result)
    assert client_side_patch(wanted, wanted, after, SCHEMA) == {}, "a second time there is nothing to say"


def test_finalizers_of_others_stay() -> None:
    def held(*names: str) -> Obj:
        return {"metadata": {"finalizers": list(names)}}

    assert SCHEMA is not None
    patch = client_side_patch(held("a", "b"), held("a", "c"), held("a", "b", "theirs"), SCHEMA)
    after = strategic_merge(held("a", "b", "theirs"), patch, SCHEMA)
    assert sorted(after["metadata"]["finalizers"]) == ["a", "c", "theirs"]


def test_the_lists_of_a_custom_resource_are_replaced() -> None:
    applied, wanted = {"spec": {"a": 1, "gone": 1}}, {"spec": {"a": 2, "items": [{"name": "x"}]}}
    live = {"spec": {"a": 1, "gone": 1, "theirs": 1, "items": [{"name": "y"}]}}
    patch = client_side_patch(applied, wanted, live, None)
    assert merge_patch(live, patch) == {"spec": {"a": 2, "theirs": 1, "items": [{"name": "x"}]}}


@pytest.mark.parametrize(
    ("obj", "where"),
    [
        (TWICE, '.spec.template.spec.containers["name":"main"].env["name":"A"]'),
        (web(box("main", A, B)), ""),
        (web(box("a"), box("a")), '.spec.template.spec.containers["name":"a"]'),
        (web(box("a", args=["x", "x"])), ""),
        (web(box("a", ports=[{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}])), ""),
    ],
)
def test_where_a_key_comes_twice(obj: Obj, where: str) -> None:
    assert SCHEMA is not None
    assert duplicate_key(obj, SCHEMA).replace("{", "").replace("}", "") == where
