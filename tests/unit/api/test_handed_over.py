"""What a Rollout or an autoscaler holds of other objects, found from it alone."""

from typing import Any

import pytest

from shipway.api.handed_over import claims_of, merge, rows_for, strip
from shipway.kube.objects.resource import Obj


def rollout(routing: Any = None, **spec: Any) -> Obj:
    canary = {"canaryService": "web-canary", "stableService": "web", "trafficRouting": routing or {}}
    meta = {"name": "web", "namespace": "shop"}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": meta,
        "spec": {"strategy": {"canary": canary}, **spec},
    }


def gateway(**config: Any) -> Obj:
    return {"plugins": {"argoproj-labs/gatewayAPI": config}}


def targets(obj: Obj) -> list[str]:
    return [str(claim.target) for claim in claims_of(obj)]


SERVICES = ["Service shop/web-canary", "Service shop/web"]


@pytest.mark.parametrize(
    ("routing", "routes"),
    [
        ({}, []),
        (gateway(httpRoute="a"), ["HTTPRoute shop/a"]),
        (gateway(HTTPRoutes=[{"name": "a"}, {"name": "b"}], httproute="b"), ["HTTPRoute shop/a", "HTTPRoute shop/b"]),
        (gateway(grpcRoutes=[{"name": "g"}], namespace="edge"), ["GRPCRoute edge/g"]),
        (gateway(tcpRoute="t", tlsRoute="s"), ["TCPRoute shop/t", "TLSRoute shop/s"]),
    ],
)
def test_a_rollout_holds_its_services_and_its_gateway_routes(routing: Obj, routes: list[str]) -> None:
    found = [target.replace(".gateway.networking.k8s.io", "") for target in targets(rollout(routing))]
    assert found == [*SERVICES, *routes]


def test_a_rollout_that_is_being_deleted_holds_nothing() -> None:
    going = rollout()
    going["metadata"]["deletionTimestamp"] = "2026-11-21T09:00:00Z"
    assert targets(going) == []


def test_an_autoscaler_and_a_workload_ref_hold_replicas() -> None:
    scaler: Obj = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}},
    }
    taking_over = rollout(workloadRef={"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"})
    deployment: Obj = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"replicas": 3},
    }
    live: Obj = {**deployment, "spec": {"replicas": 7}}
    for claimant in (scaler, taking_over):
        claims = claims_of(claimant)
        assert [row.path for row in rows_for(deployment, claims)] == [("spec", "replicas")]
        assert strip(deployment, claims)["spec"] == {}
        assert merge(deployment, live, claims)["spec"] == {"replicas": 7}
    assert rows_for(deployment, ()) == ()
    assert merge(deployment, live, ()) is deployment


def test_an_unclaimed_object_is_given_back_as_it_is() -> None:
    service: Obj = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "other", "namespace": "shop"}, "spec": {}}
    assert strip(service, claims_of(rollout())) is service
