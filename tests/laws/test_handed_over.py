"""The three laws of handed-over fields, over random histories of a route and a service that a canary moves:

1. during a canary the GitOps engine writes nothing;
2. a change of the route in Git keeps the live weight;
3. a hand edit of anything else in it is healed.
"""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.api.handed_over import claims_of
from shipway.api.route_variants import VARIANTS, variants_text
from shipway.gitops.desired import Desired, Terms, prepare
from shipway.gitops.ownership import Context, judge, to_apply
from shipway.gitops.settings import GitOpsSettings
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import copy_obj
from tests.little_server import LittleServer

HTTP_ROUTES = Resource("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes")
SERVICES = Resource("", "v1", "Service", "services")
KINDS = {"HTTPRoute": HTTP_ROUTES, "Service": SERVICES}
SETTINGS = GitOpsSettings(key=b"laws")

ROLLOUT: Obj = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Rollout",
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {
        "strategy": {
            "canary": {
                "canaryService": "web-canary",
                "stableService": "web",
                "trafficRouting": {
                    "managedRoutes": [{"name": "staff"}],
                    "plugins": {"argoproj-labs/gatewayAPI": {"httpRoute": "web"}},
                },
            }
        }
    },
}
CLAIMS = claims_of(ROLLOUT)

TRIED = ("web-1-old", "web-1-new")
variants = st.lists(st.sampled_from(TRIED), unique=True)
weights = st.integers(min_value=0, max_value=100)
paths = st.sampled_from(["/", "/shop", "/api"])
hashes = st.text("0123456789abcdef", min_size=6, max_size=6)


def backend(name: str, **extra: Any) -> Obj:
    return {"name": name, "port": 80, **extra}


def rule(path: str, canary: int | None = None) -> Obj:
    """A rule as Git states it: with weights or without."""
    refs = [backend("web"), backend("web-canary")]
    if canary is not None:
        refs[0]["weight"], refs[1]["weight"] = 100 - canary, canary
    return {"matches": [{"path": {"type": "PathPrefix", "value": path}}], "backendRefs": refs}


@st.composite
def routes(draw: st.DrawFn) -> Obj:
    rules = [rule(path, draw(st.none() | weights)) for path in draw(st.lists(paths, min_size=1, max_size=3, unique=True))]
    spec = {"hostnames": draw(st.lists(st.sampled_from(["a.test", "b.test"]), max_size=2, unique=True)), "rules": rules}
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "web"}, "spec": spec}


