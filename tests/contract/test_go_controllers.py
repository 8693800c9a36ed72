"""Kubernetes' own controller manager and scheduler, unmodified, on the embedded API server.

They are the most demanding clients there are: Go informers with WatchList, protobuf bodies, leases, status and scale writes,
ownership, bindings, finalizers. Nothing of ours controls anything here; the test plays the node.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest_asyncio

from shipway.base.clock import SystemClock, rfc3339
from shipway.base.errors import NotFound
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Resource
from shipway.kube.objects.views import condition_of, status_of
from shipway.localcluster.apiserver.http import Identity, serve
from shipway.localcluster.apiserver.kubeconfig import write_kubeconfig
from shipway.localcluster.apiserver.server import ApiServer
from shipway.localcluster.apiserver.tls import ensure_tls
from tests.kube.certificates import write_certificates
from tests.kube.control_plane import needed_binary

NODES = Resource("", "v1", "Node", "nodes", namespaced=False)
NAMESPACES = Resource("", "v1", "Namespace", "namespaces", namespaced=False)
PODS = Resource("", "v1", "Pod", "pods")
DEPLOYMENTS = Resource("apps", "v1", "Deployment", "deployments")
REPLICA_SETS = Resource("apps", "v1", "ReplicaSet", "replicasets")
SLICES = Resource("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices")
SERVICES = Resource("", "v1", "Service", "services")
CONTROLLERS = "*,-nodeipam,-node-route-controller,-service-lb-controller,-cloud-node-lifecycle-controller"
PATIENCE = 60.0


class Processes:
    """The two Go programs, in process groups of their own."""

    def __init__(self, binary: Path, folder: Path) -> None:
        self._binary, self._folder = binary, folder
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, *flags: str) -> None:
        with (self._folder / f"{name}.log").open("wb") as log:
            command = [self._binary, name, f"--kubeconfig={self._folder}/kubeconfig", "--bind-address=127.0.0.1", *flags]
            environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(self._folder)}
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, env=environment)
        self._running.append(process)

    def stop(self) -> None:
        for process in self._running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest_asyncio.fixture
async def client(tmp_path: Path) -> AsyncGenerator[Client, None]:
    """A client of an embedded API server that the Go programs control."""
    binary = needed_binary()
    clock = SystemClock()
    server = await ApiServer.open(path=tmp_path / "state.db", clock=clock, ids=RandomIds())
    tls = ensure_tls(tmp_path / "pki", clock.now())
    write_certificates(tmp_path / "certificates")
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.close)
        url = await stack.enter_async_context(serve(server, tokens={"t": Identity("admin")}, tls=tls))
        write_kubeconfig(tmp_path / "kubeconfig", server=url, token="t", ca_pem=tls.ca_pem())
        processes = Processes(binary, tmp_path)
        stack.callback(processes.stop)
        key = f"--service-account-private-key-file={tmp_path}/certificates/sa.key"
        processes.start(
            "kube-controller-manager",
            *("--secure-port=0", "--leader-elect=true", f"--controllers={CONTROLLERS}", key),
            "--node-monitor-grace-period=1h",  # the node of the test reports once
        )
        processes.start("kube-scheduler", "--secure-port=0", "--leader-elect=false")
        yield Client(server, manager="node")


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    """The first truthy answer; every question waits for the server."""
    async with asyncio.timeout(PATIENCE):
        while not (found := await condition()):
            await asyncio.sleep(0.05)
    return found


def web(replicas: int) -> dict[str, Any]:
    labels = {"app": "web"}
    container = {"name": "c", "image": "x:1", "ports": [{"containerPort": 80}]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 0}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}, "spec": spec}


async def add_node(client: Client) -> None:
    """A node that is ready and has room."""
    await client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}})
    room = {"cpu": "8", "memory": "16Gi", "pods": "100"}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": rfc3339(SystemClock().now())}
    await client.patch(NODES, "", "n", {"status": {"capacity": room, "conditions": [ready]}}, subresource="status")


async def run_pods(client: Client, count: int) -> list[dict[str, Any]] | None:
    """Plays the kubelet: pods that are bound get an address and become ready."""
    pods = (await client.list(PODS, "shop")).items
    for number, pod in enumerate(pods):
        if pod["spec"].get("nodeName") and not condition_of(pod, "Ready"):
            address = f"10.244.0.{number + 1}"
            ready = [{"type": kind, "status": "True"} for kind in ("Ready", "ContainersReady")]
            status = {"phase": "Running", "conditions": ready, "podIP": address, "podIPs": [{"ip": address}]}
            await client.patch(PODS, "shop", pod["metadata"]["name"], {"status": status}, subresource="status")
    ready_pods = [pod for pod in pods if condition_of(pod, "Ready")]
    return ready_pods if len(pods) == len(ready_pods) == count else None


async def test_a_deployment_comes_scales_and_goes_with_its_namespace(client: Client) -> None:
    await add_node(client)
    await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    await client.create(DEPLOYMENTS, web(3))
    service = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
    await client.create(
        SERVICES, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"}, "spec": service}
    )

    await until(lambda: run_pods(client, 3))
    await until(lambda: _available(client, 3))
    assert len(await until(lambda: _addresses(client, 3))) == 3

    await client.patch(DEPLOYMENTS, "shop", "web", {"spec": {"replicas": 1}})
    await until(lambda: run_pods(client, 1))
    await client.patch(DEPLOYMENTS, "shop", "web", {"spec": {"template": {"metadata": {"annotations": {"v": "2"}}}}})
    await until(lambda: _rolled_over(client))

    await client.delete(NAMESPACES, "", "shop")
    await until(lambda: _gone(client))


async def _available(client: Client, count: int) -> bool:
    return status_of(await client.get(DEPLOYMENTS, "shop", "web")).get("availableReplicas") == count


async def _addresses(client: Client, count: int) -> list[str] | None:
    slices = (await client.list(SLICES, "shop")).items
    found = [address for one in slices for endpoint in one.get("endpoints") or [] for address in endpoint["addresses"]]
    return found if len(found) == count else None


async def _rolled_over(client: Client) -> bool:
    """Whether the new ReplicaSet has taken over; keeps playing the kubelet meanwhile."""
    await run_pods(client, 1)
    sets = (await client.list(REPLICA_SETS, "shop")).items
    return sorted(status_of(one).get("readyReplicas", 0) for one in sets) == [0, 1]


async def _gone(client: Client) -> bool:
    try:
        await client.get(NAMESPACES, "", "shop")
    except NotFound:
        return True
    return False
