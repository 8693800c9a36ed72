"""The two clusters that clients are tried on, and a namespace for each test.

Both live as long as the folder's tests: the embedded cluster as `shipway up` has it, and the real control plane with our
node agent as its only node.
"""

from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from shipway.api.kinds import NAMESPACES, NODES, SERVICE_ACCOUNTS
from shipway.assembly.cluster import embedded_cluster
from shipway.base.clock import SystemClock
from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import load_kubeconfig
from shipway.kube.client.transport import HttpTransport
from shipway.kube.runtime.waiting import One, wait_until
from shipway.localcluster.node.addresses import AddressBook
from shipway.localcluster.node.node import Node, Tuning
from shipway.localcluster.node.streaming.endpoint import EndpointTls
from tests.clients.programs import Cluster, Program
from tests.kube.certificates import KUBELET_CLIENT
from tests.kube.control_plane import ControlPlane

CLOCK = SystemClock()
NODE = "clients"


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def embedded(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Cluster, None]:
    async with embedded_cluster(tmp_path_factory.mktemp("embedded"), CLOCK) as made:
        yield Cluster(made.kubeconfig, is_real=False)


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def real(real_control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Cluster, None]:
    client = Client(HttpTransport(load_kubeconfig(real_control_plane.kubeconfig)))
    home = tmp_path_factory.mktemp("node")
    pki = real_control_plane.folder / "pki"
    tuning = Tuning(endpoint=EndpointTls(pki / "server.crt", pki / "server.key", pki / "ca.crt", KUBELET_CLIENT))
    async with Node(client, name=NODE, home=home, clock=CLOCK, addresses=AddressBook(), tuning=tuning):
        yield Cluster(real_control_plane.kubeconfig, is_real=True)
    await client.delete(NODES, "", NODE)
    await client.close()


@pytest.fixture
def cluster(request: pytest.FixtureRequest) -> Cluster:
    """The one that a test (or the fixture of its program) was parametrized with by name."""
    return request.getfixturevalue(request.param)


@pytest_asyncio.fixture(loop_scope="session")
async def client(cluster: Cluster) -> AsyncGenerator[Client, None]:
    """An administrator of the cluster."""
    made = Client(HttpTransport(load_kubeconfig(cluster.kubeconfig)))
    yield made
    await made.close()


@pytest_asyncio.fixture(loop_scope="session")
async def namespace(client: Client) -> AsyncGenerator[str, None]:
    """A fresh one, in which pods may be created already."""
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "clients-"}}
    name = (await client.create(NAMESPACES, body))["metadata"]["name"]
    await wait_until(client, One(SERVICE_ACCOUNTS, name, "default"), bool)
    yield name
    await client.delete(NAMESPACES, "", name)


@pytest.fixture
def client_program(program: Callable[[str], str], cluster: Cluster, namespace: str, tmp_path: Path) -> Callable[[str], Program]:
    """`client_program("helm3")` is that program on the test's cluster and namespace."""
    return lambda name: Program(program(name), cluster, namespace, tmp_path)
