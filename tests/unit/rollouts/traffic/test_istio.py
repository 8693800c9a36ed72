"""VirtualServices and DestinationRules before and after; and what makes them unusable."""

from typing import Any

import pytest
from msgspec.structs import replace

from shipway.api.rollout import Destination, HeaderMatch, SetHeaderRoute, StringMatch
from shipway.kube.objects.patches import json_patch
from shipway.kube.objects.resource import Obj, Ref
from shipway.rollouts.rollout.names import HASH_LABEL
from shipway.rollouts.traffic.istio import Istio, read_config
from shipway.rollouts.traffic.router import MirrorRoute, Problem, RouteMatch, Seen, Split, sees_nothing

HOSTS = {"virtualService": {"name": "web"}}
RULE = {"name": "web", "canarySubsetName": "canary", "stableSubsetName": "stable"}
SUBSETS = {**HOSTS, "destinationRule": RULE}
NS = "shop"


def to(host: str, weight: int | None = None, **destination: Any) -> Obj:
    return {"destination": {"host": host, **destination}, **({"weight": weight} if weight is not None else {})}


def virtual_service(name: str = "web", **spec: Any) -> Obj:
    spec = spec or {"http": [{"route": [to("stable", 100), to("canary", 0)]}]}
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": NS},
        "spec": {"hosts": ["shop.test"], **spec},
    }


def rule(*subsets: Obj, **meta: Any) -> Obj:
    both = [{"name": "canary", "labels": {"app": "web"}}, {"name": "stable", "trafficPolicy": {"x": 1}}]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "web", "namespace": NS, **meta},
        "spec": {"host": "web", "subsets": list(subsets) or both},
    }


def split(canary: int, **more: Any) -> Split:
    return Split("canary", "stable", canary, 100 - canary, managed=("copies", "by-header"), rollout="web", **more)


def router(raw: Obj) -> Istio:
    made = read_config(raw)
    assert isinstance(made, Istio)
    return made


def seen(made: Istio, *objs: Obj) -> Seen:
    found = {Ref("networking.istio.io", obj["kind"], NS, obj["metadata"]["name"]): obj for obj in objs}
    return Seen({ref: found.get(ref) for ref in made.targets("web", NS, (), sees_nothing)})


def after(raw: Obj, wanted: Split, *objs: Obj) -> list[Obj]:
    """The objects once the edits are done, in the order of the edits' targets; a second look edits nothing."""
    made = router(raw)
    look = seen(made, *objs)
    patched = dict(look.objs)
    for edit in made.edits(look, wanted):
        patched[edit.target] = json_patch(patched[edit.target] or {}, list(edit.ops))
    assert made.edits(Seen(patched), wanted) == ()
    return [obj for obj in patched.values() if obj is not None]


def weights(obj: Obj, protocol: str = "http", route: int = 0) -> list[int | None]:
    return [entry.get("weight") for entry in obj["spec"][protocol][route]["route"]]


@pytest.mark.compat("rollouts:router.istio")
@pytest.mark.parametrize("canary", [0, 5, 100])
@pytest.mark.parametrize("suffix", ["", ".shop", ".shop.svc.cluster.local"])
def test_weights_by_host(canary: int, suffix: str) -> None:
    live = virtual_service(http=[{"route": [to("stable" + suffix), to("canary" + suffix)]}])
    assert weights(after(HOSTS, split(canary), live)[0]) == [100 - canary, canary]


def test_a_weight_is_one_small_operation() -> None:
    made = router(HOSTS)
    (edit,) = made.edits(seen(made, virtual_service()), split(5))
    assert edit.ops == [
        {"op": "replace", "path": "/spec/http/0/route/0/weight", "value": 95},
        {"op": "replace", "path": "/spec/http/0/route/1/weight", "value": 5},
    ]


def test_an_unknown_destination_with_a_share_is_removed() -> None:
    live = virtual_service(http=[{"route": [to("stable", 60), to("stranger", 30), to("canary", 10), to("spare", 0)]}])
    (patched,) = after(HOSTS, split(10), live)
    assert patched["spec"]["http"][0]["route"] == [to("stable", 90), to("canary", 10), to("spare", 0)]


