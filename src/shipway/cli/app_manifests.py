"""`shipway app manifests`: what the sources give, or what is live of it, as YAML for a pipe. Values of Secrets never appear."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from msgspec import Struct
from platformdirs import user_cache_path

from shipway.assembly.planning import manifests
from shipway.assembly.resource_tree import live_objects
from shipway.base.errors import InvalidInput
from shipway.cli.app import find_app
from shipway.cli.app_diff import Local, refuse_both
from shipway.cli.app_sync import SyncFlags, operation
from shipway.cli.diff_view import masked
from shipway.cli.output import Output, kubectl_name, listing, object_text, print_lines, without_managed_fields
from shipway.cli.process import configure_logs
from shipway.cli.session import Place, Session, at_destination, connected
from shipway.kube.objects.views import spec_of
from shipway.kube.objects.yaml import dump

From = Literal["git", "live"]
Format = Literal["yaml", "json", "name"]


class Wanted(Struct, frozen=True):
    """Which manifests: those of the source, of another revision of it or of a working copy, or those that are live."""

    source: From = "git"
    revision: str = ""
    local: Path | None = None


async def manifests_command(
    name: str,
    /,
    *,
    source: From = "git",
    revision: Annotated[str, Parameter(show_default=False)] = "",
    local: Local = None,
    output: Annotated[Format, Parameter(name=["--output", "-o"])] = "yaml",
    place: Place | None = None,
) -> int:
    """Print the manifests of the Application.

    Parameters
    ----------
    name
        The Application.
    source
        git (what a sync would apply) or live (what is there).
    revision
        Another branch, tag or commit than the one that it follows.
    output
        yaml (one document after the other), json or name.
    """
    configure_logs(quiet=True)
    async with connected(place) as session:
        wanted = Wanted(source, revision, local)
        return await show_manifests(session, name, wanted, output, user_cache_path("shipway") / "diff")


async def show_manifests(session: Session, name: str, wanted: Wanted, output: Output, cache: Path) -> int:
    application = await find_app(session, name)
    source, revision, local = wanted.source, wanted.revision, wanted.local
    if source == "live" and (revision or local):
        raise InvalidInput("what is live has no revision: leave out --revision and --local, or say --source git")
    refuse_both(revision, local)
    if revision and spec_of(application).get("sources"):
        raise InvalidInput(f"{name} has several sources: --revision cannot say which one it means")
    if source == "live":
        async with at_destination(session, application) as there:
            found = [one.obj for one in await live_objects(there, application)]
    else:
        asked = operation(application, SyncFlags(revision=revision, dry_run=True)) if revision else None
        found = list(await manifests(session.client, application, cache, operation=asked, local=local))
    shown = [masked(obj) for obj in found]
    if output == "name":
        print_lines([kubectl_name(obj) for obj in shown])
    elif output == "json":
        sys.stdout.write(object_text(listing(shown), output))
    else:
        sys.stdout.write("".join(f"---\n{dump(without_managed_fields(obj))}" for obj in shown))
    return 0
