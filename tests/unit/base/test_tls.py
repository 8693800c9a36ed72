"""Who is trusted, against real handshakes: an authority that Go's programs accept is accepted under every Python."""

import asyncio
import ssl
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509

from shipway.base.tls import serving, trusting
from tests.kube.certificates import KUBELET_CLIENT, write_certificates


@pytest.fixture
def pki(tmp_path: Path) -> Path:
    write_certificates(tmp_path, key_identifiers=False)
    return tmp_path


async def greeted(server: ssl.SSLContext, client: ssl.SSLContext) -> str:
    """The common name that the server sees, once both ends have accepted each other."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        shown = writer.get_extra_info("peercert") or {}
        writer.write((shown["subject"][-1][0][1] if shown else "nobody").encode())
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server) as listening:
        port = listening.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname="localhost")
        said = (await reader.read()).decode()
        writer.close()
        await writer.wait_closed()
        return said


async def test_certificates_without_key_identifiers_are_trusted_on_both_ends(pki: Path) -> None:
    """Python 3.13 and later refuse them unless they are told not to; kubectl, git and Argo CD take them."""
    certificate = x509.load_pem_x509_certificate((pki / "server.crt").read_bytes())
    with pytest.raises(x509.ExtensionNotFound):
        certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    server = serving(pki / "server.crt", pki / "server.key", client_ca=pki / "ca.crt")
    client = trusting(ca=(pki / "ca.crt").read_text())
    client.load_cert_chain(pki / "kubelet-client.crt", pki / "kubelet-client.key")
    assert await greeted(server, client) == KUBELET_CLIENT


async def test_an_authority_that_is_not_named_is_not_trusted_unless_everybody_is(pki: Path) -> None:
    server = serving(pki / "server.crt", pki / "server.key")
    with pytest.raises(ssl.SSLCertVerificationError):
        await greeted(server, trusting())
    assert await greeted(server, trusting(insecure=True)) == "nobody"
    assert await greeted(server, trusting(ca_file=str(pki / "ca.crt"))) == "nobody"


async def test_who_shows_no_certificate_is_not_served_where_one_is_wanted(pki: Path) -> None:
    server = serving(pki / "server.crt", pki / "server.key", client_ca=pki / "ca.crt")
    said = ""
    with suppress(ssl.SSLError, ConnectionError):  # or the connection just ends: TLS 1.3 refuses after the handshake
        said = await greeted(server, trusting(ca_file=str(pki / "ca.crt")))
    assert said == ""
