"""In the worker: a plugin's commands in a copy of the repository, with nothing of our environment but PATH.

Where the kernel lets us (Linux user namespaces), a plugin sees no network, no process but its own, none of the folders that
hold logins, and may start a bounded number of processes; else a warning says what it could reach. Time, output, disk and memory
are bounded everywhere, and whatever it started ends with it.
"""

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from typing import Any

from shipway.adapters.plugins.collected import Bounds, run_bounded
from shipway.base.errors import InvalidInput, Unavailable
from shipway.kube.objects.manifests import objects_in_output, warnings_of
from shipway.workers.programs import Finished

MAX_PROCESSES = 512
_TOLD_BYTES = 2000
_USERINFO = re.compile(r"(://)[^/@\s]+@")
_INSIDE = (
    'while [ "$1" != -- ]; do mount -t tmpfs -o size=64k,mode=700 tmpfs "$1" || exit 125; shift; done; shift; '
    f'setpriv --no-new-privs --bounding-set=-all --inh-caps=-all -- prlimit --nproc={MAX_PROCESSES} -- "$@"; exit $?'
)
"""A shell stays as the first process: to it, the kernel does not deliver signals that it has no handler for."""


def generate(job: dict[str, Any]) -> dict[str, Any]:
    """Init, then generate; what generate prints, as objects."""
    if job["init"]:
        _run(job, "init")
    printed = _run(job, "generate").stdout.decode("utf-8", "replace")
    found = objects_in_output(printed, f"{job['plugin']} (generated)")
    return {
        "objects": [origin.obj for origin in found],
        "origins": [origin.place for origin in found],
        "warnings": [*_reach(job), *warnings_of(found)],
    }


def discover(job: dict[str, Any]) -> bool:
    """Whether its find command prints something and ends well."""
    done = _started(job, "find")
    return done.status == 0 and bool(done.stdout.strip())


def _run(job: dict[str, Any], step: str) -> Finished:
    done = _started(job, step)
    if done.status != 0:
        said = " ".join(done.stderr.split())[-_TOLD_BYTES:] or "it said nothing on stderr"
        raise InvalidInput(
            f"plugin {job['plugin']}: {step} ({_shown(job[step])}) failed with status {done.status}: {_masked(said, job)}",
            reason="RenderFailed",
        )
    return done


def _started(job: dict[str, Any], step: str) -> Finished:
    scratch = job["scratch"]
    folder = os.path.join(scratch, "tree", job["path"])
    places = {"HOME": os.path.join(scratch, "home"), "TMPDIR": os.path.join(scratch, "tmp")}
    for place in (*places.values(), folder):
        os.makedirs(place, mode=0o700, exist_ok=True)
    command = job[step]
    if shutil.which(command[0], path=os.environ.get("PATH", os.defpath)) is None and "/" not in command[0]:
        raise Unavailable(
            f"plugin {job['plugin']}: {step}: {command[0]} is not on this machine: install it or put it on PATH",
            reason="ToolMissing",
        )
    env = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", **job["env"], **places}
    bounds = Bounds(f"plugin {job['plugin']}: {step} ({_shown(command)})", job["seconds"], scratch)
    return run_bounded([*_walls(job), *command], folder, env, bounds)


def _walls(job: dict[str, Any]) -> tuple[str, ...]:
    hidden = tuple(folder for folder in job["hidden"] if os.path.isdir(folder) and not _holds(folder, job["scratch"]))
    walls = _all_walls(hidden, with_network=job["network"])
    return walls if _hold(walls) else ()


def _holds(folder: str, path: str) -> bool:
    return os.path.realpath(path).startswith(f"{os.path.realpath(folder)}/")


def _reach(job: dict[str, Any]) -> list[str]:
    """What has to be said of a plugin that runs without walls."""
    if _walls(job):
        return []
    return [
        f"plugin {job['plugin']} could reach the network and the files of this process: the kernel allows no user namespaces "
        "here. Allow them (unshare, setpriv and prlimit of util-linux), or declare only plugins that you trust"
    ]


def _all_walls(hidden: Sequence[str], *, with_network: bool) -> tuple[str, ...]:
    apart = ("--user", "--map-root-user", "--mount", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc")
    network = () if with_network else ("--net",)
    return ("unshare", *apart, *network, "--", "/bin/sh", "-c", _INSIDE, "sh", *hidden, "--")


@functools.cache
def _hold(walls: tuple[str, ...]) -> bool:
    """Whether a program can be run behind them on this machine."""
    try:
        tried = subprocess.run([*walls, "true"], stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0


def _shown(command: Sequence[str]) -> str:
    text = " ".join(command)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _masked(text: str, job: dict[str, Any]) -> str:
    for secret in job["secrets"]:
        text = text.replace(secret, "***")
    return _USERINFO.sub(r"\1***@", text)
