"""A whole embedded cluster in virtual time: the API server in memory, the built-in controllers, and a node made of rules.

The node is a controller like any other: it lets pods run and be ready some seconds after they are bound, lets the ones whose
image says so fail or finish, and confirms deletions. No process, no port, no waiting.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from msgspec import Struct

from shipway.api.kinds import DEPLOYMENTS, EVENTS, NODES, PODS, REPLICA_SETS
from shipway.base.clock import Clock, Instant, LoopClock, parse_rfc3339, rfc3339
from shipway.base.errors import NotFound
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import dig, is_deleting, metadata, name_of, namespace_of, resource_version_of, spec_of, uid_of
from shipway.kube.runtime.controller import ObjectKey, own_key
from shipway.kube.runtime.controller import World as Caches
from shipway.kube.runtime.decision import Batch, Conclusion, Decision, Delete, Outcome, Patch, Watch
from shipway.kube.runtime.runtime import Runtime
from shipway.kube.runtime.virtual_time import run_in_virtual_time
from shipway.localcluster.apiserver.server import ApiServer
from shipway.localcluster.controllers.built_in import built_in_controllers, built_in_resolvers
from tests.sim.faults import NO_FAULTS, Faults, FaultyTransport, until_it_dies
from tests.sim.rest import come_to_rest

EPOCH = Instant(1_795_000_000.0)
NODE = "node-1"


class Bound(Struct, frozen=True):
    """A pod that has a node."""

    pod: Obj


class NodeRules:
    """The image decides: `slow:N` is ready after N seconds, `job:N` succeeds, `crash:N` fails, `never` is never ready."""

    name = "node-rules"
    watches = (Watch(PODS, own_key),)

    def __init__(self, node: str = "") -> None:
        self._node = node

    def observe(self, key: ObjectKey, world: Caches) -> Bound | None:
        pod = world.get(PODS, key.namespace, key.name)
        node = spec_of(pod).get("nodeName") if pod else None
        return Bound(pod) if pod and node and self._node in ("", node) else None

    def decide(self, observed: Bound, now: Instant) -> Decision:
        pod = observed.pod
        if is_deleting(pod):
            gone = Delete(PODS, namespace_of(pod), name_of(pod), uid=uid_of(pod), grace_seconds=0)
            return Decision((Batch((gone,)),) if not metadata(pod).get("finalizers") or _deleted_at_once(pod) else ())
        image, _, tail = spec_of(pod)["containers"][0]["image"].partition(":")
        seconds = float(tail) if tail.replace(".", "").isdecimal() else 1.0
        at = Instant(parse_rfc3339(metadata(pod)["creationTimestamp"]) + seconds)
        phase = dig(pod, "status", "phase", default="Pending")
        if phase in ("Succeeded", "Failed") or image == "never":
            return Decision()
        if now < at:
            return Decision(wake=at)
        wanted = {"job": "Succeeded", "crash": "Failed"}.get(image, "Running")
        if phase == wanted and dig(pod, "status", "podIP"):
            return Decision()
        return Decision((Batch((_status(pod, wanted, now),)),))

    def conclude(self, fresh: Bound, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion | None:
        return None


def _deleted_at_once(pod: Obj) -> bool:
    return metadata(pod).get("deletionGracePeriodSeconds") != 0


def _status(pod: Obj, phase: str, now: Instant) -> Patch:
    since = rfc3339(now)
    ready = "True" if phase == "Running" else "False"
    kinds = ("PodScheduled", "Initialized", "ContainersReady", "Ready")
    conditions = [{"type": kind, "status": ready if "ead" in kind else "True", "lastTransitionTime": since} for kind in kinds]
    state: Obj = {"running": {"startedAt": since}}
    if phase != "Running":
        state = {"terminated": {"exitCode": 0 if phase == "Succeeded" else 1, "finishedAt": since, "startedAt": since}}
    address = f"10.244.0.{int(uid_of(pod)[:2], 16)}"
    status = {
        "phase": phase,
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": conditions,
        "containerStatuses": [
            {
                "name": spec_of(pod)["containers"][0]["name"],
                "image": spec_of(pod)["containers"][0]["image"],
                "imageID": "",
                "ready": phase == "Running",
                "restartCount": 0,
                "state": state,
            }
        ],
    }
    return Patch(
        PODS,
        namespace_of(pod),
        name_of(pod),
        {"status": status},
        subresource="status",
        uid=uid_of(pod),
        resource_version=resource_version_of(pod),
    )


class Cluster:
    """The cluster as a user sees it."""

    def __init__(self, server: ApiServer, clock: Clock, rng: random.Random | None, faults: Faults | None = None) -> None:
        self.server = server
        self.clock = clock
        self.user = Client(server, user_agent="kubectl", manager="kubectl")
        self.faulty = FaultyTransport(server, clock, rng or random.Random(0), faults or NO_FAULTS)
        self._system = Client(self.faulty if faults else server, manager="kube-controller-manager")
        self._rng = rng
        self.runtime = self._started()

    async def run(self) -> None:
        """Runs the controllers; a crash of theirs starts them again a second later, with nothing remembered."""
        while True:
            await until_it_dies(self.runtime.run())
            await self.clock.sleep(1.0)
            self.runtime = self._started()

    def _started(self) -> Runtime:
        controllers = [*built_in_controllers(ca_certificate="CA"), NodeRules()]
        resolvers = built_in_resolvers(self._system)
        return Runtime(self._system, controllers, clock=self.clock, resolvers=resolvers, rng=self._rng)

    async def settle(self, seconds: float = 5.0) -> None:
        """Lets everything work for `seconds`, and until it is idle."""
        await come_to_rest(lambda: self.runtime, self.clock, seconds)

    async def until(self, condition: Callable[[], Awaitable[Any]], seconds: float = 120.0) -> Any:
        """What `condition` returns as soon as it is true."""
        for _ in range(int(seconds / 0.1)):
            if found := await condition():
                return found
            await self.clock.sleep(0.1)
        raise AssertionError("never came true")

    async def deployment(self, name: str = "web") -> Obj:
        return await self.user.get(DEPLOYMENTS, "default", name)

    async def pods(self, namespace: str = "default") -> list[Obj]:
        return (await self.user.list(PODS, namespace)).items

    async def replica_sets(self) -> list[Obj]:
        return (await self.user.list(REPLICA_SETS, "default")).items

    async def messages(self, reason: str) -> list[str]:
        return [e["message"] for e in (await self.user.list(EVENTS)).items if e["reason"] == reason]

    async def is_gone(self, resource: Resource, namespace: str, name: str) -> bool:
        try:
            await self.user.get(resource, namespace, name)
        except NotFound:
            return True
        return False


def deployment(image: str = "slow:1", replicas: int = 3, name: str = "web", **spec: Any) -> Obj:
    """A Deployment as users write it."""
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": image}]}},
            **spec,
        },
    }


def node(name: str = NODE, pods: int = 200) -> Obj:
    """A Node that is ready."""
    amounts = {"cpu": "64", "memory": "256Gi", "pods": str(pods)}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastTransitionTime": rfc3339(EPOCH)}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "status": {"allocatable": amounts, "capacity": amounts, "conditions": [ready]},
    }


@asynccontextmanager
async def cluster(nodes: Iterable[Obj], seed: int | None, faults: Faults | None = None) -> AsyncGenerator[Cluster, None]:
    """A running cluster."""
    clock = LoopClock(asyncio.get_running_loop(), EPOCH)
    rng = random.Random(seed) if seed is not None else None
    server = await ApiServer.open(path=None, clock=clock, ids=RandomIds(random.Random(seed or 0)))
    there = Cluster(server, clock, rng, faults)
    for made in nodes:
        await there.user.create(NODES, made)
        await there.user.patch(NODES, "", name_of(made), {"status": made["status"]}, subresource="status")
    async with asyncio.TaskGroup() as group:
        running = group.create_task(there.run())
        try:
            yield there
        finally:
            running.cancel()
    await server.close()


def simulate(
    story: Callable[[Cluster], Awaitable[None]],
    nodes: Iterable[Obj] | None = None,
    seed: int | None = None,
    faults: Faults | None = None,
) -> None:
    """Runs `story` in a fresh cluster, in virtual time."""

    async def main() -> None:
        async with cluster([node()] if nodes is None else nodes, seed, faults) as there:
            await story(there)

    run_in_virtual_time(main())
