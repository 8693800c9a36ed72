"""One request through the proxy: to a pod and back, bodies streamed both ways.

Tried again is only what cannot have had an effect: a connection that was refused (nothing was sent), and an idempotent
request without a body on a kept connection that closed before the first byte of an answer. Requests that are not idempotent
or carry a body get a new connection, so that a kept one that is just being closed cannot swallow them.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

from shipway.localcluster.node.proxy.backends import Address, Backends
from shipway.localcluster.node.proxy.http1 import (
    IDEMPOTENT,
    BadMessage,
    Framing,
    RequestHead,
    ResponseHead,
    chunk_size,
    end_to_end,
    parse_response,
    write_head,
)
from shipway.localcluster.node.proxy.wire import Closed, Wire

ANSWER_SECONDS = 60.0
COPY_LIMIT = 1024 * 1024
"""Bytes of a body, framing included, that are kept for mirrors; a longer one is not copied."""
_PIECE = 64 * 1024

Edit = Callable[[list[tuple[str, str]]], list[tuple[str, str]]]


class Failure(Exception):
    """No (whole) answer could be got. `status` and `text` are what the proxy says itself, if nothing has been said yet."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class Answer(Struct, frozen=True):
    """What came back. `is_keep_alive`: whether the client's connection may be used again."""

    status: int
    version: str
    is_keep_alive: bool


class Outgoing(Struct, frozen=True):
    """A request on its way. `edit` changes the answer's headers; `answer_seconds` is until its head. `body`: the body with its
    framing, of a copy; else it comes from the client. `is_copied`: it is kept for mirrors on its way."""

    head: bytes
    request: RequestHead
    edit: Edit | None = None
    answer_seconds: float = ANSWER_SECONDS
    body: bytes = b""
    is_copied: bool = False

    @property
    def is_repeatable(self) -> bool:
        return self.request.method in IDEMPOTENT and self.request.framing == "none" and not self.request.is_upgrade


def request_bytes(request: RequestHead, target: str, headers: Sequence[tuple[str, str]]) -> bytes:
    """The head for the next hop; `headers` are end-to-end. An upgrade is passed on."""
    lines = list(headers)
    if request.is_upgrade:
        lines += [("Connection", "Upgrade"), ("Upgrade", request.fields["upgrade"])]
    return write_head(f"{request.method} {target} HTTP/1.1", lines)


class Sink(Protocol):
    """Where bytes go."""

    def write(self, data: bytes) -> None: ...

    async def drain(self) -> None: ...


class _Copying:
    """A sink that keeps what goes through it, up to `COPY_LIMIT`."""

    def __init__(self, sink: Wire) -> None:
        self._sink = sink
        self._pieces: list[bytes] = []
        self._length = 0

    @property
    def kept(self) -> bytes | None:
        return b"".join(self._pieces) if self._length <= COPY_LIMIT else None

    def write(self, data: bytes) -> None:
        self._sink.write(data)
        self._length += len(data)
        if self._length <= COPY_LIMIT:
            self._pieces.append(data)
        else:
            self._pieces.clear()

    async def drain(self) -> None:
        await self._sink.drain()


