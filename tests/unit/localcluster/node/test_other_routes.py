"""Ingresses, VirtualServices, TrafficSplits and TraefikServices: which backends a request may go to, and with what shares."""

import pytest

from shipway.localcluster.node.proxy.ingress import ingress_status
from shipway.localcluster.node.proxy.routing import Others, build
from shipway.localcluster.node.proxy.table import rewritten_path
from tests.unit.localcluster.node.proxy_objects import ref, route, rule, service, slice_of

SERVICES = [service(name) for name in ("main", "canary", "other")]
NGINX = "nginx.ingress.kubernetes.io"


def meta(name, annotations=None, created="2026-01-01T00:00:00Z"):
    return {"name": name, "namespace": "shop", "annotations": annotations or {}, "creationTimestamp": created}


def ingress(name, *paths, host="web.example", annotations=None, prefix=NGINX, **spec):
    """`paths` are (path, pathType, service)."""
    http = {
        "paths": [
            {"path": path, "pathType": kind, "backend": {"service": {"name": to, "port": {"name": "http"}}}}
            for path, kind, to in paths
        ]
    }
    found = {f"{prefix}/{key}": value for key, value in (annotations or {}).items()}
    rules = [{"host": host, "http": http}] if paths else []
    return {"kind": "Ingress", "metadata": meta(name, found), "spec": {"rules": rules, **spec}}


def canary(**annotations):
    given = {"canary": "true"} | {key.replace("_", "-"): value for key, value in annotations.items()}
    return ingress("canary", ("/", "Prefix", "canary"), annotations=given)


def virtual_service(*routes, hosts=("main",), name="vs", created="2026-01-01T00:00:00Z"):
    return {
        "kind": "VirtualService",
        "metadata": meta(name, created=created),
        "spec": {"hosts": list(hosts), "http": list(routes)},
    }


def to(host, weight=None, **more):
    return {"destination": {"host": host, **more}} | ({} if weight is None else {"weight": weight})


def asked(others, *, host="web.example", target="/", method="GET", routes=(), slices=(), **headers):
    """{service: weight} of the rule that takes the request, with "problem" when it cannot be served; None without a rule."""
    fields = {key.replace("_", "-"): value for key, value in headers.items()}
    entry = build(SERVICES, slices, routes, others).table.find(host, method, target, fields)
    if entry is None:
        return None
    return {b.problem or b.service: b.weight for b in entry.rule.backends if b.weight}


MAIN = ingress("main", ("/", "Prefix", "main"))


@pytest.mark.parametrize(
    ("why", "annotations", "headers", "shares"),
    [
        ("a weight", {"canary_weight": "20"}, {}, {"main": 80, "canary": 20}),
        ("of a total", {"canary_weight": "5", "canary_weight_total": "1000"}, {}, {"main": 995, "canary": 5}),
        ("no weight", {}, {}, {"main": 100}),
        ("all of it", {"canary_weight": "100"}, {}, {"canary": 100}),
        ("always, at weight 0", {"canary_by_header": "X-Canary"}, {"x_canary": "always"}, {"canary": 1}),
        ("never, at weight 50", {"canary_by_header": "X-Canary", "canary_weight": "50"}, {"x_canary": "never"}, {"main": 1}),
        (
            "another value",
            {"canary_by_header": "X-Canary", "canary_weight": "50"},
            {"x_canary": "?"},
            {"main": 50, "canary": 50},
        ),
        ("its value", {"canary_by_header": "X-Canary", "canary_by_header_value": "yes"}, {"x_canary": "yes"}, {"canary": 1}),
        (
            "not its value",
            {"canary_by_header": "X-Canary", "canary_by_header_value": "yes"},
            {"x_canary": "always"},
            {"main": 100},
        ),
        (
            "a pattern",
            {"canary_by_header": "X-Canary", "canary_by_header_pattern": "^v[0-9]"},
            {"x_canary": "v2x"},
            {"canary": 1},
        ),
        ("a cookie", {"canary_by_cookie": "beta"}, {"cookie": "a=b; beta=always; c=d"}, {"canary": 1}),
        ("never by cookie", {"canary_by_cookie": "beta", "canary_weight": "9"}, {"cookie": "beta=never"}, {"main": 1}),
        (
            "no such cookie",
            {"canary_by_cookie": "beta", "canary_weight": "9"},
            {"cookie": "xbeta=always"},
            {"main": 91, "canary": 9},
        ),
        (
            "the header goes before the cookie",
            {"canary_by_header": "X-Canary", "canary_by_cookie": "beta"},
            {"x_canary": "never", "cookie": "beta=always"},
            {"main": 1},
        ),
    ],
)
def test_the_canary_annotations_of_ingress_nginx(why, annotations, headers, shares):
    assert asked(Others(ingresses=[canary(**annotations), MAIN]), **headers) == shares, why


