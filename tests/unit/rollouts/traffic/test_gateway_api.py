"""Routes before and after: weights, header routes, the label; and nothing else."""

from typing import Any

import pytest

from shipway.api.rollout import HeaderMatch, SetHeaderRoute, StringMatch
from shipway.kube.objects.patches import json_patch
from shipway.kube.objects.resource import Obj
from shipway.rollouts.traffic.gateway_api import Config, Split, is_accepted, missing_backends, patch_route, read_config
from shipway.rollouts.traffic.router import sees_nothing

PLAIN = Config()
KEY = "rollouts.argoproj.io/gatewayapi-canary"


def ref(name: str, weight: int | None = None, **more: Any) -> Obj:
    return {"name": name, "port": 80, **({"weight": weight} if weight is not None else {}), **more}


def route(*rules: Obj, labels: Obj | None = None) -> Obj:
    return {
        "metadata": {"name": "web", "namespace": "shop", **({"labels": labels} if labels else {})},
        "spec": {"rules": list(rules)},
    }


def split(canary: int, *headers: SetHeaderRoute, most: int = 100) -> Split:
    return Split("canary", "stable", canary, most - canary, headers, managed=("by-header", "other"))


def after(before: Obj, wanted: Split, config: Config = PLAIN, headers: bool = True) -> Obj:
    ops = patch_route(before, wanted, config, headers=headers)
    patched = json_patch(before, ops)
    assert patch_route(patched, wanted, config, headers=headers) == []
    return patched


def weights(patched: Obj, rule: int = 0) -> list[int | None]:
    return [backend.get("weight") for backend in patched["spec"]["rules"][rule]["backendRefs"]]


EXACT = SetHeaderRoute("by-header", (HeaderMatch("x-canary", StringMatch(exact="yes")),))


@pytest.mark.compat("rollouts:router.gatewayAPI")
@pytest.mark.parametrize(
    ("canary", "most", "expected"), [(0, 100, [100, 0]), (30, 100, [70, 30]), (100, 100, [0, 100]), (1, 1000, [999, 1])]
)
def test_weights(canary: int, most: int, expected: list[int]) -> None:
    assert weights(after(route({"backendRefs": [ref("stable"), ref("canary")]}), split(canary, most=most))) == expected


def test_a_weight_is_one_small_operation() -> None:
    before = route({"backendRefs": [ref("stable", 100), ref("canary", 0)]}, labels={"team": "web", KEY: "in-progress"})
    assert patch_route(before, split(5), Config(), headers=True) == [
        {"op": "replace", "path": "/spec/rules/0/backendRefs/0/weight", "value": 95},
        {"op": "replace", "path": "/spec/rules/0/backendRefs/1/weight", "value": 5},
    ]


def test_a_rule_that_knows_only_stable_keeps_its_traffic() -> None:
    before = route({"backendRefs": [ref("stable", 100)]}, {"backendRefs": [ref("stable", 100), ref("canary", 0)]})
    patched = after(before, split(100))
    assert (weights(patched, 0), weights(patched, 1)) == ([100], [0, 100])


def test_other_backends_and_unknown_fields_stay() -> None:
    rule = {
        "name": "main",
        "timeouts": {"request": "5s"},
        "backendRefs": [ref("stable", 90), ref("mirror", 10, filters=[{"type": "x"}]), ref("canary", 0, surprise=True)],
    }
    patched = after(route(rule), split(20))
    assert patched["spec"]["rules"] == [
        {
            "name": "main",
            "timeouts": {"request": "5s"},
            "backendRefs": [ref("stable", 80), ref("mirror", 10, filters=[{"type": "x"}]), ref("canary", 20, surprise=True)],
        }
    ]


def test_a_service_of_that_name_elsewhere_is_not_ours() -> None:
    before = route(
        {
            "backendRefs": [
                ref("stable", 1),
                ref("canary", 1),
                ref("canary", 7, namespace="other"),
                ref("canary", 7, kind="Bucket"),
            ]
        }
    )
    assert weights(after(before, split(40))) == [60, 40, 7, 7]


