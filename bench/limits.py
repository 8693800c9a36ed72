"""How much of a core a process may use, as a container's `limits.cpu` says it: a control group of the kernel."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

GROUPS = Path("/sys/fs/cgroup")
PERIOD = 100_000
"""Microseconds, as of the kubelet."""


class CpuLimit:
    """A control group; whoever is in it, and who comes of them, shares what it may use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def holds(self, pid: int) -> None:
        (self._folder / "cgroup.procs").write_text(str(pid))


@contextmanager
def cpu_limit(cores: float) -> Iterator[CpuLimit]:
    """Until the block ends, when all that were in it must have ended. Raises OSError where control groups may not be made."""
    is_unified = (GROUPS / "cgroup.controllers").exists()
    folder = (GROUPS if is_unified else GROUPS / "cpu") / f"shipway-bench-{uuid4().hex[:8]}"
    folder.mkdir()
    try:
        quota = int(cores * PERIOD)
        if is_unified:
            (folder / "cpu.max").write_text(f"{quota} {PERIOD}")
        else:
            (folder / "cpu.cfs_period_us").write_text(str(PERIOD))
            (folder / "cpu.cfs_quota_us").write_text(str(quota))
        yield CpuLimit(folder)
    finally:
        folder.rmdir()
