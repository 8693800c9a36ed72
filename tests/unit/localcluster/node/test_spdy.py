"""SPDY frames: what a client like kubectl sends, whole or in pieces, and what is refused."""

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.base.errors import InvalidInput
from shipway.localcluster.node.streaming.spdy import (
    DICTIONARY,
    LARGEST_FRAME,
    LARGEST_HEADERS,
    GoneAway,
    Opened,
    Ping,
    Received,
    Reset,
    SpdyServer,
)

CONTROL = 0x80030000


class Client:
    """The other side, written from the draft: headers in one compression context."""

    def __init__(self):
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def block(self, headers):
        plain = struct.pack(">I", len(headers))
        for pair in headers.items():
            for text in pair:
                plain += struct.pack(">I", len(text)) + text.encode()
        return self._deflate.compress(plain) + self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def open(self, stream, headers, flags=0):
        payload = struct.pack(">IIH", stream, 0, 0) + self.block(headers)
        return struct.pack(">II", CONTROL | 1, flags << 24 | len(payload)) + payload


def control(kind, payload, flags=0):
    return struct.pack(">II", CONTROL | kind, flags << 24 | len(payload)) + payload


def test_the_dictionary_is_the_draft_s():
    assert (len(DICTIONARY), zlib.adler32(DICTIONARY)) == (1423, 0xE3C6A7C2)


def session():
    client = Client()
    sent = [
        client.open(1, {"Streamtype": "error", "port": "8080", "requestID": "0"}, flags=1),
        client.open(3, {"Streamtype": "data", "port": "8080", "requestID": "0"}),
        SpdyServer.payload(3, b"hello"),
        control(4, b"\0" * 12),  # SETTINGS
        control(8, struct.pack(">I", 3) + client.block({"more": "headers"})),
        client.open(5, {"Streamtype": "data"}),  # readable only if the block before was inflated too
        control(6, struct.pack(">I", 7)),
        SpdyServer.payload(3, b"", is_finished=True),
        control(3, struct.pack(">II", 5, 5)),
        control(7, struct.pack(">II", 0, 0)),
    ]
    expected = [
        Opened(1, {"streamtype": "error", "port": "8080", "requestid": "0"}, True),
        Opened(3, {"streamtype": "data", "port": "8080", "requestid": "0"}, False),
        Received(3, b"hello", False),
        Opened(5, {"streamtype": "data"}, False),
        Ping(control(6, struct.pack(">I", 7))),
        Received(3, b"", True),
        Reset(5),
        GoneAway(),
    ]
    return b"".join(sent), expected


@given(st.lists(st.integers(1, 60), min_size=1))
def test_frames_are_read_however_they_are_cut(sizes):
    data, expected = session()
    server, events, place = SpdyServer(), [], 0
    while place < len(data):
        size = sizes[len(events) % len(sizes)]
        events += server.receive(data[place : place + size])
        place += size
    assert events == expected


def test_streams_are_accepted_in_one_compression_context():
    server, inflate = SpdyServer(), zlib.decompressobj(zdict=DICTIONARY)
    for stream in (1, 3):
        frame = server.accept(stream)
        first, second, number = struct.unpack_from(">III", frame)
        assert (first, second, number) == (CONTROL | 2, len(frame) - 8, stream)
        assert inflate.decompress(frame[12:]) == b"\0\0\0\0"


@pytest.mark.parametrize(
    ("why", "sent", "message"),
    [
        ("another protocol", b"\x80\x02\0\1\0\0\0\0", "SPDY version 2 is not spoken"),
        ("a huge frame", struct.pack(">II", 1, LARGEST_FRAME + 1), "is too large"),
        ("no zlib", control(1, b"\0" * 10 + b"nonsense"), "cannot be read"),
        ("cut short", control(3, b"\0"), "cannot be read"),
        ("a bomb", Client().open(1, {"x": "y" * (LARGEST_HEADERS + 1)}), "headers are longer than"),
    ],
)
def test_what_is_no_spdy_is_refused(why, sent, message):
    with pytest.raises(InvalidInput, match=message):
        SpdyServer().receive(sent)
