"""One pod on this node: carries out what `decide` says and reports what became of it.

The loop is level-triggered: something happened (the pod changed, a container ended, a probe spoke, a wait is over), so look at
everything, decide, act, report. Each running container is one task; all of them end with the loop.
"""

import asyncio
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog
from msgspec import Struct
from msgspec.structs import replace

from shipway.api.kinds import CONFIG_MAPS, PODS, SECRETS
from shipway.base.clock import Clock, Instant
from shipway.base.errors import InvalidInput, NotFound, ShipwayError, Unavailable
from shipway.base.ids import digest
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import is_deleting, name_of, namespace_of, status_of, uid_of
from shipway.localcluster.node.addresses import AddressBook
from shipway.localcluster.node.containers import Container, Exit, restored
from shipway.localcluster.node.decide import Observed, Stop, decide, failures_after, grace_seconds, spec_for
from shipway.localcluster.node.environment import Facts, needed
from shipway.localcluster.node.hooks import Hook, run_hook
from shipway.localcluster.node.images import (
    Echo,
    Simulated,
    Unpullable,
    Unstartable,
    containers_of,
    init_containers_of,
    recipe,
)
from shipway.localcluster.node.launching import echo_launch, ports_of
from shipway.localcluster.node.logs import ContainerLog, PodLogs
from shipway.localcluster.node.pid_files import PidFile
from shipway.localcluster.node.probes import Probe, knock
from shipway.localcluster.node.probing import watch_probes
from shipway.localcluster.node.process import ORPHAN_SECONDS, Launch, Process
from shipway.localcluster.node.registration import MANAGER
from shipway.localcluster.node.simulation import Simulation, introduce
from shipway.localcluster.node.status import pod_status, with_conditions
from shipway.localcluster.node.streaming.child import Place, outcome_of
from shipway.localcluster.node.volumes import KINDS, Layout, lay_out, layout_of, sources_of

log = structlog.get_logger()

SETTLE_SECONDS = 0.5
"""A start that takes less than this is reported only when it is through."""
RETRY_SECONDS = 2.0
RUNTIME = "shipway.dev/runtime"
"""Annotation of every pod of a local node: `process` or `simulated`."""
LISTENS_AT = "shipway.dev/listens-at"
"""Annotation of a pod that is a process: its real URLs."""


class Running(Protocol):
    """A process or a simulation of one."""

    id: str

    async def run(self) -> int: ...

    async def stop(self, grace_seconds: float) -> None: ...


class PodHost(Struct):
    """What the node lends to each of its pods. `tell` records an event: (pod, type, reason, message)."""

    client: Client
    clock: Clock
    addresses: AddressBook
    home: Path
    tell: Callable[[Obj, str, str, str], None]
    backoff_scale: float = 1.0
    orphan_seconds: float = ORPHAN_SECONDS


