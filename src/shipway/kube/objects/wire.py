"""One HTTP request to an API server and its answer, as values.

The client speaks to a `Transport`: over HTTP to any cluster, or in memory to the embedded API server, whose `send` has this
same shape. Watches and followed logs answer with a `stream`; whoever took it closes it.
"""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Protocol

from msgspec import Struct, field

IMPERSONATE_USER = "impersonate-user"
"""The header that asks for the rights of somebody else."""


_NOT_SERVED = re.compile("the server could not find the requested resource|404 page not found")


def says_unserved(message: str) -> bool:
    """Whether a server says with its 404 that it does not know the kind, not that the object is not there."""
    return _NOT_SERVED.search(message) is not None


class Request(Struct, frozen=True):
    """`path` without query; `query` in order, decoded; header names in lower case."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""


class Duplex(Protocol):
    """An upgraded connection: whole messages both ways, in the subprotocol that both sides speak."""

    @property
    def protocol(self) -> str: ...

    async def receive(self) -> bytes | None:
        """The next message; None when the other side has gone."""
        ...

    async def send(self, message: bytes) -> None:
        """Raises ConnectionError when the other side has gone."""
        ...


class Upgrade(Struct, frozen=True):
    """What an upgraded connection is for: the subprotocols that are spoken, the best first, and who serves it."""

    protocols: tuple[str, ...]
    serve: Callable[[Duplex], Awaitable[None]]


class Response(Struct):
    """Header names in lower case. `stream` is set for watches and followed logs: chunks of any size, `aclose()` ends it.
    `upgrade` is set for exec, attach and port-forward, which only the network front can carry on."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    stream: AsyncGenerator[bytes, None] | None = None
    upgrade: Upgrade | None = None


class Transport(Protocol):
    """The one seam to an API server. Raises `Unavailable` when there is no answer at all."""

    async def send(self, request: Request) -> Response: ...

    async def close(self) -> None: ...