def test_the_label_is_there_while_the_canary_may_get_traffic() -> None:
    before = route({"backendRefs": [ref("stable", 100), ref("canary", 0)]}, labels={"team": "web"})
    moving = after(before, split(10))
    assert moving["metadata"]["labels"] == {"team": "web", KEY: "in-progress"}
    assert after(moving, split(0))["metadata"]["labels"] == {"team": "web"}
    assert after(before, split(0, EXACT))["metadata"]["labels"][KEY] == "in-progress"
    assert KEY not in after(before, split(10), Config(label_off=True))["metadata"]["labels"]


@pytest.mark.compat("rollouts:router.gatewayAPI")
def test_header_routes_are_copies_of_the_rules_that_split() -> None:
    rule = {
        "matches": [
            {"path": {"type": "PathPrefix", "value": "/"}, "headers": [{"type": "Exact", "name": "X-Canary", "value": "no"}]}
        ],
        "filters": [{"type": "URLRewrite"}],
        "backendRefs": [ref("stable", 100), ref("canary", 0)],
    }
    second = {"matches": [{"path": {"type": "Exact", "value": "/api"}}], "backendRefs": [ref("canary", 0), ref("stable", 100)]}
    patched = after(route(rule, second), split(0, EXACT))
    assert [entry.get("name") for entry in patched["spec"]["rules"]] == [None, None, "by-header", "by-header-1"]
    assert patched["spec"]["rules"][2] == {
        "name": "by-header",
        "matches": [
            {
                "path": {"type": "PathPrefix", "value": "/"},
                "headers": [{"type": "Exact", "name": "x-canary", "value": "yes"}],
            }
        ],
        "filters": [{"type": "URLRewrite"}],
        "backendRefs": [ref("canary", 1)],
    }
    assert after(patched, split(0))["spec"]["rules"] == [rule, second]


def test_a_prefix_is_anchored_and_escaped() -> None:
    prefix = SetHeaderRoute("by-header", (HeaderMatch("agent", StringMatch(prefix="v1.2")),))
    patched = after(route({"backendRefs": [ref("stable"), ref("canary")]}), split(0, prefix))
    assert patched["spec"]["rules"][1]["matches"] == [
        {"headers": [{"type": "RegularExpression", "name": "agent", "value": "^v1\\.2.*"}]}
    ]


def test_a_users_own_canary_only_rule_survives() -> None:
    own = {"name": "debug", "backendRefs": [ref("canary", 1)]}
    before = route({"backendRefs": [ref("stable"), ref("canary")]}, own)
    assert after(before, split(0))["spec"]["rules"][1] == own


def test_header_routes_stay_out_of_routes_that_do_not_want_them() -> None:
    before = route({"backendRefs": [ref("stable"), ref("canary")]})
    assert len(after(before, split(0, EXACT), headers=False)["spec"]["rules"]) == 1


def test_missing_backends_are_named() -> None:
    assert missing_backends(route({"backendRefs": [ref("stable")]}), split(0)) == ("canary",)
    assert missing_backends(route({"backendRefs": [ref("stable")]}, {"backendRefs": [ref("canary")]}), split(0)) == ()


@pytest.mark.compat("rollouts:canary.verified")
@pytest.mark.parametrize(
    ("condition", "accepted"),
    [
        ({"type": "Accepted", "status": "True", "observedGeneration": 3}, True),
        ({"type": "Accepted", "status": "True", "observedGeneration": 2}, False),
        ({"type": "Accepted", "status": "False", "observedGeneration": 3}, False),
        ({"type": "Programmed", "status": "False"}, True),
    ],
)
def test_acceptance(condition: Obj, accepted: bool) -> None:
    reported = {"metadata": {"generation": 3}, "status": {"parents": [{"conditions": [condition]}]}}
    assert is_accepted(reported) is accepted
    assert is_accepted({"metadata": {"generation": 3}}) is True


def test_configuration_is_read_as_the_plugin_reads_it() -> None:
    config = read_config({"HTTPRoute": "a", "httpRoutes": [{"name": "b"}], "grpcRoute": "c", "nameSpace": "edge", "zzz": 1})
    assert isinstance(config, Config)
    assert config.routes == (("HTTPRoute", "b", False), ("HTTPRoute", "a", True), ("GRPCRoute", "c", True))
    assert {ref.namespace for ref in config.targets("web", "shop", (), sees_nothing)} == {"edge"}
