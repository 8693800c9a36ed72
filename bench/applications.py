"""A monorepo of many applications and the production process that reconciles them, watched from outside.

Each application has three objects (ConfigMap, Service, Deployment with 0 replicas) in a folder of its own. The engines run as
`shipway run`, a child process, so its CPU and memory are the operating system's figures.
"""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Protocol, TypeVar

import aiohttp
from msgspec import Struct

from bench.limits import CpuLimit
from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS, NAMESPACES
from shipway.assembly.installation import install_crds
from shipway.base.clock import SystemClock
from shipway.demo.git_server import GitServer
from shipway.demo.repository import SampleShop
from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import load_kubeconfig
from shipway.kube.client.transport import HttpTransport
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from tests.kube.control_plane import ControlPlane, built_binary

CLOCK = SystemClock()
NAMESPACE = "many"
TICKS = os.sysconf("SC_CLK_TCK")
AT_ONCE = 8


class Usage(Struct, frozen=True):
    """Of a process and its children so far: CPU seconds, and resident megabytes now."""

    cpu: float
    mb: float


class Engines:
    """`shipway run` as a child; `stop` and `start` again as often as wanted. `home` is its own; `flags` are for `run`."""

    def __init__(self, kubeconfig: Path, home: Path, *flags: str, limit: CpuLimit | None = None) -> None:
        self._kubeconfig = kubeconfig
        self._home = home
        self._flags = flags
        self._limit = limit
        self._process: asyncio.subprocess.Process | None = None
        self.url = ""

    async def start(self) -> None:
        url_file = self._home / "engines.url"
        url_file.unlink(missing_ok=True)
        command = [sys.executable, "-m", "shipway.cli.main", "run", f"--kubeconfig={self._kubeconfig}", "--listen=127.0.0.1:0"]
        with (self._home / "engines.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command, f"--cache={self._home / 'cache'}", f"--url-file={url_file}", *self._flags, stdout=log, stderr=log
            )
        if self._limit:
            self._limit.holds(self._process.pid)
        while not url_file.exists():
            await CLOCK.sleep(0.02)
        self.url = url_file.read_text().strip()

    async def stop(self) -> None:
        if self._process and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    async def hear_of_push(self, repo_url: str) -> None:
        """Tells it of a push, as a webhook does."""
        body = {"ref": "refs/heads/main", "repository": {"clone_url": repo_url}}
        headers = {"X-GitHub-Event": "push"}
        url = f"{self.url}/api/webhook"
        async with aiohttp.ClientSession() as session, session.post(url, json=body, headers=headers) as answer:
            answer.raise_for_status()

    async def passes(self, controller: str) -> float:
        """How many passes of a controller have ended."""
        return await self._figure("shipway_passes_total", controller)

    async def queue_depth(self, controller: str) -> float:
        """How many keys of a controller wait for their pass."""
        return await self._figure("shipway_queue_depth", controller)

    async def _figure(self, metric: str, controller: str) -> float:
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/metrics", params={"name[]": metric}) as answer:
            found = re.search(rf'{metric}{{controller="{controller}"}} (\S+)', await answer.text())
        return float(found[1]) if found else 0.0

    def usage(self) -> Usage:
        assert self._process is not None
        found = [usage_of(pid) for pid in family_of(self._process.pid)]
        return Usage(sum(one.cpu for one in found), sum(one.mb for one in found))


def family_of(pid: int) -> Iterator[int]:
    """A process and its descendants."""
    yield pid
    children = Path(f"/proc/{pid}/task/{pid}/children")
    for child in children.read_text().split() if children.exists() else []:
        yield from family_of(int(child))


def usage_of(pid: int) -> Usage:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    cpu = sum(int(fields[index]) for index in (11, 12, 13, 14)) / TICKS
    return Usage(cpu, int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 1e6)


class Monorepo:
    """The working copy, as a developer's."""

    def __init__(self, directory: Path, url: str) -> None:
        self._directory = directory
        self._git = SampleShop(directory, url, os.environ.get("PATH", os.defpath))

    async def create(self, count: int) -> None:
        self._directory.mkdir()
        for number in range(count):
            folder = self._directory / "apps" / f"app-{number:05d}"
            folder.mkdir(parents=True)
            (folder / "all.yaml").write_text(manifests(number))
        await self._git.git("init", "-q", "-b", "main")
        await self._git.git("remote", "add", "origin", self._git.repo_url)
        await self._git.commit_and_push("All applications", force=True)

    async def change(self, number: int, text: str) -> None:
        """A commit to one application."""
        self._write(number, text)
        await self._git.commit_and_push(f"Change app-{number:05d}")

    async def change_all(self, count: int, text: str) -> None:
        """One commit to all applications."""
        for number in range(count):
            self._write(number, text)
        await self._git.commit_and_push("Change all applications")

    def _write(self, number: int, text: str) -> None:
        path = self._directory / "apps" / f"app-{number:05d}" / "all.yaml"
        path.write_text(manifests(number, text))


def manifests(number: int, text: str = "first") -> str:
    name = f"app-{number:05d}"
    return f"""apiVersion: v1
kind: ConfigMap
metadata: {{name: {name}}}
data: {{text: {text}}}
---
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec:
  selector: {{app: {name}}}
  ports: [{{port: 80}}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: 0
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers: [{{name: main, image: "example/app:1"}}]
"""


def application(number: int, repo_url: str) -> Obj:
    name = f"app-{number:05d}"
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"namespace": "argocd", "name": name},
        "spec": {
            "project": "default",
            "source": {"repoURL": repo_url, "targetRevision": "main", "path": f"apps/{name}"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": NAMESPACE},
            "syncPolicy": {"automated": {"prune": True, "selfHeal": True}},
        },
    }


