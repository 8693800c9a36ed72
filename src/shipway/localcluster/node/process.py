"""A container as a local process: its own process group, its output as a log, and no way to outlive the node.

A process ends by SIGTERM, a grace period, and SIGKILL to the whole group. If the node itself is killed, the kernel kills the
process (Linux) and the end of its stdin tells it (everywhere). Whatever might be left after that is found by its pid file
when the next node starts: `sweep` kills what is there, but only if it was started when the file says it was, so that a
number that now belongs to somebody else is left alone.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import structlog
from msgspec import Struct

from shipway.base.clock import Clock
from shipway.base.errors import InvalidInput
from shipway.localcluster.node.logs import ContainerLog

log = structlog.get_logger()

_CHUNK = 64 * 1024
_DRAIN_SECONDS = 1.0


class PidFile(Struct, frozen=True):
    """What is needed to recognise a process again. `started` is the kernel's word for when, compared as text."""

    pid: int
    started: str
    what: str


class Launch(Struct, frozen=True):
    """How to start one process. `environment` is all it gets."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    pid_file: Path
    what: str


class Process:
    """A running process. `run` pumps its output and returns its exit code; `stop` ends it."""

    def __init__(self, process: asyncio.subprocess.Process, pid_file: Path, output: ContainerLog) -> None:
        self._process = process
        self._pid_file = pid_file
        self._output = output
        self.pid = process.pid
        self.id = f"process://{process.pid}"

    @classmethod
    async def start(cls, launch: Launch, output: ContainerLog) -> "Process":
        """Raises InvalidInput (reason StartError) when the program cannot be started."""
        launch.directory.mkdir(parents=True, exist_ok=True)
        try:
            process = await asyncio.create_subprocess_exec(
                *launch.argv,
                env={**launch.environment, "SHIPWAY_STDIN": "agent"},
                cwd=launch.directory,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise InvalidInput(f"{launch.argv[0]} cannot be started: {error.strerror}", reason="StartError") from error
        started = cls(process, launch.pid_file, output)
        try:
            note_process(launch.pid_file, process.pid, launch.what)
        except OSError as error:
            await started.stop(0.0)
            raise InvalidInput(f"{launch.pid_file} cannot be written: {error.strerror}", reason="StartError") from error
        return started

    async def run(self) -> int:
        """The exit code (128 + signal when a signal ended it). Cancelled: kills the process first."""
        try:
            await self._pump()
            code = await self._process.wait()
        finally:
            self._signal(signal.SIGKILL)  # what the process left behind in its group
            await self._process.wait()
            self._pid_file.unlink(missing_ok=True)
            self._close_stdin()
        return 128 - code if code < 0 else code

    async def stop(self, grace_seconds: float) -> None:
        """Ask, wait, kill. Returns when it has ended."""
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_seconds):
                await self._process.wait()
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self._process.wait()

    async def _pump(self) -> None:
        """Copies the output until its end. A child that keeps the pipe open is not waited for once the process has ended."""
        assert self._process.stdout is not None
        async with asyncio.TaskGroup() as tasks:
            copying = tasks.create_task(self._copy(self._process.stdout))
            await self._process.wait()
            await asyncio.wait({copying}, timeout=_DRAIN_SECONDS)
            copying.cancel()

    async def _copy(self, stream: asyncio.StreamReader) -> None:
        while chunk := await stream.read(_CHUNK):
            self._output.write(chunk)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def _close_stdin(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()


def note_process(pid_file: Path, pid: int, what: str) -> None:
    """Writes what is needed to recognise a process again. Raises OSError."""
    pid_file.parent.mkdir(parents=True, exist_ok=True)
    pid_file.write_bytes(msgspec.json.encode(PidFile(pid, started_at(pid) or "", what)))


def started_at(pid: int) -> str | None:
    """When a process was started, in whatever unit this system tells it; None when there is no such process."""
    if sys.platform == "linux":
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return None
        fields = text.rpartition(")")[2].split()
        return None if fields[0] == "Z" else fields[19]
    found = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, timeout=5, check=False)
    return found.stdout.strip() or None


async def sweep(directory: Path, clock: Clock, *, grace_seconds: float = 1.0) -> int:
    """Kill the processes that an earlier node left behind, going by the pid files in `directory`. Returns how many."""
    ours: list[tuple[Path, PidFile]] = []
    for path in sorted(directory.glob("*.pid")):
        try:
            left = msgspec.json.decode(path.read_bytes(), type=PidFile)
        except (msgspec.DecodeError, OSError):
            left = None
        if left is not None and started_at(left.pid) == left.started:
            ours.append((path, left))
            log.info("process_left_behind_killed", pid=left.pid, what=left.what)
        else:
            path.unlink(missing_ok=True)
    for number, waits in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, 5.0)):
        await _end(ours, number, clock, until=clock.now() + waits)
    for path, _ in ours:
        path.unlink(missing_ok=True)
    return len(ours)


async def _end(ours: list[tuple[Path, PidFile]], number: signal.Signals, clock: Clock, *, until: float) -> None:
    alive = [left for _, left in ours if started_at(left.pid) == left.started]
    for left in alive:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(left.pid, number)
    while any(started_at(left.pid) == left.started for left in alive) and clock.now() < until:
        await clock.sleep(0.02)
