"""Real traffic for real proxies: backends that stand for the pods of a version, and users that count who answered.

Both speak just enough HTTP/1.1 to be fast: twenty thousand requests through a proxy take seconds. A backend answers 503 when
no pod of its version runs, so a request that a proxy sends there too early or too late is seen.
"""

import asyncio
import re
import socket
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
VERSION = re.compile(rb"\r\nx-version: *([^\r]*)", re.IGNORECASE)
SIDE_BY_SIDE = 8


def own_address() -> str:
    """The address of this machine that an EndpointSlice may name (loopback ones are refused); nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.connect(("10.255.255.255", 9))
        return one.getsockname()[0]


class Backend(asyncio.Protocol):
    """Answers every request with its version; with 503 while `is_up` says no."""

    def __init__(self, version: str, is_up: Callable[[], bool]) -> None:
        head = f"X-Version: {version}\r\nContent-Length: 0\r\n\r\n"
        self._good = f"HTTP/1.1 200 OK\r\n{head}".encode()
        self._bad = f"HTTP/1.1 503 Service Unavailable\r\n{head}".encode()
        self._is_up = is_up
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        while b"\r\n\r\n" in self._read:
            self._read = self._read.partition(b"\r\n\r\n")[2]
            self._transport.write(self._good if self._is_up() else self._bad)


class Backends:
    """One listener per version on this machine's own address. `pods` are the names of those that run, by version."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.ports: dict[str, int] = {}
        self.pods: defaultdict[str, set[str]] = defaultdict(set)

    @asynccontextmanager
    async def serve(self, *versions: str) -> AsyncGenerator[None, None]:
        loop = asyncio.get_running_loop()
        servers: list[asyncio.Server] = []
        for version in versions:
            factory = self._factory(version)
            servers.append(await loop.create_server(factory, self.host, 0))
            self.ports[version] = servers[-1].sockets[0].getsockname()[1]
        yield
        for server in servers:
            server.close()

    def _factory(self, version: str) -> Callable[[], Backend]:
        return lambda: Backend(version, lambda: bool(self.pods[version]))


class Answer(NamedTuple):
    """Who answered (the version; "" when the proxy itself did) and with what status."""

    version: str
    status: int


class Users:
    """Keep-alive clients of one proxy. `headers` are complete lines."""

    def __init__(self, port: int, host: str = "shop.test", *headers: str) -> None:
        lines = "".join(f"{line}\r\n" for line in headers)
        self._port = port
        self._request = f"GET / HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n".encode()
        self.answers: Counter[Answer] = Counter()

    async def ask(self, times: int) -> Counter[Answer]:
        """That many requests as fast as they are answered; also counted in `answers`."""
        before = self.answers.copy()
        async with asyncio.TaskGroup() as group:
            for _ in range(SIDE_BY_SIDE):
                group.create_task(self._converse(times // SIDE_BY_SIDE))
        return self.answers - before

    async def keep_asking(self, pause: float = 0.01) -> None:
        """A request after the other until cancelled."""
        while True:
            await self._converse(50, pause)

    async def _converse(self, times: int, pause: float = 0.0) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            for _ in range(times):
                writer.write(self._request)
                head = await reader.readuntil(b"\r\n\r\n")
                if length := LENGTH.search(head):
                    await reader.readexactly(int(length[1]))
                version = VERSION.search(head)
                self.answers[Answer(version[1].decode() if version else "", int(head[9:12]))] += 1
                if pause:
                    await asyncio.sleep(pause)
        finally:
            writer.close()


def share(answers: Counter[Answer], version: str) -> float:
    """Per cent of the answers that came from a version."""
    return 100 * sum(count for answer, count in answers.items() if answer.version == version) / answers.total()


def failed(answers: Counter[Answer]) -> dict[Answer, int]:
    """What did not go well."""
    return {answer: count for answer, count in answers.items() if answer.status != 200 or not answer.version}
