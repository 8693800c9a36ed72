"""The caches of one process: informers shared by its controllers, counted by who needs them, and what kinds are served.

A controller sees them as its `World`: only what it watches, only from memory. Kinds found at run time (the GitOps engine
meets them in Git) are watched while some key needs them. A kind that is not served yet is remembered with whoever asked
for it, and they are woken when a CustomResourceDefinition makes it appear.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Protocol

import structlog

from shipway.base.clock import Clock
from shipway.base.errors import ShipwayError
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.runtime.decision import Answer, Ask, Watch
from shipway.kube.runtime.informer import Informer

log = structlog.get_logger()

InformerKey = tuple[Resource, str, str, str, bool, bool]
CRDS = Resource("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False)
REDISCOVER_AFTER = 0.2
"""Seconds to wait for more CRDs before asking the server again what it serves."""


class OnEvent(Protocol):
    """Told what changed: `old` is None for a new object, `new` for one that is gone."""

    def __call__(self, informer: Informer, watch: Watch, old: Obj | None, new: Obj | None) -> None: ...


def informer_key(watch: Watch) -> InformerKey:
    """Watches with equal keys share one informer."""
    selectors = (watch.namespace, watch.field_selector, watch.label_selector)
    return (watch.resource, *selectors, watch.metadata_only, watch.keep_managed_fields)


class Kinds:
    """What the server serves, by group and kind at the preferred version."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._by_kind: dict[tuple[str, str], Resource] = {}
        self._missed: dict[Hashable, Callable[[], None]] = {}
        self._stale = asyncio.Event()

    def find(self, group: str, kind: str) -> Resource | None:
        return self._by_kind.get((group, kind))

    @property
    def served(self) -> tuple[Resource, ...]:
        return tuple(self._by_kind.values())

    def remember_miss(self, who: Hashable, wake: Callable[[], None]) -> None:
        """`wake` is called once when what is served has changed."""
        self._missed[who] = wake

    def is_stale(self) -> None:
        """Something (a CRD event) says that the server may serve other kinds now."""
        self._stale.set()

    async def refresh(self) -> None:
        resources = await self._client.discover()
        fresh: dict[tuple[str, str], Resource] = {}
        for resource in resources:
            fresh.setdefault(resource.group_kind, resource)
        if fresh == self._by_kind:
            return
        self._by_kind = fresh
        missed, self._missed = self._missed, {}
        for wake in missed.values():
            wake()

    async def run(self) -> None:
        """Asks once at the start and again whenever what is known is stale, until cancelled."""
        while True:
            self._stale.clear()
            try:
                await self.refresh()
            except ShipwayError as error:
                log.warning("discovery_failed", reason=error.reason, message=error.message)
                self._stale.set()
                await self._clock.sleep(REDISCOVER_AFTER * 5)
            await self._stale.wait()
            await self._clock.sleep(REDISCOVER_AFTER)


