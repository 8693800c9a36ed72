"""A hundred simulated pods on the embedded cluster: how long until a Deployment is up, rolled over, gone with its namespace.

In memory and in real time, with all built-in controllers; pods are ready as soon as they are bound, so that what is measured
is ours.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from shipway.api.kinds import DEPLOYMENTS, NAMESPACES, NODES
from shipway.base.clock import SystemClock
from shipway.base.errors import NotFound
from shipway.base.ids import RandomIds
from shipway.kube.objects.views import metadata, spec_of, status_of
from shipway.localcluster.apiserver.server import ApiServer
from tests.sim.cluster_world import NODE, Cluster, deployment, node

PODS = 100
SPACE = "bench"
CLOCK = SystemClock()


async def run() -> dict[str, float]:
    server = await ApiServer.open(path=None, clock=CLOCK, ids=RandomIds())
    cluster = Cluster(server, CLOCK, None)
    made = node(pods=10 * PODS)
    await cluster.user.create(NODES, made)
    await cluster.user.patch(NODES, "", NODE, {"status": made["status"]}, subresource="status")
    await cluster.user.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}})
    async with asyncio.TaskGroup() as group:
        running = group.create_task(cluster.run())
        while not cluster.runtime.is_synced:
            await CLOCK.sleep(0.05)
        wanted = deployment(image="slow:0", replicas=PODS)
        wanted["metadata"]["namespace"] = SPACE
        up = await timed(cluster.user.create(DEPLOYMENTS, wanted), lambda: is_up(cluster))
        body = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "slow:0.0"}]}}}}
        change = cluster.user.patch(DEPLOYMENTS, SPACE, "web", body, type="strategic")
        rolled = await timed(change, lambda: is_up(cluster))
        gone = await timed(cluster.user.delete(NAMESPACES, "", SPACE), lambda: is_gone(cluster))
        running.cancel()
    await server.close()
    return {"pods": PODS, "up_seconds": up, "update_seconds": rolled, "namespace_gone_seconds": gone}


async def timed(begin: Awaitable[object], is_over: Callable[[], Awaitable[bool]]) -> float:
    """Seconds from the request until it is so."""
    begun = time.perf_counter()
    await begin
    while not await is_over():
        await CLOCK.sleep(0.02)
    return round(time.perf_counter() - begun, 3)


async def is_up(cluster: Cluster) -> bool:
    """As `kubectl rollout status` sees it."""
    found = await cluster.user.get(DEPLOYMENTS, SPACE, "web")
    status, wanted = status_of(found), spec_of(found)["replicas"]
    seen = status.get("observedGeneration", 0) >= metadata(found)["generation"]
    return seen and status.get("updatedReplicas") == status.get("availableReplicas") == status.get("replicas") == wanted


async def is_gone(cluster: Cluster) -> bool:
    try:
        await cluster.user.get(NAMESPACES, "", SPACE)
    except NotFound:
        return True
    return False
