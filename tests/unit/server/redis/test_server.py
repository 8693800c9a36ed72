"""The sockets: a client of its own kind, and what is bounded."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from shipway.base.clock import SystemClock
from shipway.base.errors import InvalidInput
from shipway.server.redis import server as bounds
from shipway.server.redis.server import RedisServer
from shipway.server.redis.session import Room
from shipway.server.redis.wire import encoded
from tests.unit.server.redis.stage import WorkedOut


@asynccontextmanager
async def serving(password: str = "") -> AsyncIterator[RedisServer]:
    server = RedisServer(Room(SystemClock(), WorkedOut(shop=b"tree"), password))
    await server.start("127.0.0.1", 0, "--argocd-cache")
    try:
        yield server
    finally:
        await server.stop()


async def said(port: int, *commands: tuple[bytes, ...], begun: bytes = b"") -> bytes:
    """Everything that is answered until the server closes; that it does by itself, or at a QUIT where nothing is `begun`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"".join(encoded(command, 2) for command in commands) + (begun or encoded((b"QUIT",), 2)))
    answer = await reader.read()
    writer.close()
    return answer


async def test_commands_may_come_together() -> None:
    async with serving() as server:
        answer = await said(server.port, (b"SET", b"a", b"1"), (b"GET", b"a"), (b"GET", b"app|shop"))
    assert answer == b"+OK\r\n$1\r\n1\r\n$4\r\ntree\r\n+OK\r\n"


async def test_after_a_protocol_error_nothing_is_believed() -> None:
    async with serving() as server:
        answer = await said(server.port, (b"PING",), begun=b"*3\r\n$%d\r\n" % (bounds.LIMITS.bulk + 1))
        assert answer == b"+PONG\r\n-ERR Protocol error: too large\r\n"
        assert await said(server.port, (b"PING",)) == b"+PONG\r\n+OK\r\n"


async def test_strangers_are_held_short() -> None:
    async with serving("secret") as server:
        answer = await said(server.port, begun=b"*2\r\n$4\r\nAUTH\r\n$5000\r\n")
        assert answer == b"-ERR Protocol error: too large\r\n"
        answer = await said(server.port, (b"AUTH", b"secret"), (b"SET", b"a", b"x" * 5000))
        assert answer == b"+OK\r\n+OK\r\n+OK\r\n"


async def test_so_many_connections_and_no_more() -> None:
    async with serving() as server:
        held = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(bounds.MOST_CONNECTIONS)]
        for reader, writer in held:
            writer.write(encoded((b"PING",), 2))
            await reader.readline()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        assert await reader.read() == b"-ERR max number of clients reached\r\n"
        for _, one in (*held, (reader, writer)):
            one.close()


async def test_a_message_reaches_who_listens() -> None:
    async with serving() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(encoded((b"HELLO", b"3"), 2) + encoded((b"SUBSCRIBE", b"app|shop"), 2))
        await reader.readuntil(b"subscribe\r\n$8\r\napp|shop\r\n:1\r\n")
        assert server.publish("app|shop") == 1
        message = b">3\r\n$7\r\nmessage\r\n$8\r\napp|shop\r\n$0\r\n\r\n"
        assert await reader.readexactly(len(message)) == message
        writer.close()


async def test_an_address_that_is_taken() -> None:
    async with serving() as server:
        other = RedisServer(Room(SystemClock(), WorkedOut()))
        with pytest.raises(InvalidInput, match="give another --argocd-cache"):
            await other.start("127.0.0.1", server.port, "--argocd-cache")
