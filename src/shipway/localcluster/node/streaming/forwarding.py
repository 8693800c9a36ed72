"""`port-forward`: TCP connections to a pod inside one upgraded connection.

SPDY/3.1+portforward.k8s.io   what kubectl speaks: any number of connections, each a pair of SPDY streams (data, error)
v4.channel.k8s.io             what the Python and Java clients speak: one connection for each port, named beforehand
"""

import asyncio
import struct
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

from shipway.base.errors import InvalidInput, Unavailable
from shipway.kube.objects.wire import Duplex
from shipway.localcluster.node.streaming.channels import PIECE, on
from shipway.localcluster.node.streaming.spdy import MOST_STREAMS, Event, GoneAway, Opened, Ping, Received, Reset, SpdyServer

TUNNEL = "SPDY/3.1+portforward.k8s.io"
CHANNELS = "v4.channel.k8s.io"
CONNECT_SECONDS = 5.0
_PIECES_WAITING = 32

Locate = Callable[[int], tuple[str, int]]
"""From a pod's port to where it is reached. Raises Unavailable when nothing of the pod listens there."""
Sink = Callable[[bytes], Awaitable[None]]


class Pipe:
    """One TCP connection to a pod."""

    def __init__(self) -> None:
        self._to_pod: asyncio.Queue[bytes | None] = asyncio.Queue(_PIECES_WAITING)
        self._is_over = False

    async def put(self, piece: bytes | None) -> None:
        """Bytes for the pod, or None when no more come. Waits while the pod reads slower; dropped once it has gone."""
        if not self._is_over:
            await self._to_pod.put(piece)

    async def run(self, locate: Locate, port: int, sink: Sink) -> str:
        """Until the pod has said everything. The problem, or "" when there was none."""
        try:
            return await self._run(locate, port, sink)
        finally:
            self._is_over = True
            while not self._to_pod.empty():
                self._to_pod.get_nowait()

    async def _run(self, locate: Locate, port: int, sink: Sink) -> str:
        try:
            host, number = locate(port)
            async with asyncio.timeout(CONNECT_SECONDS):
                reader, writer = await asyncio.open_connection(host, number)
        except Unavailable as error:
            return error.message
        except (OSError, TimeoutError) as error:
            return f"nothing answers on port {port} of the pod: {getattr(error, 'strerror', None) or error or 'timed out'}"
        try:
            async with asyncio.TaskGroup() as tasks:
                feeding = tasks.create_task(self._feed(writer))
                with suppress(ConnectionError):
                    while piece := await reader.read(PIECE):
                        await sink(piece)
                feeding.cancel()
        finally:
            writer.close()
        return ""

    async def _feed(self, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while (piece := await self._to_pod.get()) is not None:
                writer.write(piece)
                await writer.drain()
            writer.write_eof()


async def forward(link: Duplex, locate: Locate, ports: Sequence[int]) -> None:
    """Serves one client until it has gone."""
    if link.protocol == TUNNEL:
        async with asyncio.TaskGroup() as tasks:
            await _Tunnel(link, locate, tasks).run()
    else:
        await _forward_channels(link, locate, ports)


class _Tunnel:
    """SPDY inside the messages. A connection is made once both of its streams are there."""

    def __init__(self, link: Duplex, locate: Locate, tasks: asyncio.TaskGroup) -> None:
        self._link = link
        self._locate = locate
        self._tasks = tasks
        self._spdy = SpdyServer()
        self._halves: dict[str, dict[str, int]] = {}
        self._pipes: dict[int, tuple[Pipe, asyncio.Task[None]]] = {}

    async def run(self) -> None:
        try:
            while (message := await self._link.receive()) is not None:
                for event in self._spdy.receive(message):
                    await self._handle(event)
        except (InvalidInput, ConnectionError):
            pass  # the connection ends, and with it the client's tunnel
        finally:
            for stream in list(self._pipes):
                self._drop(stream)

    async def _handle(self, event: Event) -> None:
        match event:
            case Opened():
                await self._opened(event)
            case Received():
                await self._received(event)
            case Reset():
                self._drop(event.stream)
            case Ping():
                await self._link.send(event.reply)
            case GoneAway():
                pass

    async def _opened(self, event: Opened) -> None:
        kind, request = event.headers.get("streamtype", ""), event.headers.get("requestid", "")
        if kind not in ("data", "error") or len(self._halves) + len(self._pipes) >= MOST_STREAMS:
            await self._link.send(self._spdy.reset(event.stream))
            return
        await self._link.send(self._spdy.accept(event.stream))
        halves = self._halves.setdefault(request, {})
        halves[kind] = event.stream
        if len(halves) == 2:
            del self._halves[request]
            pipe = Pipe()
            task = self._tasks.create_task(self._connect(pipe, halves, event.headers))
            self._pipes[halves["data"]] = (pipe, task)

    async def _connect(self, pipe: Pipe, halves: Mapping[str, int], headers: Mapping[str, str]) -> None:
        data, error = halves["data"], halves["error"]
        port = headers.get("port", "")
        with suppress(ConnectionError):
            problem = await pipe.run(self._locate, int(port) if port.isdigit() else 0, lambda p: self._say(data, p))
            if problem:
                await self._say(error, f"error forwarding port {port}: {problem}".encode())
            for stream in (data, error):
                await self._link.send(self._spdy.payload(stream, b"", is_finished=True))
        self._pipes.pop(data, None)

    async def _say(self, stream: int, piece: bytes) -> None:
        await self._link.send(self._spdy.payload(stream, piece))

    async def _received(self, event: Received) -> None:
        pipe, _ = self._pipes.get(event.stream, (None, None))
        if pipe is None:
            return  # the error stream, or a connection that is over
        if event.payload:
            await pipe.put(event.payload)
        if event.is_finished:
            await pipe.put(None)

    def _drop(self, stream: int) -> None:
        _, task = self._pipes.pop(stream, (None, None))
        if task is not None:
            task.cancel()


async def _forward_channels(link: Duplex, locate: Locate, ports: Sequence[int]) -> None:
    """Channel 2i carries the bytes of the i-th port and 2i + 1 its errors; each begins with the port, as the kubelet's do."""
    pipes = [Pipe() for _ in ports]
    for index, port in enumerate(ports):
        for channel in (2 * index, 2 * index + 1):
            await link.send(on(channel, struct.pack("<H", port)))
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(_one(link, locate, port, (index, pipes[index]))) for index, port in enumerate(ports)]
        listening = tasks.create_task(_distribute(link, pipes))
        await asyncio.wait({listening, tasks.create_task(_all(running))}, return_when=asyncio.FIRST_COMPLETED)
        for task in (*running, listening):
            task.cancel()


async def _all(tasks: Sequence[asyncio.Task[None]]) -> None:
    if tasks:
        await asyncio.wait(tasks)


async def _one(link: Duplex, locate: Locate, port: int, place: tuple[int, Pipe]) -> None:
    index, pipe = place
    with suppress(ConnectionError):
        if problem := await pipe.run(locate, port, lambda piece: link.send(on(2 * index, piece))):
            await link.send(on(2 * index + 1, f"error forwarding port {port}: {problem}".encode()))


async def _distribute(link: Duplex, pipes: Sequence[Pipe]) -> None:
    while (message := await link.receive()) is not None:
        channel = message[0] if message else 1
        if channel % 2 == 0 and channel // 2 < len(pipes) and message[1:]:
            await pipes[channel // 2].put(message[1:])
