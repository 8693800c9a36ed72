"""Folders that are written whole or not at all.

Everything is written beside its place first, in a folder whose name says that it is unfinished, and then renamed. What was
there before is replaced only if asked, folder by folder, and nothing else beside it is touched.
"""

import fcntl
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from shipway.base.errors import Conflict, InvalidInput


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Nobody else who asks for it writes into the folder meanwhile. It is made, and goes again where nothing was put into it.

    The lock is on the folder itself, so no file of it is left, also not by a process that is killed. Raises Conflict where
    somebody has it, InvalidInput where the folder cannot be made."""
    held = _locked(folder)
    try:
        yield
    finally:
        with suppress(OSError):  # it is not empty
            folder.rmdir()
        os.close(held)


def _locked(folder: Path) -> int:
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise InvalidInput(f"{folder} cannot be written: {error.strerror}") from None
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(held)
            raise Conflict(f"another import writes into {folder}: wait for its end, or name another folder") from None
        except OSError:
            return held  # a file system without such locks
        if _is(folder, held):
            return held
        os.close(held)  # who had it took the empty folder away


def _is(folder: Path, held: int) -> bool:
    try:
        return os.path.samestat(folder.stat(), os.fstat(held))
    except FileNotFoundError:
        return False


class Draft:
    """A folder in the making at `folder`, for the place `target`."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.folder = target.with_name(f".{target.name}.unfinished")

    def write(self, files: Mapping[str, bytes]) -> None:
        """Begins anew with these files. Raises InvalidInput where nothing can be written."""
        try:
            shutil.rmtree(self.folder, ignore_errors=True)
            for name, content in files.items():
                file = self.folder / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
        except OSError as error:
            raise InvalidInput(f"{self.folder} cannot be written: {error.strerror}") from None

    def check(self, folders: Collection[str], *, replaces: bool, marks: Mapping[str, bytes] = {}) -> None:
        """Raises InvalidInput where one of its folders is there already and not to be replaced, or the way to it leads
        elsewhere. `marks`: what all files of a folder begin with that may be replaced; it is somebody else's otherwise."""
        for folder in folders:
            place = self.target / folder
            for step in (self.folder, self.target, *(self.target / part for part in Path(folder).parents), place):
                if step.is_symlink():
                    raise InvalidInput(f"{step} is a link: nothing is written through it: name the folder itself")
            if place.exists() and not replaces:
                raise InvalidInput(f"{place} is there already: take it away, or replace it with --force")
            for file in place.rglob("*") if folder in marks else ():
                if file.is_file() and not file.read_bytes().startswith(marks[folder]):
                    raise InvalidInput(f"{file} was not written by an import: take {place} away first")

    def finish(self, folders: Collection[str]) -> None:
        """Moves it to its place; where something is, its `folders` one after the other, in their order."""
        try:
            if not self.target.exists():
                self.folder.rename(self.target)
                return
            for folder in folders:
                place, before = self.target / folder, self.folder / f".before-{folder.replace('/', '-')}"
                place.parent.mkdir(parents=True, exist_ok=True)
                if place.exists():
                    place.rename(before)
                (self.folder / folder).rename(place)
            self.drop()
        except OSError as error:
            raise InvalidInput(f"{self.target} cannot be written: {error.strerror}") from None

    def drop(self) -> None:
        """Takes the draft away."""
        shutil.rmtree(self.folder, ignore_errors=True)
