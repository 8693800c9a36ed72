"""What containers have written: one file per run in the CRI format, followed while it grows, served to `kubectl logs`.

A line is `<RFC 3339 time> stdout F <text>`. A file is cut at `LIMIT_BYTES`: the older half goes to `<name>.1`, and what was
there before is dropped. The last two runs of a container are kept, so that `--previous` has something to show.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol, TypedDict, Unpack

import structlog
from msgspec import Struct

from shipway.base.clock import Clock, Instant, parse_rfc3339, rfc3339_micro
from shipway.base.errors import InvalidInput, NotFound

log = structlog.get_logger()

LIMIT_BYTES = 10 * 1024 * 1024
LONGEST_LINE = 16 * 1024
_KEPT_RUNS = 2
_MARK = b" stdout F "


class LogOptions(TypedDict, total=False):
    """The options of pods/log beside the container; None: no limit."""

    follow: bool
    tail_lines: int | None
    since_seconds: float | None
    previous: bool
    timestamps: bool
    limit_bytes: int | None


class LogQuery(Struct, frozen=True):
    """The same as one value."""

    follow: bool = False
    tail_lines: int | None = None
    since_seconds: float | None = None
    previous: bool = False
    timestamps: bool = False
    limit_bytes: int | None = None


class ContainerLog:
    """The log of one run. Written by one, followed by any number."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self._clock = clock
        self._partial = b""
        self._changed = asyncio.Event()
        self._file: BinaryIO | None = None
        self._size = 0
        self.is_closed = True

    def open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("ab")
        self._size = self._file.tell()
        self.is_closed = False

    def write(self, chunk: bytes) -> None:
        """Any piece of output; lines are completed across calls."""
        *lines, partial = (self._partial + chunk).split(b"\n")
        *cut, self._partial = _pieces(partial)
        self._append([piece for line in lines for piece in _pieces(line)] + cut)

    def say(self, text: str) -> None:
        """One line of the node's own."""
        self.write(text.encode() + b"\n")

    def close(self) -> None:
        if self._partial:
            self._append([self._partial])
            self._partial = b""
        if self._file is not None:
            self._file.close()
            self._file = None
        self.is_closed = True
        self._notify()

    def _append(self, lines: list[bytes]) -> None:
        if self._file is None or not lines:
            return
        stamp = rfc3339_micro(self._clock.now()).encode() + _MARK
        block = b"".join(stamp + line + b"\n" for line in lines)
        try:
            if self._size + len(block) > LIMIT_BYTES:
                self._rotate()
            self._file.write(block)
            self._file.flush()
        except OSError as error:  # a full disk costs lines, not the container
            log.warning("log_lines_lost", path=str(self.path), lines=len(lines), error=str(error))
            return
        self._size += len(block)
        self._notify()

    def _rotate(self) -> None:
        assert self._file is not None
        self._file.close()
        self.path.replace(_rotated(self.path))
        self._file = self.path.open("ab")
        self._size = 0

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def read(self, query: LogQuery) -> AsyncGenerator[bytes, None]:
        """The log as `query` wants it, one chunk per line; with `follow` until the run has ended."""
        since = Instant(self._clock.now() - query.since_seconds) if query.since_seconds is not None else None
        left = query.limit_bytes if query.limit_bytes is not None else -1
        place = _Place(self.path)
        lines: Iterator[bytes] | deque[bytes] = place.history()
        lines = (line for line in lines if since is None or _time_of(line) >= since)
        if query.tail_lines is not None:
            lines = deque(lines, maxlen=query.tail_lines)
        while True:
            for line in lines:
                shown = line.replace(_MARK, b" ", 1) if query.timestamps else line.partition(_MARK)[2]
                shown = shown if left < 0 else shown[:left]
                if shown:
                    yield shown
                left = left if left < 0 else left - len(shown)
                if left == 0:
                    return
            if not query.follow:
                return
            has_ended, changed = self.is_closed, self._changed
            lines = deque(place.more())
            if not lines:
                if has_ended:
                    return
                await changed.wait()


