"""Where the files of a service go that moves out of a repository with everybody's configuration, and what its sources say then.

    charts/SERVICE/                 its chart, whole and as it was: its own, or its copy of the shared one
    charts/SERVICE/values-ENV.yaml  the strongest value file that one environment alone reads
    charts/SERVICE/values-*.yaml    the others, called after where they lay: values-global.yaml, values-global-staging.yaml
    charts/SERVICE/ENV/             plain manifests, and charts that every environment has its own of
    charts/SERVICE/...              kustomizations, laid out to one another as they were
    charts/SERVICE-2/               the second folder of Applications with several sources

Nothing is merged and no text is changed: value files are listed in the same order, parameters stay where they are. A chart's
neighbours (`file://../lib`) stay its neighbours. What only other services read of a shared chart's folder is left behind,
unless a template may read any file.
"""

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from shipway.api.sources import SourceType
from shipway.base.errors import InvalidInput
from shipway.base.globs import has_magic
from shipway.gitops.pinned import spec_sources
from shipway.gitops.relocation.value_names import Reader, value_names
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of

HOME = "charts"
_OVERRIDES = ".argocd-source-"


class ValueFiles(Struct, frozen=True):
    """One entry of `valueFiles`, and the files that it means: as `path` or `$ref/path` with what they say. None: they lie
    elsewhere and stay there."""

    raw: str
    files: tuple[tuple[str, bytes], ...] | None


class Read(Struct, frozen=True):
    """What one source read. `tool` "": it only lends its files. `files`: what it takes along, by path in its repository;
    `is_open`: its templates, or values that are templates, may read any file of the chart."""

    tool: SourceType | Literal[""]
    is_central: bool
    path: str = ""
    files: Mapping[str, bytes] = {}
    values: tuple[ValueFiles, ...] = ()
    is_open: bool = False

    @property
    def is_folder(self) -> bool:
        """It gives objects from a folder that moves."""
        return self.is_central and self.tool != ""


class Member(Struct, frozen=True):
    """One Application of a service, and what each of its sources read."""

    app: Obj
    environment: str
    reads: tuple[Read, ...]


class Home(Struct, frozen=True):
    """The service's own repository, and what its Applications follow there."""

    repo_url: str
    revision: str


class Layout(Struct, frozen=True):
    """Files by their path in the new repository; `sources`: those of each member, in the order of both."""

    files: Mapping[str, bytes]
    sources: tuple[tuple[Obj, ...], ...]


def layout(service: str, members: Sequence[Member], home: Home, others: frozenset[str] = frozenset()) -> Layout:
    """`others`: value files that other services name. Raises InvalidInput for what cannot be laid out, saying why."""
    plan = _Plan(service, members, others)
    for number in range(max((sum(read.is_folder for read in one.reads) for one in members), default=0)):
        plan.place_folder(number)
    plan.place_values()
    sources = [tuple(plan.sources_of(index, home)) for index in range(len(members))]
    return Layout(plan.files, tuple(sources))


def named_values(app: Obj) -> Iterator[str]:
    """The value files that its sources name, as paths from the root of their repositories, as far as they say so plainly."""
    for source in spec_sources(app)[0]:
        for raw in (source.get("helm") or {}).get("valueFiles") or ():
            path = raw.partition("/")[2] if raw.startswith("$") else posixpath.join(source.get("path") or "", raw)
            yield posixpath.normpath(path.lstrip("/"))


def value_notes(reads: Sequence[Read]) -> Iterator[str]:
    """What `valueFiles` said for later, and say no more."""
    for entry in (entry for read in reads for entry in read.values):
        if entry.files == ():
            yield f"{entry.raw} is not there, so it is not named any more"
        elif entry.files and has_magic(entry.raw):
            yield f"{entry.raw} became the files that it meant: a new one has to be named"


