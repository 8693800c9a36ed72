"""What one controller sees of the caches, and what one pass of it may look at: only what it watches, only from memory."""

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from typing import Any, Protocol

from shipway.kube.objects.reach import EVERYWHERE, Reach
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.runtime.caches import Caches, Kinds, PartKey, part_key
from shipway.kube.runtime.decision import Answer, Ask, Watch
from shipway.kube.runtime.informer import Informer
from shipway.kube.runtime.lanes import Look

KindsOf = Callable[[str], Kinds | None]
FOR_GOOD = "for good"
"""Who needs a controller's own watches: no key, but the controller as long as it runs."""


class OnEvent(Protocol):
    """Told what changed, once for all the `watches` that it concerns: `old` is None for a new object, `new` for one that is
    gone."""

    def __call__(self, watches: Collection[Watch], old: Obj | None, new: Obj | None) -> None: ...


WatchKey = tuple[PartKey, bool, Callable[[Obj], Iterable[Any]]]
"""Watches with equal keys are the same to a controller."""


def watch_key(watch: Watch) -> WatchKey:
    return part_key(watch), watch.keep_managed_fields, watch.keys


class _Followed:
    """One informer, and all for which the controller follows it."""

    def __init__(self, informer: Informer, on_event: OnEvent) -> None:
        self.informer = informer
        self.watches: dict[WatchKey, Watch] = {}
        self._on_event = on_event

    def add(self, key: WatchKey, watch: Watch) -> None:
        """What is there already is told to a late watch, too."""
        self.watches[key] = watch
        if len(self.watches) == 1:
            self.informer.on_event(self._tell)
            return
        for obj in self.informer.list():
            self._on_event((watch,), None, obj)

    def remove(self, key: WatchKey) -> Watch:
        watch = self.watches.pop(key)
        if not self.watches:
            self.informer.off_event(self._tell)
        return watch

    def _tell(self, old: Obj | None, new: Obj | None) -> None:
        self._on_event(self.watches.values(), old, new)


class ControllerWatches:
    """The informers of one controller: its own for good, and those its keys need for as long as they do.

    `wake` is called for every key that needs an informer when that one has its first list.
    """

    def __init__(self, caches: Caches, name: str, on_event: OnEvent, wake: Callable[[Hashable], None]) -> None:
        self._caches = caches
        self._name = name
        self._on_event = on_event
        self._wake = wake
        self._followed: dict[PartKey, _Followed] = {}
        self._by_resource: dict[Resource, list[Informer]] = {}
        self._needs: dict[Hashable, dict[WatchKey, None]] = {}
        self._users: Counter[WatchKey] = Counter()
        self._awaited: set[WatchKey] = set()
        """Of which we shall be told that they have listed everything."""

    @property
    def informers(self) -> Sequence[Informer]:
        return [followed.informer for followed in self._followed.values()]

    def of(self, resource: Resource) -> Sequence[Informer]:
        return self._by_resource.get(resource, ())

    def is_synced(self, resource: Resource, *, with_managed_fields: bool = False) -> bool:
        informers = self.of(resource)
        # One object that somebody watches by its name says nothing about the rest of its kind.
        whole = [informer for informer in informers if not informer.is_partial]
        is_known = any(informer.is_ready(with_managed_fields=with_managed_fields) for informer in whole)
        return is_known and all(informer.is_ready() for informer in informers)

    def need(self, who: Hashable, watches: Iterable[Watch]) -> None:
        """`watches` is all that `who` needs from now on."""
        wanted = {watch_key(watch): watch for watch in watches}
        before = self._needs.get(who, {})
        for key, watch in wanted.items():
            if key not in before:
                self._users[key] += 1
                if self._users[key] == 1:
                    self._begin(key, watch)
            self._await(key)
        for key in [key for key in before if key not in wanted]:
            self._users[key] -= 1
            if not self._users[key]:
                self._end(key)
        if wanted:
            self._needs[who] = dict.fromkeys(wanted)
        else:
            self._needs.pop(who, None)

    def _begin(self, key: WatchKey, watch: Watch) -> None:
        informer = self._caches.need((self._name, key), watch)
        followed = self._followed.get(key[0])
        if followed is None:
            followed = self._followed[key[0]] = _Followed(informer, self._on_event)
            self._by_resource.setdefault(watch.resource, []).append(informer)
        followed.add(key, watch)

    def _end(self, key: WatchKey) -> None:
        part = key[0]
        followed, resource = self._followed[part], part[0]
        watch = followed.remove(key)
        del self._users[key]
        self._awaited.discard(key)
        if not followed.watches:
            del self._followed[part]
            self._by_resource[resource].remove(followed.informer)
            if not self._by_resource[resource]:
                del self._by_resource[resource]
        self._caches.release((self._name, key), watch)

    def _await(self, key: WatchKey) -> None:
        part, owning, _ = key
        informer = self._followed[part].informer
        if key not in self._awaited and not informer.is_ready(with_managed_fields=owning):
            self._awaited.add(key)
            informer.on_ready(lambda: self._synced(key), with_managed_fields=owning)

    def _synced(self, key: WatchKey) -> None:
        self._awaited.discard(key)
        for who in [who for who, needed in self._needs.items() if key in needed and who != FOR_GOOD]:
            self._wake(who)