def service(name: str = "web", port: int = 80, app: str = "web") -> Obj:
    spec = {"selector": {"app": app}, "ports": [{"port": port, "protocol": "TCP", "targetPort": 8080}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def desired_of(obj: Obj) -> Desired:
    return prepare([obj], Terms("shop", "shop"), lambda _, kind: KINDS[kind]).objects[0]


def context(server: LittleServer) -> Context:
    return Context("shop", SETTINGS, server.answer)


def sync(server: LittleServer, desired: Desired) -> None:
    server.apply(to_apply(desired, server.live, CLAIMS, context(server)), SETTINGS.manager)
    assert judge(desired, server.live, CLAIMS, context(server)).verdict == "Synced"


def move(server: LittleServer, canary: int, header_rule: bool, variants: Sequence[str] = ()) -> None:
    """What the rollouts engine does to a route: weights and variants in every rule, and a managed rule for staff."""

    def change(obj: Obj) -> None:
        ordinary = [one for one in obj["spec"]["rules"] if one.get("name") != "staff"]
        obj["metadata"].setdefault("annotations", {})[VARIANTS] = variants_text({"shop/web": variants} if variants else {})
        for one in ordinary:
            kept = [ref for ref in one["backendRefs"] if ref["name"] not in TRIED]
            one["backendRefs"] = [*kept, *(backend(name, weight=10) for name in variants)]
            for ref in one["backendRefs"]:
                if ref["name"] in ("web", "web-canary"):
                    ref["weight"] = canary if ref["name"] == "web-canary" else 100 - canary
        staff = {"name": "staff", "matches": [{"headers": [{"name": "x-staff", "value": "1"}]}]}
        obj["spec"]["rules"] = [*ordinary, {**staff, "backendRefs": [backend("web-canary")]}] if header_rule else ordinary
        obj["metadata"].setdefault("labels", {})["rollouts.argoproj.io/gatewayapi-canary"] = "in-progress"

    server.update("rollouts-controller", change)


def weight_of(server: LittleServer, name: str) -> set[Any]:
    assert server.live is not None
    rules = [one for one in server.live["spec"]["rules"] if one.get("name") != "staff"]
    return {ref.get("weight") for one in rules for ref in one["backendRefs"] if ref["name"] == name}


@given(git=routes(), moves=st.lists(st.tuples(weights, st.booleans(), variants), min_size=1, max_size=6))
def test_during_a_canary_nothing_is_written_to_the_route(git: Obj, moves: list[tuple[int, bool, list[str]]]) -> None:
    server, desired = LittleServer(), desired_of(git)
    sync(server, desired)
    for canary, header_rule, tried in moves:
        move(server, canary, header_rule, tried)
        assert judge(desired, server.live, CLAIMS, context(server)).verdict == "Synced"


@given(before=routes(), after=routes(), canary=weights, header_rule=st.booleans(), tried=variants)
def test_a_change_of_the_route_in_git_keeps_the_live_weight(
    before: Obj, after: Obj, canary: int, header_rule: bool, tried: list[str]
) -> None:
    server = LittleServer()
    sync(server, desired_of(before))
    move(server, canary, header_rule, tried)
    changed = desired_of(after)
    sync(server, changed)
    assert weight_of(server, "web-canary") == {canary}
    assert weight_of(server, "web") == {100 - canary}
    assert [weight_of(server, name) for name in tried] == [{10}] * len(tried)
    assert server.live is not None
    assert [one.get("name") for one in server.live["spec"]["rules"]].count("staff") == int(header_rule)
    assert server.live["spec"].get("hostnames", []) == after["spec"]["hostnames"]


def edit_match(obj: Obj) -> None:
    obj["spec"]["rules"][0]["matches"] = [{"path": {"type": "Exact", "value": "/stolen"}}]


def edit_hostnames(obj: Obj) -> None:
    obj["spec"]["hostnames"] = ["evil.test"]


def add_rule(obj: Obj) -> None:
    obj["spec"]["rules"].append({"backendRefs": [backend("thief")]})


def add_backend(obj: Obj) -> None:
    obj["spec"]["rules"][0]["backendRefs"].append(backend("thief", weight=10))


def edit_port(obj: Obj) -> None:
    obj["spec"]["rules"][0]["backendRefs"][0]["port"] = 81


@given(
    git=routes(),
    edit=st.sampled_from([edit_match, edit_hostnames, add_rule, add_backend, edit_port]),
    canary=weights,
    moves_after=st.booleans(),
    tried=variants,
)
def test_a_hand_edit_of_anything_else_is_found_and_healed(
    git: Obj, edit: Any, canary: int, moves_after: bool, tried: list[str]
) -> None:
    git["spec"]["hostnames"] = ["a.test"]
    server, desired = LittleServer(), desired_of(git)
    sync(server, desired)
    move(server, canary, False, tried)
    server.update("kubectl-edit", edit)
    if moves_after:
        move(server, canary, False, tried)
    assert judge(desired, server.live, CLAIMS, context(server)).verdict == "OutOfSync"
    sync(server, desired)
    assert weight_of(server, "web-canary") == {canary}
    assert server.live is not None
    assert server.live["spec"]["hostnames"] == ["a.test"]
    assert [one["matches"] for one in server.live["spec"]["rules"]] == [one["matches"] for one in git["spec"]["rules"]]
    assert {ref["name"] for one in server.live["spec"]["rules"] for ref in one["backendRefs"]} == {"web", "web-canary", *tried}


@given(steps=st.lists(hashes, min_size=1, max_size=5), port=st.integers(min_value=1, max_value=9))
def test_the_selector_hash_belongs_to_the_rollout_and_nothing_else_does(steps: list[str], port: int) -> None:
    server, desired = LittleServer(), desired_of(service())
    sync(server, desired)
    for step in steps:
        server.update(
            "rollouts-controller", lambda obj, step=step: obj["spec"]["selector"].update({"rollouts-pod-template-hash": step})
        )
        assert judge(desired, server.live, CLAIMS, context(server)).verdict == "Synced"
    sync(server, desired_of(service(port=port)))
    assert server.live is not None
    assert server.live["spec"]["selector"] == {"app": "web", "rollouts-pod-template-hash": steps[-1]}
    server.update("kubectl-edit", lambda obj: obj["spec"]["selector"].update({"app": "other", "extra": "x"}))
    current = desired_of(service(port=port))
    assert judge(current, server.live, CLAIMS, context(server)).verdict == "OutOfSync"
    sync(server, current)
    assert server.live["spec"]["selector"] == {"app": "web", "rollouts-pod-template-hash": steps[-1]}


def test_without_its_claimant_a_weight_is_an_ordinary_field() -> None:
    git = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "web"},
        "spec": {"rules": [rule("/", 0)]},
    }
    server, desired = LittleServer(), desired_of(git)
    sync(server, desired)
    move(server, 30, False)
    assert judge(desired, server.live, CLAIMS, context(server)).verdict == "Synced"
    assert judge(desired, server.live, (), context(server)).verdict == "OutOfSync"
    server.apply(to_apply(desired, server.live, (), context(server)), SETTINGS.manager)
    assert weight_of(server, "web-canary") == {0}


def test_an_apply_that_carries_a_weight_is_refused_once_the_weight_has_moved_on() -> None:
    git = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "web"},
        "spec": {"rules": [rule("/")]},
    }
    server, desired = LittleServer(), desired_of(git)
    sync(server, desired)
    move(server, 5, False)
    stale = to_apply(desired, copy_obj(server.live or {}), CLAIMS, context(server))
    move(server, 30, False)
    with pytest.raises(Exception, match="the object has been modified"):
        server.apply(stale, SETTINGS.manager)
