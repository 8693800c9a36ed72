"""The routing table: what wins, what resolves to what, and what is said of a route that is wrong."""

import pytest

from shipway.base.clock import Instant
from shipway.localcluster.node.proxy.routing import build
from shipway.localcluster.node.proxy.status import CONTROLLER_NAME, route_status
from shipway.localcluster.node.proxy.table import Match, has_prefix, rewritten_path
from tests.unit.localcluster.node.proxy_objects import ref, route, rule, service, slice_of

SERVICES = [service(name) for name in ("a", "b", "c", "d", "e")]


def found(routes, *, host="web.example", method="GET", target="/", headers=()):
    """The service that the first backend of the matching rule names; None without a match."""
    entry = build(SERVICES, [], routes).table.find(host, method, target, dict(headers))
    return entry.rule.backends[0].service if entry else None


def path(value, kind="PathPrefix"):
    return {"path": {"type": kind, "value": value}}


def header(name, value, kind="Exact"):
    return {"headers": [{"name": name, "value": value, "type": kind}]}


@pytest.mark.parametrize(
    ("prefix", "given", "fits"),
    [
        ("/", "/", True),
        ("/", "/x", True),
        ("/a", "/a", True),
        ("/a", "/a/", True),
        ("/a", "/a/b", True),
        ("/a", "/ab", False),
        ("/a/", "/a", True),
    ],
)
def test_prefixes_match_whole_elements(prefix, given, fits):
    assert has_prefix(given, prefix) is fits


@pytest.mark.parametrize(
    ("why", "request_", "expected"),
    [
        ("exact before all prefixes", {"target": "/shop/cart"}, "a"),
        ("the longer prefix", {"target": "/shop/cart/1"}, "b"),
        ("a query is no path", {"target": "/shop/cart?x=/"}, "a"),
        ("a header breaks the tie", {"target": "/shop/x", "headers": {"x-canary": "yes"}}, "d"),
        ("…only with its value", {"target": "/shop/x", "headers": {"x-canary": "no"}}, "c"),
        ("a method goes before a header", {"target": "/shop/x", "method": "POST", "headers": {"x-canary": "yes"}}, "e"),
        ("nothing fits", {"target": "/other"}, None),
        ("another host", {"target": "/shop", "host": "x.example"}, None),
    ],
)
def test_precedence_within_a_host(why, request_, expected):
    routes = [
        route(
            "r",
            rule(ref("c"), matches=[path("/shop")]),
            rule(ref("d"), matches=[path("/shop") | header("X-Canary", "yes")]),
            rule(ref("e"), matches=[path("/shop") | {"method": "POST"}]),
            rule(ref("b"), matches=[path("/shop/cart")]),
            rule(ref("a"), matches=[path("/shop/cart", "Exact")]),
        )
    ]
    assert found(routes, **request_) == expected, why


def test_more_specific_hosts_go_first_and_the_next_is_asked_when_they_do_not_fit():
    routes = [
        route("any", rule(ref("a")), hosts=()),
        route("wild", rule(ref("b")), hosts=("*.example",)),
        route("wilder", rule(ref("c")), hosts=("*.web.example",)),
        route("exact", rule(ref("d"), matches=[path("/only")]), hosts=("web.example",)),
    ]
    asked = {"web.example": "/only", "x.web.example": "/", "x.example": "/", "elsewhere": "/"}
    assert [found(routes, host=h, target=t) for h, t in asked.items()] == ["d", "c", "b", "a"]
    assert found(routes, host="web.example", target="/x") == "b"
    assert found(routes, host="example", target="/") == "a"


def test_of_equal_matches_the_oldest_route_wins_then_the_name():
    routes = [
        route("z", rule(ref("a")), created="2026-01-01T00:00:00Z"),
        route("y", rule(ref("b")), created="2026-01-02T00:00:00Z"),
    ]
    assert found(routes) == found(routes[::-1]) == "a"
    same = [route("z", rule(ref("a"))), route("y", rule(ref("b")))]
    assert found(same) == "b"


@pytest.mark.parametrize(
    ("match", "headers", "target", "fits"),
    [
        (header("x-id", "a.*", "RegularExpression"), {"x-id": "abc"}, "/", True),
        (header("x-id", "a.*", "RegularExpression"), {"x-id": "cab"}, "/", False),
        ({"queryParams": [{"name": "v", "value": "2"}]}, {}, "/?v=2", True),
        ({"queryParams": [{"name": "v", "value": "2"}]}, {}, "/?v=3&v=2", False),
        ({"queryParams": [{"name": "v", "value": "2"}]}, {}, "/", False),
        (path("/v[12]/.*", "RegularExpression"), {}, "/v2/x", True),
        (path("/v[12]/.*", "RegularExpression"), {}, "/v3/x", False),
    ],
)
def test_matches(match, headers, target, fits):
    assert (found([route("r", rule(ref("a"), matches=[match]))], headers=headers, target=target) == "a") is fits