class Caches:
    """Informers by what they watch, alive while somebody needs them."""

    def __init__(self, client: Client, clock: Clock, rng: random.Random | None = None) -> None:
        self.kinds = Kinds(client, clock)
        self._client = client
        self._clock = clock
        self._rng = rng
        self._informers: dict[InformerKey, Informer] = {}
        self._needed_by: defaultdict[InformerKey, set[Hashable]] = defaultdict(set)
        self._tasks: dict[InformerKey, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None

    @property
    def informers(self) -> tuple[Informer, ...]:
        return tuple(self._informers.values())

    async def run(self) -> None:
        """Owns the informers' tasks until it is cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                group.create_task(self.kinds.run())
                crds = self.need("kinds", Watch(resource=CRDS, keys=lambda _: (), metadata_only=True))
                crds.on_event(lambda old, new: self.kinds.is_stale())
                for key in list(self._informers):
                    self._start(key)
                await asyncio.get_running_loop().create_future()
        finally:
            self._group = None

    def need(self, who: Hashable, watch: Watch) -> Informer:
        """The informer of `watch`, started if nobody needed it yet; `who` needs it until `release`."""
        key = informer_key(watch)
        informer = self._informers.get(key)
        if informer is None:
            informer = self._informers[key] = Informer(
                self._client,
                watch.resource,
                namespace=watch.namespace,
                label_selector=watch.label_selector,
                field_selector=watch.field_selector,
                metadata_only=watch.metadata_only,
                keep_managed_fields=watch.keep_managed_fields,
                clock=self._clock,
                rng=self._rng,
            )
            self._start(key)
        for name, index in watch.indexes.items():
            informer.add_index(name, index)
        self._needed_by[key].add(who)
        return informer

    def release(self, who: Hashable, key: InformerKey) -> bool:
        """`who` needs it no more. True when nobody does and the informer has ended."""
        needed_by = self._needed_by[key]
        needed_by.discard(who)
        if needed_by:
            return False
        del self._needed_by[key]
        self._informers.pop(key, None)
        task = self._tasks.pop(key, None)
        if task:
            task.cancel()
        return True

    def _start(self, key: InformerKey) -> None:
        if self._group is not None and key not in self._tasks:
            self._tasks[key] = self._group.create_task(self._informers[key].run())


FOR_GOOD = "for good"
"""Who needs a controller's own watches: no key, but the controller as long as it runs."""


class ControllerWatches:
    """The informers of one controller: its own for good, and those its keys need for as long as they do.

    `wake` is called for every key that needs an informer when that one has its first list.
    """

    def __init__(self, caches: Caches, name: str, on_event: OnEvent, wake: Callable[[Hashable], None]) -> None:
        self._caches = caches
        self._name = name
        self._on_event = on_event
        self._wake = wake
        self._by_key: dict[InformerKey, Informer] = {}
        self._by_resource: dict[Resource, list[Informer]] = {}
        self._needs: dict[Hashable, dict[InformerKey, None]] = {}

    @property
    def informers(self) -> Sequence[Informer]:
        return list(self._by_key.values())

    def of(self, resource: Resource) -> Sequence[Informer]:
        return self._by_resource.get(resource, ())

    def need(self, who: Hashable, watches: Iterable[Watch]) -> None:
        """`watches` is all that `who` needs from now on."""
        wanted = {informer_key(watch): watch for watch in watches}
        before = self._needs.get(who, {})
        for key, watch in wanted.items():
            if key not in before:
                self._add(who, key, watch)
        for key in [key for key in before if key not in wanted]:
            if self._caches.release((self._name, who), key):
                self._drop(key)
        if wanted:
            self._needs[who] = dict.fromkeys(wanted)
        else:
            self._needs.pop(who, None)

    def _add(self, who: Hashable, key: InformerKey, watch: Watch) -> None:
        informer = self._caches.need((self._name, who), watch)
        if self._by_key.get(key) is informer:
            return
        self._by_key[key] = informer
        self._by_resource.setdefault(watch.resource, []).append(informer)
        informer.on_event(lambda old, new: self._on_event(informer, watch, old, new))
        if not informer.synced.is_set():
            informer.on_synced(lambda: self._synced(key))

    def _synced(self, key: InformerKey) -> None:
        for who in [who for who, needed in self._needs.items() if key in needed and who != FOR_GOOD]:
            self._wake(who)

    def _drop(self, key: InformerKey) -> None:
        informer = self._by_key.pop(key, None)
        if informer is None:
            return
        left = [other for other in self._by_resource[key[0]] if other is not informer]
        if left:
            self._by_resource[key[0]] = left
        else:
            del self._by_resource[key[0]]


class PassWorld:
    """What one pass of one key may look at: the `World` of `observe`."""

    def __init__(
        self, watches: ControllerWatches, kinds: Kinds, answer: Callable[[Ask], Answer | None], miss: Callable[[], None]
    ) -> None:
        self._watches = watches
        self._kinds = kinds
        self._answer = answer
        self._miss = miss
        self._unsynced: set[Resource] = set()

    def get(self, resource: Resource, namespace: str, name: str) -> Obj | None:
        for informer in self._watches.of(resource):
            found = informer.get(namespace, name)
            if found is not None:
                return found
        return None

    def list(self, resource: Resource, namespace: str = "") -> Iterable[Obj]:
        for informer in self._watches.of(resource):
            yield from informer.list(namespace)

    def indexed(self, resource: Resource, index: str, value: str) -> Iterable[Obj]:
        for informer in self._watches.of(resource):
            if informer.has_index(index):
                yield from informer.indexed(index, value)

    def is_synced(self, resource: Resource) -> bool:
        informers = self._watches.of(resource)
        # One object that somebody watches by its name says nothing about the rest of its kind.
        if any(not informer.is_partial for informer in informers) and all(informer.synced.is_set() for informer in informers):
            return True
        self._unsynced.add(resource)
        return False

    @property
    def has_synced_since(self) -> bool:
        """Whether a kind of which the pass was told that it is not synced is so by now."""
        return any(self.is_synced(resource) for resource in tuple(self._unsynced))

    def resource_for(self, group: str, kind: str) -> Resource | None:
        found = self._kinds.find(group, kind)
        if found is None:
            self._miss()
        return found

    def served(self) -> tuple[Resource, ...]:
        self._miss()
        return self._kinds.served

    def answer(self, ask: Ask) -> Answer | None:
        return self._answer(ask)
