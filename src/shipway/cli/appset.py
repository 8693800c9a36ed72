"""`shipway appset`: ApplicationSets. Everything goes through the Kubernetes API, so kubectl's credentials are all it needs.

`preview` needs Git and the templates, which take time to load: it is imported only when it is used.
"""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from shipway.api.applicationset import parse_set
from shipway.api.kinds import APPLICATION_SETS
from shipway.base.clock import Instant
from shipway.base.errors import Conflict, InvalidInput
from shipway.cli.output import (
    PLAIN,
    AllFlag,
    Column,
    Output,
    OutputFlag,
    Paint,
    age,
    paint_for,
    print_found,
    print_lines,
    print_object,
    table,
)
from shipway.cli.session import MANAGER, Place, Session, connected, look_up
from shipway.kube.objects import yaml
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import condition_of, dig, metadata, name_of, namespace_of, status_of

app = App(name="appset", version_flags=(), help="ApplicationSets: which Applications there should be.")
PREVIEW = "Show which Applications would be created, altered and deleted. Exit code 0: none; 1: some; 2: something is wrong."
app.command("shipway.cli.appset_preview:preview_command", name="preview", help=PREVIEW)
HEADINGS = ("NAME", "SYNC", "HEALTH")

FileFlag = Annotated[Path, Parameter(name=["--filename", "-f"])]


@app.command(name="list")
async def list_command(*, all_namespaces: AllFlag = False, output: OutputFlag = "table", place: Place | None = None) -> int:
    """List ApplicationSets with how many Applications they have, and whether all is well.

    Parameters
    ----------
    all_namespaces
        Look in all namespaces.
    output
        table, json, yaml or name.
    """
    async with connected(place) as session:
        return await list_sets(session, all_namespaces=all_namespaces, output=output)


@app.command(name="get")
async def get_command(name: str, /, *, output: OutputFlag = "table", place: Place | None = None) -> int:
    """Show one ApplicationSet: its conditions and its Applications.

    Parameters
    ----------
    name
        The ApplicationSet.
    output
        table, json, yaml or name.
    """
    async with connected(place) as session:
        return await show_set(session, name, output)


@app.command(name="create")
async def create_command(
    *, filename: FileFlag, upsert: Annotated[bool, Parameter(negative="")] = False, place: Place | None = None
) -> int:
    """Create the ApplicationSets in a file.

    Parameters
    ----------
    filename
        YAML or JSON; - reads standard input.
    upsert
        Alter those that are there already.
    """
    async with connected(place) as session:
        return await create_sets(session, filename, upsert=upsert)


@app.command(name="delete")
async def delete_command(
    name: str, /, *, keep_applications: Annotated[bool, Parameter(negative="")] = False, place: Place | None = None
) -> int:
    """Delete an ApplicationSet and its Applications with everything that they deployed.

    Parameters
    ----------
    name
        The ApplicationSet.
    keep_applications
        Delete the set only; its Applications go on without it.
    """
    async with connected(place) as session:
        return await delete_set(session, name, keep_applications=keep_applications)


async def list_sets(session: Session, *, all_namespaces: bool = False, output: Output = "table") -> int:
    namespace = "" if all_namespaces else session.application_namespace
    found = await session.client.list(APPLICATION_SETS, namespace)
    print_found(found.items, columns_of(session.clock.now()), output, what="ApplicationSets", namespace=namespace)
    return 0


async def show_set(session: Session, name: str, output: Output = "table") -> int:
    appset = await find_set(session, name)
    if output != "table":
        print_object(appset, output)
        return 0
    print_lines(overview(appset, session.clock.now(), paint_for(sys.stdout)))
    return 0


async def create_sets(session: Session, file: Path, *, upsert: bool = False) -> int:
    """Creates what is in the file, all of it checked before the first one is written."""
    for appset in read_sets(file, session.application_namespace):
        name = f"applicationset.argoproj.io/{name_of(appset)}"
        if upsert:
            await session.client.apply(APPLICATION_SETS, appset, manager=MANAGER, force=True)
            print(f"{name} applied")
            continue
        try:
            await session.client.create(APPLICATION_SETS, appset)
        except Conflict as conflict:
            raise Conflict(f"{conflict.message}: --upsert alters it", reason=conflict.reason) from None
        print(f"{name} created")
    return 0


