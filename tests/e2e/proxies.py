"""A real Envoy and a real Traefik in front of the Services of an embedded API server.

Traefik watches Kubernetes itself, through the API server's own HTTP front. Envoy knows no Kubernetes: a few lines here
translate HTTPRoutes and EndpointSlices into the files that it watches, as a gateway's control plane would.
"""

import asyncio
import json
import os
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from shipway.api.crds import load_router_crds
from shipway.api.kinds import CRDS, ENDPOINT_SLICES, GATEWAYS, HTTP_ROUTES, SERVICES
from shipway.base.clock import SystemClock
from shipway.base.errors import Conflict
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import dig, labels_of, name_of, spec_of
from shipway.kube.runtime.informer import Informer
from shipway.localcluster.apiserver.http import Identity, serve
from shipway.localcluster.apiserver.server import ApiServer
from tests.ports import free_port

GATEWAY_CLASSES = Resource("gateway.networking.k8s.io", "v1", "GatewayClass", "gatewayclasses", namespaced=False)
INGRESS_ROUTES = Resource("traefik.io", "v1alpha1", "IngressRoute", "ingressroutes")
TRAEFIK_KINDS = (
    "IngressRoute",
    "IngressRouteTCP",
    "IngressRouteUDP",
    "Middleware",
    "MiddlewareTCP",
    "ServersTransport",
    "ServersTransportTCP",
    "TLSOption",
    "TLSStore",
)
GATEWAY_KINDS = (("ReferenceGrant", "v1beta1"), ("BackendTLSPolicy", "v1"), ("TLSRoute", "v1"))
TOKEN = "of-the-test"


@asynccontextmanager
async def running(log: Path, *command: str) -> AsyncGenerator[None, None]:
    """A program until the block ends; what it says goes to `log`."""
    with log.open("wb") as said:
        process = await asyncio.create_subprocess_exec(*command, stdout=said, stderr=said, start_new_session=True)
        try:
            yield
        finally:
            process.kill()
            await process.wait()


def as_it_is(address: str) -> str:
    """Of a pod, which can be reached at the address that the cluster knows."""
    return address


@asynccontextmanager
async def envoy(
    program: str, client: Client, namespace: str, home: Path, reached_at: Callable[[str], str] = as_it_is
) -> AsyncGenerator[int, None]:
    """An Envoy that follows the HTTPRoutes of a namespace; the port on which it listens. `reached_at`: where a pod is."""
    port = free_port()
    files = EnvoyFiles(client, namespace, home, reached_at)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one.run()) for one in files.informers]
        await files.synced()
        files.write()
        (home / "envoy.json").write_text(json.dumps(_bootstrap(port, home)))
        flags = ("--concurrency", "1", "--disable-hot-restart", "-l", "warn")
        async with running(home / "envoy.log", program, "-c", str(home / "envoy.json"), *flags):
            tasks.append(group.create_task(files.follow()))
            await _listens(port, home / "envoy.log")
            yield port
            for task in tasks:
                task.cancel()


async def _listens(port: int, log: Path) -> None:
    """An Envoy listens once it knows every endpoint and route that it was told to wait for. RuntimeError: it never did."""
    try:
        async with asyncio.timeout(60):
            while not await _is_taken(port):
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise RuntimeError(f"Envoy does not listen: {log.read_text()[:2000]}") from None


