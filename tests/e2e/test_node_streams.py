"""exec and port-forward where the machine has no pod addresses (port mode) as well, and what ends a session."""

import asyncio
import os
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from shipway.api.kinds import PODS
from shipway.base.clock import SystemClock
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.kube.objects.views import condition_of, dig
from shipway.kube.runtime.waiting import One, wait_until
from shipway.localcluster.apiserver.http import Identity, serve
from shipway.localcluster.apiserver.server import ApiServer
from shipway.localcluster.node.addresses import AddressBook
from shipway.localcluster.node.node import Node
from shipway.localcluster.node.streaming.channels import CLOSE, OUTCOME, STDIN, STDOUT, on
from tests.waiting import eventually

CLOCK = SystemClock()
TOKEN = "a token"
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "nodeName": "local",
        "terminationGracePeriodSeconds": 1,
        "containers": [
            {
                "name": "web",
                "image": "builtin/echo:v1",
                "ports": [{"containerPort": 8080}],
                "env": [{"name": "DRAIN_MS", "value": "0"}],
            }
        ],
    },
}


@asynccontextmanager
async def a_pod(home, mode="loopback"):
    """A client of the API, and a way to open a WebSocket to the ready pod's subresources."""
    server = await ApiServer.open(path=None, clock=CLOCK, ids=RandomIds())
    client = Client(server)
    node = Node(client, name="local", home=home, clock=CLOCK, addresses=AddressBook(mode))
    async with node, serve(server, tokens={TOKEN: Identity("admin")}) as url, aiohttp.ClientSession(url) as session:
        server.attach_streams(node.streams)
        await client.create(PODS, POD)
        is_ready = lambda obj: dig(condition_of(obj, "Ready"), "status") == "True"  # noqa: E731
        await wait_until(client, One(PODS, "default", "web"), is_ready)

        @asynccontextmanager
        async def socket(path, *protocols, token=TOKEN):
            headers = {"Authorization": f"Bearer {token}"}
            where = f"/api/v1/namespaces/default/pods/web/{path}"
            async with session.ws_connect(where, protocols=protocols, headers=headers) as opened:
                yield opened

        yield client, socket
    await server.close()


async def said(socket, channel):
    """Everything on one channel until the connection ends."""
    text = b""
    async with asyncio.timeout(60):
        async for message in socket:
            if message.data[:1] == bytes([channel]):
                text += message.data[1:]
    return text.decode("latin-1")


@pytest.mark.parametrize("mode", ["loopback", "ports"])
@pytest.mark.parametrize("protocol", ["v5.channel.k8s.io", "v4.channel.k8s.io"])
async def test_a_command_knows_where_its_pod_listens(tmp_path, mode, protocol):
    async with a_pod(tmp_path, mode) as (_, socket):
        path = "exec?command=sh&command=-c&command=echo+$HOST;+cat;+pwd&stdin=true&stdout=true"
        async with socket(path.replace("cat", "read+x"), protocol) as opened:
            await opened.send_bytes(on(STDIN, b"a line\n"))
            host, directory = (await said(opened, STDOUT)).split()
            assert host.startswith("127.0.0.1" if mode == "ports" else "127.244.")
            assert directory.startswith(str(tmp_path))
        if protocol.startswith("v5"):
            async with socket("exec?command=cat&stdin=true&stdout=true", protocol) as opened:
                await opened.send_bytes(on(STDIN, b"until the end"))
                await opened.send_bytes(bytes([CLOSE, STDIN]))
                assert await said(opened, STDOUT) == "until the end"


@pytest.mark.parametrize("mode", ["loopback", "ports"])
async def test_a_port_is_forwarded(tmp_path, mode):
    request = b"GET /version HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n"
    async with a_pod(tmp_path, mode) as (_, socket):
        async with socket("portforward?ports=8080", "v4.channel.k8s.io") as opened:
            await opened.send_bytes(on(0, request))
            assert (await said(opened, 0)).endswith("v1\n")
        async with socket("portforward?ports=9", "v4.channel.k8s.io") as opened:
            assert "error forwarding port 9: " in await said(opened, 1)


def pid_files(folder: Path) -> list[str]:
    """The process files in a tree that is being removed: `walk`, unlike `rglob`, passes over what is gone already."""
    return [name for _, _, names in os.walk(folder) for name in names if name.endswith(".pid")]


async def test_a_command_ends_with_its_container_and_with_its_client(tmp_path):
    path = "exec?command=sh&command=-c&command=echo+$$;exec+sleep+600&stdout=true"
    async with a_pod(tmp_path) as (client, socket):
        async with socket(path, "v5.channel.k8s.io") as opened:
            left = await pid_in(opened)
        await eventually(lambda: not is_alive(left))
        async with socket(path, "v5.channel.k8s.io") as opened:
            pid = await pid_in(opened)
            await client.delete(PODS, "default", "web")
            assert '"137"' in await said(opened, OUTCOME)
        assert not is_alive(pid)
        await wait_until(client, One(PODS, "default", "web"), lambda obj: obj is None)
        await eventually(lambda: not pid_files(tmp_path / "node") and not any((tmp_path / "node/local/run").iterdir()))


async def test_nothing_that_was_said_is_lost_and_nothing_stays_behind(tmp_path):
    """The output is larger than what all buffers hold, and a child of the command lives on."""
    path = "exec?command=sh&command=-c&command=sleep+600+%26+echo+$!;+head+-c+3000000+/dev/zero&stdout=true"
    async with a_pod(tmp_path) as (_, socket), socket(path, "v5.channel.k8s.io") as opened:
        left, _, rest = (await said(opened, STDOUT)).partition("\n")  # they may come in one message
        assert len(rest) == 3_000_000
        await eventually(lambda: not is_alive(int(left)))


async def pid_in(socket):
    async with asyncio.timeout(60):
        while not (text := (await socket.receive()).data[1:].strip()):
            pass
    return int(text)


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("why", "path", "protocol", "status"),
    [
        ("no such subprotocol", "exec?command=ls&stdout=true", "v9.channel.k8s.io", 400),
        ("no stream wanted", "exec?command=ls", "v5.channel.k8s.io", 400),
        ("no command", "exec?stdout=true", "v5.channel.k8s.io", 400),
        ("no such container", "exec?command=ls&stdout=true&container=nobody", "v5.channel.k8s.io", 400),
        ("input of what reads none", "attach?stdin=true&stdout=true", "v5.channel.k8s.io", 400),
        ("no such port", "portforward?ports=99999", "v4.channel.k8s.io", 400),
    ],
)
async def test_what_is_refused_before_the_upgrade(tmp_path, why, path, protocol, status):
    async with a_pod(tmp_path) as (_, socket):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            async with socket(path, protocol):
                pass
        assert refusal.value.status == status, why


async def test_a_stranger_runs_nothing(tmp_path):
    async with a_pod(tmp_path) as (_, socket):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            async with socket("exec?command=touch&command=here&stdout=true", "v5.channel.k8s.io", token="guessed"):
                pass
        assert refusal.value.status == 401
