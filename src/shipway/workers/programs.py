"""Running a program from inside a worker: no shell, no inherited environment, gone when the worker is.

It stays in the worker's process group on purpose: killing the worker kills it too. It inherits the worker's memory limit.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence

from msgspec import Struct

from shipway.base.errors import InvalidInput, Unavailable
from shipway.workers.lifeline import bound_to_parent

_OUT_OF_MEMORY = (b"out of memory", b"cannot allocate memory", b"failed to reserve")


class Finished(Struct, frozen=True):
    """How a program ended and what it wrote."""

    status: int
    stdout: bytes
    stderr: str


def run_program(argv: Sequence[str], *, cwd: str, environment: Mapping[str, str]) -> Finished:
    """Run it to its end. Raises `Unavailable` if it cannot be started, `InvalidInput` (RenderOutOfMemory) if it ran out."""
    env = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", **environment}
    try:
        done = subprocess.run(
            argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False, preexec_fn=bound_to_parent()
        )
    except OSError as error:
        raise Unavailable(
            f"{argv[0]} cannot be run: {error.strerror}: install it or put it on PATH", reason="ToolMissing"
        ) from None
    if done.returncode < 0 or (done.returncode and any(sign in done.stderr for sign in _OUT_OF_MEMORY)):
        raise InvalidInput(
            f"{os.path.basename(argv[0])} ran out of memory (status {done.returncode}): look for a very large expansion",
            reason="RenderOutOfMemory",
        )
    return Finished(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"))
