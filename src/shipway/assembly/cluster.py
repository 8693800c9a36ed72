"""The embedded cluster: an API server over HTTPS, the built-in controllers, one node and the proxy, in this process.

Everything lives under one home directory: `kubeconfig`, the state (`cluster.db`), the node's pods. State survives `kill -9`;
what runs is rebuilt from it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import structlog
from msgspec import Struct

from shipway.api.crds import load_crds
from shipway.api.kinds import CRDS
from shipway.base.clock import Clock
from shipway.base.errors import Conflict
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.kube.runtime.runtime import Runtime
from shipway.localcluster.apiserver.http import serve
from shipway.localcluster.apiserver.server import ApiServer
from shipway.localcluster.controllers import built_in_controllers
from shipway.localcluster.node.addresses import AddressBook
from shipway.localcluster.node.node import Node
from shipway.localcluster.node.proxy.proxy import Proxy

log = structlog.get_logger()

NODE_NAME = "local"


class EmbeddedCluster(Struct, frozen=True):
    """A running cluster: how clients reach it, and where its traffic enters."""

    client: Client
    kubeconfig: Path
    api_url: str
    gateway_url: str
    proxy: Proxy


@asynccontextmanager
async def embedded_cluster(
    home: Path, clock: Clock, *, api_port: int = 0, gateway_port: int = 0
) -> AsyncIterator[EmbeddedCluster]:
    """Starts the cluster whose state is in `home` and stops it at the end; leaves no process behind.

    Port 0 means any free one. Raises InvalidInput for a damaged state file, OSError when a port is taken.
    """
    home.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        server = await ApiServer.open(path=home / "cluster.db", clock=clock, ids=RandomIds())
        stack.push_async_callback(server.close)
        client = Client(server, user_agent="shipway-cluster", manager="shipway-cluster")
        await _install_crds(client)
        addresses = AddressBook()
        group = await stack.enter_async_context(asyncio.TaskGroup())
        controllers = group.create_task(Runtime(client, built_in_controllers(), clock=clock).run())
        stack.callback(controllers.cancel)
        node = await stack.enter_async_context(Node(client, name=NODE_NAME, home=home, clock=clock, addresses=addresses))
        server.backend.logs = node.logs
        proxy = await stack.enter_async_context(Proxy(client, clock=clock, addresses=addresses, port=gateway_port))
        front = await serve(server, home, port=api_port)
        stack.push_async_callback(front.stop)
        log.info("cluster_ready", api=front.url, gateway=proxy.url, kubeconfig=str(front.kubeconfig))
        yield EmbeddedCluster(client, front.kubeconfig, front.url, proxy.url, proxy)


async def _install_crds(client: Client) -> None:
    for crd in load_crds():
        try:
            await client.create(CRDS, crd)
        except Conflict:
            continue
