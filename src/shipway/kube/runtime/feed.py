"""A feed lists one part of a kind, then watches it: all of it, or what lies in one namespace. It feeds an informer's cache.

It lists once, then watches from the list's version with bookmarks. A watch that ends is taken up where it was; one whose
version is too old (410) means listing again. There is no periodic resync: a missed event cannot be repaired by repeating known
ones. A server that does not answer is asked again with growing, jittered pauses.

Versions of one kind are handed out in rising order and watched in that order. So the highest version met so far says of any
write in the part whether the cache already contains it, or its end.
"""

import random
from collections.abc import Sequence
from contextlib import aclosing
from typing import Protocol

import structlog
from msgspec import Struct

from shipway.base.clock import Clock
from shipway.base.errors import Denied, NotFound, ShipwayError, Unavailable
from shipway.kube.client.client import Client
from shipway.kube.client.errors import Expired
from shipway.kube.client.watching import WatchEvent
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import resource_version_of
from shipway.kube.runtime.cache_store import Stored

log = structlog.get_logger()

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 30.0
UNSERVED_PAUSE = 3.0
SHORT_WATCH = 1.0
"""Seconds: a watch that ends sooner did not help, so the next one waits a moment."""
WATCH_SECONDS = 300.0


class Part(Struct, frozen=True):
    """Which objects of a kind (`namespace` "": of all), and how much of each."""

    resource: Resource
    namespace: str = ""
    label_selector: str = ""
    field_selector: str = ""
    metadata_only: bool = False


class Sink(Protocol):
    """Whom a feed feeds. Must not wait."""

    def keep(self, obj: Obj) -> Stored:
        """What is kept of a listed object."""
        ...

    def listed(self, feed: "Feed", objects: Sequence[Stored]) -> None:
        """This is all there is in the feed's part."""
        ...

    def took(self, event: WatchEvent) -> None:
        """One object came, changed or went; never a bookmark."""
        ...


class Feed:
    """One part of a kind. `run` feeds `sink` until it is cancelled."""

    def __init__(self, client: Client, part: Part, sink: Sink, clock: Clock, rng: random.Random) -> None:
        self.part = part
        self.listed_at: float | None = None
        """When everything was listed last, by `Clock.elapsed`."""
        self.is_connected = False
        self.refusal = ""
        """Why we may not list it; "" as far as nobody refuses."""
        self.highest = -1
        """The latest version of the kind that was seen."""
        self._client = client
        self._sink = sink
        self._clock = clock
        self._rng = rng
        self._version = ""

    @property
    def is_listed(self) -> bool:
        return self.listed_at is not None

    def anew(self) -> "Feed":
        """A feed of the same part that lists first. Until then what is known of the connection stands."""
        feed = Feed(self._client, self.part, self._sink, self._clock, self._rng)
        feed.listed_at, feed.is_connected, feed.refusal = self.listed_at, self.is_connected, self.refusal
        return feed

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
        part = self.part
        listing = await self._client.list(
            part.resource, part.namespace, label_selector=part.label_selector, field_selector=part.field_selector,
            metadata_only=part.metadata_only, keep=self._sink.keep,
        )  # fmt: skip
        self.listed_at, self.is_connected, self.refusal = self._clock.elapsed(), True, ""
        self.highest = -1  # a restored server may count from a lower version
        self._met(listing.resource_version)
        self._sink.listed(self, listing.items)

    async def _watch(self) -> None:
        part = self.part
        stream = self._client.watch(
            part.resource, part.namespace, resource_version=self._version, label_selector=part.label_selector,
            field_selector=part.field_selector, metadata_only=part.metadata_only,
            timeout_seconds=WATCH_SECONDS * self._rng.uniform(1.0, 2.0),
        )  # fmt: skip
        async with aclosing(stream) as events:
            async for event in events:
                self._met(resource_version_of(event.obj))
                self.is_connected = True
                if event.type != "BOOKMARK":
                    self._sink.took(event)

    def _met(self, version: str) -> None:
        self._version = version or self._version
        if version.isdecimal():
            self.highest = max(self.highest, int(version))

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
        told = {"kind": self.part.resource.plural, "reason": error.reason, "message": error.message, "failures": failures}
        level("watch_interrupted", **told)
