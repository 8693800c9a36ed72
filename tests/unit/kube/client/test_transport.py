"""The HTTP transport against the embedded API server on a real socket: TLS, credentials that change, streams, failures."""

import asyncio
import os
import stat
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from shipway.api.kinds import CONFIG_MAPS, NAMESPACES
from shipway.base.clock import SystemClock
from shipway.base.errors import Denied, InvalidInput, Unavailable
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.kube.client.credentials import tls_context
from shipway.kube.client.kubeconfig import ClusterConfig, ExecPlugin, load_kubeconfig
from shipway.kube.client.transport import HttpTransport
from shipway.kube.objects.resource import Resource
from shipway.localcluster.apiserver.http import Identity, serve
from shipway.localcluster.apiserver.kubeconfig import write_kubeconfig
from shipway.localcluster.apiserver.server import ApiServer
from shipway.localcluster.apiserver.tls import TlsFiles, ensure_tls

REVIEWS = Resource("authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews", namespaced=False)
V1 = "client.authentication.k8s.io/v1"


class Served:
    """A server on HTTPS that lets in whoever says `sesame`."""

    def __init__(self, url: str, tls: TlsFiles, folder: Path) -> None:
        self.url = url
        self.tls = tls
        self.folder = folder

    def config(self, **more: object) -> ClusterConfig:
        return ClusterConfig(server=self.url, ca_data=self.tls.ca_pem(), **more)  # type: ignore[arg-type]

    def plugin(self, script: str, **more: object) -> ExecPlugin:
        file = self.folder / "plugin"
        file.write_text("#!/bin/sh\n" + script)
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
        return ExecPlugin(str(file), **more)  # type: ignore[arg-type]


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncGenerator[Served, None]:
    clock = SystemClock()
    tls = ensure_tls(tmp_path / "pki", clock.now())
    server = await ApiServer.open(path=None, clock=clock, ids=RandomIds())
    tokens = {"sesame": Identity("admin", ("system:masters",))}
    async with serve(server, tokens=tokens, tls=tls) as url:
        yield Served(url, tls, tmp_path)
    await server.close()


async def names(config: ClusterConfig) -> list[str]:
    client = Client(HttpTransport(config))
    try:
        return [o["metadata"]["name"] for o in (await client.list(NAMESPACES)).items]
    finally:
        await client.close()


async def test_a_written_kubeconfig_lets_us_in(served: Served) -> None:
    file = served.folder / "config"
    write_kubeconfig(file, server=served.url, token="sesame", ca_pem=served.tls.ca_pem())
    assert "default" in await names(load_kubeconfig(file))


async def test_a_wrong_token_is_denied(served: Served) -> None:
    with pytest.raises(Denied) as caught:
        await names(served.config(token="open"))
    assert caught.value.reason == "Unauthorized"


async def test_a_rotated_token_file_is_read_again(served: Served) -> None:
    file = served.folder / "token"
    file.write_text("old\n")
    client = Client(HttpTransport(served.config(token_file=str(file))))
    with pytest.raises(Denied):
        await client.list(NAMESPACES)
    file.write_text("sesame\n")
    await client.list(NAMESPACES)
    await client.close()


async def test_a_missing_token_file_is_denied(served: Served) -> None:
    with pytest.raises(Denied, match="cannot be read"):
        await names(served.config(token_file=str(served.folder / "absent")))


COUNTING = """echo run >> {folder}/runs
echo "$KUBERNETES_EXEC_INFO" > {folder}/info
printf '{{"apiVersion":"{version}","kind":"ExecCredential","status":{{"token":"%s"{expiry}}}}}' "$(cat {folder}/current)"
"""


def counting(served: Served, expiry: str = "") -> str:
    return COUNTING.format(folder=served.folder, version=V1, expiry=expiry)


async def test_a_plugin_is_asked_once(served: Served) -> None:
    (served.folder / "current").write_text("sesame")
    plugin = served.plugin(counting(served), provide_cluster_info=True)
    client = Client(HttpTransport(served.config(plugin=plugin)))
    for _ in range(3):
        await client.list(NAMESPACES)
    assert (served.folder / "runs").read_text() == "run\n"
    assert f'"server":"{served.url}"' in (served.folder / "info").read_text()
    await client.close()


async def test_a_plugin_is_asked_again_after_a_401(served: Served) -> None:
    (served.folder / "current").write_text("stale")
    client = Client(HttpTransport(served.config(plugin=served.plugin(counting(served)))))
    with pytest.raises(Denied):
        await client.list(NAMESPACES)
    assert (served.folder / "runs").read_text() == "run\nrun\n"
    (served.folder / "current").write_text("sesame")
    await client.list(NAMESPACES)
    assert (served.folder / "runs").read_text() == "run\nrun\nrun\n"
    await client.close()


async def test_an_expired_answer_of_a_plugin_is_asked_again(served: Served) -> None:
    (served.folder / "current").write_text("sesame")
    plugin = served.plugin(counting(served, ',"expirationTimestamp":"2020-01-01T00:00:00Z"'))
    client = Client(HttpTransport(served.config(plugin=plugin)))
    await client.list(NAMESPACES)
    await client.list(NAMESPACES)
    assert (served.folder / "runs").read_text() == "run\nrun\n"
    await client.close()


