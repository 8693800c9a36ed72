"""Answers what the GitOps engine asks of scripts that users wrote: Lua health checks, in a worker of their own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from shipway.adapters.lua.engine import LuaEngine
from shipway.base.clock import Clock
from shipway.gitops.asks import HealthAsk
from shipway.workers.pool import WorkerPool

WALL_SECONDS = 10.0
"""A script has one second of processor time; what cannot be stopped from within is ended by the wall clock."""
MEMORY = 1 << 30


class Scripts:
    """`health` is the resolver of `HealthAsk`."""

    def __init__(self, engine: LuaEngine) -> None:
        self._engine = engine

    @classmethod
    @asynccontextmanager
    async def open(cls, clock: Clock) -> AsyncIterator["Scripts"]:
        """The worker starts with the first script, and ends with the block."""
        workers = WorkerPool("script", size=1, memory_bytes=MEMORY, timeout_seconds=WALL_SECONDS, clock=clock)
        try:
            yield cls(LuaEngine(workers))
        finally:
            await workers.close()

    async def health(self, ask: HealthAsk) -> Any:
        """What the script returned, None included: that is an answer too."""
        return {"returned": await self._engine.run(ask.script, ask.body)}
