"""The proxy over real sockets: bodies, headers, weights, drain, retries, and what it refuses."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from shipway.localcluster.node.addresses import AddressBook
from shipway.localcluster.node.echo import Behaviour, Connection, Server
from shipway.localcluster.node.proxy.counters import Counters
from shipway.localcluster.node.proxy.exchange import COPY_LIMIT
from shipway.localcluster.node.proxy.routing import build
from shipway.localcluster.node.proxy.server import ProxyServer
from tests.unit.localcluster.node.proxy_objects import ref, route, rule, service, slice_of
from tests.waiting import eventually

HOST = "web.example"


@asynccontextmanager
async def proxy():
    """A running proxy server and its port."""
    counters = Counters()
    async with asyncio.TaskGroup() as tasks:
        server = ProxyServer(AddressBook("ports"), counters, tasks)
        port = await server.start("127.0.0.1", 0)
        try:
            yield server, port, counters
        finally:
            await server.stop()


@asynccontextmanager
async def pod(behaviour=None):
    """An echo server; yields it and its port."""
    echo = Server(behaviour or Behaviour())
    async with await asyncio.get_running_loop().create_server(lambda: Connection(echo), "127.0.0.1", 0) as listener:
        yield echo, listener.sockets[0].getsockname()[1]
        for connection in tuple(echo.connections):
            connection.finish()


@asynccontextmanager
async def raw_pod(handle):
    """A server that does with a connection whatever `handle(reader, writer)` does."""

    async def serve(reader, writer):
        try:
            await handle(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listener:
        yield listener.sockets[0].getsockname()[1]


def routing(*routes, **ports):
    """A table in which Service `name` has one endpoint, 127.0.0.1:<port>."""
    services = [service(name) for name in ports]
    slices = [slice_of(name, "127.0.0.1", port=port) for name, port in ports.items() if port]
    return build(services, slices, routes).table


class Browser:
    """One keep-alive connection to the proxy."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def ask(self, target="/", *, method="GET", host=HOST, headers=(), body=b""):
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *headers]
        if body and not any(line.lower().startswith("transfer-encoding") for line in headers):
            lines.append(f"Content-Length: {len(body)}")
        self.writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        return await self.answer(method)

    async def answer(self, method="GET"):
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
        status = int(head.split()[1])
        return status, fields, await self._body(method, status, fields)

    async def _body(self, method, status, fields):
        if method == "HEAD" or status in (204, 304) or status < 200:
            return b""
        if fields.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(await self.reader.readline(), 16):
                body += await self.reader.readexactly(size)
                await self.reader.readline()
            await self.reader.readline()
            return body
        if "content-length" in fields:
            return await self.reader.readexactly(int(fields["content-length"]))
        return await self.reader.read()


@asynccontextmanager
async def browser(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Browser(reader, writer)
    finally:
        writer.close()


async def test_requests_reach_the_pod_and_connections_are_kept():
    async with pod(Behaviour(version="v2")) as (echo, target), proxy() as (server, port, counters):
        server.route(routing(route("r", rule(ref("web"))), web=target))
        async with browser(port) as user:
            for _ in range(20):
                status, headers, body = await user.ask()
                assert (status, headers["x-version"]) == (200, "v2")
                assert b'"version": "v2"' in body
            assert len(echo.connections) == 1
        report = counters.report("shop", "web", window_seconds=60, now=asyncio.get_running_loop().time())
        assert (report["requests"], report["failed"], report["by_version"]["v2"]["total"]) == (20, 0, 20)


async def test_weights_are_exact_over_any_200_requests():
    async with pod(Behaviour(version="v1")) as (_, one), pod(Behaviour(version="v2")) as (_, two), proxy() as (server, port, _):
        server.route(routing(route("r", rule(ref("stable", 70), ref("canary", 30))), stable=one, canary=two))
        async with browser(port) as user:
            versions = [(await user.ask())[1]["x-version"] for _ in range(400)]
        for start in range(200):
            assert abs(versions[start : start + 200].count("v2") - 60) <= 4


async def echo_body(reader, writer):
    """Answers with the request's head and body, chunked if the request was."""
    while True:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        body = b""
        if "transfer-encoding: chunked" in head:
            while size := int(await reader.readline(), 16):
                body += await reader.readexactly(size)
                await reader.readline()
            await reader.readline()
        elif "content-length: " in head:
            body = await reader.readexactly(int(head.split("content-length: ")[1].split("\r\n")[0]))
        said = head.encode() + body
        if "x-chunked" in head:
            pieces = [said[i : i + 1000] for i in range(0, len(said), 1000)]
            framed = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\nX-Trailer: 1\r\n\r\n"
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + framed)
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(said) + said)
        await writer.drain()


