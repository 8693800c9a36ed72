"""Routes before and after: weights, header routes, the label; and nothing else."""

from typing import Any

import pytest
from msgspec.structs import replace

from shipway.api.rollout import Destination, HeaderMatch, SetHeaderRoute, StringMatch
from shipway.api.route_variants import VARIANTS, read_variants
from shipway.kube.objects.patches import json_patch
from shipway.kube.objects.resource import Obj
from shipway.rollouts.traffic.gateway_api import Config, Split, is_accepted, missing_backends, patch_route, read_config
from shipway.rollouts.traffic.router import Entrance, Seen, sees_nothing

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


RECORD = '{"shop/web":["web-1-new"]}'
MOVING = {KEY: "in-progress"}


def trial(canary: int = 10, *, most: int = 100, **weights: int) -> Split:
    """A split with variants, of which the Services lead to container ports."""
    others = tuple(Destination(weight, f"web-1-{name}", f"hash-{name}") for name, weight in weights.items())
    entrances = {one.service_name: Entrance(8080, {80: 8080, 90: 9090}) for one in others}
    whole = replace(split(canary, most=most), rollout="web", namespace="shop", others=others, entrances=entrances)
    return replace(whole, stable=most - canary - sum(weights.values()), former=frozenset(one.service_name for one in others))


def both(stable: int | None = None, canary: int | None = None, *more: Obj, port: int = 80) -> Obj:
    return {"backendRefs": [{**ref("stable", stable), "port": port}, {**ref("canary", canary), "port": port}, *more]}


@pytest.mark.compat("rollouts:step.experiment", "rollouts:router.gatewayAPI")
def test_a_variant_is_a_reference_of_ours_while_its_experiment_runs() -> None:
    before = route(both(90, 10), labels={"team": "web", **MOVING})
    running = after(before, trial(new=20))
    assert running == {
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "labels": {"team": "web", **MOVING},
            "annotations": {VARIANTS: RECORD},
        },
        "spec": {"rules": [{"backendRefs": [ref("stable", 70), ref("canary", 10), {**ref("web-1-new", 20), "port": 8080}]}]},
    }
    ended = after(running, split_of_none(10))
    assert ended == {**before, "metadata": {**before["metadata"], "annotations": {}}}


def split_of_none(canary: int, *, former: tuple[str, ...] = ()) -> Split:
    return replace(trial(canary), former=frozenset(former))


@pytest.mark.parametrize("kind", ["HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute"])
def test_a_route_of_any_kind_carries_them(kind: str) -> None:
    config = Config(routes=((kind, "web", True),))
    (target,) = config.targets("web", "shop", (), sees_nothing)
    (edit,) = config.edits(Seen({target: route(both(90, 10), labels=MOVING)}), trial(new=20))
    assert weights(json_patch(route(both(90, 10), labels=MOVING), list(edit.ops))) == [70, 10, 20]


def test_several_variants_share_in_every_rule_that_splits() -> None:
    alone = {"matches": [{"path": {"type": "Exact", "value": "/admin"}}], "backendRefs": [ref("stable", 100)]}
    before = route(both(100, 0), alone, both(100, 0, port=90), both(100, 0, ref("mirror", 7)))
    patched = after(before, trial(10, old=15, new=5))
    assert [weights(patched, rule) for rule in range(4)] == [[70, 10, 15, 5], [100], [70, 10, 15, 5], [70, 10, 7, 15, 5]]
    ports = [[backend["port"] for backend in rule["backendRefs"]] for rule in patched["spec"]["rules"]]
    assert ports == [[80, 80, 8080, 8080], [80], [90, 90, 9090, 9090], [80, 80, 80, 8080, 8080]]
    assert read_variants(patched) == {"shop/web": ("web-1-new", "web-1-old")}
    assert after(patched, split_of_none(0))["spec"]["rules"] == before["spec"]["rules"]


def test_they_share_what_max_traffic_weight_is() -> None:
    assert weights(after(route(both()), trial(100, most=1000, new=200))) == [700, 100, 200]


def test_a_weight_that_changes_meanwhile_is_one_small_operation() -> None:
    running = after(route(both(90, 10), labels=MOVING), trial(new=20))
    assert patch_route(running, trial(new=25), PLAIN, headers=True) == [
        {"op": "replace", "path": "/spec/rules/0/backendRefs/0/weight", "value": 65},
        {"op": "replace", "path": "/spec/rules/0/backendRefs/2/weight", "value": 25},
    ]


def test_one_variant_goes_and_another_comes() -> None:
    running = after(route(both(90, 10), labels=MOVING), trial(new=20))
    changed = after(running, trial(other=30))
    assert changed["spec"]["rules"][0]["backendRefs"][2:] == [{**ref("web-1-other", 30), "port": 8080}]
    assert read_variants(changed) == {"shop/web": ("web-1-other",)}


