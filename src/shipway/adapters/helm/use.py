"""Which values the templates of a chart ask for, read from their text.

A template that takes all values at once, or names them at run time, may ask for any: then nothing is said of what is not used.
"""

import posixpath
import re
from typing import Any

from msgspec import Struct

from shipway.api.snapshot import Snapshot
from shipway.base.errors import InvalidInput
from shipway.kube.objects import yaml

_VALUES = re.compile(r"\.Values\b((?:\.\w+)*)")


class Use(Struct, frozen=True):
    """`paths` that are asked for; None: any may be. `parts`: names of the charts that it depends on."""

    paths: frozenset[str] | None
    parts: frozenset[str]


def use_of(snapshot: Snapshot, path: str) -> Use:
    """Of the chart in a folder. What it depends on has values of its own, below its name."""
    dependencies = _dependencies(snapshot, path)
    names = {str(one.get("alias") or one.get("name") or "") for one in dependencies}
    below = posixpath.join(path, "charts")
    local = {name for name in _folders(snapshot, below) if not name.endswith(".tgz")}
    parts = frozenset(names | local)
    if any(str(one.get("name") or "") not in local for one in dependencies):
        return Use(None, parts)  # a library may be among those that are fetched, and asks for values of this chart
    folders = (
        posixpath.join(folder, "templates") for folder in (path, *(posixpath.join(below, name) for name in sorted(local)))
    )
    texts = [snapshot.read(file).decode("utf-8", "replace") for folder in folders for file in _files(snapshot, folder)]
    found = {match[1].removeprefix(".") for text in texts for match in _VALUES.finditer(text)}
    return Use(None if "" in found else frozenset(found), parts)


def _dependencies(snapshot: Snapshot, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name in ("Chart.yaml", "requirements.yaml"):
        file = posixpath.join(path, name)
        if snapshot.kind(file) != "file":
            continue
        try:
            read = yaml.load(snapshot.read(file))
        except InvalidInput:
            continue  # a render says so
        found += (
            [one for one in (read or {}).get("dependencies") or () if isinstance(one, dict)] if isinstance(read, dict) else []
        )
    return found


def _folders(snapshot: Snapshot, path: str) -> set[str]:
    return {file.removeprefix(f"{path}/").partition("/")[0] for file in _files(snapshot, path)}


def _files(snapshot: Snapshot, path: str) -> list[str]:
    return snapshot.files(path) if snapshot.kind(path) == "dir" else []
