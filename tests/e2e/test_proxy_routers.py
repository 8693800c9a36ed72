"""Traffic steps of a real Rollout, one router after the other: it writes the router's objects, the proxy routes by them, real
pods answer, and the answers are counted."""

import asyncio

import pytest
from msgspec import Struct

from shipway.api.crds import load_router_crds
from shipway.api.kinds import (
    CRDS,
    DESTINATION_RULES,
    HTTP_ROUTES,
    INGRESSES,
    ROLLOUTS,
    SERVICES,
    TRAEFIK_SERVICES,
    VIRTUAL_SERVICES,
)
from shipway.kube.objects.views import dig
from shipway.kube.runtime.waiting import One, wait_until
from shipway.rollouts.controllers import rollout_controllers
from shipway.rollouts.settings import RolloutSettings
from tests.e2e.test_proxy import CLOCK, begun_since, cluster, deployment, route, service, users
from tests.waiting import eventually

pytestmark = pytest.mark.timeout(480)
BETA = "X-Beta: yes"
BY_HEADER = {"setHeaderRoute": {"name": "by-header", "match": [{"headerName": "X-Beta", "headerValue": {"exact": "yes"}}]}}
MIRROR = {"setMirrorRoute": {"name": "copy", "percentage": 50, "match": [{"method": {"exact": "GET"}}]}}
MANAGED = {"managedRoutes": [{"name": "by-header"}, {"name": "copy"}]}


class Router(Struct, frozen=True):
    """A block of a Rollout, what the user has to create for it, and where the traffic comes in. `header_step` leads testers to
    the canary at weight 0, where the router has no such step by an annotation of its own."""

    block: dict
    objects: tuple = ()
    host: str = "web.localhost"
    header_step: tuple = ()
    mirrors: bool = False
    in_strategy: dict = {}


def metadata(name):
    return {"name": name, "namespace": "default"}


def virtual_service(*destinations):
    spec = {"hosts": ["web.localhost"], "http": [{"name": "primary", "route": [*destinations]}]}
    return {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": metadata("web"), "spec": spec}


def destination(host, weight, **more):
    return {"destination": {"host": host, **more}, "weight": weight}


INGRESS = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "Ingress",
    "metadata": metadata("web"),
    "spec": {
        "rules": [
            {
                "host": "web.localhost",
                "http": {
                    "paths": [
                        {
                            "path": "/",
                            "pathType": "Prefix",
                            "backend": {"service": {"name": "stable", "port": {"name": "http"}}},
                        }
                    ]
                },
            }
        ]
    },
}
SUBSETS = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "DestinationRule",
    "metadata": metadata("web"),
    "spec": {"host": "stable", "subsets": [{"name": name, "labels": {"app": "web"}} for name in ("stable", "canary")]},
}
TRAEFIK = {
    "apiVersion": "traefik.io/v1alpha1",
    "kind": "TraefikService",
    "metadata": metadata("web"),
    "spec": {"weighted": {"services": [{"name": name, "port": 80} for name in ("stable", "canary")]}},
}
ROUTERS = {
    "gateway api": Router(
        {"plugins": {"argoproj-labs/gatewayAPI": {"httpRoute": "web", "namespace": "default"}}},
        ((HTTP_ROUTES, route(("stable", 100), ("canary", 0))),),
        header_step=(BY_HEADER,),
    ),
    "istio, by host": Router(
        {"istio": {"virtualService": {"name": "web"}}},
        ((VIRTUAL_SERVICES, virtual_service(destination("stable", 100), destination("canary", 0))),),
        header_step=(BY_HEADER,),
        mirrors=True,
    ),
    "istio, by subset": Router(
        {
            "istio": {
                "virtualService": {"name": "web"},
                "destinationRule": {"name": "web", "canarySubsetName": "canary", "stableSubsetName": "stable"},
            }
        },
        (
            (DESTINATION_RULES, SUBSETS),
            (
                VIRTUAL_SERVICES,
                virtual_service(destination("stable", 100, subset="stable"), destination("stable", 0, subset="canary")),
            ),
        ),
        header_step=(BY_HEADER,),
    ),
    "nginx": Router(
        {
            "nginx": {
                "stableIngress": "web",
                "additionalIngressAnnotations": {"canary-by-header": "X-Beta", "canary-by-header-value": "yes"},
            }
        },
        ((INGRESSES, INGRESS),),
        header_step=({"setWeight": 0},),
    ),
    "smi": Router({"smi": {"rootService": "root"}}, host="root.default.localhost"),
    "traefik": Router(
        {"traefik": {"weightedTraefikServiceName": "web"}}, ((TRAEFIK_SERVICES, TRAEFIK),), host="web.default.localhost"
    ),
}


