"""`shipway app tree`: what an Application manages and what that brought forth, down to the pods, read when somebody looks.

Lines and documents are made in `app_tree_view`; a module of its own, since it may need the worker that runs a team's scripts.
"""

import sys
from typing import Annotated

from cyclopts import Parameter

from shipway.assembly.resource_tree import resource_tree
from shipway.cli.app import find_app
from shipway.cli.app_tree_view import document, names, only_troubled, tree_lines
from shipway.cli.output import Output, OutputFlag, object_text, paint_for, print_lines
from shipway.cli.process import configure_logs
from shipway.cli.session import Place, Session, at_destination, connected


async def tree_command(
    name: str,
    /,
    *,
    troubled: Annotated[bool, Parameter(negative="")] = False,
    output: OutputFlag = "table",
    place: Place | None = None,
) -> int:
    """Show the objects of the Application and what they brought forth, down to the pods.

    Parameters
    ----------
    name
        The Application.
    troubled
        Only what is not as it should be, and what it stands below.
    output
        table (a tree), json, yaml, or name of every object.
    """
    configure_logs(quiet=True)
    async with connected(place) as session:
        return await show_tree(session, name, output, troubled=troubled)


async def show_tree(session: Session, name: str, output: Output = "table", *, troubled: bool = False) -> int:
    application = await find_app(session, name)
    async with at_destination(session, application) as there:
        sight = await resource_tree(session.client, application, session.clock, there)
    tree = only_troubled(sight.tree) if troubled else sight.tree
    if output == "table":
        print_lines(tree_lines(application, tree, session.clock.now(), paint_for(sys.stdout)))
    elif output == "name":
        print_lines(names(tree))
    else:
        sys.stdout.write(object_text(document(application, tree), output))
    if sight.unseen:
        print(f"not shown, since you may not list them: {', '.join(sight.unseen)}", file=sys.stderr)
    return 0
