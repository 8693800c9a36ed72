"""An informer keeps a copy of one kind's objects in memory and tells subscribers what changed.

It lists once, then watches from the list's version with bookmarks. A watch that ends is taken up where it was; one whose
version is too old (410) means listing again, and then only what really changed is told. There is no periodic resync: a
missed event cannot be repaired by repeating known ones. A server that does not answer is asked again with growing, jittered
pauses.

Versions of one kind are handed out in rising order and watched in that order. So the highest version met so far says of
any write whether the cache already contains it, or its end (`has_seen`).
"""

import asyncio
import random
from collections.abc import Callable, Iterable
from contextlib import aclosing
from typing import TypedDict, Unpack

import structlog

from shipway.base.clock import Clock
from shipway.base.errors import Denied, NotFound, ShipwayError, Unavailable
from shipway.kube.client.client import Client
from shipway.kube.client.errors import Expired
from shipway.kube.client.watching import WatchEvent
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import name_of, namespace_of, resource_version_of, uid_of
from shipway.kube.runtime.cache_store import CacheStore, IndexFunction, Stored, stored

log = structlog.get_logger()

OnChange = Callable[[Obj | None, Obj | None], None]
"""Called with (old, new): old is None for a new object, new for one that is gone. Must not wait."""

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 30.0
UNSERVED_PAUSE = 3.0
SHORT_WATCH = 1.0
"""Seconds: a watch that ends sooner did not help, so the next one waits a moment."""
WATCH_SECONDS = 300.0


class Scope(TypedDict, total=False):
    """Which objects of the kind, and how much of each: `metadata_only` brings PartialObjectMetadata."""

    namespace: str
    label_selector: str
    field_selector: str
    metadata_only: bool
    keep_managed_fields: bool


