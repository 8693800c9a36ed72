"""Everything that a kustomization reaches: its bases and components, and the files that each names.

A folder with a kustomization counts as read as a whole. Looking for a base means looking for its kustomization file, so that
the way to it (`../../base`) does not count the folders in between.
"""

import posixpath
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct, field

from shipway.adapters.kustomize.charts import Chart, charts_of
from shipway.adapters.kustomize.remote import Base, looks_remote, parse_base
from shipway.api.snapshot import Snapshot
from shipway.base.errors import InvalidInput
from shipway.kube.objects import yaml

NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")

_MAX_FOLDERS = 500
_MAX_FILE = 1 << 20
FOLDERS = ("resources", "bases", "components", "transformers", "generators", "validators")
_FILES = ("crds", "configurations", "patchesStrategicMerge")
_WITH_PATH = ("patches", "patchesJson6902", "replacements")
_PLUGINS = ("generators", "transformers", "validators")


class Folder(Struct):
    """A kustomization: its file and what it says, the files it names, the folders it builds on, here and elsewhere."""

    path: str
    file: str
    content: dict[str, Any]
    files: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    remotes: dict[str, Base] = field(default_factory=dict)
    """By the entry that names it."""
    charts: list[Chart] = field(default_factory=list)

    @property
    def outside(self) -> list[str]:
        """The files that do not lie below it."""
        return [file for file in self.files if not _is_below(file, self.path)]

    @property
    def needs_flags(self) -> bool:
        """What it gives depends on flags of Kustomize."""
        return bool(self.charts or self.outside or any(self.content.get(key) for key in _PLUGINS))


def walk(snapshot: Snapshot, path: str, extra_components: Iterable[str] = ()) -> dict[str, Folder]:
    """All kustomizations below the one at `path`, by folder, itself first. `extra_components` are added to its own.

    Raises `InvalidInput` (InvalidKustomization, RemoteBase, MissingFile, UnsupportedSource) naming file and entry.
    """
    found: dict[str, Folder] = {}
    root = _clean(path)
    waiting = [root]
    while waiting:
        here = waiting.pop()
        if here in found:
            continue
        if len(found) >= _MAX_FOLDERS:
            raise InvalidInput(f"{path}: builds on more than {_MAX_FOLDERS} folders", reason="SourceTooLarge")
        folder = found[here] = load(snapshot, here)
        _reach(snapshot, folder, extra_components if here == root else ())
        waiting += folder.folders
    return found


def paths_to_write(snapshot: Snapshot, folders: dict[str, Folder]) -> list[str]:
    """The visited folders, and the files and charts outside of them (Kustomize says itself why it refuses those)."""
    outside = [file for folder in folders.values() for file in folder.outside]
    charts = [chart.path for folder in folders.values() for chart in folder.charts if not _is_below(chart.path, folder.path)]
    return [*folders, *outside, *(path for path in charts if snapshot.kind(path) == "dir")]


def find_file(snapshot: Snapshot, path: str) -> str:
    """The kustomization file of a folder, "" when there is none."""
    return next((file for name in NAMES if snapshot.kind(file := posixpath.join(path, name)) == "file"), "")


def load(snapshot: Snapshot, path: str) -> Folder:
    file = find_file(snapshot, path)
    if not file:
        raise InvalidInput(
            f"{path or '.'}: no kustomization.yaml here: add one, or remove spec.source.kustomize",
            reason="InvalidKustomization",
        )
    content = snapshot.read(file)
    if len(content) > _MAX_FILE:
        raise InvalidInput(f"{file}: larger than {_MAX_FILE >> 20} MiB", reason="SourceTooLarge")
    try:
        said = yaml.load(content)
    except InvalidInput as error:
        raise InvalidInput(f"{file}: {error.message}", reason="InvalidKustomization") from None
    if said is not None and not isinstance(said, dict):
        raise InvalidInput(f"{file}: not a map", reason="InvalidKustomization")
    return Folder(path, file, said or {})


