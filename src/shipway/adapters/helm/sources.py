"""What a chart render needs from the repository: the chart, its local dependencies, value files and files for parameters.

Runs on a thread. Value files count in the order of the spec; `values` or `valuesObject` come after them, parameters last.
"""

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from shipway.adapters.helm.dependencies import local_repositories
from shipway.api.build_env import substitute
from shipway.api.snapshot import RenderJob, Snapshot
from shipway.base.errors import InvalidInput, NotFound
from shipway.base.globs import compile_glob, fixed_folder, has_magic
from shipway.kube.objects import yaml

_VERSIONS = ("", "v3", "v4")
_MAX_LOCAL_CHARTS = 100


class ChartSources(Struct, frozen=True):
    """`folders` to write out; `values` and `files` as (name, text); `sets` as (name, value, force string); each in order."""

    folders: tuple[str, ...]
    values: tuple[tuple[str, str], ...]
    sets: tuple[tuple[str, str, bool], ...]
    files: tuple[tuple[str, str], ...]


def gather(snapshot: Snapshot, job: RenderJob) -> ChartSources:
    """Raises `InvalidInput` (MissingValueFile, UnsupportedSource, PathEscapes, …) naming the file and the field to mend."""
    env = dict(job.build_env)
    version = job.options.get("version") or ""
    if version not in _VERSIONS:
        raise InvalidInput(
            f"spec.source.helm.version {version!r} is not known: v3 or v4, or leave it out", reason="UnsupportedSource"
        )
    if snapshot.kind(posixpath.join(job.path, "Chart.yaml")) != "file":
        raise InvalidInput(
            f"{job.path}: no Chart.yaml here: spec.source.helm needs a chart's folder in spec.source.path",
            reason="InvalidSource",
        )
    return ChartSources(
        folders=tuple(_local_charts(snapshot, job.path)),
        values=tuple(_value_files(snapshot, job, env)),
        sets=tuple(_parameters(job.options, env)),
        files=tuple(_file_parameters(snapshot, job, env)),
    )


def urls_of(job: RenderJob) -> tuple[str, ...]:
    """The files of a source that lie at URLs. Raises as `gather`."""
    named = (str(item.get("path") or "") for item in _maps(job.options.get("fileParameters"), "fileParameters"))
    found = (_url(raw, job) for raw in (*_texts(job.options.get("valueFiles"), "valueFiles"), *named))
    return tuple(dict.fromkeys(filter(None, found)))


def _url(raw: str, job: RenderJob) -> str:
    """Where a file lies that lies at a URL; "" for one of a repository."""
    if raw.startswith("$") and raw[1:].partition("/")[0] in job.lent:
        return ""
    name = substitute(raw, dict(job.build_env))
    return name if "://" in name else ""


def _local_charts(snapshot: Snapshot, path: str) -> list[str]:
    """The chart's folder and those of its `file://` dependencies, theirs included."""
    found: list[str] = []
    waiting = [posixpath.normpath(path) if path else ""]
    while waiting:
        folder = waiting.pop()
        if folder in found:
            continue
        found.append(folder)
        if len(found) > _MAX_LOCAL_CHARTS:
            raise InvalidInput(f"{path}: more than {_MAX_LOCAL_CHARTS} local dependencies", reason="SourceTooLarge")
        for repository in local_repositories(snapshot, folder):
            local = repository.removeprefix("file://")
            if local.startswith("/"):
                raise InvalidInput(
                    f"{folder}: dependency {repository!r} is not in this repository: write it relative to the chart, like "
                    "file://../other",
                    reason="PathEscapes",
                )
            waiting.append(posixpath.normpath(posixpath.join(folder, local)))
    return found


