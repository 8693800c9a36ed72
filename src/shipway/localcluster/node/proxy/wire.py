"""One TCP connection of the proxy, either side: bytes in with back-pressure, bytes out with back-pressure.

asyncio's streams hide what a proxy must know of a pooled connection: whether it has ended, and whether something has come
that nobody asked for. This is the same idea with both visible, and one copy less.
"""

import asyncio
from collections.abc import Callable

from shipway.localcluster.node.proxy.http1 import BadMessage

HEAD_LIMIT = 64 * 1024
_HIGH_WATER = 256 * 1024
_END = b"\r\n\r\n"


class Closed(Exception):
    """The other side went away. `is_clean`: nothing of the next message had come."""

    def __init__(self, *, is_clean: bool) -> None:
        super().__init__("connection closed")
        self.is_clean = is_clean


class Wire(asyncio.Protocol):
    """`on_made` is called once with the connected wire."""

    def __init__(self, on_made: Callable[["Wire"], None] | None = None) -> None:
        self._on_made = on_made
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._is_over = False
        self._is_read_paused = False
        self._reading: asyncio.Future[None] | None = None
        self._writing: asyncio.Future[None] | None = None
        self._is_write_paused = False
        self.uses = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._on_made:
            self._on_made(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > _HIGH_WATER and self._transport and not self._is_read_paused:
            self._transport.pause_reading()
            self._is_read_paused = True
        _wake(self._reading)

    def eof_received(self) -> bool:
        self._is_over = True
        _wake(self._reading)
        return True  # the other side may still want our answer

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_over = True
        self._is_write_paused = False
        _wake(self._reading)
        _wake(self._writing)

    def pause_writing(self) -> None:
        self._is_write_paused = True

    def resume_writing(self) -> None:
        self._is_write_paused = False
        _wake(self._writing)

    @property
    def is_usable(self) -> bool:
        """Open, and nothing unasked-for has come: good for another request."""
        return not self._is_over and not self._buffer and self._transport is not None and not self._transport.is_closing()

    @property
    def has_bytes(self) -> bool:
        """Whether something can be read without waiting."""
        return bool(self._buffer)

    async def head(self) -> bytes:
        """The next message head without its empty line. Raises Closed, BadMessage when it is longer than `HEAD_LIMIT`."""
        seen = 0
        while (end := self._buffer.find(_END, max(0, seen - 3))) < 0:
            seen = len(self._buffer)
            if seen > HEAD_LIMIT:
                raise BadMessage("the message head is too long")
            await self._more()
        if end > HEAD_LIMIT:
            raise BadMessage("the message head is too long")
        return self._take(end + 4)[:-4]

    async def line(self) -> bytes:
        """One line with its line break. Raises Closed, BadMessage."""
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > HEAD_LIMIT:
                raise BadMessage("a line is too long")
            await self._more()
        return self._take(end + 2)

    async def some(self, limit: int) -> bytes:
        """At least one byte and at most `limit`. Raises Closed."""
        if not self._buffer:
            await self._more()
        return self._take(min(limit, len(self._buffer)))

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        if self._is_read_paused and len(self._buffer) <= _HIGH_WATER // 2 and self._transport:
            self._transport.resume_reading()
            self._is_read_paused = False
        return taken

    async def _more(self) -> None:
        if self._is_over:
            raise Closed(is_clean=not self._buffer)
        self._reading = asyncio.get_running_loop().create_future()
        try:
            await self._reading
        finally:
            self._reading = None

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    async def drain(self) -> None:
        """Waits while the other side reads slower than we write."""
        while self._is_write_paused:
            self._writing = asyncio.get_running_loop().create_future()
            await self._writing

    def write_eof(self) -> None:
        """Says that nothing more comes, and goes on reading."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write_eof()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Drop the connection so that the other side cannot take what it has got for a whole message."""
        if self._transport is not None:
            self._transport.abort()


def _wake(waiter: "asyncio.Future[None] | None") -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
