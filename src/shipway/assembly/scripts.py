"""Runs what users wrote: Lua health checks and actions, and jq paths, each language in a worker of its own."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from shipway.adapters.jq.engine import JqEngine
from shipway.adapters.lua.engine import LuaEngine
from shipway.appsets.asks import PathsAsk
from shipway.base.clock import Clock
from shipway.gitops.asks import HealthAsk, JqPathsAsk
from shipway.workers.pool import WorkerPool

WALL_SECONDS = 10.0
"""A script has one second of processor time; what cannot be stopped from within is ended by the wall clock."""
JQ_SECONDS = 5.0
"""jq knows no limit of its own. The first expression of a worker pays for its start."""
MEMORY = 1 << 30


class Scripts:
    """`health` is the resolver of `HealthAsk`, `jq_paths` that of both engines' questions about jq paths."""

    def __init__(self, engine: LuaEngine, jq: JqEngine) -> None:
        self._engine = engine
        self._jq = jq

    @classmethod
    @asynccontextmanager
    async def open(cls, clock: Clock) -> AsyncIterator["Scripts"]:
        """The workers start with the first script, and end with the block."""
        workers = WorkerPool("script", size=1, memory_bytes=MEMORY, timeout_seconds=WALL_SECONDS, clock=clock)
        jq = WorkerPool("jq", size=1, memory_bytes=MEMORY, timeout_seconds=JQ_SECONDS, clock=clock)
        try:
            yield cls(LuaEngine(workers), JqEngine(jq))
        finally:
            await workers.close()
            await jq.close()

    async def run(self, script: str, body: bytes, params: Mapping[str, str] | None = None) -> Any:
        """What a script of an action returns. Raises `InvalidInput` with the script's own error."""
        return await self._engine.run(script, body, params)

    async def jq_paths(self, ask: JqPathsAsk | PathsAsk) -> list[list[str | int]]:
        return await self._jq.paths(ask.expressions, ask.body)

    async def health(self, ask: HealthAsk) -> Any:
        """What the script returned, None included: that is an answer too."""
        return {"returned": await self._engine.run(ask.script, ask.body)}
