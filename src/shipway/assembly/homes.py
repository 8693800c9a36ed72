"""One Shipway per home directory: a lock that the kernel gives back when its holder dies, however it dies."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import IO

from shipway.base.errors import Conflict


class HomeLock:
    """Held while a Shipway lives in `home`. Raises Conflict, naming the process, when another one does."""

    def __init__(self, home: Path) -> None:
        self._path = home / "lock"
        self._file: IO[str] | None = None

    def __enter__(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = holder_of(self._path.parent)
            file.close()
            raise Conflict(
                f"a Shipway already lives in {self._path.parent} (pid {holder}): "
                "stop it with `shipway down`, or give another --home",
                reason="HomeInUse",
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._file = file

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._file:
            self._file.close()


def holder_of(home: Path) -> int | None:
    """The process that lives in `home`; None when nobody does."""
    path = home / "lock"
    try:
        with path.open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                text = file.read().strip()
                return int(text) if text else None
            return None
    except FileNotFoundError:
        return None
