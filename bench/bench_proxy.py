"""The route proxy of the local cluster: requests through it with keep-alive, and what it adds to the median.

Pod, proxy and clients are three processes on one machine, so the rate is what all three manage together.
"""

import asyncio
import json
import subprocess
import sys

from shipway.localcluster.node.addresses import AddressBook
from shipway.localcluster.node.proxy.counters import Counters
from shipway.localcluster.node.proxy.routing import build
from shipway.localcluster.node.proxy.server import ProxyServer
from tests.unit.localcluster.node.proxy_objects import ref, route, rule, service, slice_of

HOST = "web.example"
SECONDS = 3.0


async def load(port: int, connections: int) -> dict[str, float]:
    arguments = (sys.executable, "-m", "bench.http_load", str(port), HOST, str(connections), str(SECONDS))
    process = await asyncio.create_subprocess_exec(*arguments, stdout=subprocess.PIPE)
    out, _ = await process.communicate()
    return json.loads(out)


async def run() -> dict[str, float]:
    echo = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "shipway.localcluster.node.echo", "--listen=127.0.0.1:0", stdout=subprocess.PIPE
    )
    assert echo.stdout is not None
    pod = int((await echo.stdout.readline()).rsplit(b":", 1)[1])
    try:
        async with asyncio.TaskGroup() as tasks:
            server = ProxyServer(AddressBook("ports"), Counters(), tasks)
            port = await server.start("127.0.0.1", 0)
            slices = [slice_of(name, "127.0.0.1", port=pod) for name in ("stable", "canary")]
            routes = [route("web", rule(ref("stable", 70), ref("canary", 30)))]
            server.route(build([service("stable"), service("canary")], slices, routes).table)
            through, one, direct = await load(port, 16), await load(port, 1), await load(pod, 1)
            await server.stop()
    finally:
        echo.kill()
        await echo.wait()
    return {
        "requests_per_s": through["requests_per_s"],
        "p50_ms": one["p50_ms"],
        "direct_p50_ms": direct["p50_ms"],
        "added_p50_ms": one["p50_ms"] - direct["p50_ms"],
        "failed": through["failed"] + one["failed"],
    }
