"""The protocol of Redis (RESP 2 and 3), from the server's side: bytes in, commands out; replies in, bytes out. No I/O.

A client sends commands as arrays of bulk strings only, so that is all that is read; whatever else comes, and whatever is larger
than `Limits` allow, is a `ProtocolError`, after which nothing on the connection can be trusted.
"""

from typing import Any

from msgspec import Struct

Command = tuple[bytes, ...]
LONGEST_LINE = 32
"""Bytes of a line that says how many or how long; a number needs no more."""


class ProtocolError(Exception):
    """Not a command, or too large a one."""


class Limits(Struct, frozen=True):
    """Of one command: how many parts it may have, and how many bytes one of them."""

    parts: int
    bulk: int


STRANGERS = Limits(16, 4096)
"""Before a login: enough for that, and for nothing that fills memory."""


class Refusal(Struct, frozen=True):
    """An error reply; its first word says of what kind."""

    text: str


class Push(Struct, frozen=True):
    """What comes unasked: a message to a subscriber."""

    parts: tuple[Any, ...]


class Commands:
    """Takes what arrives, in whatever pieces, and gives the commands that are whole."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._held = bytearray()

    def feed(self, data: bytes) -> None:
        self._held += data

    def next(self) -> Command | None:
        """The next command; None until it is whole. Raises ProtocolError. `limits` may change between two commands."""
        at, count = self._number(0, b"*", self.limits.parts)
        if count is None:
            return None
        parts: list[bytes] = []
        for _ in range(count):
            at, length = self._number(at, b"$", self.limits.bulk)
            if length is None or len(self._held) < at + length + 2:
                return None
            if self._held[at + length : at + length + 2] != b"\r\n":
                raise ProtocolError("expected CRLF after a bulk string")
            parts.append(bytes(self._held[at : at + length]))
            at += length + 2
        del self._held[:at]
        return tuple(parts)

    def _number(self, at: int, mark: bytes, largest: int) -> tuple[int, int | None]:
        """Where the line that begins at `at` ends, and its number; None until the line is whole."""
        end = self._held.find(b"\r\n", at, at + LONGEST_LINE)
        if end < 0:
            if len(self._held) >= at + LONGEST_LINE:
                raise ProtocolError("a line is too long")
            if len(self._held) > at and self._held[at : at + 1] != mark:
                raise ProtocolError(f"expected '{mark.decode()}'")
            return at, None
        line = bytes(self._held[at:end])
        if line[:1] != mark or not line[1:].isdigit():
            raise ProtocolError(f"expected '{mark.decode()}' and a number")
        if int(line[1:]) > largest:
            raise ProtocolError("too large")
        return end + 2, int(line[1:])


def encoded(reply: Any, version: int) -> bytes:
    """A reply as RESP `version` (2 or 3) writes it: str is a simple string, bytes a bulk string, None nothing found."""
    match reply:
        case None:
            return b"$-1\r\n" if version == 2 else b"_\r\n"
        case Refusal(text):
            return b"-" + _one_line(text) + b"\r\n"
        case str():
            return b"+" + _one_line(reply) + b"\r\n"
        case int():
            return b":%d\r\n" % reply
        case bytes():
            return b"$%d\r\n%s\r\n" % (len(reply), reply)
        case dict():
            flat = [part for pair in reply.items() for part in pair]
            return _many(b"*", len(flat), flat, version) if version == 2 else _many(b"%", len(reply), flat, version)
        case Push(parts):
            return _many(b"*" if version == 2 else b">", len(parts), parts, version)
        case _:
            return _many(b"*", len(reply), reply, version)


def _many(mark: bytes, count: int, parts: Any, version: int) -> bytes:
    return b"%s%d\r\n" % (mark, count) + b"".join(encoded(part, version) for part in parts)


def _one_line(text: str) -> bytes:
    return " ".join(text.split()).encode()
