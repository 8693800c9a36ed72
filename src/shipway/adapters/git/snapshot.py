"""A `Snapshot` (api.snapshot) on git objects: reads without a checkout, and remembers what was looked at.

`trees` say which paths are known by which git id; the longest one that covers a path is where the way down to it starts.
A link is followed inside the repository only. The folder that holds a link counts as read, because only a folder's id says
that an entry is a link.
"""

import os
import posixpath
from collections.abc import Iterable, Iterator
from typing import Literal

import pygit2
from msgspec import Struct
from msgspec.structs import replace
from pygit2.enums import FileMode

from shipway.adapters.git.beyond import Beyond
from shipway.adapters.git.lfs import MAX_POINTER, pointer_in
from shipway.adapters.git.modules import GITMODULES
from shipway.api.snapshot import EntryKind
from shipway.api.sources import PathTree
from shipway.base.errors import InvalidInput, NotFound, Unavailable

MAX_FILE = 64 << 20
MAX_WRITTEN_BYTES = 1 << 30
MAX_WRITTEN_FILES = 200_000
MAX_LISTED = 500_000
"""Entries that one render may list: a few hundred bytes of git objects can describe 10^10 files."""

_COMMIT = "commit:"
"""Before the id of a path that is a submodule: it names a commit of another repository."""
_MAX_LINKS = 40
_MAX_DEPTH = 200
_Folders = Literal["flat", "stay", "follow"]
"""How far to go down: not at all, into real folders, through links as well."""


class _Entry(Struct, frozen=True):
    """What stands at the real path `path` of the snapshot `home` (None: the one that was asked); `mode` None: nothing."""

    path: str
    oid: str = ""
    mode: FileMode | None = None
    home: "GitSnapshot | None" = None

    @property
    def kind(self) -> EntryKind:
        if self.mode is None or self.mode == FileMode.COMMIT:
            return "missing"
        return "dir" if self.mode == FileMode.TREE else "file"


class _Spent(Struct):
    """What one render has listed and written, its submodules' share included."""

    listed: int = 0
    files: int = 0
    bytes: int = 0


