"""A bounded set of killable worker processes in front of engines that may loop, leak or crash.

Helm, Kustomize and the like run here: one request at a time per process, at most `size` processes, at most `queue` callers
waiting. A process that had to be killed is replaced at the next call. `close` leaves none behind.
"""

import asyncio
from typing import Any

from msgspec import Struct

from shipway.base.clock import Clock
from shipway.base.errors import Unavailable
from shipway.workers.process import Worker


class Figures(Struct, frozen=True):
    """What a pool has done so far: calls answered or refused, processes started, processes lost, seconds spent in calls."""

    calls: int = 0
    started: int = 0
    lost: int = 0
    seconds: float = 0.0


class WorkerPool:
    """Workers of one kind. `memory_bytes` and `timeout_seconds` bound each of them (address space, wall clock)."""

    def __init__(
        self,
        kind: str,
        *,
        size: int = 2,
        memory_bytes: int = 4 << 30,
        timeout_seconds: float = 90.0,
        clock: Clock,
        queue: int = 10_000,
    ) -> None:
        self._kind = kind
        self._memory_bytes = memory_bytes
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._queue = queue
        self._slots = asyncio.Semaphore(size)
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
        self._waiting = 0
        self._closed = False
        self.figures = Figures()

    async def call(self, engine: str, payload: Any) -> Any:
        """The result of `engine` ("package.module:function") for `payload`, both JSON.

        Raises what the engine refused with, `Unavailable` (RenderTimeout, RenderFailed, RenderQueueFull, WorkersClosed) or
        `InvalidInput` (RenderOutOfMemory, RenderFailed, RenderTooLarge).
        """
        await self._take_slot()
        began = self._clock.now()
        try:
            worker = await self._take_worker()
            try:
                return await worker.ask(engine, payload, self._timeout_seconds)
            finally:
                self._give_back(worker, began)
        finally:
            self._slots.release()

    async def close(self) -> None:
        """Kill every process, busy ones too (their callers get `Unavailable`). Safe to repeat."""
        self._closed = True
        for worker in [*self._idle, *self._busy]:
            await worker.kill()
        self._idle.clear()

    async def _take_slot(self) -> None:
        if self._closed:
            raise Unavailable(f"{self._kind}: the workers are closed", reason="WorkersClosed")
        if self._waiting >= self._queue:
            raise Unavailable(
                f"{self._kind}: {self._waiting} calls wait already; try later", after=5.0, reason="RenderQueueFull"
            )
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1

    async def _take_worker(self) -> Worker:
        worker = await self._idle_worker()
        if worker is None:
            worker = await Worker.start(self._kind, self._memory_bytes)
            self._count(started=1)
        self._busy.add(worker)
        if self._closed:
            self._busy.discard(worker)
            await worker.kill()
            raise Unavailable(f"{self._kind}: the workers are closed", reason="WorkersClosed")
        return worker

    async def _idle_worker(self) -> Worker | None:
        """One that waits for work; those that ended meanwhile (the kernel may choose them) are put away."""
        while self._idle:
            worker = self._idle.pop()
            if not worker.has_ended:
                return worker
            await worker.kill()
            self._count(lost=1)
        return None

    def _give_back(self, worker: Worker, began: float) -> None:
        self._busy.discard(worker)
        if worker.is_alive:
            self._idle.append(worker)
        self._count(calls=1, lost=0 if worker.is_alive else 1, seconds=self._clock.now() - began)

    def _count(self, *, calls: int = 0, started: int = 0, lost: int = 0, seconds: float = 0.0) -> None:
        old = self.figures
        self.figures = Figures(old.calls + calls, old.started + started, old.lost + lost, old.seconds + seconds)
