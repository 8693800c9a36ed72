"""Where `shipway run` is tried: an embedded cluster over HTTPS beside a Git server, or an API server that has nothing yet."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from msgspec import Struct

from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS, NAMESPACES
from shipway.assembly.cluster import EmbeddedCluster, embedded_cluster
from shipway.base.clock import SystemClock
from shipway.base.ids import RandomIds
from shipway.demo.git_server import GitServer
from shipway.kube.client.client import Client
from shipway.kube.objects.views import dig
from shipway.kube.runtime.waiting import One, wait_until
from shipway.localcluster.apiserver.http import Identity, serve
from shipway.localcluster.apiserver.kubeconfig import write_kubeconfig
from shipway.localcluster.apiserver.server import ApiServer
from shipway.localcluster.apiserver.tls import ensure_tls
from tests.e2e.running import application, ended, environment, shipway_run
from tests.repository import WorkingCopy

CLOCK = SystemClock()


class Place(Struct, frozen=True):
    """A cluster over HTTPS, a Git server with the repository `shop`, and a folder of our own."""

    cluster: EmbeddedCluster
    git: GitServer
    copy: WorkingCopy
    home: Path

    @property
    def client(self) -> Client:
        return self.cluster.client

    def run(self, *flags: str, listen: str = "127.0.0.1:0"):
        return shipway_run(self.cluster.kubeconfig, self.home, *flags, listen=listen)

    async def ended(self, *flags: str, listen: str = "127.0.0.1:0") -> tuple[int, str]:
        return await ended(self.cluster.kubeconfig, self.home, *flags, listen=listen)

    @property
    def git_root(self) -> Path:
        """Where the Git server keeps its repositories."""
        return self.home.parent / "repositories"

    async def push(self, files: dict[str, str | bytes | None]) -> str:
        """A commit on the branch `main` of the repository."""
        commit = await asyncio.to_thread(self.copy.commit, files)
        await asyncio.to_thread(self.copy.push)
        return commit

    async def head(self) -> str:
        return await asyncio.to_thread(self.copy.git, "rev-parse", "HEAD")

    async def deliver_app(self, name: str = "shop") -> None:
        await self.client.create(APPLICATIONS, application(name, self.copy.url, "deploy"))


class Said(Struct, frozen=True):
    """What a command line answered."""

    code: int
    out: str
    err: str


class Shell:
    """Types commands in a place. `NO_COLOR` is set, and the output is a pipe."""

    def __init__(self, place: Place) -> None:
        self._place = place

    async def __call__(self, *arguments: str) -> Said:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "shipway.cli.main", *arguments, f"--kubeconfig={self._place.cluster.kubeconfig}"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(self._place.home),
        )
        try:
            async with asyncio.timeout(120):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:  # it would fail whatever test comes next
                process.kill()
                await process.communicate()
        return Said(process.returncode or 0, out.decode(), err.decode())


@asynccontextmanager
async def a_place(tmp_path: Path) -> AsyncGenerator[Place, None]:
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(embedded_cluster(tmp_path / "cluster", CLOCK))
        git = GitServer(tmp_path / "repositories")
        await git.start()
        stack.push_async_callback(git.stop)
        copy = WorkingCopy(tmp_path / "copy", git.create("shop"))
        there = Place(cluster, git, copy, tmp_path / "shipway")
        for name in ("argocd", "shop"):
            await cluster.client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        await there.push({"deploy/banner.yaml": config_map("one")})
        for name in ("argocd", "shop"):  # what every namespace gets would be taken for something that was written meanwhile
            await wait_until(there.client, One(CONFIG_MAPS, name, "kube-root-ca.crt"), bool)
        yield there


@asynccontextmanager
async def bare_cluster(home: Path) -> AsyncGenerator[tuple[Client, Path], None]:
    """An API server that has no custom resource definitions, and its kubeconfig."""
    server = await ApiServer.open(path=None, clock=CLOCK, ids=RandomIds())
    tls = ensure_tls(home / "tls", CLOCK.now())
    async with serve(server, tokens={"sesame": Identity("admin")}, tls=tls) as url:
        write_kubeconfig(home / "kubeconfig", server=url, token="sesame", ca_pem=tls.ca_pem())
        yield Client(server, manager="test"), home / "kubeconfig"
    await server.close()


def config_map(text: str, name: str = "banner", namespace: str = "") -> str:
    meta = f"{{name: {name}, namespace: {namespace}}}" if namespace else f"{{name: {name}}}"
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {meta}\ndata: {{text: {text!r}}}\n"


async def banner_says(client: Client, text: str) -> None:
    await wait_until(client, One(CONFIG_MAPS, "shop", "banner"), lambda obj: dig(obj or {}, "data", "text") == text)
