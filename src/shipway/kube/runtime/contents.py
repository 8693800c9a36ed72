"""Everything that lies in the namespaces of one cluster, for questions about objects of kinds that nobody has named.

Each kind is followed once: through the cache of its whole objects where a controller keeps one, else through a cache of their
metadata. When the former begins or ends, the other takes its place, and who listens hears of what is gone meanwhile. Kinds come
and go with their definitions. A kind that may not be listed, or whose server does not answer, is left out, said once, and tried
again now and then.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Protocol

import structlog
from msgspec import Struct

from shipway.base.clock import Clock
from shipway.base.errors import ShipwayError, Unavailable
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import name_of, namespace_of
from shipway.kube.runtime.caches import CRDS, Caches
from shipway.kube.runtime.decision import Watch
from shipway.kube.runtime.informer import Informer, OnChange

log = structlog.get_logger()

AT_ONCE = 8
"""Kinds that are tried at a time."""
PATIENCE = 30.0
"""Seconds after which what has not been listed yet is waited for no longer."""
TRY_AGAIN, TRY_SOON = 600.0, 30.0
"""Seconds until kinds that may not be listed are tried again, and those whose server did not answer. A new kind tries all."""


class Part(Struct, frozen=True):
    """Which kinds: those with a namespace, on one cluster, that `leaves_out` does not leave out."""

    cluster: str
    leaves_out: Callable[[Resource], bool]


class Listener(Protocol):
    """Told of objects one by one, as often as they change. Must not wait."""

    def met(self, resource: Resource, obj: Obj) -> None:
        """It is there; of some kinds only the metadata is told."""
        ...

    def lost(self, resource: Resource, namespace: str, name: str) -> None:
        """It is gone."""
        ...

    def only(self, resource: Resource, is_there: Callable[[str, str], bool]) -> None:
        """All objects of a kind have been told: what is not there (namespace, name) has gone meanwhile."""
        ...


class _Source(Struct, frozen=True):
    """Where a kind is followed, and by what callback."""

    informer: Informer
    callback: OnChange


class Contents:
    """Follows a part as long as `run` runs. `listed`: everything that can be listed has been told once."""

    def __init__(self, caches: Caches, clock: Clock, part: Part, listener: Listener) -> None:
        self.listed = asyncio.Event()
        self._caches = caches
        self._clock = clock
        self._cluster = part.cluster
        self._leaves_out = part.leaves_out
        self._listener = listener
        self._sources: dict[Resource, _Source] = {}
        self._unseen: dict[Resource, ShipwayError] = {}
        self._stale = asyncio.Event()
        # What is watched of a cluster keeps it open; its definitions always are.
        self._hold = Watch(CRDS.on(part.cluster), metadata_only=True)

    async def run(self) -> None:
        """Until cancelled."""
        self._caches.need(self, self._hold)
        self._caches.follow_whole(self, self._whole_changed)
        try:
            while True:
                self._stale.clear()
                await self._look()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._pause()):
                        await self._stale.wait()
        finally:
            self._caches.follow_whole(self, None)
            for resource in list(self._sources):
                self._leave(resource)
            self._caches.release(self, self._hold)

    def _pause(self) -> float | None:
        """Seconds until the next look, if nothing else asks for one."""
        if not self._unseen:
            return None
        return TRY_SOON if any(isinstance(error, Unavailable) for error in self._unseen.values()) else TRY_AGAIN

    async def _look(self) -> None:
        """Takes up the kinds that are served and not followed yet, and leaves those that are served no more."""
        kinds = self._caches.kinds_of(self._cluster)
        if kinds is None:
            raise AssertionError("a cluster of which something is watched is not left")
        kinds.remember_miss(self, self._stale.set)
        if not kinds.is_known:
            return
        served = [kind for kind in kinds.served if kind.namespaced and not self._leaves_out(kind)]
        for resource in [one for one in self._sources if one not in served]:
            self._leave(resource)
            self._listener.only(resource, lambda _, __: False)
        await self._try([kind for kind in served if kind not in self._sources])
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                for source in list(self._sources.values()):
                    await source.informer.synced.wait()
        if self._sources:  # a cluster of which nothing can be listed says nothing
            self.listed.set()

    async def _try(self, kinds: list[Resource]) -> None:
        before, self._unseen = self._unseen, {}
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(resource: Resource) -> None:
            async with gate:
                try:
                    if self._caches.whole(resource) is None:
                        await self._caches.try_list(resource)
                except ShipwayError as error:
                    self._unseen[resource] = error
                else:
                    self._take_up(resource)

        async with asyncio.TaskGroup() as group:
            for resource in kinds:
                group.create_task(one(resource))
        if news := self._unseen.keys() - before.keys():
            names = sorted(resource.plural for resource in news)
            message = self._unseen[next(iter(news))].message
            log.warning("kinds_not_looked_at", cluster=self._cluster, kinds=names, message=message)

    def _take_up(self, resource: Resource) -> None:
        """Follows a kind through the best cache that there is."""
        before = self._sources.get(resource)
        informer = self._caches.whole(resource)
        if informer is not None and before is not None and not informer.synced.is_set():
            informer.on_ready(partial(self._whole_changed, resource))
            return
        informer = informer or self._caches.need(self, _metadata_of(resource))
        if before is not None and before.informer is informer:
            return
        source = self._sources[resource] = _Source(informer, partial(self._tell, resource))
        informer.on_event(source.callback)
        informer.on_ready(partial(self._listed, resource, source))
        if before is not None:
            self._end(resource, before)

    def _whole_changed(self, resource: Resource) -> None:
        if resource in self._sources:
            self._take_up(resource)

    def _leave(self, resource: Resource) -> None:
        self._end(resource, self._sources.pop(resource))

    def _end(self, resource: Resource, source: _Source) -> None:
        source.informer.off_event(source.callback)
        if source.informer.is_metadata_only:
            self._caches.release(self, _metadata_of(resource))

    def _tell(self, resource: Resource, old: Obj | None, new: Obj | None) -> None:
        if new is not None:
            self._listener.met(resource, new)
        elif old is not None:
            self._listener.lost(resource, namespace_of(old), name_of(old))

    def _listed(self, resource: Resource, source: _Source) -> None:
        if self._sources.get(resource) is source:
            self._listener.only(resource, source.informer.holds)


def _metadata_of(resource: Resource) -> Watch:
    return Watch(resource, metadata_only=True)