def test_only_the_named_routes_split() -> None:
    routes = [{"name": name, "route": [to("stable", 100), to("canary", 0)]} for name in ("one", "two", "three")]
    (patched,) = after({"virtualService": {"name": "web", "routes": ["one", "three"]}}, split(20), virtual_service(http=routes))
    assert [weights(patched, route=index) for index in range(3)] == [[80, 20], [100, 0], [80, 20]]


@pytest.mark.compat("rollouts:router.istio")
def test_tls_and_tcp_routes_are_found_by_port_and_names() -> None:
    pair = [to("stable", 100), to("canary", 0)]
    tls = [
        {"match": [{"port": 443, "sniHosts": ["b.test", "a.test"]}], "route": pair},
        {"match": [{"port": 443, "sniHosts": ["c.test"]}], "route": pair},
    ]
    tcp = [{"match": [{"port": 5432}], "route": pair}, {"match": [{"port": 6379}], "route": pair}]
    service = {"name": "web", "tlsRoutes": [{"port": 443, "sniHosts": ["a.test", "b.test"]}], "tcpRoutes": [{"port": 6379}]}
    (patched,) = after({"virtualService": service}, split(30), virtual_service(tls=tls, tcp=tcp))
    assert [weights(patched, "tls", index) for index in (0, 1)] == [[70, 30], [100, 0]]
    assert [weights(patched, "tcp", index) for index in (0, 1)] == [[100, 0], [70, 30]]


def test_named_routes_of_a_protocol_that_is_not_there_are_not_looked_for() -> None:
    """A Rollout for both kinds of routes works with a VirtualService that has only one of them, as in Argo Rollouts."""
    tls = [{"match": [{"port": 3000, "sniHosts": ["a.test"]}], "route": [to("stable", 100), to("canary", 0)]}]
    service = {"name": "web", "routes": ["primary"], "tlsRoutes": [{"port": 3000, "sniHosts": ["a.test"]}]}
    made = router({"virtualService": service})
    assert made.problem(seen(made, virtual_service(tls=tls)), split(0)) is None
    (patched,) = after({"virtualService": service}, split(10), virtual_service(tls=tls))
    assert weights(patched, "tls", 0) == [90, 10]


def test_subsets_carry_hashes_before_weights_move() -> None:
    made = router(SUBSETS)
    live = virtual_service(http=[{"route": [to("web", 100, subset="stable"), to("web", 0, subset="canary"), to("other", 7)]}])
    wanted = split(10, canary_hash="new", stable_hash="old")
    edits = made.edits(seen(made, rule(), live), wanted)
    assert [(edit.target.kind, edit.turn) for edit in edits] == [("DestinationRule", 0), ("VirtualService", 1)]
    patched_rule, patched = after(SUBSETS, wanted, rule(), live)
    assert weights(patched) == [90, 10, 7]
    assert patched_rule["metadata"]["annotations"] == {"argo-rollouts.argoproj.io/managed-by-rollouts": "web"}
    assert patched_rule["spec"]["subsets"] == [
        {"name": "canary", "labels": {"app": "web", "rollouts-pod-template-hash": "new"}},
        {"name": "stable", "trafficPolicy": {"x": 1}, "labels": {"rollouts-pod-template-hash": "old"}},
    ]


def test_a_hash_that_is_not_known_leaves_the_subset() -> None:
    labels = {"rollouts-pod-template-hash": "old"}
    live = rule(
        {"name": "canary", "labels": labels}, {"name": "stable", "labels": labels}, {"name": "mine", "labels": {"a": "b"}}
    )
    http = [{"route": [to("web", 100, subset="stable"), to("web", 0, subset="canary")]}]
    patched, _ = after(SUBSETS, split(0, stable_hash="old"), live, virtual_service(http=http))
    assert patched["spec"] == live["spec"]


