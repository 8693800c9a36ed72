"""`shipway app`: Applications. Everything goes through the Kubernetes API, so kubectl's credentials are all it needs.

Commands here open a session and hand over to their core (`list_apps`, `show_app` …), which takes the session. What is
printed is made in `app_view`; syncing lives in `app_sync`, the diff, which needs Git and the renderers, in `app_diff`.
"""

import sys
from contextlib import suppress
from typing import Annotated

from cyclopts import App, Parameter

from shipway.api.application import control_namespace_of
from shipway.api.kinds import ANALYSIS_RUNS, APP_PROJECTS, APPLICATIONS, REPLICA_SETS, ROLLOUTS
from shipway.assembly.neighbours import application_controllers
from shipway.base.errors import Denied, InvalidInput, NotFound, Unavailable
from shipway.cli import app_sync, app_view
from shipway.cli.app_sync import SyncFlags
from shipway.cli.output import (
    AllFlag,
    Output,
    OutputFlag,
    object_text,
    paint_for,
    print_found,
    print_lines,
    print_object,
    print_table,
)
from shipway.cli.session import Place, Session, at_destination, connected, look_up
from shipway.gitops.why import why
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of, spec_of, status_of
from shipway.kube.runtime.waiting import TookTooLong
from shipway.rollouts.view import owned_by

app = App(name="app", version_flags=(), help="Applications: what should be live, and whether it is.")
ACTS = {
    "create": ("app_create", "Create one, from flags or a file."),
    "diff": ("app_diff", "Show what a sync would change, object by object. Exit code 0: nothing; 1: there is a difference."),
    "plan": ("app_plan", "Show what a sync would do, by phase and wave. Exit code 0: nothing; 1: it would change something."),
    "manifests": ("app_manifests", "Print its manifests: what Git gives, or what is live."),
    "explain": ("app_explain", "Show which file a value of its chart comes from."),
    "rollback": ("app_rollback", "Go back to an earlier deployment and stay there, also with automated sync."),
    "resume": ("app_rollback", "Lift a hold: what Git says counts again."),
    "why": ("app_acts", "Say in one sentence why it is as it is, and what to do."),
    "audit": ("app_audit", "Show who did what to it, when and why; --verify: whether anybody changed that record."),
    "wait": ("app_acts", "Wait until it is Synced and Healthy. Exit code 1: it took too long."),
    "terminate": ("app_acts", "Stop the operation under way; what it applied stays."),
    "tree": ("app_tree", "Show its objects and what they brought forth, down to the pods."),
    "logs": ("app_logs", "Print the logs of its pods."),
    "resources": ("app_acts", "List the objects that it manages."),
    "orphans": ("app_orphans", "List what lies in its namespace and belongs to no Application; adopt, ignore or delete it."),
    "takeover": ("app_takeover", "Take it over from a running Argo CD. Nothing restarts."),
    "handback": ("app_takeover", "Give it back to Argo CD."),
    "set": ("app_set", "Change it: another revision, parameters, images, the sync policy."),
    "delete": ("app_acts", "Delete it, and what it manages unless told otherwise."),
}
app.command("shipway.cli.app_actions:app", name="actions", help="What can be done to its objects: restart, scale and others.")
app.command(
    "shipway.cli.dashboard:applications_command",
    name="dashboard",
    help="Serve the page of Applications on this machine: what is live where and why, sync, refresh, go back.",
)
for _name, (_module, _help) in ACTS.items():
    app.command(f"shipway.cli.{_module}:{_name}_command", name=_name, help=_help)

SelectorFlag = Annotated[str, Parameter(name=["--selector", "-l"], show_default=False)]


@app.command(name="list")
async def list_command(
    *, all_namespaces: AllFlag = False, selector: SelectorFlag = "", output: OutputFlag = "table", place: Place | None = None
) -> int:
    """List Applications with their sync and health states.

    Parameters
    ----------
    all_namespaces
        Look in all namespaces.
    selector
        Only Applications with these labels, like team=shop.
    output
        table, json, yaml or name.
    """
    async with connected(place) as session:
        return await list_apps(session, all_namespaces=all_namespaces, selector=selector, output=output)


@app.command(name="get")
async def get_command(name: str, /, *, output: OutputFlag = "table", place: Place | None = None) -> int:
    """Show one Application: its state, its objects, and in one sentence why it is as it is.

    Parameters
    ----------
    name
        The Application.
    output
        table, json, yaml or name.
    """
    async with connected(place) as session:
        return await show_app(session, name, output)


@app.command(name="sync")
async def sync_command(
    name: str, /, *, flags: SyncFlags | None = None, output: OutputFlag = "table", place: Place | None = None
) -> int:
    """Make the cluster what Git says, now. Exit code 1: the sync failed or did not end in time.

    Parameters
    ----------
    name
        The Application.
    output
        table, json, yaml or name.
    """
    async with connected(place) as session:
        return await sync_app(session, name, flags or SyncFlags(), output)


