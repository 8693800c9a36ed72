"""The program behind the image `builtin/echo:<version>`: a small HTTP server that says who it is.

    /          {"version", "pod"} and the header X-Version (every other path the same)
    /healthz   200 while serving, 503 from SIGTERM on, so that readiness turns false before anything is refused
    /version   the version as text

It can be told to misbehave: of every ten requests `ERROR_PER_TEN` are answered with 500 (by a counter, evenly spread, so
that a share is a fact and not a chance), and each is answered `LATENCY_MS` late.

Drain: after SIGTERM it says `Connection: close`, goes on serving for at least `DRAIN_MS` and until nobody has asked for
that long, finishes what is open, and exits 0. When its stdin ends, the node that started it is gone: it goes on for
`SHIPWAY_ORPHAN_SECONDS`, in which the next node may open its stdin again, and then ends too. It imports next to nothing, so
that it serves within a blink.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from shipway.base.clock import SystemClock

HEAD_LIMIT = 32 * 1024
_LOOKS_EVERY_SECONDS = 0.1
_REASONS = {200: "OK", 400: "Bad Request", 413: "Content Too Large", 500: "Internal Server Error", 503: "Service Unavailable"}


@dataclass(frozen=True)
class Behaviour:
    """What the server says and how badly it behaves."""

    version: str = "v1"
    pod: str = ""
    error_per_ten: int = 0
    latency_seconds: float = 0.0
    drain_seconds: float = 1.0


def is_failing(count: int, per_ten: int) -> bool:
    """Whether the request number `count` (from 0) fails: exactly `per_ten` of every ten, evenly spread."""
    return (count + 1) * per_ten // 10 > count * per_ten // 10


class Server:
    """Counts requests and open answers; shared by all connections of the process."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.is_draining = False
        self.connections: set[Connection] = set()
        self.last_request = 0.0
        self._count = 0
        self._body = json.dumps({"version": behaviour.version, "pod": behaviour.pod}).encode() + b"\n"

    def answer(self, method: bytes, target: bytes, *, close: bool) -> bytes:
        path = target.split(b"?", 1)[0]
        if path == b"/healthz":
            return self._response(
                503 if self.is_draining else 200, b"draining\n" if self.is_draining else b"ok\n", method, close
            )
        if path == b"/version":
            return self._response(200, self.behaviour.version.encode() + b"\n", method, close)
        self.last_request = asyncio.get_running_loop().time()
        failing = is_failing(self._count, self.behaviour.error_per_ten)
        self._count += 1
        if failing:
            return self._response(500, b'{"error": "injected failure"}\n', method, close)
        return self._response(200, self._body, method, close)

    def _response(self, status: int, body: bytes, method: bytes, close: bool) -> bytes:
        head = (
            f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\nX-Version: {self.behaviour.version}\r\n"
            f"Content-Length: {len(body)}\r\n{'Connection: close' if close else 'Connection: keep-alive'}\r\n\r\n"
        )
        return head.encode() + (b"" if method == b"HEAD" else body)

    async def drain(self) -> None:
        """Serve on until it has been quiet for `drain_seconds`, then let every connection finish what it has begun."""
        self.is_draining = True
        loop = asyncio.get_running_loop()
        quiet, begun = self.behaviour.drain_seconds, loop.time()
        while (left := max(begun, self.last_request) + quiet - loop.time()) > 0:
            await SystemClock().sleep(left)
        for connection in tuple(self.connections):
            connection.finish()
        while self.connections:
            await SystemClock().sleep(0.01)


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection: requests are answered in order, bodies are read over."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._skip = 0
        self._is_chunked = False
        self._open = 0
        self._timer: asyncio.TimerHandle | None = None
        self._is_closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        if self._timer:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._advance()

    def finish(self) -> None:
        """Close as soon as nothing is open."""
        self._is_closing = True
        if not self._open and self._transport:
            self._transport.close()

    def _advance(self) -> None:
        """Answer the next request once its head and its whole body are here; one at a time."""
        while not self._open and self._transport and not self._transport.is_closing():
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(self._buffer) > HEAD_LIMIT:
                    self._refuse()
                return
            method, target, is_keep_alive, length = _read_head(bytes(self._buffer[:end]))
            stop = _end_of_body(self._buffer, end + 4, length)
            if stop is None:
                return
            if stop < 0 or not target:
                self._refuse()
                return
            del self._buffer[:stop]
            self._respond(method, target, is_keep_alive)

    def _respond(self, method: bytes, target: bytes, is_keep_alive: bool) -> None:
        delay = self._server.behaviour.latency_seconds
        self._open += 1
        if delay and not target.startswith(b"/healthz"):
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(delay, self._write_answer, method, target, is_keep_alive, True)
        else:
            self._write_answer(method, target, is_keep_alive, False)

    def _write_answer(self, method: bytes, target: bytes, is_keep_alive: bool, is_late: bool) -> None:
        assert self._transport
        close = not is_keep_alive or self._server.is_draining or self._is_closing
        self._transport.write(self._server.answer(method, target, close=close))
        self._open -= 1
        if close:
            self._transport.close()
        elif is_late:
            self._advance()

    def _refuse(self) -> None:
        assert self._transport
        self._transport.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        self._transport.close()