HEADER = SetHeaderRoute(
    "by-header", (HeaderMatch("agent", StringMatch(prefix="Fire")), HeaderMatch("x-canary", StringMatch(exact="yes")))
)
MIRROR = MirrorRoute(
    "copies",
    (RouteMatch(StringMatch(exact="GET"), StringMatch(prefix="/"), {"agent": StringMatch(regex="F.*")}),),
    35,
)


@pytest.mark.compat("rollouts:router.istio", "rollouts:step.setMirrorRoute")
def test_managed_routes_stand_on_top_in_their_order() -> None:
    port = {"port": {"number": 80}}
    own = {"match": [{"uri": {"prefix": "/"}}], "route": [to("stable.shop", 100, **port), to("canary.shop", 0, **port)]}
    (patched,) = after(HOSTS, split(20, header_routes=(HEADER,), mirror_routes=(MIRROR,)), virtual_service(http=[own]))
    pair = [to("stable.shop", 80, **port), to("canary.shop", 20, **port)]
    assert patched["spec"]["http"] == [
        {
            "name": "copies",
            "match": [{"method": {"exact": "GET"}, "uri": {"prefix": "/"}, "headers": {"agent": {"regex": "F.*"}}}],
            "route": pair,
            "mirror": {"host": "canary.shop", "port": {"number": 80}},
            "mirrorPercentage": {"value": 35},
        },
        {
            "name": "by-header",
            "match": [{"headers": {"agent": {"prefix": "Fire"}}}, {"headers": {"x-canary": {"exact": "yes"}}}],
            "route": [to("canary.shop", 100, **port)],
        },
        {**own, "route": pair},
    ]
    (gone,) = after(HOSTS, split(0), patched)
    assert gone["spec"]["http"] == [own]


def test_a_managed_route_edited_by_hand_is_written_anew() -> None:
    (patched,) = after(HOSTS, split(0, header_routes=(HEADER,)), virtual_service())
    edited = json_patch(patched, [{"op": "replace", "path": "/spec/http/0/route/0/destination/host", "value": "elsewhere"}])
    assert after(HOSTS, split(0, header_routes=(HEADER,)), edited) == [patched]


def test_two_rollouts_share_a_virtual_service_without_a_fight() -> None:
    routes = [{"name": name, "route": [to("stable", 100), to("canary", 0)]} for name in ("one", "two")]
    raws = {name: {"virtualService": {"name": "web", "routes": [name]}} for name in ("one", "two")}
    splits = {
        name: Split("canary", "stable", 5, 95, (SetHeaderRoute(f"staff-{name}", HEADER.match),), (f"staff-{name}",))
        for name in raws
    }
    live = virtual_service(http=routes)
    for name in ("one", "two", "one"):
        (live,) = after(raws[name], splits[name], live)
    assert [route["name"] for route in live["spec"]["http"]] == ["staff-two", "staff-one", "one", "two"]
    assert all(router(raws[name]).edits(seen(router(raws[name]), live), splits[name]) == () for name in raws)


def test_several_virtual_services_and_other_namespaces() -> None:
    made = router({"virtualServices": [{"name": "web"}, {"name": "edge.gateways"}]})
    assert [(ref.namespace, ref.name) for ref in made.targets("web", NS, (), sees_nothing)] == [
        ("shop", "web"),
        ("gateways", "edge"),
    ]
    edge = Ref("networking.istio.io", "VirtualService", "gateways", "edge")
    look = Seen({**seen(made, virtual_service()).objs, edge: virtual_service("edge")})
    assert [edit.target.name for edit in made.edits(look, split(5))] == ["web", "edge"]


