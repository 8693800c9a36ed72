"""Writes notes as Kubernetes Events: one object per (object, reason, message), counted up when it happens again.

An Event's name is derived from what it says, so a pass that is repeated after a crash counts up instead of telling the
story twice. Events are a courtesy: a failure to write one is logged and never fails a pass, and no pass waits for one.
Events about one object are written in order; those about different objects side by side.
"""

import asyncio
import zlib

import structlog

from shipway.base.clock import Clock, rfc3339
from shipway.base.errors import Conflict, ShipwayError
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


class Recorder:
    """Records events under the name of `component` ("rollouts-controller" shows up in `kubectl describe`)."""

    def __init__(self, client: Client, clock: Clock, component: str) -> None:
        self._client = client
        self._clock = clock
        self._component = component
        self._queues: tuple[asyncio.Queue[Note], ...] = tuple(asyncio.Queue(WAITING) for _ in range(SIDE_BY_SIDE))

    def put(self, note: Note) -> None:
        """Has the note written soon, by `run`."""
        about = str(note.regarding.get("uid") or note.regarding.get("name") or "")
        try:
            self._queues[zlib.crc32(about.encode()) % SIDE_BY_SIDE].put_nowait(note)
        except asyncio.QueueFull:
            log.warning("event_dropped", reason=note.reason)

    async def run(self) -> None:
        """Writes what was put, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for queue in self._queues:
                group.create_task(self._drain(queue))

    async def _drain(self, queue: asyncio.Queue[Note]) -> None:
        while True:
            await self.record(await queue.get())

    async def record(self, note: Note) -> None:
        event = self._event(note)
        try:
            await self._client.create(EVENTS, event)
        except Conflict:
            await self._count_up(event)
        except ShipwayError as error:
            log.warning("event_not_recorded", reason=note.reason, error=error.message)

    async def _count_up(self, event: Obj) -> None:
        meta = event["metadata"]
        try:
            existing = await self._client.get(EVENTS, meta["namespace"], meta["name"])
            body = {"count": (existing.get("count") or 1) + 1, "lastTimestamp": event["lastTimestamp"]}
            await self._client.patch(EVENTS, meta["namespace"], meta["name"], body)
        except ShipwayError as error:
            log.warning("event_not_counted", reason=event["reason"], error=error.message)

    def _event(self, note: Note) -> Obj:
        about = note.regarding
        now = rfc3339(self._clock.now())
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
            "lastTimestamp": now,
            "count": 1,
        }