class Exchange:
    """One request of one client connection. `copied` is its body, once all of it went through and if it was to be kept."""

    def __init__(self, client: Wire, backends: Backends, out: Outgoing) -> None:
        self._client = client
        self._backends = backends
        self._out = out
        self.has_begun_answer = False
        self.copied: bytes | None = None

    async def run(self, addresses: Sequence[Address]) -> Answer:
        """Tries the addresses in order until one takes the request. Raises Failure."""
        problem = "it has no endpoint"
        for address in addresses:
            for fresh in (not self._out.is_repeatable, True):
                try:
                    wire = await self._backends.connect(address, fresh=fresh)
                except (OSError, TimeoutError) as error:
                    problem = f"{address[0]}:{address[1]}: {error or 'no answer to a connection attempt'}"
                    break
                answer = await self._on(wire, address)
                if isinstance(answer, Failure):
                    raise answer
                if answer is not None:
                    return answer
        raise Failure(503, f"no endpoint can be reached ({problem}): a simulated pod serves nothing, a new one may still start")

    async def _on(self, wire: Wire, address: Address) -> Answer | Failure | None:
        """The outcome on one connection; None: it had been closed before it could take the request."""
        is_whole = False
        try:
            wire.write(self._out.head + self._out.body)
            if self._out.body or (self._out.request.framing == "none" and not self._out.request.is_upgrade):
                outcome, is_whole = await self._answer(wire), True
            else:
                outcome, is_whole = await self._answer_with_body(wire)
        except BaseException:
            wire.abort()
            raise
        if isinstance(outcome, tuple):
            answer, is_reusable = outcome
            if is_whole and is_reusable:
                self._backends.release(address, wire)
            else:
                wire.close()
            return answer
        wire.abort()
        return outcome

    async def _answer_with_body(self, wire: Wire) -> tuple["tuple[Answer, bool] | Failure | None", bool]:
        """Sends the body while the answer is read, which may come before the body's end."""
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(self._send_body(wire))
            outcome = await self._answer(wire)
            is_whole = sending.done() and not sending.cancelled() and sending.result()
            sending.cancel()
        if isinstance(outcome, tuple) and not is_whole:
            answer, _ = outcome
            outcome = (Answer(answer.status, answer.version, False), False)
        return outcome, is_whole

    async def _send_body(self, wire: Wire) -> bool:
        """False when the client broke off; the pod is then cut off as well, so that it cannot take a part for the whole."""
        request = self._out.request
        try:
            if request.is_upgrade:
                await copy_until_closed(self._client, wire)
                wire.write_eof()
            elif self._out.is_copied:
                await copy_body(self._client, copying := _Copying(wire), request.framing, request.length)
                self.copied = copying.kept
            else:
                await copy_body(self._client, wire, request.framing, request.length)
        except (Closed, BadMessage):
            wire.abort()
            return False
        return True

    async def _answer(self, wire: Wire) -> "tuple[Answer, bool] | Failure | None":
        """(the answer, whether the pod's connection can be used again), passed on to the client as it comes."""
        try:
            async with asyncio.timeout(self._out.answer_seconds):
                head = await self._head(wire)
        except TimeoutError:
            return Failure(504, f"the pod did not answer within {self._out.answer_seconds:g}s")
        except BadMessage as error:
            return Failure(502, f"the pod's answer is not HTTP: {error}")
        except Closed as error:
            if error.is_clean and wire.uses and self._out.is_repeatable:
                return None
            return Failure(502, "the pod closed the connection before it answered")
        return await self._pass_on(wire, head)

    async def _head(self, wire: Wire) -> ResponseHead:
        """The final head; interim ones (100, 103) are passed on."""
        while True:
            head = parse_response(await wire.head(), self._out.request.method)
            if head.status >= 200 or head.status == 101:
                return head
            if self._out.request.minor:
                self._client.write(write_head(f"HTTP/1.1 {head.status} {head.reason}", end_to_end(head.headers, head.fields)))

    async def _pass_on(self, wire: Wire, head: ResponseHead) -> "tuple[Answer, bool] | Failure":
        request = self._out.request
        is_old_chunked = head.framing == "chunked" and not request.minor
        is_keep_alive = request.is_keep_alive and head.framing != "close" and not is_old_chunked and head.status != 101
        headers = end_to_end(head.headers, head.fields)
        if self._out.edit:
            headers = self._out.edit(headers)
        if is_old_chunked:
            headers = [h for h in headers if h[0].lower() != "transfer-encoding"]
        if head.status == 101:
            headers += [("Connection", "Upgrade"), ("Upgrade", head.fields.get("upgrade", ""))]
        else:
            headers.append(("Connection", "keep-alive" if is_keep_alive else "close"))
        self.has_begun_answer = True
        first = write_head(f"HTTP/1.1 {head.status} {head.reason}", headers)
        answer = Answer(head.status, head.fields.get("x-version", ""), is_keep_alive)
        try:
            if head.status == 101:
                self._client.write(first)
                await copy_until_closed(wire, self._client)
            else:
                await copy_body(wire, self._client, head.framing, head.length, first=first, bare=is_old_chunked)
        except (Closed, BadMessage):
            return Failure(502, "the pod's answer broke off")
        return answer, head.is_keep_alive and head.status != 101


async def copy_body(
    source: Wire, sink: Sink, framing: Framing, length: int, *, first: bytes = b"", bare: bool = False
) -> None:  # fmt: skip
    """Copies one message body after `first`; `bare` leaves out the chunk framing. Raises Closed, BadMessage."""
    if framing == "length":
        await _copy_length(source, sink, length, first)
    elif first:
        sink.write(first)
    if framing == "chunked":
        await _copy_chunks(source, sink, bare=bare)
    elif framing == "close":
        await copy_until_closed(source, sink)


async def _copy_length(source: Wire, sink: Sink, left: int, first: bytes = b"") -> None:
    if first and not source.has_bytes:
        sink.write(first)
        first = b""
    while left:
        piece = await source.some(min(left, _PIECE))
        left -= len(piece)
        sink.write(first + piece if first else piece)
        first = b""
        await sink.drain()


async def _copy_chunks(source: Wire, sink: Sink, *, bare: bool) -> None:
    """Chunk by chunk with its framing as it came; trailers are passed on."""
    while True:
        line = await source.line()
        size = chunk_size(line[:-2])
        if not bare:
            sink.write(line)
        if size == 0:
            break
        await _copy_length(source, sink, size)
        end = await source.line()
        if end != b"\r\n":
            raise BadMessage("a chunk is longer than it said")
        if not bare:
            sink.write(end)
    while (line := await source.line()) != b"\r\n":
        if not bare:
            sink.write(line)
    if not bare:
        sink.write(b"\r\n")
    await sink.drain()


async def copy_until_closed(source: Wire, sink: Sink) -> None:
    while True:
        try:
            piece = await source.some(_PIECE)
        except Closed:
            return
        sink.write(piece)
        await sink.drain()
