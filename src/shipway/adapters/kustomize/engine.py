"""Builds an overlay in a temporary copy of what it reads, with the Application's settings merged into its kustomization."""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from shipway.adapters.kustomize.charts import Chart, Helm
from shipway.adapters.kustomize.graph import FOLDERS, Folder, paths_to_write, walk
from shipway.adapters.kustomize.settings import merged, with_managed_by_label
from shipway.api.snapshot import Manifests, RenderJob, Snapshot
from shipway.api.sources import BuildFlags, Fact, RemoteBase
from shipway.base.errors import InvalidInput
from shipway.kube.objects import yaml
from shipway.workers.pool import WorkerPool

MAX_REPOSITORIES = 50
_WORKER = "shipway.adapters.kustomize.worker:build"


def find_kubectl() -> str:
    """The kubectl that came with this installation, else the one on PATH, "" when there is none."""
    beside = Path(sys.executable).parent / "kubectl"
    return str(beside) if beside.exists() else shutil.which("kubectl") or ""


class KustomizeEngine:
    """Options: Argo CD's `spec.source.kustomize`. `program` is the path of a kubectl, "" for the one that is found; `helm`
    renders the charts of kustomizations, where the installation lets them have some."""

    def __init__(self, workers: WorkerPool, *, program: str = "", helm: Helm | None = None) -> None:
        self._workers = workers
        self._program = program or find_kubectl() or "kubectl"
        self._helm = helm

    async def render(self, snapshot: Snapshot, job: RenderJob) -> Manifests:
        """Raises `InvalidInput` with Kustomize's own message."""
        scratch = await asyncio.to_thread(tempfile.mkdtemp, prefix="shipway-kustomize-")
        try:
            copy = await asyncio.to_thread(_gathered, snapshot, job, scratch)
            if copy.missing or copy.lacks:
                return Manifests((), tool="kustomize", bases=copy.missing, lacks=copy.lacks)
            for placed in copy.charts:
                await self._bring(placed, job)
            if await asyncio.to_thread(self._lacks_cluster, copy, job):
                return Manifests((), tool="kustomize", lacks=("cluster",))
            made = await self._workers.call(_WORKER, self._payload(copy, job, scratch))
        finally:
            await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)
        return Manifests(tuple(made["objects"]), tool=made["tool"])

    async def _bring(self, placed: "Placed", job: RenderJob) -> None:
        chart = placed.chart
        if os.path.isdir(placed.folder) or not chart.repo:
            return
        if self._helm is None or self._helm.fetch is None or job.project is None:
            raise InvalidInput(
                f"{chart.named_in}: chart {chart.name} of {chart.repo} is not fetched here: commit it to {chart.path}",
                reason="MissingDependency",
            )
        fetched = await self._helm.fetch(chart, job.project)
        await asyncio.to_thread(shutil.copytree, fetched, placed.folder)

    def _lacks_cluster(self, copy: "Copy", job: RenderJob) -> bool:
        version, api_versions = _told_of_the_cluster(copy.flags, job)
        if self._helm is None or (version and api_versions) or job.kube_version:
            return False
        return any(self._helm.reads_cluster(Path(one.folder)) for one in copy.charts)

    def _payload(self, copy: "Copy", job: RenderJob, scratch: str) -> dict[str, object]:
        version, api_versions = _told_of_the_cluster(copy.flags, job)
        return {
            "program": self._program,
            "scratch": scratch,
            "path": job.path,
            "folder": copy.folder,
            "version": str(job.options.get("version") or ""),
            "helm": list(self._helm.command) if self._helm and copy.charts else [],
            "kube_version": version,
            "api_versions": api_versions,
            "unrestricted": copy.flags.unrestricted,
            "programs": list(copy.flags.programs),
        }


def _told_of_the_cluster(flags: BuildFlags, job: RenderJob) -> tuple[str, list[str]]:
    """What charts are told: as the source says, else as the installation does, else as the cluster is."""
    version = job.options.get("kubeVersion") or flags.kube_version or job.kube_version
    api_versions = job.options.get("apiVersions") or job.api_versions
    return str(version), [*flags.api_versions, *map(str, api_versions)]


class Placed(Struct, frozen=True):
    """A chart, and its folder on disk."""

    chart: Chart
    folder: str


class Copy(Struct, frozen=True):
    """What is built: the folder on disk, with the charts that it inflates; or what has to be told before anything can be."""

    folder: str = ""
    charts: tuple[Placed, ...] = ()
    flags: BuildFlags = BuildFlags()
    missing: tuple[RemoteBase, ...] = ()
    lacks: tuple[Fact, ...] = ()


