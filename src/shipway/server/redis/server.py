"""Sockets for the Redis face: so many connections, so large a command, so much unread output, and no more."""

import asyncio
from typing import Any

import structlog

from shipway.server.listening import cannot_listen
from shipway.server.redis.session import Room, Session
from shipway.server.redis.wire import STRANGERS, Commands, Limits, ProtocolError, Push, Refusal, encoded

log = structlog.get_logger()

MOST_CONNECTIONS = 256
LIMITS = Limits(1024, 8 * 2**20)
"""Of those who are logged in."""
LOGIN_SECONDS = 10.0
UNREAD = 2**20
"""Bytes of messages that a subscriber may leave unread before it is let go."""
CHUNK = 2**16


class RedisServer:
    """Serves until stopped; `port` is known once it has started."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def start(self, host: str, port: int, flag: str) -> None:
        """Raises InvalidInput (CannotListen) for an address that is taken or not ours; `flag` is how another one is given."""
        try:
            self._server = await asyncio.start_server(self._serve, host, port, limit=CHUNK)
        except OSError as error:
            raise cannot_listen(host, port, flag, error) from error
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for writer in tuple(self._writers):
            writer.close()
        await self._server.wait_closed()

    def publish(self, channel: str, payload: str = "") -> int:
        """How many heard it."""
        return self._room.channels.publish(channel.encode(), payload.encode())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._writers) >= MOST_CONNECTIONS:
            writer.write(encoded(Refusal("ERR max number of clients reached"), 2))
            writer.close()
            return
        self._writers.add(writer)
        connection = _Connection(self._room, reader, writer)
        try:
            await connection.run()
        except (ConnectionError, TimeoutError):
            pass
        finally:
            connection.session.close()
            self._writers.discard(writer)
            writer.close()


class _Connection:
    def __init__(self, room: Room, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.session = Session(room, self._tell)
        self._reader = reader
        self._writer = writer
        self._commands = Commands(STRANGERS)

    async def run(self) -> None:
        """Until the client leaves, or has to. Raises ConnectionError, TimeoutError."""
        async with asyncio.timeout(LOGIN_SECONDS) as patience:
            self._let_in(patience)
            while not self.session.is_over and (data := await self._reader.read(CHUNK)):
                self._commands.feed(data)
                try:
                    await self._answer_all(patience)
                except ProtocolError as error:
                    log.warning("redis_protocol_error", message=str(error))
                    self._send(Refusal(f"ERR Protocol error: {error}"))
                    return

    async def _answer_all(self, patience: asyncio.Timeout) -> None:
        while not self.session.is_over and (command := self._commands.next()) is not None:
            for reply in await self.session.answer(command):
                self._send(reply)
            self._let_in(patience)
            await self._writer.drain()

    def _let_in(self, patience: asyncio.Timeout) -> None:
        """Who is known may say more, and take his time."""
        if self.session.is_known and self._commands.limits is STRANGERS:
            self._commands.limits = LIMITS
            patience.reschedule(None)

    def _tell(self, push: Push) -> None:
        if self._writer.transport.get_write_buffer_size() > UNREAD:
            self._writer.transport.abort()
            return
        self._send(push)

    def _send(self, reply: Any) -> None:
        if not self._writer.is_closing():
            self._writer.write(encoded(reply, self.session.version))
