"""Builds an overlay in a temporary copy of what it reads, with the Application's settings merged into its kustomization."""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from shipway.adapters.kustomize.graph import FOLDERS, Folder, paths_to_write, walk
from shipway.adapters.kustomize.settings import merged
from shipway.api.snapshot import Manifests, RenderJob, Snapshot
from shipway.api.sources import RemoteBase
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
    """Options: Argo CD's `spec.source.kustomize`. `program` is the path of a kubectl, "" for the one that is found."""

    def __init__(self, workers: WorkerPool, *, program: str = "") -> None:
        self._workers = workers
        self._program = program or find_kubectl() or "kubectl"

    async def render(self, snapshot: Snapshot, job: RenderJob) -> Manifests:
        """Raises `InvalidInput` with Kustomize's own message."""
        scratch = await asyncio.to_thread(tempfile.mkdtemp, prefix="shipway-kustomize-")
        try:
            copy = await asyncio.to_thread(_gathered, snapshot, job, scratch)
            if copy.missing:
                return Manifests((), tool="kustomize", bases=copy.missing)
            folder = copy.folder
            payload = {"program": self._program, "scratch": scratch, "path": job.path, "folder": folder}
            made = await self._workers.call(_WORKER, payload)
        finally:
            await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)
        return Manifests(tuple(made["objects"]), tool=made["tool"])


class Copy(Struct, frozen=True):
    """What is built: the folder on disk; or what has to be lent before anything can be."""

    folder: str = ""
    missing: tuple[RemoteBase, ...] = ()


class _Site(Struct):
    """One repository that takes part, and where its files are written. `walked` are its kustomizations by folder."""

    snapshot: Snapshot
    home: str
    walked: dict[str, Folder] = {}


def _gathered(snapshot: Snapshot, job: RenderJob, scratch: str) -> Copy:
    options = dict(job.options)
    if options.get("version"):
        raise InvalidInput(
            f"spec.source.kustomize.version {options['version']!r} is not known here: leave it out", reason="UnsupportedSource"
        )
    components = [text for text in options.get("components") or () if isinstance(text, str)]
    if options.get("ignoreMissingComponents"):
        components = [text for text in components if snapshot.kind(os.path.join(job.path, text)) != "missing"]
        options["components"] = components
    here = _Site(snapshot, os.path.join(scratch, "copy"), walk(snapshot, job.path, components))
    first = next(iter(here.walked.values()))
    sites, missing = _reached(here, job.lent, scratch)
    if missing:
        return Copy(missing=tuple(sorted(missing)))
    for site in sites.values():
        site.snapshot.write(paths_to_write(site.walked), site.home)
    changed = merged(first.content, options, dict(job.build_env))
    for site in sites.values():
        for folder in site.walked.values():
            content = changed if folder is first else folder.content
            rewritten = _at_hand(content, folder, site, sites)
            if rewritten != folder.content:
                Path(site.home, folder.file).write_text(yaml.dump(rewritten), encoding="utf-8")
    return Copy(os.path.join(here.home, first.path))


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