class _Site(Struct):
    """One repository that takes part, and where its files are written. `walked` are its kustomizations by folder."""

    snapshot: Snapshot
    home: str
    walked: dict[str, Folder] = {}

    @property
    def charts(self) -> list[Placed]:
        found = [chart for folder in self.walked.values() for chart in folder.charts]
        return [Placed(chart, os.path.join(self.home, chart.path)) for chart in found]


def _gathered(snapshot: Snapshot, job: RenderJob, scratch: str) -> Copy:
    options = dict(job.options)
    components = [text for text in options.get("components") or () if isinstance(text, str)]
    if options.get("ignoreMissingComponents"):
        components = [text for text in components if snapshot.kind(os.path.join(job.path, text)) != "missing"]
        options["components"] = components
    here = _Site(snapshot, os.path.join(scratch, "copy"), walk(snapshot, job.path, components))
    sites, missing = _reached(here, job.lent, scratch)
    if missing:
        return Copy(missing=tuple(sorted(missing)))
    if job.kustomize is None and any(folder.needs_flags for site in sites.values() for folder in site.walked.values()):
        return Copy(lacks=("kustomize",))
    flags = job.kustomize.of(str(options.get("version") or "")) if job.kustomize else BuildFlags()
    charts = tuple(placed for site in sites.values() for placed in site.charts)
    _check(flags, charts)
    if job.project is None and any(_is_elsewhere(site, chart) for site in sites.values() for chart in site.charts):
        return Copy(lacks=("project",))
    _write(sites, options, job, flags)
    return Copy(os.path.join(here.home, next(iter(here.walked))), charts, flags)


def _check(flags: BuildFlags, charts: Sequence[Placed]) -> None:
    if flags.problems:
        raise InvalidInput("; ".join(flags.problems), reason="UnsupportedSource")
    if charts and not flags.helm:
        named = charts[0].chart
        raise InvalidInput(
            f"{named.named_in}: chart {named.name} is inflated only with --enable-helm: add it to kustomize.buildOptions of "
            "argocd-cm, or make the chart a source of its own",
            reason="UnsupportedSource",
        )


def _is_elsewhere(site: _Site, placed: Placed) -> bool:
    return bool(placed.chart.repo) and site.snapshot.kind(placed.chart.path) != "dir"


def _write(sites: Mapping[str, _Site], options: dict[str, Any], job: RenderJob, flags: BuildFlags) -> None:
    """Copies what takes part to disk, and the kustomizations with what was said of them elsewhere."""
    first = next(iter(sites[""].walked.values()))
    for site in sites.values():
        site.snapshot.write(paths_to_write(site.snapshot, site.walked), site.home)
    changed = merged(first.content, options, dict(job.build_env))
    if flags.managed_by_label:
        changed = with_managed_by_label(changed)
    for site in sites.values():
        for folder in site.walked.values():
            content = changed if folder is first else folder.content
            rewritten = _at_hand(content, folder, site, sites)
            if rewritten != folder.content:
                Path(site.home, folder.file).write_text(yaml.dump(rewritten), encoding="utf-8")


def _reached(here: _Site, lent: Mapping[str, Snapshot], scratch: str) -> tuple[dict[str, _Site], set[RemoteBase]]:
    """Every repository that takes part, by the name it is lent as ("" is ours), and those not lent yet."""
    sites, missing = {"": here}, set[RemoteBase]()
    waiting = list(here.walked.values())
    while waiting:
        for base in waiting.pop().remotes.values():
            name = base.repository.name
            if name not in lent:
                missing.add(base.repository)
                continue
            site = sites.setdefault(name, _Site(lent[name], os.path.join(scratch, "remote", str(len(sites))), {}))
            if base.path in site.walked:
                continue
            if len(sites) > MAX_REPOSITORIES:
                raise InvalidInput(f"builds on more than {MAX_REPOSITORIES} repositories", reason="SourceTooLarge")
            new = {path: folder for path, folder in walk(site.snapshot, base.path).items() if path not in site.walked}
            site.walked |= new
            waiting += new.values()
    return sites, missing


def _at_hand(content: dict[str, Any], folder: Folder, site: _Site, sites: Mapping[str, _Site]) -> dict[str, Any]:
    """A kustomization with its remote entries replaced by where their files lie on disk."""
    if not folder.remotes:
        return content
    from_here = os.path.join(site.home, folder.path)
    places = {
        entry: os.path.relpath(os.path.join(sites[base.repository.name].home, base.path), from_here)
        for entry, base in folder.remotes.items()
    }
    keys = [key for key in FOLDERS if isinstance(content.get(key), list)]
    return {
        **content,
        **{key: [places.get(entry, entry) if isinstance(entry, str) else entry for entry in content[key]] for key in keys},
    }
