"""One command to its end, within bounds: what it prints, how long it takes, what is on the disk, whom it leaves behind."""

import os
import resource
import selectors
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import IO

from msgspec import Struct

from shipway.base.clock import SystemClock
from shipway.base.errors import InvalidInput, Unavailable
from shipway.workers.lifeline import adopt_orphans, bound_to_parent, end_descendants
from shipway.workers.programs import Finished

MAX_PRINTED = 20 << 20
MAX_ON_DISK = 2 << 30
_STDERR_KEPT = 16 << 10
_CHUNK = 1 << 16
_LOOK_SECONDS = 0.25
_DISK_SECONDS = 2.0


class Bounds(Struct, frozen=True):
    """`what` is told of who breaks one; `scratch` is the folder whose size counts. `memory`: bytes of address space of each
    process (Linux), 0 for no bound of its own. `printed`: bytes of its output."""

    what: str
    seconds: float
    scratch: str
    memory: int = 0
    printed: int = MAX_PRINTED


def run_bounded(argv: Sequence[str], folder: str, env: Mapping[str, str], bounds: Bounds, given: str = os.devnull) -> Finished:
    """Raises `InvalidInput` (RenderTooLarge), `Unavailable` (RenderTimeout, ToolMissing); nothing of it runs on.

    `given`: the file that it reads as its standard input.
    """
    adopt_orphans()
    try:
        with open(given, "rb") as stdin:
            process = subprocess.Popen(
                argv,
                cwd=folder,
                env=env,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                preexec_fn=_bound(bounds.memory),
            )
    except OSError as error:
        raise Unavailable(f"{bounds.what} cannot be run: {error.strerror}", reason="ToolMissing") from None
    try:
        stdout, stderr = _read(process, bounds)
        return Finished(process.wait(), bytes(stdout), stderr.decode("utf-8", "replace"))
    finally:
        end_descendants()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def _read(process: subprocess.Popen[bytes], bounds: Bounds) -> tuple[bytearray, bytearray]:
    clock = SystemClock()
    began = looked = clock.elapsed()
    stdout, stderr = bytearray(), bytearray()
    with selectors.DefaultSelector() as open_ones:
        _register(open_ones, process.stdout, stdout)
        _register(open_ones, process.stderr, stderr)
        while open_ones.get_map() or process.poll() is None:
            for key, _ in open_ones.select(_LOOK_SECONDS):
                chunk = os.read(key.fd, _CHUNK)
                key.data.extend(chunk)
                if not chunk:
                    open_ones.unregister(key.fileobj)
            del stderr[:-_STDERR_KEPT]
            if len(stdout) > bounds.printed:
                most = f"{bounds.printed >> 20} MiB" if bounds.printed >> 20 else f"{bounds.printed >> 10} KiB"
                raise InvalidInput(f"{bounds.what} printed more than {most}, stopped", reason="RenderTooLarge")
            if process.poll() is not None:
                end_descendants()  # who was left behind would keep the pipes open
            now = clock.elapsed()
            if now - began > bounds.seconds:
                raise Unavailable(
                    f"{bounds.what} was not done after {bounds.seconds:g} s, stopped with all that it started: look for a "
                    "question it asks, a loop, or a network that it does not have",
                    reason="RenderTimeout",
                )
            if now - looked > _DISK_SECONDS:
                looked = now
                _check_disk(bounds)
    return stdout, stderr


def _bound(memory: int) -> Callable[[], None]:
    """What the new process does before it becomes the program."""
    bind = bound_to_parent()
    if not memory or sys.platform != "linux":
        return bind

    def bind_and_limit() -> None:
        bind()
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))

    return bind_and_limit


def _register(open_ones: selectors.BaseSelector, stream: IO[bytes] | None, into: bytearray) -> None:
    assert stream is not None
    open_ones.register(stream, selectors.EVENT_READ, into)


def _check_disk(bounds: Bounds) -> None:
    size = 0
    for folder, _, names in os.walk(bounds.scratch):
        for name in names:
            try:
                size += os.lstat(os.path.join(folder, name)).st_blocks * 512
            except OSError:
                continue
            if size > MAX_ON_DISK:
                raise InvalidInput(f"{bounds.what} wrote more than {MAX_ON_DISK >> 30} GiB, stopped", reason="RenderTooLarge")
