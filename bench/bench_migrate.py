"""Fifty live Deployments become Rollouts by one command, and every one is asked fifty times a second all the while.

A real control plane, two real Envoys that know the cluster's own HTTPRoutes and EndpointSlices, users who keep the pace, the
engine and the command: processes of their own on one machine. Pods are sockets of one process (`bench.played_node`). The
route of each leads to the two Services that its migration takes over, and the Rollout weighs it. What is wanted: the whole
pace (2,500 requests a second), and none failed.

Needs `make kube` and `make tools`; without them there is no figure. BENCH_DEPLOYMENTS and BENCH_RATE make it smaller.
BENCH_BREAK=1 deletes a Deployment's pods without grace as soon as its Rollout is there: what is counted then are failures.
"""

import asyncio
import os
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec

from bench.played_node import NODE, READY_LINE, reached_at
from bench.steady_load import Told
from shipway.api.crds import load_crds
from shipway.api.kinds import CRDS, DEPLOYMENTS, HTTP_ROUTES, NAMESPACES, PODS, ROLLOUTS, SERVICES
from shipway.base.clock import SystemClock
from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import load_kubeconfig
from shipway.kube.client.transport import HttpTransport
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import name_of, status_of
from shipway.kube.runtime.waiting import One, wait_until
from tests.e2e.proxies import envoy
from tests.fetch_clients import TOOLS
from tests.kube.control_plane import ControlPlane, built_binary
from tests.waiting import eventually

COUNT = int(os.environ.get("BENCH_DEPLOYMENTS", "50"))
RATE = float(os.environ.get("BENCH_RATE", "50"))
IS_BROKEN = os.environ.get("BENCH_BREAK") == "1"
AT_ONCE = 4
GATEWAYS = 2
SPACE = "bench"
CLOCK = SystemClock()
STRATEGY = """
canary:
  stableService: "{name}"
  canaryService: "{name}-canary"
  trafficRouting: {plugins: {argoproj-labs/gatewayAPI: {httpRoute: "{name}", namespace: SPACE}}}
  steps: [{setWeight: 50}, {pause: {duration: 1s}}]
"""


def strategy(space: str) -> str:
    """Of every Rollout, for the namespace."""
    return STRATEGY.replace("SPACE", space)


def host_of(name: str) -> str:
    return f"{name}.bench.example"


def made(name: str, space: str) -> list[tuple[Resource, Obj]]:
    """A Deployment with its Services and its route. Its pods answer for 5 s after they were asked to go: a gateway may take as
    long until it knows."""
    ports = [{"name": "http", "containerPort": 8080}]
    hook = {"preStop": {"sleep": {"seconds": 5}}}
    container = {"name": "web", "image": "played:v1", "ports": ports, "lifecycle": hook}
    pod = {"metadata": {"labels": {"app": name}}, "spec": {"nodeName": NODE, "containers": [container]}}
    deployment = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": pod}
    service = {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}
    refs = [{"name": name, "port": 80, "weight": 100}, {"name": f"{name}-canary", "port": 80, "weight": 0}]
    route = {"parentRefs": [{"name": "web"}], "hostnames": [host_of(name)], "rules": [{"backendRefs": refs}]}

    def one(resource: Resource, named: str, spec: Obj) -> tuple[Resource, Obj]:
        meta = {"name": named, "namespace": space, "labels": {"team": "bench"}}
        return resource, {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta, "spec": spec}

    services = [one(SERVICES, named, service) for named in (name, f"{name}-canary")]
    return [*services, one(HTTP_ROUTES, name, route), one(DEPLOYMENTS, name, deployment)]


async def furnished(client: Client, space: str, names: list[str]) -> None:
    """All of them are available."""
    for name in names:
        for resource, obj in made(name, space):
            await client.create(resource, obj)
    async with asyncio.timeout(300):
        while True:
            found = (await client.list(DEPLOYMENTS, space)).items
            if sum(status_of(one).get("availableReplicas") or 0 for one in found) == len(names):
                return
            await CLOCK.sleep(0.5)


async def broken(client: Client, space: str, name: str) -> None:
    """As soon as the Rollout is there, and its pods are not, those of the Deployment are killed."""
    await wait_until(client, One(ROLLOUTS, space, name), bool, seconds=300)
    for pod in (await client.list(PODS, space, label_selector=f"app={name}")).items:
        await client.delete(PODS, space, name_of(pod), grace_seconds=0)


