"""The built-in image: what it answers, how exactly it fails, and that it drains."""

import asyncio
import sys

import pytest

from shipway.localcluster.node.echo import Behaviour, Connection, Server, is_failing
from tests.waiting import eventually


@pytest.mark.parametrize("per_ten", range(11))
def test_exactly_so_many_of_every_ten_fail(per_ten):
    failing = [is_failing(n, per_ten) for n in range(200)]
    assert all(sum(failing[start : start + 10]) == per_ten for start in range(190))


async def serve(behaviour: Behaviour):
    server = Server(behaviour)
    listener = await asyncio.get_running_loop().create_server(lambda: Connection(server), "127.0.0.1", 0)
    return server, listener, listener.sockets[0].getsockname()[1]


async def read_answer(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
    body = await reader.readexactly(int(headers["content-length"]))
    return int(head.split()[1]), headers, body


@pytest.mark.parametrize(
    ("request_bytes", "status", "body"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 200, b'{"version": "v2", "pod": "web-1"}\n'),
        (b"GET /any/path?x=1 HTTP/1.1\r\nHost: x\r\n\r\n", 200, b'{"version": "v2", "pod": "web-1"}\n'),
        (b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n", 200, b"v2\n"),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 200, b"ok\n"),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 200, b'{"version": "v2", "pod": "web-1"}\n'),
        (
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            200,
            b'{"version": "v2", "pod": "web-1"}\n',
        ),
        (b"nonsense\r\n\r\n", 400, b""),
        (b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n", 400, b""),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", 400, b""),
    ],
)
async def test_answers(request_bytes, status, body):
    _, listener, port = await serve(Behaviour(version="v2", pod="web-1"))
    async with listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for part in (request_bytes[:7], request_bytes[7:]):
            writer.write(part)
            await writer.drain()
        got = await read_answer(reader)
        assert (got[0], got[2]) == (status, body)
        assert status != 200 or got[1]["x-version"] == "v2"
        writer.close()


async def test_many_requests_on_one_connection_and_three_of_ten_fail():
    _, listener, port = await serve(Behaviour(error_per_ten=3))
    async with listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n" * 20)
        statuses = [(await read_answer(reader))[0] for _ in range(20)]
        assert statuses.count(500) == 6
        writer.close()


async def test_drain_finishes_what_is_open_and_turns_health_off():
    server, listener, port = await serve(Behaviour(latency_seconds=0.2, drain_seconds=0.05))
    async with listener, asyncio.TaskGroup() as tasks:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        idle_reader, idle_writer = await asyncio.open_connection("127.0.0.1", port)
        idle_writer.write(b"GET /healthz HTTP/1.1\r\n\r\n")
        assert (await read_answer(idle_reader))[0] == 200
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await eventually(lambda: any(c._open for c in server.connections))
        draining = tasks.create_task(server.drain())
        idle_writer.write(b"GET /healthz HTTP/1.1\r\n\r\n")
        status, headers, _ = await read_answer(idle_reader)
        assert (status, headers["connection"]) == (503, "close")
        status, headers, _ = await read_answer(reader)
        assert (status, headers["connection"]) == (200, "close")
        await asyncio.wait_for(draining, 30)
        writer.close()
        idle_writer.close()


async def test_the_program_refuses_an_impossible_share():
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "shipway.localcluster.node.echo", "--error-per-ten=11", stderr=asyncio.subprocess.PIPE
    )
    _, stderr = await process.communicate()
    assert process.returncode == 2
    assert b"from 0 to 10" in stderr
