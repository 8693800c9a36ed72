"""A folder of plain manifests: which files count, and their objects.

The reading happens on a thread, the parsing in a worker: nobody knows what a stranger's YAML costs.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

from shipway.adapters.render import jsonnet
from shipway.api.snapshot import Manifests, RenderJob, Snapshot
from shipway.base.errors import InvalidInput
from shipway.base.globs import compile_glob
from shipway.kube.objects.manifests import objects_in_file, warnings_of
from shipway.workers.pool import WorkerPool

MAX_BYTES = 10 << 20
"""Argo CD's default for all manifests of one folder together (reposerver.max.combined.directory.manifests.size)."""

_ENDINGS = (".yaml", ".yml", ".json", jsonnet.ENDING)


class DirectoryEngine:
    """Options: `recurse`, `include`, `exclude` (globs over the path below the folder; `*` goes over slashes), `jsonnet`."""

    def __init__(self, workers: WorkerPool) -> None:
        self._workers = workers

    async def render(self, snapshot: Snapshot, job: RenderJob) -> Manifests:
        payload = await asyncio.to_thread(_gathered, snapshot, job)
        parsed = await self._workers.call(f"{__name__}:parse", payload)
        warnings, origins = tuple(parsed["warnings"]), tuple(parsed["origins"])
        return Manifests(tuple(parsed["objects"]), tool="directory", warnings=warnings, origins=origins)


def _gathered(snapshot: Snapshot, job: RenderJob) -> dict[str, Any]:
    files = list(manifest_files(snapshot, job))
    programs = {name: text for name, text in files if name.endswith(jsonnet.ENDING)}
    return {"files": files, "jsonnet": jsonnet.gathered(snapshot, job, programs) if programs else None}


def parse(job: dict[str, Any]) -> dict[str, Any]:
    """In the worker: the objects of files (name, text), where each one stands, and what their texts do not mean to say."""
    found = [
        origin
        for name, text in job["files"]
        for origin in (
            jsonnet.objects_of(name, text, job["jsonnet"]) if name.endswith(jsonnet.ENDING) else objects_in_file(text, name)
        )
    ]
    return {
        "objects": [origin.obj for origin in found],
        "origins": [origin.place for origin in found],
        "warnings": warnings_of(found),
    }


def manifest_files(snapshot: Snapshot, job: RenderJob) -> Iterator[tuple[str, str]]:
    """Name and text of the files that count. Raises `InvalidInput` (SourceTooLarge, InvalidManifest)."""
    include, exclude = (compile_glob(text) if (text := job.options.get(key)) else None for key in ("include", "exclude"))
    endings = tuple(one for one in _ENDINGS if one != jsonnet.ENDING or "Directory" not in job.without)
    prefix, size = f"{job.path.strip('/')}/" if job.path.strip("/.") else "", 0
    for name in snapshot.files(job.path, deep=bool(job.options.get("recurse"))):
        shown = name.encode("utf-8", "replace").decode()  # git allows any bytes in names
        below = shown.removeprefix(prefix)
        if (exclude and exclude(below)) or (include and not include(below)):
            continue
        if not name.endswith(endings):
            continue
        content = snapshot.read(name)
        size += len(content)
        if size > MAX_BYTES:
            raise InvalidInput(
                f"{job.path}: more than {MAX_BYTES >> 20} MiB of manifests: split the folder, or narrow it with "
                "spec.source.directory.include",
                reason="SourceTooLarge",
            )
        yield shown, _text(shown, content)


def _text(name: str, content: bytes) -> str:
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidInput(f"{name}: line {line}: not UTF-8 text: save the file as UTF-8", reason="InvalidManifest") from None
