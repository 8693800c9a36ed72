"""The proxy of a local cluster: watches Services and everything that routes to them, and serves what it says.

    async with Proxy(client, clock=clock, addresses=book, port=8000) as proxy:
        ...            # http://<service>.<namespace>.localhost:8000/ and what HTTPRoutes, Ingresses, VirtualServices … name

A cluster without these kinds is served all the same; they join in when they appear. Everything but the counters may be
dropped and read again. Statuses of routes are written beside, so that a slow API server never holds a weight back.
"""

import asyncio
from contextlib import AsyncExitStack, suppress
from types import TracebackType

import structlog

from shipway.api.kinds import GATEWAYS, GRPC_ROUTES, HTTP_ROUTES, INGRESSES
from shipway.base.clock import Clock
from shipway.base.errors import Conflict, NotFound, ShipwayError
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import name_of, namespace_of, resource_version_of
from shipway.localcluster.node.addresses import AddressBook
from shipway.localcluster.node.alongside import alongside
from shipway.localcluster.node.proxy.counters import Counters
from shipway.localcluster.node.proxy.ingress import ingress_status
from shipway.localcluster.node.proxy.routes import NO_GRPC
from shipway.localcluster.node.proxy.routing import Routing
from shipway.localcluster.node.proxy.server import ProxyServer
from shipway.localcluster.node.proxy.status import CONTROLLER_NAME, gateway_status, route_status
from shipway.localcluster.node.proxy.table import Table
from shipway.localcluster.node.proxy.watched import Watched

log = structlog.get_logger()

_RETRY_SECONDS = 2.0
_QUICK_SECONDS = 0.01


class Proxy:
    """One gateway listener. `port` 0: the system chooses, and `port` says which."""

    def __init__(self, client: Client, *, clock: Clock, addresses: AddressBook, port: int = 0, host: str = "127.0.0.1") -> None:
        self.port = port
        self.host = host
        self.counters = Counters()
        self.ready = asyncio.Event()
        self._client = client
        self._clock = clock
        self._addresses = addresses
        self._changed = asyncio.Event()
        self._routed = asyncio.Event()
        self._routing = Routing(Table())
        self._block = AsyncExitStack()

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    async def __aenter__(self) -> "Proxy":
        """Returns once it serves the cluster as it is. Raises OSError when the port is taken."""
        await self._block.enter_async_context(alongside(self.run, self.ready))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._block.__aexit__(kind, error, trace)

    async def run(self) -> None:
        """Until cancelled; open requests get a moment to finish."""
        async with asyncio.TaskGroup() as tasks:
            server = ProxyServer(self._addresses, self.counters, tasks)
            self.port = await server.start(self.host, self.port)
            try:
                await self._watch(server)
            finally:
                self.ready.clear()
                await server.stop()

    async def _watch(self, server: ProxyServer) -> None:
        watched = Watched(self._client, self._clock, lambda old, new: self._changed.set())
        async with asyncio.TaskGroup() as tasks:
            watched.run(tasks)
            await watched.synced()
            tasks.create_task(self._keep_statuses(watched))
            while True:
                self._changed.clear()
                await self._clock.sleep(self._reroute(server, watched))
                await self._changed.wait()

    def _reroute(self, server: ProxyServer, watched: Watched) -> float:
        """Gives the server a new table; returns the seconds to pause, so that a large cluster in motion can be served."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        self._routing = watched.routing()
        server.route(self._routing.table)
        self.ready.set()
        self._routed.set()
        took = loop.time() - begun
        return took if took > _QUICK_SECONDS else 0.0

    async def _keep_statuses(self, watched: Watched) -> None:
        """Says of every route, gateway and ingress whether it is in force, at the generation that is."""
        while True:
            await self._routed.wait()
            self._routed.clear()
            try:
                await self._write_statuses(watched)
            except ShipwayError as error:
                log.warning("route_status_not_written", reason=error.reason, message=error.message)
                await self._clock.sleep(_RETRY_SECONDS)
                self._routed.set()

    async def _write_statuses(self, watched: Watched) -> None:
        routes = list(watched.routes.list())
        for route in routes:
            problems = self._routing.problems.get((namespace_of(route), name_of(route)), ())
            await self._write_status(HTTP_ROUTES, route, route_status(route, problems, self._clock.now()))
        for route in watched.grpc_routes.list():
            await self._write_status(GRPC_ROUTES, route, route_status(route, (NO_GRPC,), self._clock.now()))
        for gateway in watched.gateways.list():
            await self._write_status(GATEWAYS, gateway, gateway_status(gateway, routes, self.host, self._clock.now()))
        for ingress in watched.ingresses.list():
            await self._write_status(INGRESSES, ingress, ingress_status(ingress, self.host))

    async def _write_status(self, resource: Resource, obj: Obj, status: Obj | None) -> None:
        if status is None:
            return
        body = {"metadata": {"resourceVersion": resource_version_of(obj)}, "status": status}
        with suppress(Conflict, NotFound):  # it has changed meanwhile: the next event brings it back here
            await self._client.patch(
                resource, namespace_of(obj), name_of(obj), body, subresource="status", manager=CONTROLLER_NAME
            )
