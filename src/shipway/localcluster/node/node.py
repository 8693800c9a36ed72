"""The node agent: a plain API client that makes pods run, on the embedded API server and on a real one alike.

It registers its Node, keeps the Lease and the Ready condition fresh, watches the pods bound to it, and gives each a
`PodWorker`. Everything it knows can be read again from the API server, so it may be stopped and started at any time.

    async with Node(client, name="local", home=home, clock=clock, addresses=book) as node:
        ...            # node.logs serves pods/log
"""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType

import structlog
from msgspec import Struct

from shipway.api.kinds import LEASES, NAMESPACES, NODES, PODS
from shipway.base.clock import Clock, Instant
from shipway.base.errors import Conflict, NotFound, ShipwayError
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, name_of, namespace_of, uid_of
from shipway.kube.runtime.decision import Note
from shipway.kube.runtime.informer import Informer
from shipway.kube.runtime.recorder import Recorder
from shipway.localcluster.node.addresses import AddressBook, Range
from shipway.localcluster.node.alongside import alongside
from shipway.localcluster.node.logs import NodeLogs, PodLogs
from shipway.localcluster.node.pid_files import PidFile, left_behind, stem_of, sweep, unchanged
from shipway.localcluster.node.pod import PodHost, PodWorker
from shipway.localcluster.node.process import ORPHAN_SECONDS
from shipway.localcluster.node.registration import (
    LEASE_NAMESPACE,
    MANAGER,
    RENEW_SECONDS,
    Capacity,
    endpoint_status,
    lease_object,
    node_object,
    node_status,
)
from shipway.localcluster.node.streaming.endpoint import EndpointTls, serve_endpoint
from shipway.localcluster.node.streaming.service import NodeStreams

log = structlog.get_logger()

_EVENTS_WAITING = 1000
_STATUS_EVERY = 6
"""The Ready condition is written at every sixth renewal of the Lease."""
_RETRY_SECONDS = 1.0


class Tuning(Struct, frozen=True):
    """What differs between nodes: tests shorten times (`backoff_scale` multiplies crash backoffs), and a node of a real
    cluster has an `endpoint` where its API server reaches it."""

    capacity: Capacity = Capacity()
    renew_seconds: float = RENEW_SECONDS
    backoff_scale: float = 1.0
    orphan_seconds: float = ORPHAN_SECONDS
    endpoint: EndpointTls | None = None


