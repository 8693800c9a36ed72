"""Values that travel between the GitOps engine and what fetches and renders its sources.

A render is keyed by content, not by commit: a `RenderRequest` names git tree ids, so a commit that does not touch what a
source reads gives the same request, and the same request is one render. After the first render (of the root tree) the
renderer knows which paths a source reads, and `Head.trees` narrows to those.
"""

from typing import Literal

from msgspec import Struct

from shipway.kube.objects.resource import Obj

SourceType = Literal["Directory", "Helm", "Kustomize", "Plugin"]
Fact = Literal["revision", "cluster", "project", "kustomize"]
"""What few sources depend on, so that few renders are keyed by it: the commit itself, what the cluster serves, what the
AppProject permits, and how the installation runs Kustomize."""


class ProjectFacts(Struct, frozen=True):
    """What a source may use of repositories that only it names: `source_repos` of its AppProject."""

    name: str = ""
    source_repos: tuple[str, ...] = ()


class BuildFlags(Struct, frozen=True):
    """What `kustomize.buildOptions` asks of Kustomize. `programs`: flags by which Git would run programs, which nobody may
    here; `problems`: what cannot be meant, each with what to do."""

    helm: bool = False
    unrestricted: bool = False
    managed_by_label: bool = False
    kube_version: str = ""
    api_versions: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def concern_everyone(self) -> bool:
        """They change what every kustomization gives, not only those that use what they allow."""
        return self.managed_by_label or bool(self.problems)


class KustomizeSettings(Struct, frozen=True):
    """How an installation runs Kustomize: `flags`, and those of versions that it gives a name."""

    flags: BuildFlags = BuildFlags()
    versions: tuple[tuple[str, BuildFlags], ...] = ()

    def of(self, version: str) -> BuildFlags:
        """The flags of a version; a named one has its own or none, as in Argo CD."""
        return dict(self.versions).get(version, self.flags)

    @property
    def concern_everyone(self) -> bool:
        return any(flags.concern_everyone for flags in (self.flags, *dict(self.versions).values()))


class ClusterFacts(Struct, frozen=True):
    """What the cluster is, for charts that ask: its version (`v1.36.0`), what it serves (`apps/v1`, `apps/v1/Deployment`)."""

    kube_version: str
    api_versions: tuple[str, ...]


Named = tuple[str, str]
"""A revision as a source names it, and what the tags begin with among which a version range chooses."""


class HeadRequest(Struct, frozen=True):
    """Where does `revision` (branch, tag, SHA, HEAD) of `repo_url` stand, seen by a source that reads some paths of it?

    `source` is the canonical JSON of the Application's source without its targetRevision: the memory of what it reads.
    `project`: for which AppProject, since a login may be for one alone. `tag_prefix`: what the tags begin with among which a
    version range chooses; the version follows it. `every_commit`: another commit is news, whatever it changes.
    """

    repo_url: str
    revision: str
    source: bytes
    project: str = ""
    tag_prefix: str = ""
    every_commit: bool = False

    @property
    def named(self) -> Named:
        return self.revision, self.tag_prefix


class PathTree(Struct, frozen=True, order=True):
    """A path of the repository ("" = root) and the git object id found there; `oid` "" when there is nothing."""

    path: str
    oid: str


class Head(Struct, frozen=True):
    """A resolved revision. Who looks at it cares about `trees`; a commit that touched none of them is not news, unless
    `every_commit` was asked for."""

    commit: str
    trees: tuple[PathTree, ...]
    author: str = ""
    message: str = ""
    committed_at: float = 0.0
    tag: str = ""
    """The id of the annotated tag that led to it; its signature counts, not the commit's."""
    every_commit: bool = False

    def says_the_same(self, other: "Head") -> bool:
        """Whether it is no news to who knows `other`; naming other paths of the same commit is none."""
        if self.every_commit and self.commit != other.commit:
            return False
        if self.trees == other.trees:
            return self.tag == other.tag
        return self.commit == other.commit and [tree.path for tree in self.trees] != [tree.path for tree in other.trees]


class Lent(Struct, frozen=True):
    """Another source of the application whose files this one may read as `$name/path`.

    `source` is the memory of what is read of it (see `HeadRequest`); `trees` are the git ids of exactly that.
    """

    name: str
    repo_url: str
    trees: tuple[PathTree, ...]
    source: bytes


class RenderRequest(Struct, frozen=True):
    """Everything a render depends on. `build_env` holds only the build variables that the source mentions."""

    repo_url: str
    trees: tuple[PathTree, ...]
    source: bytes
    app_name: str
    namespace: str
    build_env: tuple[tuple[str, str], ...] = ()
    kube_version: str = ""
    api_versions: tuple[str, ...] = ()
    lent: tuple[Lent, ...] = ()
    project: ProjectFacts | None = None
    kustomize: KustomizeSettings | None = None
    without: tuple[SourceType, ...] = ()
    """Tools that the installation has switched off."""
    texts: tuple[tuple[str, str], ...] = ()
    """What lies at the URLs that the source names."""


class RemoteBase(Struct, frozen=True, order=True):
    """Another repository at a revision that a source builds on without the Application naming it."""

    repo_url: str
    revision: str

    @property
    def name(self) -> str:
        """What it is lent as."""
        return f"{self.repo_url}?ref={self.revision}"


class Rendered(Struct, frozen=True):
    """The objects in the order the source gives them, each as plain JSON; `reads` are the paths read, misses included.

    `origins` says for each object where its text stands (`apps/web/deployment.yaml:12`); empty when the tool cannot tell.
    """

    objects: tuple[Obj, ...]
    source_type: SourceType
    reads: tuple[str, ...]
    tool: str = ""
    warnings: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    lacks: tuple[Fact, ...] = ()
    """What the source asks for that the request did not hold. There are no objects then: ask again with it."""
    bases: tuple[RemoteBase, ...] = ()
    """Repositories that were not lent yet and that the source builds on. There are no objects then either."""
    urls: tuple[str, ...] = ()
    """Files that the source reads and whose texts were not told yet. There are no objects then either."""

    @property
    def is_complete(self) -> bool:
        return not (self.lacks or self.bases or self.urls)
