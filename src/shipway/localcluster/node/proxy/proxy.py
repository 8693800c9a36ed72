"""The proxy of a local cluster: watches Services, EndpointSlices and HTTPRoutes, and serves what they say.

    async with Proxy(client, clock=clock, addresses=book, port=8000) as proxy:
        ...            # http://<service>.<namespace>.localhost:8000/ and every HTTPRoute's hostname

A cluster without the HTTPRoute kind is served all the same; routes join in when the kind appears. Everything but the counters
may be dropped and read again. Statuses of routes are written beside, so that a slow API server never holds a weight back.
"""

import asyncio
from contextlib import AsyncExitStack, suppress
from types import TracebackType

import structlog

from shipway.api.kinds import ENDPOINT_SLICES, GATEWAYS, HTTP_ROUTES, SERVICES
from shipway.base.clock import Clock
from shipway.base.errors import Conflict, NotFound, ShipwayError
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import name_of, namespace_of, resource_version_of
from shipway.kube.runtime.informer import Informer
from shipway.localcluster.node.addresses import AddressBook
from shipway.localcluster.node.alongside import alongside
from shipway.localcluster.node.proxy.counters import Counters
from shipway.localcluster.node.proxy.optional_kind import OptionalKind
from shipway.localcluster.node.proxy.routes import Routing, build
from shipway.localcluster.node.proxy.server import ProxyServer
from shipway.localcluster.node.proxy.status import CONTROLLER_NAME, gateway_status, route_status
from shipway.localcluster.node.proxy.table import Table

log = structlog.get_logger()

_RETRY_SECONDS = 2.0
_FIRST_SECONDS = 2.0
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
        self._services = Informer(client, SERVICES, clock=clock)
        self._slices = Informer(client, ENDPOINT_SLICES, clock=clock)
        self._routes = OptionalKind(client, HTTP_ROUTES, clock)
        self._gateways = OptionalKind(client, GATEWAYS, clock)
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
        self._services = Informer(self._client, SERVICES, clock=self._clock)
        self._slices = Informer(self._client, ENDPOINT_SLICES, clock=self._clock)
        self._routes = OptionalKind(self._client, HTTP_ROUTES, self._clock)
        self._gateways = OptionalKind(self._client, GATEWAYS, self._clock)
        async with asyncio.TaskGroup() as tasks:
            for watched in (self._services, self._slices, self._routes, self._gateways):
                watched.on_event(lambda old, new: self._changed.set())
                tasks.create_task(watched.run())
            await self._services.synced.wait()
            await self._slices.synced.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(_FIRST_SECONDS):
                    await self._routes.synced.wait()
            tasks.create_task(self._keep_statuses())
            while True:
                self._changed.clear()
                await self._clock.sleep(self._reroute(server))
                await self._changed.wait()

    def _reroute(self, server: ProxyServer) -> float:
        """Gives the server a new table; returns the seconds to pause, so that a large cluster in motion can be served."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        self._routing = build(self._services.list(), self._slices.list(), self._routes.list())
        server.route(self._routing.table)
        self.ready.set()
        self._routed.set()
        took = loop.time() - begun
        return took if took > _QUICK_SECONDS else 0.0

    async def _keep_statuses(self) -> None:
        """Says of every route and gateway whether it is in force, at the generation that is."""
        while True:
            await self._routed.wait()
            self._routed.clear()
            try:
                for route in self._routes.list():
                    problems = self._routing.problems.get((namespace_of(route), name_of(route)), ())
                    await self._write_status(HTTP_ROUTES, route, route_status(route, problems, self._clock.now()))
                routes = list(self._routes.list())
                for gateway in self._gateways.list():
                    status = gateway_status(gateway, routes, self.host, self._clock.now())
                    await self._write_status(GATEWAYS, gateway, status)
            except ShipwayError as error:
                log.warning("route_status_not_written", reason=error.reason, message=error.message)
                await self._clock.sleep(_RETRY_SECONDS)
                self._routed.set()

    async def _write_status(self, resource: Resource, obj: Obj, status: Obj | None) -> None:
        if status is None:
            return
        body = {"metadata": {"resourceVersion": resource_version_of(obj)}, "status": status}
        with suppress(Conflict, NotFound):  # it has changed meanwhile: the next event brings it back here
            await self._client.patch(
                resource, namespace_of(obj), name_of(obj), body, subresource="status", manager=CONTROLLER_NAME
            )