class GitSnapshot:
    """`trees` at fixed ids; `root`, the id of a whole tree that contains them, answers for paths they do not cover.

    `beyond` leads into submodules and to large files; without it the ones are empty and the others pointers.
    """

    def __init__(
        self,
        repository: pygit2.Repository,
        trees: tuple[PathTree, ...],
        root: str = "",
        beyond: Beyond | None = None,
    ) -> None:
        self._repository = repository
        self._beyond = beyond
        self._modules: dict[str, GitSnapshot] = {}
        self._spent = _Spent()
        self._oids = {tree.path: tree.oid for tree in trees}
        if root:
            self._oids.setdefault("", root)
        self._looked_at: set[str] = set()

    def kind(self, path: str) -> EntryKind:
        return self._find(path).kind

    def read(self, path: str) -> bytes:
        entry = self._find(path)
        if entry.kind != "file":
            raise NotFound(f"{path}: no such file in the repository", reason="NoSuchFile")
        return self._content(entry)

    def files(self, path: str, *, deep: bool = True) -> list[str]:
        entry = self._find(path)
        if entry.kind != "dir":
            raise NotFound(f"{path or '.'}: no such folder in the repository", reason="NoSuchFolder")
        return sorted(shown for shown, _ in self._below(entry, clean_path(path), 0, "stay" if deep else "flat"))

    def folders(self, path: str) -> list[str]:
        """Folders directly in a folder, sorted, none if there is no such folder; links and submodules are none. All of the
        folder counts as read."""
        entry = self._find(path)
        if entry.kind != "dir" or entry.home is not None:
            return []
        tree = self._object(entry.oid, entry.path)
        assert isinstance(tree, pygit2.Tree)
        below = f"{clean_path(path)}/" if clean_path(path) else ""
        return sorted(f"{below}{_safe_name(one.name, path)}" for one in tree if one.filemode == FileMode.TREE)

    def write(self, paths: Iterable[str], into: str) -> None:
        for path in _outermost({clean_path(path) for path in paths}):
            entry = self._find(path)
            if entry.kind == "file":
                self._write_file(entry, path, into)
            elif entry.kind == "dir":
                os.makedirs(os.path.join(into, path), exist_ok=True)
                for shown, file in self._below(entry, path, 0, "follow"):
                    self._write_file(file, shown, into)

    def reads(self) -> tuple[str, ...]:
        return tuple(sorted(_outermost(self._looked_at)))

    def oid(self, path: str) -> str:
        """The git id at a path without following links, "" for nothing, a marked commit for a submodule. Not counted as
        read."""
        entry = self._walk(path)
        if entry.mode == FileMode.COMMIT:
            return f"{_COMMIT}{entry.oid}" if entry.path == path else ""
        return "" if entry.kind == "missing" else entry.oid

    def _find(self, path: str) -> _Entry:
        """The entry that a path leads to, links followed; both ends are remembered."""
        clean = clean_path(path)
        for _ in range(_MAX_LINKS):
            entry = self._walk(clean)
            if entry.mode == FileMode.COMMIT:
                return self._beyond_module(entry, clean[len(entry.path) :].strip("/"))
            if entry.mode != FileMode.LINK:
                self._looked_at.add(clean if entry.mode is not None else entry.path)
                return entry
            clean = self._link_target(entry, clean)
        raise InvalidInput(f"{path}: too many links, or links in a circle", reason="PathEscapes")

    def _beyond_module(self, entry: _Entry, rest: str) -> _Entry:
        """What stands at `rest` in the submodule `entry`. Its commit counts as read, so all of it does."""
        self._looked_at.add(entry.path)
        module = self._module(entry)
        if module is None:
            return _Entry(entry.path)
        found = module._find(rest)
        return found if found.home else replace(found, home=module)

    def _module(self, entry: _Entry) -> "GitSnapshot | None":
        known = self._modules.get(entry.path)
        if known is None and self._beyond is not None:
            listed = self._find(GITMODULES)
            gitmodules = self._content(listed) if listed.kind == "file" else b""
            found = self._beyond.module(gitmodules, entry.path, entry.oid)
            if found is None:
                return None
            repository, beyond = found
            try:
                root = str(repository[entry.oid].peel(pygit2.Tree).id)
            except (KeyError, pygit2.GitError) as error:
                raise Unavailable(f"submodule {entry.path} cannot be read: {error}", reason="DamagedMirror") from None
            known = self._modules[entry.path] = GitSnapshot(repository, (PathTree("", root),), beyond=beyond)
            known._spent = self._spent
        return known

    def _link_target(self, link: _Entry, path: str) -> str:
        """Where `path` leads through the link that stands at one of its prefixes."""
        folder = posixpath.dirname(link.path)
        self._looked_at.add(folder)
        target = self._content(link).decode("utf-8", "replace")
        rest = path[len(link.path) :].lstrip("/")
        joined = posixpath.normpath(posixpath.join(folder, target, rest))
        if target.startswith("/") or joined == ".." or joined.startswith("../"):
            raise InvalidInput(
                f"{link.path} is a link that leaves the repository (to {target!r}): remove it", reason="PathEscapes"
            )
        return clean_path(joined)

    def _walk(self, path: str) -> _Entry:
        """The entry at a path, or the first link or gap on the way to it."""
        here = self._origin(path)
        rest = path[len(here.path) :].strip("/")
        for name in rest.split("/") if rest else ():
            step = f"{here.path}/{name}" if here.path else name
            if here.kind != "dir":
                stops = here.mode in (FileMode.LINK, FileMode.COMMIT)
                return here if stops else _Entry(here.path if here.mode is None else step)
            here = self._child(here, name, step)
        return here

    def _child(self, folder: _Entry, name: str, path: str) -> _Entry:
        tree = self._object(folder.oid, folder.path)
        assert isinstance(tree, pygit2.Tree)
        try:
            found = tree[name]
        except KeyError:
            return _Entry(path)
        return _Entry(path, str(found.id), found.filemode)

    def _origin(self, path: str) -> _Entry:
        """The longest known prefix of a path."""
        prefix = path
        while prefix not in self._oids:
            if not prefix:
                self._looked_at.add(path)
                raise Unavailable(f"{path}: not among the paths this render may read; it is asked again", reason="ReadSetGrew")
            prefix = posixpath.dirname(prefix)
        oid = self._oids[prefix]
        if not oid:
            return _Entry(prefix)
        if oid.startswith(_COMMIT):
            return _Entry(prefix, oid.removeprefix(_COMMIT), FileMode.COMMIT)
        held = self._object(oid, prefix)
        return _Entry(prefix, oid, FileMode.TREE if isinstance(held, pygit2.Tree) else FileMode.BLOB)

    def _object(self, oid: str, path: str) -> pygit2.Object:
        try:
            return self._repository[oid]
        except KeyError:
            raise Unavailable(f"{path or 'the root'} at {oid[:12]} is not in the mirror yet", reason="NotMirrored") from None
        except pygit2.GitError as error:
            raise Unavailable(f"{path or 'the root'} at {oid[:12]} cannot be read: {error}", reason="DamagedMirror") from None

    def _content(self, entry: _Entry) -> bytes:
        if entry.home is not None:
            return entry.home._content(replace(entry, home=None))
        blob = self._object(entry.oid, entry.path)
        assert isinstance(blob, pygit2.Blob)
        if blob.size > MAX_FILE:
            raise InvalidInput(f"{entry.path}: {blob.size >> 20} MiB, more than {MAX_FILE >> 20} MiB", reason="SourceTooLarge")
        pointer = pointer_in(blob.data) if self._beyond is not None and blob.size <= MAX_POINTER else None
        large = self._beyond.large(pointer) if pointer and self._beyond else None
        return blob.data if large is None else large

    def _below(self, folder: _Entry, shown: str, links: int, folders: _Folders) -> Iterator[tuple[str, _Entry]]:
        """Files below a folder as (path shown, entry). Links to files always count, links to folders where asked."""
        if folder.home is not None:
            for path, entry in folder.home._below(replace(folder, home=None), shown, links, folders):
                yield path, entry if entry.home else replace(entry, home=folder.home)
            return
        if links > _MAX_LINKS:
            raise InvalidInput(f"{shown}: links in a circle", reason="PathEscapes")
        if shown.count("/") > _MAX_DEPTH:
            raise InvalidInput(f"{shown[:60]}…: folders nested deeper than {_MAX_DEPTH} levels", reason="SourceTooLarge")
        tree = self._object(folder.oid, folder.path)
        assert isinstance(tree, pygit2.Tree)
        for found in tree:
            self._spent.listed += 1
            if self._spent.listed > MAX_LISTED:
                raise InvalidInput(
                    f"{shown}: more than {MAX_LISTED} entries below it: narrow the path", reason="SourceTooLarge"
                )
            name = _safe_name(found.name, shown)
            path = f"{shown}/{name}" if shown else name
            entry = _Entry(f"{folder.path}/{name}" if folder.path else name, str(found.id), found.filemode)
            through = entry.mode == FileMode.LINK
            if through:
                entry = self._find(self._link_target(entry, entry.path))
            elif entry.mode == FileMode.COMMIT and folders != "flat":
                entry = self._beyond_module(entry, "")
            if entry.kind == "file":
                yield path, entry
            elif entry.kind == "dir" and (folders == "follow" or (folders == "stay" and not through)):
                yield from self._below(entry, path, links + through, folders)

    def _write_file(self, entry: _Entry, shown: str, into: str) -> None:
        content = self._content(entry)
        spent = self._spent
        spent.files, spent.bytes = spent.files + 1, spent.bytes + len(content)
        if spent.bytes > MAX_WRITTEN_BYTES or spent.files > MAX_WRITTEN_FILES:
            raise InvalidInput(f"{shown}: the source is too large to be written out", reason="SourceTooLarge")
        target = os.path.join(into, shown)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        mode = 0o700 if entry.mode == FileMode.BLOB_EXECUTABLE else 0o600
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode), "wb") as out:
            out.write(content)


def clean_path(path: str) -> str:
    """A path relative to the repository's root, "" for the root. Raises `InvalidInput` when it leaves it."""
    clean = posixpath.normpath(path.strip("/")) if path.strip("/") else "."
    if clean == ".." or clean.startswith("../") or "\0" in clean:
        raise InvalidInput(f"{path}: outside of the repository: write a path below its root", reason="PathEscapes")
    return "" if clean == "." else clean


def _outermost(paths: set[str]) -> list[str]:
    """The paths that do not lie below another of them."""
    kept: list[str] = []
    for path in sorted(paths, key=lambda p: p.split("/") if p else []):
        if not any(path == k or not k or path.startswith(f"{k}/") for k in kept[-1:]):
            kept.append(path)
    return kept


def _safe_name(name: str | None, folder: str) -> str:
    if not name or name in (".", "..") or "/" in name or "\0" in name or name.lower() == ".git":
        raise InvalidInput(f"{folder or '.'}: holds an entry named {name!r}, which cannot be written", reason="PathEscapes")
    return name