class Informer:
    """The cache of one kind, or of the part that `scope` chooses. `run` feeds it until it is cancelled."""

    def __init__(
        self,
        client: Client,
        resource: Resource,
        *,
        clock: Clock,
        rng: random.Random | None = None,
        **scope: Unpack[Scope],
    ) -> None:
        self.resource = resource
        self.synced = asyncio.Event()
        self.told = 0
        """Changes that the server told since the start, bookmarks left out."""
        self.listed_at: float | None = None
        """When everything was listed last, by `Clock.elapsed`."""
        self.is_connected = False
        self.refusal = ""
        """Why we may not list it; "" as far as nobody refuses."""
        self._client = client
        self._namespace = scope.get("namespace", "")
        self._label_selector = scope.get("label_selector", "")
        self._field_selector = scope.get("field_selector", "")
        self._metadata_only = scope.get("metadata_only", False)
        self._keep_managed_fields = scope.get("keep_managed_fields", False)
        self._clock = clock
        self._rng = rng or random.Random()
        self._store = CacheStore()
        self._subscribers: list[OnChange] = []
        self._until_synced: list[Callable[[], None]] = []
        self._version = ""
        self.highest = -1
        """The latest version of the kind that the cache has seen."""

    def get(self, namespace: str, name: str) -> Obj | None:
        return self._store.get(namespace, name)

    def list(self, namespace: str = "") -> Iterable[Obj]:
        return self._store.list(namespace)

    def indexed(self, index: str, value: str) -> Iterable[Obj]:
        return self._store.indexed(index, value)

    def has_index(self, name: str) -> bool:
        return self._store.has_index(name)

    def add_index(self, name: str, values_of: IndexFunction) -> None:
        self._store.add_index(name, values_of)

    @property
    def is_partial(self) -> bool:
        """Whether it holds only the objects of one namespace, or that a selector chooses."""
        return bool(self._namespace or self._label_selector or self._field_selector)

    @property
    def is_metadata_only(self) -> bool:
        return self._metadata_only

    def __len__(self) -> int:
        return len(self._store)

    def on_event(self, callback: OnChange) -> None:
        """Subscribes; objects that are already here are told at once, so a late subscriber misses nothing."""
        self._subscribers.append(callback)
        for obj in self._store:
            callback(None, obj)

    def off_event(self, callback: OnChange) -> None:
        """Ends what `on_event` began."""
        self._subscribers = [one for one in self._subscribers if one != callback]

    def on_synced(self, callback: Callable[[], None]) -> None:
        """Calls back once, after the first list; at once if that has happened."""
        if self.synced.is_set():
            callback()
        else:
            self._until_synced.append(callback)

    def holds(self, namespace: str, name: str) -> bool:
        """Whether the object is in the cache."""
        return self._store.version_of(namespace, name) is not None

    def has_seen(self, namespace: str, name: str, version: str) -> bool:
        """Whether the object at `version`, a later one or its deletion has reached the cache."""
        if version.isdecimal():
            return int(version) <= self.highest
        return self._store.version_of(namespace, name) == version

    def forget_version(self) -> None:
        """What was watched is not what is there now: the next `run` lists first, and tells what is different."""
        self._version = ""

    async def run(self) -> None:
        """Lists and watches until cancelled. Only bugs escape."""
        failures = 0
        while True:
            started = self._clock.elapsed()
            try:
                if not self._version:
                    await self._list()
                await self._watch()
                failures = 0 if self._clock.elapsed() - started >= SHORT_WATCH else failures + 1
            except Expired:
                self._version = ""
                failures += 1
            except ShipwayError as error:
                self.is_connected = not isinstance(error, Unavailable)
                self.refusal = error.message if isinstance(error, Denied) else self.refusal
                failures = 1 if self._clock.elapsed() - started >= LONGEST_PAUSE else failures + 1
                self._report(error, failures)
                await self._clock.sleep(self._pause(error, failures))
                continue
            if failures > 1:
                await self._clock.sleep(self._pause(None, failures - 1))

    async def _list(self) -> None:
        listing = await self._client.list(
            self.resource, self._namespace, label_selector=self._label_selector, field_selector=self._field_selector,
            metadata_only=self._metadata_only, keep=self._stored,
        )  # fmt: skip
        changes = self._store.replace(listing.items)
        self.listed_at, self.is_connected, self.refusal = self._clock.elapsed(), True, ""
        self.highest = -1  # a restored server may count from a lower version
        self._met(listing.resource_version)
        self.synced.set()
        for old, new in changes:
            if old is not None and new is not None and uid_of(old) != uid_of(new):
                self._tell(old, None)
                old = None
            self._tell(old, new)
        waiting, self._until_synced = self._until_synced, []
        for callback in waiting:
            callback()

    async def _watch(self) -> None:
        stream = self._client.watch(
            self.resource, self._namespace, resource_version=self._version, label_selector=self._label_selector,
            field_selector=self._field_selector, metadata_only=self._metadata_only,
            timeout_seconds=WATCH_SECONDS * self._rng.uniform(1.0, 2.0),
        )  # fmt: skip
        async with aclosing(stream) as events:
            async for event in events:
                self._take(event)

    def _take(self, event: WatchEvent) -> None:
        obj = event.obj
        self._met(resource_version_of(obj))
        self.is_connected = True
        if event.type == "BOOKMARK":
            return
        self.told += 1
        if event.type == "DELETED":
            gone = self._store.remove(namespace_of(obj), name_of(obj))
            if gone is not None:
                self._tell(gone, None)
            return
        if self._store.version_of(namespace_of(obj), name_of(obj)) != resource_version_of(obj):
            slim = self._slim(obj)
            self._tell(self._store.put(slim), slim)

    def _met(self, version: str) -> None:
        self._version = version or self._version
        if version.isdecimal():
            self.highest = max(self.highest, int(version))

    def _stored(self, obj: Obj) -> Stored:
        return stored(self._slim(obj))

    def _slim(self, obj: Obj) -> Obj:
        """Freshly decoded objects are ours to change: managedFields are a third of many and few read them."""
        if not self._keep_managed_fields and (meta := obj.get("metadata")):
            meta.pop("managedFields", None)
        return obj

    def _tell(self, old: Obj | None, new: Obj | None) -> None:
        for subscriber in self._subscribers:
            subscriber(old, new)

    def _pause(self, error: ShipwayError | None, failures: int) -> float:
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures - 1, 10))
        if isinstance(error, Denied):
            pause = LONGEST_PAUSE
        elif isinstance(error, NotFound):
            # The kind is not served yet; whoever installs it does not want to wait for us.
            pause = min(pause, UNSERVED_PAUSE)
        after = error.after if isinstance(error, Unavailable) and error.after else 0.0
        return max(after, pause) * self._rng.uniform(1.0 if after else 0.75, 1.25)

    def _report(self, error: ShipwayError, failures: int) -> None:
        level = log.info if isinstance(error, NotFound) else log.warning
        level("watch_interrupted", kind=self.resource.plural, reason=error.reason, message=error.message, failures=failures)
