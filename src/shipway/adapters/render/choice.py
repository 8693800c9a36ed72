"""Which tool renders a source, by Argo CD's rules: the block that the spec states, else what lies in the folder.

A tool that the installation has switched off is none: the folder is read as plain manifests then.

`.argocd-source.yaml` and `.argocd-source-<app>.yaml` beside the manifests are merged over the source first (image updaters
write them); they change how it is rendered, never where it comes from.
"""

import posixpath
from typing import Any

from msgspec import Struct

from shipway.api.snapshot import Snapshot
from shipway.api.sources import SourceType
from shipway.base.errors import InvalidInput
from shipway.kube.objects import yaml

KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")

_BLOCKS: dict[str, SourceType] = {"kustomize": "Kustomize", "helm": "Helm", "directory": "Directory", "plugin": "Plugin"}
_FIXED = ("repoURL", "targetRevision", "path", "chart", "ref", "name")


class Choice(Struct, frozen=True):
    """The tool, its block of the source (overrides applied) and the folder; `is_stated`: the source says so itself."""

    source_type: SourceType
    options: dict[str, Any]
    path: str
    is_stated: bool = True


def choose(snapshot: Snapshot, source: dict[str, Any], app_name: str, without: tuple[SourceType, ...] = ()) -> Choice:
    """`without`: tools that are switched off; plugins cannot be.

    Raises `InvalidInput` (PathNotFound, InvalidSource) saying where to mend it."""
    path = "" if source.get("chart") else str(source.get("path") or "")
    if snapshot.kind(path) != "dir":
        raise InvalidInput(
            f"{path}: app path does not exist: push the folder, or correct spec.source.path or targetRevision",
            reason="PathNotFound",
        )
    merged = _overridden(snapshot, source, path, app_name)
    stated = [block for block in _BLOCKS if _is_stated(merged.get(block), block)]
    if len(stated) > 1:
        raise InvalidInput(
            f"multiple application sources defined: {', '.join(stated)}: keep one of these blocks in spec.source",
            reason="InvalidSource",
        )
    block = stated[0] if stated else _discovered(snapshot, path, without)
    if source.get("chart"):
        block = "helm"
    if _BLOCKS[block] in without and block != "directory":
        return Choice("Directory", {}, path)
    return Choice(_BLOCKS[block], merged.get(block) or {}, path, bool(stated or source.get("chart")))


def _is_stated(options: Any, block: str) -> bool:
    """A block that says nothing does not choose a tool (Argo CD drops it)."""
    if options is not None and not isinstance(options, dict):
        raise InvalidInput(f"spec.source.{block} is not a map: correct it", reason="InvalidSource")
    return any(value not in (None, False, "", [], {}) for value in (options or {}).values())


def _discovered(snapshot: Snapshot, path: str, without: tuple[SourceType, ...]) -> str:
    if "Helm" not in without and snapshot.kind(posixpath.join(path, "Chart.yaml")) == "file":
        return "helm"
    if "Kustomize" not in without and any(snapshot.kind(posixpath.join(path, name)) == "file" for name in KUSTOMIZATIONS):
        return "kustomize"
    return "directory"


def _overridden(snapshot: Snapshot, source: dict[str, Any], path: str, app_name: str) -> dict[str, Any]:
    merged = source
    for name in (".argocd-source.yaml", f".argocd-source-{app_name}.yaml"):
        file = posixpath.join(path, name)
        if snapshot.kind(file) != "file":
            continue
        try:
            patch = yaml.load(snapshot.read(file))
        except InvalidInput as error:
            raise InvalidInput(f"{file}: {error.message}", reason=error.reason) from None
        if patch is not None and not isinstance(patch, dict):
            raise InvalidInput(f"{file}: not a map: write fields of spec.source into it", reason="InvalidSource")
        merged = _merge(merged, {key: value for key, value in (patch or {}).items() if key not in _FIXED})
    return merged


def _merge(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key), value)
    return merged
