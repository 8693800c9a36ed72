"""Weights in an ApisixRoute, and one route more per header route."""

import pytest

from shipway.api.rollout import HeaderMatch, SetHeaderRoute, StringMatch
from shipway.kube.objects.resource import Obj
from shipway.rollouts.traffic.apisix import Apisix, read_config
from tests.unit.rollouts.traffic.looking import OWNER, after, look, made, split

ROUTER = Apisix("web", ("web",))
HEADER = SetHeaderRoute(
    "by-header",
    (
        HeaderMatch("x-canary", StringMatch(exact="yes")),
        HeaderMatch("agent", StringMatch(prefix="Fire")),
        HeaderMatch("id", StringMatch(regex="[0-4].*")),
    ),
)
MANAGED = ("by-header",)


def backends(*weights: tuple[str, int | None]) -> list[Obj]:
    return [{"serviceName": name, "servicePort": 80, **({} if w is None else {"weight": w})} for name, w in weights]


def rule(name: str, *services: tuple[str, int | None], **more: object) -> Obj:
    found = backends(*(services or (("stable", None), ("canary", None))))
    return {"name": name, "match": {"paths": ["/*"]}, "backends": found, **more}


def route(*rules: Obj, name: str = "web", **meta: object) -> Obj:
    return made("apisix.apache.org/v2", "ApisixRoute", name, {"http": list(rules)}, **meta)


@pytest.mark.compat("rollouts:router.apisix")
def test_weights_in_the_named_rules() -> None:
    patched = after(ROUTER, split(20), route(rule("web"), rule("other")))["web"]
    assert patched["spec"]["http"] == [rule("web", ("stable", 80), ("canary", 20)), rule("other")]


@pytest.mark.compat("rollouts:router.apisix")
def test_a_header_route_comes_and_goes() -> None:
    live = route(rule("web", priority=4), rule("other"))
    objs = after(ROUTER, split(10, header_routes=(HEADER,), managed=MANAGED), live)
    assert objs["by-header"]["metadata"]["ownerReferences"] == [OWNER]
    subjects = [{"scope": "Header", "name": name} for name in ("x-canary", "agent", "id")]
    assert objs["by-header"]["spec"]["http"] == [
        {
            "name": "web",
            "priority": 5,
            "backends": backends(("canary", 100)),
            "match": {
                "paths": ["/*"],
                "exprs": [
                    {"subject": subjects[0], "op": "Equal", "value": "yes"},
                    {"subject": subjects[1], "op": "RegexMatch", "value": "^Fire.*"},
                    {"subject": subjects[2], "op": "RegexMatch", "value": "[0-4].*"},
                ],
            },
        }
    ]
    assert list(after(ROUTER, split(0, managed=MANAGED), *objs.values())) == ["web"]


def test_somebody_elses_route_of_that_name_is_neither_used_nor_deleted() -> None:
    theirs = route(rule("x"), name="by-header")
    problem = ROUTER.problem(look(ROUTER, route(rule("web")), theirs, managed=MANAGED), split(0, managed=MANAGED))
    assert problem is not None
    assert problem.detail == "duplicate ApisixRoute [by-header] already exists"
    assert after(ROUTER, split(0, managed=MANAGED), route(rule("web")), theirs)["by-header"] == theirs


@pytest.mark.parametrize(
    ("objs", "detail"),
    [
        ((), 'ApisixRoute "web" not found in namespace "shop"'),
        ((route(rule("x")),), "Apisix http route rule web not found"),
        ((route(rule("web", ("stable", 1))),), "apisix route canary backend was not found"),
        ((route(rule("web")),), None),
    ],
)
def test_problems(objs: tuple[Obj, ...], detail: str | None) -> None:
    problem = ROUTER.problem(look(ROUTER, *objs), split(0))
    assert (problem.detail if problem is not None else None) == detail


def test_configurations() -> None:
    assert read_config({"route": {"name": "web"}}) == ROUTER
    assert read_config({"route": {"name": "web", "rules": ["a", "b"]}}) == Apisix("web", ("a", "b"))
    assert isinstance(read_config({}), str)
