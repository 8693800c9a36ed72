"""What 10,000 cached pods cost: memory beside plain dicts in the same run, the first sync, and a look at one of them."""

import asyncio
import gc
import os
import time
from pathlib import Path

from bench.pods import pod_server
from shipway.base.clock import SystemClock
from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import ClusterConfig
from shipway.kube.client.transport import HttpTransport
from shipway.kube.objects.resource import Resource
from shipway.kube.runtime.informer import Informer

COUNT = 10_000
LOOKS = 20_000
PODS = Resource("", "v1", "Pod", "pods")


def resident_mb() -> float:
    """Of this process, now."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


async def run() -> dict[str, float]:
    """The cache first: what plain dicts leave behind in the allocator would flatter it."""
    async with pod_server(COUNT) as url, asyncio.TaskGroup() as group:
        client = Client(HttpTransport(ClusterConfig(server=url)))
        await client.list(PODS, keep=lambda obj: None)  # what a page needs on its way is counted for nobody
        before = resident_mb()
        informer = Informer(client, PODS, clock=SystemClock())
        begun = time.perf_counter()
        following = group.create_task(informer.run())
        await informer.synced.wait()
        first_sync = time.perf_counter() - begun
        following.cancel()
        cached = resident_mb() - before
        begun = time.process_time()
        for number in range(LOOKS):
            assert informer.get(f"team-{number % 20}", f"checkout-6d4b75cb6d-{number % COUNT:05d}") is not None
        looking = time.process_time() - begun
        before = resident_mb()
        plain = await client.list(PODS)
        plain_mb = resident_mb() - before
        assert len(informer) == len(plain.items) == COUNT
        await client.close()
    return {
        "first_sync_s": round(first_sync, 2),
        "cached_mb": round(cached, 1),
        "plain_mb": round(plain_mb, 1),
        "look_us": round(looking / LOOKS * 1e6, 1),
    }
