"""A command in a pod's surroundings: the pod's environment and directory, pipes or a terminal of its own.

It never outlives its session: it is killed with its whole group when that ends, by the kernel when the node dies (Linux), and
by its pid file when the next node starts.
"""

import asyncio
import os
import pty
import signal
import sys
import termios
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from subprocess import DEVNULL
from typing import BinaryIO

from msgspec import Struct

from shipway.base.endings import to_the_end
from shipway.base.errors import InvalidInput
from shipway.localcluster.node.pid_files import SUFFIX, note_process, noted
from shipway.localcluster.node.streaming.channels import PIECE, STDERR, STDOUT, TerminalSize

ENTER = Path(__file__).parent / "enter.py"
_SAID_BYTES = 1024
_END_OF_INPUT = b"\x04"
_CONFINED = frozenset({"tar", "test"})


class Place(Struct, frozen=True):
    """Where commands of one container run. Each gets a pid file of its own beside the container's; `ended` is set when the
    container has ended, and then so do they."""

    environment: Mapping[str, str]
    directory: Path
    pids: Path
    what: str
    ended: asyncio.Event


class Wanted(Struct, frozen=True):
    """Which streams a client asked for."""

    stdin: bool = False
    stdout: bool = True
    stderr: bool = True
    tty: bool = False


def confined(command: Sequence[str]) -> list[str]:
    """`tar` and `test`, which `kubectl cp` is made of, take the pod's directory for the root: there is no other file system
    that could be the pod's. Every other command sees the machine as it is."""
    if Path(command[0]).name not in _CONFINED:
        return list(command)
    return [command[0], *(a.lstrip("/") or "." if a.startswith("/") else a for a in command[1:])]


class Ends(Struct):
    """Descriptors: what the command gets, by its number, and our side of each, by the same; `master` of a terminal.

    The pipes are our own and not asyncio's, whose `wait` waits for whoever has inherited them as well.
    """

    given: dict[int, int]
    ours: dict[int, int]
    master: int | None = None

    @classmethod
    def open(cls, wanted: Wanted) -> "Ends":
        if wanted.tty:
            master, slave = pty.openpty()
            return cls({0: slave, 1: slave, 2: slave}, {0: os.dup(master), 1: os.dup(master)}, master)
        given: dict[int, int] = {}
        ours: dict[int, int] = {}
        for number, is_wanted in ((0, wanted.stdin), (1, wanted.stdout), (2, wanted.stderr)):
            if is_wanted:
                reading, writing = os.pipe()
                given[number], ours[number] = (reading, writing) if number == 0 else (writing, reading)
        return cls(given, ours)

    def hand_over(self) -> None:
        """The command has its side."""
        for descriptor in set(self.given.values()):
            os.close(descriptor)
        self.given = {}

    def close(self) -> None:
        self.hand_over()
        for descriptor in (*self.ours.values(), *([self.master] if self.master is not None else [])):
            os.close(descriptor)
        self.ours, self.master = {}, None


