"""A repository and everything that renders it, for the tests: real git, real mirrors, real workers, real tools."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from shipway.adapters.git.mirrors import Mirrors
from shipway.adapters.helm.dependencies import FetchChart
from shipway.adapters.helm.engine import HelmEngine
from shipway.adapters.kustomize.engine import KustomizeEngine
from shipway.adapters.plugins.declaration import Plugin
from shipway.adapters.plugins.engine import PluginEngine
from shipway.adapters.render.directory import DirectoryEngine
from shipway.adapters.render.renderer import Renderer
from shipway.api.snapshot import Engine
from shipway.api.sources import (
    HeadRequest,
    KustomizeSettings,
    Lent,
    PathTree,
    ProjectFacts,
    Rendered,
    RenderRequest,
    SourceType,
)
from shipway.assembly.sources import helm_of_kustomize
from shipway.base.clock import SystemClock
from shipway.workers.pool import WorkerPool
from tests.repository import seed


class Bench:
    """`render(source)` renders what is committed. Close it."""

    project = ProjectFacts("default", ("*",))
    texts: Mapping[str, str] = {}
    """What lies at URLs."""
    kustomize = KustomizeSettings()

    def __init__(
        self,
        root: Path,
        files: Mapping[str, str | bytes],
        *,
        helm: str = "",
        seconds: float = 60,
        fetch: FetchChart | None = None,
    ) -> None:
        self.copy, self.url = seed(root, "shop", dict(files))
        self.home = root / "home"
        self.mirrors = Mirrors(self.home, clock=SystemClock())
        self.workers = WorkerPool("Render", size=2, timeout_seconds=seconds, clock=SystemClock())
        self.engines: dict[SourceType, Engine] = {
            "Directory": DirectoryEngine(self.workers),
            "Helm": HelmEngine(self.workers, program=helm, fetch=fetch),
            "Kustomize": KustomizeEngine(self.workers, helm=helm_of_kustomize(helm, fetch)),
        }
        self.declare()

    def declare(self, *plugins: Plugin, seconds: float = 30, hidden: Sequence[str] = ()) -> None:
        """From now on these config-management plugins are there, and no others."""
        plugin_engine = PluginEngine(plugins, self.workers, seconds=seconds, hidden=hidden)
        self.engines["Plugin"] = plugin_engine
        self.renderer = Renderer(self.mirrors, self.engines, on_reads=self.mirrors.remember_reads, discovery=plugin_engine)

    def push(self, files: dict[str, str | bytes | None]) -> None:
        self.copy.commit(files)
        self.copy.push()
        self.mirrors.changed(self.url)

    def root(self) -> tuple[PathTree, ...]:
        """The whole tree of the latest commit."""
        return self.mirrors.tree_ids(self.url, self.copy.git("rev-parse", "HEAD"), ("",))

    async def request(self, source: dict[str, Any], app: str = "app", **more: Any) -> RenderRequest:
        body = json.dumps({"repoURL": self.url, **source}, sort_keys=True).encode()
        head = await self.mirrors.head(HeadRequest(self.url, "main", body))
        fields = {"app_name": app, "namespace": "ns", **more}
        return RenderRequest(repo_url=self.url, trees=head.trees, source=body, **fields)

    async def render(self, source: dict[str, Any], app: str = "app", **more: Any) -> Rendered:
        """What the engine does: a source that lacks a fact is asked again with it."""
        request = await self.request(source, app, **more)
        while not (rendered := await self.renderer.render(request)).is_complete:
            request = await self.lend(self.told(request, rendered), rendered)
        return rendered

    async def lend(self, request: RenderRequest, rendered: Rendered) -> RenderRequest:
        for base in rendered.bases:
            memory = request.source + base.name.encode()
            head = await self.mirrors.head(HeadRequest(base.repo_url, base.revision, memory))
            request = replace(request, lent=(*request.lent, Lent(base.name, base.repo_url, head.trees, memory)))
        return request

    def told(self, request: RenderRequest, rendered: Rendered) -> RenderRequest:
        if "revision" in rendered.lacks:
            head = self.copy.git("rev-parse", "HEAD")
            env = (*request.build_env, ("ARGOCD_APP_REVISION", head), ("ARGOCD_APP_SOURCE_TARGET_REVISION", "main"))
            request = replace(request, build_env=env)
        if "project" in rendered.lacks:
            request = replace(request, project=self.project)
        if "kustomize" in rendered.lacks:
            request = replace(request, kustomize=self.kustomize)
        if "cluster" in rendered.lacks:
            request = replace(request, kube_version="v1.33.1+k3s1", api_versions=("v1", "apps/v1", "apps/v1/Deployment"))
        if rendered.urls:
            request = replace(request, texts=tuple((url, self.texts[url]) for url in rendered.urls))
        return request

    async def close(self) -> None:
        await self.workers.close()


def named(rendered: Rendered) -> list[str]:
    return [f"{o['kind']}/{o['metadata']['name']}" for o in rendered.objects]


def only(rendered: Rendered, kind: str) -> dict[str, Any]:
    (found,) = [o for o in rendered.objects if o["kind"] == kind]
    return found
