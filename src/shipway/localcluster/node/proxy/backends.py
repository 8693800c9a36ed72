"""Connections to pods, kept open between requests.

A connection is reused only if it is still open, nothing unasked-for has come on it, and its endpoint still exists: an
endpoint that goes away gets no new request, and what is open on it is finished.
"""

import asyncio
from collections import defaultdict

from shipway.localcluster.node.proxy.wire import Wire

CONNECT_SECONDS = 2.0
IDLE_PER_ADDRESS = 64

Address = tuple[str, int]


class Backends:
    """Idle connections by (host, port)."""

    def __init__(self) -> None:
        self._idle: dict[Address, list[Wire]] = defaultdict(list)
        self._known: frozenset[Address] | None = None

    async def connect(self, address: Address, *, fresh: bool = False) -> Wire:
        """An idle connection, or (and always when `fresh`) a new one. Raises OSError, TimeoutError."""
        idle = self._idle.get(address)
        while idle and not fresh:
            wire = idle.pop()
            if wire.is_usable:
                return wire
            wire.close()
        async with asyncio.timeout(CONNECT_SECONDS):
            _, wire = await asyncio.get_running_loop().create_connection(Wire, *address)
        return wire

    def release(self, address: Address, wire: Wire) -> None:
        """Give back a connection whose last answer has been read to its end."""
        is_wanted = self._known is None or address in self._known
        if is_wanted and wire.is_usable and len(self._idle[address]) < IDLE_PER_ADDRESS:
            wire.uses += 1
            self._idle[address].append(wire)
        else:
            wire.close()

    def keep(self, addresses: frozenset[Address]) -> None:
        """Only these exist any more: idle connections to others are closed, busy ones when they come back."""
        self._known = addresses
        for address in [a for a in self._idle if a not in addresses]:
            for wire in self._idle.pop(address):
                wire.close()

    def close(self) -> None:
        self.keep(frozenset())