class Served(Struct, frozen=True):
    """A running cluster: how clients reach it, and the processes that it consists of."""

    kubeconfig: Path
    pids: tuple[int, ...]

    @property
    def mb(self) -> float:
        """Resident megabytes of all of them."""
        return sum(usage_of(pid).mb for pid in self.pids)


@asynccontextmanager
async def a_cluster(target: str, home: Path) -> AsyncIterator[Served]:
    """A fresh cluster in processes of its own: `real` (the control plane of `make kube`) or `embedded`."""
    if target == "embedded":
        async with _embedded(home / "cluster") as served:
            yield served
        return
    binary = built_binary()
    if binary is None:
        raise SystemExit("the real control plane is not built: run `make kube`")
    async with ControlPlane.start(binary, home / "kube") as plane:
        yield Served(plane.kubeconfig, tuple(process.pid for process in plane.processes.values()))


@asynccontextmanager
async def _embedded(home: Path) -> AsyncIterator[Served]:
    home.mkdir(parents=True)
    with (home / "cluster.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.cluster_process", str(home), stdout=log, stderr=log
        )
    try:
        while not (home / "ready").exists():
            if process.returncode is not None:
                raise SystemExit((home / "cluster.log").read_text()[-2000:])
            await CLOCK.sleep(0.02)
        yield Served(home / "kubeconfig", (process.pid,))
    finally:
        process.terminate()
        await process.wait()


class Prepared(Struct, frozen=True):
    """A cluster with CRDs and a Git server with the monorepo; no engines and no Application yet."""

    kubeconfig: Path
    client: Client
    repo: Monorepo
    git: GitServer


@asynccontextmanager
async def prepared(target: str, home: Path, count: int) -> AsyncIterator[Prepared]:
    """A monorepo of so many applications and a cluster that waits for them."""
    async with AsyncExitStack() as stack:
        served = await stack.enter_async_context(a_cluster(target, home))
        client = Client(HttpTransport(load_kubeconfig(served.kubeconfig, None)), manager="bench")
        stack.push_async_callback(client.close)
        await install_crds(client)
        for name in ("argocd", NAMESPACE):
            await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        git = GitServer(home / "repositories")
        await git.start()
        stack.push_async_callback(git.stop)
        repo = Monorepo(home / "work", git.create("mono"))
        await repo.create(count)
        yield Prepared(served.kubeconfig, client, repo, git)


class Process(Protocol):
    """What reconciles Applications: ours, or another's. `url` takes webhooks."""

    url: str

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def usage(self) -> Usage: ...


Running = TypeVar("Running", bound=Process)


@asynccontextmanager
async def stage(
    target: str, home: Path, count: int, begin: Callable[[Path, Path], Running] = Engines
) -> AsyncIterator[tuple[Client, Monorepo, Running, GitServer]]:
    """All of that with the engines started, by the kubeconfig and their home; no Application yet."""
    async with prepared(target, home, count) as ready:
        engines = begin(ready.kubeconfig, home)
        await engines.start()
        try:
            ready.git.notify(f"{engines.url}/api/webhook", "not configured")
            yield ready.client, ready.repo, engines, ready.git
        finally:
            await engines.stop()


async def first_sync(client: Client, engines: Process, apps: Sequence[Obj]) -> dict[str, float]:
    """What it costs to have all of them created and Synced: seconds, CPU seconds, megabytes."""
    before, began = engines.usage().cpu, CLOCK.now()
    await all_created(client, apps)
    await all_synced(client, len(apps))
    used = engines.usage()
    return {"first_sync_seconds": CLOCK.now() - began, "first_sync_cpu_seconds": used.cpu - before, "mb": used.mb}


async def all_created(client: Client, apps: Sequence[Obj]) -> None:
    room = asyncio.Semaphore(AT_ONCE)

    async def create(app: Obj) -> None:
        async with room:
            await client.create(APPLICATIONS, app)

    async with asyncio.TaskGroup() as group:
        for app in apps:
            group.create_task(create(app))


async def all_synced(client: Client, count: int) -> None:
    """Until every Application is Synced, by watching them; a watch that the server ends is begun again."""
    synced: set[str] = set()
    while len(synced) < count:
        listing = await client.list(APPLICATIONS, "argocd")
        synced.update(obj["metadata"]["name"] for obj in listing.items if is_synced(obj))
        async for event in client.watch(APPLICATIONS, "argocd", resource_version=listing.resource_version):
            if event.type != "BOOKMARK" and is_synced(event.obj):
                synced.add(event.obj["metadata"]["name"])
            if len(synced) == count:
                return


def is_synced(obj: Obj) -> bool:
    return dig(obj, "status", "sync", "status") == "Synced" and dig(obj, "status", "operationState", "phase") == "Succeeded"


async def config_map_says(client: Client, number: int, text: str) -> None:
    """Until the ConfigMap of an application holds `text`."""
    name = f"app-{number:05d}"
    selector = f"metadata.name={name}"
    listing = await client.list(CONFIG_MAPS, NAMESPACE, field_selector=selector)
    if any(obj["data"].get("text") == text for obj in listing.items):
        return
    watch = client.watch(CONFIG_MAPS, NAMESPACE, resource_version=listing.resource_version, field_selector=selector)
    async for event in watch:
        if event.type in ("ADDED", "MODIFIED") and event.obj["data"].get("text") == text:
            return
