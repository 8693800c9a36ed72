"""The server's side of SPDY/3.1, as far as port-forwarding needs it: bytes in, events out; no I/O.

`kubectl port-forward` opens a WebSocket and speaks SPDY inside its messages, two streams for each local connection (KEP-4006).
The peer (moby/spdystream) neither keeps nor expects flow-control windows, so there are none here: back-pressure is the
WebSocket's. Frame layout and the dictionary are those of the SPDY/3 draft, sections 2.2 and 2.6.10.1.
"""

import struct
import zlib
from collections.abc import Mapping

from msgspec import Struct

from shipway.base.errors import InvalidInput

LARGEST_FRAME = 1024 * 1024
LARGEST_HEADERS = 64 * 1024
MOST_STREAMS = 256
_FIN = 0x01
_SYN_REPLY, _RST_STREAM, _PING = 2, 3, 6
_CONTROL = 0x80000000 | 3 << 16
_CANCEL = 5

_WORDS = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow "
    "authorization cache-control connection content-base content-encoding content-language content-length content-location "
    "content-md5 content-range content-type date etag expect expires from host if-match if-modified-since if-none-match "
    "if-range if-unmodified-since last-modified location max-forwards pragma proxy-authenticate proxy-authorization range "
    "referer retry-after server te trailer transfer-encoding upgrade user-agent vary via warning www-authenticate method get "
    "status 200_OK version HTTP/1.1 url public set-cookie keep-alive origin"
)
_REST = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Authoritative "
    "Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not Found500 Internal "
    "Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, "
    "Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,"
    "application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8"
    "charset=iso-8859-1,utf-,*,enq=0."
)


def _counted(text: str) -> bytes:
    return struct.pack(">I", len(text)) + text.encode()


DICTIONARY = b"".join(_counted(word.replace("_", " ")) for word in _WORDS.split()) + _REST.encode()
"""What both sides' header compression begins with."""


class Opened(Struct, frozen=True):
    """The client has opened a stream. Header names in lower case."""

    stream: int
    headers: Mapping[str, str]
    is_finished: bool


class Received(Struct, frozen=True):
    """Bytes of a stream; `is_finished`: the client sends no more on it."""

    stream: int
    payload: bytes
    is_finished: bool


class Reset(Struct, frozen=True):
    """The client wants nothing of a stream any more."""

    stream: int


class Ping(Struct, frozen=True):
    """To be answered with `reply`."""

    reply: bytes


class GoneAway(Struct, frozen=True):
    """The client opens no more streams."""


Event = Opened | Received | Reset | Ping | GoneAway


class SpdyServer:
    """One connection. What the methods return is to be sent, in their order."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def receive(self, piece: bytes) -> list[Event]:
        """Raises InvalidInput for what is not SPDY/3, or too large."""
        self._buffer += piece
        events: list[Event] = []
        while len(self._buffer) >= 8:
            first, second = struct.unpack_from(">II", self._buffer)
            flags, length = second >> 24, second & 0xFFFFFF
            if length > LARGEST_FRAME:
                raise InvalidInput(f"a SPDY frame of {length} bytes is too large: the limit is {LARGEST_FRAME}")
            if len(self._buffer) < 8 + length:
                break
            payload = bytes(self._buffer[8 : 8 + length])
            del self._buffer[: 8 + length]
            event = self._control(first, flags, payload) if first >> 31 else Received(first, payload, bool(flags & _FIN))
            if event is not None:
                events.append(event)
        return events

    def _control(self, first: int, flags: int, payload: bytes) -> Event | None:
        """None for frames that ask for nothing (settings, windows, headers)."""
        if first & 0x7FFF0000 != 3 << 16:
            raise InvalidInput(f"SPDY version {first >> 16 & 0x7FFF} is not spoken here: use version 3")
        try:
            match first & 0xFFFF:
                case 1:
                    (stream,) = struct.unpack_from(">I", payload)
                    return Opened(stream & 0x7FFFFFFF, self._headers(payload[10:]), bool(flags & _FIN))
                case 3:
                    (stream,) = struct.unpack_from(">I", payload)
                    return Reset(stream & 0x7FFFFFFF)
                case 6:
                    return Ping(struct.pack(">II", _CONTROL | _PING, len(payload)) + payload)
                case 7:
                    return GoneAway()
                case 8:
                    self._headers(payload[4:])  # the compression goes on through every block
                case _:
                    pass
        except (struct.error, zlib.error) as error:
            raise InvalidInput(f"a SPDY frame cannot be read: {error}") from None
        return None

    def _headers(self, block: bytes) -> dict[str, str]:
        plain = self._inflate.decompress(block, LARGEST_HEADERS)
        if self._inflate.unconsumed_tail:
            raise InvalidInput(f"SPDY headers are longer than {LARGEST_HEADERS} bytes")
        (count,), place = struct.unpack_from(">I", plain), 4
        texts: list[str] = []
        for _ in range(2 * count):
            (length,) = struct.unpack_from(">I", plain, place)
            texts.append(plain[place + 4 : place + 4 + length].decode("latin-1"))
            place += 4 + length
        return {name.lower(): value for name, value in zip(texts[::2], texts[1::2], strict=True)}

    def accept(self, stream: int) -> bytes:
        """The answer to Opened, without headers."""
        block = self._deflate.compress(struct.pack(">I", 0)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return struct.pack(">III", _CONTROL | _SYN_REPLY, 4 + len(block), stream) + block

    @staticmethod
    def payload(stream: int, payload: bytes, *, is_finished: bool = False) -> bytes:
        """Bytes for a stream; `is_finished`: no more come."""
        return struct.pack(">II", stream, (_FIN if is_finished else 0) << 24 | len(payload)) + payload

    @staticmethod
    def reset(stream: int) -> bytes:
        return struct.pack(">IIII", _CONTROL | _RST_STREAM, 8, stream, _CANCEL)
