"""How fast we may ask one API server: a bucket of tokens, and a bound on answers that are under way at once.

A server on this machine is not paced. Elsewhere the defaults leave room for every other client of a busy cluster; the server
defends itself with 429 beyond that, and what it says in Retry-After is done.
"""

import asyncio
from contextlib import suppress
from ipaddress import ip_address

from msgspec import Struct

from shipway.base.clock import Clock

LONGEST_RETRY = 10.0
"""A server that wants us back later than this many seconds gets its answer handed to the caller, who can plan for it."""
RETRIES = 3


class Limits(Struct, frozen=True):
    """`qps` requests a second in the long run (0: no limit), `burst` of them at once; `at_once` answers under way."""

    qps: float = 100.0
    burst: int = 200
    at_once: int = 64


UNLIMITED = Limits(qps=0.0, at_once=1024)


def is_near(host: str) -> bool:
    """Whether a server's host is this machine."""
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


def limits_of(host: str) -> Limits:
    """How fast a server may be asked of which nobody said anything."""
    return UNLIMITED if is_near(host) else Limits()


class Pace:
    """Lets requests through in the order they came."""

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._free_at = float("-inf")
        self.places = asyncio.Semaphore(limits.at_once)
        """Entered by whoever has an answer under way."""

    async def turn(self) -> None:
        """Returns when the next request may go. Tokens are spent in advance, so waiters need no queue."""
        if self._limits.qps <= 0:
            return
        now = self._clock.elapsed()
        spacing = 1.0 / self._limits.qps
        earliest = now - (max(1, self._limits.burst) - 1) * spacing
        mine = max(self._free_at, earliest)
        self._free_at = mine + spacing
        if mine > now:
            await self._clock.sleep(mine - now)
