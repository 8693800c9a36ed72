"""The canary Mapping beside a Mapping of Ambassador."""

from typing import Any

import pytest
from msgspec.structs import replace

from shipway.kube.objects.resource import Obj
from shipway.rollouts.traffic.ambassador import Ambassador, canary_name, read_config
from tests.unit.rollouts.traffic.looking import OWNER, after, look, made, split

ROUTER = Ambassador(("web",))
VERSIONS = ("getambassador.io/v2", "getambassador.io/v3alpha1")


def mapping(service: str = "stable:8080", name: str = "web", version: str = VERSIONS[0], weight: int = 0, **meta: Any) -> Obj:
    shared = {"weight": weight} if weight else {}
    spec = {"prefix": "/shop/", "rewrite": "/", "timeout_ms": 300, "service": service, **shared}
    return made(version, "Mapping", name, spec, **meta)


def canary_of(base: Obj, weight: int = 20, **meta: Any) -> Obj:
    found = after(ROUTER, split(weight), base, version=base["apiVersion"])["web-canary"]
    return {**found, "metadata": {**found["metadata"], **meta}}


@pytest.mark.compat("rollouts:router.ambassador")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_canary_mapping_comes_is_moved_and_goes(version: str) -> None:
    base = mapping(version=version)
    objs = after(ROUTER, split(20), base, version=version)
    assert objs["web"] == base
    assert objs["web-canary"] == mapping("canary:8080", "web-canary", version, 20, ownerReferences=[OWNER])
    (edit,) = ROUTER.edits(look(ROUTER, *objs.values()), split(60))
    assert edit.ops == [{"op": "replace", "path": "/spec/weight", "value": 60}]
    assert edit.told == ("CanaryMappingWeightUpdate", "Set canary mapping weight to 60")
    assert after(ROUTER, split(0), *objs.values()) == {"web": base}
    assert after(ROUTER, replace(split(20), leaving=True), *objs.values()) == {"web": base}
    assert after(ROUTER, split(0), base) == {"web": base}


@pytest.mark.parametrize(
    ("service", "canary"),
    [
        ("stable", "canary"),
        ("https://stable:443", "https://canary:443"),
        ("stable.shop:80", "canary.shop:80"),
        ("http://stable.shop.svc.cluster.local", "http://canary.shop.svc.cluster.local"),
    ],
)
def test_only_the_name_of_the_service_changes(service: str, canary: str) -> None:
    assert canary_of(mapping(service))["spec"]["service"] == canary


def test_it_follows_the_users_mapping_and_mends_hand_edits() -> None:
    base = mapping(labels={"host": "shop", "app.kubernetes.io/instance": "app"}, annotations={"mine": "yes"})
    canary = canary_of(base)
    assert canary["metadata"]["labels"] == {"host": "shop"}
    assert "annotations" not in canary["metadata"]
    edited = {**canary, "spec": {**canary["spec"], "weight": 90, "prefix": "/elsewhere/"}}
    assert after(ROUTER, split(20), base, edited)["web-canary"] == canary
    labelled = {**canary, "metadata": {**canary["metadata"], "labels": {"host": "shop", "team": "a"}}}
    assert after(ROUTER, split(20), base, labelled)["web-canary"] == labelled
    changed = {**base, "spec": {**base["spec"], "timeout_ms": 50}}
    assert after(ROUTER, split(20), changed, canary)["web-canary"]["spec"]["timeout_ms"] == 50


def test_one_that_argo_rollouts_made_is_taken_over() -> None:
    theirs = mapping("canary:8080", "web-canary", weight=10)
    assert ROUTER.problem(look(ROUTER, mapping(), theirs), split(0)) is None
    owned = after(ROUTER, split(20), mapping(), theirs)["web-canary"]
    assert owned["metadata"]["ownerReferences"] == [OWNER]
    assert after(ROUTER, split(0), mapping(), theirs) == {"web": mapping()}


def test_one_of_somebody_else_is_neither_used_nor_deleted() -> None:
    strange = mapping("other:80", "web-canary")
    owned = mapping("canary:80", "web-canary", ownerReferences=[{**OWNER, "uid": "u2"}])
    for theirs in (strange, owned):
        problem = ROUTER.problem(look(ROUTER, mapping(), theirs), split(0))
        assert problem is not None
        assert problem.detail == "canary mapping `web-canary` controlled by different object"
        assert after(ROUTER, split(0), mapping(), theirs)["web-canary"] == theirs


@pytest.mark.parametrize(
    ("objs", "detail"),
    [
        ((), 'Mapping "web" not found in namespace "shop"'),
        ((mapping(weight=20),), 'Ambassador mapping "web" can not define weight'),
        (
            (mapping("root:80"),),
            'Ambassador mapping "web" does not lead to the stable service stable: its service is "root:80"',
        ),
        ((mapping(),), None),
    ],
)
def test_problems(objs: tuple[Obj, ...], detail: str | None) -> None:
    problem = ROUTER.problem(look(ROUTER, *objs), split(0))
    assert (problem.detail if problem is not None else None) == detail
    if detail is not None and "root" in detail:
        assert list(after(ROUTER, split(20), *objs)) == ["web"]


def test_several_mappings_each_have_their_own() -> None:
    router = Ambassador(("web", "api"))
    objs = after(router, split(20), mapping(), mapping("stable:9090", "api"))
    assert objs["web-canary"]["spec"]["service"] == "canary:8080"
    assert objs["api-canary"]["spec"]["service"] == "canary:9090"


def test_configurations() -> None:
    assert read_config({"mappings": ["web", "api", "web"]}) == Ambassador(("web", "api"))
    for wrong in ({}, {"mappings": []}, {"mappings": [""]}):
        assert read_config(wrong) == "Invalid value: null: must provide at least one mapping"
    assert isinstance(read_config({"mappings": "web"}), str)
    assert canary_name("x" * 253) == "x" * 246 + "-canary"
