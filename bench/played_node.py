"""`python -m bench.played_node KUBECONFIG`: a node whose pods are sockets of one process, until it is terminated.

A pod of 10.a.b.c listens at 127.a.b.c (`reached_at`), on the port of its first container. It is ready once it listens; asked to
go, it answers as long as its preStop hook sleeps, refuses connections from then on, and is gone. One that is deleted without
grace loses its socket and its connections in the middle of what they do. So who sends to a pod too early or too late fails, as
with pods that are processes, and answering costs a fiftieth of what processes take.
"""

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

from shipway.api.kinds import NODES, PODS
from shipway.base.clock import Clock, SystemClock, rfc3339
from shipway.base.errors import Conflict, NotFound
from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import load_kubeconfig
from shipway.kube.client.transport import HttpTransport
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, is_deleting, labels_of, name_of, namespace_of, spec_of, uid_of
from shipway.kube.runtime.informer import Informer
from shipway.rollouts.rollout.names import HASH_LABEL

NODE = "played"
START_SECONDS = 0.3
CLAIM_PORT = 14_999
"""Nobody is asked there: whoever holds it at 127.N.0.1 has the network 10.N.0.0/16."""
READY_LINE = "the node is ready"


def reached_at(address: str) -> str:
    """Where a pod's address is on this machine: an EndpointSlice may name no loopback address."""
    return f"127.{address.partition('.')[2]}"


class Addresses:
    """A network 10.N.0.0/16 of our own: who plays another node beside this one has another N."""

    def __init__(self) -> None:
        self._claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._network = next(filter(self._is_claimed, range(1, 255)))
        self._count = 0

    def _is_claimed(self, network: int) -> bool:
        try:
            self._claim.bind((f"127.{network}.0.1", CLAIM_PORT))
        except OSError:
            return False
        return True

    def next(self) -> str:
        """One that no pod has had."""
        self._count += 1
        return f"10.{self._network}.{self._count // 250 + 1}.{self._count % 250 + 1}"

    def close(self) -> None:
        self._claim.close()


class Answering(asyncio.Protocol):
    """A connection to a pod: every request is answered at once with whose pod it is."""

    def __init__(self, kind: bytes, connections: set[asyncio.Transport]) -> None:
        self._answer = b"HTTP/1.1 200 OK\r\nX-Version: %b\r\nContent-Length: 0\r\n\r\n" % kind
        self._connections = connections
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._connections.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data).split(b"\r\n\r\n")
        self._transport.write(self._answer * len(whole))


class PlayedNode:
    """Plays the kubelet for the pods that are bound to the node."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._going: dict[str, asyncio.Event] = {}
        self._gone: dict[str, asyncio.Event] = {}
        self._addresses = Addresses()

    async def run(self) -> None:
        """Until cancelled."""
        pods = Informer(self._client, PODS, clock=self._clock, field_selector=f"spec.nodeName={NODE}")
        with closing(self._addresses):
            async with asyncio.TaskGroup() as group:
                pods.on_event(lambda old, new: self._heard(old, new, group))
                await pods.run()

    def _heard(self, old: Obj | None, new: Obj | None, group: asyncio.TaskGroup) -> None:
        uid = uid_of(new or old or {})
        if new is None:
            self._gone[uid].set()
        elif uid not in self._gone:
            self._going[uid], self._gone[uid] = asyncio.Event(), asyncio.Event()
            group.create_task(self._life(new))
        if new is None or is_deleting(new):
            self._going[uid].set()

    async def _life(self, pod: Obj) -> None:
        """From the first sight of a pod until it does not exist."""
        address = self._addresses.next()
        gone, going = self._gone[uid_of(pod)], self._going[uid_of(pod)]
        if not await _within(self._clock, START_SECONDS, going):
            async with _listening(pod, address):
                await self._patch(pod, _status(address, rfc3339(self._clock.now())))
                await going.wait()
                await _within(self._clock, _hook_seconds(pod), gone)
        with suppress(NotFound, Conflict):
            await self._client.delete(PODS, namespace_of(pod), name_of(pod), uid=uid_of(pod), grace_seconds=0)

    async def _patch(self, pod: Obj, status: Obj) -> None:
        with suppress(NotFound, Conflict):
            await self._client.patch(PODS, namespace_of(pod), name_of(pod), {"status": status}, subresource="status")


@asynccontextmanager
async def _listening(pod: Obj, address: str) -> AsyncGenerator[None, None]:
    kind = b"rollout" if HASH_LABEL in labels_of(pod) else b"deployment"
    connections = set[asyncio.Transport]()
    port = spec_of(pod)["containers"][0]["ports"][0]["containerPort"]
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Answering(kind, connections), reached_at(address), port)
    try:
        yield
    finally:
        server.close()
        for connection in list(connections):
            connection.abort()


async def _within(clock: Clock, seconds: float, event: asyncio.Event) -> bool:
    """Waits for the event, but no longer than that; whether it came."""
    async with asyncio.TaskGroup() as group:
        waits = [group.create_task(event.wait()), group.create_task(clock.sleep(seconds))]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for one in waits:
            one.cancel()
    return event.is_set()


def _hook_seconds(pod: Obj) -> float:
    return float(dig(spec_of(pod), "containers", 0, "lifecycle", "preStop", "sleep", "seconds", default=0))


def _status(address: str, now: str) -> Obj:
    kinds = ("PodScheduled", "Initialized", "ContainersReady", "Ready")
    conditions = [{"type": kind, "status": "True", "lastTransitionTime": now} for kind in kinds]
    return {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "conditions": conditions}


async def register(client: Client, clock: Clock) -> None:
    """The Node, closed to everybody's pods but those that name it."""
    meta = {"name": NODE}
    await client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": meta, "spec": {"unschedulable": True}})
    now = rfc3339(clock.now())
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "", "lastHeartbeatTime": now}
    amounts = {"cpu": "64", "memory": "256Gi", "pods": "1000"}
    status = {"allocatable": amounts, "capacity": amounts, "conditions": [{**ready, "lastTransitionTime": now}]}
    await client.patch(NODES, "", NODE, {"status": status}, subresource="status")


async def main(kubeconfig: Path) -> None:
    clock, stop = SystemClock(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    client = Client(HttpTransport(load_kubeconfig(kubeconfig), clock=clock), manager="kubelet")
    await register(client, clock)
    async with asyncio.TaskGroup() as group:
        playing = group.create_task(PlayedNode(client, clock).run())
        print(READY_LINE, flush=True)
        await stop.wait()
        playing.cancel()
    await client.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
