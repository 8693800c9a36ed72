"""The embedded cluster: an API server over HTTPS, the built-in controllers, one node and the proxy, in this process.

Everything lives under one home directory: `kubeconfig`, the state (`cluster.db`), the node's pods. State survives `kill -9`;
what runs is rebuilt from it.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import structlog
from msgspec import Struct

from shipway.api.crds import load_crds, load_router_crds
from shipway.api.kinds import CRDS
from shipway.assembly.installation import create_missing
from shipway.base.clock import Clock
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.kube.runtime.runtime import Runtime
from shipway.localcluster.apiserver.http import Identity, serve
from shipway.localcluster.apiserver.kubeconfig import write_kubeconfig
from shipway.localcluster.apiserver.server import ApiServer
from shipway.localcluster.apiserver.tls import TlsFiles, ensure_tls
from shipway.localcluster.controllers.built_in import built_in_controllers, built_in_resolvers
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
        for crd in (*load_crds(), *load_router_crds()):
            await create_missing(client, CRDS, crd)
        addresses = AddressBook()
        group = await stack.enter_async_context(asyncio.TaskGroup())
        tls = ensure_tls(home / "tls", clock.now())
        built_in = built_in_controllers(ca_certificate=tls.ca_pem().decode())
        controllers = group.create_task(Runtime(client, built_in, clock=clock, resolvers=built_in_resolvers(client)).run())
        stack.callback(controllers.cancel)
        node = await stack.enter_async_context(Node(client, name=NODE_NAME, home=home, clock=clock, addresses=addresses))
        server.attach_logs(node.logs)
        server.attach_streams(node.streams)
        proxy = await stack.enter_async_context(Proxy(client, clock=clock, addresses=addresses, port=gateway_port))
        api_url, kubeconfig = await stack.enter_async_context(_front(server, home, tls, api_port))
        log.info("cluster_ready", api=api_url, gateway=proxy.url, kubeconfig=str(kubeconfig))
        yield EmbeddedCluster(client, kubeconfig, api_url, proxy.url)


@asynccontextmanager
async def _front(server: ApiServer, home: Path, tls: TlsFiles, port: int) -> AsyncIterator[tuple[str, Path]]:
    """HTTPS for everybody outside this process: URL, and the kubeconfig that lets its owner in."""
    token = secrets.token_urlsafe(32)
    async with serve(server, tokens={token: Identity("admin")}, tls=tls, port=port) as url:
        kubeconfig = home / "kubeconfig"
        write_kubeconfig(kubeconfig, server=url, token=token, ca_pem=tls.ca_pem())
        yield url, kubeconfig
