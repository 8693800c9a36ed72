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
from subprocess import DEVNULL, PIPE
from typing import BinaryIO

from msgspec import Struct

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


class Child:
    """A running command. Made by `running`."""

    def __init__(self, process: asyncio.subprocess.Process, master: int | None) -> None:
        self._process = process
        self._master = master
        self._terminal: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def open_terminal(self) -> None:
        """Reads and writes the terminal by the event loop, if there is one."""
        if self._master is None:
            return
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), _file(os.dup(self._master), "rb"))
        transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, _file(os.dup(self._master), "wb"))
        self._terminal = reader, asyncio.StreamWriter(transport, protocol, None, loop)

    @property
    def outputs(self) -> dict[int, asyncio.StreamReader]:
        """By channel; a terminal has only one."""
        if self._terminal is not None:
            return {STDOUT: self._terminal[0]}
        found = {STDOUT: self._process.stdout, STDERR: self._process.stderr}
        return {channel: reader for channel, reader in found.items() if reader is not None}

    async def read(self, reader: asyncio.StreamReader) -> AsyncGenerator[bytes, None]:
        """What it says until it has nothing more to say."""
        with suppress(OSError):  # a terminal whose other side is closed ends with EIO
            while piece := await reader.read(PIECE):
                yield piece

    async def write(self, piece: bytes) -> None:
        """To its input. What a command does not read any more is dropped."""
        writer = self._terminal[1] if self._terminal else self._process.stdin
        if writer is None or writer.is_closing():
            return
        with suppress(ConnectionError, BrokenPipeError):
            writer.write(piece)
            await writer.drain()

    async def end_input(self) -> None:
        if self._terminal is not None:
            await self.write(_END_OF_INPUT)
        elif self._process.stdin is not None:
            self._process.stdin.close()

    def resize(self, size: TerminalSize) -> None:
        """The kernel tells the command by SIGWINCH."""
        if self._master is not None and 0 < size.width < 1 << 16 and 0 < size.height < 1 << 16:
            termios.tcsetwinsize(self._master, (size.height, size.width))

    async def wait(self) -> int:
        """The exit code: 128 + signal when a signal ended it."""
        code = await self._process.wait()
        return 128 - code if code < 0 else code

    def kill(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def close(self) -> None:
        self.kill()
        await self._process.wait()
        if self._terminal is not None:
            self._terminal[1].close()
        elif self._process.stdin is not None:
            self._process.stdin.close()


@asynccontextmanager
async def running(place: Place, command: Sequence[str], wanted: Wanted) -> AsyncGenerator[Child, None]:
    """Runs a command while the block lasts. Raises InvalidInput when it cannot be started."""
    master, slave = pty.openpty() if wanted.tty else (None, None)
    (place.directory / "tmp").mkdir(parents=True, exist_ok=True)
    home = {"HOME": str(place.directory), "TMPDIR": str(place.directory / "tmp")}
    terminal = {"TERM": "xterm"} if wanted.tty else {}
    argv = [sys.executable, "-I", "-S", str(ENTER), *(["--tty"] if wanted.tty else []), "--", *confined(command)]
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            env={**home, **terminal, **place.environment},
            cwd=place.directory,
            stdin=slave if slave is not None else PIPE if wanted.stdin else DEVNULL,
            stdout=slave if slave is not None else PIPE if wanted.stdout else DEVNULL,
            stderr=slave if slave is not None else PIPE if wanted.stderr else DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        _close(master)
        raise InvalidInput(f"the command cannot be started: {error.strerror}", reason="StartError") from error
    finally:
        _close(slave)
    pid_file = place.pids.with_name(f"{place.pids.name}.{process.pid}{SUFFIX}")
    child = Child(process, master)
    try:
        note_process(pid_file, noted(process.pid, place.what))
        await child.open_terminal()
        yield child
    finally:
        await child.close()
        _close(master)
        pid_file.unlink(missing_ok=True)


async def outcome_of(place: Place, command: Sequence[str], seconds: float) -> tuple[int, str]:
    """Exit code and the first words of what a command says; -1 when it takes longer than that, and it is killed. Raises
    InvalidInput when it cannot be started."""
    said = b""
    try:
        async with asyncio.timeout(seconds), running(place, command, Wanted()) as child:
            async for piece in child.read(child.outputs[STDOUT]):
                said = (said + piece)[:_SAID_BYTES]
            async for piece in child.read(child.outputs[STDERR]):
                said = (said + piece)[:_SAID_BYTES]
            return await child.wait(), said.decode(errors="replace").strip()
    except TimeoutError:
        return -1, f"command timed out after {seconds:g}s"


def _file(descriptor: int, mode: str) -> BinaryIO:
    return os.fdopen(descriptor, mode, 0)  # pyright: ignore[reportReturnType]


def _close(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)