@app.command(name="history")
async def history_command(name: str, /, *, output: OutputFlag = "table", place: Place | None = None) -> int:
    """Show what was deployed when and by whom, newest last.

    Parameters
    ----------
    name
        The Application.
    output
        table, json or yaml.
    """
    async with connected(place) as session:
        return await show_history(session, name, output)


async def list_apps(session: Session, *, all_namespaces: bool = False, selector: str = "", output: Output = "table") -> int:
    namespace = "" if all_namespaces else session.application_namespace
    found = await session.client.list(APPLICATIONS, namespace, label_selector=selector)
    print_found(found.items, app_view.columns(session.clock.now()), output, what="Applications", namespace=namespace)
    return 0


async def show_app(session: Session, name: str, output: Output = "table") -> int:
    application = await find_app(session, name)
    if output != "table":
        print_object(application, output)
        return 0
    sentence = why(application, await children_of(session, application), session.clock.now())
    print_lines(app_view.overview(application, sentence, session.clock.now(), paint_for(sys.stdout)))
    return 0


async def sync_app(session: Session, name: str, flags: SyncFlags, output: Output = "table") -> int:
    asked = await app_sync.request(session, await find_app(session, name), flags)
    if not flags.wait:
        print_object(asked, "name" if output == "table" else output)
        return 0
    print(f"syncing {name} ...", file=sys.stderr)
    return await wait_for_sync(session, asked, flags.timeout, output)


async def wait_for_sync(session: Session, asked: Obj, seconds: float, output: Output = "table") -> int:
    """Waits for the end of the operation in `asked`, telling its progress, and prints the result; 1 when it is late."""
    try:
        done = await app_sync.ended(session, asked, seconds, lambda message: print(message, file=sys.stderr))
    except TookTooLong:
        late = await find_app(session, name_of(asked))
        state = status_of(late).get("operationState") or {}
        waiting = (
            state.get("message") if app_sync.is_taken_up(late, asked) else "nobody has taken it up: is `shipway run` running?"
        )
        print(f"the sync of {name_of(asked)} has not ended after {seconds:g} s: {waiting}", file=sys.stderr)
        return 1
    return print_result(done, output)


async def show_history(session: Session, name: str, output: Output = "table") -> int:
    application = await find_app(session, name)
    if output == "table":
        print_table(app_view.HISTORY_HEADINGS, app_view.history_rows(application, session.clock.now()))
    elif output == "name":
        print_object(application, output)
    else:
        entries = status_of(application).get("history") or []
        document = {"apiVersion": "shipway.dev/v1alpha1", "kind": "ApplicationHistory", "items": entries}
        sys.stdout.write(object_text(document, output))
    return 0


def print_result(application: Obj, output: Output) -> int:
    """What became of the last operation; 0 when it succeeded."""
    state = status_of(application).get("operationState") or {}
    if output != "table":
        print_object(application, output)
    else:
        if rows := app_view.result_rows(application):
            print_table(app_view.RESULT_HEADINGS, rows)
        print(f"{state.get('phase')}: {state.get('message') or ''}".rstrip(": "))
    return 0 if state.get("phase") == "Succeeded" else 1


async def find_app(session: Session, name: str) -> Obj:
    """The Application. Raises NotFound saying where it was looked for."""
    return await look_up(session, APPLICATIONS, session.application_namespace, name, "shipway app list -A")


async def children_of(session: Session, application: Obj) -> tuple[Obj, ...]:
    """Its AppProject, the controllers of an Argo CD, and the live Rollouts among its objects with their ReplicaSets and
    analyses: they know why it waits, and for whom."""
    found = [*await _project_of(session, application), *await application_controllers(session.client)]
    rollouts = [row for row in status_of(application).get("resources") or [] if row.get("kind") == "Rollout"]
    if rollouts:
        with suppress(InvalidInput, Denied, Unavailable):  # without them the sentence says nothing of what they wait for
            async with at_destination(session, application) as there:
                for row in rollouts:
                    found += await _rollout_with_children(there, row.get("namespace") or "", row.get("name") or "")
    return tuple(found)


async def _project_of(session: Session, application: Obj) -> list[Obj]:
    namespace = control_namespace_of(application)
    try:
        return [await session.client.get(APP_PROJECTS, namespace, spec_of(application).get("project") or "default")]
    except (NotFound, Denied):
        return []  # without it the sentence says nothing of sync windows


async def _rollout_with_children(there: Client, namespace: str, name: str) -> list[Obj]:
    try:
        rollout = await there.get(ROLLOUTS, namespace, name)
    except NotFound:
        return []
    owned = [rollout]
    for kind in (REPLICA_SETS, ANALYSIS_RUNS):
        owned += owned_by(rollout, (await there.list(kind, namespace)).items)
    return owned