@pytest.mark.parametrize("chunked_answer", [False, True])
@pytest.mark.parametrize("size", [1, 70_000, 3_000_000])
async def test_bodies_stream_both_ways(size, chunked_answer):
    sent = b"x" * size
    async with raw_pod(echo_body) as target, proxy() as (server, port, _):
        server.route(routing(route("r", rule(ref("web"))), web=target))
        async with browser(port) as user:
            extra = ["X-Chunked: 1"] if chunked_answer else []
            status, _, body = await user.ask("/", method="POST", body=sent, headers=extra)
            assert (status, body.partition(b"\r\n\r\n")[2]) == (200, sent)
            if not chunked_answer:
                framed = b"%x\r\n%s\r\n0\r\n\r\n" % (size, sent)
                status, _, body = await user.ask("/", method="POST", body=framed, headers=["Transfer-Encoding: chunked"])
                assert (status, body.partition(b"\r\n\r\n")[2]) == (200, sent)


async def test_hop_by_hop_headers_stay_on_their_hop():
    async with raw_pod(echo_body) as target, proxy() as (server, port, _):
        server.route(routing(route("r", rule(ref("web"))), web=target))
        async with browser(port) as user:
            headers = ["Connection: keep-alive, X-Secret", "X-Secret: 1", "Keep-Alive: 5", "TE: trailers", "X-Public: 2"]
            _, _, body = await user.ask("/p?q=1", headers=headers)
        seen = body.decode().split("\r\n")
        assert seen[0] == "get /p?q=1 http/1.1"
        assert "x-public: 2" in seen
        assert f"host: {HOST}" in seen
        assert not [line for line in seen if line.startswith(("x-secret", "keep-alive", "te:", "connection"))]


