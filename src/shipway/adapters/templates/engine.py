"""The controller's side of templates: killable workers, and a memory of what was rendered before.

Of the entries of a set mostly one has changed: the others come from the memory, which is bounded and may be lost. A worker
that dies of one entry costs that entry only: the others are tried again in halves, a few times.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import orjson

from shipway.api.templates import Filled, Template
from shipway.base.errors import InvalidInput, ShipwayError, Unavailable
from shipway.base.ids import digest
from shipway.workers.pool import WorkerPool

_WORKER = "shipway.adapters.templates.worker:render"
_FATAL = ("RenderTimeout", "RenderOutOfMemory", "RenderFailed", "RenderTooLarge")
AT_ONCE = 500
"""Entries of one call."""
MAX_LOST = 8
"""Workers that one question may cost."""
MAX_REMEMBERED = 64 << 20
"""Bytes of results."""


class TemplateEngine:
    """Fills templates in `workers`."""

    def __init__(self, workers: WorkerPool) -> None:
        self._workers = workers
        self._remembered: OrderedDict[str, Filled] = OrderedDict()
        self._bytes = 0
        self.filled = 0
        """How many entries went to a worker, for metrics and tests."""

    async def render(self, template: Template, entries: Sequence[bytes]) -> tuple[Filled, ...]:
        """One answer for each of `entries` (JSON objects of parameters), in their order.

        Raises `InvalidInput` for what is wrong with the template whatever the parameters, `Unavailable` without a worker.
        """
        form = digest(template.body, repr((template.is_go, template.options, template.has_library)), template.patch, length=32)
        keys = [digest(form, entry, length=32) for entry in entries]
        unknown = [index for index, key in enumerate(keys) if key not in self._remembered]
        made: dict[str, Filled] = {}
        for start in range(0, len(unknown), AT_ONCE):
            part = unknown[start : start + AT_ONCE]
            results = await self._try(template, [entries[index] for index in part])
            made |= {keys[index]: result for index, result in zip(part, results, strict=True)}
        answer = tuple(made.get(key) or self._recall(key) for key in keys)
        for key, result in made.items():
            self._remember(key, result)
        return answer

    async def _try(self, template: Template, entries: Sequence[bytes]) -> list[Filled]:
        waiting, results, lost = [(0, len(entries))], [Filled()] * len(entries), 0
        while waiting:
            start, end = waiting.pop()
            try:
                results[start:end] = await self._call(template, entries[start:end])
            except (InvalidInput, Unavailable) as error:
                if error.reason not in _FATAL:
                    raise
                lost += 1
                if end - start > 1 and lost < MAX_LOST:
                    middle = (start + end) // 2
                    waiting += [(middle, end), (start, middle)]
                else:
                    results[start:end] = [Filled(error=_told(error))] * (end - start)
        return results

    async def _call(self, template: Template, entries: Sequence[bytes]) -> list[Filled]:
        self.filled += len(entries)
        return filled_by(await self._workers.call(_WORKER, job_of(template, entries)))

    def _recall(self, key: str) -> Filled:
        self._remembered.move_to_end(key)
        return self._remembered[key]

    def _remember(self, key: str, result: Filled) -> None:
        self._remembered[key] = result
        self._bytes += len(result.body) + len(result.error)
        while self._bytes > MAX_REMEMBERED:
            _, old = self._remembered.popitem(last=False)
            self._bytes -= len(old.body) + len(old.error)


def job_of(template: Template, entries: Sequence[bytes]) -> dict[str, Any]:
    """What the worker is given (see `worker.render`)."""
    return {
        "template": orjson.loads(template.body),
        "go": template.is_go,
        "options": list(template.options),
        "patch": template.patch,
        "library": template.has_library,
        "entries": [orjson.loads(entry) for entry in entries],
    }


def filled_by(results: Sequence[dict[str, Any]]) -> list[Filled]:
    """What the worker gave back, entry by entry."""
    return [Filled(error=one["error"]) if "error" in one else Filled(orjson.dumps(one["ok"])) for one in results]


def _told(error: ShipwayError) -> str:
    return f"the template could not be filled: {error.message}"
