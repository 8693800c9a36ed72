"""Answers put together from pieces cut at any byte, requests as they go over the wire, and connections that end too early."""

import asyncio
import gzip
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest

from shipway.base.errors import InvalidInput, Unavailable
from shipway.kube.client.http1 import Answer, BrokenAnswer, request_bytes
from shipway.kube.client.kubeconfig import ClusterConfig
from shipway.kube.client.transport import HttpTransport
from shipway.kube.objects.wire import Request

OK = b"HTTP/1.1 200 OK\r\n"
HELLO = OK + b"Content-Length: 5\r\nX-One: a: b \r\n\r\nhello"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
PACKED = gzip.compress(b"hello" * 1000, mtime=0)


@pytest.mark.parametrize(
    ("wire", "status", "body", "keeps_alive"),
    [
        (HELLO, 200, b"hello", True),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + HELLO, 200, b"hello", True),
        (CHUNKED + b"3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", 200, b"hello", True),
        (CHUNKED + b"A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n", 200, b"0123456789", True),
        (CHUNKED + b"1\r\na\r\n" * 2000 + b"0\r\n\r\n", 200, b"a" * 2000, True),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 404, b"", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
        (OK + b"Connection: close\r\nContent-Length: 1\r\n\r\nx", 200, b"x", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, b"x", False),
        (HELLO + b"!", 200, b"hello", False),
        (OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(PACKED), PACKED), 200, b"hello" * 1000, True),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 7, 1 << 20])
def test_an_answer_is_the_same_however_it_is_cut(wire: bytes, status: int, body: bytes, keeps_alive: bool, size: int) -> None:
    answer = Answer("GET")
    for at in range(0, len(wire), size):
        answer.feed(wire[at : at + size])
    assert (answer.is_done, answer.status, answer.body(), answer.keeps_alive) == (True, status, body, keeps_alive)


def test_headers_are_in_lower_case_and_what_has_no_length_ends_with_the_connection() -> None:
    answer = Answer("GET")
    answer.feed(OK + b"X-One: a: b \r\n\r\nhel")
    answer.feed(b"lo")
    assert not answer.is_done
    answer.end()
    assert (answer.is_done, answer.headers, answer.body(), answer.keeps_alive) == (True, {"x-one": "a: b"}, b"hello", False)


def test_the_answer_to_a_head_has_no_body() -> None:
    answer = Answer("HEAD")
    answer.feed(OK + b"Content-Length: 5\r\n\r\n")
    assert (answer.is_done, answer.body()) == (True, b"")


@pytest.mark.parametrize(
    ("wire", "said"),
    [
        (b"", "hung up"),
        (HELLO[:-1], "in the middle"),
        (CHUNKED + b"5\r\nhello\r\n", "in the middle"),
        (CHUNKED + b"-5\r\nhello", "no length"),
        (CHUNKED + b"0x5\r\nhello", "no length"),
        (CHUNKED + b"4\r\nhello\r\n", "longer than it said"),
        (b"SSH-2.0-OpenSSH_9\r\n\r\n", "not HTTP"),
        (b"x" * (300 << 10), "no end"),
        (OK + b"Content-Length: many\r\n\r\n", "length 'many'"),
        (OK + b"Content-Length: 999999999\r\n\r\n" + b"x" * 1000, "in the middle"),
        (OK + b"Content-Encoding: br\r\nContent-Length: 1\r\n\r\nx", "not asked for"),
        (OK + b"Content-Encoding: gzip\r\nContent-Length: 10\r\n\r\n0123456789", "broken"),
        (OK + b"Content-Encoding: gzip\r\nContent-Length: 20\r\n\r\n" + PACKED[:20], "no end"),
    ],
)
def test_a_broken_answer_says_what_is_wrong(wire: bytes, said: str) -> None:
    answer = Answer("GET")
    with pytest.raises(BrokenAnswer, match=said):
        if wire:
            answer.feed(wire)
        answer.end()
        answer.body()


def test_a_request_as_it_goes_over_the_wire() -> None:
    assert request_bytes("PATCH", "/a?b=c", [("host", "h:1")], b"{}") == (
        b"PATCH /a?b=c HTTP/1.1\r\nhost: h:1\r\ncontent-length: 2\r\n\r\n{}"
    )
    assert request_bytes("GET", "/", [("host", "h")], b"") == b"GET / HTTP/1.1\r\nhost: h\r\n\r\n"
    for target, value in (("/a\r\nx: y", "h"), ("/", "h\r\nx: y"), ("/", "h\nx: y"), ("/", "h\0")):
        with pytest.raises(InvalidInput, match="line break"):
            request_bytes("GET", target, [("host", value)], b"")


@asynccontextmanager
async def answering(answer: Callable[[int, int], bytes]) -> AsyncGenerator[tuple[HttpTransport, list[tuple[int, str]]], None]:
    """A server that says `answer(connection, request)`, and hangs up where that is nothing; and what it was asked."""
    asked: list[tuple[int, str]] = []
    connections = [0]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections[0] += 1
        mine, requests = connections[0], 0
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                requests += 1
                asked.append((mine, head.split(b" ")[0].decode()))
                said = answer(mine, requests)
                if not said:
                    return
                writer.write(said)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    transport = HttpTransport(
        ClusterConfig(server=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"), answer_seconds=2.0
    )
    async with server:
        yield transport, asked
        await transport.close()


async def test_one_connection_carries_one_request_after_the_other() -> None:
    async with answering(lambda _, __: HELLO) as (transport, asked):
        for _ in range(3):
            assert (await transport.send(Request("GET", "/"))).body == b"hello"
    assert asked == [(1, "GET")] * 3


@pytest.mark.parametrize(("method", "asked_again"), [("GET", True), ("PUT", True), ("PATCH", False), ("POST", False)])
async def test_what_may_have_been_done_is_not_asked_twice(method: str, asked_again: bool) -> None:
    async with answering(lambda connection, request: HELLO if (connection, request) != (1, 2) else b"") as (transport, asked):
        await transport.send(Request(method, "/"))
        if asked_again:
            assert (await transport.send(Request(method, "/"))).body == b"hello"
        else:
            with pytest.raises(Unavailable, match="hung up"):
                await transport.send(Request(method, "/"))
    assert asked == [(1, method), (1, method), *([(2, method)] if asked_again else [])]


async def test_a_connection_with_half_an_answer_is_not_used_again() -> None:
    async with answering(lambda connection, _: HELLO if connection > 1 else HELLO[:-1]) as (transport, asked):
        with pytest.raises(Unavailable, match="does not answer"):
            await transport.send(Request("GET", "/"))  # the rest never comes
        assert (await transport.send(Request("GET", "/"))).body == b"hello"
    assert asked == [(1, "GET"), (2, "GET")]
