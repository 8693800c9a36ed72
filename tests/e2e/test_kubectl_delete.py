"""A current kubectl takes things away on the embedded cluster: cascades, namespaces, a node that is drained."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import orjson
import pytest_asyncio

from shipway.api.kinds import NODES
from shipway.base.clock import SystemClock
from shipway.base.ids import RandomIds
from shipway.kube.objects.views import name_of
from shipway.localcluster.apiserver.http import Identity, serve
from shipway.localcluster.apiserver.kubeconfig import write_kubeconfig
from shipway.localcluster.apiserver.server import ApiServer
from shipway.localcluster.apiserver.tls import ensure_tls
from tests.sim.cluster_world import Cluster, deployment, node
from tests.waiting import comes_to


class Kubectl:
    """Runs kubectl against the cluster; fails with what it said."""

    def __init__(self, program: str, kubeconfig: Path, folder: Path, cluster: Cluster) -> None:
        self._program = program
        self._kubeconfig = kubeconfig
        self._folder = folder
        self.cluster = cluster

    async def __call__(self, *arguments: str, stdin: bytes = b"") -> str:
        process = await asyncio.create_subprocess_exec(
            self._program, *arguments, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT, env={"KUBECONFIG": str(self._kubeconfig), "HOME": str(self._folder)},
        )  # fmt: skip
        try:
            out, _ = await asyncio.wait_for(process.communicate(stdin), 120)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0, out.decode()
        return out.decode()


@pytest_asyncio.fixture
async def kubectl(program: Callable[[str], str], tmp_path: Path) -> AsyncGenerator[Kubectl, None]:
    clock = SystemClock()
    server = await ApiServer.open(path=None, clock=clock, ids=RandomIds())
    cluster = Cluster(server, clock, random.Random(1))
    made = node()
    await cluster.user.create(NODES, made)
    await cluster.user.patch(NODES, "", name_of(made), {"status": made["status"]}, subresource="status")
    tokens = {"sesame": Identity("admin", ("system:masters",))}
    tls = ensure_tls(tmp_path / "pki", clock.now())
    async with serve(server, tokens=tokens, tls=tls) as url, asyncio.TaskGroup() as group:
        write_kubeconfig(tmp_path / "config", server=url, token="sesame", ca_pem=tls.ca_pem())
        running = group.create_task(cluster.run())
        yield Kubectl(program("kubectl"), tmp_path / "config", tmp_path, cluster)
        running.cancel()
    await server.close()


async def test_cascades(kubectl: Kubectl) -> None:
    manifest = orjson.dumps(deployment(image="slow:0"))
    await kubectl("apply", "-f", "-", stdin=manifest)
    await kubectl("rollout", "status", "deployment/web", "--timeout=90s")
    await kubectl("delete", "deployment", "web", "--cascade=foreground", "--timeout=90s")
    assert "No resources found" in await kubectl("get", "replicasets,pods")
    await kubectl("create", "namespace", "shop")
    await kubectl("create", "configmap", "x", "-n", "shop")
    await kubectl("delete", "namespace", "shop", "--timeout=90s")


async def test_a_node_is_drained_one_pod_at_a_time(kubectl: Kubectl) -> None:
    user = kubectl.cluster.user
    other = node("node-2")
    await user.create(NODES, other)
    await user.patch(NODES, "", "node-2", {"status": other["status"]}, subresource="status")
    await kubectl("apply", "-f", "-", stdin=orjson.dumps(deployment(image="slow:0", replicas=4)))
    await kubectl("create", "poddisruptionbudget", "web", "--selector=app=web", "--max-unavailable=1")
    await kubectl("rollout", "status", "deployment/web", "--timeout=90s")
    said = await kubectl("drain", "node-1", "--timeout=90s")
    assert "node/node-1 drained" in said
    # The last pod is drained before another one in its place has found a node.
    await comes_to(" ".join(["node-2"] * 4), lambda: kubectl("get", "pods", "-o", "jsonpath={.items[*].spec.nodeName}"))
    await kubectl("uncordon", "node-1")
