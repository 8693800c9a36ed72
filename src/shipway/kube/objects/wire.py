"""One HTTP request to an API server and its answer, as values.

The client speaks to a `Transport`: over HTTP to any cluster, or in memory to the embedded API server, whose `send` has this
same shape. Watches and followed logs answer with a `stream`; whoever took it closes it.
"""

from collections.abc import AsyncGenerator, Mapping
from typing import Protocol

from msgspec import Struct, field


class Request(Struct, frozen=True):
    """`path` without query; `query` in order, decoded; header names in lower case."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""


class Response(Struct):
    """Header names in lower case. `stream` is set for watches and followed logs: chunks of any size, `aclose()` ends it."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    stream: AsyncGenerator[bytes, None] | None = None


class Transport(Protocol):
    """The one seam to an API server. Raises `Unavailable` when there is no answer at all."""

    async def send(self, request: Request) -> Response: ...

    async def close(self) -> None: ...
