"""The proxy in a whole local cluster: real pods behind Services and HTTPRoutes, and no failed request while they change."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from shipway.api.crds import load_crds
from shipway.api.kinds import CRDS, DEPLOYMENTS, GATEWAYS, HTTP_ROUTES, PODS, ROLLOUTS, SERVICES
from shipway.base.clock import SystemClock
from shipway.base.ids import RandomIds
from shipway.demo.load import NOBODY, Load
from shipway.kube.client.client import Client
from shipway.kube.objects.views import condition_of, dig, name_of
from shipway.kube.runtime.runtime import Runtime
from shipway.kube.runtime.waiting import One, wait_until
from shipway.localcluster.apiserver.server import ApiServer
from shipway.localcluster.controllers.built_in import built_in_controllers, built_in_resolvers
from shipway.localcluster.node.addresses import AddressBook
from shipway.localcluster.node.node import Node
from shipway.localcluster.node.proxy.proxy import Proxy
from shipway.rollouts.controllers import rollout_controllers
from shipway.rollouts.settings import RolloutSettings
from tests.waiting import eventually

CLOCK = SystemClock()
ALL_CRDS = load_crds()
ROUTE_CRDS = [crd for crd in ALL_CRDS if name_of(crd).endswith("gateway.networking.k8s.io")]


@asynccontextmanager
async def cluster(home, *, crds=True, mode=None, engines=()):
    """A client and the proxy of a running cluster."""
    server = await ApiServer.open(path=None, clock=CLOCK, ids=RandomIds())
    client = Client(server)
    for crd in (ALL_CRDS if engines else ROUTE_CRDS) if crds else ():
        await client.create(CRDS, crd)
    book = AddressBook(mode)
    async with asyncio.TaskGroup() as tasks:
        controllers = Runtime(client, [*built_in_controllers(), *engines], clock=CLOCK, resolvers=built_in_resolvers(client))
        running = tasks.create_task(controllers.run())
        node = Node(client, name="local", home=home, clock=CLOCK, addresses=book)
        async with node, Proxy(client, clock=CLOCK, addresses=book) as proxy:
            yield client, proxy
        running.cancel()
    await server.close()


def deployment(name, version, replicas=2):
    probe = {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1}
    container = {
        "name": "web",
        "image": f"builtin/echo:{version}",
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": probe,
        "env": [{"name": "DRAIN_MS", "value": "4000"}],  # how late this process may hear of what it does itself
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"terminationGracePeriodSeconds": 30, "containers": [container]},
            },
        },
    }


def service(name):
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
    }


def route(*weights):
    refs = [{"name": name, "port": 80, "weight": weight} for name, weight in weights]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"parentRefs": [{"name": "gate"}], "hostnames": ["web.localhost"], "rules": [{"backendRefs": refs}]},
    }


async def run_app(client, name, version, replicas=2):
    await client.create(DEPLOYMENTS, deployment(name, version, replicas))
    await client.create(SERVICES, service(name))
    await available(client, name)


async def available(client, name):
    """Rolled out as `kubectl rollout status` understands it."""

    def is_done(obj):
        status, wanted = obj.get("status") or {}, obj["spec"]["replicas"]
        return (
            status.get("observedGeneration") == obj["metadata"]["generation"]
            and status.get("updatedReplicas") == status.get("replicas") == status.get("availableReplicas") == wanted
        )

    await wait_until(client, One(DEPLOYMENTS, "default", name), is_done)


@asynccontextmanager
async def users(proxy, host, rate=150.0, headers=()):
    """Requests that go on until the block ends."""
    load = Load(proxy.port, host=host, clock=CLOCK, rate=rate, clients=8, headers=headers)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(load.run())
        yield load
        running.cancel()


async def begun_since(load, at, number):
    """The requests that were begun after a moment, as soon as there are so many: no answer from before is among them."""
    return await eventually(
        lambda: found if len(found := [s for s in load.samples if s.at >= at]) >= number else None, within=60
    )


@pytest.mark.parametrize("mode", ["loopback", "ports"])
async def test_a_rolling_update_under_load_fails_no_request(tmp_path, mode):
    async with cluster(tmp_path, mode=mode) as (client, proxy):
        await run_app(client, "web", "v1", replicas=3)
        async with users(proxy, "web.default.localhost") as load:
            await load.first_answer_of("v1", 60)
            await client.replace(DEPLOYMENTS, deployment("web", "v2", 3))
            await available(client, "web")
            pods = One(PODS, "default", "")
            await eventually(lambda: load.samples and load.samples[-1].version == "v2")
            before = len(load.samples)
            await wait_gone(client, "v1")
            await eventually(lambda: len(load.samples) > before + 50)
        found = load.report(bad="v2", changes=[]).requests
        assert {version: count.failed for version, count in found.items()} == {"v1": 0, "v2": 0}, (found, pods)


async def wait_gone(client, version):
    async with asyncio.timeout(60):
        while [p for p in (await client.list(PODS)).items if p["spec"]["containers"][0]["image"].endswith(version)]:
            await CLOCK.sleep(0.02)


async def test_weights_of_a_route_apply_at_once_and_its_status_follows(tmp_path):
    async with cluster(tmp_path) as (client, proxy):
        await run_app(client, "stable", "v1")
        await run_app(client, "canary", "v2", 1)
        gate = {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "metadata": {"name": "gate", "namespace": "default"},
        }
        listener = {"name": "http", "port": 80, "protocol": "HTTP"}
        await client.create(GATEWAYS, gate | {"spec": {"gatewayClassName": "shipway", "listeners": [listener]}})
        await client.apply(HTTP_ROUTES, manager="test", obj=route(("stable", 95), ("canary", 5)))
        found = await wait_until(client, One(HTTP_ROUTES, "default", "web"), lambda obj: dig(obj, "status", "parents", 0))
        for condition in found["status"]["parents"][0]["conditions"]:
            assert (condition["status"], condition["observedGeneration"]) == ("True", found["metadata"]["generation"])
        await wait_until(
            client,
            One(GATEWAYS, "default", "gate"),
            lambda obj: dig(condition_of(obj, "Programmed"), "status") == "True",
        )
        async with users(proxy, "web.localhost", rate=400.0) as load:
            changes = []
            for weight in (5, 30, 0):
                made = await client.apply(HTTP_ROUTES, manager="test", obj=route(("stable", 100 - weight), ("canary", weight)))
                changes.append(CLOCK.now())
                await wait_until(client, One(HTTP_ROUTES, "default", "web"), lambda obj, made=made: is_in_force(obj, made))
                step = await begun_since(load, CLOCK.now(), 260)
                share = 100 * sum(s.version == "v2" for s in step) / len(step)
                assert abs(share - weight) <= 2, weight
        assert load.report(bad="v2", changes=changes).bad_share_max_pct <= 32
        assert NOBODY not in load.report(bad="v2", changes=changes).requests
        report = proxy.counters.report("default", "canary", window_seconds=60, now=asyncio.get_running_loop().time())
        assert report["requests"] == load.report(bad="v2", changes=[]).requests["v2"].total


async def test_a_cluster_without_routes_is_served_and_they_may_come_later(tmp_path):
    async with cluster(tmp_path, crds=False) as (client, proxy):
        await run_app(client, "web", "v1", 1)
        async with users(proxy, "web.localhost") as load:
            await eventually(lambda: load.samples)
            assert load.samples[0].status == 404
            for crd in ROUTE_CRDS:
                await client.create(CRDS, crd)
            await wait_until(client, One(CRDS, "", "httproutes.gateway.networking.k8s.io"), is_established)
            await client.apply(HTTP_ROUTES, manager="test", obj=route(("web", 1)))
            await load.first_answer_of("v1", 60)


def is_in_force(obj, made):
    """Whether the proxy says that it routes by what was made."""
    conditions = dig(obj, "status", "parents", 0, "conditions", default=[])
    return {one["observedGeneration"] for one in conditions} == {made["metadata"]["generation"]}


def is_established(crd):
    return dig(condition_of(crd, "Established"), "status") == "True"


async def test_a_port_that_is_taken_is_said_at_the_start(tmp_path):
    async with cluster(tmp_path) as (client, proxy):
        with pytest.raises(OSError, match="address already in use"):
            async with Proxy(client, clock=CLOCK, addresses=AddressBook(), port=proxy.port):
                pass


async def test_a_proxy_can_be_started_again(tmp_path):
    async with cluster(tmp_path) as (client, _):
        again = Proxy(client, clock=CLOCK, addresses=AddressBook())
        for _ in range(2):
            async with again, users(again, "nobody.localhost") as load:
                await eventually(lambda seen=load: seen.samples)
                assert load.samples[0].status == 404


def rollout(version):
    """Paused with one canary pod that only a header leads to."""
    body = deployment("web", version)
    template = body["spec"]["template"]
    header = [{"headerName": "X-Canary", "headerValue": {"exact": "yes"}}]
    canary = {
        "stableService": "stable",
        "canaryService": "canary",
        "trafficRouting": {
            "managedRoutes": [{"name": "by-header"}],
            "plugins": {"argoproj-labs/gatewayAPI": {"httpRoute": "web", "namespace": "default"}},
        },
        "steps": [
            {"setCanaryScale": {"replicas": 1}},
            {"setHeaderRoute": {"name": "by-header", "match": header}},
            {"pause": {}},
        ],
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": 2, "selector": body["spec"]["selector"], "template": template, "strategy": {"canary": canary}},
    }


@pytest.mark.proves("000-35")
async def test_new_pods_are_reached_only_by_the_canary_header(tmp_path):
    """A real Rollout writes the HTTPRoute (Gateway API), the real proxy routes by it, real pods answer."""
    async with cluster(tmp_path, engines=rollout_controllers(RolloutSettings())) as (client, proxy):
        for name in ("stable", "canary"):
            await client.create(SERVICES, service(name) | {"spec": {**service(name)["spec"], "selector": {"app": "web"}}})
        await client.create(HTTP_ROUTES, route(("stable", 100), ("canary", 0)))
        await client.apply(ROLLOUTS, rollout("v1"), manager="test")
        one = One(ROLLOUTS, "default", "web")
        await wait_until(client, one, lambda obj: dig(obj, "status", "phase") == "Healthy")
        await client.apply(ROLLOUTS, rollout("v2"), manager="test")
        await wait_until(client, one, lambda obj: dig(obj, "status", "pauseConditions", 0, "reason") == "CanaryPauseStep")
        assert (await by_header(client)) is not None
        async with users(proxy, "web.localhost") as plain, users(proxy, "web.localhost", headers=["X-Canary: yes"]) as testers:
            await testers.first_answer_of("v2", 60)
            tested = await begun_since(testers, CLOCK.now(), 200)
            await eventually(lambda: len(plain.samples) >= 200)
        assert {(s.version, s.status) for s in plain.samples} == {("v1", 200)}
        assert {(s.version, s.status) for s in tested} == {("v2", 200)}


async def by_header(client):
    rules = (await client.get(HTTP_ROUTES, "default", "web"))["spec"]["rules"]
    return next((rule for rule in rules if rule.get("name") == "by-header"), None)
