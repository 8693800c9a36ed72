"""Answers what the GitOps engine asks about sources: heads, renders, dry runs."""

import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from shipway.adapters.git.mirrors import Mirrors
from shipway.adapters.git.urls import place_of
from shipway.adapters.helm.engine import HelmEngine
from shipway.adapters.kustomize.engine import KustomizeEngine
from shipway.adapters.render.directory import DirectoryEngine
from shipway.adapters.render.renderer import Renderer
from shipway.api.snapshot import Engine
from shipway.api.sources import Head, Rendered, SourceType
from shipway.assembly.repositories import Repositories
from shipway.base.clock import Clock
from shipway.gitops.asks import DryRunAsk, HeadAsk, RenderAsk
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.workers.pool import WorkerPool

RENDER_SECONDS = 60.0
RENDER_MEMORY = 4 << 30
RENDER_WORKERS = 2


class Sources:
    """Mirrors of repositories and renderers of what is in them; `render` and friends are resolvers of asks."""

    def __init__(self, mirrors: Mirrors, renderer: Renderer, client: Client, repositories: Repositories) -> None:
        self.mirrors = mirrors
        self.renderer = renderer
        self.repositories = repositories
        self._client = client

    @classmethod
    @asynccontextmanager
    async def open(
        cls, cache: Path, client: Client, clock: Clock, repositories: Repositories, *, allow_local: bool = True
    ) -> AsyncIterator["Sources"]:
        """Starts the workers; ends them with the block. `allow_local`: repositories of this machine too."""
        mirrors = Mirrors(cache / "mirrors", clock=clock, credentials=repositories.credentials, allow_local=allow_local)
        repositories.on_change(mirrors.changed_where)
        workers = WorkerPool(
            "render", size=RENDER_WORKERS, memory_bytes=RENDER_MEMORY, timeout_seconds=RENDER_SECONDS, clock=clock
        )
        engines: dict[SourceType, Engine] = {
            "Directory": DirectoryEngine(workers),
            "Helm": HelmEngine(workers, program=shutil.which("helm") or ""),
            "Kustomize": KustomizeEngine(workers),
        }
        renderer = Renderer(mirrors, engines, on_reads=mirrors.remember_reads)
        try:
            yield cls(mirrors, renderer, client, repositories)
        finally:
            await workers.close()

    async def head(self, ask: HeadAsk) -> Head:
        await self.repositories.synced()
        return await self.mirrors.head(ask.request)

    async def render(self, ask: RenderAsk) -> Rendered:
        return await self.renderer.render(ask.request)

    async def dry_run(self, ask: DryRunAsk) -> Obj:
        return await self._client.apply(ask.resource, ask.obj, manager=ask.manager, dry_run=True)


def is_same_repository(repo_url: str, others: Sequence[str]) -> bool:
    """Whether `repo_url` is one of `others`, however they are spelled."""
    wanted = place_of(repo_url)
    return any(place_of(other) == wanted for other in others)
