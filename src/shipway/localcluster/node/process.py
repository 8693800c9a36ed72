"""A container as a local process: its own process group, its output as a log, and a node that it belongs to.

A process ends by SIGTERM, a grace period, and SIGKILL to the whole group. Between it and the node are two named pipes beside
its pid file: `.out` carries its output, `.in` nothing at all: its end tells the process that the node has died. It then goes
on for `ORPHAN_SECONDS`, in which the next node may adopt it (by opening both pipes again), and ends by itself.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct
from msgspec.structs import replace

from shipway.base.clock import Clock
from shipway.base.endings import to_the_end
from shipway.base.errors import InvalidInput
from shipway.localcluster.node.logs import ContainerLog
from shipway.localcluster.node.pid_files import PROCESS_ID, PidFile, note_process, noted

ORPHAN_SECONDS = 60.0
_CHUNK = 64 * 1024
_DRAIN_SECONDS = 1.0
_LOOKS_EVERY_SECONDS = 0.1
_KILLED = 128 + signal.SIGKILL


class Launch(Struct, frozen=True):
    """How to start one process. `environment` is all it gets; `listens` is where its ports are reached."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    pid_file: Path
    what: str
    ip: str = ""
    listens: Mapping[int, tuple[str, int]] = {}
    orphan_seconds: float = ORPHAN_SECONDS

    def beside(self, suffix: str) -> Path:
        return self.pid_file.with_suffix(suffix)


class Process:
    """A running process. `run` pumps its output and returns its exit code; `stop` ends it."""

    def __init__(self, pid: int, launch: Launch, output: ContainerLog, wait: Callable[[], Awaitable[int]]) -> None:
        self.pid = pid
        self.id = f"{PROCESS_ID}{pid}"
        self._launch = launch
        self._output = output
        self._wait = wait
        self._in = os.open(launch.beside(".in"), os.O_WRONLY | os.O_NONBLOCK)
        self._out = os.open(launch.beside(".out"), os.O_RDONLY | os.O_NONBLOCK)

    @classmethod
    async def start(cls, launch: Launch, output: ContainerLog) -> "Process":
        """Raises InvalidInput (reason StartError) when the program cannot be started."""
        launch.directory.mkdir(parents=True, exist_ok=True)
        stdin, stdout = _make_pipes(launch)
        try:
            process = await asyncio.create_subprocess_exec(
                *launch.argv,
                env={**launch.environment, **_told(launch)},
                cwd=launch.directory,
                stdin=stdin,
                stdout=stdout,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            started = cls(process.pid, launch, output, process.wait)
        except OSError as error:
            _remove_files(launch)
            raise InvalidInput(f"{launch.argv[0]} cannot be started: {error.strerror}", reason="StartError") from error
        finally:
            os.close(stdin)
            os.close(stdout)
        try:
            note_process(launch.pid_file, replace(noted(process.pid, launch.what), ip=launch.ip, listens=launch.listens))
        except OSError as error:
            await started.stop(0.0)
            raise InvalidInput(f"{launch.pid_file} cannot be written: {error.strerror}", reason="StartError") from error
        return started

    @classmethod
    def adopt(cls, launch: Launch, left: PidFile, output: ContainerLog, clock: Clock) -> "Process":
        """Takes over what an earlier node has started. Raises InvalidInput when it has ended meanwhile."""

        async def wait() -> int:
            while left.is_alive:
                await clock.sleep(_LOOKS_EVERY_SECONDS)
            return _exit_code(launch.beside(".exit"))

        try:
            return cls(left.pid, launch, output, wait)
        except OSError as error:
            message = f"process {left.pid} of an earlier node has ended: {error.strerror}"
            raise InvalidInput(message, reason="ContainerStatusUnknown") from error

    async def run(self) -> int:
        """The exit code (128 + signal when a signal ended it). Cancelled: kills the process first."""
        try:
            await self._pump()
            code = await self._wait()
        finally:
            self._signal(signal.SIGKILL)  # what the process left behind in its group
            try:
                await to_the_end(self._wait)
            finally:
                os.close(self._in)
                _remove_files(self._launch)
        return 128 - code if code < 0 else code

    async def stop(self, grace_seconds: float) -> None:
        """Ask, wait, kill. Returns when it has ended."""
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_seconds):
                await self._wait()
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self._wait()

    async def _pump(self) -> None:
        """Copies the output until its end. A child that keeps the pipe open is not waited for once the process has ended."""
        reader = asyncio.StreamReader()
        made = asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), _file(self._out))
        transport, _ = await made
        try:
            async with asyncio.TaskGroup() as tasks:
                copying = tasks.create_task(self._copy(reader))
                await self._wait()
                await asyncio.wait({copying}, timeout=_DRAIN_SECONDS)
                copying.cancel()
        finally:
            transport.close()

    async def _copy(self, stream: asyncio.StreamReader) -> None:
        while chunk := await stream.read(_CHUNK):
            self._output.write(chunk)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def _make_pipes(launch: Launch) -> tuple[int, int]:
    """The process' ends. It holds its output open for reading too, so that it can write while it has no node."""
    launch.pid_file.parent.mkdir(parents=True, exist_ok=True)
    launch.beside(".exit").unlink(missing_ok=True)
    for suffix in (".in", ".out"):
        launch.beside(suffix).unlink(missing_ok=True)
        os.mkfifo(launch.beside(suffix), 0o600)
    stdin = os.open(launch.beside(".in"), os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(stdin, True)
    return stdin, os.open(launch.beside(".out"), os.O_RDWR)


def _remove_files(launch: Launch) -> None:
    for suffix in (".pid", ".in", ".out", ".exit"):
        launch.beside(suffix).unlink(missing_ok=True)


def _told(launch: Launch) -> dict[str, str]:
    """What a process is told about its node."""
    return {"SHIPWAY_ORPHAN_SECONDS": f"{launch.orphan_seconds:g}", "SHIPWAY_EXIT_FILE": str(launch.beside(".exit"))}


def _exit_code(path: Path) -> int:
    """What an adopted process has written, as only a parent is told; nothing: it was killed."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return _KILLED


def _file(descriptor: int) -> BinaryIO:
    return os.fdopen(descriptor, "rb", 0)  # pyright: ignore[reportReturnType]
