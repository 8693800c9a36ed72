"""Which folders or files of a repository patterns pick, as the git generator of ApplicationSets reads them.

Folders: a pattern is one part a level (`path.Match`); hidden ones count only where the installation says so. Files: `*` goes
over slashes, as in a `git ls-files`, unless the installation has Argo CD's new globbing: then only `**` does. Each is JSON or
YAML, one object or a list of them.
"""

from collections.abc import Callable, Sequence

import orjson

from shipway.adapters.git.snapshot import GitSnapshot
from shipway.api.applicationset import PathPattern
from shipway.api.listings import Listed, ListingRequest
from shipway.base.errors import InvalidInput
from shipway.base.globs import compile_glob, fixed_folder, has_magic, matches_segments, segment_glob
from shipway.kube.objects import yaml

MAX_FILE = 4 << 20
"""Bytes of one file of parameters."""


def list_paths(snapshot: GitSnapshot, request: ListingRequest) -> tuple[Listed, ...]:
    """What the patterns of the request pick, sorted by path. Raises `InvalidInput` for a pattern that is none."""
    if request.what == "folders":
        return tuple(Listed(path) for path in _folders(snapshot, request.patterns, request.with_hidden))
    separator = "/" if request.stars_stop else ""
    return tuple(_read(snapshot, path) for path in _files(snapshot, request.patterns, separator))


def _folders(snapshot: GitSnapshot, patterns: Sequence[PathPattern], with_hidden: bool) -> list[str]:
    excluded = [matches_segments(_clean(one.path)) for one in patterns if one.exclude]
    found: set[str] = set()
    for pattern in (_clean(one.path) for one in patterns if not one.exclude):
        found |= set(_matching(snapshot, pattern.split("/") if pattern else [], with_hidden))
    return sorted(path for path in found if not any(test(path) for test in excluded))


def _matching(snapshot: GitSnapshot, parts: Sequence[str], with_hidden: bool) -> list[str]:
    """Level by level; what is spelled out is walked to without looking at what lies beside it."""

    def counts(name: str) -> bool:
        return with_hidden or not name.startswith(".")

    fixed = next((index for index, part in enumerate(parts) if has_magic(part)), len(parts))
    start = "/".join(parts[:fixed])
    if not all(map(counts, parts[:fixed])) or (start and snapshot.kind(start) != "dir"):
        return []
    here = [start]
    for part in parts[fixed:]:
        test = segment_glob(part)
        below = [child for folder in here for child in snapshot.folders(folder)]
        here = [path for path in below if counts(_name(path)) and test(_name(path))]
    return [path for path in here if path]


def _files(snapshot: GitSnapshot, patterns: Sequence[PathPattern], separator: str) -> list[str]:
    excluded = [_file_test(_clean(one.path), separator) for one in patterns if one.exclude]
    found: set[str] = set()
    for pattern in (_clean(one.path) for one in patterns if not one.exclude):
        found |= set(_files_of(snapshot, pattern, separator))
    return sorted(path for path in found if not any(test(path) for test in excluded))


def _files_of(snapshot: GitSnapshot, pattern: str, separator: str) -> list[str]:
    if not has_magic(pattern):
        kind = snapshot.kind(pattern)
        return [pattern] if kind == "file" else snapshot.files(pattern) if kind == "dir" else []
    folder, test = fixed_folder(pattern), _file_test(pattern, separator)
    return [path for path in snapshot.files(folder) if test(path)] if snapshot.kind(folder) == "dir" else []


def _file_test(pattern: str, separator: str) -> Callable[[str], bool]:
    """`separator`: what a single `*` stops at, "" for nothing."""
    test = compile_glob(pattern, separator)
    return test if has_magic(pattern) else lambda path: path == pattern or path.startswith(f"{pattern}/")


def _read(snapshot: GitSnapshot, path: str) -> Listed:
    content = snapshot.read(path)
    try:
        if len(content) > MAX_FILE:
            raise InvalidInput(f"it has {len(content) >> 20} MiB, more than {MAX_FILE >> 20} MiB")
        value = yaml.load(content)
    except InvalidInput as error:
        return Listed(path, error=error.message)
    documents = value if isinstance(value, list) else [value]
    if not all(isinstance(one, dict) for one in documents):
        return Listed(path, error="it holds neither an object nor a list of objects")
    return Listed(path, orjson.dumps(documents))


def _clean(pattern: str) -> str:
    return pattern.strip("/").removeprefix("./")


def _name(path: str) -> str:
    return path.rpartition("/")[2]
