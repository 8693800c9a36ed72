"""`shipway rollout`: Rollouts. Verbs, names and output follow the kubectl plugin that users of Argo Rollouts know.

Commands here open a session and hand over to their core, which takes the session. What is shown is made in `rollouts/view`
and `rollout_tree`, what is done to a Rollout in `rollout_acts`, looking on while it changes in `rollout_watch`,
what would happen in `rollout_plan`, and how a Deployment becomes one in `rollout_migrate`.
"""

import sys
from dataclasses import dataclass
from typing import Annotated

from cyclopts import App, Parameter
from msgspec import Struct

from shipway.api.kinds import ANALYSIS_RUNS, ROLLOUTS
from shipway.base.clock import Instant
from shipway.base.errors import NotFound
from shipway.cli import rollout_tree
from shipway.cli.durations import Duration
from shipway.cli.output import (
    AllFlag,
    Output,
    OutputFlag,
    paint_for,
    print_lines,
    print_list,
    print_object,
    print_table,
)
from shipway.cli.rollout_acts import Done, act, read_images, refuse_referenced, undo
from shipway.cli.rollout_document import document_text
from shipway.cli.rollout_family import fetch
from shipway.cli.rollout_plan import plan_command, why_command
from shipway.cli.rollout_rehearse import rehearse_command
from shipway.cli.rollout_watch import watch_rollout, watch_status
from shipway.cli.session import Place, Session, connected
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of, namespace_of
from shipway.rollouts import actions
from shipway.rollouts.actions import Patches
from shipway.rollouts.view import Family, view_of
from shipway.rollouts.why import why

app = App(name="rollout", version_flags=(), help="Rollouts: how a new version takes over from the old one, step by step.")
setting = App(name="set", version_flags=(), help="Change a Rollout.")
app.command(setting)
app.command(plan_command, name="plan")
app.command(why_command, name="why")
app.command(rehearse_command, name="rehearse")
app.command(
    "shipway.cli.dashboard:rollouts_command",
    name="dashboard",
    help="Serve the page of Rollouts on this machine: look on live, promote, abort, retry, restart, undo, set images.",
)
app.command(
    "shipway.cli.rollout_migrate:migrate_command",
    name="migrate",
    help="Turn live Deployments into Rollouts without losing a request, or back. Exit code 1: it did not end well.",
)

SelectorFlag = Annotated[str, Parameter(name=["--selector", "-l"], show_default=False)]


@Parameter(name="*")
@dataclass(frozen=True)
class WatchFlags:
    """Looking on."""

    watch: Annotated[bool, Parameter(name=["--watch", "-w"], negative="")] = False
    "Draw it again with every change; in a pipe print one line for every change."
    timeout: Duration = 0.0
    "Stop watching after this long, in seconds or like 5m; 0 means never."


@Parameter(name="*")
@dataclass(frozen=True)
class StatusFlags:
    """Waiting for the end."""

    watch: Annotated[bool, Parameter(name=["--watch", "-w"])] = True
    "Wait until the Rollout is Healthy or Degraded."
    timeout: Annotated[Duration, Parameter(name=["--timeout", "-t"])] = 0.0
    "Give up after this long, in seconds or like 5m; 0 means never."


@app.command(name="list")
async def list_command(
    *, all_namespaces: AllFlag = False, selector: SelectorFlag = "", output: OutputFlag = "table", place: Place | None = None
) -> int:
    """List Rollouts with their phase, step and weight.

    Parameters
    ----------
    all_namespaces
        Look in all namespaces.
    selector
        Only Rollouts with these labels, like team=shop.
    output
        table, json, yaml or name.
    """
    async with connected(place) as session:
        return await list_rollouts(session, all_namespaces=all_namespaces, selector=selector, output=output)