class Child:
    """A running command. Made by `running`."""

    def __init__(self, process: asyncio.subprocess.Process, ends: Ends) -> None:
        self.outputs: dict[int, asyncio.StreamReader] = {}
        """By channel; a terminal has only one."""
        self._process = process
        self._ends = ends
        self._input: asyncio.StreamWriter | None = None
        self._transports: list[asyncio.BaseTransport] = []

    async def connect(self) -> None:
        """Reads and writes by the event loop from now on."""
        loop = asyncio.get_running_loop()
        for number, channel in ((1, STDOUT), (2, STDERR)):
            if number in self._ends.ours:
                reader = asyncio.StreamReader()
                file = _file(self._ends.ours.pop(number), "rb")
                made = await loop.connect_read_pipe(lambda reader=reader: asyncio.StreamReaderProtocol(reader), file)
                self._transports.append(made[0])
                self.outputs[channel] = reader
        if 0 in self._ends.ours:
            file = _file(self._ends.ours.pop(0), "wb")
            transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, file)
            self._transports.append(transport)
            self._input = asyncio.StreamWriter(transport, protocol, None, loop)

    async def read(self, reader: asyncio.StreamReader) -> AsyncGenerator[bytes, None]:
        """What it says until it has nothing more to say."""
        with suppress(OSError):  # a terminal whose other side is closed ends with EIO
            while piece := await reader.read(PIECE):
                yield piece

    async def write(self, piece: bytes) -> None:
        """To its input. What a command does not read any more is dropped."""
        if self._input is None or self._input.is_closing():
            return
        with suppress(ConnectionError, BrokenPipeError):
            self._input.write(piece)
            await self._input.drain()

    async def end_input(self) -> None:
        if self._ends.master is not None:
            await self.write(_END_OF_INPUT)
        elif self._input is not None:
            self._input.close()

    def resize(self, size: TerminalSize) -> None:
        """The kernel tells the command by SIGWINCH."""
        if self._ends.master is not None and 0 < size.width < 1 << 16 and 0 < size.height < 1 << 16:
            termios.tcsetwinsize(self._ends.master, (size.height, size.width))

    async def wait(self) -> int:
        """The exit code: 128 + signal when a signal ended it."""
        code = await self._process.wait()
        return 128 - code if code < 0 else code

    def kill(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def close(self) -> None:
        self.kill()
        try:
            await to_the_end(self._process.wait)
        finally:
            for transport in self._transports:
                transport.close()


@asynccontextmanager
async def running(place: Place, command: Sequence[str], wanted: Wanted) -> AsyncGenerator[Child, None]:
    """Runs a command while the block lasts. Raises InvalidInput when it cannot be started."""
    (place.directory / "tmp").mkdir(parents=True, exist_ok=True)
    home = {"HOME": str(place.directory), "TMPDIR": str(place.directory / "tmp")}
    terminal = {"TERM": "xterm"} if wanted.tty else {}
    argv = [sys.executable, "-I", "-S", str(ENTER), *(["--tty"] if wanted.tty else []), "--", *confined(command)]
    ends = Ends.open(wanted)
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            env={**home, **terminal, **place.environment},
            cwd=place.directory,
            stdin=ends.given.get(0, DEVNULL),
            stdout=ends.given.get(1, DEVNULL),
            stderr=ends.given.get(2, DEVNULL),
            start_new_session=True,
        )
    except OSError as error:
        ends.close()
        raise InvalidInput(f"the command cannot be started: {error.strerror}", reason="StartError") from error
    ends.hand_over()
    pid_file = place.pids.with_name(f"{place.pids.name}.{process.pid}{SUFFIX}")
    child = Child(process, ends)
    try:
        _note(pid_file, process.pid, place.what)
        await child.connect()
        yield child
    finally:
        try:
            await child.close()
        finally:
            ends.close()
            pid_file.unlink(missing_ok=True)


async def outcome_of(place: Place, command: Sequence[str], seconds: float) -> tuple[int, str]:
    """Exit code and the first words of what a command says; -1 when it takes longer than that, and it is killed. Raises
    InvalidInput when it cannot be started."""
    said = bytearray()

    async def listen(child: Child, channel: int) -> None:
        async for piece in child.read(child.outputs[channel]):
            said.extend(piece[: _SAID_BYTES - len(said)])

    try:
        async with asyncio.timeout(seconds), running(place, command, Wanted()) as child:
            async with asyncio.TaskGroup() as tasks:
                for channel in child.outputs:
                    tasks.create_task(listen(child, channel))
                code = await child.wait()
                child.kill()  # what it has left behind would keep its output open
            return code, said.decode(errors="replace").strip()
    except TimeoutError:
        return -1, f"command timed out after {seconds:g}s"


def _note(pid_file: Path, pid: int, what: str) -> None:
    try:
        note_process(pid_file, noted(pid, what))
    except OSError as error:
        raise InvalidInput(f"{pid_file} cannot be written: {error.strerror}", reason="StartError") from error


def _file(descriptor: int, mode: str) -> BinaryIO:
    return os.fdopen(descriptor, mode, 0)  # pyright: ignore[reportReturnType]