def rollout(version, router):
    body = deployment("web", version, replicas=1)
    steps = [{"setCanaryScale": {"replicas": 1}}, *router.header_step, {"pause": {}}, {"setWeight": 20}]
    steps += [MIRROR, {"pause": {}}] if router.mirrors else [{"pause": {}}]
    routing = router.block | (MANAGED if router.header_step or router.mirrors else {})
    canary = {"stableService": "stable", "canaryService": "canary", "trafficRouting": routing, "steps": steps}
    if "istio" in router.block and "destinationRule" in router.block["istio"]:
        del canary["stableService"], canary["canaryService"]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": metadata("web"),
        "spec": {
            "replicas": 1,
            "selector": body["spec"]["selector"],
            "template": body["spec"]["template"],
            "strategy": {"canary": canary},
        },
    }


async def paused(client, step):
    def is_paused(obj):
        reason = dig(obj, "status", "pauseConditions", 0, "reason")
        return reason == "CanaryPauseStep" and dig(obj, "status", "currentStepIndex") == step

    await wait_until(client, One(ROLLOUTS, "default", "web"), is_paused, seconds=60)


async def promote(client):
    await client.patch(ROLLOUTS, "default", "web", {"status": {"pauseConditions": None}}, subresource="status")


async def share(proxy, router, *headers, expects_new=True):
    """Of the new version, in percent, once the proxy has taken up that there is any; and that nothing fails."""
    async with users(proxy, router.host, rate=400.0, headers=headers) as load:
        if expects_new:
            await load.first_answer_of("v2", 60)
        samples = await begun_since(load, CLOCK.now(), 400)
    assert {sample.status for sample in samples} == {200}
    return 100 * sum(sample.version == "v2" for sample in samples) / len(samples)


@pytest.mark.parametrize("router", ROUTERS.values(), ids=ROUTERS)
async def test_the_traffic_steps_of_a_rollout_are_real(tmp_path, router):
    async with cluster(tmp_path, engines=rollout_controllers(RolloutSettings())) as (client, proxy):
        for crd in load_router_crds():
            await client.create(CRDS, crd)
        for name in ("stable", "canary", "root"):
            await client.create(SERVICES, service(name) | {"spec": {**service(name)["spec"], "selector": {"app": "web"}}})
        for resource, obj in router.objects:
            await client.create(resource, obj)
        await client.apply(ROLLOUTS, rollout("v1", router), manager="test")
        one = One(ROLLOUTS, "default", "web")
        await wait_until(client, one, lambda obj: dig(obj, "status", "phase") == "Healthy", seconds=60)
        await client.apply(ROLLOUTS, rollout("v2", router), manager="test")
        await paused(client, 1 + len(router.header_step))
        assert await share(proxy, router, expects_new=False) == 0
        if router.header_step:
            assert await share(proxy, router, BETA) == 100
        await promote(client)
        await paused(client, 3 + len(router.header_step) + router.mirrors)
        before = copies(proxy)
        assert abs(await share(proxy, router) - 20) <= 2
        if router.mirrors:
            await eventually(lambda: copies(proxy) >= before + 250)  # 80 of its own, 200 copies


def copies(proxy):
    """Requests that the canary's Service has got, those of the mirror among them."""
    now = asyncio.get_running_loop().time()
    return proxy.counters.report("default", "canary", window_seconds=60, now=now)["requests"]