@app.command(name="get")
async def get_command(
    name: str, /, *, flags: WatchFlags | None = None, output: OutputFlag = "table", place: Place | None = None
) -> int:
    """Show a Rollout as a tree: revisions, ReplicaSets, pods, analyses; and in one sentence what it waits for.

    Parameters
    ----------
    name
        The Rollout.
    output
        table, json (with --watch one document a line), yaml or name.
    """
    chosen = flags or WatchFlags()
    async with connected(place) as session:
        if chosen.watch:
            return await watch_rollout(session, name, output, chosen.timeout)
        return await show_rollout(session, name, output)


@app.command(name="status")
async def status_command(
    name: str, /, *, flags: StatusFlags | None = None, output: OutputFlag = "table", place: Place | None = None
) -> int:
    """Wait for the end of an update. Exit code 0: Healthy; 1: Degraded, or still not there after --timeout.

    Parameters
    ----------
    name
        The Rollout.
    output
        table (phases as they come), or json, yaml, name of the last state.
    """
    chosen = flags or StatusFlags()
    async with connected(place) as session:
        if chosen.watch:
            return await watch_status(session, name, output, chosen.timeout)
        return await show_status(session, name, output)


@app.command(name="promote")
async def promote_command(
    name: str, /, *, full: Annotated[bool, Parameter(negative="")] = False, output: OutputFlag = "table",
    place: Place | None = None,
) -> int:  # fmt: skip
    """Resume a paused Rollout; one that is not paused goes on to its next step.

    Parameters
    ----------
    name
        The Rollout.
    full
        Skip what is left of steps, pauses and analyses.
    output
        table, json, yaml or name.
    """
    patches_for = actions.promote_full if full else actions.promote
    words = Words("fully promoted" if full else "promoted", "has nothing to promote: it is fully on its newest revision")
    async with connected(place) as session:
        return answer(await act(session, name, patches_for), words, output)


@app.command(name="abort")
async def abort_command(name: str, /, *, output: OutputFlag = "table", place: Place | None = None) -> int:
    """Abort an update: all traffic goes back to the stable version at once.

    Parameters
    ----------
    name
        The Rollout.
    output
        table, json, yaml or name.
    """
    words = Words("aborted", "has nothing to abort: it is not updating, or was aborted already")
    async with connected(place) as session:
        return answer(await act(session, name, actions.abort), words, output)


@app.command(name="retry")
async def retry_command(name: str, /, *, output: OutputFlag = "table", place: Place | None = None) -> int:
    """Begin an aborted update again at its first step.

    Parameters
    ----------
    name
        The Rollout.
    output
        table, json, yaml or name.
    """
    async with connected(place) as session:
        done = await act(session, name, actions.retry)
        return answer(done, Words("retried", "has nothing to retry: it was not aborted"), output)


@app.command(name="pause")
async def pause_command(name: str, /, *, output: OutputFlag = "table", place: Place | None = None) -> int:
    """Stop an update where it is, until it is promoted.

    Parameters
    ----------
    name
        The Rollout.
    output
        table, json, yaml or name.
    """
    async with connected(place) as session:
        return answer(await act(session, name, actions.pause), Words("paused", "is paused already"), output)


@app.command(name="restart")
async def restart_command(
    name: str, /, *, after: Annotated[Duration, Parameter(name=["--in", "-i"])] = 0.0, output: OutputFlag = "table",
    place: Place | None = None,
) -> int:  # fmt: skip
    """Replace every pod, one after the other, without an update.

    Parameters
    ----------
    name
        The Rollout.
    after
        Wait this long before, in seconds or like 5m.
    output
        table, json, yaml or name.
    """
    async with connected(place) as session:
        at = Instant(session.clock.now() + after)
        done = await act(session, name, lambda _: actions.restart(at))
        return answer(done, Words(f"restarts in {after:g}s" if after else "restarts"), output)