class _Place:
    """How far a reader has come in a file that may be rotated under it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._inode = 0

    def history(self) -> Iterator[bytes]:
        if _rotated(self._path).exists():
            with _rotated(self._path).open("rb") as file:
                yield from file
        yield from self.more()

    def more(self) -> Iterator[bytes]:
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            inode = self._path.stat().st_ino
            if inode != self._inode:
                self._inode, self._offset = inode, 0
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                yield line


class PodLogs:
    """The logs of one pod's containers, by run."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._runs: dict[str, list[ContainerLog]] = {}

    def begin(self, container: str, attempt: int) -> ContainerLog:
        """A log for a new run."""
        found = ContainerLog(self._directory / container / f"{attempt}.log", self._clock)
        runs = [run for run in self._runs.get(container) or self._on_disk(container) if run.path != found.path]
        self._runs[container] = runs
        found.open()
        runs.append(found)
        for old in runs[:-_KEPT_RUNS]:
            old.close()
            old.path.unlink(missing_ok=True)
            _rotated(old.path).unlink(missing_ok=True)
            runs.remove(old)
        return found

    def find(self, container: str, *, previous: bool) -> ContainerLog | None:
        runs = self._runs.get(container) or self._on_disk(container)
        wanted = 2 if previous else 1
        return runs[-wanted] if len(runs) >= wanted else None

    def close(self) -> None:
        for runs in self._runs.values():
            for run in runs:
                run.close()

    def delete(self) -> None:
        self.close()
        for path in sorted(self._directory.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
        if self._directory.exists():
            self._directory.rmdir()

    def _on_disk(self, container: str) -> list[ContainerLog]:
        paths = (self._directory / container).glob("*.log")
        return [ContainerLog(path, self._clock) for path in sorted(paths, key=lambda path: int(path.stem))]


class FindLogs(Protocol):
    """The logs of a pod and the names of its containers; None when this node does not run it."""

    def __call__(self, namespace: str, pod: str) -> tuple[PodLogs, list[str]] | None: ...


class NodeLogs:
    """Serves pods/log for the pods of this node."""

    def __init__(self, find: FindLogs) -> None:
        self._find = find

    async def logs(
        self, namespace: str, pod: str, container: str = "", **options: Unpack[LogOptions]
    ) -> AsyncGenerator[bytes, None]:
        """Chunks of whole lines. Raises InvalidInput for an unknown container, NotFound for one that has not started."""
        query = LogQuery(**options)
        source = self._source(namespace, pod, container, previous=query.previous)
        async for chunk in source.read(query):
            yield chunk

    def _source(self, namespace: str, pod: str, container: str, *, previous: bool) -> ContainerLog:
        found = self._find(namespace, pod)
        if found is None:
            raise NotFound(f'pod "{namespace}/{pod}" does not run on this node')
        logs, names = found
        if not container and len(names) > 1:
            raise InvalidInput(f"a container name must be specified for pod {pod}, choose one of: {names}", reason="BadRequest")
        name = container or names[0]
        if name not in names:
            raise InvalidInput(f"container {name} is not valid for pod {pod}: choose one of {names}", reason="BadRequest")
        source = logs.find(name, previous=previous)
        if source is None:
            what = "previous terminated container" if previous else "container"
            state = "not found" if previous else "is waiting to start"
            raise NotFound(f'{what} "{name}" in pod "{pod}" {state}')
        return source


def _pieces(line: bytes) -> list[bytes]:
    return [line[start : start + LONGEST_LINE] for start in range(0, len(line), LONGEST_LINE)] or [b""]


def _rotated(path: Path) -> Path:
    return path.with_suffix(".log.1")


def _time_of(line: bytes) -> Instant:
    try:
        return parse_rfc3339(line.partition(b" ")[0].decode())
    except ValueError:
        return Instant(0.0)
