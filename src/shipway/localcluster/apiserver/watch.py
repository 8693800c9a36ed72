"""WATCH: the changes after a version, as a stream of JSON lines.

A watcher subscribes and replays the history since its version in one step, so nothing falls between. Its selection decides
what a change means to it: an object that starts to match is ADDED, one that ceases to is DELETED, shown as it was. With
`sendInitialEvents` (WatchList) the present comes first, closed by a bookmark that says so. What the watchers of an event
have in common, the encoded object, is made once.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterator

import orjson
from msgspec import Struct

from shipway.kube.objects.resource import Obj
from shipway.localcluster.apiserver.backend import Backend
from shipway.localcluster.apiserver.encoding import ListMeta, Look, encode_one, encode_table
from shipway.localcluster.apiserver.history import Event, Record
from shipway.localcluster.apiserver.options import ListOptions
from shipway.localcluster.apiserver.problems import expired
from shipway.localcluster.apiserver.selection import Selection
from shipway.localcluster.apiserver.store import Shelf

BOOKMARK_EVERY = 60.0
LONGEST = 45 * 60.0
MAX_WAITING = 20_000
_CHUNK = 512
_SLACK = 0.001


class _Subscriber:
    """The mailbox of one watcher. One that does not keep up is dropped: it lists again."""

    def __init__(self, shelf: Shelf, epoch: int) -> None:
        self._shelf = shelf
        self.waiting: deque[Event] = deque()
        self._overrun = False
        self._epoch = epoch
        self._bell = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        shelf.listeners.append(self._deliver)
        shelf.bells.append(self._bell.set)

    @property
    def ended(self) -> bool:
        """Whether it fell behind, or its kind is not served any more."""
        return self._overrun or (self._epoch != self._shelf.epoch and not self.waiting)

    def _deliver(self, event: Event) -> None:
        if len(self.waiting) >= MAX_WAITING:
            self._overrun = True
        else:
            self.waiting.append(event)
        self._bell.set()

    async def news(self, seconds: float) -> bool:
        """Waits for an event; False when `seconds` went by without."""
        if self.waiting:
            return True
        self._bell.clear()
        self._ring_after(seconds)
        await self._bell.wait()
        return bool(self.waiting)

    def _ring_after(self, seconds: float) -> None:
        """One timer serves many events: what a watch waits for besides them (its next bookmark, its end) stays where it is."""
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        if self._timer is not None:
            if loop.time() < self._timer.when() <= due + _SLACK:
                return
            self._timer.cancel()
        self._timer = loop.call_at(due, self._bell.set)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._shelf.listeners.remove(self._deliver)
        self._shelf.bells.remove(self._bell.set)


class Line(Struct, frozen=True):
    """What a change is to one watcher."""

    type: str
    record: Record


def seen_by(selection: Selection, event: Event) -> Line | None:
    """The change as a watcher with this selection sees it, None when it does not."""
    before = event.before is not None and selection.matches(event.before)
    if event.type == "DELETED":
        return Line("DELETED", event.record) if before else None
    after = selection.matches(event.record)
    if after:
        return Line("MODIFIED" if before else "ADDED", event.record)
    if before and event.before is not None:
        return Line("DELETED", _at_version(event.before, event.version))
    return None


def _at_version(record: Record, version: int) -> Record:
    """A record as it was, under the version of the change that took it out of a selection."""
    metadata = orjson.loads(record.meta)
    metadata["resourceVersion"] = str(version)
    return Record(record.key, record.uid, version, orjson.dumps(metadata), record.rest, record.labels, record.fields)


class Watch:
    """One running watch."""

    def __init__(self, backend: Backend, selection: Selection, options: ListOptions, look: Look) -> None:
        self._backend = backend
        self._selection = selection
        self._options = options
        self._look = look
        self._columns_sent = False
        self._epoch = backend.store.shelf(look.kind.shelf).epoch

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Chunks of whole lines, until the time is over, the watcher is too slow, or it is closed."""
        shelf = self._backend.store.shelf(self._look.kind.shelf)
        subscriber = _Subscriber(shelf, self._epoch)
        try:
            start = self._backend.store.published
            stale, replay = self._replay(shelf, start)
            if stale:
                yield stale
                return
            for chunk in self._beginning(shelf, start):
                yield chunk
            for event in replay:
                if text := self._encode(event):
                    yield text
            async for chunk in self._live(subscriber):
                yield chunk
        finally:
            subscriber.close()

    def _replay(self, shelf: Shelf, start: int) -> tuple[bytes, list[Event]]:
        """The history to send first, or the refusal of a version that has been forgotten."""
        version = self._options.version
        if not version or self._options.initial_events:
            return b"", []
        if version < shelf.history.oldest:
            refusal = expired(f"too old resource version: {version} ({shelf.history.oldest + 1})")
            return self._line("ERROR", orjson.dumps(refusal.status())), []
        return b"", [event for event in shelf.history.since(version) if event.version <= start]

    def _beginning(self, shelf: Shelf, start: int) -> Iterator[bytes]:
        """The present, for who starts without a version (or asks for it), and the bookmark that ends it."""
        options = self._options
        wants = options.initial_events if options.initial_events is not None else not options.version
        if not wants:
            return
        lines: list[bytes] = []
        # A commit that is not safe yet will be published: it must not be shown twice, so the state is the published one.
        pending = start < self._backend.store.version
        records = shelf.at(start, self._selection.namespace) if pending else list(shelf.in_order(self._selection.namespace))
        for record in records:
            if self._selection.matches(record):
                lines.append(self._line("ADDED", self._object(record)))
            if len(lines) >= _CHUNK:
                yield b"".join(lines)
                lines = []
        if lines:
            yield b"".join(lines)
        if options.initial_events and options.bookmarks:
            yield self._bookmark(start, {"k8s.io/initial-events-end": "true"})

    async def _live(self, subscriber: _Subscriber) -> AsyncGenerator[bytes, None]:
        now = self._backend.clock.now()
        deadline = now + min(float(self._options.timeout or LONGEST), LONGEST)
        bookmark_at = now + BOOKMARK_EVERY if self._options.bookmarks else deadline
        while not subscriber.ended:
            now = self._backend.clock.now()
            if now >= deadline:
                return
            if now >= bookmark_at and not subscriber.waiting:
                yield self._bookmark(self._backend.store.published, {})
                bookmark_at = now + BOOKMARK_EVERY
            if await subscriber.news(max(0.001, min(deadline, bookmark_at) - now)):
                lines = [self._encode(subscriber.waiting.popleft()) for _ in range(min(len(subscriber.waiting), _CHUNK))]
                if chunk := b"".join(lines):
                    yield chunk

    def _encode(self, event: Event) -> bytes:
        line = seen_by(self._selection, event)
        if line is None:
            return b""
        if line.record is not event.record or (self._look.wanted.shape == "table" and not self._columns_sent):
            return self._line(line.type, self._object(line.record))
        key = (line.type, *self._look.key)
        if (cached := event.encoded.get(key)) is None:
            cached = event.encoded[key] = self._line(line.type, self._object(line.record))
        return cached

    def _object(self, record: Record) -> bytes:
        if self._look.wanted.shape != "table":
            return encode_one(record, self._look)
        columns, self._columns_sent = not self._columns_sent, True
        return encode_table([record], ListMeta(record.version), self._look, columns=columns)

    def _bookmark(self, version: int, annotations: dict[str, str]) -> bytes:
        kind = self._look.kind
        metadata: Obj = {"resourceVersion": str(version)}
        if annotations:
            metadata["annotations"] = annotations
        if self._look.wanted.shape == "table":
            row = {"cells": [], "object": {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata}}
            table = {
                "kind": "Table",
                "apiVersion": f"meta.k8s.io/{self._look.wanted.table_version}",
                "metadata": {"resourceVersion": str(version)},
                "columnDefinitions": None,
                "rows": [row],
            }
            return self._line("BOOKMARK", orjson.dumps(table))
        if self._look.wanted.shape == "metadata":
            shown: Obj = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
        else:
            shown = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata}
        return self._line("BOOKMARK", orjson.dumps(shown))

    @staticmethod
    def _line(kind: str, encoded: bytes) -> bytes:
        return b'{"type":"%s","object":%s}\n' % (kind.encode(), encoded)
