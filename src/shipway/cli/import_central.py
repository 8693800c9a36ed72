"""`shipway import central-repo`: from one repository with everybody's configuration to a `charts` folder in each service's own.

A module of its own, because it needs Git and the renderers, which take time to load.
"""

import difflib
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from platformdirs import user_cache_path

from shipway.api.application import default_project
from shipway.api.kinds import APPLICATIONS
from shipway.assembly.moving import Given, Moved, Wish
from shipway.assembly.on_paper import cluster_on_paper
from shipway.assembly.placing import alone_in
from shipway.assembly.relocating import relocate
from shipway.base.clock import SystemClock
from shipway.base.errors import InvalidInput
from shipway.cli.app import SelectorFlag
from shipway.cli.diff_view import masked
from shipway.cli.files import objects_of
from shipway.cli.output import Output, OutputFlag, object_text, print_lines, table
from shipway.cli.process import configure_logs
from shipway.cli.session import ARGOCD, Place, Session, connected
from shipway.cli.terminal import Progress
from shipway.gitops.relocation.services import Labels
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import metadata, name_of, namespace_of, spec_of
from shipway.kube.objects.yaml import dump

HEADINGS = ("APPLICATION", "SERVICE", "ENVIRONMENT", "OBJECTS", "BEFORE", "AFTER", "RESULT")
SHORT = 12
"""Digits of a SHA-256 in a table."""
MOST_LINES = 40
"""Lines of one difference."""


@Parameter(name="*")
@dataclass(frozen=True)
class Origin:
    """Which Applications, and what of the repository."""

    filename: Annotated[tuple[Path, ...], Parameter(name=["--filename", "-f"], show_default=False, negative="")] = ()
    "Files or folders with Applications instead of a cluster; AppProjects, repositories' Secrets and argocd-cm there count too."
    selector: SelectorFlag = ""
    "Only Applications with these labels, like team=shop."
    revision: Annotated[str, Parameter(show_default=False)] = ""
    "Read this revision of the central repository, not the ones that the Applications follow."


@Parameter(name="*")
@dataclass(frozen=True)
class Whose:
    """Whose an Application is, where its name does not say it."""

    service_label: Annotated[str, Parameter(show_default=False)] = ""
    "The label that names the service; its name, SERVICE-ENVIRONMENT or ENVIRONMENT-SERVICE, does otherwise."
    environment_label: Annotated[str, Parameter(show_default=False)] = ""
    "The label that names the environment."


@Parameter(name="*")
@dataclass(frozen=True)
class Goal:
    """Where it goes."""

    repo_url_template: str
    "The URL of a service's own repository, with {app} in it, like https://git.example/{app}.git."
    into: Annotated[Path, Parameter(name=["--into", "-d"])] = Path("imported")
    "The folder that gets one folder for each service."
    target_revision: str = "HEAD"
    "What the new Applications follow."
    force: Annotated[bool, Parameter(negative="", show_default=False)] = False
    "Replace what an earlier import wrote."
    anyway: Annotated[bool, Parameter(negative="", show_default=False)] = False
    "Write what renders otherwise too."


async def central_repo_command(
    repository: str,
    /,
    *,
    goal: Goal,
    origin: Origin | None = None,
    whose: Whose | None = None,
    output: OutputFlag = "table",
    place: Place | None = None,
) -> int:
    """Write a charts folder for each service of one central repository, and prove that it renders the same bytes.

    The Applications say what feeds what. DIR/SERVICE/charts is for the service's own repository, DIR/SERVICE/applications holds
    the Applications that follow it there. A service of which one environment would render otherwise is not written; nothing is
    applied or pushed. Exit code 1: something was not written, or differs.

    Parameters
    ----------
    repository
        The central repository: its URL, or a folder of a working copy.
    output
        table, json, yaml or name (of the services that were written).
    """
    configure_logs(quiet=True)
    origin, whose = origin or Origin(), whose or Whose()
    wish = Wish(
        repository,
        goal.into,
        goal.repo_url_template,
        goal.target_revision,
        origin.revision,
        Labels(whose.service_label, whose.environment_label),
        replaces=goal.force,
        anyway=goal.anyway,
    )
    async with read_origin(origin, place) as (session, apps):
        return await import_central(session, apps, wish, user_cache_path("shipway") / "import", output)


async def import_central(session: Session, apps: Sequence[Obj], wish: Wish, cache: Path, output: Output = "table") -> int:
    """Prints what became of each Application; 1 when something was not written, or differs. Raises Conflict where
    another import writes into the same folder."""
    with alone_in(wish.into), Progress(sys.stderr) as progress:
        found = await relocate(
            session.client,
            session.clock,
            apps,
            wish,
            cache,
            lambda done, total: progress.count(done, total, f"rendered {done} of {total} services"),
        )
    if output == "table":
        print_lines(list(_report(found, wish)))
    elif output == "name":
        print_lines(list(dict.fromkeys(one.belongs.service for one in found if one.belongs and one.is_written)))
    else:
        sys.stdout.write(object_text(_document(found), output))
    return 0 if all(one.is_written and one.is_same for one in found) else 1


