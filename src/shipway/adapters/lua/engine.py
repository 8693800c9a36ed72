"""The controller's side of Lua: each run is a call of a killable worker."""

from collections.abc import Mapping
from typing import Any

from shipway.workers.pool import WorkerPool

_WORKER = "shipway.adapters.lua.sandbox:run"


class LuaEngine:
    """Runs scripts in `workers`, each for `seconds` of processor time; the pool ends what cannot be stopped from within."""

    def __init__(self, workers: WorkerPool, *, seconds: float = 1.0) -> None:
        self._workers = workers
        self._seconds = seconds

    async def run(self, script: str, obj: bytes, params: Mapping[str, str] | None = None) -> Any:
        """What `script` returns for the global `obj` (JSON), as JSON holds it; None where it returns nothing.

        `params` is the global `actionParams`, as scripts of actions know it.

        Raises `InvalidInput` (LuaFailed, LuaTookTooLong, LuaOutOfMemory) with the script's own error.
        """
        payload = {"script": script, "obj": obj.decode(), "seconds": self._seconds, "params": dict(params or {})}
        return await self._workers.call(_WORKER, payload)