class _Plan:
    """State: the files that have a place, and the folder of each source by (member, source)."""

    def __init__(self, service: str, members: Sequence[Member], others: frozenset[str]) -> None:
        self._service = service
        self._members = members
        self._others = others
        self._folders: dict[tuple[int, int], str] = {}
        self._values: dict[tuple[str, str], str] = {}
        self._own = {_path_of(name) for one in members for read in one.reads for name, _ in _moved(read)}
        self.files: dict[str, bytes] = {}

    def place_folder(self, number: int) -> None:
        """The folder that each member names at place `number` of those that move."""
        root = f"{HOME}/{self._service}" + (f"-{number + 1}" if number else "")
        slot = [(index, *found) for index, one in enumerate(self._members) if (found := _nth_folder(one, number))]
        reads = [read for _, _, read in slot]
        is_web = any(read.tool == "Kustomize" or (read.tool != "Helm" and _has_outside(read)) for read in reads)
        common = _common(path for read in reads for path in (read.path, *map(posixpath.dirname, read.files))) if is_web else ""
        is_one = len({(read.tool, read.path) for read in reads}) == 1
        for index, at, read in slot:
            if is_web:
                base = posixpath.normpath(posixpath.join(root, posixpath.relpath(read.path or ".", common or ".")))
            else:
                base = root if is_one else f"{root}/{self._members[index].environment}"
            self._folders[index, at] = base
            for path, content in read.files.items():
                if not self._is_left(path, read):
                    self._put(_beside(base, read.path, path), content, path)

    def _is_left(self, path: str, read: Read) -> bool:
        """Whether it concerns others only."""
        folder, _, file = path.rpartition("/")
        if file.startswith(_OVERRIDES) and folder == read.path:
            return file.removeprefix(_OVERRIDES).removesuffix(".yaml") not in {name_of(one.app) for one in self._members}
        is_theirs = path in self._others and path not in self._own and path != posixpath.join(read.path, "values.yaml")
        return is_theirs and read.tool == "Helm" and not read.is_open

    def place_values(self) -> None:
        """The value files that lie outside of their chart."""
        readers: dict[str, list[Reader]] = {}
        for index, one in enumerate(self._members):
            for at, read in enumerate(one.reads):
                outside = [_path_of(name) for name, _ in _moved(read) if not _is_inside(read, name)]
                readers.setdefault(self._folder(index, at), []).append(Reader(one.environment, tuple(outside)))
        for folder, listed in readers.items():
            taken = {path.removeprefix(f"{folder}/") for path in self.files if path.startswith(f"{folder}/")}
            for path, name in value_names(listed, taken).items():
                self._values[folder, path] = f"{folder}/{name}"
        for index, one in enumerate(self._members):
            for at, read in enumerate(one.reads):
                for name, content in _moved(read):
                    self._put(self._value(index, at, read, name), content, _path_of(name))

    def _folder(self, index: int, at: int) -> str:
        return self._folders.get((index, at), f"{HOME}/{self._service}")

    def _value(self, index: int, at: int, read: Read, name: str) -> str:
        """Where a value file lies now."""
        folder, path = self._folder(index, at), _path_of(name)
        return _beside(folder, read.path, path) if _is_inside(read, name) else self._values[folder, path]

    def _put(self, target: str, content: bytes, path: str) -> None:
        known = self.files.setdefault(target, content)
        if known != content:
            raise InvalidInput(
                f"{self._service}: {path} says two things where {target} says one (at two revisions, or in two folders): "
                "import its environments from one revision with --revision, or each with a service label of its own"
            )

    def sources_of(self, index: int, home: Home) -> Iterator[Obj]:
        member = self._members[index]
        for at, (source, read) in enumerate(zip(spec_sources(member.app)[0], member.reads, strict=True)):
            moved = self._with_values(source, index, at, read)
            if read.is_central:
                moved = {key: value for key, value in moved.items() if key != "tagPrefix"}
                moved |= {"repoURL": home.repo_url, "targetRevision": home.revision}
            yield {**moved, "path": self._folder(index, at)} if read.is_folder else moved

    def _with_values(self, source: Obj, index: int, at: int, read: Read) -> Obj:
        if not any(entry.files is not None for entry in read.values):
            return source
        base, named = self._folder(index, at), list[str]()
        for entry in read.values:
            if entry.files is None:
                named.append(entry.raw)
                continue
            for name, _ in entry.files:
                target = self._value(index, at, read, name)
                ref = name.partition("/")[0] if name.startswith("$") else ""
                named.append(f"{ref}/{target}" if ref else posixpath.relpath(target, base))
        return {**source, "helm": {**source["helm"], "valueFiles": named}}


def _nth_folder(member: Member, number: int) -> tuple[int, Read] | None:
    folders = [(at, read) for at, read in enumerate(member.reads) if read.is_folder]
    return folders[number] if number < len(folders) else None


def _beside(base: str, folder: str, path: str) -> str:
    """Where `path` lies when its neighbour `folder` lies at `base`. Raises InvalidInput where that is outside."""
    target = posixpath.normpath(posixpath.join(base, posixpath.relpath(path, folder or ".")))
    if target.startswith("../") or target == "..":
        raise InvalidInput(
            f"{path} would lie outside of the service's repository, since {folder} lies deep below what they share: put a copy "
            "of it into the charts/ folder of the chart first"
        )
    return target


def _has_outside(read: Read) -> bool:
    return any(not _is_below(path, read.path) for path in read.files)


def _is_below(path: str, folder: str) -> bool:
    return not folder or path.startswith(f"{folder}/")


def _is_inside(read: Read, name: str) -> bool:
    """Whether a value file lies in the folder of a chart that moves."""
    return read.is_folder and _path_of(name) in read.files and _is_below(_path_of(name), read.path)


def _common(folders: Iterable[str]) -> str:
    """The deepest folder that all are in, "" for the root."""
    found = posixpath.commonpath([f"/{folder}" for folder in folders])
    return found.strip("/")


def _moved(read: Read) -> Iterator[tuple[str, bytes]]:
    """The value files that move."""
    for entry in read.values:
        yield from entry.files or ()


def _path_of(name: str) -> str:
    """`$ref/path` -> `path`."""
    return name.partition("/")[2] if name.startswith("$") else name
