"""In the worker: one command of a stranger, with nothing of our environment but PATH, to its end or to its bounds.

Where the kernel lets us (Linux user namespaces), it sees no process but its own, none of the folders that hold logins, no
network unless it may use it, and may start a bounded number of processes. Time, output, disk and memory are bounded everywhere,
and whatever it started ends with it.
"""

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence

from msgspec import Struct

from shipway.adapters.plugins.collected import MAX_PRINTED, Bounds, run_bounded
from shipway.base.errors import InvalidInput, Unavailable
from shipway.workers.programs import Finished

MAX_PROCESSES = 512
_TOLD_BYTES = 2000
_USERINFO = re.compile(r"(://)[^/@\s]+@")
_INSIDE = (
    'while [ "$1" != -- ]; do mount -t tmpfs -o size=64k,mode=700 tmpfs "$1" || exit 125; shift; done; shift; '
    f'setpriv --no-new-privs --bounding-set=-all --inh-caps=-all -- prlimit --nproc={MAX_PROCESSES} -- "$@"; exit $?'
)
"""A shell stays as the first process: to it, the kernel does not deliver signals that it has no handler for."""


class Reach(Struct, frozen=True):
    """`scratch` is all that a command may fill: its HOME and TMPDIR are made there. `hidden`: folders that it must not see."""

    scratch: str
    hidden: Sequence[str] = ()
    network: bool = False


class Command(Struct, frozen=True):
    """`what` is told of one that fails. `given`: a file that it reads as its input. `memory`: bytes of address space, 0 for
    those of the worker. `printed`: most bytes of output. `secrets`: values that no message may repeat."""

    what: str
    words: Sequence[str]
    folder: str
    env: Mapping[str, str]
    seconds: float
    given: str = os.devnull
    memory: int = 0
    printed: int = MAX_PRINTED
    secrets: Sequence[str] = ()


def run_walled(command: Command, reach: Reach) -> Finished:
    """Raises `InvalidInput` (RenderTooLarge) and `Unavailable` (RenderTimeout, ToolMissing); nothing of it runs on."""
    places = {"HOME": os.path.join(reach.scratch, "home"), "TMPDIR": os.path.join(reach.scratch, "tmp")}
    for place in (*places.values(), command.folder):
        os.makedirs(place, mode=0o700, exist_ok=True)
    program, path = command.words[0], os.environ.get("PATH", os.defpath)
    if shutil.which(program, path=path) is None and "/" not in program:
        raise Unavailable(
            f"{command.what}: {program} is not on this machine: install it or put it on PATH", reason="ToolMissing"
        )
    env = {"PATH": path, "LANG": "C.UTF-8", **command.env, **places}
    told = f"{command.what} ({shown(command.words)})"
    bounds = Bounds(told, command.seconds, reach.scratch, command.memory, command.printed)
    return run_bounded([*walls(reach), *command.words], command.folder, env, bounds, command.given)


def ended_well(done: Finished, command: Command) -> Finished:
    """The same. Raises `InvalidInput` with its last words, secrets blotted out, when the status is not 0."""
    if done.status == 0:
        return done
    said = " ".join(done.stderr.split())[-_TOLD_BYTES:] or "it said nothing on stderr"
    told = f"{command.what} ({shown(command.words)}) failed with status {done.status}: {masked(said, command.secrets)}"
    raise InvalidInput(told, reason="RenderFailed")


def walls(reach: Reach) -> tuple[str, ...]:
    """The words before a command that put it behind walls; none where this machine cannot build them."""
    hidden = tuple(folder for folder in reach.hidden if os.path.isdir(folder) and not _holds(folder, reach.scratch))
    built = _all_walls(hidden, with_network=reach.network)
    return built if _hold(built) else ()


def shown(words: Sequence[str]) -> str:
    """A command as it is told."""
    text = " ".join(words)
    return text if len(text) <= 120 else f"{text[:117]}..."


def masked(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return _USERINFO.sub(r"\1***@", text)


def _holds(folder: str, path: str) -> bool:
    return os.path.realpath(path).startswith(f"{os.path.realpath(folder)}/")


def _all_walls(hidden: Sequence[str], *, with_network: bool) -> tuple[str, ...]:
    apart = ("--user", "--map-root-user", "--mount", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc")
    network = () if with_network else ("--net",)
    return ("unshare", *apart, *network, "--", "/bin/sh", "-c", _INSIDE, "sh", *hidden, "--")


@functools.cache
def _hold(built: tuple[str, ...]) -> bool:
    """Whether a program can be run behind them on this machine."""
    try:
        tried = subprocess.run([*built, "true"], stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0