async def test_filters_change_headers_and_path_redirect_and_mirror():
    def change(name, value):
        return {
            "type": "RequestHeaderModifier",
            "requestHeaderModifier": {"set": [{"name": name, "value": value}], "remove": ["X-Gone"]},
        }

    rewrite = {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/in"}}}
    redirect = {"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}
    mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": ref("copy")}}
    out = {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"add": [{"name": "X-Out", "value": "1"}]}}
    path = [{"path": {"type": "PathPrefix", "value": "/out"}}]
    moved = [{"path": {"type": "Exact", "value": "/moved"}}]
    async with raw_pod(echo_body) as target, pod(Behaviour(version="copy")) as (_, copy), proxy() as (server, port, counters):
        rules = [
            rule(ref("web"), matches=path, filters=[change("X-Set", "1"), rewrite, mirror, out]),
            rule(matches=moved, filters=[redirect]),
        ]
        server.route(routing(route("r", *rules), web=target, copy=copy))
        async with browser(port) as user:
            status, headers, body = await user.ask("/out/x?y=1", headers=["X-Gone: 1"])
            seen = body.decode().split("\r\n")
            assert (status, headers["x-out"], seen[0]) == (200, "1", "get /in/x?y=1 http/1.1")
            assert "x-set: 1" in seen
            assert "x-gone: 1" not in seen
            status, headers, _ = await user.ask("/moved")
            assert (status, headers["location"]) == (301, f"https://{HOST}/moved")
        now = asyncio.get_running_loop().time
        await eventually(lambda: counters.report("shop", "copy", window_seconds=60, now=now())["requests"] == 1)


def mirrored():
    """A route to web whose requests are copied to `copy`."""
    mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": ref("copy")}}
    return route("r", rule(ref("web"), filters=[mirror]))


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ((), b"x" * 100_000, b"x" * 100_000),
        (("Transfer-Encoding: chunked",), b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b"abcde"),
        ((), b"x" * (COPY_LIMIT + 1), None),
    ],
    ids=["length", "chunks", "too large to be kept"],
)
async def test_a_mirror_gets_a_copy_of_the_body(headers, body, expected):
    got = []

    async def take(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
        got.append(await Browser(reader, writer)._body("POST", 200, fields))
        writer.write(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")

    async with raw_pod(echo_body) as web, raw_pod(take) as copy, proxy() as (server, port, counters):
        server.route(routing(mirrored(), web=web, copy=copy))
        async with browser(port) as user:
            status, _, answer = await user.ask(method="POST", headers=headers, body=body)
            assert (status, answer.partition(b"\r\n\r\n")[2]) == (200, body if expected is None else expected)

        def copied():
            return counters.report("shop", "copy", window_seconds=60, now=asyncio.get_running_loop().time())["requests"]

        await eventually(lambda: copied() if expected is not None else True)
        assert got == ([expected] if expected is not None else [])


async def test_half_a_body_is_not_copied():
    copies = []

    async def hang(reader, writer):
        await reader.read()

    async def take(reader, writer):
        copies.append(await reader.readline())

    async with raw_pod(hang) as web, raw_pod(take) as copy, proxy() as (server, port, counters):
        server.route(routing(mirrored(), web=web, copy=copy))
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 10\r\n\r\nhalf".encode())
        await asyncio.sleep(0)
        writer.close()
        now = asyncio.get_running_loop().time
        await eventually(lambda: counters.report("shop", "web", window_seconds=60, now=now())["requests"])
    assert copies == []


@pytest.mark.parametrize(
    ("table", "status", "text"),
    [
        (routing(), 404, "no route for web.example/"),
        (routing(route("r", rule(ref("web"))), web=None), 503, "Service shop/web has no ready endpoint"),
        (routing(route("r", rule(ref("gone")))), 500, "Service shop/gone does not exist"),
        (routing(route("r", rule(ref("web", 0), ref("two", 0))), web=1, two=1), 500, "no backend with a weight above 0"),
        (routing(route("r", rule(ref("web"))), web=1), 503, "no endpoint can be reached"),
    ],
)
async def test_what_cannot_be_served_says_why(table, status, text):
    async with proxy() as (server, port, _), browser(port) as user:
        server.route(table)
        for _ in range(2):
            got, _, body = await user.ask()
            assert got == status
            assert text in body.decode()


async def test_a_refused_endpoint_is_not_the_users_problem():
    async with pod() as (_, target), proxy() as (server, port, _):
        slices = [slice_of("web", "127.0.0.1", port=target), slice_of("web", "127.0.0.2", port=1)]
        server.route(build([service("web")], slices, [route("r", rule(ref("web")))]).table)
        async with browser(port) as user:
            assert [(await user.ask("/", method=m))[0] for m in ("GET", "POST") * 5] == [200] * 10


async def close_when_reused(reader, writer):
    """Answers once, promises to keep the connection, and hangs up on the second request."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    await reader.readuntil(b"\r\n\r\n")


async def test_a_kept_connection_that_closes_is_replaced_for_idempotent_requests():
    async with raw_pod(close_when_reused) as target, proxy() as (server, port, _):
        server.route(routing(route("r", rule(ref("web"))), web=target))
        async with browser(port) as user:
            assert [(await user.ask())[0] for _ in range(5)] == [200] * 5
            assert (await user.ask("/", method="POST", body=b"x"))[0] == 200  # on a connection of its own


async def hang_up(reader, writer):
    await reader.readuntil(b"\r\n\r\n")


async def break_off(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    await writer.drain()


async def test_a_pod_that_hangs_up_is_a_502_and_half_an_answer_is_cut():
    async with raw_pod(hang_up) as bad, raw_pod(break_off) as half, proxy() as (server, port, counters):
        server.route(
            routing(route("r", rule(ref("bad"))), route("h", rule(ref("half")), hosts=("half.example",)), bad=bad, half=half)
        )
        async with browser(port) as user:
            assert (await user.ask())[0] == 502
        async with browser(port) as user:
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await user.ask(host="half.example")
        now = asyncio.get_running_loop().time()
        assert counters.report("shop", "half", window_seconds=60, now=now)["failed"] == 1


async def never(reader, writer):
    await reader.read()


async def test_a_rules_timeout_is_a_504():
    async with raw_pod(never) as target, proxy() as (server, port, _):
        server.route(routing(route("r", rule(ref("web"), timeouts={"request": "50ms"})), web=target))
        async with browser(port) as user:
            assert (await user.ask())[0] == 504


async def test_a_new_table_cuts_nothing():
    async with (
        pod(Behaviour("old", latency_seconds=0.2)) as (old, one),
        pod(Behaviour("new")) as (_, two),
        proxy() as (server, port, _),
    ):
        server.route(routing(route("r", rule(ref("web"))), web=one))
        async with browser(port) as first, browser(port) as second, asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(first.ask())
            await eventually(lambda: any(c._open for c in old.connections))
            server.route(routing(route("r", rule(ref("web"))), web=two))
            assert (await second.ask())[1]["x-version"] == "new"
            assert (await waiting)[1]["x-version"] == "old"
            await eventually(lambda: not old.connections)  # and is not kept for later
            assert (await first.ask())[1]["x-version"] == "new"


async def test_stopping_finishes_open_requests():
    slow = Behaviour(latency_seconds=0.2)
    async with pod(slow) as (echo, target), proxy() as (server, port, _), browser(port) as user, asyncio.TaskGroup() as tasks:
        server.route(routing(route("r", rule(ref("web"))), web=target))
        waiting = tasks.create_task(user.ask())
        await eventually(lambda: any(c._open for c in echo.connections))
        await server.stop()
        assert (await waiting)[0] == 200


async def upgrade(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n")
    writer.write((await reader.readline()).upper())
    await writer.drain()


async def test_an_upgrade_becomes_a_tunnel():
    async with raw_pod(upgrade) as target, proxy() as (server, port, _):
        server.route(routing(route("r", rule(ref("web"))), web=target))
        async with browser(port) as user:
            status, headers, _ = await user.ask("/", headers=["Connection: Upgrade", "Upgrade: chat"])
            assert (status, headers["upgrade"]) == (101, "chat")
            user.writer.write(b"hello\n")
            assert await user.reader.readline() == b"HELLO\n"


async def shout_at_the_end(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n")
    writer.write((await reader.read()).upper())
    await writer.drain()


async def test_the_end_of_one_side_of_a_tunnel_is_passed_on():
    async with raw_pod(shout_at_the_end) as target, proxy() as (server, port, _):
        server.route(routing(route("r", rule(ref("web"))), web=target))
        async with browser(port) as user:
            assert (await user.ask("/", headers=["Connection: Upgrade", "Upgrade: chat"]))[0] == 101
            user.writer.write(b"hello")
            user.writer.write_eof()
            assert await user.reader.read() == b"HELLO"


async def continue_first(reader, writer):
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"100-continue" in head
    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await reader.readexactly(5)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + body)
    await reader.read()


async def test_interim_answers_are_passed_on():
    async with raw_pod(continue_first) as target, proxy() as (server, port, _):
        server.route(routing(route("r", rule(ref("web"))), web=target))
        async with browser(port) as user:
            head = f"POST / HTTP/1.1\r\nHost: {HOST}\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
            user.writer.write(head.encode())
            assert (await user.answer())[0] == 100
            user.writer.write(b"hello")
            assert (await user.answer())[2] == b"hello"


async def test_an_old_client_gets_a_body_it_understands():
    async with raw_pod(echo_body) as target, proxy() as (server, port, _):
        server.route(routing(route("r", rule(ref("web"))), web=target))
        async with browser(port) as user:
            user.writer.write(f"GET / HTTP/1.0\r\nHost: {HOST}\r\nX-Chunked: 1\r\n\r\n".encode())
            head, _, body = (await user.reader.read()).partition(b"\r\n\r\n")
            assert b"transfer-encoding" not in head.lower()
            assert body.startswith(b"get / http/1.1\r\n")


async def answer_without_length(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")
    await writer.drain()


async def test_an_answer_that_ends_with_the_connection():
    async with raw_pod(answer_without_length) as target, proxy() as (server, port, _):
        server.route(routing(route("r", rule(ref("web"))), web=target))
        async with browser(port) as user:
            status, headers, body = await user.ask()
            assert (status, headers["connection"], body) == (200, "close", b"until the end")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-A : 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n folded: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Big: " + b"x" * 70_000 + b"\r\n\r\n",
    ],
)
async def test_what_could_be_read_in_two_ways_is_refused(request_bytes):
    async with proxy() as (_, port, _), browser(port) as user:
        user.writer.write(request_bytes)
        assert (await user.answer())[0] == 400
        assert await user.reader.read() == b""


async def test_the_proxy_speaks_for_itself_only_by_address():
    async with pod() as (_, target), proxy() as (server, port, _), browser(port) as user:
        server.route(routing(route("r", rule(ref("web"))), web=target))
        assert (await user.ask("/-/healthz", host=f"127.0.0.1:{port}"))[2] == b"ok\n"
        assert (await user.ask("/-/services/shop/web?window=5s", host="localhost"))[0] == 200
        assert b'"version"' in (await user.ask("/-/healthz"))[2]
