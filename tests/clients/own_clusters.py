"""Clusters of a test's own, where what it takes away at the end is nobody else's."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from shipway.assembly.cluster import embedded_cluster
from shipway.base.clock import SystemClock
from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import load_kubeconfig
from shipway.kube.client.transport import HttpTransport
from shipway.localcluster.node.addresses import AddressBook
from shipway.localcluster.node.node import Node
from tests.kube.control_plane import ControlPlane, needed_binary

CLOCK = SystemClock()


@asynccontextmanager
async def real_cluster(folder: Path) -> AsyncGenerator[tuple[Client, Path], None]:
    """A real control plane with our node agent; an administrator and the kubeconfig."""
    binary = needed_binary()
    async with AsyncExitStack() as stack:
        plane = await stack.enter_async_context(ControlPlane.start(binary, folder / "kube"))
        client = Client(HttpTransport(load_kubeconfig(plane.kubeconfig)))
        stack.push_async_callback(client.close)
        await stack.enter_async_context(Node(client, name="node", home=folder, clock=CLOCK, addresses=AddressBook()))
        yield client, plane.kubeconfig


@asynccontextmanager
async def own_embedded_cluster(folder: Path) -> AsyncGenerator[tuple[Client, Path], None]:
    """The embedded cluster as `shipway up` has it."""
    async with embedded_cluster(folder / "embedded", CLOCK) as made:
        yield made.client, made.kubeconfig
