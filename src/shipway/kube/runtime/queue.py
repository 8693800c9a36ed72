"""The work queue: keys, not events.

A key that is added while it waits is one key; added while its pass runs, it is marked and runs again afterwards, so no
event is lost and no key ever runs twice at once. A key may also sleep until an instant (the latest call says which), or
back off after a failure: the delay doubles with every failure in a row up to a minute.
"""

import asyncio
import random
from collections.abc import Collection, Hashable
from typing import Generic, TypeVar

from shipway.base.clock import Clock, Instant

K = TypeVar("K", bound=Hashable)

FIRST_BACKOFF = 0.25
LONGEST_BACKOFF = 60.0


class WorkQueue(Generic[K]):
    """Ready keys in order of arrival; with an `rng` (simulations) in a seeded random order."""

    def __init__(self, clock: Clock, rng: random.Random | None = None) -> None:
        self._clock = clock
        self._rng = rng
        self._ready: dict[K, None] = {}
        self._running: set[K] = set()
        self._marked: set[K] = set()
        self._failures: dict[K, int] = {}
        self._timers: dict[K, tuple[Instant, asyncio.TimerHandle]] = {}
        self._soon: dict[K, asyncio.TimerHandle] = {}
        self._tokens = asyncio.Semaphore(0)  # one for each ready key, so that a key wakes one worker and not all

    def __len__(self) -> int:
        return len(self._ready)

    @property
    def is_idle(self) -> bool:
        """Nothing ready, nothing running; sleepers do not count."""
        return not self._ready and not self._running

    @property
    def running(self) -> Collection[K]:
        """Keys whose pass is under way."""
        return self._running

    @property
    def next_wake(self) -> Instant | None:
        """When the first sleeping key is due."""
        return min((when for when, _ in self._timers.values()), default=None)

    def add(self, key: K) -> None:
        if key in self._running:
            self._marked.add(key)
            return
        if key not in self._ready:
            self._ready[key] = None
            self._tokens.release()

    def add_within(self, key: K, seconds: float) -> None:
        """Adds `key` in `seconds`, once for all calls until then; whatever wakes it before does not count."""
        if seconds <= 0:
            self.add(key)
        elif key not in self._soon:
            self._soon[key] = asyncio.get_running_loop().call_later(seconds, self._due, key)

    def add_at(self, key: K, when: Instant | None) -> None:
        """Wakes `key` at `when` at the latest; replaces the key's earlier wake. None: only events wake it."""
        previous = self._timers.pop(key, None)
        if previous:
            previous[1].cancel()
        if when is None:
            return
        delay = max(0.0, when - self._clock.now())
        handle = asyncio.get_running_loop().call_later(delay, self._wake, key)
        self._timers[key] = (when, handle)

    def back_off(self, key: K, at_least: float = 0.0) -> float:
        """Puts `key` to sleep after a failure and returns for how many seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay = max(at_least, min(LONGEST_BACKOFF, FIRST_BACKOFF * 2 ** min(failures, 10)))
        self.add_at(key, Instant(self._clock.now() + delay))
        return delay

    def forget_failures(self, key: K) -> None:
        self._failures.pop(key, None)

    async def get(self) -> K:
        """The next key, which counts as running until `done`."""
        await self._tokens.acquire()
        key = self._rng.choice(list(self._ready)) if self._rng else next(iter(self._ready))
        del self._ready[key]
        self._running.add(key)
        return key

    def done(self, key: K) -> None:
        self._running.discard(key)
        if key in self._marked:
            self._marked.discard(key)
            self.add(key)

    def _due(self, key: K) -> None:
        self._soon.pop(key, None)
        self.add(key)

    def _wake(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)