async def delete_set(session: Session, name: str, *, keep_applications: bool = False) -> int:
    appset = await find_set(session, name)
    propagation = "Orphan" if keep_applications else "Background"
    await session.client.delete(APPLICATION_SETS, namespace_of(appset), name, propagation=propagation)
    print(f"applicationset.argoproj.io/{name} deleted" + (" (its Applications stay)" if keep_applications else ""))
    return 0


async def find_set(session: Session, name: str) -> Obj:
    """The ApplicationSet. Raises NotFound saying where it was looked for."""
    return await look_up(session, APPLICATION_SETS, session.application_namespace, name, "shipway appset list -A")


def read_sets(file: Path, namespace: str) -> list[Obj]:
    """The ApplicationSets of a file, in `namespace` unless they name another. Raises InvalidInput saying what is wrong."""
    try:
        text = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}") from None
    found = [document for document in yaml.load_all(text) if document is not None]
    for document in found:
        kind = document.get("kind") if isinstance(document, dict) else type(document).__name__
        if kind != "ApplicationSet" or not name_of(document):
            raise InvalidInput(f"{file}: expected ApplicationSets with a name, found {kind}")
        parse_set(document)
    if not found:
        raise InvalidInput(f"{file}: there is no ApplicationSet in it")
    return [{**one, "metadata": {**metadata(one), "namespace": namespace_of(one) or namespace}} for one in found]


def columns_of(now: Instant) -> tuple[Column, ...]:
    """The columns of `appset list`."""
    return (
        Column("NAME", name_of),
        Column("APPLICATIONS", lambda one: str(status_of(one).get("resourcesCount") or len(_rows(one)))),
        Column("SYNCED", lambda one: _share(one, "Synced", "status")),
        Column("HEALTHY", lambda one: _share(one, "Healthy", "health", "status")),
        Column("STATUS", _state),
        Column("AGE", lambda one: age(one, now)),
    )


def overview(appset: Obj, now: Instant, paint: Paint = PLAIN) -> list[str]:
    """`appset get`: the facts, the conditions, every Application."""
    facts = [("Name", name_of(appset)), ("Namespace", namespace_of(appset)), ("Generators", _generators(appset))]
    facts += [("Policy", dig(appset, "spec", "syncPolicy", "applicationsSync", default="sync")), ("Age", age(appset, now))]
    lines = [f"{label + ':':<14}{value}" for label, value in facts]
    for one in status_of(appset).get("conditions") or []:
        is_bad = (one.get("status") == "True") == (one.get("type") == "ErrorOccurred")
        lines.append(f"{one.get('type', '') + ':':<24}{paint(one.get('message') or '', 'red' if is_bad else '')}")
    rows = [[row.get("name", ""), row.get("status", ""), dig(row, "health", "status", default="")] for row in _rows(appset)]
    return [*lines, *(["", *table(HEADINGS, rows, paint)] if rows else [])]


def _generators(appset: Obj) -> str:
    listed = dig(appset, "spec", "generators", default=[])
    return ", ".join(
        next(iter(sorted(key for key in one if key != "selector")), "?") for one in listed if isinstance(one, dict)
    )


def _state(appset: Obj) -> str:
    for kind, wanted in (("ErrorOccurred", "False"), ("ResourcesUpToDate", "True")):
        condition = condition_of(appset, kind)
        if condition and condition.get("status") != wanted:
            return condition.get("reason") or kind
    return "UpToDate" if condition_of(appset, "ResourcesUpToDate") else "Unknown"


def _share(appset: Obj, value: str, *path: str) -> str:
    rows = _rows(appset)
    return f"{sum(dig(row, *path, default='') == value for row in rows)}/{len(rows)}"


def _rows(appset: Obj) -> list[Obj]:
    return status_of(appset).get("resources") or []