@pytest.mark.parametrize(
    ("why", "ingresses", "request_", "shares"),
    [
        ("whole elements", [ingress("i", ("/shop", "Prefix", "main"))], {"target": "/shopping"}, None),
        ("exactly", [ingress("i", ("/shop", "Exact", "main"), ("/", "Prefix", "other"))], {"target": "/shop/x"}, {"other": 1}),
        ("another host", [MAIN], {"host": "x.example"}, None),
        (
            "everything else",
            [ingress("i", defaultBackend={"service": {"name": "other", "port": {"number": 80}}})],
            {},
            {"other": 1},
        ),
        ("a canary without a main one", [canary(canary_weight="50")], {}, None),
        (
            "another prefix",
            [
                ingress("c", ("/", "Prefix", "canary"), annotations={"canary": "true", "canary-weight": "30"}, prefix="x.io"),
                MAIN,
            ],
            {},
            {"main": 70, "canary": 30},
        ),
        ("no such service", [ingress("i", ("/", "Prefix", "nobody"))], {}, {"Service shop/nobody does not exist": 1}),
    ],
)
def test_paths_hosts_and_backends_of_ingresses(why, ingresses, request_, shares):
    assert asked(Others(ingresses=ingresses), **request_) == shares, why


def test_what_an_ingress_asks_for_in_vain_is_said():
    wrong = canary(canary_by_header="X", canary_by_header_pattern="(")
    (problem,) = asked(Others(ingresses=[wrong, MAIN]))
    assert "canary-by-header-pattern of ingress/shop/main/0: missing )" in problem
    captures = ingress("i", ("/", "Prefix", "main"), annotations={"rewrite-target": "/$1"})
    (problem,) = asked(Others(ingresses=[captures]))
    assert problem.startswith("rewrite-target /$1 uses captures")


def test_an_ingress_says_where_it_is_served_once():
    status = ingress_status(MAIN, "127.0.0.1")
    assert status == {"loadBalancer": {"ingress": [{"ip": "127.0.0.1"}]}}
    assert ingress_status({**MAIN, "status": status}, "127.0.0.1") is None


BY_HEADER = {"name": "h", "match": [{"headers": {"x-canary": {"exact": "yes"}}}], "route": [to("canary")]}
SPLIT = {"route": [to("main", 90), to("canary", 10)]}


@pytest.mark.parametrize(
    ("why", "routes", "request_", "shares"),
    [
        ("weights", [SPLIT], {}, {"main": 90, "canary": 10}),
        ("one target needs none", [{"route": [to("canary")]}], {}, {"canary": 1}),
        ("one of two without", [{"route": [to("main", 100), to("canary")]}], {}, {"main": 100}),
        ("a header", [BY_HEADER, SPLIT], {"x_canary": "yes"}, {"canary": 1}),
        ("the first wins, not the more specific", [SPLIT, BY_HEADER], {"x_canary": "yes"}, {"main": 90, "canary": 10}),
        (
            "any beginning",
            [{"match": [{"uri": {"prefix": "/sh"}}], "route": [to("canary")]}],
            {"target": "/shop"},
            {"canary": 1},
        ),
        (
            "exactly",
            [{"match": [{"uri": {"exact": "/a"}}], "route": [to("canary")]}, SPLIT],
            {"target": "/ab"},
            {"main": 90, "canary": 10},
        ),
        (
            "an expression",
            [{"match": [{"uri": {"regex": "/v[0-9]+/.*"}}], "route": [to("canary")]}],
            {"target": "/v2/x"},
            {"canary": 1},
        ),
        (
            "the beginning of a header",
            [{"match": [{"headers": {"x": {"prefix": "ab"}}}], "route": [to("canary")]}],
            {"x": "abc"},
            {"canary": 1},
        ),
        ("a header at all", [{"match": [{"headers": {"x": {}}}], "route": [to("canary")]}], {"x": "?"}, {"canary": 1}),
        (
            "a method",
            [{"match": [{"method": {"exact": "POST"}}], "route": [to("canary")]}, SPLIT],
            {"method": "POST"},
            {"canary": 1},
        ),
        (
            "a query",
            [{"match": [{"queryParams": {"v": {"exact": "2"}}}], "route": [to("canary")]}, SPLIT],
            {"target": "/?v=2"},
            {"canary": 1},
        ),
        ("a long name", [{"route": [to("canary.shop.svc.cluster.local")]}], {}, {"canary": 1}),
        ("no such subset", [{"route": [to("main", subset="x")]}], {}, {"no DestinationRule gives main a subset x": 1}),
        (
            "what is not supported",
            [{"fault": {}, "route": [to("main")]}],
            {},
            {"fault is not supported by this local proxy": 1},
        ),
        (
            "…in a match",
            [{"match": [{"withoutHeaders": {}}], "route": [to("main")]}],
            {},
            {"match.withoutHeaders is not supported by this local proxy": 1},
        ),
    ],
)
def test_routes_of_a_virtual_service(why, routes, request_, shares):
    others = Others(virtual_services=[virtual_service(*routes)])
    assert asked(others, host="main.shop.localhost", **request_) == shares, why


