"""Who we are and whom we trust, against real TLS servers that want client certificates: rotation, names, proxies."""

import asyncio
import shutil
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from cryptography import x509
from cryptography.x509.oid import NameOID

from shipway.base.errors import InvalidInput, Unavailable
from shipway.base.tls import serving
from shipway.kube.client.kubeconfig import ClusterConfig, load_kubeconfig
from shipway.kube.client.transport import HttpTransport
from shipway.kube.objects.wire import Request
from shipway.kube.objects.yaml import dump
from tests.kube.certificates import write_certificates

ASKED = Request("GET", "/api/v1/namespaces")
ADMIN, OTHER = "admin", "kubelet-client"


class Greeter:
    """Says the common name of the certificate that its caller showed; `pki` holds certificates of its CA."""

    def __init__(self, url: str, pki: Path, folder: Path) -> None:
        self.url, self.pki, self.folder = url, pki, folder

    def hand_out(self, name: str, *endings: str) -> None:
        """Puts the certificate, the key or both where the client reads them, as a rotation does."""
        for ending in endings or ("crt", "key"):
            shutil.copy(self.pki / f"{name}.{ending}", self.folder / f"new.{ending}")
            (self.folder / f"new.{ending}").rename(self.folder / f"client.{ending}")

    def config(self, **more: object) -> ClusterConfig:
        known: dict[str, object] = {"ca_file": str(self.pki / "ca.crt")}
        known |= {"client_cert_file": str(self.folder / "client.crt"), "client_key_file": str(self.folder / "client.key")}
        return ClusterConfig(server=self.url, **(known | more))  # type: ignore[arg-type]


async def greet(request: web.Request) -> web.Response:
    shown = request.transport.get_extra_info("peercert") if request.transport else None
    names = [value for part in (shown or {}).get("subject", ()) for key, value in part if key == "commonName"]
    return web.Response(text=" ".join(names) or "nobody")


@pytest_asyncio.fixture
async def greeter(tmp_path: Path) -> AsyncGenerator[Greeter, None]:
    pki = tmp_path / "pki"
    write_certificates(pki)
    context = serving(pki / "server.crt", pki / "server.key", client_ca=pki / "ca.crt")
    context.verify_mode = ssl.CERT_OPTIONAL
    app = web.Application()
    app.router.add_get("/{path:.*}", greet)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    made = Greeter(f"https://127.0.0.1:{runner.addresses[0][1]}", pki, tmp_path)
    made.hand_out(ADMIN)
    yield made
    await runner.cleanup()


@asynccontextmanager
async def connected(config: ClusterConfig) -> AsyncGenerator[HttpTransport, None]:
    transport = HttpTransport(config)
    try:
        yield transport
    finally:
        await transport.close()


async def said(transport: HttpTransport) -> str:
    return (await transport.send(ASKED)).body.decode()


def common_name(greeter: Greeter, name: str) -> str:
    """What the server will say of a certificate."""
    certificate = x509.load_pem_x509_certificate((greeter.pki / f"{name}.crt").read_bytes())
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


@pytest.mark.proves("client:certificate-reload")
async def test_a_rotated_client_certificate_is_used_without_a_restart(greeter: Greeter) -> None:
    admin, other = common_name(greeter, ADMIN), common_name(greeter, OTHER)
    async with connected(greeter.config()) as transport:
        assert await said(transport) == admin
        greeter.hand_out(OTHER, "crt")
        assert await said(transport) == admin, "a certificate without its key: the rotation is under way"
        greeter.hand_out(OTHER, "key")
        assert await said(transport) == other
    assert admin != other


async def test_a_rotated_ca_is_trusted_without_a_restart(greeter: Greeter) -> None:
    write_certificates(greeter.folder / "elsewhere")
    ca = greeter.folder / "trusted.crt"
    shutil.copy(greeter.folder / "elsewhere" / "ca.crt", ca)
    async with connected(greeter.config(ca_file=str(ca))) as transport:
        with pytest.raises(Unavailable) as caught:
            await said(transport)
        assert caught.value.reason == "BadCertificate"
        shutil.copy(greeter.pki / "ca.crt", ca)
        assert await said(transport) == common_name(greeter, ADMIN)


@pytest.mark.parametrize(("name", "is_trusted"), [("", True), ("localhost", True), ("elsewhere.example", False)])
async def test_the_name_in_the_servers_certificate_may_be_told(greeter: Greeter, name: str, is_trusted: bool) -> None:
    async with connected(greeter.config(tls_server_name=name)) as transport:
        if is_trusted:
            assert await said(transport) == common_name(greeter, ADMIN)
            return
        with pytest.raises(Unavailable):
            await said(transport)


async def test_verification_can_be_switched_off(greeter: Greeter) -> None:
    config = ClusterConfig(server=greeter.url, insecure=True)
    async with connected(config) as transport:
        assert await said(transport) == "nobody"


@asynccontextmanager
async def proxy(asked: list[str]) -> AsyncGenerator[str, None]:
    """A forward proxy that remembers whom it was asked for."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        asked.append(request.split("\r\n", 1)[0])
        host, _, port = request.split()[1].rpartition(":")
        there, back = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(pump(reader, back), pump(there, writer), return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_proxy_carries_what_only_both_ends_can_read(greeter: Greeter) -> None:
    asked: list[str] = []
    async with proxy(asked) as url, connected(greeter.config(proxy_url=url)) as transport:
        assert await said(transport) == common_name(greeter, ADMIN)
    assert asked == [f"CONNECT {greeter.url.removeprefix('https://')} HTTP/1.1"]


def test_a_plugin_that_wants_to_ask_questions_is_refused(tmp_path: Path) -> None:
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "login", "interactiveMode": "Always"}
    config = {
        "current-context": "it",
        "clusters": [{"name": "it", "cluster": {"server": "https://it"}}],
        "users": [{"name": "it", "user": {"exec": plugin}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    }
    (tmp_path / "config").write_text(dump(config))
    with pytest.raises(InvalidInput, match="nobody could answer"):
        load_kubeconfig(tmp_path / "config")
