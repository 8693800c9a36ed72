"""`shipway app diff`: what a sync would change, as the API server would carry it out. Nothing is written.

A module of its own, because it needs Git and the renderers, which take time to load. It keeps mirrors of its own: those of a
running `shipway run` belong to that process.
"""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from platformdirs import user_cache_path

from shipway.assembly.difference import difference
from shipway.base.errors import InvalidInput
from shipway.cli.app import find_app
from shipway.cli.diff_view import diff_lines, document
from shipway.cli.output import Output, OutputFlag, kubectl_name, object_text, paint_for, print_lines
from shipway.cli.process import configure_logs
from shipway.cli.session import Place, Session, connected

LOCAL = "A working copy of its repository: what lies there counts, committed or not, instead of what was pushed."
Local = Annotated[Path | None, Parameter(show_default=False, help=LOCAL)]


def refuse_both(revision: str, local: Path | None) -> None:
    """Raises InvalidInput for a revision of a working copy."""
    if revision and local:
        raise InvalidInput("a working copy is as it is: leave out --revision, or check the revision out and give --local alone")


async def diff_command(name: str, /, *, local: Local = None, output: OutputFlag = "table", place: Place | None = None) -> int:
    """Show what a sync would change, object by object. Exit code 0: nothing; 1: there is a difference.

    Parameters
    ----------
    name
        The Application.
    output
        table (unified diffs), json, yaml, or name of what differs.
    """
    configure_logs(quiet=True)
    async with connected(place) as session:
        return await show_diff(session, name, output, user_cache_path("shipway") / "diff", local)


async def show_diff(session: Session, name: str, output: Output, cache: Path, local: Path | None = None) -> int:
    """Prints the changes; 1 when there are any. Raises what the engine would report of the source."""
    changes = await difference(session.client, await find_app(session, name), cache, local=local)
    if output == "table":
        paint = paint_for(sys.stdout)
        print_lines([line for change in changes for line in (*diff_lines(change, paint), "")])
        if not changes:
            print(f"{name}: a sync would change nothing", file=sys.stderr)
    elif output == "name":
        print_lines([kubectl_name(change.desired or change.live or {}) for change in changes])
    else:
        sys.stdout.write(object_text(document(changes), output))
    return 1 if changes else 0