class PassWorld:
    """What one pass of one key may look at: the `World` of `observe`."""

    def __init__(
        self,
        watches: ControllerWatches,
        kinds_of: KindsOf,
        look: Look,
        miss: Callable[[Kinds], None],
    ) -> None:
        self._watches = watches
        self._kinds_of = kinds_of
        self.look = look
        self._miss = miss
        self._unsynced: set[tuple[Resource, bool]] = set()

    def get(self, resource: Resource, namespace: str, name: str) -> Obj | None:
        """Two caches of one kind move independently: what the one that has seen more does not have is gone."""
        informers = self._watches.of(resource)
        for informer in informers if len(informers) < 2 else sorted(informers, key=lambda one: -one.highest(namespace)):
            found = informer.get(namespace, name)
            if found is not None or not informer.is_partial:
                return found
        return None

    def list(self, resource: Resource, namespace: str = "") -> Iterable[Obj]:
        for informer in self._watches.of(resource):
            yield from informer.list(namespace)

    def indexed(self, resource: Resource, index: str, value: str) -> Iterable[Obj]:
        for informer in self._watches.of(resource):
            if informer.has_index(index):
                yield from informer.indexed(index, value)

    def is_synced(self, resource: Resource, *, with_managed_fields: bool = False) -> bool:
        is_synced = self._watches.is_synced(resource, with_managed_fields=with_managed_fields)
        if not is_synced:
            self._unsynced.add((resource, with_managed_fields))
        return is_synced

    def refusal(self, resource: Resource) -> str:
        return next((informer.refusal for informer in self._watches.of(resource) if informer.refusal), "")

    @property
    def has_synced_since(self) -> bool:
        """Whether a kind of which the pass was told that it is not synced is so by now."""
        return any(self._watches.is_synced(resource, with_managed_fields=owning) for resource, owning in self._unsynced)

    def resource_for(self, group: str, kind: str, cluster: str = "") -> Resource | None:
        kinds = self._kinds_of(cluster)
        if kinds is None:
            return None
        found = kinds.find(group, kind)
        if found is None:
            self._miss(kinds)
        return found

    def has_discovered(self, cluster: str, reach: Reach = EVERYWHERE) -> bool:
        kinds = self._kinds_of(cluster)
        if kinds is None or (kinds.is_known and kinds.reach == reach):
            return kinds is not None
        self._miss(kinds)
        return False

    def served(self, cluster: str = "") -> tuple[Resource, ...]:
        kinds = self._kinds_of(cluster)
        if kinds is None:
            return ()
        self._miss(kinds)
        return kinds.served

    def answer(self, ask: Ask) -> Answer | None:
        return self.look.answer(ask)