@pytest.mark.parametrize(
    "edited",
    [
        both(50, 50),
        both(50, 50, ref("web-1-new", 99)),
        both(70, 10, {**ref("web-1-new", 20), "port": 8080}, {**ref("web-1-new", 20), "port": 8080}),
        {"backendRefs": [{**ref("web-1-new", 1), "port": 1}, ref("canary", 3), ref("stable", 5)]},
    ],
)
def test_what_a_hand_does_to_a_variant_is_undone(edited: Obj) -> None:
    found = after(route(edited), trial(new=20))["spec"]["rules"][0]["backendRefs"]
    assert sorted((one["name"], one["port"], one["weight"]) for one in found) == [
        ("canary", 80, 10),
        ("stable", 80, 70),
        ("web-1-new", 8080, 20),
    ]


def test_what_the_server_and_others_add_to_a_reference_stays() -> None:
    completed = {**ref("web-1-new", 20, group="", kind="Service", filters=[{"type": "x"}]), "port": 8080}
    before = route(both(70, 10, completed))
    before["metadata"] |= {"annotations": {VARIANTS: RECORD}, "labels": MOVING}
    assert patch_route(before, trial(new=20), PLAIN, headers=True) == []


def test_a_variant_leaves_a_rule_that_splits_no_more_but_no_rule_that_somebody_made_for_it() -> None:
    own = {"name": "debug", "backendRefs": [ref("web-1-new", 1)]}
    running = after(route(both(90, 10), both(90, 10), own), trial(new=20))
    del running["spec"]["rules"][0]["backendRefs"][1]
    for wanted in (trial(new=20), split_of_none(10)):
        assert after(running, wanted)["spec"]["rules"][0] == {"backendRefs": [ref("stable", 70)]}
        assert after(running, wanted)["spec"]["rules"][2] == own


def test_what_was_added_goes_though_nobody_knows_of_the_experiment_any_more() -> None:
    """Its record is on the route: a Rollout that was deleted and made again finds it there."""
    running = after(route(both(90, 10)), trial(new=20))
    for wanted in (split_of_none(0), replace(split_of_none(0), leaving=True)):
        cleaned = after(running, wanted)
        assert [one["name"] for one in cleaned["spec"]["rules"][0]["backendRefs"]] == ["stable", "canary"]
        assert not cleaned["metadata"]["annotations"]
    unrecorded = route(both(70, 10, ref("web-1-new", 20)))
    assert weights(after(unrecorded, split_of_none(0))) == [100, 0, 20]
    assert weights(after(unrecorded, split_of_none(0, former=("web-1-new",)))) == [100, 0]


def test_two_rollouts_on_one_route_keep_their_variants_apart() -> None:
    theirs = {"backendRefs": [ref("cart", 80), ref("cart-canary", 0), ref("cart-1-new", 20)]}
    before = route(both(90, 10), theirs)
    before["metadata"]["annotations"] = {"mine": "yes", VARIANTS: '{"shop/cart":["cart-1-new"]}'}
    running = after(before, trial(new=20))
    assert read_variants(running) == {"shop/cart": ("cart-1-new",), "shop/web": ("web-1-new",)}
    assert running["spec"]["rules"][1] == theirs
    assert after(running, split_of_none(10))["metadata"]["annotations"] == before["metadata"]["annotations"]


@pytest.mark.parametrize("text", ["{", "[]", '{"shop/web":1}', "7"])
def test_a_record_that_cannot_be_read_is_none(text: str) -> None:
    before = route(both(90, 10))
    before["metadata"]["annotations"] = {VARIANTS: text}
    assert read_variants(after(before, trial(new=20))) == {"shop/web": ("web-1-new",)}
    assert weights(after(before, split_of_none(10))) == [90, 10]


def test_the_versions_stay_though_a_variant_asks_for_the_name_of_one() -> None:
    wanted = replace(split_of_none(10), former=frozenset({"canary", "stable"}))
    alone = {"backendRefs": [ref("stable", 100)]}
    patched = after(route(both(1, 1), alone), wanted)
    assert [weights(patched, 0), weights(patched, 1)] == [[90, 10], [100]]


def test_a_route_in_another_namespace_leads_to_the_rollouts_services() -> None:
    before = route({"backendRefs": [ref("stable", 1, namespace="shop"), ref("canary", 1, namespace="shop")]})
    before["metadata"]["namespace"] = "edge"
    found = after(before, trial(new=20))["spec"]["rules"][0]["backendRefs"]
    assert [(one["name"], one["namespace"], one["weight"]) for one in found] == [
        ("stable", "shop", 70),
        ("canary", "shop", 10),
        ("web-1-new", "shop", 20),
    ]


def test_header_routes_lead_to_the_canary_alone_while_variants_have_a_share() -> None:
    patched = after(route(both(90, 10)), replace(trial(new=20), header_routes=(EXACT,)))
    assert [weights(patched, 0), weights(patched, 1)] == [[70, 10, 20], [1]]


def test_the_label_is_there_while_a_variant_has_traffic_at_weight_0() -> None:
    assert after(route(both(100, 0)), trial(0, new=20))["metadata"]["labels"] == MOVING
    assert "labels" not in after(route(both(100, 0)), trial(0, new=0))["metadata"]


def test_a_variant_of_which_no_port_is_known_is_entered_like_stable() -> None:
    found = after(route(both(90, 10, port=9000)), replace(trial(new=20), entrances={}))
    assert found["spec"]["rules"][0]["backendRefs"][2] == {"name": "web-1-new", "port": 9000, "weight": 20}