def _value_files(snapshot: Snapshot, job: RenderJob, env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for raw in _texts(job.options.get("valueFiles"), "valueFiles"):
        if url := _url(raw, job):
            yield url, job.texts[url]
            continue
        place = _place(snapshot, job, raw, env, "valueFiles")
        for file in _matching(place, raw, may_lack=bool(job.options.get("ignoreMissingValueFiles"))):
            yield place.shown(file), _text(place.snapshot, file)
    own = job.options.get("valuesObject")
    if own:
        yield "spec.source.helm.valuesObject", yaml.dump(own)
    elif job.options.get("values"):
        yield "spec.source.helm.values", str(job.options["values"])


class _Place(Struct, frozen=True):
    """A path in this repository, or with `ref` in that of another source."""

    snapshot: Snapshot
    path: str
    ref: str = ""

    def shown(self, path: str) -> str:
        return f"${self.ref}/{path}" if self.ref else path


def _matching(place: _Place, raw: str, *, may_lack: bool) -> list[str]:
    """The files that one entry of valueFiles names; patterns in order of their names."""
    path, snapshot = place.path, place.snapshot
    if not has_magic(path) or snapshot.kind(path) == "file":
        if snapshot.kind(path) == "file":
            return [path]
    else:
        folder, matches = fixed_folder(path), compile_glob(path, "/")
        found = [f for f in snapshot.files(folder) if matches(f)] if snapshot.kind(folder) == "dir" else []
        if found:
            return found
    if may_lack:
        return []
    raise InvalidInput(
        f"Error: open {place.shown(path)}: no such file or directory: add the value file {raw!r}, correct "
        "spec.source.helm.valueFiles, or set spec.source.helm.ignoreMissingValueFiles: true",
        reason="MissingValueFile",
    )


def _place(snapshot: Snapshot, job: RenderJob, raw: str, env: Mapping[str, str], field: str) -> _Place:
    """Where a path leads: `$ref/x` counts from the root of another source, `/x` from our root, all else from the chart."""
    ref, slash, rest = raw.removeprefix("$").partition("/")
    if raw.startswith("$") and slash and ref in job.lent:
        return _Place(job.lent[ref], _inside(substitute(rest, env).lstrip("/"), raw, field), ref)
    if raw.startswith("$") and not raw.startswith(("$ARGOCD_", "${", "$KUBE_", "$$")):
        raise InvalidInput(
            f"{raw!r}: no source of this application has ref {ref!r}: add one to spec.sources, or correct "
            f"spec.source.helm.{field}",
            reason="UnknownRef",
        )
    name = substitute(raw, env)
    return _Place(snapshot, _inside(name if name.startswith("/") else posixpath.join(job.path, name), raw, field))


def _inside(path: str, raw: str, field: str) -> str:
    path = posixpath.normpath(path.lstrip("/") or ".")
    if path == ".." or path.startswith("../"):
        raise InvalidInput(f"{raw!r} leaves the repository: correct spec.source.helm.{field}", reason="PathEscapes")
    return path


def _parameters(options: Mapping[str, Any], env: Mapping[str, str]) -> Iterator[tuple[str, str, bool]]:
    for item in _maps(options.get("parameters"), "parameters"):
        yield str(item.get("name") or ""), substitute(str(item.get("value") or ""), env), bool(item.get("forceString"))


def _file_parameters(snapshot: Snapshot, job: RenderJob, env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for item in _maps(job.options.get("fileParameters"), "fileParameters"):
        raw = str(item.get("path") or "")
        if url := _url(raw, job):
            yield str(item.get("name") or ""), job.texts[url]
            continue
        place = _place(snapshot, job, raw, env, "fileParameters")
        try:
            yield str(item.get("name") or ""), _text(place.snapshot, place.path)
        except NotFound:
            raise InvalidInput(
                f"Error: open {place.shown(place.path)}: no such file or directory: add {raw!r} of a parameter or correct "
                "spec.source.helm.fileParameters",
                reason="MissingValueFile",
            ) from None


def _text(snapshot: Snapshot, path: str) -> str:
    try:
        return snapshot.read(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput(f"{path}: not UTF-8 text: save the file as UTF-8", reason="InvalidYAML") from None


def _texts(value: Any, field: str) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidInput(f"spec.source.helm.{field} is not a list of texts: correct it", reason="InvalidSource")
    return value


def _maps(value: Any, field: str) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise InvalidInput(f"spec.source.helm.{field} is not a list of maps: correct it", reason="InvalidSource")
    return value
