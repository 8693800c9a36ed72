"""The laws of every traffic router, over random histories of a canary's weight and of hands that meddle with the objects:

1. after a pass the objects say the weights of the step, whatever was there before;
2. a second pass writes nothing;
3. what somebody else wrote beside the weights stays as it is;
4. what the router makes belongs to the Rollout, and is gone when the router is taken out; stable has all traffic then;
5. variants of an Experiment stand in the objects while they have a share, and no trace of one is left afterwards.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from shipway.api.rollout import Destination, TrafficRouting
from shipway.kube.objects.resource import Obj, Ref
from shipway.kube.objects.views import annotations_of, controller_of, copy_obj, dig
from shipway.rollouts.traffic.router import Edit, Router, Seen, Split
from shipway.rollouts.traffic.routers import EXPERIMENT_ROUTERS, KEYS, read_routers
from tests.unit.rollouts.traffic.looking import OWNER, after, look, made, split

ACTION = "alb.ingress.kubernetes.io/actions.stable"
Shares = tuple[int, int]


class Case(Struct, frozen=True):
    """A router's block, the user's objects for it, and how (canary, stable) are read from the objects by name."""

    routing: Obj
    objs: tuple[Obj, ...]
    shares: Callable[[dict[str, Obj]], Shares]

    @property
    def router(self) -> Router:
        ((_, found),) = read_routers(TrafficRouting(**self.routing))
        assert not isinstance(found, str)
        return found


def weights(entries: list[Obj], name: Callable[[Obj], str]) -> Shares:
    found = {name(entry): entry.get("weight", 0) for entry in entries}
    return found["canary"], found["stable"]


def listed(obj: str, key: str, *path: str | int) -> Callable[[dict[str, Obj]], Shares]:
    """Reads entries of a list, each with its name under `key`."""
    return lambda objs: weights(dig(objs[obj], *path), lambda entry: dig(entry, *key.split("."), default=""))


def of_nginx(objs: dict[str, Obj]) -> Shares:
    canary = int(annotations_of(objs.get("web-edge-canary", {})).get("nginx.ingress.kubernetes.io/canary-weight", 0))
    return canary, 100 - canary


def of_alb(objs: dict[str, Obj]) -> Shares:
    action = json.loads(annotations_of(objs["edge"])[ACTION])
    found = {group["ServiceName"]: group["Weight"] for group in action["ForwardConfig"]["TargetGroups"]}
    return found["canary"], found["stable"]


def of_smi(objs: dict[str, Obj]) -> Shares:
    return listed("web", "service", "spec", "backends")(objs) if "web" in objs else (0, 100)


def of_ambassador(objs: dict[str, Obj]) -> Shares:
    canary = dig(objs.get("edge-canary", {}), "spec", "weight", default=0)
    return canary, 100 - canary


def ingress(service: str) -> Obj:
    backend = {"service": {"name": service, "port": {"number": 80}}}
    rules = [{"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]
    return made("networking.k8s.io/v1", "Ingress", "edge", {"rules": rules}, annotations={"mine": "yes"})


def mesh(api: str = "appmesh.k8s.aws/v1beta2") -> tuple[Obj, ...]:
    targets = [{"virtualNodeRef": {"name": side}, "weight": 1} for side in ("canary", "stable")]
    route = {"name": "main", "grpcRoute": {"match": {}, "action": {"weightedTargets": targets}}}
    provider = {"virtualRouter": {"virtualRouterRef": {"name": "router"}}}
    nodes = (made(api, "VirtualNode", side, {"podSelector": {"matchLabels": {"app": "web"}}}) for side in ("canary", "stable"))
    return (
        *nodes,
        made(api, "VirtualService", "edge", {"provider": provider}),
        made(api, "VirtualRouter", "router", {"routes": [route]}),
    )


def named(key: str = "name") -> list[Obj]:
    return [{key: service, "port": 80} for service in ("stable", "canary")]


MESH_ROUTE = ("spec", "routes", 0, "grpcRoute", "action", "weightedTargets")
CASES = {
    "gatewayAPI": Case(
        {"plugins": {"argoproj-labs/gatewayAPI": {"httpRoute": "edge"}}},
        (made("gateway.networking.k8s.io/v1", "HTTPRoute", "edge", {"rules": [{"backendRefs": named()}]}),),
        listed("edge", "name", "spec", "rules", 0, "backendRefs"),
    ),
    "istio": Case(
        {"istio": {"virtualService": {"name": "edge"}}},
        (
            made(
                "networking.istio.io/v1",
                "VirtualService",
                "edge",
                {"http": [{"route": [{"destination": {"host": side}} for side in ("stable", "canary")], "timeout": "5s"}]},
            ),
        ),
        listed("edge", "destination.host", "spec", "http", 0, "route"),
    ),
    "nginx": Case({"nginx": {"stableIngress": "edge"}}, (ingress("stable"),), of_nginx),
    "alb": Case({"alb": {"ingress": "edge", "servicePort": 80}}, (ingress("stable"),), of_alb),
    "smi": Case({"smi": {}}, (), of_smi),
    "ambassador": Case(
        {"ambassador": {"mappings": ["edge"]}},
        (made("getambassador.io/v2", "Mapping", "edge", {"prefix": "/", "service": "stable:80"}),),
        of_ambassador,
    ),
    "appMesh": Case(
        {
            "app_mesh": {
                "virtualService": {"name": "edge"},
                "virtualNodeGroup": {"canaryVirtualNodeRef": {"name": "canary"}, "stableVirtualNodeRef": {"name": "stable"}},
            }
        },
        mesh(),
        listed("router", "virtualNodeRef.name", *MESH_ROUTE),
    ),
    "traefik": Case(
        {"traefik": {"weightedTraefikServiceName": "edge"}},
        (made("traefik.io/v1alpha1", "TraefikService", "edge", {"weighted": {"services": named()}}),),
        listed("edge", "name", "spec", "weighted", "services"),
    ),
    "apisix": Case(
        {"apisix": {"route": {"name": "edge"}}},
        (made("apisix.apache.org/v2", "ApisixRoute", "edge", {"http": [{"name": "edge", "backends": named("serviceName")}]}),),
        listed("edge", "serviceName", "spec", "http", 0, "backends"),
    ),
}
"""One for every router."""
steps = st.lists(st.tuples(st.integers(0, 100), st.booleans()), min_size=1, max_size=6)


def wanted(canary: int) -> Split:
    return split(canary, canary_hash="new", coming_hash="new", stable_hash="old")


def meddled(obj: Obj) -> Obj:
    """An object with every weight in it changed by hand."""
    changed = copy_obj(obj)
    for key, value in list(annotations_of(changed).items()):
        if key.endswith("canary-weight"):
            changed["metadata"]["annotations"][key] = str((int(value) + 7) % 100)
    _shift(changed.get("spec"))
    return changed


def _shift(value: Any) -> None:
    if isinstance(value, dict) and isinstance(value.get("weight"), int):
        value["weight"] = (value["weight"] + 7) % 100
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _shift(inner)


def without_weights(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_weights(inner) for key, inner in value.items() if key != "weight"}
    return [without_weights(inner) for inner in value] if isinstance(value, list) else value


def others(objs: dict[str, Obj]) -> dict[str, Any]:
    """What is not the Rollout's, without the weights and the marks that it leaves in the users' objects."""
    mine = {name: obj for name, obj in objs.items() if (controller_of(obj) or {}).get("uid") != OWNER["uid"]}
    return {name: without_weights(dig(obj, "spec")) for name, obj in mine.items()}


@pytest.mark.compat("rollouts:router.ambassador", "rollouts:router.appMesh")
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@given(history=steps)
def test_the_laws_of_every_router(case: Case, history: list[tuple[int, bool]]) -> None:
    router, objs = case.router, {obj["metadata"]["name"]: obj for obj in case.objs}
    assert router.problem(look(router, *case.objs), wanted(0)) is None
    settled = others(after(router, wanted(0), *objs.values()))
    for canary, is_meddled in history:
        objs = {name: meddled(obj) for name, obj in objs.items()} if is_meddled else objs
        if is_meddled and "edge" in objs:
            dig(objs["edge"], "spec", default={}).pop("weight", None)
        objs = after(router, wanted(canary), *objs.values())  # a second look edits nothing
        assert case.shares(objs) == (canary, 100 - canary)
        assert others(objs) == settled
    leaving = replace(split(0), leaving=True)
    objs = after(router, leaving, *objs.values())
    assert case.shares(objs) == (0, 100)
    assert set(objs) == {obj["metadata"]["name"] for obj in case.objs}


CARRIERS = {name: case for name, case in CASES.items() if name in EXPERIMENT_ROUTERS or "plugins" in case.routing}
trials = st.dictionaries(st.sampled_from(["trial-old", "trial-new"]), st.integers(0, 20))


def with_variants(canary: int, variants: dict[str, int]) -> Split:
    shared = tuple(Destination(weight, name, f"{name}-hash") for name, weight in variants.items())
    stable = 100 - canary - sum(variants.values())
    return replace(wanted(canary), stable=stable, others=shared, former=frozenset({"trial-old", "trial-new"}))


@pytest.mark.compat("rollouts:step.experiment")
@pytest.mark.parametrize("case", CARRIERS.values(), ids=CARRIERS)
@given(history=st.lists(st.tuples(st.integers(0, 60), trials, st.booleans()), min_size=1, max_size=6))
def test_the_laws_of_variants(case: Case, history: list[tuple[int, dict[str, int], bool]]) -> None:
    router, objs = case.router, {obj["metadata"]["name"]: obj for obj in case.objs}
    settled = others(after(router, wanted(0), *objs.values()))
    for canary, variants, is_meddled in history:
        objs = {name: meddled(obj) for name, obj in objs.items()} if is_meddled else objs
        objs = after(router, with_variants(canary, variants), *objs.values())
        assert case.shares(objs) == (canary, 100 - canary - sum(variants.values()))
        assert {name for name in ("trial-old", "trial-new") if name in str(objs)} == variants.keys()
    objs = after(router, with_variants(0, {}), *objs.values())
    assert "trial" not in str(objs)
    assert others(objs) == settled


def test_variants_are_carried_by_four_routers() -> None:
    assert set(CARRIERS) == {"gatewayAPI", "istio", "alb", "smi"}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_a_router_makes_belongs_to_the_rollout(case: Case) -> None:
    router = case.router
    created: list[Edit] = [edit for edit in router.edits(look(router, *case.objs), wanted(20)) if edit.obj is not None]
    assert all(edit.obj is not None and controller_of(edit.obj) == OWNER for edit in created)
    theirs = {**OWNER, "uid": "somebody"}
    for edit in created:
        taken: Obj = {**copy_obj(edit.obj or {}), "apiVersion": f"{edit.target.group}/v1", "kind": edit.target.kind}
        taken["metadata"] = {"name": edit.target.name, "namespace": edit.target.namespace, "ownerReferences": [theirs]}
        seen = look(router, *case.objs)
        strange = Seen({**seen.objs, edit.target: taken}, versions=seen.versions)
        assert router.problem(strange, wanted(20)) is not None
        assert _targets(router.edits(strange, replace(split(0), leaving=True))).isdisjoint({edit.target})


def _targets(edits: tuple[Edit, ...]) -> set[Ref]:
    return {edit.target for edit in edits if edit.gone}


def test_every_router_is_held_to_them() -> None:
    assert set(CASES) == {*KEYS, "gatewayAPI"}
