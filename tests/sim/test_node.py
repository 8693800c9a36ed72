"""The node in virtual time: backoffs as the kubelet's, and pods that end up right whatever the network and crashes do."""

import asyncio
import random
from collections.abc import Callable
from itertools import pairwise

import pytest

from shipway.api.kinds import PODS
from shipway.base.clock import Clock, Instant, LoopClock
from shipway.base.errors import NotFound
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import condition_of, dig
from shipway.kube.runtime.virtual_time import run_in_virtual_time
from shipway.localcluster.apiserver.server import ApiServer
from shipway.localcluster.node.addresses import AddressBook
from shipway.localcluster.node.node import Node
from tests.sim.faults import Faults, FaultyTransport, until_it_dies

EPOCH = Instant(1_795_000_000.0)


def pod(name: str, *command: str, **spec) -> Obj:
    container = {"name": "main", "image": "busybox"} | ({"command": list(command)} if command else {})
    body = {"nodeName": "local", "containers": [container], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}, "spec": body}


def node(client: Client, home, clock: Clock) -> Node:
    return Node(client, name="local", home=home, clock=clock, addresses=AddressBook("ports"))


def test_a_crash_loop_keeps_the_kubelets_time(tmp_path):
    """Runs of no length at all, restarted at once, then after 10 seconds and ever twice as many, up to five minutes."""

    async def scenario():
        clock = LoopClock(asyncio.get_running_loop(), EPOCH)
        server = await ApiServer.open(path=None, clock=clock, ids=RandomIds(random.Random(1)))
        client = Client(server)
        starts: dict[int, float] = {}
        async with node(client, tmp_path, clock):
            created = await client.create(PODS, pod("web", "sh", "-c", "exit 1"))
            version = created["metadata"]["resourceVersion"]
            async for event in client.watch(PODS, "default", resource_version=version):
                ended = dig(event.obj, "status", "containerStatuses", 0, "lastState", "terminated")
                if ended:
                    starts.setdefault(event.obj["status"]["containerStatuses"][0]["restartCount"], clock.now())
                if len(starts) == 8:
                    break
        await server.close()
        times = [starts[n] for n in sorted(starts)]
        return [round(b - a) for a, b in pairwise(times)]

    assert run_in_virtual_time(scenario()) == [0, 10, 20, 40, 80, 160, 300]


CASES: dict[str, tuple[Obj, Callable[[Obj], bool]]] = {
    "server": (pod("server"), lambda obj: dig(condition_of(obj, "Ready"), "status") == "True"),
    "task": (pod("task", "sleep", "20", restartPolicy="Never"), lambda obj: dig(obj, "status", "phase") == "Succeeded"),
    "failure": (
        pod("failure", "sh", "-c", "sleep 5; exit 2", restartPolicy="Never"),
        lambda obj: dig(obj, "status", "phase") == "Failed",
    ),
    "retried": (
        pod("retried", "sh", "-c", "sleep 1; exit 2", restartPolicy="OnFailure"),
        lambda obj: dig(obj, "status", "containerStatuses", 0, "restartCount", default=0) >= 2,
    ),
    "prepared": (
        pod("prepared", initContainers=[{"name": "setup", "image": "busybox", "command": ["sleep", "3"]}]),
        lambda obj: dig(condition_of(obj, "Ready"), "status") == "True",
    ),
    "missing": (
        pod("missing", containers=[{"name": "main", "image": "web:missing"}]),
        lambda obj: dig(obj, "status", "containerStatuses", 0, "state", "waiting", "reason") == "ImagePullBackOff",
    ),
}


async def keep_running(client: Client, home, clock: Clock) -> None:
    """A supervisor: a node that crashed is started again."""
    while True:
        await until_it_dies(node(client, home, clock).run())


async def reached(client: Client, name: str, is_so: Callable[[Obj], bool], clock: Clock) -> None:
    for _ in range(6000):
        try:
            if is_so(await client.get(PODS, "default", name)):
                return
        except NotFound:
            if is_so({}):
                return
        await clock.sleep(0.1)
    raise AssertionError(f"{name} never got there: {(await client.get(PODS, 'default', name)).get('status')}")


@pytest.mark.parametrize("seed", range(25))
def test_pods_end_up_right_whatever_happens(seed, tmp_path):
    async def scenario():
        rng = random.Random(seed)
        clock = LoopClock(asyncio.get_running_loop(), EPOCH)
        server = await ApiServer.open(path=None, clock=clock, ids=RandomIds(random.Random(seed)))
        shaky = FaultyTransport(server, clock, rng, Faults())
        user = Client(server)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(keep_running(Client(shaky), tmp_path, clock))
            for name in rng.sample(sorted(CASES), len(CASES)):
                await user.create(PODS, CASES[name][0])
                await clock.sleep(rng.uniform(0.0, 3.0))
            await clock.sleep(rng.uniform(0.0, 60.0))
            shaky.calm()
            for name, (_, is_so) in CASES.items():
                await reached(user, name, is_so, clock)
            for name in CASES:
                await user.delete(PODS, "default", name)
            for name in CASES:
                await reached(user, name, lambda obj: not obj, clock)
            running.cancel()
        await server.close()
        return shaky.injected

    assert run_in_virtual_time(scenario()) > 0, f"seed {seed}"
