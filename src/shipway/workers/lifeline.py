"""A process that must not outlive whoever started it.

On Linux the kernel is asked to kill it (PR_SET_PDEATHSIG). That covers engines stuck inside a C library, where no Python
thread would run any more. Elsewhere the worker's own watch of its standard input has to do (see `child`).
"""

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def _load_prctl() -> Callable[..., int] | None:
    if sys.platform != "linux":
        return None
    return ctypes.CDLL(None, use_errno=True).prctl


def die_with_parent(parent: int) -> None:
    """Have this process killed when its parent, of pid `parent`, ends; ends at once if it already has."""
    prctl = _load_prctl()
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def bound_to_parent() -> Callable[[], None]:
    """A `preexec_fn` for programs that a worker starts; everything it needs is loaded before the fork."""
    prctl, parent, kill, getppid, leave = _load_prctl(), os.getpid(), int(signal.SIGKILL), os.getppid, os._exit

    def bind() -> None:
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, kill, 0, 0, 0)
        if getppid() != parent:
            leave(0)

    return bind


def adopt_orphans() -> None:
    """From now on who is left behind by a child of ours becomes ours, so that `end_descendants` finds it (Linux)."""
    if (prctl := _load_prctl()) is not None:
        prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_descendants() -> None:
    """Kill every process that came of this one, those in sessions of their own too (Linux); all are gone when it returns.

    Whoever forks while being looked for is found in the next round: its new child is ours as soon as it is killed.
    """
    while found := _children(os.getpid()):
        for pid in [*found, *(one for child in found for one in _children(child))]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in found:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _children(parent: int) -> list[int]:
    found: list[int] = []
    for told in Path(f"/proc/{parent}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, told.read_text().split())
    return found
