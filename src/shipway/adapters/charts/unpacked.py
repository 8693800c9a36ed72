"""The unpacked charts on disk, one folder per digest, within a bound.

When they become too many, those go that nobody asked for lately, the oldest first; one that is asked for again is fetched
again. When a chart was last asked for is the time of its folder, so a restart knows it. What is in use is never thrown away,
however much it is.
"""

import os
import shutil
import threading
from pathlib import Path

from shipway.adapters.charts.archive import unpack
from shipway.base.clock import Clock

MOST_BYTES = 1 << 30
IN_USE = 3600.0
"""Seconds since it was last asked for; polls ask for everything that an application wants every few minutes."""


class Unpacked:
    """Below `home`, which belongs to one process at a time."""

    def __init__(self, home: Path, clock: Clock, *, most_bytes: int = MOST_BYTES) -> None:
        self._home = home.absolute()
        self._clock = clock
        self._most_bytes = most_bytes
        self._weights: dict[str, int] | None = None
        self._one_at_a_time = threading.Lock()

    def folder(self, digest: str) -> Path:
        """Where the files of a chart lie, if they are here."""
        return self._home / digest

    def has(self, digest: str) -> bool:
        """Whether a chart is here. Asking counts as use."""
        now = self._clock.now()
        try:
            os.utime(self.folder(digest), (now, now))
        except OSError:
            return False
        return True

    def put(self, content: bytes, digest: str, what: str, *, is_chart: bool = True) -> None:
        """Unpacks an archive and makes room for it. Blocks. Raises what `unpack` raises."""
        unpack(content, self.folder(digest), what, is_chart=is_chart)
        self.has(digest)
        with self._one_at_a_time:
            if self._weights is None:
                self._weights = {folder.name: _weight(folder) for folder in self._home.iterdir()}
            self._weights[digest] = _weight(self.folder(digest))
            self._make_room(self._weights)

    def _make_room(self, weights: dict[str, int]) -> None:
        in_use_since = self._clock.now() - IN_USE
        total = sum(weights.values())
        for asked_at, digest in sorted((_asked_at(self.folder(digest)), digest) for digest in weights):
            if total <= self._most_bytes or asked_at > in_use_since:
                return
            total -= weights.pop(digest)
            shutil.rmtree(self.folder(digest), ignore_errors=True)


def _weight(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _asked_at(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0