@asynccontextmanager
async def read_origin(origin: Origin, place: Place | None) -> AsyncIterator[tuple[Session, list[Obj]]]:
    """A session and the Applications: those of the cluster, or those of files, with what else the files hold."""
    if not origin.filename:
        async with connected(place) as session:
            listed = await session.client.list(APPLICATIONS, session.application_namespace, label_selector=origin.selector)
            yield session, listed.items
        return
    if origin.selector:
        raise InvalidInput("-l picks Applications of a cluster: leave it out, or leave out -f")
    objects = [one for obj in objects_of(_yaml_files(origin.filename)) for one in _opened(obj)]
    async with on_paper(objects, (place or Place()).namespace or ARGOCD) as found:
        yield found


@asynccontextmanager
async def on_paper(objects: Sequence[Obj], namespace: str) -> AsyncIterator[tuple[Session, list[Obj]]]:
    """A session over what files hold, and their Applications. Projects that the files do not hold permit everything. Raises
    InvalidInput where ApplicationSets are among them, which say nothing plainly."""
    sets = [name_of(one) for one in objects if _is(one, "ApplicationSet")]
    if sets:
        told = "read the Applications that it makes from the cluster, without -f"
        raise InvalidInput(f"ApplicationSet {sets[0]} only says how Applications are made: {told}")
    apps = [
        {**one, "metadata": {**metadata(one), "namespace": namespace_of(one) or namespace}}
        for one in objects
        if _is(one, "Application")
    ]
    given = {name_of(one) for one in objects if _is(one, "AppProject")}
    named = {str(spec_of(one).get("project") or "default") for one in apps} - given
    open_projects = [{**default_project(namespace), "metadata": {"name": name}} for name in sorted(named)]
    clock = SystemClock()
    async with cluster_on_paper([*objects, *open_projects], namespace, clock) as client:
        yield Session(client, clock, namespace), apps


def _is(obj: Obj, kind: str) -> bool:
    return obj.get("kind") == kind and obj.get("apiVersion") == APPLICATIONS.api_version


def _opened(obj: Obj) -> Iterator[Obj]:
    """An object, or those of a list as kubectl writes it."""
    if obj.get("kind") == "List":
        yield from (one for one in obj.get("items") or () if isinstance(one, dict))
    else:
        yield obj


def _yaml_files(named: Sequence[Path]) -> list[Path]:
    """The files, those of folders in the order of their names."""
    found: list[Path] = []
    for one in named:
        found += sorted(file for file in one.rglob("*") if file.suffix in (".yaml", ".yml", ".json")) if one.is_dir() else [one]
    return found


def _report(found: Sequence[Moved], wish: Wish) -> Iterator[str]:
    yield from table(HEADINGS, [_row(one) for one in found])
    for one in found:
        problem = one.problem or (one.after.error and f"it would give nothing: {one.after.error}")
        if problem:
            yield from ("", f"{one.application}: {problem}")
        elif not one.is_same:
            yield from ("", f"{one.application} would render otherwise:", *_difference(one.before, one.after))
    told = [f"{one.application}: {note}" for one in found for note in one.notes]
    if told:
        yield from ("", "Besides:", *(f"  {line}" for line in told))
    yield from ("", _sentence(found, wish))


def _row(one: Moved) -> tuple[str, ...]:
    who = (one.application, one.belongs.service if one.belongs else "-", one.belongs.environment if one.belongs else "-")
    if one.problem:
        return (*who, "-", "-", "-", "refused")
    result = ("same" if one.is_same else "differs") + (", written" if one.is_written else ", not written")
    return (*who, str(len(one.before.objects)), one.before.digest[:SHORT], one.after.digest[:SHORT] or "-", result)


def _difference(before: Given, after: Given) -> Iterator[str]:
    """A unified diff of the objects in their order, without the values of Secrets; its beginning where it is long."""
    old, new = (
        [line for obj in given.objects for line in ("---", *dump(masked(obj)).splitlines())] for given in (before, after)
    )
    lines = list(difflib.unified_diff(old, new, "before", "after", lineterm=""))
    yield from lines[:MOST_LINES] or ["only values of Secrets differ"]
    if len(lines) > MOST_LINES:
        yield f"and {len(lines) - MOST_LINES} more lines"


def _sentence(found: Sequence[Moved], wish: Wish) -> str:
    services = {one.belongs.service for one in found if one.belongs and one.is_written}
    written = sum(one.is_written for one in found)
    if not written:
        return f"Nothing was written to {wish.into}."
    what = f"{len(services)} service{'' if len(services) == 1 else 's'} with {written} of {len(found)} Applications"
    return f"Written to {wish.into}: {what}. Commit charts/ to each service's repository, then apply its applications/."


def _document(found: Sequence[Moved]) -> dict[str, Any]:
    return {
        "apiVersion": "shipway.dev/v1alpha1",
        "kind": "CentralRepositoryImport",
        "applications": [
            {
                "application": one.application,
                "service": one.belongs.service if one.belongs else "",
                "environment": one.belongs.environment if one.belongs else "",
                "objects": len(one.before.objects),
                "before": one.before.digest if not one.problem else "",
                "after": one.after.digest if not one.problem else "",
                "same": one.is_same,
                "written": one.is_written,
                "problem": one.problem or one.after.error,
                "notes": list(one.notes),
            }
            for one in found
        ],
    }
