"""Renders a chart as `helm template` does: never a release, `lookup` finds nothing.

A `helm` on PATH is preferred (it is the version the user chose), else the Helm SDK inside the worker.
"""

import asyncio
import os
import shutil
import tempfile
from pathlib import Path

from shipway.adapters.helm.dependencies import Dependency, FetchChart, copy_local, missing, not_there, put, unreachable
from shipway.adapters.helm.sources import ChartSources, gather, urls_of
from shipway.api.snapshot import Manifests, RenderJob, Snapshot
from shipway.base.errors import ShipwayError
from shipway.workers.pool import WorkerPool

_WORKER = "shipway.adapters.helm.worker:render"


def find_helm() -> str:
    """The `helm` on PATH, "" when there is none."""
    return shutil.which("helm") or ""


class HelmEngine:
    """Options: Argo CD's `spec.source.helm`. `program` is the path of a helm, "" for the SDK. `fetch` brings dependencies;
    without it a chart has to bring them along."""

    def __init__(self, workers: WorkerPool, *, program: str = "", fetch: FetchChart | None = None) -> None:
        self._workers = workers
        self._program = program
        self._fetch = fetch

    async def render(self, snapshot: Snapshot, job: RenderJob) -> Manifests:
        """Raises `InvalidInput` with Helm's own message and its file and line."""
        scratch = await asyncio.to_thread(tempfile.mkdtemp, prefix="shipway-helm-")
        try:
            wanted = await asyncio.to_thread(missing, snapshot, job.path)
            if job.project is None and any(not one.is_local and one.repository for one in wanted):
                return Manifests((), tool="helm", lacks=("project",))
            if unread := tuple(url for url in urls_of(job) if url not in job.texts):
                return Manifests((), tool="helm", urls=unread)
            sources = await asyncio.to_thread(_gathered, snapshot, job, scratch)
            for one in wanted:
                await self._bring(one, job, scratch)
            if not job.kube_version and await asyncio.to_thread(_reads_cluster, job, scratch):
                return Manifests((), tool="helm", lacks=("cluster",))
            made = await self._workers.call(_WORKER, self._payload(job, sources, scratch))
        finally:
            await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)
        warnings, origins = tuple(made["warnings"]), tuple(made["origins"])
        return Manifests(tuple(made["objects"]), tool=made["tool"], warnings=warnings, origins=origins)

    async def _bring(self, wanted: Dependency, job: RenderJob, scratch: str) -> None:
        root = os.path.join(scratch, "chart")
        chart = os.path.normpath(os.path.join(root, job.path))
        if wanted.is_local:
            await asyncio.to_thread(copy_local, chart, root, wanted)
        elif self._fetch is None or job.project is None or not wanted.repository:
            raise not_there(wanted, "its repository is not told" if not wanted.repository else "nothing is fetched here")
        else:
            try:
                folder = await self._fetch(wanted, job.project)
            except ShipwayError as error:
                raise unreachable(wanted, error) from None
            await asyncio.to_thread(put, folder, chart, wanted)

    def _payload(self, job: RenderJob, sources: ChartSources, scratch: str) -> dict[str, object]:
        options = job.options
        return {
            "program": self._program,
            "scratch": scratch,
            "path": job.path,
            "chart": os.path.join(scratch, "chart", job.path),
            "release": str(options.get("releaseName") or job.app_name),
            "namespace": str(options.get("namespace") or job.namespace or "default"),
            "kube_version": str(options.get("kubeVersion") or job.kube_version),
            "api_versions": [str(version) for version in options.get("apiVersions") or job.api_versions],
            "values": sources.values,
            "sets": sources.sets,
            "files": sources.files,
            "skip_crds": bool(options.get("skipCrds")),
            "skip_schema": bool(options.get("skipSchemaValidation")),
        }


def _reads_cluster(job: RenderJob, scratch: str) -> bool:
    """Whether a chart asks what the cluster is, and the source does not say it."""
    if job.options.get("kubeVersion") and job.options.get("apiVersions"):
        return False
    return reads_cluster(Path(scratch, "chart"))


def reads_cluster(folder: Path) -> bool:
    """Whether a chart there asks what the cluster is. What is packed inside it may."""
    for file in folder.rglob("*"):
        if file.suffix == ".tgz":
            return True
        if file.is_file() and (b".Capabilities" in (content := file.read_bytes()) or _wants_version(file.name, content)):
            return True
    return False


def _wants_version(name: str, content: bytes) -> bool:
    return name == "Chart.yaml" and b"kubeVersion" in content


def _gathered(snapshot: Snapshot, job: RenderJob, scratch: str) -> ChartSources:
    sources = gather(snapshot, job)
    snapshot.write(sources.folders, os.path.join(scratch, "chart"))
    return sources