def _read_head(head: bytes) -> tuple[bytes, bytes, bool, int]:
    """Method, target, keep-alive, and the body's length (-1: chunked). An unreadable head has no target."""
    lines = head.split(b"\r\n")
    parts = lines[0].split(b" ")
    if len(parts) != 3:
        return b"", b"", False, 0
    method, target, protocol = parts
    is_keep_alive, length = protocol != b"HTTP/1.0", 0
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        match name.lower():
            case b"content-length":
                text = value.strip()
                if not text.isdigit():
                    return b"", b"", False, 0
                length = int(text)
            case b"transfer-encoding":
                length = -1
            case b"connection":
                is_keep_alive = b"close" not in value.lower() and (is_keep_alive or b"keep-alive" in value.lower())
    return method, target, is_keep_alive, length


BODY_LIMIT = 16 * 1024 * 1024


def _end_of_body(buffer: bytearray, start: int, length: int) -> int | None:
    """Where the message ends in `buffer`; None: not all here yet; -1: malformed or larger than `BODY_LIMIT`."""
    if length >= 0:
        return -1 if length > BODY_LIMIT else start + length if len(buffer) >= start + length else None
    if len(buffer) > BODY_LIMIT:
        return -1
    while True:
        line_end = buffer.find(b"\r\n", start)
        if line_end < 0:
            return None
        try:
            size = int(bytes(buffer[start:line_end]).split(b";")[0], 16)
        except ValueError:
            return -1
        start = line_end + 2 + size + 2
        if size == 0:
            return start if len(buffer) >= start else None
        if len(buffer) < start:
            return None


def _parse(arguments: Sequence[str], environment: dict[str, str]) -> tuple[Behaviour, list[tuple[str, int]]]:
    parser = argparse.ArgumentParser(prog="echo", description="Say who answers, and misbehave on request.")
    parser.add_argument("--listen", action="append", default=[], metavar="HOST:PORT")
    parser.add_argument("--version", default=environment.get("ECHO_VERSION", "v1"))
    parser.add_argument("--error-per-ten", type=int, default=int(environment.get("ERROR_PER_TEN") or 0))
    parser.add_argument("--latency-ms", type=float, default=float(environment.get("LATENCY_MS") or 0))
    parser.add_argument("--drain-ms", type=float, default=float(environment.get("DRAIN_MS") or 1000))
    options = parser.parse_args(arguments)
    if not 0 <= options.error_per_ten <= 10:
        parser.error(f"ERROR_PER_TEN is {options.error_per_ten}: give a number from 0 to 10")
    pod = environment.get("POD_NAME") or environment.get("HOSTNAME", "")
    behaviour = Behaviour(options.version, pod, options.error_per_ten, options.latency_ms / 1e3, options.drain_ms / 1e3)
    listen = options.listen or [f"{environment.get('HOST', '127.0.0.1')}:{environment.get('PORT', '8080')}"]
    return behaviour, [(host, int(port)) for host, _, port in (address.rpartition(":") for address in listen)]


def _watch_node(orphan_seconds: float) -> None:
    """A thread, so that it works even if our loop is stuck: ends the process once it has had no node for that long."""
    pause = threading.Event()
    while True:
        if os.read(0, 1):
            continue
        os.set_blocking(0, False)
        for _ in range(max(1, int(orphan_seconds / _LOOKS_EVERY_SECONDS))):
            if _has_node():
                break
            pause.wait(_LOOKS_EVERY_SECONDS)
        else:
            os._exit(0)
        os.set_blocking(0, True)


def _has_node() -> bool:
    """A named pipe without a writer ends at once; with one there is nothing to read yet."""
    try:
        return bool(os.read(0, 1))
    except BlockingIOError:
        return True


async def _serve(behaviour: Behaviour, addresses: list[tuple[str, int]]) -> None:
    loop = asyncio.get_running_loop()
    server, stop = Server(behaviour), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, stop.set)
    listeners = [await loop.create_server(lambda: Connection(server), host, port) for host, port in addresses]
    bound = [sock.getsockname() for listener in listeners for sock in listener.sockets]
    where = ", ".join(f"http://{host}:{port}" for host, port, *_ in bound)
    print(f"echo {behaviour.version} serving on {where}", flush=True)
    await stop.wait()
    print("SIGTERM: draining", flush=True)
    await server.drain()
    for listener in listeners:
        listener.close()
    print("drained", flush=True)


def main() -> None:
    behaviour, addresses = _parse(sys.argv[1:], dict(os.environ))
    if seconds := os.environ.get("SHIPWAY_ORPHAN_SECONDS"):
        threading.Thread(target=_watch_node, args=(float(seconds),), daemon=True).start()
    code = 1
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(_serve(behaviour, addresses))
        code = 0
    finally:
        if path := os.environ.get("SHIPWAY_EXIT_FILE"):  # a node that has adopted us is not told by the kernel
            Path(path).write_text(str(code))


if __name__ == "__main__":
    main()