@pytest.mark.parametrize(
    ("raw", "objs", "detail"),
    [
        (HOSTS, (), 'VirtualService "web" not found in namespace "shop"'),
        (
            HOSTS,
            (virtual_service(http=[{"route": [to("stable")]}]),),
            "Istio VirtualService has invalid HTTP routes. Error: Canary Service 'canary' not found in route",
        ),
        (
            {"virtualService": {"name": "web", "routes": ["main"]}},
            (virtual_service(),),
            "invalid HTTP routes. Error: HTTP Route 'main' is not found in the defined Virtual Service.",
        ),
        (HOSTS, (virtual_service(http=[{"route": []}, {"route": []}]),), "it must have exactly one route when omitting"),
        (HOSTS, (virtual_service(gateways=["x"]),), "Istio VirtualService has no route to split"),
        (SUBSETS, (virtual_service(),), 'DestinationRule "web" not found in namespace "shop"'),
        (SUBSETS, (rule({"name": "stable"}), virtual_service()), 'DestinationRule "web" has no subset "canary"'),
        (SUBSETS, (rule(), virtual_service(http=[{"route": [to("web")]}])), "Canary DestinationRule subset 'canary' not found"),
        (
            SUBSETS,
            (rule(annotations={"argo-rollouts.argoproj.io/managed-by-rollouts": "api"}), virtual_service()),
            "is managed by another Rollout: api",
        ),
    ],
)
def test_problems(raw: Obj, objs: tuple[Obj, ...], detail: str) -> None:
    made = router(raw)
    problem = made.problem(seen(made, *objs), split(0))
    assert isinstance(problem, Problem)
    assert detail in problem.detail


def test_nothing_is_wrong_with_a_good_pair() -> None:
    made = router(HOSTS)
    assert made.problem(seen(made, virtual_service()), split(0)) is None
    assert made.taken_up(seen(made, virtual_service()), edited=True) is None


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ({}, "exactly one of virtualService and virtualServices is needed"),
        ({"virtualService": {"name": "a"}, "virtualServices": [{"name": "b"}]}, "exactly one of"),
        ({"virtualServices": [{"name": "b"}, {"name": "b"}]}, "Duplicate value: b"),
        ({"virtualService": {}}, "a VirtualService needs a name"),
        ({"virtualService": {"name": 7}}, "Expected `str`, got `int`"),
        ({**HOSTS, "destinationRule": {"name": "x"}}, "needs name, canarySubsetName and stableSubsetName"),
        ({**HOSTS, "destinationRule": {**RULE, "stableSubsetName": "canary"}}, "are the same subset"),
    ],
)
def test_configurations_that_cannot_be_read(raw: Obj, text: str) -> None:
    message = read_config(raw)
    assert isinstance(message, str)
    assert text in message


@pytest.mark.parametrize("raw", [HOSTS, SUBSETS], ids=["hosts", "subsets"])
def test_variants_of_an_experiment_have_shares_until_it_ends(raw: Obj) -> None:
    objs = [virtual_service(http=[{"route": [to("stable", 100), to("canary", 0), to("elsewhere", 0)]}])]
    if raw is SUBSETS:
        both = [to("web", 100, subset="stable"), to("web", 0, subset="canary"), to("elsewhere", 7)]
        objs = [
            rule(*rule()["spec"]["subsets"], {"name": "mine", "labels": {"a": "b"}}),
            virtual_service(http=[{"route": both}]),
        ]
    hashes = {"canary_hash": "new", "stable_hash": "old"}
    before = after(raw, split(10, former=frozenset({"trial-new"}), **hashes), *objs)
    one = Destination(20, "trial-new", "abc")
    during = after(raw, replace(split(10, **hashes), stable=70, others=(one,), former=frozenset({"trial-new"})), *before)
    routes = during[-1]["spec"]["http"][0]["route"]
    assert [entry.get("weight") for entry in routes[:2]] == [70, 10]
    assert routes[2:] == [*before[-1]["spec"]["http"][0]["route"][2:], to("trial-new", 20)]
    if raw is SUBSETS:
        subset = {"name": "trial-new", "labels": {HASH_LABEL: "abc"}}
        assert during[0]["spec"]["subsets"] == [*before[0]["spec"]["subsets"], subset]
    moved = replace(split(10, **hashes), stable=60, others=(replace(one, weight=30),))
    assert weights(after(raw, moved, *during)[-1])[-1] == 30
    assert after(raw, split(10, former=frozenset({"trial-new"}), **hashes), *during) == before
