"""The commands by which a person renders the same, from the top of the repository. For README.md and hydrator.metadata only."""

import shlex
from typing import Any

from shipway.api.sources import SourceType
from shipway.kube.objects.resource import Obj


def commands_of(source: Obj, source_type: SourceType, app_name: str, namespace: str) -> tuple[str, ...]:
    """Of a dry source; () where no program is needed, or it is the team's own."""
    path = source.get("path") or "."
    if source_type == "Kustomize":
        return (shlex.join(("kustomize", "build", path)),)
    return (shlex.join(_helm(path, source.get("helm") or {}, app_name, namespace)),) if source_type == "Helm" else ()


def _helm(path: str, options: dict[str, Any], app_name: str, namespace: str) -> list[str]:
    words = ["helm", "template", options.get("releaseName") or app_name, path]
    words += ["--namespace", options.get("namespace") or namespace] if options.get("namespace") or namespace else []
    for file in options.get("valueFiles") or ():
        words += ["--values", str(file) if "://" in str(file) else f"{path}/{file}"]
    for one in options.get("parameters") or ():
        flag = "--set-string" if one.get("forceString") else "--set"
        words += [flag, f"{one.get('name', '')}={one.get('value', '')}"]
    return words if options.get("skipCrds") else [*words, "--include-crds"]
