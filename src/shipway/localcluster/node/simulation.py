"""A container without a process: it runs for as long as its recipe says, or until it is stopped.

It has the same shape as a process, so that nothing around it needs to know which of the two it is.
"""

import asyncio

from shipway.base.clock import Clock
from shipway.localcluster.node.images import Simulated
from shipway.localcluster.node.logs import ContainerLog

_TERMINATED = 143
"""128 + SIGTERM."""


class Simulation:
    """`already_ran` seconds count against the recipe's run time, for one that is taken up again."""

    def __init__(self, recipe: Simulated, identifier: str, clock: Clock, *, already_ran: float = 0.0) -> None:
        self.id = f"simulated://{identifier}"
        self._recipe = recipe
        self._clock = clock
        self._already_ran = already_ran
        self._stopped = asyncio.Event()

    async def run(self) -> int:
        """The exit code; a server that is asked to stop says 0, a task that is interrupted 143."""
        if self._recipe.run_seconds is None:
            await self._stopped.wait()
            return 0
        async with asyncio.TaskGroup() as tasks:
            sleeping = tasks.create_task(self._clock.sleep(self._recipe.run_seconds - self._already_ran))
            stopping = tasks.create_task(self._stopped.wait())
            await asyncio.wait({sleeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
            sleeping.cancel()
            stopping.cancel()
        return _TERMINATED if self._stopped.is_set() else self._recipe.exit_code

    async def stop(self, grace_seconds: float) -> None:
        self._stopped.set()


def introduce(log: ContainerLog, image: str, recipe: Simulated) -> None:
    """The first lines of a simulated container's log, which say what it is."""
    log.say(f"{image} is simulated: this local node runs no process for it (only builtin/echo:<version> is real).")
    if recipe.run_seconds is not None:
        log.say(f"It pretends to run for {recipe.run_seconds:g}s and then exits with code {recipe.exit_code}.")