@asynccontextmanager
async def process(*arguments: str, log: Path, is_read: bool = True) -> AsyncGenerator[Process, None]:
    """Of a module, ended with the block. Its stdout is to be read, or goes where stderr goes. A session of its own: where Linux
    shares the cores by sessions, each has a share as on a machine of its own."""
    with log.open("wb") as said:
        out = PIPE if is_read else said
        command = (sys.executable, "-m", *arguments)
        one = await asyncio.create_subprocess_exec(*command, stdout=out, stderr=said, start_new_session=True)
    try:
        yield one
    finally:
        if one.returncode is None:
            one.terminate()
            await one.communicate()


async def line_with(one: Process, word: bytes) -> bytes:
    """The first line of its stdout that has the word."""
    assert one.stdout is not None
    async for line in one.stdout:
        if word in line:
            return line
    raise RuntimeError(f"a process ended without saying {word!r}")


async def run() -> dict[str, float]:
    binary, program = built_binary(), TOOLS / "envoy"
    if binary is None or not program.exists():
        return {}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        async with AsyncExitStack() as stack:
            plane = await stack.enter_async_context(ControlPlane.start(binary, home / "plane"))
            client = Client(HttpTransport(load_kubeconfig(plane.kubeconfig), clock=CLOCK), manager="bench")
            stack.push_async_callback(client.close)
            names = [f"web-{number:02d}" for number in range(COUNT)]
            for crd in load_crds():
                await client.create(CRDS, crd)
            await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}})
            while not {HTTP_ROUTES, ROLLOUTS} <= set(await client.discover()):
                await CLOCK.sleep(0.1)
            node = process("bench.played_node", str(plane.kubeconfig), log=home / "node.log")
            await line_with(await stack.enter_async_context(node), READY_LINE.encode())
            await furnished(client, SPACE, names)
            ports: list[int] = []
            for number in range(GATEWAYS):
                (at := home / f"gateway-{number}").mkdir()
                ports.append(await stack.enter_async_context(envoy(str(program), client, SPACE, at, reached_at)))
            (home / "strategy.yaml").write_text(strategy(SPACE))
            return await migrated(client, home, plane.kubeconfig, (ports, names))


async def migrated(client: Client, home: Path, kubeconfig: Path, traffic: tuple[list[int], list[str]]) -> dict[str, float]:
    """`traffic`: the ports of the gateways, and whom the users ask."""
    ports, names = traffic
    where = ("--kubeconfig", str(kubeconfig), "--namespace", SPACE)
    engine = ("shipway.cli.main", "run", *where, "--engines", "rollouts", "--listen", "127.0.0.1:0")
    users = ("bench.steady_load", ",".join(map(str, ports)), str(RATE), *map(host_of, names))
    order = ("rollout", "migrate", "-l", "team=bench", "-f", str(home / "strategy.yaml"), "--at-once", str(AT_ONCE))
    async with AsyncExitStack() as stack:
        engine_log = home / "engine.log"
        await stack.enter_async_context(process(*engine, "--cache", str(home / "cache"), log=engine_log, is_read=False))
        await eventually(lambda: b"ready" in engine_log.read_bytes(), within=60)
        load = await stack.enter_async_context(process(*users, log=home / "users.log"))
        group = await stack.enter_async_context(asyncio.TaskGroup())
        await line_with(load, b"begun")
        if IS_BROKEN:
            group.create_task(broken(client, SPACE, names[0]))
        begun = CLOCK.elapsed()
        async with process("shipway.cli.main", *order, *where, log=home / "command.log") as command:
            out, _ = await command.communicate()
        seconds = CLOCK.elapsed() - begun
        async with asyncio.timeout(120):
            while len((await client.list(PODS, SPACE)).items) > len(names):  # some still answer, and must be able to go
                await CLOCK.sleep(0.5)
        load.terminate()
        told = msgspec.json.decode(await line_with(load, b"requests_per_s"), type=Told)
    print(out.decode(), told, file=sys.stderr, sep="")
    return {
        "deployments": len(names),
        "exit_code": float(command.returncode or 0),
        "seconds": seconds,
        "requests": told.requests,
        "answered_by_rollouts": told.by.get("rollout", 0),
        "failed": sum(told.failed.values()),
        "wanted_requests_per_s": RATE * len(names),
        "reached_requests_per_s": told.requests_per_s,
        "p50_ms": told.p50_ms,
        "p95_ms": told.p95_ms,
        "longest_gap_ms": told.longest_gap_ms,
    }
