"""`shipway up`: an embedded cluster in this process, and the production process as a child.

The child is `shipway run` with nothing special about it: it knows the cluster by its kubeconfig only. If it dies it is
started again after a pause; when this process ends, however it ends, the child ends too (its standard input closes).
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from msgspec import Struct

from shipway.assembly.cluster import EmbeddedCluster, embedded_cluster
from shipway.base.clock import Clock
from shipway.base.errors import Unavailable

log = structlog.get_logger()

START_PATIENCE = 30.0
"""Seconds until the engines must be ready."""
GRACE_SECONDS = 10.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0


class UpSettings(Struct, frozen=True):
    """Where everything lives, and on which ports of this machine (0: any free one)."""

    home: Path
    api_port: int = 0
    gateway_port: int = 0
    engines_port: int = 0


class Up(Struct, frozen=True):
    """A running Shipway: the cluster, and where the engines listen."""

    cluster: EmbeddedCluster
    engines_url: str


@asynccontextmanager
async def up(settings: UpSettings, clock: Clock) -> AsyncIterator[Up]:
    """Returns once the engines are ready to reconcile."""
    async with embedded_cluster(
        settings.home, clock, api_port=settings.api_port, gateway_port=settings.gateway_port
    ) as cluster:
        engines = EnginesProcess(settings, cluster.kubeconfig, clock)
        async with asyncio.TaskGroup() as group:
            supervising = group.create_task(engines.supervise())
            try:
                url = await engines.first_ready()
                yield Up(cluster, url)
            finally:
                supervising.cancel()


class EnginesProcess:
    """`shipway run` as a child process that is kept alive."""

    def __init__(self, settings: UpSettings, kubeconfig: Path, clock: Clock) -> None:
        self._home = settings.home
        self._port = settings.engines_port
        self._kubeconfig = kubeconfig
        self._clock = clock
        self._url_file = settings.home / "engines.url"
        self._ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def first_ready(self) -> str:
        """The URL of the engines once /readyz has said yes. Raises Unavailable, naming the log, when it does not."""
        try:
            async with asyncio.timeout(START_PATIENCE):
                return await asyncio.shield(self._ready)
        except TimeoutError:
            raise Unavailable(f"the engines were not ready after {START_PATIENCE:.0f} s: see {self._log_path}") from None

    async def supervise(self) -> None:
        """Runs the child for ever; a child that ends is started again after a growing pause."""
        pause = FIRST_PAUSE
        while True:
            started = self._clock.now()
            code = await self._run_once()
            pause = FIRST_PAUSE if self._clock.now() - started > 60 else min(LONGEST_PAUSE, pause * 2)
            log.warning("engines_ended", exit_code=code, again_in=pause, log=str(self._log_path))
            await self._clock.sleep(pause)

    @property
    def _log_path(self) -> Path:
        return self._home / "engines.log"

    async def _run_once(self) -> int:
        self._url_file.unlink(missing_ok=True)
        with self._log_path.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *self._command(), stdin=asyncio.subprocess.PIPE, stdout=output, stderr=output, start_new_session=True
            )
            try:
                await self._announce(process)
                return await process.wait()
            finally:
                await self._stop(process)

    def _command(self) -> list[str]:
        return [
            sys.executable,
            "-m",
            "shipway.cli.main",
            "run",
            f"--kubeconfig={self._kubeconfig}",
            f"--listen=127.0.0.1:{self._port}",
            f"--cache={self._home / 'cache'}",
            f"--url-file={self._url_file}",
            "--local-repositories",
            "--with-parent",
        ]

    async def _announce(self, process: asyncio.subprocess.Process) -> None:
        """Waits until the child has written its URL (which it does when it is ready), or has ended."""
        while process.returncode is None and not self._ready.done():
            if self._url_file.exists() and (url := self._url_file.read_text().strip()):
                self._ready.set_result(url)
                return
            await self._clock.sleep(0.02)

    async def _stop(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(GRACE_SECONDS):
                await process.wait()
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
