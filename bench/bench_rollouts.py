"""Two hundred Rollouts on a real control plane: created, updated and aborted all at once, by one `shipway run`.

The set-up in which Argo Rollouts 1.9.1 was measured: 2 pods each, setWeight 25, pause 2 s, setWeight 50, pause 2 s, pods ready
0.1 s after they exist (played; there is no node). CPU and memory are those of the `shipway run` process alone, from /proc.
Needs `make kube`; without it there is no figure. Most of the work is the API server's (four times ours), so the times depend on
what else the machine does; CPU, memory and the number of requests hardly do. At the end there are a thousand Rollouts, idle.
"""

import asyncio
import os
import re
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from shipway.api.crds import load_crds
from shipway.api.kinds import CRDS, NAMESPACES, PODS, ROLLOUTS
from shipway.base.clock import SystemClock, rfc3339
from shipway.base.errors import Conflict, NotFound, ShipwayError
from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import load_kubeconfig
from shipway.kube.client.transport import HttpTransport
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, name_of
from tests.kube.control_plane import ControlPlane, built_binary

COUNT, MANY = 200, 1000
SPACE = "bench"
START_SECONDS = 0.1
CLOCK = SystemClock()
AT_ONCE = 32
PAUSE: Obj = {"pause": {"duration": 2}}
STEPS: list[Obj] = [{"setWeight": 25}, PAUSE, {"setWeight": 50}, PAUSE]


def rollout(number: int) -> Obj:
    labels = {"app": f"web-{number}"}
    return {
        "apiVersion": ROLLOUTS.api_version,
        "kind": ROLLOUTS.kind,
        "metadata": {"name": f"web-{number}", "namespace": SPACE},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "web:v1"}]}},
            "strategy": {"canary": {"steps": STEPS}},
        },
    }


class Bench:
    """The cluster from outside: every Rollout's status by name, as a watch tells it."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.seen: dict[str, Obj] = {}
        self._news: set[str] = set()
        self._changed = asyncio.Event()

    async def follow(self) -> None:
        """A watch on a kind that is new to the API server may be cut off; then from the start."""
        while True:
            with suppress(ShipwayError):
                listing = await self.client.list(ROLLOUTS, SPACE)
                for item in listing.items:
                    self._saw(item)
                async for event in self.client.watch(ROLLOUTS, SPACE, resource_version=listing.resource_version):
                    if event.type in ("ADDED", "MODIFIED"):
                        self._saw(event.obj)
            await CLOCK.sleep(0.1)

    def _saw(self, found: Obj) -> None:
        self.seen[name_of(found)] = found
        self._news.add(name_of(found))
        self._changed.set()

    async def kubelet(self) -> None:
        """Every pod is ready a moment after it exists."""
        async with asyncio.TaskGroup() as group:
            listing = await self.client.list(PODS, SPACE)
            async for event in self.client.watch(PODS, SPACE, resource_version=listing.resource_version):
                if event.type == "ADDED":
                    group.create_task(self._start(name_of(event.obj)))

    async def _start(self, name: str) -> None:
        await CLOCK.sleep(START_SECONDS)
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": rfc3339(CLOCK.now())}
        try:
            body = {"status": {"phase": "Running", "conditions": [ready]}}
            await self.client.patch(PODS, SPACE, name, body, subresource="status")
        except (NotFound, Conflict):
            return

    async def all_at_once(self, act: Callable[[int], Any], numbers: range = range(COUNT)) -> None:
        room = asyncio.Semaphore(AT_ONCE)

        async def one(number: int) -> None:
            async with room:
                await act(number)

        async with asyncio.TaskGroup() as group:
            for number in numbers:
                group.create_task(one(number))

    async def until_each(self, is_so: Callable[[Obj], bool], count: int = COUNT, seconds: float = 300.0) -> list[float]:
        """Seconds from now until it is so, for each of `count` Rollouts."""
        begun, took = time.perf_counter(), dict[str, float]()
        self._news.update(self.seen)
        async with asyncio.timeout(seconds):
            while len(took) < count:
                for name in self._news.difference(took):
                    if is_so(self.seen[name]):
                        took[name] = time.perf_counter() - begun
                self._news.clear()
                self._changed.clear()
                if len(took) < count:
                    await self._changed.wait()
        return sorted(took.values())

    async def requests(self) -> float:
        """Requests that the API server has answered, watches and lists included, whoever sent them."""
        told = (await self.client.raw("GET", "/metrics")).body.decode()
        return sum(float(value) for value in re.findall(r"^apiserver_request_total{.*} (\S+)$", told, re.MULTILINE))


Story = Callable[[Bench, int], Awaitable[dict[str, float]]]
"""What happens, and its figures, told to the one outside and the pid of the engine."""


def is_healthy(revision: str) -> Callable[[Obj], bool]:
    def check(found: Obj) -> bool:
        image = dig(found, "spec", "template", "spec", "containers", 0, "image")
        observed = dig(found, "status", "observedGeneration") == str(found["metadata"]["generation"])
        return image == f"web:{revision}" and observed and dig(found, "status", "phase") == "Healthy"

    return check


def is_on_trial(found: Obj) -> bool:
    """Waits for a person with all pods of both revisions."""
    status = found.get("status") or {}
    return status.get("phase") == "Paused" and status.get("availableReplicas") == 3


def is_thrown_out(found: Obj) -> bool:
    """Aborted, and every pod is stable's again."""
    status = found.get("status") or {}
    return status.get("phase") == "Degraded" and not status.get("updatedReplicas") and status.get("availableReplicas") == 2


