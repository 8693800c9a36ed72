"""A chart's archive unpacked below a folder, and that folder as a `Snapshot` (api.snapshot).

What a stranger packed is bounded as Helm bounds it: 100 MiB in all, and nothing but plain files below the chart's folder.
"""

import gzip
import io
import os
import posixpath
import shutil
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from shipway.api.snapshot import EntryKind
from shipway.base.errors import InvalidInput, NotFound

MAX_UNPACKED = 100 << 20
MAX_FILES = 20_000
_GZIP = b"\x1f\x8b"


def unpack(content: bytes, into: Path, what: str, *, is_chart: bool = True) -> None:
    """Write the files of a tar, gzipped or not, below `into`; those of a chart without the folder they are packed in.

    Raises `InvalidInput` (InvalidChart, SourceTooLarge, PathEscapes); `into` then does not exist. `what` names the chart.
    """
    unfinished = into.with_name(f"{into.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        with _plain(content) as plain, tarfile.open(fileobj=_Bounded(plain), mode="r|") as tar:
            for count, member in enumerate(tar):
                if count >= MAX_FILES:
                    raise InvalidInput(f"{what}: more than {MAX_FILES} files", reason="SourceTooLarge")
                _write(tar, member, unfinished, what, is_chart=is_chart)
        if is_chart and not (unfinished / "Chart.yaml").is_file():
            raise InvalidInput(f"{what}: no Chart.yaml in it", reason="InvalidChart")
        unfinished.rename(into)
    except _TooLarge:
        raise InvalidInput(f"{what}: larger than {MAX_UNPACKED >> 20} MiB unpacked", reason="SourceTooLarge") from None
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise InvalidInput(f"{what}: not a chart archive: {error}", reason="InvalidChart") from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, into: Path, what: str, *, is_chart: bool) -> None:
    if member.isdir():
        return
    name = posixpath.normpath(member.name.replace("\\", "/"))
    if not member.isfile() or name.startswith(("/", "..")) or "\0" in name:
        raise InvalidInput(f"{what}: holds {member.name!r}, which is no plain file below it", reason="PathEscapes")
    below = name.partition("/")[2] if is_chart else name
    source = tar.extractfile(member)
    if not below or source is None:
        return
    target = into / below
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target, "wb") as out:
        shutil.copyfileobj(source, out)


def _plain(content: bytes) -> IO[bytes] | gzip.GzipFile:
    raw = io.BytesIO(content)
    return gzip.GzipFile(fileobj=raw) if content.startswith(_GZIP) else raw


class _TooLarge(Exception):
    """More than MAX_UNPACKED came out."""


class _Bounded(io.RawIOBase):
    """Reads from another stream until the bound is reached."""

    def __init__(self, stream: IO[bytes] | Any) -> None:
        self._stream = stream
        self._left = MAX_UNPACKED

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        found: bytes = self._stream.read(min(size, 1 << 20) if size >= 0 else 1 << 20)
        self._left -= len(found)
        if self._left < 0:
            raise _TooLarge
        return found


class ChartSnapshot:
    """An unpacked chart. It is one piece of content, so whoever reads of it has read it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def kind(self, path: str) -> EntryKind:
        place = self._place(path)
        return "dir" if place.is_dir() else "file" if place.is_file() else "missing"

    def read(self, path: str) -> bytes:
        place = self._place(path)
        if not place.is_file():
            raise NotFound(f"{path}: no such file in the chart", reason="NoSuchFile")
        return place.read_bytes()

    def files(self, path: str, *, deep: bool = True) -> list[str]:
        place = self._place(path)
        found = place.rglob("*") if deep else place.iterdir()
        return sorted(str(file.relative_to(self._folder)) for file in found if file.is_file())

    def write(self, paths: Iterable[str], into: str) -> None:
        for path in paths:
            place, target = self._place(path), os.path.join(into, path)
            if place.is_dir():
                shutil.copytree(place, target, dirs_exist_ok=True)
            elif place.is_file():
                os.makedirs(os.path.dirname(target), exist_ok=True)
                shutil.copyfile(place, target)

    def reads(self) -> tuple[str, ...]:
        return ("",)

    def _place(self, path: str) -> Path:
        clean = posixpath.normpath(path.strip("/") or ".")
        if clean == ".." or clean.startswith("../"):
            raise InvalidInput(f"{path}: outside of the chart: write a path below its folder", reason="PathEscapes")
        return self._folder / clean