async def _is_taken(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    writer.close()
    return True


class EnvoyFiles:
    """Routes and endpoints as Envoy reads them, written anew on each news. It takes a file when another is moved over it."""

    def __init__(self, client: Client, namespace: str, home: Path, reached_at: Callable[[str], str]) -> None:
        kinds = (SERVICES, ENDPOINT_SLICES, HTTP_ROUTES)
        self.informers = [Informer(client, kind, clock=SystemClock(), namespace=namespace) for kind in kinds]
        self._home = home
        self._reached_at = reached_at
        self._written: dict[str, str] = {}
        self._news = asyncio.Event()
        for one in self.informers:
            one.on_event(lambda old, new: self._news.set())

    async def synced(self) -> None:
        for one in self.informers:
            await one.synced.wait()

    async def follow(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            self.write()

    def write(self) -> None:
        _, slices, routes = self.informers
        by_service: defaultdict[str, list[Obj]] = defaultdict(list)
        for one in slices.list():
            by_service[labels_of(one).get("kubernetes.io/service-name", "")].append(one)
        services = sorted(map(name_of, self.informers[0].list()))
        self._put("clusters.json", [self._cluster(service, by_service[service]) for service in services])
        self._put("routes.json", [_route_config(list(routes.list()))])

    def _put(self, name: str, resources: list[Obj]) -> None:
        text = json.dumps({"resources": resources})
        if self._written.get(name) != text:
            unfinished = self._home / f".{name}"
            unfinished.write_text(text)
            os.replace(unfinished, self._home / name)
            self._written[name] = text

    def _cluster(self, service: str, slices: list[Obj]) -> Obj:
        """With its endpoints: a file of its own for these would cost a Service one of the few inotify instances of a user."""
        found = {
            (self._reached_at(address), port["port"])
            for one in slices
            for port in one.get("ports") or []
            for endpoint in one.get("endpoints") or []
            if dig(endpoint, "conditions", "ready")
            for address in endpoint["addresses"]
        }
        addresses = [
            {"endpoint": {"address": {"socket_address": {"address": host, "port_value": port}}}} for host, port in sorted(found)
        ]
        load = {"cluster_name": service, "endpoints": [{"lb_endpoints": addresses}]}
        kind = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
        return {"@type": kind, "name": service, "type": "STATIC", "connect_timeout": "2s", "load_assignment": load}


def _route_config(routes: list[Obj]) -> Obj:
    """Each host has the rules of its routes; a route without hosts is for all others."""
    rules: defaultdict[str, list[Obj]] = defaultdict(list)
    for route in routes:
        for host in spec_of(route).get("hostnames") or ["*"]:
            rules[host] += spec_of(route)["rules"]
    hosts = [{"name": host, "domains": [host], "routes": _entries(found)} for host, found in sorted(rules.items())]
    kind = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
    return {"@type": kind, "name": "web", "virtual_hosts": hosts}


def _entries(rules: list[Obj]) -> list[Obj]:
    """Rules with header matches come first, as the Gateway API demands of a more specific match."""
    entries = [
        {"match": {"prefix": "/", "headers": [_header(one) for one in match.get("headers") or []]}, "route": _shares(rule)}
        for rule in rules
        for match in rule.get("matches") or [{}]
    ]
    return sorted(entries, key=lambda entry: -len(entry["match"]["headers"]))


def _header(match: Obj) -> Obj:
    exact = match.get("type", "Exact") == "Exact"
    how = {"exact": match["value"]} if exact else {"safe_regex": {"regex": match["value"]}}
    return {"name": match["name"], "string_match": how}


def _shares(rule: Obj) -> Obj:
    return {
        "weighted_clusters": {
            "clusters": [{"name": ref["name"], "weight": ref.get("weight", 1)} for ref in rule["backendRefs"]]
        }
    }


def _bootstrap(port: int, home: Path) -> Obj:
    def file(name: str) -> Obj:
        return {"resource_api_version": "V3", "path_config_source": {"path": str(home / name)}}

    filters = "type.googleapis.com/envoy.extensions.filters"
    router = {"name": "router", "typed_config": {"@type": f"{filters}.http.router.v3.Router"}}
    manager = {
        "@type": f"{filters}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "web",
        "rds": {"route_config_name": "web", "config_source": file("routes.json")},
        "http_filters": [router],
    }
    listener = {
        "name": "web",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    node = {"id": "test", "cluster": "test"}
    known = {"cds_config": file("clusters.json")}
    return {"node": node, "dynamic_resources": known, "static_resources": {"listeners": [listener]}}


@asynccontextmanager
async def traefik(program: str, server: ApiServer, namespace: str, home: Path) -> AsyncGenerator[int, None]:
    """A Traefik that watches an embedded API server: the Gateway API and its own kinds; the port on which it listens."""
    client, port = Client(server), free_port()
    await _traefik_kinds(client)
    gateway_class = {"controllerName": "traefik.io/gateway-controller"}
    await client.create(GATEWAY_CLASSES, _made(GATEWAY_CLASSES, "traefik", "", gateway_class))
    listener = {"name": "web", "port": port, "protocol": "HTTP"}
    await client.create(GATEWAYS, _made(GATEWAYS, "shop", namespace, {"gatewayClassName": "traefik", "listeners": [listener]}))
    async with serve(server, tokens={TOKEN: Identity("traefik")}) as url:
        there = (f"endpoint={url}", f"token={TOKEN}")
        flags = [f"--entryPoints.web.address=127.0.0.1:{port}", "--log.level=WARN"]
        for provider in ("kubernetesGateway", "kubernetesCRD"):
            flags += [f"--providers.{provider}=true", *(f"--providers.{provider}.{flag}" for flag in there)]
        flags += ["--providers.providersThrottleDuration=20ms", "--global.checkNewVersion=false"]
        async with running(home / "traefik.log", program, *flags, "--global.sendAnonymousUsage=false"):
            yield port


async def _traefik_kinds(client: Client) -> None:
    """What Traefik insists on watching, as far as it is not there."""
    wanted = [crd for crd in load_router_crds() if crd["spec"]["group"] == "traefik.io"]
    wanted += [_crd("traefik.io", "v1alpha1", kind) for kind in TRAEFIK_KINDS]
    wanted += [_crd("gateway.networking.k8s.io", version, kind) for kind, version in GATEWAY_KINDS]
    for crd in wanted:
        try:
            await client.create(CRDS, crd)
        except Conflict:
            continue


def _crd(group: str, version: str, kind: str) -> Obj:
    plural = f"{kind.lower()[:-1]}ies" if kind.endswith("y") else f"{kind.lower()}s"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    one = {
        "name": version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    names = {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"}
    annotations = {"api-approved.kubernetes.io": "unapproved, for a test"}
    return {
        "apiVersion": CRDS.api_version,
        "kind": CRDS.kind,
        "metadata": {"name": f"{plural}.{group}", "annotations": annotations},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [one]},
    }


def _made(resource: Resource, name: str, namespace: str, spec: Obj) -> Obj:
    meta = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta, "spec": spec}