def shipway(kubeconfig: Path) -> list[str]:
    """The command of a production process for rollouts."""
    engines = ["--namespace", SPACE, "--engines", "rollouts", "--listen", "127.0.0.1:0"]
    return [str(Path(sys.executable).with_name("shipway")), "run", "--kubeconfig", str(kubeconfig), *engines]


@asynccontextmanager
async def running(command: list[str]) -> AsyncGenerator[int, None]:
    """A process of that command; yields its pid."""
    nowhere = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdout=nowhere, stderr=nowhere, start_new_session=True)
    try:
        yield process.pid
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


async def run() -> dict[str, float]:
    return await on_a_control_plane(shipway, story)


async def on_a_control_plane(engine: Callable[[Path], list[str]], story: Story) -> dict[str, float]:
    """The figures of a story with the engine that this command starts; none without `make kube`."""
    binary = built_binary()
    if binary is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        async with ControlPlane.start(binary, Path(folder)) as plane:
            transport = HttpTransport(load_kubeconfig(plane.kubeconfig, None))
            try:
                return await measured(Bench(Client(transport)), engine(plane.kubeconfig), story)
            finally:
                await transport.close()


async def measured(bench: Bench, command: list[str], story: Story) -> dict[str, float]:
    for crd in load_crds():
        await bench.client.create(CRDS, crd)
    while ROLLOUTS not in await bench.client.discover():
        await CLOCK.sleep(0.1)
    await bench.client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}})
    async with asyncio.TaskGroup() as group, running(command) as pid:
        played = [group.create_task(bench.follow()), group.create_task(bench.kubelet())]
        await CLOCK.sleep(5.0)
        figures = await story(bench, pid)
        for task in played:
            task.cancel()
    return figures


async def story(bench: Bench, pid: int) -> dict[str, float]:
    figures = await moved(bench, pid)
    await until_quiet(pid)
    figures["idle_cpu_s_per_minute"] = 60.0 * await share_of_a_core(pid)
    figures["memory_mb"] = memory_mb(pid)
    rest = range(COUNT, MANY)
    made = asyncio.create_task(bench.all_at_once(lambda number: bench.client.create(ROLLOUTS, rollout(number)), rest))
    await bench.until_each(lambda found: dig(found, "status", "phase") in ("Healthy", "Degraded"), MANY)
    await made
    await until_quiet(pid)
    figures["idle_1000_core_percent"] = 100.0 * await share_of_a_core(pid)
    figures["memory_1000_mb"] = memory_mb(pid)
    return figures


async def moved(bench: Bench, pid: int) -> dict[str, float]:
    """Created, updated, and aborted in the middle of another update, in which all stand at the same step: a quick engine would
    have more of them at later ones, where more is to be undone."""
    made = asyncio.create_task(bench.all_at_once(lambda number: bench.client.create(ROLLOUTS, rollout(number))))
    created = await bench.until_each(is_healthy("v1"))
    await made
    begun, asked = cpu_seconds(pid), await bench.requests()
    pushed = asyncio.create_task(bench.all_at_once(lambda number: set_image(bench, number, "v2")))
    updated = await bench.until_each(is_healthy("v2"))
    await pushed
    spent, answered = cpu_seconds(pid) - begun, await bench.requests() - asked
    await bench.all_at_once(lambda number: set_image(bench, number, "v3", steps=[*STEPS[:1], {"pause": {}}, *STEPS[2:]]))
    await bench.until_each(is_on_trial)
    await until_quiet(pid)
    thrown = asyncio.create_task(bench.all_at_once(lambda number: abort(bench, number)))
    aborted = await bench.until_each(is_thrown_out)
    await thrown
    return {
        "create_all_s": created[-1],
        "update_p50_s": statistics.median(updated),
        "update_p95_s": updated[int(0.95 * COUNT) - 1],
        "update_cpu_s": spent,
        "update_requests_each": answered / COUNT,
        "abort_p95_s": aborted[int(0.95 * COUNT) - 1],
    }


async def share_of_a_core(pid: int, seconds: float = 20.0) -> float:
    """What the process takes of one core while nothing happens."""
    before = cpu_seconds(pid)
    await CLOCK.sleep(seconds)
    return (cpu_seconds(pid) - before) / seconds


async def until_quiet(pid: int) -> None:
    """What is left to do is done: events are written after everything else."""
    spent = cpu_seconds(pid)
    for _ in range(20):
        await CLOCK.sleep(3.0)
        before, spent = spent, cpu_seconds(pid)
        if spent - before < 0.05:
            return


async def set_image(bench: Bench, number: int, revision: str, **strategy: list[Obj]) -> None:
    container = {"name": "web", "image": f"web:{revision}"}
    spec: Obj = {"template": {"spec": {"containers": [container]}}, "strategy": {"canary": strategy}}
    await bench.client.patch(ROLLOUTS, SPACE, f"web-{number}", {"spec": spec})


async def abort(bench: Bench, number: int) -> None:
    await bench.client.patch(ROLLOUTS, SPACE, f"web-{number}", {"status": {"abort": True}}, subresource="status")
