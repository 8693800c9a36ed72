"""The clusters that Applications go to, as the Secrets of one namespace describe them: a client for each that is needed.

A client is opened with the first request and follows its Secret: a new token is used with the next request, and once the Secret
has gone every request says so. Each has limits of its own, so a busy cluster slows no other down, and no answer is waited for
longer than `ANSWER_SECONDS`.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable

import structlog
from msgspec import Struct

from shipway.api.application import IN_CLUSTER_SERVER
from shipway.api.clusters import CLUSTER_SELECTOR, HERE, Cluster, parse_cluster
from shipway.api.kinds import NAMESPACES, SECRETS
from shipway.api.sources import ClusterFacts
from shipway.assembly.metrics import kube_version, version_told
from shipway.base.clock import Clock
from shipway.base.errors import Denied, InvalidInput, NotFound, ShipwayError, Unavailable
from shipway.gitops.asks import ClusterAsk, ConnectionAsk, DryRunAsk
from shipway.gitops.cluster_metrics import KnownCluster
from shipway.gitops.dry_run import dry_run
from shipway.kube.client.client import Client
from shipway.kube.client.pacing import Limits
from shipway.kube.client.transport import HttpTransport
from shipway.kube.objects.reach import EVERYWHERE, Reach
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of, uid_of
from shipway.kube.objects.wire import Request, Response, Transport
from shipway.kube.runtime.controller import Resolver
from shipway.kube.runtime.decision import Ask
from shipway.kube.runtime.informer import Informer
from shipway.kube.runtime.runtime import Runtime

log = structlog.get_logger()

SYSTEM = "kube-system"
ANSWER_SECONDS = 30.0
PROBE_SECONDS = 8.0
PROBES = 2
"""A cluster that misses one answer is not away yet."""
PATIENCE = 20.0
"""Seconds to wait for the Secrets before a cluster is called unknown for the lack of them."""

OpenTransport = Callable[[Cluster], Transport]


class Clusters:
    """Watches what one namespace says about clusters. `client("")` is the one given: the cluster that we live in."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        namespace: str,
        limits: Limits | None = None,
        open_transport: OpenTransport | None = None,
    ) -> None:
        """`open_transport`: how an API server is reached, over HTTP unless somebody says otherwise."""
        self._here = client
        self._clock = clock
        self._limits = limits
        self._open = open_transport or self._over_http
        self._clients: dict[str, Client] = {}
        self._by_server: defaultdict[str, dict[str, Cluster]] = defaultdict(dict)
        self._versions: dict[str, str] = {}
        self._away: set[str] = set()
        self._identities: dict[str, tuple[Reach, str]] = {}
        self._rebuilt: list[Callable[[str], object]] = []
        self._listeners: list[Callable[[str], object]] = []
        self._secrets = Informer(client, SECRETS, namespace=namespace, label_selector=CLUSTER_SELECTOR, clock=clock)
        self._secrets.on_event(self._changed)

    async def run(self) -> None:
        """Watches until cancelled."""
        await self._secrets.run()

    def serve(self, runtime: Runtime) -> None:
        """From now on `runtime` reaches the clusters; where a Secret says something else it asks again and looks as far as that
        says, and where a cluster was built anew it begins again."""
        runtime.reach_by(self.client, self.reach)
        self._listeners.append(lambda server: runtime.ask_again([ConnectionAsk(server)]))
        self._listeners.append(runtime.reach_again)
        self._rebuilt.append(runtime.begin_again)

    def client(self, cluster: str) -> Client:
        """The client of a server. Never fails: each request says what is wrong with the Secret."""
        if not cluster:
            return self._here
        if cluster not in self._clients:
            transport = _Following(lambda: self._find(cluster), self._open, lambda: self._clients.pop(cluster, None))
            self._clients[cluster] = Client(transport, user_agent="shipway", manager=self._here.manager)
        return self._clients[cluster]

    def reach(self, cluster: str) -> Reach | None:
        """How far we look on a cluster; None while no Secret says so. At home our own rights decide, whatever a Secret says."""
        if not cluster:
            return EVERYWHERE
        found = self._by_server.get(cluster)
        return found[min(found)].reach if found else None

    @property
    def resolvers(self) -> dict[type[Ask], Resolver]:
        """The answers to what is asked of clusters."""
        return {ConnectionAsk: self.connect, ClusterAsk: self.facts, DryRunAsk: self.dry_run}

    async def meet(self) -> None:
        """Asks the cluster that we live in what it is, for figures: nothing that anybody waits for."""
        self._versions[IN_CLUSTER_SERVER] = await version_told(self._here)

    def known(self) -> list[KnownCluster]:
        """Every cluster that a Secret describes, and ours."""
        described = {server: found[min(found)] for server, found in self._by_server.items()}
        return [
            KnownCluster(server, one.name, self._versions.get(server, ""), server not in self._away)
            for server, one in {IN_CLUSTER_SERVER: HERE, **described}.items()
        ]

    async def connect(self, ask: ConnectionAsk) -> str:
        """The version of a cluster that answers and lets us look. Raises what is wrong."""
        try:
            reach = (await self._find(ask.cluster)).reach if ask.cluster else EVERYWHERE
            seen = await self._probed(ask, reach)
        except ShipwayError:
            self._away.add(ask.cluster)
            raise
        self._versions[ask.cluster] = seen.version
        self._away.discard(ask.cluster)
        if seen.identity:
            self._recognize(ask.cluster, reach, seen.identity)
        return seen.version

    def _recognize(self, server: str, reach: Reach, identity: str) -> None:
        """A cluster that was built anew at its old address counts versions anew: no watch of the old one would ever tell."""
        before, now = self._identities.get(server), (reach, identity)
        self._identities[server] = now
        if before is not None and before[0] == reach and before != now:
            log.warning("cluster_rebuilt", cluster=server)
            for listener in self._rebuilt:
                listener(server)

    async def _probed(self, ask: ConnectionAsk, reach: Reach) -> "Seen":
        for attempt in range(1, PROBES + 1):
            try:
                async with asyncio.timeout(PROBE_SECONDS):
                    return await probe(self.client(ask.cluster), reach)
            except TimeoutError:
                if attempt == PROBES:
                    told = f"{ask.cluster} did not answer within {PROBE_SECONDS:.0f} s, {PROBES} times"
                    raise Unavailable(told, reason="Unreachable") from None
            except Unavailable:
                if attempt == PROBES:
                    raise
                await self._clock.sleep(1.0)
        raise AssertionError("every attempt returns or raises")

    async def facts(self, ask: ClusterAsk) -> ClusterFacts:
        """What charts ask of a cluster. Raises what the client raises."""
        client = self.client(ask.cluster)
        return ClusterFacts(await kube_version(client), await client.api_versions())

    async def dry_run(self, ask: DryRunAsk) -> Obj:
        return await dry_run(self.client(ask.resource.cluster).acting_as(ask.as_user), ask)

    async def aclose(self) -> None:
        for client in list(self._clients.values()):
            await client.close()

    async def _find(self, server: str) -> Cluster:
        """What the Secrets say of a server; of two that describe it the first by name counts."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._secrets.synced.wait()
        except TimeoutError:
            raise Unavailable("the Secrets of clusters have not been read yet", reason="UnknownCluster") from None
        found = self._by_server.get(server)
        if not found:
            raise InvalidInput(f"no Secret describes cluster {server} any more", reason="UnknownCluster")
        cluster = found[min(found)]
        if cluster.problem:
            raise InvalidInput(cluster.problem, reason="InvalidCluster")
        return cluster

    def _over_http(self, cluster: Cluster) -> Transport:
        if cluster.config is None:
            raise AssertionError("a cluster without a problem has a config")
        return HttpTransport(cluster.config, clock=self._clock, limits=self._limits, answer_seconds=ANSWER_SECONDS)

    def _changed(self, old: Obj | None, new: Obj | None) -> None:
        concerned: dict[str, None] = {}
        for obj, is_there in ((old, False), (new, True)):
            if obj is None:
                continue
            cluster = parse_cluster(obj)
            concerned[cluster.server] = None
            if is_there:
                self._by_server[cluster.server][name_of(obj)] = cluster
            else:
                self._by_server[cluster.server].pop(name_of(obj), None)
        for server in concerned:
            if not self._by_server[server]:
                del self._by_server[server]
                if server != IN_CLUSTER_SERVER:  # which is there without a Secret, too
                    self._versions.pop(server, None)
                self._identities.pop(server, None)
                self._away.discard(server)
            for listener in self._listeners:
                listener(server)


class Seen(Struct, frozen=True):
    """What a cluster that answers says it is. `identity`: the uid of a namespace that lives as long as it does, "" where we may
    not see one."""

    version: str
    identity: str


async def probe(client: Client, reach: Reach = EVERYWHERE) -> Seen:
    """A look at a cluster that lets us list its namespaces: without that nothing can be managed there, unless `reach` says
    that others are none of our business."""
    version = await kube_version(client)
    if reach.covers(NAMESPACES):
        only = f"metadata.name={SYSTEM}"
        found = (await client.list(NAMESPACES, field_selector=only, metadata_only=True)).items
        return Seen(version, uid_of(found[0]) if found else "")
    try:
        return Seen(version, uid_of(await client.get(NAMESPACES, "", reach.namespaces[0])))
    except (Denied, NotFound):
        return Seen(version, "")


class _Following:
    """A transport to whatever the Secret says at the moment."""

    def __init__(
        self, find: Callable[[], Awaitable[Cluster]], open_transport: OpenTransport, on_close: Callable[[], object]
    ) -> None:
        self._find = find
        self._open = open_transport
        self._on_close = on_close
        self._cluster: Cluster | None = None
        self._transport: Transport | None = None

    async def send(self, request: Request) -> Response:
        cluster = await self._find()
        if self._transport is None or self._cluster is None or cluster.config != self._cluster.config:
            old, self._transport, self._cluster = self._transport, self._open(cluster), cluster
            if old is not None:
                await old.close()
        return await self._transport.send(request)

    async def close(self) -> None:
        self._on_close()
        old, self._transport = self._transport, None
        if old is not None:
            await old.close()
