"""Connections to one API server that carry one request after the other, and the pool of those that are free.

A connection that somebody gave up on in the middle of an answer is closed: nobody could tell whose the rest is. A free one that
the server has closed meanwhile costs a request that may be repeated one more try, and no other.
"""

import asyncio
import ssl
from typing import cast

from msgspec import Struct

from shipway.base.clock import Clock
from shipway.kube.client.http1 import Answer, BrokenAnswer

CONNECT_SECONDS = 10.0
FREE_SECONDS = 60.0
"""How long a connection waits for its next request."""
_HEAD_START = 0.25
"""Seconds that one address of a name has before the next is tried beside it."""
_REPEATABLE = ("GET", "HEAD", "PUT", "DELETE", "OPTIONS")


class Endpoint(Struct, frozen=True):
    """Where to connect. `tls` is None for plain HTTP; `name` is what the server's certificate must say."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    name: str | None = None


class Connection(asyncio.Protocol):
    """One connection. `ask` is called again only when it has returned."""

    def __init__(self) -> None:
        self.free_since = 0.0
        self._transport: asyncio.Transport | None = None
        self._answer: Answer | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    async def ask(self, request: bytes, answer: Answer) -> None:
        """Sends the bytes and returns when `answer` is done. Raises OSError, BrokenAnswer."""
        if self._transport is None:
            raise BrokenAnswer("it hung up")
        self._answer = answer
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            self._transport.write(request)
            await self._waiter
        except BaseException:
            self.abort()
            raise
        finally:
            self._answer = self._waiter = None
        if not answer.keeps_alive:
            self.abort()

    def abort(self) -> None:
        """Ends it at once: a TLS farewell would outlive whoever closes."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._answer is None:
            self.abort()  # nobody asked
            return
        try:
            self._answer.feed(data)
        except BrokenAnswer as error:
            self._settle(error)
            return
        if self._answer.is_done:
            self._settle(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._answer is None:
            return
        try:
            self._answer.end()
        except BrokenAnswer as error:
            self._settle(exc or error)
        else:
            self._settle(None)

    def _settle(self, error: Exception | None) -> None:
        if self._waiter is None or self._waiter.done():
            return
        if error is None:
            self._waiter.set_result(None)
        else:
            self._waiter.set_exception(error)


class Pool:
    """The free connections, the last one used first. Those of another endpoint than the one asked for are closed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._endpoint: Endpoint | None = None
        self._free: list[Connection] = []
        self._sweep: asyncio.TimerHandle | None = None

    async def ask(self, endpoint: Endpoint, method: str, request: bytes) -> Answer:
        """One request and its answer. Raises OSError, TimeoutError (nobody there), BrokenAnswer."""
        used = self._used(endpoint)
        if used is not None:
            answer = Answer(method)
            try:
                await used.ask(request, answer)
            except (OSError, BrokenAnswer):
                if answer.has_begun or method not in _REPEATABLE:
                    raise
            else:
                self._put_back(endpoint, used)
                return answer
        fresh, answer = await _connect(endpoint), Answer(method)
        await fresh.ask(request, answer)
        self._put_back(endpoint, fresh)
        return answer

    def close(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        while self._free:
            self._free.pop().abort()

    def _used(self, endpoint: Endpoint) -> Connection | None:
        if endpoint is not self._endpoint:
            self.close()
            self._endpoint = endpoint
        while self._free:
            connection = self._free.pop()
            if connection.is_open:
                return connection
        return None

    def _put_back(self, endpoint: Endpoint, connection: Connection) -> None:
        if endpoint is not self._endpoint:
            connection.abort()
        elif connection.is_open:
            connection.free_since = self._clock.elapsed()
            self._free.append(connection)
            if self._sweep is None:
                self._sweep = asyncio.get_running_loop().call_later(FREE_SECONDS, self._swept)

    def _swept(self) -> None:
        """Closes what has been free for long."""
        oldest = self._clock.elapsed() - FREE_SECONDS
        for connection in self._free:
            if connection.free_since <= oldest:
                connection.abort()
        self._free = [connection for connection in self._free if connection.is_open]
        self._sweep = asyncio.get_running_loop().call_later(FREE_SECONDS, self._swept) if self._free else None


async def _connect(endpoint: Endpoint) -> Connection:
    async with asyncio.timeout(CONNECT_SECONDS):
        _, connection = await asyncio.get_running_loop().create_connection(
            Connection, endpoint.host, endpoint.port, ssl=endpoint.tls, happy_eyeballs_delay=_HEAD_START,
            server_hostname=(endpoint.name or endpoint.host) if endpoint.tls else None,
        )  # fmt: skip
    return connection