@app.command(name="undo")
async def undo_command(name: str, /, *, to_revision: int = 0, output: OutputFlag = "table", place: Place | None = None) -> int:
    """Go back to the pods of an earlier revision, by the steps of an update. What Git says stays as it is.

    Parameters
    ----------
    name
        The Rollout.
    to_revision
        The revision to go back to; 0 means the one before the present one.
    output
        table, json, yaml or name.
    """
    async with connected(place) as session:
        done = await undo(session, name, to_revision)
        return answer(done, Words("rolled back", "has that template already"), output)


@setting.command(name="image")
@app.command(name="set-image")
async def set_image_command(name: str, /, *images: str, output: OutputFlag = "table", place: Place | None = None) -> int:
    """Set images of containers, which begins an update.

    Parameters
    ----------
    name
        The Rollout.
    images
        container=image, as often as needed; *=image sets all containers.
    output
        table, json, yaml or name.
    """
    wanted = read_images(images)

    def patches_for(rollout: Obj) -> Patches:
        refuse_referenced(rollout, "set image")
        return actions.set_images(rollout, wanted)

    async with connected(place) as session:
        return answer(await act(session, name, patches_for), Words("image updated"), output)


@app.command(name="terminate")
async def terminate_command(name: str, /, *, output: OutputFlag = "table", place: Place | None = None) -> int:
    """End an AnalysisRun with what it has measured so far.

    Parameters
    ----------
    name
        The AnalysisRun.
    output
        table, json, yaml or name.
    """
    async with connected(place) as session:
        return await terminate_run(session, name, output)


async def list_rollouts(session: Session, *, all_namespaces: bool = False, selector: str = "", output: Output = "table") -> int:
    namespace = "" if all_namespaces else session.workload_namespace
    found = (await session.client.list(ROLLOUTS, namespace, label_selector=selector)).items
    where = f" in namespace {namespace}: try -A or -n" if namespace else ""
    if output != "table" or not found:
        print_list(found, (), output, empty=f"no Rollouts found{where}")
        return 0
    now = session.clock.now()
    rows = [rollout_tree.list_row(view_of(Family(rollout)), now) for rollout in found]
    if all_namespaces:
        rows = [[namespace_of(rollout), *row] for rollout, row in zip(found, rows, strict=True)]
    print_table(("NAMESPACE", *rollout_tree.LIST_HEADINGS) if all_namespaces else rollout_tree.LIST_HEADINGS, rows)
    return 0


async def show_rollout(session: Session, name: str, output: Output = "table") -> int:
    family, now = await fetch(session, name), session.clock.now()
    if output == "table":
        sentence = why(family.rollout, family.runs, now)
        print_lines(rollout_tree.overview(view_of(family), sentence, now, paint_for(sys.stdout)))
    else:
        sys.stdout.write(document_text(family, now, output))
    return 0


async def show_status(session: Session, name: str, output: Output = "table") -> int:
    """The phase now; 1 when it is Degraded."""
    family = await fetch(session, name)
    view = view_of(family)
    if output == "table":
        print(rollout_tree.phase_line(view))
    else:
        await show_rollout(session, name, output)
    return 1 if view.phase == "Degraded" else 0


async def terminate_run(session: Session, name: str, output: Output = "table") -> int:
    namespace = session.workload_namespace
    try:
        run = await session.client.patch(ANALYSIS_RUNS, namespace, name, {"spec": {"terminate": True}})
    except NotFound as error:
        raise NotFound(f"AnalysisRun {name} not found in namespace {namespace}", reason=error.reason) from None
    if output == "table":
        print(f"analysisrun '{name}' terminated")
    else:
        print_object(run, output)
    return 0


class Words(Struct, frozen=True):
    """What is said after an act: when it was done, and when there was nothing to do."""

    done: str
    nothing: str = "is so already"


def answer(done: Done, words: Words, output: Output) -> int:
    if output == "table":
        print(f"rollout '{name_of(done.rollout)}' {words.done if done.changed else words.nothing}")
    else:
        print_object(done.rollout, output)
    return 0
