"""`shipway run` as its users have it: a process of its own that knows a cluster by its kubeconfig, and what it says."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from msgspec import Struct

from shipway.api.kinds import APPLICATIONS
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import dig
from shipway.kube.runtime.waiting import One, wait_until
from tests.waiting import eventually

LISTENING = re.compile(r"listening\s+url=(\S+)")
PATIENCE = 90.0


class Answer(Struct, frozen=True):
    """What the process answered over HTTP."""

    status: int
    text: str


class Running:
    """One `shipway run`. `said` grows with its log; `url` is known once it listens."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []

    @property
    def said(self) -> str:
        return "\n".join(self.lines)

    @property
    def url(self) -> str:
        found = LISTENING.search(self.said)
        assert found, self.said
        return found[1]

    async def read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.lines.append(line.decode(errors="replace").rstrip("\n"))

    async def says(self, what: str) -> str:
        """The first line of the log that contains `what`."""
        try:
            found = await eventually(lambda: [line for line in self.lines if what in line], within=PATIENCE)
        except TimeoutError:
            raise AssertionError(f"never said {what!r}:\n{self.said}") from None
        return found[0]

    async def ready(self) -> str:
        """Its URL, once it reconciles."""
        await self.says("] ready")
        assert (await self.get("/readyz")).status == 200
        return self.url

    async def get(self, path: str, **headers: str) -> Answer:
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}{path}", headers=headers) as response:
            return Answer(response.status, await response.text())

    async def post(self, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        where = f"{self.url}{path}"
        async with aiohttp.ClientSession() as session, session.post(where, data=body, headers=headers) as response:
            return Answer(response.status, await response.text())

    async def end(self, number: int = signal.SIGTERM, *, within: float = 30.0) -> int:
        """Sends a signal and waits; returns the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), within)


def environment(home: Path) -> dict[str, str]:
    """What a command line of ours gets to see: the package under test, and a home of its own."""
    path = os.environ.get("PATH", os.defpath)
    return {"PATH": path, "HOME": str(home), "NO_COLOR": "1", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


@asynccontextmanager
async def shipway_run(
    kubeconfig: Path, home: Path, *flags: str, listen: str = "127.0.0.1:0", **env: str
) -> AsyncGenerator[Running, None]:
    """Starts it, with more variables of its environment; whatever the test leaves of it is killed at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "shipway.cli.main", "run", f"--kubeconfig={kubeconfig}"),
        *(f"--listen={listen}", f"--cache={home / 'cache'}", *flags),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={**environment(home), **env},
        start_new_session=True,
    )
    running = Running(process)
    async with asyncio.TaskGroup() as group:
        group.create_task(running.read())
        try:
            yield running
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            print(running.said)


async def ended(kubeconfig: Path, home: Path, *flags: str, listen: str = "127.0.0.1:0") -> tuple[int, str]:
    """Exit code and last words of a process that ends by itself."""
    async with shipway_run(kubeconfig, home, *flags, listen=listen) as running:
        code = await asyncio.wait_for(running.process.wait(), PATIENCE)
    return code, running.lines[-1] if running.lines else ""


def processes_of(home: Path) -> list[str]:
    """The processes of this machine, but for this one, whose command line or environment names `home`."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if str(home).encode() in text:
            found.append(f"{entry.name}: {text[:200]!r}")
    return found


def commands_with(word: str) -> list[str]:
    """Pids of processes that have this among the words of their command line."""
    found: list[str] = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if word.encode() in words:
            found.append(pid)
    return found


def descendants_of(pid: int) -> set[int]:
    """All processes below one, by the parents that /proc names."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found: set[int] = set()
    while more := {child for child, parent in parents.items() if parent in found | {pid}} - found:
        found |= more
    return found


def alive(pids: set[int]) -> set[int]:
    """Those of `pids` that still run (one that is dead and not yet buried does not)."""
    living = set()
    for pid in pids:
        try:
            if (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                living.add(pid)
        except OSError:
            continue
    return living


def application(name: str, repo_url: str, path: str, **spec: object) -> Obj:
    """An Application as Argo CD users write it, fully automated."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": "argocd"},
        "spec": {
            "project": "default",
            "source": {"repoURL": repo_url, "path": path, "targetRevision": "main"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
            "syncPolicy": {"automated": {"prune": True, "selfHeal": True}, "syncOptions": ["CreateNamespace=true"]},
            **spec,
        },
    }


async def app_is(client: Client, name: str, is_so: Callable[[Obj], object], *, seconds: float = PATIENCE) -> Obj:
    """The application once `is_so` holds for it."""
    return await wait_until(
        client, One(APPLICATIONS, "argocd", name), lambda app: app is not None and bool(is_so(app)), seconds=seconds
    )


def synced_to(commit: str) -> Callable[[Obj], bool]:
    def is_so(app: Obj) -> bool:
        return (
            dig(app, "status", "sync", "status") == "Synced"
            and dig(app, "status", "sync", "revision") == commit
            and "operation" not in app
        )

    return is_so


async def versions(client: Client, *resources: Resource) -> dict[str, str]:
    """resourceVersions of everything of these kinds, by kind and name."""
    found = {}
    for resource in resources:
        for obj in (await client.list(resource)).items:
            meta = obj["metadata"]
            found[f"{resource.plural}/{meta.get('namespace', '')}/{meta['name']}"] = f"{meta['uid']}@{meta['resourceVersion']}"
    return found


@asynccontextmanager
async def served_page(kind: str, kubeconfig: Path, file: Path, *flags: str) -> AsyncGenerator[str, None]:
    """The address of `shipway app|rollout dashboard` (`kind`), while it runs; `file` is where it writes that."""
    file.unlink(missing_ok=True)
    command = [kind, "dashboard", "--kubeconfig", str(kubeconfig), "--url-file", str(file), *flags]
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "shipway.cli.main", *command)
    try:
        async with asyncio.timeout(60):
            while not file.exists():
                assert process.returncode is None
                await asyncio.sleep(0.05)
        yield file.read_text().strip()
    finally:
        process.terminate()
        assert await process.wait() == 0
