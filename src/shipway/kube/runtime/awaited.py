"""Own writes are awaited: a key's next pass starts only when the cache has seen what its last pass wrote.

Without this a controller acts twice on the same old picture. A key whose writes are not in the cache yet is parked; the
informer's event for the awaited object takes it out again. An event that arrives meanwhile is not lost: the key runs
anyway as soon as it is let go. What a key wrote comes back as an event too, its echo, which is no news by itself. A watch may
be quicker than the answer to the write: whose an event was that comes in that time is known when the write is over.
"""

from collections import defaultdict
from collections.abc import Callable, Generator, Hashable, Sequence
from contextlib import contextmanager

from msgspec import Struct

from shipway.base.clock import Clock
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import dig, name_of, namespace_of, resource_version_of, uid_of
from shipway.kube.runtime.decision import Action, Bind, Create, Delete, Evict, Outcome, Patch
from shipway.kube.runtime.informer import Informer

_Place = tuple[Resource, str, str]


class Awaited(Struct, frozen=True):
    """A write of ours: the object at `resource_version`, or (when that is "") the end of the object with `uid`."""

    resource: Resource
    namespace: str
    name: str
    resource_version: str = ""
    uid: str = ""


def awaited_of(outcome: Outcome) -> Awaited | None:
    """What a successful action lets us expect in the cache; None when nothing (evictions, deletions of what is gone)."""
    action, result = outcome.action, outcome.result
    if not outcome.is_done or result is None or isinstance(action, Evict | Bind):
        return None
    namespace, name = _target(action, result)
    if result.get("kind") == "Status":
        uid = str(dig(result, "details", "uid", default=""))
        return Awaited(action.resource, namespace, name, uid=uid) if uid else None
    version = resource_version_of(result)
    if isinstance(action, Patch) and action.subresource == "scale":
        return None
    return Awaited(action.resource, namespace, name, version, uid_of(result)) if version else None


def _target(action: Action, result: Obj) -> tuple[str, str]:
    if isinstance(action, Patch | Delete):
        return action.namespace, action.name
    if isinstance(action, Create):
        return namespace_of(result) or namespace_of(action.obj), name_of(result)
    return namespace_of(result), name_of(result)


def is_seen(awaited: Awaited, informers: Sequence[Informer]) -> bool:
    """Whether every cache of that kind has it. A kind nobody watches has nothing to wait for.

    Beside a cache of the whole kind, one that holds a chosen part may never hear of the object: it counts only if it has it.
    """
    whole = [informer for informer in informers if not informer.is_partial]
    counted = [one for one in informers if not whole or not one.is_partial or one.get(awaited.namespace, awaited.name)]
    return all(_seen_by(informer, awaited) for informer in counted)


def _seen_by(informer: Informer, awaited: Awaited) -> bool:
    if awaited.resource_version:
        return informer.has_seen(awaited.namespace, awaited.name, awaited.resource_version)
    cached = informer.get(awaited.namespace, awaited.name)
    return cached is None or uid_of(cached) != awaited.uid


class Parking:
    """Keys that wait for their own writes to come back."""

    def __init__(self, informers_of: Callable[[Resource], Sequence[Informer]], clock: Clock, patience: float) -> None:
        self._informers_of = informers_of
        self._clock = clock
        self._patience = patience
        self._waiting: dict[Hashable, tuple[Awaited, ...]] = {}
        self._deadlines: dict[Hashable, float] = {}
        self._by_object: defaultdict[_Place, dict[Hashable, None]] = defaultdict(dict)
        self._held_up: set[Hashable] = set()
        """Those that were to run meanwhile."""
        self._writing: dict[Hashable, _Place] = {}
        self._early: defaultdict[Hashable, list[str]] = defaultdict(list)

    def expect(self, key: Hashable, writes: Sequence[Awaited]) -> None:
        """Replaces what `key` waits for."""
        self._forget(key)
        pending = tuple(write for write in writes if not is_seen(write, self._informers_of(write.resource)))
        if not pending:
            return
        self._waiting[key] = pending
        self._deadlines[key] = self._clock.elapsed() + self._patience
        for write in pending:
            self._by_object[(write.resource, write.namespace, write.name)][key] = None

    def must_wait(self, key: Hashable) -> bool:
        """False as soon as the cache has everything, or when patience has run out (a dropped watch, a lost event)."""
        pending = self._waiting.get(key)
        if pending is None:
            return False
        if self._clock.elapsed() >= self._deadlines[key] or all(
            is_seen(write, self._informers_of(write.resource)) for write in pending
        ):
            self._forget(key)
            return False
        return True

    def holds_up(self, key: Hashable) -> bool:
        """As `must_wait`, of a key that is to run now: what woke it is news that its echo will not tell again."""
        if not self.must_wait(key):
            return False
        self._held_up.add(key)
        return True

    def is_echo(self, key: Hashable, resource: Resource, obj: Obj) -> bool:
        """Whether `obj` is just what `key` wrote and waits for, and nothing else has happened to it meanwhile."""
        if key in self._held_up or len(pending := self._waiting.get(key, ())) != 1:
            return False
        own, version = pending[0], resource_version_of(obj)
        place = (own.resource, own.namespace, own.name)
        return version == own.resource_version and place == (resource, namespace_of(obj), name_of(obj))

    @contextmanager
    def writing(self, key: Hashable, resource: Resource, namespace: str, name: str) -> Generator[None]:
        """While the block runs `key` writes that object."""
        self._writing[key] = (resource, namespace, name)
        try:
            yield
        finally:
            del self._writing[key]

    def is_early(self, key: Hashable, resource: Resource, obj: Obj) -> bool:
        """Whether `obj` may be what `key` is writing just now. If so it is remembered for `told_early`."""
        if self._writing.get(key) != (resource, namespace_of(obj), name_of(obj)):
            return False
        self._early[key].append(resource_version_of(obj))
        return True

    def told_early(self, key: Hashable) -> list[str]:
        """The resourceVersions of what was told while `key` wrote, once."""
        return self._early.pop(key, [])

    def let_go(self, resource: Resource, namespace: str, name: str) -> list[Hashable]:
        """Keys that no longer wait, now that the cache has news of this object."""
        keys = list(self._by_object.get((resource, namespace, name), ()))
        return [key for key in keys if not self.must_wait(key)]

    def give_up(self, key: Hashable) -> None:
        """The key is gone: there is nobody to wait."""
        self._forget(key)

    def _forget(self, key: Hashable) -> None:
        self._held_up.discard(key)
        self._deadlines.pop(key, None)
        for write in self._waiting.pop(key, ()):
            place = (write.resource, write.namespace, write.name)
            self._by_object[place].pop(key, None)
            if not self._by_object[place]:
                del self._by_object[place]