@pytest.mark.parametrize(
    ("script", "error", "said"),
    [
        ("echo no luck >&2; exit 3", Denied, "exit code 3: no luck"),
        ("echo hello", InvalidInput, "did not print an ExecCredential"),
        ("""echo '{"apiVersion":"x","status":{"token":"t"}}'""", InvalidInput, "another version"),
        (f"""echo '{{"apiVersion":"{V1}","status":{{}}}}'""", InvalidInput, "neither a token nor a certificate"),
    ],
)
async def test_a_plugin_that_fails_says_how(served: Served, script: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        await names(served.config(plugin=served.plugin(script)))


async def test_a_plugin_that_is_not_there_is_named(served: Served) -> None:
    plugin = ExecPlugin(str(served.folder / "absent"), install_hint="Install it.")
    with pytest.raises(InvalidInput, match="Install it"):
        await names(served.config(plugin=plugin))


async def test_certificates_are_checked(served: Served) -> None:
    with pytest.raises(Unavailable) as caught:
        await names(ClusterConfig(server=served.url, token="sesame"))
    assert caught.value.reason == "BadCertificate"
    with pytest.raises(Unavailable):
        await names(served.config(token="sesame", tls_server_name="elsewhere"))
    assert await names(served.config(token="sesame", tls_server_name="localhost"))
    assert await names(ClusterConfig(server=served.url, token="sesame", insecure=True))


async def test_nobody_there_is_unavailable() -> None:
    with pytest.raises(Unavailable) as caught:
        await names(ClusterConfig(server="http://127.0.0.1:1"))
    assert caught.value.reason == "Unreachable"


async def test_watches_stream_and_end_when_they_are_closed(served: Served) -> None:
    async with AsyncExitStack() as stack:
        client = Client(HttpTransport(served.config(token="sesame")))
        stack.push_async_callback(client.close)
        version = (await client.list(CONFIG_MAPS)).resource_version
        stream = client.watch(CONFIG_MAPS, resource_version=version, timeout_seconds=60)
        stack.push_async_callback(stream.aclose)
        first = asyncio.ensure_future(anext(stream))
        made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "default", "name": "x"}}
        await client.create(CONFIG_MAPS, made)
        event = await asyncio.wait_for(first, 60)
        assert (event.type, event.obj["metadata"]["name"]) == ("ADDED", "x")


@pytest.mark.parametrize("server", ["ftp://a", "https://", "nonsense"])
def test_a_server_that_is_no_url_is_refused(server: str) -> None:
    with pytest.raises(InvalidInput):
        HttpTransport(ClusterConfig(server=server))


def test_an_unsupported_proxy_is_refused() -> None:
    with pytest.raises(InvalidInput, match="proxy"):
        HttpTransport(ClusterConfig(server="http://a", proxy_url="socks5://p:1"))


def test_inline_client_keys_leave_no_file_behind(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    tls = ensure_tls(tmp_path, SystemClock().now())
    before = _open_files()
    config = ClusterConfig(
        server="https://a", client_cert_data=tls.certificate.read_bytes(), client_key_data=tls.key.read_bytes()
    )
    tls_context(config)
    assert _open_files() == before


def _open_files() -> Mapping[str, str]:
    folder = Path("/proc/self/fd")
    if not folder.exists():
        return {}
    links = {entry: folder / entry for entry in os.listdir(folder)}
    return {entry: os.readlink(link) for entry, link in links.items() if link.exists()}


def test_broken_certificates_are_refused() -> None:
    with pytest.raises(InvalidInput, match="TLS settings"):
        tls_context(ClusterConfig(server="https://a", ca_data=b"nonsense"))
    with pytest.raises(InvalidInput, match="TLS settings"):
        tls_context(ClusterConfig(server="https://a", client_cert_data=b"x", client_key_data=b"y"))


async def test_a_watch_on_which_nothing_arrives_ends(served: Served) -> None:
    transport = HttpTransport(served.config(token="sesame"), silence_seconds=0.3)
    client = Client(transport)
    version = (await client.list(CONFIG_MAPS)).resource_version
    stream = client.watch(CONFIG_MAPS, resource_version=version, timeout_seconds=60)
    assert [event async for event in stream if event.type != "BOOKMARK"] == []
    await client.close()


async def test_who_acts_as_somebody_else_leaves_the_one_that_the_kubeconfig_names(served: Served) -> None:
    named = (("impersonate-user", "bob"), ("impersonate-group", "admins"))
    client = Client(HttpTransport(served.config(token="sesame", impersonate=named)))
    review = {"apiVersion": REVIEWS.api_version, "kind": REVIEWS.kind}
    seen = [(await one.create(REVIEWS, review))["status"]["userInfo"]["username"] for one in (client, client.acting_as("ann"))]
    await client.close()
    assert seen == ["bob", "ann"]