def test_a_virtual_service_goes_before_all_others_of_its_host_and_the_older_before_the_younger():
    gateway = route("r", rule(ref("other")), hosts=("web.example",))
    young = virtual_service({"route": [to("main")]}, hosts=("web.example",), name="young", created="2026-02-01T00:00:00Z")
    old = virtual_service({"route": [to("canary")]}, hosts=("web.example",), name="old")
    assert asked(Others(virtual_services=[young, old]), routes=[gateway]) == {"canary": 1}
    assert asked(Others(virtual_services=[young, old]), host="main.shop.localhost") == {"main": 1}


def test_a_subset_is_the_pods_with_its_labels():
    spec = {"host": "main", "subsets": [{"name": "new", "labels": {"hash": "2"}}]}
    rule_ = {"kind": "DestinationRule", "metadata": meta("main"), "spec": spec}
    pods = [{"metadata": {"name": f"p{n}", "namespace": "shop", "labels": {"hash": str(n)}}} for n in (1, 2)]
    found = slice_of("main", "10.244.0.1", "10.244.0.2")
    for number, endpoint in enumerate(found["endpoints"], start=1):
        endpoint["targetRef"] = {"name": f"p{number}"}
    vs = virtual_service({"route": [to("main", subset="new")]})
    others = Others(virtual_services=[vs], destination_rules=[rule_], pods=pods)
    entry = build(SERVICES, [found], [], others).table.find("main.shop.localhost", "GET", "/", {})
    assert [endpoint.ip for endpoint in entry.rule.backends[0].endpoints] == ["10.244.0.2"]


def test_mirrors_and_rewrites_of_a_virtual_service():
    spec = {"match": [{"uri": {"prefix": "/a"}}], "rewrite": {"uri": "/b"}, "route": [to("main")]}
    spec |= {"mirror": {"host": "canary"}, "mirrorPercentage": {"value": 25}}
    others = Others(virtual_services=[virtual_service(spec)])
    entry = build(SERVICES, [], [], others).table.find("main.shop.localhost", "GET", "/axe?q=1", {})
    ((mirror,), rewrite) = entry.rule.filters.mirrors, entry.rule.filters.rewrite
    assert (mirror.backend.service, mirror.percent) == ("canary", 25)
    assert rewritten_path(rewrite.path, entry.match, "/axe?q=1") == "/bxe?q=1"


@pytest.mark.parametrize(
    ("why", "weights", "extra", "shares"),
    [
        ("numbers", (95, 5), {}, {"main": 95_000, "canary": 5_000}),
        ("quantities", ("900m", "0.1"), {}, {"main": 900, "canary": 100}),
        ("matches", (1, 1), {"matches": [{}]}, {"TrafficSplit matches are not supported by this local proxy": 1}),
    ],
)
def test_a_traffic_split_splits_its_root_service(why, weights, extra, shares):
    backends = [{"service": name, "weight": weight} for name, weight in zip(("main", "canary"), weights, strict=True)]
    split = {"metadata": meta("split"), "spec": {"service": "other", "backends": backends, **extra}}
    assert asked(Others(traffic_splits=[split]), host="other.shop.svc.cluster.local") == shares, why


def test_a_weighted_traefik_service_has_a_name_of_its_own():
    entries = [{"name": "main", "port": 80, "weight": 3}, {"name": "canary", "port": 80, "weight": 1}]
    found = {"metadata": meta("web"), "spec": {"weighted": {"services": entries}}}
    assert asked(Others(traefik_services=[found]), host="web.shop.localhost") == {"main": 3000, "canary": 1000}
