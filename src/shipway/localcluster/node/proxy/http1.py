"""HTTP/1.1 message heads as values: read, checked, and written again for the next hop. No I/O.

A proxy must never understand a message differently from the server behind it. So whatever two parsers could read in two
ways is refused: both kinds of framing at once, lengths that disagree, folded lines, spaces before a colon.
"""

import re
from typing import Literal

from msgspec import Struct

Framing = Literal["none", "length", "chunked", "close"]
Headers = tuple[tuple[str, str], ...]

HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer", "upgrade"}
)
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_REASONS = {
    200: "OK",
    301: "Moved Permanently",
    302: "Found",
    400: "Bad Request",
    404: "Not Found",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


class BadMessage(Exception):
    """A message that is not HTTP/1.1, or that could be read in two ways. Never leaves the proxy."""


class RequestHead(Struct, frozen=True):
    """`fields`: header names in lower case, repeated ones joined by ", "."""

    method: str
    target: str
    minor: int
    headers: Headers
    fields: dict[str, str]
    framing: Framing
    length: int = 0

    @property
    def is_keep_alive(self) -> bool:
        return keeps_alive(self.minor, self.fields)

    @property
    def is_upgrade(self) -> bool:
        return "upgrade" in self.fields and "upgrade" in tokens(self.fields.get("connection", ""))


class ResponseHead(Struct, frozen=True):
    status: int
    reason: str
    minor: int
    headers: Headers
    fields: dict[str, str]
    framing: Framing
    length: int = 0

    @property
    def is_keep_alive(self) -> bool:
        return self.framing != "close" and keeps_alive(self.minor, self.fields)


def keeps_alive(minor: int, fields: dict[str, str]) -> bool:
    connection = fields.get("connection")
    if connection is None:
        return minor >= 1
    named = tokens(connection)
    return "close" not in named and (minor >= 1 or "keep-alive" in named)


def tokens(text: str) -> set[str]:
    return {part.strip().lower() for part in text.split(",")}


def parse_request(raw: bytes) -> RequestHead:
    """`raw` up to and without the empty line. Raises BadMessage."""
    start, headers, fields = _parse(raw)
    parts = start.split(" ")
    if len(parts) != 3 or not _TOKEN.fullmatch(parts[0]) or not parts[1] or parts[2] not in ("HTTP/1.1", "HTTP/1.0"):
        raise BadMessage("the request line is not `METHOD target HTTP/1.1`")
    minor = 1 if parts[2] == "HTTP/1.1" else 0
    if minor and "host" not in fields:
        raise BadMessage("an HTTP/1.1 request needs a Host header")
    framing, length = _framing(fields, otherwise="none")
    return RequestHead(parts[0], parts[1], minor, headers, fields, framing, length)


def parse_response(raw: bytes, method: str) -> ResponseHead:
    """The answer to a request made with `method`. Raises BadMessage."""
    start, headers, fields = _parse(raw)
    version, _, rest = start.partition(" ")
    code, _, reason = rest.partition(" ")
    if version not in ("HTTP/1.1", "HTTP/1.0") or len(code) != 3 or not code.isdigit():
        raise BadMessage("the status line is not `HTTP/1.1 CODE reason`")
    status = int(code)
    if method == "HEAD" or status < 200 or status in (204, 304):
        framing, length = "none", 0
    else:
        framing, length = _framing(fields, otherwise="close")
    return ResponseHead(status, reason, 1 if version == "HTTP/1.1" else 0, headers, fields, framing, length)


def _parse(raw: bytes) -> tuple[str, Headers, dict[str, str]]:
    lines = raw.decode("latin-1").split("\r\n")
    headers: list[tuple[str, str]] = []
    fields: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not _TOKEN.fullmatch(name):
            raise BadMessage("a header line is not `Name: value`")
        value = value.strip(" \t")
        if "\n" in value or "\r" in value or "\0" in value:
            raise BadMessage(f"the header {name} holds a line break")
        headers.append((name, value))
        key = name.lower()
        if key in fields and key in ("host", "content-length", "transfer-encoding"):
            raise BadMessage(f"the header {name} is given twice")
        fields[key] = f"{fields[key]}, {value}" if key in fields else value
    return lines[0], tuple(headers), fields


def _framing(fields: dict[str, str], *, otherwise: Framing) -> tuple[Framing, int]:
    encoding, length = fields.get("transfer-encoding"), fields.get("content-length")
    if encoding is not None:
        if length is not None:
            raise BadMessage("Transfer-Encoding and Content-Length exclude each other")
        if encoding.lower() != "chunked":
            raise BadMessage(f"the transfer encoding {encoding!r} is not understood: only chunked is")
        return "chunked", 0
    if length is None:
        return otherwise, 0
    if not (length.isascii() and length.isdigit()) or len(length) > 18:
        raise BadMessage("Content-Length is not a number")
    return ("length", int(length)) if length != "0" else ("none", 0)


def end_to_end(headers: Headers, fields: dict[str, str]) -> list[tuple[str, str]]:
    """The headers that travel on: without those that concern one connection, and those that `Connection` names."""
    dropped = HOP_BY_HOP | tokens(fields["connection"]) if "connection" in fields else HOP_BY_HOP
    return [(name, value) for name, value in headers if name.lower() not in dropped]


def write_head(start: str, headers: list[tuple[str, str]]) -> bytes:
    lines = [start, *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def plain_response(
    status: int, text: str, *, close: bool, kind: str = "text/plain; charset=utf-8", extra: Headers = ()
) -> bytes:
    """A whole response of the proxy's own. `text` may come from a request, so it is never HTML."""
    body = text.encode()
    connection = "close" if close else "keep-alive"
    headers = [*extra, ("Content-Type", kind), ("Content-Length", str(len(body))), ("Connection", connection)]
    return write_head(f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}", headers) + body


def chunk_size(line: bytes) -> int:
    """The size a chunk's first line announces. Raises BadMessage."""
    digits = line.split(b";", 1)[0].strip()
    if not re.fullmatch(rb"[0-9A-Fa-f]{1,15}", digits):
        raise BadMessage("a chunk does not begin with its size")
    return int(digits, 16)
