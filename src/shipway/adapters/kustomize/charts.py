"""Charts that a kustomization inflates: what it says of each, and where Kustomize looks for it.

    helmCharts:                      the entries of today, with helmGlobals.chartHome ("charts" by default)
    helmChartInflationGenerator:     the entries of Kustomize 4.0, under names of their own
    generators: [chart.yaml]         a document of kind HelmChartInflationGenerator

Kustomize composes the values and the arguments, and asks for a `helm` that templates what lies at `Chart.path`. A chart of a
repository is put there beforehand, so that nothing goes out from inside.
"""

import posixpath
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from shipway.api.sources import ProjectFacts
from shipway.base.errors import InvalidInput

HELM_KEYS = ("helmCharts", "helmChartInflationGenerator")
_HOME = "charts"
_GENERATOR = "HelmChartInflationGenerator"
_OLD_NAMES = {"chartName": "name", "chartRepoUrl": "repo", "chartVersion": "version", "values": "valuesFile"}


class Chart(Struct, frozen=True):
    """`path`: where it lies or is put, from the root of the repository. `files`: the value files that are named for it."""

    name: str
    repo: str
    version: str
    path: str
    files: tuple[str, ...]
    named_in: str


FetchChart = Callable[[Chart, ProjectFacts], Awaitable[Path]]
"""Brings the unpacked chart of a repository. Raises what the repository of charts raises."""


class Helm(Struct, frozen=True):
    """Who renders charts. `command` stands for a `helm` that knows `template`; `reads_cluster` says whether the chart in a
    folder asks what the cluster is; without `fetch` charts have to lie in the repository."""

    command: tuple[str, ...]
    reads_cluster: Callable[[Path], bool]
    fetch: FetchChart | None = None


def charts_of(said: dict[str, Any], generators: list[dict[str, Any]], folder: str, file: str) -> Iterator[Chart]:
    """What the kustomization in `folder` inflates; `generators` are the documents that it names as such.

    Raises `InvalidInput` (InvalidKustomization, PathEscapes) naming the file and the chart.
    """
    globals_ = said.get("helmGlobals")
    home = globals_.get("chartHome") if isinstance(globals_, dict) else None
    for key in HELM_KEYS:
        for entry in said.get(key) or ():
            if not isinstance(entry, dict):
                raise InvalidInput(f"{file}: {key} is not a list of maps", reason="InvalidKustomization")
            yield _chart({"chartHome": home, **_renamed(entry)}, folder, file)
    for document in generators:
        if document.get("kind") == _GENERATOR:
            yield _chart(_renamed(document), folder, file)


def _renamed(entry: dict[str, Any]) -> dict[str, Any]:
    return {_OLD_NAMES.get(key, key): value for key, value in entry.items()}


def _chart(entry: dict[str, Any], folder: str, file: str) -> Chart:
    name, repo, version = (str(entry.get(key) or "") for key in ("name", "repo", "version"))
    if not name:
        raise InvalidInput(f"{file}: a chart has no name", reason="InvalidKustomization")
    home = str(entry.get("chartHome") or _HOME)
    # Kustomize keeps versions of a repository's chart apart, and nothing else.
    below = f"{name}-{version}" if version and repo else ""
    path = posixpath.normpath(posixpath.join(folder, home, below, name))
    if home.startswith("/") or name.startswith("/") or path == ".." or path.startswith("../"):
        raise InvalidInput(f"{file}: chart {name} in {home} is outside of the repository", reason="PathEscapes")
    more = entry.get("additionalValuesFiles")
    named = [entry.get("valuesFile"), *(more if isinstance(more, list) else ())]
    return Chart(name, repo, version, path, tuple(one for one in named if isinstance(one, str) and one), file)
