"""The annotations of an Ingress that an AWS load balancer reads."""

import json
from typing import Any

import pytest

from shipway.api.rollout import HeaderMatch, SetHeaderRoute, StringMatch
from shipway.kube.objects.resource import Obj
from shipway.rollouts.traffic.alb import MANAGED_KEY, Alb, read_config
from tests.unit.rollouts.traffic.looking import after, look, made, shared, split

ROUTER = Alb(("main",), 80, "root")
ACTION = "alb.ingress.kubernetes.io/actions.root"


def path(service: str, where: str = "/*") -> Obj:
    backend = {"service": {"name": service, "port": {"name": "use-annotation"}}}
    return {"path": where, "pathType": "ImplementationSpecific", "backend": backend}


def ingress(*paths: Obj, name: str = "main", **annotations: str) -> Obj:
    spec: Obj = {"rules": [{"http": {"paths": list(paths) or [path("root")]}}]}
    meta: dict[str, Any] = {"annotations": annotations} if annotations else {}
    return made("networking.k8s.io/v1", "Ingress", name, spec, **meta)


@pytest.mark.compat("rollouts:router.alb")
def test_the_split_is_a_forward_action() -> None:
    patched = after(ROUTER, split(5), ingress())["main"]
    assert patched["metadata"]["annotations"] == {
        ACTION: '{"Type":"forward","ForwardConfig":{"TargetGroups":['
        '{"ServiceName":"canary","ServicePort":"80","Weight":5},{"ServiceName":"stable","ServicePort":"80","Weight":95}]}}',
        MANAGED_KEY: '{"web":["alb.ingress.kubernetes.io/actions.root"]}',
    }
    assert patched["spec"] == ingress()["spec"]


def test_variants_of_an_experiment_have_shares_until_it_ends() -> None:
    before = after(ROUTER, split(5), ingress())["main"]
    during = after(ROUTER, shared(5, 20), before)["main"]
    groups = json.loads(during["metadata"]["annotations"][ACTION])["ForwardConfig"]["TargetGroups"]
    assert [(group["ServiceName"], group["Weight"]) for group in groups] == [("canary", 5), ("trial-new", 20), ("stable", 75)]
    assert after(ROUTER, split(5), during)["main"] == before


def test_stickiness_prefix_and_the_stable_service_as_root() -> None:
    raw = {
        "ingress": "main",
        "servicePort": 443,
        "annotationPrefix": "acme",
        "stickinessConfig": {"enabled": True, "durationSeconds": 60},
    }
    router = read_config(raw)
    assert isinstance(router, Alb)
    annotations = after(router, split(0), ingress(path("stable")))["main"]["metadata"]["annotations"]
    config = json.loads(annotations["acme/actions.stable"])["ForwardConfig"]
    assert config["TargetGroupStickinessConfig"] == {"Enabled": True, "DurationSeconds": 60}
    assert [group["Weight"] for group in config["TargetGroups"]] == [0, 100]


def test_every_ingress_is_written_though_the_first_needs_nothing() -> None:
    router = Alb(("main", "edge"), 80, "root")
    done = after(ROUTER, split(5), ingress())["main"]
    objs = after(router, split(5), done, ingress(name="edge"))
    assert objs["main"] == done
    assert objs["edge"]["metadata"]["annotations"] == done["metadata"]["annotations"]


def test_annotations_of_other_rollouts_stay() -> None:
    theirs = {MANAGED_KEY: '{"api":["alb.ingress.kubernetes.io/actions.api"]}', "mine": "x"}
    annotations = after(ROUTER, split(5), ingress(**theirs))["main"]["metadata"]["annotations"]
    assert annotations["mine"] == "x"
    assert json.loads(annotations[MANAGED_KEY]) == {"api": ["alb.ingress.kubernetes.io/actions.api"], "web": [ACTION]}


HEADER = SetHeaderRoute(
    "staff", (HeaderMatch("x-staff", StringMatch(exact="yes")), HeaderMatch("agent", StringMatch(prefix="Fire")))
)


def test_a_header_route_stands_on_top_and_goes_again() -> None:
    before = after(ROUTER, split(5, managed=("staff",)), ingress())["main"]
    patched = after(ROUTER, split(5, header_routes=(HEADER,), managed=("staff",)), before)["main"]
    assert patched["spec"]["rules"][0]["http"]["paths"] == [path("staff"), path("root")]
    annotations = patched["metadata"]["annotations"]
    assert annotations["alb.ingress.kubernetes.io/conditions.staff"] == (
        '[{"field":"http-header","httpHeaderConfig":{"httpHeaderName":"x-staff","values":["yes"]}},'
        '{"field":"http-header","httpHeaderConfig":{"httpHeaderName":"agent","values":["Fire*"]}}]'
    )
    assert json.loads(annotations["alb.ingress.kubernetes.io/actions.staff"])["ForwardConfig"] == {
        "TargetGroups": [{"ServiceName": "canary", "ServicePort": "80", "Weight": 100}]
    }
    assert after(ROUTER, split(5, managed=("staff",)), patched)["main"] == before


@pytest.mark.parametrize(
    ("objs", "detail"),
    [
        ((), 'Ingress "main" not found in namespace "shop"'),
        ((ingress(path("other")),), "ingress `main` has no rules using service root backend"),
        ((ingress(**{MANAGED_KEY: "a:b"}),), "cannot be read"),
        ((ingress(),), None),
    ],
)
def test_problems(objs: tuple[Obj, ...], detail: str | None) -> None:
    problem = ROUTER.problem(look(ROUTER, *objs), split(0))
    assert (problem is None) if detail is None else (problem is not None and detail in problem.detail)


@pytest.mark.compat("rollouts:router.alb")
def test_a_regular_expression_is_refused() -> None:
    route = SetHeaderRoute("staff", (HeaderMatch("x", StringMatch(regex="a.*")),))
    problem = ROUTER.problem(look(ROUTER, ingress()), split(0, header_routes=(route,)))
    assert problem is not None
    assert "regular expression" in problem.detail


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"ingress": "a"},
        {"ingress": "a", "ingresses": ["b"], "servicePort": 80},
        {"ingress": "a", "servicePort": 80, "stickinessConfig": {"enabled": True}},
    ],
)
def test_configurations_that_cannot_be_read(raw: Obj) -> None:
    assert isinstance(read_config(raw), str)
