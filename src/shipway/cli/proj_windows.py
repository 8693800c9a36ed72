"""`shipway proj windows`: when the Applications of a project may be synced."""

from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import App, Parameter

from shipway.cli import proj_rules, proj_view
from shipway.cli.output import Output, OutputFlag
from shipway.cli.proj import change, find_project
from shipway.cli.session import Place, Session, connected
from shipway.kube.objects.resource import Obj

app = App(name="windows", version_flags=(), help="Sync windows: when the project's Applications may be synced.")
Text = Annotated[str, Parameter(show_default=False)]


@Parameter(name="*")
@dataclass(frozen=True)
class WindowFlags:
    """One window. The names are those of `argocd proj windows add`."""

    kind: Annotated[Literal["allow", "deny"], Parameter(name=["--kind", "-k"])]
    "Whether syncs are allowed or denied while it lasts."
    schedule: str
    "When it begins, in cron's format."
    duration: str
    "How long it lasts, like 1h."
    applications: Text = ""
    "Applications that it is for, with commas, wildcards allowed."
    namespaces: Text = ""
    "Namespaces that it is for."
    clusters: Text = ""
    "Clusters that it is for."
    manual_sync: Annotated[bool, Parameter(negative="")] = False
    "People may sync all the same."
    sync_overrun: Annotated[bool, Parameter(negative="")] = False
    "A sync that has begun may come to its end."
    use_and_operator: Annotated[bool, Parameter(negative="")] = False
    "It is for what fits all of the lists, not any."
    time_zone: Text = ""
    "The time zone of the schedule; UTC otherwise."
    description: Text = ""
    "Why it is there."


@app.command(name="list")
async def list_command(project: str, /, *, output: OutputFlag = "table", place: Place | None = None) -> int:
    """List the sync windows of a project, whether they are active, and when that changes.

    Parameters
    ----------
    project
        The project.
    output
        table, json, yaml or name.
    """
    async with connected(place) as session:
        return await list_windows(session, project, output)


@app.command(name="add")
async def add_command(project: str, /, *, window: WindowFlags, place: Place | None = None) -> int:
    """Add a sync window to a project.

    Parameters
    ----------
    project
        The project.
    """
    async with connected(place) as session:
        return await change(session, project, proj_rules.with_window(window_of(window)))


@app.command(name="delete")
async def delete_command(project: str, number: int, /, *, place: Place | None = None) -> int:
    """Delete a sync window of a project.

    Parameters
    ----------
    project
        The project.
    number
        Its ID, as `shipway proj windows list` counts them.
    """
    async with connected(place) as session:
        return await change(session, project, proj_rules.without_window(number))


async def list_windows(session: Session, name: str, output: Output = "table") -> int:
    project, now = await find_project(session, name), session.clock.now()
    rows, items = proj_view.window_rows(project, now), proj_view.window_document(project, now)
    proj_view.print_part(proj_view.WINDOW_HEADINGS, rows, "ProjectWindows", items, output)
    return 0


def window_of(flags: WindowFlags) -> Obj:
    """The window as it is written in the project."""
    fields: Obj = {
        "kind": flags.kind,
        "schedule": flags.schedule,
        "duration": flags.duration,
        "applications": _list(flags.applications),
        "namespaces": _list(flags.namespaces),
        "clusters": _list(flags.clusters),
        "manualSync": flags.manual_sync,
        "syncOverrun": flags.sync_overrun,
        "andOperator": flags.use_and_operator,
        "timeZone": flags.time_zone,
        "description": flags.description,
    }
    return {key: value for key, value in fields.items() if value}


def _list(written: str) -> list[str]:
    return [part.strip() for part in written.split(",") if part.strip()]
