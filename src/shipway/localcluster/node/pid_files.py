"""The processes of a node on disk: one file each, so that whoever comes next can recognise them, adopt them or end them.

A process is recognised by its number and by when it was started, in the kernel's words: a number that now belongs to somebody
else is left alone.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
import structlog
from msgspec import Struct

from shipway.base.clock import Clock
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, status_of, uid_of

log = structlog.get_logger()

SUFFIX = ".pid"
PROCESS_ID = "process://"


class PidFile(Struct, frozen=True):
    """`started` is the kernel's word for when, compared as text. `ip` and `listens` (container port -> where it listens) are
    those of the pod."""

    pid: int
    started: str
    what: str
    ip: str = ""
    listens: Mapping[int, tuple[str, int]] = {}

    @property
    def is_alive(self) -> bool:
        return started_at(self.pid) == self.started


def stem_of(uid: str, container: str) -> str:
    """The name of a container's file, without its suffix."""
    return f"{uid}_{container}"


def note_process(path: Path, note: PidFile) -> None:
    """Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.encode(note))


def noted(pid: int, what: str) -> PidFile:
    """A process of ours that has just been started."""
    return PidFile(pid, started_at(pid) or "", what)


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


def left_behind(directory: Path) -> dict[str, PidFile]:
    """What an earlier node started and still runs, by the stem of its file. Files of what has ended are removed."""
    found: dict[str, PidFile] = {}
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        try:
            left = msgspec.json.decode(path.read_bytes(), type=PidFile)
        except (msgspec.DecodeError, OSError):
            left = None
        if left is not None and left.is_alive:
            found[path.name.removesuffix(SUFFIX)] = left
        else:
            path.unlink(missing_ok=True)
    return found


def unchanged(pod: Obj, left: Mapping[str, PidFile]) -> dict[str, PidFile]:
    """By container: the processes that are what the pod's status says is running, at the pod's address. Pure."""
    found: dict[str, PidFile] = {}
    for status in status_of(pod).get("containerStatuses") or ():
        process = left.get(stem_of(uid_of(pod), status["name"]))
        is_it = process is not None and status.get("containerID") == f"{PROCESS_ID}{process.pid}"
        if process is not None and is_it and dig(status, "state", "running") and process.ip == status_of(pod).get("podIP"):
            found[status["name"]] = process
    return found


async def sweep(
    directory: Path, clock: Clock, *, grace_seconds: float = 1.0, keep: Callable[[str], bool] = lambda stem: False
) -> int:  # fmt: skip
    """Ends the processes that an earlier node left behind, but for those whose stem is to be kept. Returns how many."""
    ours = {stem: left for stem, left in left_behind(directory).items() if not keep(stem)}
    for left in ours.values():
        log.info("process_left_behind_killed", pid=left.pid, what=left.what)
    for number, waits in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, 5.0)):
        await _end(list(ours.values()), number, clock, until=clock.now() + waits)
    for stem in ours:
        (directory / f"{stem}{SUFFIX}").unlink(missing_ok=True)
    return len(ours)


async def _end(ours: list[PidFile], number: signal.Signals, clock: Clock, *, until: float) -> None:
    alive = [left for left in ours if left.is_alive]
    for left in alive:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(left.pid, number)
    while any(left.is_alive for left in alive) and clock.now() < until:
        await clock.sleep(0.02)
