"""Time enters here and nowhere else.

An `Instant` is seconds since the Unix epoch. Whoever needs "now" is given it as an argument; whoever must wait is given a
`Clock`. The simulation runs the same code on an event loop whose time is virtual, so `LoopClock` follows the loop and
`SystemClock` the machine.

Wall clocks jump. `now` never goes back: after a jump backwards it runs on at its old pace until the wall has caught up, so
that a pause of five minutes does not last an hour longer. What is measured and not written down (leases, backoffs, how
long something took) uses `elapsed`, which no jump touches in either direction.
"""

import asyncio
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import NewType, Protocol

Instant = NewType("Instant", float)

_RFC3339 = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})")


class Clock(Protocol):
    """The only door to time."""

    def now(self) -> Instant: ...

    def elapsed(self) -> float:
        """Seconds since some moment in the past, at an even pace."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's clocks; `wall` and `steady` are others in a simulation of jumps."""

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._steady = steady
        self._ahead = wall() - steady()

    def now(self) -> Instant:
        steady = self._steady()
        self._ahead = max(self._ahead, self._wall() - steady)
        return Instant(steady + self._ahead)

    def elapsed(self) -> float:
        return self._steady()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


class LoopClock:
    """Follows the running event loop from `epoch` on: on a virtual-time loop, hours pass in milliseconds."""

    def __init__(self, loop: asyncio.AbstractEventLoop, epoch: Instant) -> None:
        self._loop = loop
        self._epoch = epoch
        self._start = loop.time()

    def now(self) -> Instant:
        return Instant(self._epoch + self._loop.time() - self._start)

    def elapsed(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


def rfc3339(instant: float) -> str:
    """`2026-11-21T08:30:00Z`: whole seconds, as `metav1.Time` is written."""
    return _rfc3339(int(instant))


@lru_cache(maxsize=64)
def _rfc3339(seconds: int) -> str:
    """Mostly one of the last few seconds is asked for, again and again."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc3339_micro(instant: float) -> str:
    """`2026-11-21T08:30:00.123456Z`, as `metav1.MicroTime` is written (Leases, Events)."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_rfc3339(text: str) -> Instant:
    """Seconds since the epoch of an RFC 3339 time. Raises ValueError on anything else (a time without zone, a bare date)."""
    if not _RFC3339.fullmatch(text):
        raise ValueError(f'"{text}" is not an RFC 3339 time: write it like "2026-11-21T08:30:00Z"')
    return Instant(datetime.fromisoformat(text).timestamp())


def read_rfc3339(text: str | None) -> Instant | None:
    """The same of a time that somebody else wrote; None where there is none, or none that can be read."""
    try:
        return parse_rfc3339(text) if text else None
    except ValueError:
        return None
