"""What a process of many connections holds."""

import asyncio
import tracemalloc
from asyncio.sslproto import SSLProtocol
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipway.assembly.footprint import lean_connections
from shipway.base.tls import serving, trusting
from tests.kube.certificates import write_certificates

MANY = 10


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = SSLProtocol.max_size
    yield
    SSLProtocol.max_size = before


async def held(pki: Path) -> float:
    """Bytes that an open TLS connection holds, both ends of it, before anything has gone over it."""
    context, client = serving(pki / "server.crt", pki / "server.key"), trusting(ca_file=str(pki / "ca.crt"))
    ends: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: ends.append(writer), "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    tracemalloc.start()
    try:
        kept = [await asyncio.open_connection("127.0.0.1", port, ssl=client) for _ in range(MANY)]
        found = tracemalloc.get_traced_memory()[0] / MANY
    finally:
        tracemalloc.stop()
    for writer in [*(writer for _, writer in kept), *ends]:
        writer.close()
        await writer.wait_closed()
    server.close()
    await server.wait_closed()
    return found


async def test_a_tls_connection_holds_a_fraction_of_what_asyncio_gives_it(tmp_path: Path) -> None:
    write_certificates(tmp_path)
    before = await held(tmp_path)
    lean_connections()
    assert await held(tmp_path) < before / 2