def _reach(snapshot: Snapshot, folder: Folder, extra_components: Iterable[str]) -> None:
    """Fill in what a kustomization names."""
    said = folder.content
    for entry in [*_texts(folder, FOLDERS), *extra_components]:
        if "\n" in entry:
            continue
        if _is_remote(snapshot, folder, entry):
            folder.remotes[entry] = parse_base(entry, folder.file)
            continue
        target = _target(snapshot, folder, entry)
        (folder.folders if find_file(snapshot, target) else folder.files).append(target)
    for entry in [*_texts(folder, _FILES), *_paths_inside(said)]:
        if "\n" not in entry:
            folder.files.append(_target(snapshot, folder, entry))
    for target in folder.files:
        _check(snapshot, folder, target)
    _find_charts(snapshot, folder)


def _find_charts(snapshot: Snapshot, folder: Folder) -> None:
    """Fill in the charts, and those of their value files that do not come with a chart."""
    documents: list[dict[str, Any]] = []
    for entry in _texts(folder, ("generators",)):
        file = "" if "\n" in entry or entry in folder.remotes else _target(snapshot, folder, entry)
        if "\n" in entry or file in folder.files:
            documents += _maps(_all(snapshot.read(file).decode("utf-8", "replace") if file else entry, file or folder.file))
    folder.charts += charts_of(folder.content, documents, folder.path, folder.file)
    for chart in folder.charts:
        targets = [_target(snapshot, folder, file) for file in chart.files]
        folder.files += [file for file in targets if snapshot.kind(file) == "file"]


def _all(text: str, file: str) -> list[Any]:
    try:
        return yaml.load_all(text)
    except InvalidInput as error:
        raise InvalidInput(f"{file}: {error.message}", reason="InvalidKustomization") from None


def _texts(folder: Folder, keys: Iterable[str]) -> Iterator[str]:
    for key in keys:
        entries = folder.content.get(key) or []
        if not isinstance(entries, list):
            raise InvalidInput(f"{folder.file}: {key} is not a list", reason="InvalidKustomization")
        yield from (entry for entry in entries if isinstance(entry, str))


def _paths_inside(said: dict[str, Any]) -> Iterator[str]:
    """File names deeper inside: of patches, replacements, generators and the OpenAPI schema."""
    for key in _WITH_PATH:
        yield from (entry["path"] for entry in _maps(said.get(key)) if isinstance(entry.get("path"), str) and entry["path"])
    for key in ("configMapGenerator", "secretGenerator"):
        for entry in _maps(said.get(key)):
            yield from (text.partition("=")[2] or text for text in _strings(entry.get("files")))
            yield from _strings(entry.get("envs"))
            yield from _strings([entry.get("env")])
    openapi = said.get("openapi")
    if isinstance(openapi, dict):
        yield from _strings([openapi.get("path")])


def _maps(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _strings(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str) and item] if isinstance(value, list) else []


def _is_remote(snapshot: Snapshot, folder: Folder, entry: str) -> bool:
    """Local folders win over remote ones that look like them, as in Kustomize."""
    if not looks_remote(entry):
        return False
    path = posixpath.normpath(posixpath.join(folder.path, entry))
    is_here = "://" not in entry and not path.startswith("..") and bool(find_file(snapshot, _clean(path)))
    return not is_here


def _target(snapshot: Snapshot, folder: Folder, entry: str) -> str:
    """The path in the repository that an entry names."""
    if "://" in entry or entry.startswith("/"):
        raise InvalidInput(f"{folder.file}: {entry!r} is not a relative path", reason="InvalidKustomization")
    path = posixpath.normpath(posixpath.join(folder.path, entry))
    if path == ".." or path.startswith("../"):
        raise InvalidInput(f"{folder.file}: {entry!r} leaves the repository", reason="PathEscapes")
    return _clean(path)


def _check(snapshot: Snapshot, folder: Folder, target: str) -> None:
    kind = snapshot.kind(target)
    if kind == "missing":
        raise InvalidInput(
            f"{folder.file}: open {target}: no such file or directory: add it, or take it out", reason="MissingFile"
        )
    if kind == "dir":
        raise InvalidInput(
            f"{folder.file}: names {target}, a folder without a kustomization.yaml", reason="InvalidKustomization"
        )


def _clean(path: str) -> str:
    clean = posixpath.normpath(path.strip("/")) if path.strip("/") else "."
    return "" if clean == "." else clean


def _is_below(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(f"{folder}/")
