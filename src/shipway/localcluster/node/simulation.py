"""A container without a process: it runs for as long as its recipe says, or until it is stopped.

It has the same shape as a process, so that nothing around it needs to know which of the two it is.
"""

import asyncio
from collections.abc import Callable

from shipway.base.clock import Clock
from shipway.localcluster.node.images import Simulated
from shipway.localcluster.node.logs import ContainerLog

_TERMINATED = 143
"""128 + SIGTERM."""


class Simulation:
    """Calls `serves` when it is ready. `already_ran` seconds count against the recipe's times, if taken up again."""

    def __init__(
        self, recipe: Simulated, identifier: str, clock: Clock, serves: Callable[[], object], *, already_ran: float = 0.0
    ) -> None:
        self.id = f"simulated://{identifier}"
        self._recipe = recipe
        self._clock = clock
        self._serves = serves
        self._already_ran = already_ran
        self._begun = clock.now()
        self._stopped = asyncio.Event()

    async def run(self) -> int:
        """The exit code; a server that is asked to stop says 0, a task that is interrupted 143."""
        served, ends = self._recipe.probed_after_seconds, self._recipe.run_seconds
        if served and await self._until(served if ends is None else min(served, ends)):
            return 0 if ends is None else _TERMINATED
        if ends is None or served <= ends:
            self._serves()
        if await self._until(ends):
            return 0 if ends is None else _TERMINATED
        return self._recipe.exit_code

    async def _until(self, seconds: float | None) -> bool:
        """Waits until so many seconds after the start (None: for ever); True when it was stopped before."""
        left = None if seconds is None else max(0.0, seconds - self._ran())
        async with asyncio.TaskGroup() as tasks:
            stopping = tasks.create_task(self._stopped.wait())
            waits = {stopping} | ({tasks.create_task(self._clock.sleep(left))} if left is not None else set())
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for task in waits:
                task.cancel()
        return self._stopped.is_set()

    def _ran(self) -> float:
        return self._already_ran + self._clock.now() - self._begun

    async def stop(self, grace_seconds: float) -> None:
        """Its preStop hook takes its time, but no more than there is."""
        if seconds := min(self._recipe.stop_seconds, grace_seconds):
            await self._clock.sleep(seconds)
        self._stopped.set()


def introduce(log: ContainerLog, image: str, recipe: Simulated) -> None:
    """The first lines of a simulated container's log, which say what it is."""
    log.say(f"{image} is simulated: this local node runs no process for it (only builtin/echo:<version> is real).")
    if recipe.run_seconds is not None:
        log.say(f"It pretends to run for {recipe.run_seconds:g}s and then exits with code {recipe.exit_code}.")
