"""An informer keeps a copy of one kind's objects in memory and tells subscribers what changed.

What it holds comes from one feed (`feed.py`) for all namespaces, or from one for each of those that it covers. When a feed
lists again, only what really changed is told; when a namespace is not covered any more, what lay there is told as gone.
"""

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from typing import TypedDict, Unpack

from shipway.base.clock import Clock
from shipway.kube.client.client import Client
from shipway.kube.client.watching import WatchEvent
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import name_of, namespace_of, resource_version_of, uid_of
from shipway.kube.runtime.cache_store import CacheStore, Changes, IndexFunction, Stored, stored
from shipway.kube.runtime.feed import Feed, Part

OnChange = Callable[[Obj | None, Obj | None], None]
"""Called with (old, new): old is None for a new object, new for one that is gone. Must not wait."""


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
        """Everything that it covers has been listed."""
        self.is_partial = any(scope.get(name) for name in ("namespace", "label_selector", "field_selector"))
        """It was asked for only the objects of one namespace, or those that a selector chooses."""
        self.told = 0
        """Changes that the server told since the start, bookmarks left out."""
        self._client = client
        self._scope = scope
        self._keeps_managed_fields = scope.get("keep_managed_fields", False)
        self._lacking: set[str] = set()
        """Namespaces that were listed without their managedFields, which somebody wants now."""
        self._clock = clock
        self._rng = rng or random.Random()
        self._store = CacheStore()
        self._subscribers: list[OnChange] = []
        self._until_ready: list[tuple[bool, Callable[[], None]]] = []
        self._feeds: dict[str, Feed] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self.cover((scope.get("namespace", "") if resource.namespaced else "",))

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
    def is_metadata_only(self) -> bool:
        return self._scope.get("metadata_only", False)

    @property
    def is_connected(self) -> bool:
        return all(feed.is_connected for feed in self._feeds.values())

    @property
    def refusal(self) -> str:
        """Why we may not list some of it; "" as far as nobody refuses."""
        return next((feed.refusal for feed in self._feeds.values() if feed.refusal), "")

    @property
    def listed_at(self) -> float | None:
        """Since when all of it is listed, by `Clock.elapsed`."""
        times = [feed.listed_at for feed in self._feeds.values()]
        return None if not times or None in times else min(time for time in times if time is not None)

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

    def is_ready(self, *, with_managed_fields: bool = False) -> bool:
        """Whether everything is listed, and where they are wanted all managedFields are there, too."""
        has_managed_fields = self._keeps_managed_fields and not self._lacking
        return self.synced.is_set() and (has_managed_fields or not with_managed_fields)

    def on_ready(self, callback: Callable[[], None], *, with_managed_fields: bool = False) -> None:
        """Calls back once, as soon as `is_ready`; at once if it is."""
        if self.is_ready(with_managed_fields=with_managed_fields):
            callback()
        else:
            self._until_ready.append((with_managed_fields, callback))

    def keep_managed_fields(self) -> None:
        """From now on: what was listed without them is listed anew, and whoever does without them need not wait for it."""
        if not self._keeps_managed_fields:
            self._keeps_managed_fields, self._lacking = True, set(self._feeds)
            self.list_anew()

    def holds(self, namespace: str, name: str) -> bool:
        """Whether the object is in the cache."""
        return self._store.version_of(namespace, name) is not None

    def highest(self, namespace: str) -> int:
        """The latest version of the kind that the cache has seen of a namespace; -1 for none."""
        feed = self._feed_of(namespace)
        return feed.highest if feed else -1

    def has_seen(self, namespace: str, name: str, version: str) -> bool:
        """Whether the object at `version`, a later one or its deletion has reached the cache; of what is not covered nothing
        ever will, so there is nothing to wait for."""
        if self._feed_of(namespace) is None:
            return True
        if version.isdecimal():
            return int(version) <= self.highest(namespace)
        return self._store.version_of(namespace, name) == version

    def list_anew(self) -> None:
        """What was watched is not what is there now, or not enough of it: lists again, and tells what is different."""
        for namespace, feed in list(self._feeds.items()):
            self._stop(namespace)
            # Another one: an event that is under way to the former cannot make this one go on from there.
            self._feeds[namespace] = feed.anew()
            self._start(namespace)

    def cover(self, namespaces: Sequence[str] | None) -> None:
        """From now on holds what lies in these namespaces ("" stands for all of them), and tells what lay in others as gone.
        None: which ones is not known yet."""
        wanted = namespaces or ()
        for left in [one for one in self._feeds if one not in wanted]:
            del self._feeds[left]
            self._lacking.discard(left)
            self._stop(left)
        for added in [one for one in wanted if one not in self._feeds]:
            scope = self._scope
            part = Part(
                self.resource,
                added,
                scope.get("label_selector", ""),
                scope.get("field_selector", ""),
                scope.get("metadata_only", False),
            )
            self._feeds[added] = Feed(self._client, part, self, self._clock, self._rng)
            self._start(added)
        if "" not in wanted:
            self._tell_all(self._store.keep_only(wanted))
        self.synced.clear()
        if namespaces is not None:
            self._look_whether_synced(iter(()))

    async def run(self) -> None:
        """Lists and watches until cancelled. Only bugs escape."""
        async with asyncio.TaskGroup() as group:
            self._group, self._tasks = group, {}
            try:
                for namespace in self._feeds:
                    self._start(namespace)
                await asyncio.get_running_loop().create_future()
            finally:
                self._group = None

    def keep(self, obj: Obj) -> Stored:
        """What is kept of a listed object."""
        return stored(self._slim(obj))

    def listed(self, feed: Feed, objects: Sequence[Stored]) -> None:
        """A feed has listed its part."""
        if self._feeds.get(feed.part.namespace) is not feed:
            return  # it is not covered any more
        self._lacking.discard(feed.part.namespace)
        self._look_whether_synced(self._store.replace(objects, feed.part.namespace))

    def took(self, event: WatchEvent) -> None:
        """A feed was told of one object."""
        obj = event.obj
        self.told += 1
        if event.type == "DELETED":
            gone = self._store.remove(namespace_of(obj), name_of(obj))
            if gone is not None:
                self._tell(gone, None)
            return
        if self._store.version_of(namespace_of(obj), name_of(obj)) != resource_version_of(obj):
            slim = self._slim(obj)
            self._tell(self._store.put(slim), slim)

    def _start(self, namespace: str) -> None:
        if self._group is not None:
            self._tasks[namespace] = self._group.create_task(self._feeds[namespace].run())

    def _stop(self, namespace: str) -> None:
        if task := self._tasks.pop(namespace, None):
            task.cancel()

    def _feed_of(self, namespace: str) -> Feed | None:
        return self._feeds.get(namespace) or self._feeds.get("")

    def _look_whether_synced(self, changes: Changes) -> None:
        """Tells the changes once it stands fast whether everything is listed now, and who waits for that last."""
        is_complete = all(feed.is_listed for feed in self._feeds.values())
        if is_complete:
            self.synced.set()
        self._tell_all(changes)
        if is_complete:
            waiting, self._until_ready = self._until_ready, []
            for with_managed_fields, callback in waiting:
                self.on_ready(callback, with_managed_fields=with_managed_fields)

    def _slim(self, obj: Obj) -> Obj:
        """Freshly decoded objects are ours to change: managedFields are a third of many and few read them."""
        if not self._keeps_managed_fields and (meta := obj.get("metadata")):
            meta.pop("managedFields", None)
        return obj

    def _tell_all(self, changes: Changes) -> None:
        for old, new in changes:
            if old is not None and new is not None and uid_of(old) != uid_of(new):
                self._tell(old, None)
                old = None
            self._tell(old, new)

    def _tell(self, old: Obj | None, new: Obj | None) -> None:
        for subscriber in self._subscribers:
            subscriber(old, new)
