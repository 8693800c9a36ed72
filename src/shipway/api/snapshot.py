"""The content of a repository as a renderer sees it: some paths at fixed git ids, and a memory of what was looked at.

A snapshot is content, not a commit. What it was asked for is the read set of a render, so the read set is right by
construction: whatever influenced the result was looked at through here, and what was looked for and not found too.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Protocol

from msgspec import Struct

from shipway.api.sources import Fact, KustomizeSettings, PathTree, ProjectFacts, RemoteBase, SourceType
from shipway.kube.objects.resource import Obj

EntryKind = Literal["file", "dir", "missing"]


class Snapshot(Protocol):
    """Paths are relative to the repository's root, "" is the root. Links are followed inside the repository only.

    Every method raises `InvalidInput` (reason PathEscapes) for a path or a link that leaves the repository.
    """

    def kind(self, path: str) -> EntryKind: ...

    def read(self, path: str) -> bytes:
        """The content of a file. Raises `NotFound` when there is none, `InvalidInput` when it is too large."""
        ...

    def files(self, path: str, *, deep: bool = True) -> list[str]:
        """Paths of the files in a folder, sorted, `deep`: in its folders too; the whole folder counts as read."""
        ...

    def write(self, paths: Iterable[str], into: str) -> None:
        """Copy files and whole folders below the local folder `into`, links replaced by what they point to."""
        ...

    def reads(self) -> tuple[str, ...]:
        """The smallest set of paths that covers everything looked at so far, misses included, sorted."""
        ...


class Snapshots(Protocol):
    """Where snapshots come from."""

    def snapshot(self, repo_url: str, trees: tuple[PathTree, ...]) -> Snapshot:
        """A fresh look at `trees`. Raises `Unavailable` when the mirror does not hold them."""
        ...

    def narrow(self, repo_url: str, trees: tuple[PathTree, ...], paths: tuple[str, ...]) -> tuple[PathTree, ...]:
        """The ids of `paths` inside `trees`."""
        ...


class RenderJob(Struct, frozen=True):
    """One source to render, its overrides applied: `path` in the repository and the source block of one tool.

    `options` is `spec.source.helm`, `.kustomize`, `.directory` or `.plugin` with build variables still in it; `build_env`
    resolves them.
    """

    path: str
    options: dict[str, Any]
    app_name: str
    namespace: str
    build_env: tuple[tuple[str, str], ...] = ()
    kube_version: str = ""
    api_versions: tuple[str, ...] = ()
    lent: Mapping[str, Snapshot] = {}
    """Other sources whose files this one may read as `$name/path`."""
    project: ProjectFacts | None = None
    kustomize: KustomizeSettings | None = None
    without: tuple[SourceType, ...] = ()
    """Tools that the installation has switched off; "Directory" means Jsonnet."""
    texts: Mapping[str, str] = {}
    """What lies at URLs."""


class Manifests(Struct, frozen=True):
    """What a tool made of a job; `origins` says for each object where its text stands, if the tool knows."""

    objects: tuple[Obj, ...]
    tool: str
    warnings: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    lacks: tuple[Fact, ...] = ()
    bases: tuple[RemoteBase, ...] = ()
    urls: tuple[str, ...] = ()


class Engine(Protocol):
    """A tool that turns a source into objects. Reads only through the snapshot."""

    async def render(self, snapshot: Snapshot, job: RenderJob) -> Manifests: ...


class Discovery(Protocol):
    """A tool that finds in a folder whether a source that names no tool is its own."""

    async def claims(self, snapshot: Snapshot, job: RenderJob) -> bool: ...
