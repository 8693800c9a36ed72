"""The controller's side of jq: each evaluation is a call of a killable worker."""

from collections.abc import Sequence

from shipway.workers.pool import WorkerPool

_WORKER = "shipway.adapters.jq.worker:paths"


class JqEngine:
    """Evaluates path expressions in `workers`, whose time limit is the only one there is."""

    def __init__(self, workers: WorkerPool) -> None:
        self._workers = workers

    async def paths(self, expressions: Sequence[str], obj: bytes) -> list[list[str | int]]:
        """See `worker.paths`. `obj` is JSON."""
        return await self._workers.call(_WORKER, {"expressions": list(expressions), "obj": obj.decode()})