@pytest.mark.parametrize("host", ["a.shop.localhost", "a.shop.svc.cluster.local", "a.shop.svc"])
def test_every_service_has_its_own_names(host):
    assert found([], host=host) == "a"


def test_a_route_may_take_over_a_services_name():
    assert found([route("r", rule(ref("b")), hosts=("a.shop.localhost",))], host="a.shop.localhost") == "b"
    attached = route("r", rule(ref("b")), hosts=(), parents=[{"kind": "Service", "group": "", "name": "a"}])
    assert found([attached], host="a.shop.localhost") == "b"
    assert found([attached], host="elsewhere") is None


LEAVING = {"ready": False, "serving": True, "terminating": True}
GONE = {"ready": False, "serving": False, "terminating": True}


@pytest.mark.parametrize(
    ("endpoints", "expected"),
    [
        (["10.244.0.2", "10.244.0.3"], ["10.244.0.2", "10.244.0.3"]),
        (["10.244.0.2", ("10.244.0.3", {"ready": False})], ["10.244.0.2"]),
        ([("10.244.0.2", {})], ["10.244.0.2"]),
        (["10.244.0.2", ("10.244.0.3", LEAVING)], ["10.244.0.2"]),
        ([("10.244.0.3", LEAVING), ("10.244.0.4", GONE)], ["10.244.0.3"]),
        ([("10.244.0.4", GONE)], []),
    ],
)
def test_only_ready_endpoints_unless_only_leaving_ones_serve(endpoints, expected):
    table = build(SERVICES, [slice_of("a", *endpoints)], []).table
    entry = table.find("a.shop.localhost", "GET", "/", {})
    assert [e.ip for e in entry.rule.backends[0].endpoints] == expected


def test_ports_are_found_by_name():
    other = slice_of("a", "10.244.0.9", port=9000, port_name="metrics")
    table = build(SERVICES, [slice_of("a", "10.244.0.2"), other], []).table
    endpoints = table.find("a.shop.localhost", "GET", "/", {}).rule.backends[0].endpoints
    assert [(e.ip, e.port) for e in endpoints] == [("10.244.0.2", 8080)]


@pytest.mark.parametrize(
    ("broken", "condition", "reason"),
    [
        (rule(ref("nope")), "ResolvedRefs", "BackendNotFound"),
        (rule({"name": "a", "port": 81}), "ResolvedRefs", "BackendNotFound"),
        (rule(ref("a", namespace="other")), "ResolvedRefs", "RefNotPermitted"),
        (rule(ref("a", kind="Bucket", group="s3")), "ResolvedRefs", "InvalidKind"),
        (rule(ref("a"), matches=[path("/(", "RegularExpression")]), "Accepted", "UnsupportedValue"),
    ],
)
def test_what_is_wrong_is_said_and_the_rest_works(broken, condition, reason):
    subject = route("r", broken, rule(ref("b"), matches=[path("/fine")]))
    routing = build(SERVICES, [], [subject])
    (problem,) = routing.problems["shop", "r"]
    assert (problem.condition, problem.reason) == (condition, reason)
    assert routing.table.find("web.example", "GET", "/fine", {}).rule.backends[0].service == "b"
    conditions = route_status(subject, (problem,), Instant(0.0))["parents"][0]["conditions"]
    assert {c["type"]: c["status"] for c in conditions} == {"Accepted": "True", "ResolvedRefs": "True"} | {condition: "False"}


def test_status_is_written_once_at_its_generation_and_beside_those_of_others():
    subject = route("r", rule(ref("a")))
    theirs = {"controllerName": "example.com/other", "parentRef": {"name": "gateway"}, "conditions": []}
    subject["status"] = {"parents": [theirs]}
    status = route_status(subject, (), Instant(0.0))
    assert [parent["controllerName"] for parent in status["parents"]] == ["example.com/other", CONTROLLER_NAME]
    assert {c["observedGeneration"] for c in status["parents"][1]["conditions"]} == {3}
    subject["status"] = status
    assert route_status(subject, (), Instant(99.0)) is None
    subject["metadata"]["generation"] = 4
    again = route_status(subject, (), Instant(99.0))["parents"][1]["conditions"]
    assert {c["observedGeneration"] for c in again} == {4}
    assert {c["lastTransitionTime"] for c in again} == {"1970-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("change", "target", "expected"),
    [
        (("full", "/new"), "/shop/x?q=1", "/new?q=1"),
        (("prefix", "/new"), "/shop/x?q=1", "/new/x?q=1"),
        (("prefix", "/"), "/shop/x", "/x"),
        (("prefix", "/"), "/shop", "/"),
        (("prefix", "/new"), "/shop", "/new"),
        (("prefix", "/new"), "/shop/", "/new/"),
    ],
)
def test_rewritten_paths(change, target, expected):
    assert rewritten_path(change, Match(path="/shop"), target) == expected