class Node:
    """One node of one cluster. `home` holds logs and pid files; nothing else may write there."""

    def __init__(
        self, client: Client, *, name: str, home: Path, clock: Clock, addresses: AddressBook, tuning: Tuning | None = None
    ) -> None:  # fmt: skip
        self.name = name
        self.registered = asyncio.Event()
        self._client = client
        self._home = home / "node" / name
        self._clock = clock
        self._addresses = addresses
        self._tuning = tuning or Tuning()
        self._recorder = Recorder(client, clock, "shipway-node")
        self._events: asyncio.Queue[Note] = asyncio.Queue(_EVENTS_WAITING)
        self._workers: dict[str, PodWorker] = {}
        self._by_name: dict[tuple[str, str], PodWorker] = {}
        self._free: list[str] = []
        self._left: dict[str, PidFile] = {}
        self._endpoint: Obj = {}
        self._block = AsyncExitStack()
        self.logs = NodeLogs(self._find_logs)
        self.streams = NodeStreams(lambda namespace, pod: self._by_name.get((namespace, pod)))

    async def __aenter__(self) -> "Node":
        """Returns once the node is registered."""
        await self._block.enter_async_context(alongside(self.run, self.registered))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._block.__aexit__(kind, error, trace)

    async def run(self) -> None:
        """Until cancelled; then every process of the node is dead."""
        last, left = self._last_range(), left_behind(self._home / "pids")
        is_ours = any(process.ip.startswith(f"10.244.{last}.") for process in left.values())
        claimed = self._addresses.claim_range(last, is_ours=is_ours)
        self._home.mkdir(parents=True, exist_ok=True)
        (self._home / "range").write_text(str(claimed.number))
        self._free = claimed.addresses()
        try:
            async with AsyncExitStack() as stack:
                if self._tuning.endpoint is not None:
                    serving = serve_endpoint(self._tuning.endpoint, self.logs, self.streams, self._clock)
                    self._endpoint = endpoint_status(await stack.enter_async_context(serving))
                await self._serve(claimed)
        finally:
            self._workers.clear()
            self._by_name.clear()
            self.registered.clear()
            self._addresses.release_range(claimed)

    async def _serve(self, claimed: Range) -> None:
        begun = self._clock.now()
        node = await self._register(begun)
        await self._take_stock()
        log.info("node_registered", node=self.name, addresses=f"10.244.{claimed.number}.0/24", mode=self._addresses.mode)
        pods = Informer(self._client, PODS, field_selector=f"spec.nodeName={self.name}", clock=self._clock)
        async with asyncio.TaskGroup() as tasks:
            pods.on_event(lambda old, new: self._pod_changed(tasks, old, new))
            tasks.create_task(pods.run())
            tasks.create_task(self._keep_fresh(node, begun))
            tasks.create_task(self._write_events())
            await pods.synced.wait()
            unclaimed, self._left = self._left, {}
            await sweep(self._home / "pids", self._clock, keep=lambda stem: stem not in unclaimed)
            self.registered.set()

    async def _take_stock(self) -> None:
        """Of what an earlier node left behind, keeps what is still what the API server says; the rest is ended before anything
        new is started in its place."""
        left = left_behind(self._home / "pids")
        kept: dict[str, PidFile] = {}
        for pod in await self._pods_of_this_node() if left else ():
            for container, process in unchanged(pod, left).items():
                if process.ip in self._free:
                    kept[stem_of(uid_of(pod), container)] = process
        await sweep(self._home / "pids", self._clock, keep=lambda stem: stem in kept)
        self._left = kept

    async def _pods_of_this_node(self) -> list[Obj]:
        while True:
            try:
                return list((await self._client.list(PODS, field_selector=f"spec.nodeName={self.name}")).items)
            except ShipwayError as error:
                log.warning("pods_not_listed", node=self.name, reason=error.reason, message=error.message)
                await self._clock.sleep(_RETRY_SECONDS)

    async def _register(self, begun: Instant) -> Obj:
        """Creates the Node, or takes over the one that an earlier run left; tries until the API server answers."""
        while True:
            try:
                node = await self._create(NODES, node_object(self.name))
                await self._write_status(begun, begun)
                await self._renew(node)
                return node
            except ShipwayError as error:
                log.warning("node_not_registered", node=self.name, reason=error.reason, message=error.message)
                await self._clock.sleep(_RETRY_SECONDS)

    async def _create(self, resource, obj: Obj) -> Obj:
        try:
            return await self._client.create(resource, obj, manager=MANAGER)
        except Conflict:
            return await self._client.get(resource, namespace_of(obj), name_of(obj))

    async def _keep_fresh(self, node: Obj, begun: Instant) -> None:
        beats = 0
        while True:
            await self._clock.sleep(self._tuning.renew_seconds)
            beats += 1
            try:
                await self._renew(node)
                if beats % _STATUS_EVERY == 0:
                    await self._write_status(self._clock.now(), begun)
            except NotFound:
                node = await self._register(begun)
            except ShipwayError as error:
                log.warning("node_not_renewed", node=self.name, reason=error.reason, message=error.message)

    async def _write_status(self, now: Instant, begun: Instant) -> None:
        status = node_status(self.name, self._tuning.capacity, now, begun) | self._endpoint
        await self._client.patch(NODES, "", self.name, {"status": status}, type="strategic", subresource="status")

    async def _renew(self, node: Obj) -> None:
        lease = lease_object(self.name, self._clock.now(), node)
        try:
            await self._client.apply(LEASES, lease, manager=MANAGER)
        except NotFound:
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": LEASE_NAMESPACE}}
            await self._create(NAMESPACES, namespace)
            await self._client.apply(LEASES, lease, manager=MANAGER)

    def _pod_changed(self, tasks: asyncio.TaskGroup, old: Obj | None, new: Obj | None) -> None:
        if new is None or (old is not None and uid_of(old) != uid_of(new)):
            gone = self._workers.get(uid_of(old)) if old is not None else None
            if gone is not None:
                gone.vanish()
        if new is None:
            return
        worker = self._workers.get(uid_of(new))
        if worker is not None:
            worker.update(new)
        else:
            self._adopt(tasks, new)

    def _adopt(self, tasks: asyncio.TaskGroup, pod: Obj) -> None:
        host = PodHost(self._client, self._clock, self._addresses, self._home, self._tell)
        host.backoff_scale, host.orphan_seconds = self._tuning.backoff_scale, self._tuning.orphan_seconds
        ip = self._address_for(pod)
        worker = PodWorker(pod, ip, host, self._claim_left(pod, ip))
        self._workers[uid_of(pod)] = worker
        self._by_name[namespace_of(pod), name_of(pod)] = worker
        tasks.create_task(self._run_worker(worker))

    def _claim_left(self, pod: Obj, ip: str) -> dict[str, PidFile]:
        """The pod's processes of an earlier node. What is not claimed is ended once all pods are known."""
        found = {name: process for name, process in unchanged(pod, self._left).items() if process.ip == ip}
        for name in found:
            del self._left[stem_of(uid_of(pod), name)]
        return found

    async def _run_worker(self, worker: PodWorker) -> None:
        """A bug in one pod's handling is reported once and costs only that pod."""
        uid, place = uid_of(worker.pod), (namespace_of(worker.pod), name_of(worker.pod))
        try:
            await worker.run()
        except Exception:
            log.exception("pod_failed", pod="/".join(place))
        finally:
            self._workers.pop(uid, None)
            if self._by_name.get(place) is worker:
                del self._by_name[place]
            if worker.ip:
                self._free.append(worker.ip)

    def _address_for(self, pod: Obj) -> str:
        """The one it has already, if it is of our range and free; else the one that was given back longest ago."""
        known = dig(pod, "status", "podIP", default="")
        if known in self._free:
            self._free.remove(known)
            return known
        return self._free.pop(0) if self._free else ""

    def _find_logs(self, namespace: str, pod: str) -> tuple[PodLogs, list[str]] | None:
        worker = self._by_name.get((namespace, pod))
        return (worker.logs, worker.container_names) if worker else None

    def _tell(self, pod: Obj, kind: str, reason: str, message: str) -> None:
        """Queues an event; when too many wait, the newest is dropped."""
        regarding = {
            "apiVersion": "v1", "kind": "Pod", "namespace": namespace_of(pod), "name": name_of(pod), "uid": uid_of(pod),
        }  # fmt: skip
        try:
            self._events.put_nowait(Note(regarding, reason, message, "Warning" if kind == "Warning" else "Normal"))
        except asyncio.QueueFull:
            log.warning("event_dropped", pod=name_of(pod), reason=reason)

    async def _write_events(self) -> None:
        while True:
            await self._recorder.record(await self._events.get())

    def _last_range(self) -> int | None:
        try:
            return int((self._home / "range").read_text())
        except (OSError, ValueError):
            return None
