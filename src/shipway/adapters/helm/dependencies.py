"""The dependencies that a chart names and does not bring along: which version of which, and where it goes.

As `helm dependency build`: the lock file says the versions where there is one, else the newest that fits. What is fetched is
put into charts/ of the chart's copy, so that rendering never asks anybody. Dependencies elsewhere in the repository (`file://`)
are copied from there.
"""

import os
import posixpath
import shutil
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from shipway.api.snapshot import Snapshot
from shipway.api.sources import ProjectFacts
from shipway.base.errors import Denied, InvalidInput, NotFound, ShipwayError, Unavailable
from shipway.base.semver import parse_range, parse_version
from shipway.kube.objects import yaml

MAX_CHART_YAML = 1 << 20
_LISTS = (("Chart.yaml", "Chart.lock"), ("requirements.yaml", "requirements.lock"))
_LOCAL = "file://"
_RETRY_SECONDS = 30.0


class Dependency(Struct, frozen=True):
    """`version`: a range, or what the lock file says. `repository` "": it has to lie in charts/."""

    name: str
    version: str
    repository: str

    @property
    def is_local(self) -> bool:
        return self.repository.startswith(_LOCAL)


FetchChart = Callable[[Dependency, ProjectFacts], Awaitable[Path]]
"""Brings a dependency's unpacked chart. Raises what the repository of charts raises."""


def local_repositories(snapshot: Snapshot, folder: str) -> Iterator[str]:
    """The `file://` places that a chart names."""
    for listed, _ in _LISTS:
        for dependency in _listed(snapshot, posixpath.join(folder, listed)):
            repository = dependency.get("repository")
            if isinstance(repository, str) and repository.startswith(_LOCAL):
                yield repository


def missing(snapshot: Snapshot, folder: str) -> tuple[Dependency, ...]:
    """What charts/ lacks. Raises `InvalidInput` (MissingDependency) where the lock file says something else than the chart."""
    found: dict[str, Dependency] = {}
    there: set[str] | None = None
    for listed, lock in _LISTS:
        wanted = _listed(snapshot, posixpath.join(folder, listed))
        if wanted and there is None:
            there = set(_brought_along(snapshot, folder))
        locked = {str(one.get("name")): str(one.get("version")) for one in _listed(snapshot, posixpath.join(folder, lock))}
        for one in wanted:
            name = str(one.get("name") or "")
            if not name or name in (there or ()):
                continue
            version = _version(str(one.get("version") or ""), locked, name, posixpath.join(folder, lock))
            found.setdefault(name, Dependency(name, version, str(one.get("repository") or "")))
    return tuple(found.values())


def copy_local(chart: str, root: str, dependency: Dependency) -> None:
    """Put a dependency of the same repository into charts/ of the copy below `root`."""
    source = os.path.normpath(os.path.join(chart, dependency.repository.removeprefix(_LOCAL)))
    inside = source == root or source.startswith(f"{root}{os.sep}")
    if not inside or not os.path.isfile(os.path.join(source, "Chart.yaml")):
        raise not_there(dependency, "there is no chart")
    stated = yaml.load(Path(source, "Chart.yaml").read_bytes())
    version = str(stated.get("version") or "") if isinstance(stated, dict) else ""
    if not _fits(version, dependency.version):
        raise not_there(dependency, f"the chart there has version {version or 'none'}")
    aside = os.path.join(root, f".{dependency.name}.aside")  # it may hold the chart that it is copied into
    shutil.copytree(source, aside)
    _put(aside, chart, dependency)


def put(folder: Path, chart: str, dependency: Dependency) -> None:
    """Put a fetched dependency into charts/ of the chart's copy."""
    _put(str(folder), chart, dependency, is_ours=False)


def not_there(dependency: Dependency, why: str) -> InvalidInput:
    """A dependency that somebody has to supply."""
    where = f" of {dependency.repository}" if dependency.repository else ""
    return InvalidInput(
        f"dependency {dependency.name} {dependency.version or '*'}{where} is missing in charts/ and cannot be had: {why}: "
        "commit the chart's dependencies into charts/, or make their repository reachable",
        reason="MissingDependency",
    )


def unreachable(dependency: Dependency, error: ShipwayError) -> ShipwayError:
    """Why a dependency could not be fetched. A login may be given, a version published, so it is tried again."""
    told = not_there(dependency, error.message).message
    if isinstance(error, Unavailable | Denied | NotFound):
        after = error.after if isinstance(error, Unavailable) and error.after else _RETRY_SECONDS
        return Unavailable(told, after=after, reason="MissingDependency")
    return InvalidInput(told, reason="MissingDependency")


def _put(source: str, chart: str, dependency: Dependency, *, is_ours: bool = True) -> None:
    target = os.path.join(chart, "charts", dependency.name)
    if not os.path.abspath(target).startswith(f"{os.path.abspath(chart)}{os.sep}charts{os.sep}"):
        raise InvalidInput(f"{dependency.name!r} is no name of a chart", reason="PathEscapes")
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if is_ours:
        os.rename(source, target)
    else:
        shutil.copytree(source, target)


def _brought_along(snapshot: Snapshot, folder: str) -> Iterator[str]:
    """Names of the charts in charts/; an archive goes by the name of its file without the version."""
    charts = posixpath.join(folder, "charts") if folder else "charts"
    if snapshot.kind(charts) != "dir":
        return
    for file in snapshot.files(charts):
        below = file.removeprefix(f"{charts}/")
        if below.endswith(".tgz") and "/" not in below:
            yield from _names_of_archive(below.removesuffix(".tgz"))
        elif below.count("/") == 1 and below.endswith("/Chart.yaml"):
            yield str(_loaded(snapshot, file).get("name") or "")


def _names_of_archive(file: str) -> Iterator[str]:
    """What `my-lib-1.0.0-rc.1` may be a version of."""
    parts = file.split("-")
    for count in range(1, len(parts)):
        if parse_version("-".join(parts[count:])):
            yield "-".join(parts[:count])


def _version(wanted: str, locked: dict[str, str], name: str, lock: str) -> str:
    if not locked:
        return wanted
    version = locked.get(name, "")
    if not _fits(version, wanted):
        raise InvalidInput(
            f"{lock} does not fit: it has {name} {version or 'not at all'}, the chart wants {wanted or '*'}: run "
            "`helm dependency update` and commit it",
            reason="MissingDependency",
        )
    return version


def _fits(version: str, wanted: str) -> bool:
    found = parse_version(version)
    if found is None:
        return False
    if not wanted:
        return True
    exact, inside = parse_version(wanted), parse_range(wanted)
    return found == exact or (inside is not None and inside(found))


def _listed(snapshot: Snapshot, file: str) -> list[dict[str, Any]]:
    listed = _loaded(snapshot, file).get("dependencies") if snapshot.kind(file) == "file" else None
    return [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []


def _loaded(snapshot: Snapshot, file: str) -> dict[str, Any]:
    content = snapshot.read(file)
    if len(content) > MAX_CHART_YAML:
        raise InvalidInput(f"{file}: larger than {MAX_CHART_YAML >> 20} MiB", reason="SourceTooLarge")
    try:
        found = yaml.load(content)
    except InvalidInput as error:
        raise InvalidInput(f"{file}: {error.message}", reason=error.reason) from None
    return found if isinstance(found, dict) else {}
