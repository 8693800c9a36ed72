"""`shipway appset preview`: what a set, or a change of it, would create, alter and delete. Nothing is written.

A module of its own, because it needs Git and the templates, which take time to load. It keeps mirrors of its own: those of a
running `shipway run` belong to that process.
"""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from platformdirs import user_cache_path

from shipway.assembly.appset_preview import Preview, preview
from shipway.base.errors import InvalidInput
from shipway.cli.appset import find_set, read_sets
from shipway.cli.diff_view import HEADINGS, diff_lines, document
from shipway.cli.output import Output, OutputFlag, kubectl_name, object_text, paint_for, print_lines
from shipway.cli.process import configure_logs
from shipway.cli.session import ARGOCD, Place, Session, connected
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of

SAID = {**HEADINGS, "prune": "would be deleted"}


async def preview_command(
    name: Annotated[str, Parameter(show_default=False)] = "",
    /,
    *,
    filename: Annotated[Path | None, Parameter(name=["--filename", "-f"])] = None,
    output: OutputFlag = "table",
    place: Place | None = None,
) -> int:
    """Show which Applications would be created, altered and deleted.

    Parameters
    ----------
    name
        The ApplicationSet; with a file only the one of that name in it.
    filename
        Sets as they would be applied; - reads standard input.
    output
        table (unified diffs), json, yaml, or name of what changes.
    """
    configure_logs(quiet=True)
    async with connected(place) as session:
        return await show_preview(session, await _asked(session, name, filename), output, user_cache_path("shipway") / "diff")


async def show_preview(session: Session, appsets: list[Obj], output: Output, cache: Path) -> int:
    """Prints the changes of all sets; 2 when something is wrong with one, 1 when there are changes."""
    namespace = session.asked_namespace or ARGOCD
    found = [await preview(session.client, appset, cache, namespace) for appset in appsets]
    changes = [change for one in found for change in one.changes]
    if output == "table":
        paint = paint_for(sys.stdout)
        print_lines([line for change in changes for line in (*diff_lines(change, paint, SAID), "")])
        print(_summary(found), file=sys.stderr)
    elif output == "name":
        print_lines([kubectl_name(change.desired or change.live or {}) for change in changes])
    else:
        sys.stdout.write(object_text({**document(changes), "kind": "ApplicationSetPreview"}, output))
    problems = [problem for one in found for problem in one.problems]
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 2 if problems else 1 if changes else 0


async def _asked(session: Session, name: str, file: Path | None) -> list[Obj]:
    if file is None:
        if not name:
            raise InvalidInput("name an ApplicationSet, or give a file with -f")
        return [await find_set(session, name)]
    found = read_sets(file, session.application_namespace)
    picked = [one for one in found if not name or name_of(one) == name]
    if not picked:
        raise InvalidInput(f"{file}: there is no ApplicationSet {name} in it")
    return picked


def _summary(found: list[Preview]) -> str:
    changes = [change for one in found for change in one.changes]
    created = sum(change.live is None for change in changes)
    deleted = sum(change.desired is None for change in changes)
    return f"{created} to create, {len(changes) - created - deleted} to alter, {deleted} to delete"
