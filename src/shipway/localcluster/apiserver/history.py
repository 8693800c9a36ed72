"""The recent past of one shelf: what a watch replays, and what lets a list show an older state.

Events are kept for `seconds`, but never fewer than `minimum` nor more than `maximum`. What fell out can not be asked for
any more: `oldest` is the last resource version that was forgotten, and whoever starts before it must list again (410).
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Literal

from msgspec import Struct, field

from shipway.base.clock import Instant

EventType = Literal["ADDED", "MODIFIED", "DELETED"]
Key = tuple[str, str]
"""(namespace, name); namespace is "" for cluster-scoped kinds."""


_HOT = 1_000
"""As many of the newest events keep the bytes that were sent to watchers."""


class Record(Struct, frozen=True):
    """One stored object: its metadata and the rest as JSON, without kind and apiVersion (those depend on who asks)."""

    key: Key
    uid: str
    version: int
    meta: bytes
    rest: bytes
    labels: dict[str, str]
    fields: dict[str, str]


class Event(Struct):
    """One change. `record` is the state after it (of a deletion: the last state, at the deletion's version). `encoded` caches
    the bytes that watchers of one kind of answer share."""

    version: int
    type: EventType
    before: Record | None
    record: Record
    at: Instant
    encoded: dict[tuple[str, ...], bytes] = field(default_factory=dict)


class History:
    """The ring of one shelf."""

    def __init__(self, *, seconds: float, minimum: int = 1_000, maximum: int = 100_000, oldest: int = 0) -> None:
        self._events: deque[Event] = deque()
        self._seconds = seconds
        self._minimum = minimum
        self._maximum = maximum
        self.oldest = oldest

    def append(self, event: Event) -> None:
        self._events.append(event)
        if len(self._events) > _HOT:
            self._events[-_HOT].encoded.clear()  # whoever watches has seen it by now
        while len(self._events) > self._maximum or (
            len(self._events) > self._minimum and event.at - self._events[0].at > self._seconds
        ):
            self.oldest = self._events.popleft().version

    def since(self, version: int) -> Iterator[Event]:
        """Events after `version`, oldest first. `version` must not be below `oldest`."""
        start = bisect_right(self._events, version, key=_version)
        return islice(self._events, start, None)

    def back_to(self, version: int) -> Iterator[Event]:
        """Events after `version`, newest first: undone one by one they lead to the state at `version`."""
        for event in reversed(self._events):
            if event.version <= version:
                return
            yield event


def _version(event: Event) -> int:
    return event.version
