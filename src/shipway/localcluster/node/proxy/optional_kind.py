"""A kind that is defined by a CustomResourceDefinition, watched for as long as that is there.

To the reader it is an informer that is empty while the kind does not exist.
"""

import asyncio
from collections.abc import Iterable

from shipway.api.kinds import CRDS
from shipway.base.clock import Clock
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.runtime.informer import Informer, OnChange


class OptionalKind:
    """`synced` is set once it is known that the kind does not exist, or all its objects are here."""

    def __init__(self, client: Client, resource: Resource, clock: Clock) -> None:
        self.synced = asyncio.Event()
        self._client = client
        self._resource = resource
        self._clock = clock
        self._subscribers: list[OnChange] = []
        self._informer: Informer | None = None
        self._exists = asyncio.Event()
        self._is_gone = asyncio.Event()

    def on_event(self, callback: OnChange) -> None:
        self._subscribers.append(callback)

    def list(self) -> Iterable[Obj]:
        return self._informer.list() if self._informer is not None else ()

    async def run(self) -> None:
        """Until cancelled."""
        name = f"{self._resource.plural}.{self._resource.group}"
        crds = Informer(self._client, CRDS, field_selector=f"metadata.name={name}", metadata_only=True, clock=self._clock)
        crds.on_event(lambda old, new: self._definition(new))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(crds.run())
            await crds.synced.wait()
            while True:
                if not self._exists.is_set():
                    self.synced.set()
                await self._exists.wait()
                await self._while_it_exists()

    def _definition(self, crd: Obj | None) -> None:
        here, gone = (self._exists, self._is_gone) if crd is not None else (self._is_gone, self._exists)
        here.set()
        gone.clear()

    async def _while_it_exists(self) -> None:
        informer = Informer(self._client, self._resource, clock=self._clock)
        for subscriber in self._subscribers:
            informer.on_event(subscriber)
        self._informer = informer
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(informer.run())
            first = tasks.create_task(self._tell_synced(informer))
            await self._is_gone.wait()
            running.cancel()
            first.cancel()
        gone, self._informer = list(informer.list()), None
        for obj in gone:
            for subscriber in self._subscribers:
                subscriber(obj, None)

    async def _tell_synced(self, informer: Informer) -> None:
        await informer.synced.wait()
        self.synced.set()