class PodWorker:
    """`update` and `vanish` are called by the node's watch; `run` lives until the pod is gone."""

    def __init__(self, pod: Obj, ip: str, host: PodHost, left: Mapping[str, PidFile] | None = None) -> None:
        """`left`: the processes of an earlier node that go on, by container."""
        self.pod = pod
        self.ip = ip
        self.logs = PodLogs(host.home / "logs" / uid_of(pod), host.clock)
        self._host = host
        now = host.clock.now()
        self._begun = now
        self._containers = {c.name: c for c in restored(pod, now, left or ())}
        self._left = dict(left or {})
        self._running: dict[str, Running] = {}
        self._processes: dict[str, tuple[Launch, asyncio.Event]] = {}
        self._stopping: set[str] = set()
        self._reported: Obj = {}
        self._lives: set[asyncio.Task[None]] = set()
        self._is_gone = False
        self._is_confirmed = False
        self._changed = asyncio.Event()
        self._mounting = asyncio.Lock()
        self._leaving = asyncio.Event()

    @property
    def container_names(self) -> list[str]:
        return [spec["name"] for spec in (*containers_of(self.pod), *init_containers_of(self.pod))]

    def place(self, container: str) -> Place:
        """Where commands of a container run. Raises InvalidInput, NotFound."""
        running = self._running.get(container)
        if running is None:
            raise NotFound(f'container not found ("{container}"): it is not running')
        process = self._processes.get(container)
        if process is None:
            image = spec_for(self.pod, container).get("image")
            what = "there is no process to run a command in (only builtin/echo:<version> is real on this local node)"
            raise InvalidInput(f"container {container} ({image}) is simulated: {what}", reason="BadRequest")
        launch, ended = process
        return Place(launch.environment, launch.directory, launch.pid_file.with_suffix(""), launch.what, ended)

    def output(self, container: str) -> ContainerLog:
        """The log of a running container. Raises NotFound."""
        found = self.logs.find(container, previous=False)
        if container not in self._running or found is None:
            raise NotFound(f'container not found ("{container}"): it is not running')
        return found

    def reach(self, port: int) -> tuple[str, int]:
        """Where a port of the pod's processes is reached. Raises Unavailable."""
        where = self._host.addresses.resolve(self.ip, port)
        if where is None:
            raise Unavailable(f"nothing of pod {name_of(self.pod)} listens on port {port}")
        return where

    def check_process(self) -> None:
        """Raises InvalidInput when nothing of the pod can be listening."""
        if not self._processes:
            what = "nothing listens on its ports (a simulated pod has no process)"
            raise InvalidInput(f"no process of pod {name_of(self.pod)} is running: {what}", reason="BadRequest")

    def update(self, pod: Obj) -> None:
        self.pod = pod
        if is_deleting(pod):
            self._leaving.set()
        self._changed.set()

    def vanish(self) -> None:
        """The API server has no such pod any more: whatever still runs ends now."""
        self._is_gone = True
        self._changed.set()

    async def run(self) -> None:
        """Until the pod is gone. Cancelled: everything of it is killed."""
        self._tell_unpullable()
        try:
            async with asyncio.TaskGroup() as tasks:
                self._resume(tasks)
                while not self._is_gone:
                    await self._wait(await self._pass(tasks))
                for life in self._lives:
                    life.cancel()
        finally:
            self._host.addresses.forget(self.ip)
            self.logs.close()
        if self._is_gone:
            self.logs.delete()
            directory = self._host.home / "run" / uid_of(self.pod)
            if directory.exists():  # a simulated pod has none
                await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)

    async def _pass(self, tasks: asyncio.TaskGroup) -> Instant | None:
        """Decide, act, report; returns when to look again."""
        self._changed.clear()
        decision = decide(self._observed(), self._host.clock.now())
        for stop in decision.stop:
            self._stop(stop, tasks)
        for name in decision.start:
            self._set(name, phase="starting", reason="", message="", not_before=None, is_unhealthy=False)
            self._begin(name, tasks)
        try:
            wake = await self._report()
            if decision.is_over and not self._is_confirmed:
                await self._confirm_deletion()
        except NotFound:
            return None  # the watch will say so
        except ShipwayError as error:
            log.warning("pod_status_not_written", pod=name_of(self.pod), reason=error.reason, message=error.message)
            return Instant(self._host.clock.now() + RETRY_SECONDS)
        wakes = [at for at in (wake, decision.wake) if at is not None]
        return min(wakes, default=None)

    async def _wait(self, until: Instant | None) -> None:
        """For a change, or for `until`."""
        if until is None:
            await self._changed.wait()
            return
        try:
            async with asyncio.timeout(max(0.0, until - self._host.clock.now())):
                await self._changed.wait()
        except TimeoutError:
            return

    def _observed(self) -> Observed:
        pod = with_conditions(self.pod, self._reported.get("conditions") or [])
        containers = tuple(self._containers.values())
        return Observed(pod, containers, self.ip, started_at=self._begun, backoff_scale=self._host.backoff_scale)

    def _set(self, name: str, **changes: object) -> Container:
        self._containers[name] = replace(self._containers[name], **changes)
        self._changed.set()
        return self._containers[name]

    async def _report(self) -> Instant | None:
        """Writes the status if it differs from the last one written. A start under way is given a moment to get through."""
        if status_of(self.pod).get("phase") in ("Succeeded", "Failed") and not self._lives:
            return None  # what is over stays as it was written, by whomever
        now = self._host.clock.now()
        settled = Instant(self._begun + SETTLE_SECONDS)
        if not self._reported and now < settled and any(c.phase == "starting" for c in self._containers.values()):
            return settled
        status = pod_status(self._observed(), now)
        if status == self._reported:
            return None
        body: Obj = {"metadata": {"uid": uid_of(self.pod)}, "status": status}
        if not self._reported:
            body["metadata"]["annotations"] = self._annotations()
        namespace, name = namespace_of(self.pod), name_of(self.pod)
        await self._host.client.patch(PODS, namespace, name, body, type="strategic", subresource="status", manager=MANAGER)
        self._reported = status
        return None

    def _annotations(self) -> dict[str, str]:
        """How this pod is run, and where its processes really listen."""
        real = [spec for spec in containers_of(self.pod) if isinstance(recipe(self.pod, spec), Echo)]
        if not real:
            return {RUNTIME: "simulated"}
        urls = ["http://{}:{}".format(*self._listens_at(port)) for spec in real for port in ports_of(spec)]
        return {RUNTIME: "process", LISTENS_AT: " ".join(urls)}

    async def _confirm_deletion(self) -> None:
        client, uid = self._host.client, uid_of(self.pod)
        await client.delete(PODS, namespace_of(self.pod), name_of(self.pod), uid=uid, grace_seconds=0)
        self._is_confirmed = True

    def _resume(self, tasks: asyncio.TaskGroup) -> None:
        """What still runs of an earlier node goes on where it was."""
        for container in list(self._containers.values()):
            if container.phase == "running":
                self._begin(container.name, tasks)

    def _tell_unpullable(self) -> None:
        for spec in containers_of(self.pod):
            what = recipe(self.pod, spec)
            if isinstance(what, Unpullable):
                self._host.tell(self.pod, "Warning", "Failed", what.message)

    def _begin(self, name: str, tasks: asyncio.TaskGroup) -> None:
        life = tasks.create_task(self._live(name))
        self._lives.add(life)
        life.add_done_callback(self._lives.discard)

    async def _live(self, name: str) -> None:
        """One run of one container, from its start to its end."""
        spec, clock = spec_for(self.pod, name), self._host.clock
        before = self._containers[name]
        restarts = before.restarts + 1 if before.exit is not None and before.phase != "running" else before.restarts
        output = self.logs.begin(name, restarts)
        try:
            running = await self._start(name, spec, output)
            now = clock.now()
            resumed = before.phase == "running"
            self._set(
                name, phase="running", id=running.id, restarts=restarts,
                image=(before.image if resumed else "") or spec.get("image") or "",
                started_at=before.started_at if resumed else now, is_started=resumed, is_ready=resumed and before.is_ready,
            )  # fmt: skip
            self._running[name] = running
            code = await self._watch(name, spec, running)
            self._ended(name, code)
        except ShipwayError as error:
            is_mount = error.reason == "ContainerCreating"
            event, text = ("FailedMount", error.message) if is_mount else ("Failed", f"Error: {error.message}")
            self._host.tell(self.pod, "Warning", event, text)
            retry = Instant(clock.now() + RETRY_SECONDS * self._host.backoff_scale)
            self._set(name, phase="waiting", reason=error.reason, message=error.message, not_before=retry)
        finally:
            self._running.pop(name, None)
            if name in self._processes:
                self._processes.pop(name)[1].set()
            self._stopping.discard(name)
            output.close()

    async def _start(self, name: str, spec: Obj, output: ContainerLog) -> Running:
        """Raises InvalidInput when the spec cannot be started as it is."""
        is_init = any(c["name"] == name for c in init_containers_of(self.pod))
        what = recipe(self.pod, spec, is_init=is_init)
        if isinstance(what, Unpullable):
            raise InvalidInput(what.message, reason="ErrImagePull")
        if isinstance(what, Unstartable):
            raise InvalidInput(what.message, reason="RunContainerError")
        if isinstance(what, Echo):
            return await self._run_echo(name, spec, what, output)
        return await self._simulate(name, spec, what, output)

    async def _run_echo(self, name: str, spec: Obj, what: Echo, output: ContainerLog) -> Process:
        """A new process, or the one that an earlier node left."""
        left = self._left.pop(name, None)
        for port, here in left.listens.items() if left else ():
            self._host.addresses.restore(self.ip, port, here)
        facts = await self._facts(spec)
        launch = self._launch(spec, what, facts, is_running=left is not None)
        if left is None:
            await self._mount(launch.directory, layout_of(self.pod, spec, facts))
        process = Process.adopt(launch, left, output, self._host.clock) if left else await Process.start(launch, output)
        self._processes[name] = launch, asyncio.Event()
        done = f"Took over process {process.pid} of an earlier node as" if left else f"Started process {process.pid} as"
        self._host.tell(self.pod, "Normal", "Adopted" if left else "Started", f"{done} container {name}")
        return process

    async def _mount(self, root: Path, layout: Layout) -> None:
        for name, kind in layout.missing:
            message = f'volume "{name}" is left out: local pods have {", ".join(KINDS)}, and no {kind}'
            self._host.tell(self.pod, "Warning", "FailedMount", message)
        async with self._mounting:
            await asyncio.to_thread(lay_out, layout, root)

    def _launch(self, spec: Obj, what: Echo, facts: Facts, *, is_running: bool) -> Launch:
        """What runs already has its environment; if that cannot be told any more, commands beside it go without."""
        try:
            launch = echo_launch(self.pod, spec, what, facts, self._listens_at, self._host.home)
        except InvalidInput:
            if not is_running:
                raise
            bare = {key: value for key, value in spec.items() if key not in ("env", "envFrom", "volumeMounts")}
            launch = echo_launch(self.pod, bare, what, facts, self._listens_at, self._host.home)
        return replace(launch, orphan_seconds=self._host.orphan_seconds)

    async def _simulate(self, name: str, spec: Obj, what: Simulated, output: ContainerLog) -> Running:
        container, now = self._containers[name], self._host.clock.now()
        identifier = digest(uid_of(self.pod), name, str(container.restarts), length=32)
        serves = partial(self._set, name, is_ready=True)
        if container.phase == "running":
            return Simulation(what, identifier, self._host.clock, serves, already_ran=now - (container.started_at or now))
        introduce(output, spec.get("image") or "", what)
        with suppress(TimeoutError):
            async with asyncio.timeout(what.ready_after_seconds):
                await self._leaving.wait()
        message = f"Simulating container {name}: image {spec.get('image')} is not run on this local node"
        self._host.tell(self.pod, "Normal", "Simulated", message)
        return Simulation(what, identifier, self._host.clock, serves)

    async def _facts(self, spec: Obj) -> Facts:
        sources: dict[tuple[str, str], Obj] = {}
        for source in {*needed(spec), *sources_of(self.pod, spec)}:
            resource = CONFIG_MAPS if source.kind == "ConfigMap" else SECRETS
            try:
                sources[source.kind, source.name] = await self._host.client.get(resource, namespace_of(self.pod), source.name)
            except NotFound:
                continue
        return Facts(self.ip, "127.0.0.1", sources)

    async def _watch(self, name: str, spec: Obj, running: Running) -> int:
        """The exit code of a run, with its probes going on beside it."""
        known = self._containers[name]
        if isinstance(running, Simulation):
            self._set(name, is_started=True, is_ready=known.is_ready)
            return await running.run()
        async with asyncio.TaskGroup() as tasks:
            attending = tasks.create_task(self._attend(name, spec, known, tasks))
            code = await running.run()
            attending.cancel()
        return code

    async def _attend(self, name: str, spec: Obj, known: Container, tasks: asyncio.TaskGroup) -> None:
        """What goes on beside a process: its postStart hook, and once that went well, its probes."""
        if not known.is_started and not await self._hook(name, "postStart"):
            self._stop(Stop(name, grace_seconds(self.pod), "Killing", "FailedPostStartHook"), tasks)
            return
        await watch_probes(spec, partial(self._ask, name), self._host.clock, partial(self._probed, name), known)

    async def _ask(self, name: str, probe: Probe) -> tuple[bool, str]:
        """Puts one probe to a running container."""
        if probe.kind != "exec":
            return await knock(probe, self._listens_at(probe.port))
        try:
            code, said = await outcome_of(self.place(name), probe.command, probe.timeout)
        except (InvalidInput, NotFound) as error:
            return False, error.message
        return code == 0, said or f"command exited with {code}"

    def _listens_at(self, port: int) -> tuple[str, int]:
        return self._host.addresses.bind(self.ip, port)

    def _probed(self, name: str, *, problem: str = "", **changes: bool) -> None:
        if problem:
            self._host.tell(self.pod, "Warning", "Unhealthy", problem)
        if any(getattr(self._containers[name], key) != value for key, value in changes.items()):
            self._set(name, **changes)

    def _ended(self, name: str, code: int) -> None:
        container, now = self._containers[name], self._host.clock.now()
        end = Exit(code, now, container.started_at, "Completed" if code == 0 else "Error", id=container.id)
        failures = failures_after(container, now, self._host.backoff_scale)
        self._set(
            name, phase="terminated", id="", exit=end, failures=failures, is_ready=False, is_started=False, is_unhealthy=False
        )
        if code != 0 and failures > 1 and name not in self._stopping:
            where = f"{name_of(self.pod)}_{namespace_of(self.pod)}({uid_of(self.pod)})"
            self._host.tell(self.pod, "Warning", "BackOff", f"Back-off restarting failed container {name} in pod {where}")

    def _stop(self, stop: Stop, tasks: asyncio.TaskGroup) -> None:
        """Begins to end a run; once."""
        if stop.name in self._stopping or stop.name not in self._running:
            return
        self._stopping.add(stop.name)
        self._host.tell(self.pod, "Warning" if stop.reason == "Unhealthy" else "Normal", stop.reason, stop.message)
        tasks.create_task(self._halt(stop, self._running[stop.name]))

    async def _halt(self, stop: Stop, running: Running) -> None:
        """The preStop hook first; what it takes counts against the grace period."""
        begun = self._host.clock.now()
        if not isinstance(running, Simulation):
            with suppress(TimeoutError):
                async with asyncio.timeout(stop.grace_seconds):
                    await self._hook(stop.name, "preStop")
        await running.stop(max(0.0, stop.grace_seconds - (self._host.clock.now() - begun)))

    async def _hook(self, name: str, which: Hook) -> bool:
        """Runs a container's `postStart` or `preStop` hook, if it has one; whether it went well."""
        spec = spec_for(self.pod, name)
        problem = await run_hook(spec, which, lambda probe: self._ask(name, probe), self._host.clock)
        if problem:
            title = f"{which[0].upper()}{which[1:]}Hook"
            self._host.tell(self.pod, "Warning", f"Failed{title}", f"{title} of container {name} failed: {problem}")
        return not problem
