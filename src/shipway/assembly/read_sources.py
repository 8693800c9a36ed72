"""What a source of an Application takes along when it moves: the files that its render looked at, as they lie in Git.

A chart goes whole, with its neighbours (`file://`); of plain manifests the files that count; of everything else all that was
looked at. Links are followed inside the repository only, and become what they lead to. Runs on a thread.
"""

import posixpath
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import orjson
from msgspec import Struct
from msgspec.structs import replace

from shipway.adapters.helm.sources import gather
from shipway.adapters.render.choice import choose
from shipway.adapters.render.directory import manifest_files
from shipway.adapters.render.jsonnet import ENDING
from shipway.api.snapshot import RenderJob, Snapshot
from shipway.api.sources import PathTree, Rendered, RenderRequest
from shipway.base.errors import InvalidInput
from shipway.gitops.relocation.layout import Read, ValueFiles
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig

Look = Callable[[str, tuple[PathTree, ...]], Snapshot]
_OVERRIDES = (".argocd-source.yaml", ".argocd-source-{}.yaml")


class Rendering(Struct, frozen=True):
    """A source as the user wrote it, and how it was rendered. `lenders`: names of central sources whose files it may read."""

    source: Obj
    request: RenderRequest
    rendered: Rendered
    is_central: bool
    lenders: frozenset[str] = frozenset()


def read_of(rendering: Rendering, look: Look) -> Read:
    """Raises InvalidInput where it cannot be said, or a link leads out of the repository."""
    source, request, tool = rendering.source, rendering.request, rendering.rendered.source_type
    raw: list[str] = dig(source, "helm", "valueFiles", default=()) or []
    borrowed = any(name.startswith(f"${ref}/") for name in raw for ref in rendering.lenders)
    if not rendering.is_central and not borrowed:
        return Read(tool, is_central=False)
    snapshot = look(request.repo_url, request.trees)
    choice = choose(snapshot, orjson.loads(request.source), request.app_name, request.without)
    job = RenderJob(
        posixpath.normpath(choice.path).removeprefix(".") if choice.path else "",
        choice.options,
        request.app_name,
        request.namespace,
        request.build_env,
        lent={one.name: look(one.repo_url, one.trees) for one in request.lent},
        without=request.without,
        texts=dict(request.texts),
    )
    if tool == "Plugin":
        raise InvalidInput("a plugin renders it and may read anything of its repository, so nobody can say what to take along")
    values = tuple(_value_files(snapshot, job, rendering, raw)) if tool == "Helm" else ()
    if not rendering.is_central:
        return Read(tool, is_central=False, values=values)
    files = _files(snapshot, _paths(snapshot, job, rendering.rendered))
    named = (content for entry in values for _, content in entry.files or ())
    is_open = tool == "Helm" and any(b".Files" in content for content in (*files.values(), *named))  # values may be templates
    return Read(tool, True, job.path, files, values, is_open)


def _paths(snapshot: Snapshot, job: RenderJob, rendered: Rendered) -> list[str]:
    if rendered.source_type == "Helm":
        return list(gather(snapshot, job).folders)
    names = [name for name, _ in manifest_files(snapshot, job)] if rendered.source_type == "Directory" else []
    if rendered.source_type != "Directory" or any(name.endswith(ENDING) for name in names):
        return list(rendered.reads)
    overrides = (posixpath.join(job.path, name.format(job.app_name)) for name in _OVERRIDES)
    return [*names, *(name for name in overrides if snapshot.kind(name) == "file")]


def _files(snapshot: Snapshot, paths: list[str]) -> Mapping[str, bytes]:
    with tempfile.TemporaryDirectory(prefix="shipway-import-") as scratch:
        snapshot.write(paths, scratch)
        found = sorted(file for file in Path(scratch).rglob("*") if file.is_file())
        return {file.relative_to(scratch).as_posix(): file.read_bytes() for file in found}


def _value_files(snapshot: Snapshot, job: RenderJob, rendering: Rendering, raw: list[str]) -> Iterator[ValueFiles]:
    if (job.options.get("valueFiles") or []) != raw:
        raise InvalidInput(".argocd-source.yaml says other valueFiles than the Application: say them in the Application first")
    for one in raw:
        alone = {"valueFiles": [one], "ignoreMissingValueFiles": job.options.get("ignoreMissingValueFiles")}
        names = [name for name, _ in gather(snapshot, replace(job, options=alone)).values]
        ref = one[1:].partition("/")[0] if one.startswith("$") else ""
        is_lent = ref in job.lent
        moves = ref in rendering.lenders if is_lent else rendering.is_central and not any("://" in name for name in names)
        if not moves:
            yield ValueFiles(one, None)
            continue
        place = job.lent[ref] if is_lent else snapshot
        yield ValueFiles(one, tuple((name, place.read(name.removeprefix(f"${ref}/") if is_lent else name)) for name in names))
