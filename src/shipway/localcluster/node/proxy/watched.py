"""Everything that the proxy watches: what there always is, and the kinds that a CustomResourceDefinition may bring."""

import asyncio
from contextlib import suppress

from shipway.api.kinds import (
    DESTINATION_RULES,
    ENDPOINT_SLICES,
    GATEWAYS,
    GRPC_ROUTES,
    HTTP_ROUTES,
    INGRESSES,
    PODS,
    SERVICES,
    TRAEFIK_SERVICES,
    TRAFFIC_SPLITS,
    VIRTUAL_SERVICES,
)
from shipway.base.clock import Clock
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import labels_of
from shipway.kube.runtime.informer import Informer, OnChange
from shipway.localcluster.node.proxy.optional_kind import OptionalKind
from shipway.localcluster.node.proxy.routing import Others, Routing, build

_FIRST_SECONDS = 2.0


class Watched:
    """The caches. `changed` is called for whatever may change the routing."""

    def __init__(self, client: Client, clock: Clock, changed: OnChange) -> None:
        self._services = Informer(client, SERVICES, clock=clock)
        self._slices = Informer(client, ENDPOINT_SLICES, clock=clock)
        self._pods = Informer(client, PODS, metadata_only=True, clock=clock)
        self.ingresses = Informer(client, INGRESSES, clock=clock)
        self.routes = OptionalKind(client, HTTP_ROUTES, clock)
        self.grpc_routes = OptionalKind(client, GRPC_ROUTES, clock)
        self.gateways = OptionalKind(client, GATEWAYS, clock)
        self._virtual_services = OptionalKind(client, VIRTUAL_SERVICES, clock)
        self._destination_rules = OptionalKind(client, DESTINATION_RULES, clock)
        self._traffic_splits = OptionalKind(client, TRAFFIC_SPLITS, clock)
        self._traefik_services = OptionalKind(client, TRAEFIK_SERVICES, clock)
        self._always = (self._services, self._slices, self._pods, self.ingresses)
        self._optional = (
            self.routes, self.grpc_routes, self.gateways, self._virtual_services, self._destination_rules, self._traffic_splits,
            self._traefik_services,
        )  # fmt: skip
        for watched in (self._services, self._slices, self.ingresses, *self._optional):
            watched.on_event(changed)
        self._pods.on_event(lambda old, new: changed(old, new) if self._matters(old, new) else None)

    def run(self, tasks: asyncio.TaskGroup) -> None:
        """Feeds the caches until the tasks are cancelled."""
        for watched in (*self._always, *self._optional):
            tasks.create_task(watched.run())

    async def synced(self) -> None:
        """What there always is has been read, and so has the rest, unless that takes too long."""
        for watched in self._always:
            await watched.synced.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_SECONDS):
                for kind in self._optional:
                    await kind.synced.wait()

    def routing(self) -> Routing:
        """As everything is now."""
        others = Others(
            self.ingresses.list(), self._virtual_services.list(), self._destination_rules.list(), self._traffic_splits.list(),
            self._traefik_services.list(), self._pods.list() if self._has_subsets() else (),
        )  # fmt: skip
        return build(self._services.list(), self._slices.list(), self.routes.list(), others)

    def _has_subsets(self) -> bool:
        return any(True for _ in self._destination_rules.list())

    def _matters(self, old: Obj | None, new: Obj | None) -> bool:
        """Pods matter by their labels, and only where a subset may choose by them."""
        return self._has_subsets() and (old is None or new is None or labels_of(old) != labels_of(new))
