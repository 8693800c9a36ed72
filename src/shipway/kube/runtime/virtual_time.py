"""An event loop whose time is virtual: it jumps to the next timer instead of waiting for it.

Hours pass in milliseconds, and the same program with the same seeds takes the same steps, because no real I/O and no
real clock takes part. Used by the simulations and by rehearsals, with the very controllers that run in production.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

LONGEST_STALL = 100_000
"""Loop turns without virtual time moving after which a simulation is taken to be spinning."""


class _JumpingSelector(selectors.SelectSelector):
    """Where a real selector would sleep, moves the loop's time on."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._turns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise RuntimeError("the simulation is stuck: nothing is ready and no timer is set")
        self._turns = 0 if timeout > 0 else self._turns + 1
        if self._turns > LONGEST_STALL:
            raise RuntimeError("the simulation spins: time does not move on")
        self.now += max(0.0, timeout)
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An asyncio loop on virtual time, starting at 0."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def run_in_virtual_time(main: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` on a fresh virtual-time loop."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
