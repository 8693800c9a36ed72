"""Fifty live Deployments become Rollouts by one command, and every one is asked fifty times a second all the while.

The cluster (API server, node, proxy), the engine, the pods (a process each), the clients and the command are processes of
their own on one machine. 2,500 requests a second through a proxy in Python are more than two cores carry beside all that: what
was reached is a figure, and none may fail whatever the pace. BENCH_DEPLOYMENTS and BENCH_RATE make it smaller.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from shipway.api.kinds import DEPLOYMENTS, NAMESPACES, SERVICES
from shipway.base.clock import SystemClock
from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import load_kubeconfig
from shipway.kube.client.transport import HttpTransport
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import status_of
from tests.waiting import eventually

COUNT = int(os.environ.get("BENCH_DEPLOYMENTS", "50"))
RATE = float(os.environ.get("BENCH_RATE", "50"))
AT_ONCE = 4
SPACE = "bench"
CLIENTS = "bench.steady_load"
CLOCK = SystemClock()
STRATEGY = """
canary: {stableService: "{name}", canaryService: "{name}-canary", steps: [{setWeight: 50}, {pause: {duration: 1s}}]}
"""


def deployment(name: str) -> Obj:
    probe = {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1}
    ports = [{"name": "http", "containerPort": 8080}]
    container = {"name": "web", "image": "builtin/echo:v1", "ports": ports, "readinessProbe": probe}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template}
    meta = {"name": name, "namespace": SPACE, "labels": {"team": "bench"}}
    return {"apiVersion": DEPLOYMENTS.api_version, "kind": DEPLOYMENTS.kind, "metadata": meta, "spec": spec}


def service(name: str, app: str) -> Obj:
    spec = {"selector": {"app": app}, "ports": [{"port": 80, "targetPort": "http"}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": SPACE}, "spec": spec}


async def furnished(client: Client, names: list[str]) -> None:
    await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}})
    for name in names:
        await client.create(SERVICES, service(name, name))
        await client.create(SERVICES, service(f"{name}-canary", name))
        await client.create(DEPLOYMENTS, deployment(name))
    async with asyncio.timeout(300):
        while True:
            found = (await client.list(DEPLOYMENTS, SPACE)).items
            if sum(status_of(one).get("availableReplicas") or 0 for one in found) == len(names):
                return
            await CLOCK.sleep(0.5)


@asynccontextmanager
async def process(*arguments: str, home: Path) -> AsyncGenerator[Process, None]:
    """Ended with the block; what it says goes to a file, but for the figures of the clients."""
    with (home / f"{arguments[0]}.log").open("wb") as log:
        out = PIPE if arguments[0] == CLIENTS else log
        one = await asyncio.create_subprocess_exec(sys.executable, "-m", *arguments, stdout=out, stderr=log)
    try:
        yield one
    finally:
        if one.returncode is None:
            one.terminate()
            await one.wait()


async def said(one: Process, word: bytes) -> bytes:
    """The first line of its stdout that has the word."""
    assert one.stdout is not None
    async for line in one.stdout:
        if word in line:
            return line
    raise RuntimeError(f"a process ended without saying {word!r}")


async def run() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "strategy.yaml").write_text(STRATEGY)
        kubeconfig = home / "cluster" / "kubeconfig"
        async with process("bench.cluster_process", str(kubeconfig.parent), home=home) as cluster:
            await eventually((kubeconfig.parent / "ready").exists, within=60)
            gateway = urlsplit((kubeconfig.parent / "gateway").read_text())
            assert gateway.port is not None
            client = Client(HttpTransport(load_kubeconfig(kubeconfig), clock=CLOCK), manager="bench")
            names = [f"web-{number:02d}" for number in range(COUNT)]
            await furnished(client, names)
            figures = await migrated(home, kubeconfig, gateway.port, names)
            await client.close()
            assert cluster.returncode is None
        return figures


async def migrated(home: Path, kubeconfig: Path, port: int, names: list[str]) -> dict[str, float]:
    where = ("--kubeconfig", str(kubeconfig))
    engine = ("shipway.cli.main", "run", *where, "--engines", "rollouts", "--namespace", SPACE, "--listen", "127.0.0.1:0")
    hosts = [f"{name}.{SPACE}.localhost" for name in names]
    async with (
        process(*engine, "--cache", str(home / "cache"), home=home),
        process(CLIENTS, str(port), str(RATE), *hosts, home=home) as load,
    ):
        await said(load, b"begun")
        begun = time.perf_counter()
        order = ("rollout", "migrate", "-l", "team=bench", "-f", str(home / "strategy.yaml"), "--at-once", str(AT_ONCE))
        command = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "shipway.cli.main",
            *order,
            *where,
            "-n",
            SPACE,
            stderr=asyncio.subprocess.DEVNULL,
            stdout=PIPE,
        )
        out, _ = await command.communicate()
        seconds = time.perf_counter() - begun
        load.terminate()
        found = json.loads(await said(load, b"requests_per_s"))
    print(out.decode(), file=sys.stderr, end="")
    return {
        "deployments": len(names),
        "exit_code": float(command.returncode or 0),
        "seconds": seconds,
        "requests": found["requests"],
        "failed": found["failed"],
        "asked_requests_per_s": RATE * len(names),
        "reached_requests_per_s": found["requests_per_s"],
        "p95_ms": found["p95_ms"],
    }
