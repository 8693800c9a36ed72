"""All objects, the counter that orders their changes, and who is told.

One process, one writer: a mutation runs from read to `commit` without waiting, so it needs no lock. Every commit takes the
next `resourceVersion` of the one counter (as etcd's revision), goes to the journal, and is published to watchers when the
journal says that it is safe, in order. Objects are kept as JSON and parsed when read: a fresh dict for everybody, so nobody
can change what another one sees, and a pod costs 4 KB instead of 20.
"""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import orjson

from shipway.base.clock import Clock
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import kept_json
from shipway.localcluster.apiserver.history import Event, EventType, History, Key, Record

ShelfKey = tuple[str, str]
"""(group, plural)."""
FieldsOf = Callable[[ShelfKey, Obj], dict[str, str]]
Listener = Callable[[Event], None]


class Journal(Protocol):
    """Where commits are made to last. `append` returns at once; `on_safe(version)` is called when all up to `version` is.
    `failure` says why nothing can be stored now, empty if it can."""

    failure: str

    def append(self, version: int, shelf: ShelfKey, key: Key, data: bytes | None) -> None: ...

    async def safe(self, version: int) -> None: ...

    async def close(self) -> None: ...


class MemoryJournal:
    """Forgets everything; commits are safe at once."""

    failure = ""

    def __init__(self, on_safe: Callable[[int], None]) -> None:
        self._on_safe = on_safe

    def append(self, version: int, shelf: ShelfKey, key: Key, data: bytes | None) -> None:
        self._on_safe(version)

    async def safe(self, version: int) -> None:
        return

    async def close(self) -> None:
        return


class Shelf:
    """The objects of one resource, sorted by (namespace, name), with their history and their listeners. `epoch` grows when
    the kind ceases to be served; watches of an earlier one end."""

    def __init__(self, history: History) -> None:
        self.records: dict[Key, Record] = {}
        self.history = history
        self.listeners: list[Listener] = []
        self.bells: list[Callable[[], None]] = []
        self.epoch = 0
        self._keys: list[Key] = []

    def put(self, record: Record) -> None:
        if record.key not in self.records:
            insort(self._keys, record.key)
        self.records[record.key] = record

    def remove(self, key: Key) -> None:
        del self.records[key]
        del self._keys[bisect_left(self._keys, key)]

    def keys(self, namespace: str = "") -> list[Key]:
        if not namespace:
            return self._keys
        return self._keys[bisect_left(self._keys, (namespace, "")) : bisect_left(self._keys, (namespace + "\0", ""))]

    def in_order(self, namespace: str = "") -> Iterator[Record]:
        return map(self.records.__getitem__, self.keys(namespace))

    def at(self, version: int, namespace: str = "") -> list[Record]:
        """The records as they were at `version`, which must not be below `history.oldest`."""
        past: dict[Key, Record | None] = {}
        for event in self.history.back_to(version):
            past[event.record.key] = event.before
        if not past:
            return list(self.in_order(namespace))
        merged = {key: self.records[key] for key in self.keys(namespace)} | past
        found = (merged[key] for key in sorted(merged) if namespace in ("", key[0]))
        return [record for record in found if record is not None]


class Store:
    """Shelves, counter, publication."""

    def __init__(self, *, clock: Clock, fields_of: FieldsOf, history_seconds: float, history_minimum: int = 1_000) -> None:
        self._clock = clock
        self._fields_of = fields_of
        self._history_seconds = history_seconds
        self._history_minimum = history_minimum
        self._shelves: dict[ShelfKey, Shelf] = {}
        self._pending: deque[tuple[Shelf, Event]] = deque()
        self._floor = 0
        self.version = 1
        self.published = 1
        self.journal: Journal = MemoryJournal(self.publish)

    def shelf(self, key: ShelfKey) -> Shelf:
        if (shelf := self._shelves.get(key)) is None:
            history = History(seconds=self._history_seconds, minimum=self._history_minimum, oldest=self._floor)
            shelf = self._shelves[key] = Shelf(history)
        return shelf

    def end_watches(self, key: ShelfKey) -> None:
        """Ends the watches of a kind that is not served any more."""
        shelf = self.shelf(key)
        shelf.epoch += 1
        for bell in tuple(shelf.bells):
            bell()

    def get(self, shelf: ShelfKey, namespace: str, name: str) -> Record | None:
        return self.shelf(shelf).records.get((namespace, name))

    def commit(self, shelf_key: ShelfKey, obj: Obj) -> Record:
        """Stores `obj` (created or changed) under a new version, which is written into its metadata."""
        shelf = self.shelf(shelf_key)
        record = self._record(shelf_key, obj, self.version + 1)
        before = shelf.records.get(record.key)
        shelf.put(record)
        self._log(shelf_key, shelf, "MODIFIED" if before else "ADDED", before, record)
        self.journal.append(record.version, shelf_key, record.key, encode_plain(record))
        return record

    def remove(self, shelf_key: ShelfKey, obj: Obj) -> Record:
        """Deletes the object; watchers see `obj` as its last state, at the version of the deletion."""
        shelf = self.shelf(shelf_key)
        record = self._record(shelf_key, obj, self.version + 1)
        before = shelf.records[record.key]
        shelf.remove(record.key)
        self._log(shelf_key, shelf, "DELETED", before, record)
        self.journal.append(record.version, shelf_key, record.key, None)
        return record

    def load(self, rows: Iterable[tuple[ShelfKey, bytes]], version: int) -> None:
        """Fills the empty store from a journal. The past before `version` is not known."""
        self.version = self.published = self._floor = version
        for shelf_key, data in rows:
            obj = orjson.loads(data)
            record = self._record(shelf_key, obj, int(obj["metadata"]["resourceVersion"]))
            self.shelf(shelf_key).put(record)

    def publish(self, version: int) -> None:
        """Tells the listeners of everything up to `version`."""
        while self._pending and self._pending[0][1].version <= version:
            shelf, event = self._pending.popleft()
            self.published = event.version
            for listener in tuple(shelf.listeners):
                listener(event)

    def _log(self, key: ShelfKey, shelf: Shelf, kind: EventType, before: Record | None, record: Record) -> None:
        self.version = record.version
        event = Event(record.version, kind, before, record, self._clock.now())
        shelf.history.append(event)
        self._pending.append((shelf, event))

    def _record(self, shelf_key: ShelfKey, obj: Obj, version: int) -> Record:
        metadata = obj["metadata"]
        metadata["resourceVersion"] = str(version)
        rest = {key: value for key, value in obj.items() if key not in ("kind", "apiVersion", "metadata")}
        return Record(
            key=(metadata.get("namespace") or "", metadata["name"]),
            uid=metadata.get("uid", ""),
            version=version,
            meta=kept_json(metadata),
            rest=kept_json(rest),
            labels=metadata.get("labels") or {},
            fields=self._fields_of(shelf_key, obj),
        )


def encode_plain(record: Record) -> bytes:
    """The object without kind and apiVersion, as it stands in the items of a built-in list."""
    if record.rest == b"{}":
        return b'{"metadata":' + record.meta + b"}"
    return b'{"metadata":' + record.meta + b"," + record.rest[1:]


def encode_object(record: Record, kind: str, api_version: str) -> bytes:
    """The whole object."""
    return b'{"kind":"%s","apiVersion":"%s",%s' % (kind.encode(), api_version.encode(), encode_plain(record)[1:])


def decode_object(record: Record, kind: str, api_version: str) -> Obj:
    """A fresh dict of the whole object."""
    return {"kind": kind, "apiVersion": api_version, "metadata": orjson.loads(record.meta), **orjson.loads(record.rest)}
