"""Writes notes as Kubernetes Events: one object per (object, reason, message), counted up when it happens again.

An Event's name is derived from what it says, so a pass that is repeated after a crash counts up instead of telling the
story twice; what was told here before is counted up by one request, and what happens again before it is told is told as one.
Events are a courtesy: a failure to write one is logged and never fails a pass, no pass waits for one, and as long as there are
passes events wait for them a while (of the requests of a canary a quarter are its events). Events about one object are
written in order; those about different objects side by side.
"""

import asyncio
import zlib
from collections.abc import Callable, Hashable

import structlog
from msgspec import Struct

from shipway.base.clock import Clock, Instant, rfc3339
from shipway.base.errors import Conflict, NotFound, ShipwayError
from shipway.base.ids import derived_suffix
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.runtime.decision import Note

log = structlog.get_logger()

EVENTS = Resource("", "v1", "Event", "events", status_subresource=False)
LONGEST_MESSAGE = 1024
SIDE_BY_SIDE = 4
WAITING = 10_000
"""Notes that may wait to be written; what comes on top is dropped and logged."""
REMEMBERED = 4096
"""Events of which we know how often they were told; of older ones the server is asked."""
LULL, LONGEST_LULL, MANY = 0.05, 30.0, 1000
"""Seconds between looks for a lull, seconds after which an event waits for none, and how many waiting ones wait no longer."""
REST = 6
"""Times as long as an event took to write the next one waits, unless it has waited long enough."""


def never() -> bool:
    return False


class _Waiting(Struct):
    """A note in a queue; None once a later one tells of it too. `until`: when it waits no longer.

    It happened `times` times, first `at` and last `again`. `topic` is what a later note may tell of too.
    """

    note: Note | None
    topic: Hashable
    at: Instant
    again: Instant
    until: float
    times: int = 1


class Recorder:
    """Records events under the name of `component` ("rollouts-controller" shows up in `kubectl describe`)."""

    def __init__(self, client: Client, clock: Clock, component: str, is_busy: Callable[[], bool] = never) -> None:
        self._client = client
        self._clock = clock
        self._component = component
        self._is_busy = is_busy
        self._told: dict[tuple[str, str], int] = {}
        self._queues: tuple[asyncio.Queue[_Waiting], ...] = tuple(asyncio.Queue(WAITING) for _ in range(SIDE_BY_SIDE))
        self._latest: dict[Hashable, _Waiting] = {}
        """The last note that waits to tell of a topic: of a state of an object, or that the very same has happened."""

    def put(self, note: Note) -> None:
        """Has the note written soon, by `run`."""
        about = str(note.regarding.get("uid") or note.regarding.get("name") or "")
        topic = (about, note.change[0]) if note.change else (about, note.type, note.reason, note.message)
        now, until = self._clock.now(), self._clock.elapsed() + LONGEST_LULL
        earlier = self._latest.get(topic)
        if earlier is not None and earlier.note == note:
            earlier.times, earlier.again = earlier.times + 1, now
            return
        if earlier is not None and earlier.note is not None and (both := note.after(earlier.note)):
            note, earlier.note, until = both, None, earlier.until
        waiting = _Waiting(note, topic, now, now, until)
        try:
            self._queues[zlib.crc32(about.encode()) % SIDE_BY_SIDE].put_nowait(waiting)
        except asyncio.QueueFull:
            log.warning("event_dropped", reason=note.reason)
            return
        self._latest[topic] = waiting

    async def run(self) -> None:
        """Writes what was put, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for queue in self._queues:
                group.create_task(self._drain(queue))

    async def _drain(self, queue: asyncio.Queue["_Waiting"]) -> None:
        while True:
            waiting = await queue.get()
            if waiting.note is not None:
                await self._lull(queue, waiting.until)
            if self._latest.get(waiting.topic) is waiting:
                del self._latest[waiting.topic]
            if waiting.note is not None:
                begun = self._clock.elapsed()
                await self._record(waiting.note, waiting.at, waiting.again, waiting.times)
                await self._rest(self._clock.elapsed() - begun, waiting.until)

    async def _lull(self, queue: asyncio.Queue["_Waiting"], until: float) -> None:
        """Lets passes go first, for a while."""
        while self._is_busy() and queue.qsize() < MANY and self._clock.elapsed() < until:
            await self._clock.sleep(LULL)

    async def _rest(self, took: float, until: float) -> None:
        """A server that takes long to answer has more urgent things to do: it is asked the more seldom."""
        now = self._clock.elapsed()
        if now < until:
            await self._clock.sleep(min(REST * took, until - now))

    async def record(self, note: Note) -> None:
        """Writes the note: it happened just now."""
        await self._record(note, self._clock.now(), self._clock.now(), 1)

    async def _record(self, note: Note, first: Instant, last: Instant, times: int) -> None:
        event: Obj = {**self._event(note, first), "lastTimestamp": rfc3339(last), "count": times}
        place = (event["metadata"]["namespace"], event["metadata"]["name"])
        try:
            count = await self._written(event, self._told.pop(place, 0))
        except ShipwayError as error:
            log.warning("event_not_recorded", reason=note.reason, error=error.message)
            return
        self._told[place] = count
        if len(self._told) > REMEMBERED:
            del self._told[next(iter(self._told))]

    async def _written(self, event: Obj, told: int) -> int:
        """Writes it, `told` times told before as far as we know; how often it has been told now."""
        if told:
            try:
                return await self._count_up(event, told)
            except NotFound:
                pass  # events go after a while
        try:
            await self._client.create(EVENTS, event)
            return event["count"]
        except Conflict:
            meta = event["metadata"]
            existing = await self._client.get(EVENTS, meta["namespace"], meta["name"])
            return await self._count_up(event, existing.get("count") or 1)

    async def _count_up(self, event: Obj, told: int) -> int:
        meta, count = event["metadata"], told + event["count"]
        body = {"count": count, "lastTimestamp": event["lastTimestamp"]}
        await self._client.patch(EVENTS, meta["namespace"], meta["name"], body)
        return count

    def _event(self, note: Note, at: Instant) -> Obj:
        about = note.regarding
        now = rfc3339(at)
        message = note.message[:LONGEST_MESSAGE]
        namespace = about.get("namespace") or "default"
        suffix = derived_suffix(about.get("uid", ""), self._component, note.type, note.reason, message, length=16)
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"namespace": namespace, "name": f"{about.get('name', '')}.{suffix}"},
            "involvedObject": dict(about),
            "reason": note.reason,
            "message": message,
            "type": note.type,
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "firstTimestamp": now,
        }
