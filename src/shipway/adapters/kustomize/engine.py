"""Builds an overlay in a temporary copy of what it reads, with the Application's settings merged into its kustomization."""

import asyncio
import os
import shutil
import sys
import tempfile
from pathlib import Path

from shipway.adapters.kustomize.graph import paths_to_write, walk
from shipway.adapters.kustomize.settings import merged
from shipway.api.snapshot import Manifests, RenderJob, Snapshot
from shipway.kube.objects import yaml
from shipway.workers.pool import WorkerPool

_WORKER = "shipway.adapters.kustomize.worker:build"


def find_kubectl() -> str:
    """The kubectl that came with this installation, else the one on PATH, "" when there is none."""
    beside = Path(sys.executable).parent / "kubectl"
    return str(beside) if beside.exists() else shutil.which("kubectl") or ""


class KustomizeEngine:
    """Options: Argo CD's `spec.source.kustomize`. `program` is the path of a kubectl, "" for the one that is found."""

    def __init__(self, workers: WorkerPool, *, program: str = "") -> None:
        self._workers = workers
        self._program = program or find_kubectl() or "kubectl"

    async def render(self, snapshot: Snapshot, job: RenderJob) -> Manifests:
        """Raises `InvalidInput` with Kustomize's own message."""
        scratch = await asyncio.to_thread(tempfile.mkdtemp, prefix="shipway-kustomize-")
        try:
            folder = await asyncio.to_thread(_gathered, snapshot, job, scratch)
            payload = {"program": self._program, "scratch": scratch, "path": job.path, "folder": folder}
            made = await self._workers.call(_WORKER, payload)
        finally:
            await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)
        return Manifests(tuple(made["objects"]), tool=made["tool"])


def _gathered(snapshot: Snapshot, job: RenderJob, scratch: str) -> str:
    """The folder to build."""
    options = dict(job.options)
    components = [text for text in options.get("components") or () if isinstance(text, str)]
    if options.get("ignoreMissingComponents"):
        components = [text for text in components if snapshot.kind(os.path.join(job.path, text)) != "missing"]
        options["components"] = components
    folders = walk(snapshot, job.path, components)
    copy = os.path.join(scratch, "copy")
    snapshot.write(paths_to_write(folders), copy)
    first = next(iter(folders.values()))
    changed = merged(first.content, options, dict(job.build_env))
    if changed != first.content:
        Path(copy, first.file).write_text(yaml.dump(changed), encoding="utf-8")
    return os.path.join(copy, first.path)
