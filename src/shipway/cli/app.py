"""`shipway app`: Applications. Everything goes through the Kubernetes API, so kubectl's credentials are all it needs."""

import difflib
import sys
from typing import Annotated

from cyclopts import App, Parameter

from shipway.api.kinds import APPLICATIONS
from shipway.assembly import difference
from shipway.base.clock import SystemClock, parse_rfc3339
from shipway.base.durations import format_age
from shipway.base.errors import InvalidInput, NotYet
from shipway.cli.output import Column, Output, paint, print_list, print_object, print_table
from shipway.cli.session import Cluster, Session, connected
from shipway.gitops.why import why_of_application
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, metadata, name_of, namespace_of, status_of
from shipway.kube.objects.yaml import dump
from shipway.kube.runtime.waiting import One, wait_until

app = App(name="app", help="Applications: what should be live, and whether it is.")

ARGOCD = "argocd"
ENDED = ("Succeeded", "Failed", "Error")
OutputFlag = Annotated[Output, Parameter(name=["--output", "-o"])]
AllFlag = Annotated[bool, Parameter(name=["--all-namespaces", "-A"], negative="")]

COLUMNS = (
    Column("NAME", name_of),
    Column("PROJECT", lambda obj: dig(obj, "spec", "project", default="default")),
    Column("SYNC", lambda obj: dig(obj, "status", "sync", "status", default="Unknown")),
    Column("HEALTH", lambda obj: dig(obj, "status", "health", "status", default="Unknown")),
    Column("REVISION", lambda obj: short(dig(obj, "status", "sync", "revision", default=""))),
    Column("TARGET", lambda obj: dig(obj, "spec", "source", "targetRevision", default="HEAD")),
    Column("PATH", lambda obj: dig(obj, "spec", "source", "path", default="") or dig(obj, "spec", "source", "chart", default="")),
    Column("AGE", lambda obj: age_of(metadata(obj).get("creationTimestamp") or "")),
)


@app.command(name="list")
async def list_applications(
    *, cluster: Cluster | None = None, all_namespaces: AllFlag = False, output: OutputFlag = "table"
) -> int:
    """List Applications."""
    async with connected(cluster) as session:
        listing = await session.client.list(APPLICATIONS, "" if all_namespaces else _namespace(session))
    columns = (Column("NAMESPACE", namespace_of), *COLUMNS) if all_namespaces else COLUMNS
    print_list(listing.items, columns, output, empty="no Applications found")
    return 0


@app.command
async def get(name: str, *, cluster: Cluster | None = None, output: OutputFlag = "table") -> int:
    """Show one Application: its state, its objects, and in one sentence why it is not live.

    Parameters
    ----------
    name
        The Application.
    """
    async with connected(cluster) as session:
        application = await session.client.get(APPLICATIONS, _namespace(session), name)
        if output != "table":
            print_object(application, output)
            return 0
        rollouts = await _rollouts_of(session.client, application)
    _print_application(application)
    print(f"\n{why_of_application(application, rollouts)}")
    return 0


@app.command
async def sync(
    name: str,
    *,
    cluster: Cluster | None = None,
    revision: str = "",
    prune: bool = False,
    dry_run: bool = False,
    wait: bool = True,
    timeout: int = 300,
) -> int:
    """Make the cluster what Git says, now.

    Parameters
    ----------
    name
        The Application.
    revision
        A branch, tag or commit; the Application's own target revision otherwise.
    prune
        Delete objects that Git no longer has.
    dry_run
        Ask the API server what would happen, write nothing.
    wait
        Wait for the end and print the result of every object.
    timeout
        Seconds to wait.
    """
    async with connected(cluster) as session:
        namespace = _namespace(session)
        application = await session.client.get(APPLICATIONS, namespace, name)
        if application.get("operation"):
            raise NotYet(f"another operation of {name} is under way: wait for it, or terminate it", reason="OperationInProgress")
        wanted = {"prune": prune, "dryRun": dry_run, **({"revision": revision} if revision else {})}
        operation = {"sync": wanted, "initiatedBy": {"username": "shipway-cli"}}
        version = metadata(application)["resourceVersion"]
        body = {"metadata": {"resourceVersion": version}, "operation": operation}
        asked = await session.client.patch(APPLICATIONS, namespace, name, body)
        if not wait:
            return 0
        print(f"syncing {name} ...", file=sys.stderr)
        done = await wait_until(session.client, One(APPLICATIONS, namespace, name), _ended_since(asked), seconds=timeout)
    return _print_result(done or {})


@app.command
async def diff(name: str, *, cluster: Cluster | None = None) -> int:
    """Show what a sync would change, as the API server would carry it out. Exit code 1: there is a difference.

    Parameters
    ----------
    name
        The Application.
    """
    async with connected(cluster) as session:
        application = await session.client.get(APPLICATIONS, _namespace(session), name)
        changes = await difference(session.client, application)
    for change in changes:
        before = dump(change.live).splitlines() if change.live else []
        after = dump(change.desired).splitlines() if change.desired else []
        for line in difflib.unified_diff(before, after, f"live {change.ref}", f"desired {change.ref}", lineterm=""):
            print(paint(line, {"+": "green", "-": "red", "@": "blue"}.get(line[:1], "")))
    return 1 if changes else 0


@app.command
async def history(name: str, *, cluster: Cluster | None = None) -> int:
    """Show what was deployed when, newest last.

    Parameters
    ----------
    name
        The Application.
    """
    async with connected(cluster) as session:
        application = await session.client.get(APPLICATIONS, _namespace(session), name)
    entries = status_of(application).get("history") or []
    rows = [
        [
            str(entry.get("id", "")),
            entry.get("deployedAt") or "",
            short(entry.get("revision") or ""),
            dig(entry, "initiatedBy", "username", default="automated"),
        ]
        for entry in entries
    ]
    print_table(["ID", "DEPLOYED AT", "REVISION", "BY"], rows)
    return 0


def short(revision: str) -> str:
    """The first seven letters of a commit; anything else as it is."""
    return revision[:7] if len(revision) == 40 else revision


def age_of(timestamp: str) -> str:
    return format_age(SystemClock().now() - parse_rfc3339(timestamp)) if timestamp else ""


def _namespace(session: Session) -> str:
    return session.namespace if session.namespace not in ("", "default") else ARGOCD


async def _rollouts_of(client: Client, application: Obj) -> tuple[Obj, ...]:
    """The live Rollouts among the Application's objects: they know why a version is not live."""
    from shipway.api.kinds import ROLLOUTS

    named = [row for row in status_of(application).get("resources") or [] if row.get("kind") == "Rollout"]
    return tuple([await client.get(ROLLOUTS, row.get("namespace") or "", row["name"]) for row in named])


def _print_application(application: Obj) -> None:
    status = status_of(application)
    facts = [
        ("Name", f"{namespace_of(application)}/{name_of(application)}"),
        ("Source", f"{dig(application, 'spec', 'source', 'repoURL', default='')} {dig(application, 'spec', 'source', 'path', default='')}"),
        ("Destination", dig(application, "spec", "destination", "namespace", default="")),
        ("Sync", f"{dig(status, 'sync', 'status', default='Unknown')} {short(dig(status, 'sync', 'revision', default=''))}"),
        ("Health", f"{dig(status, 'health', 'status', default='Unknown')} {dig(status, 'health', 'message', default='')}"),
        ("Operation", f"{dig(status, 'operationState', 'phase', default='-')} {dig(status, 'operationState', 'message', default='')}"),
    ]
    for label, value in facts:
        print(f"{label + ':':<14}{value.strip()}")
    for condition in status.get("conditions") or []:
        print(f"{condition['type'] + ':':<14} {condition.get('message') or ''}")
    rows = [
        [
            row.get("group") or "",
            row["kind"],
            row.get("namespace") or "",
            row["name"],
            row.get("status") or "",
            dig(row, "health", "status", default=""),
        ]
        for row in status.get("resources") or []
    ]
    if rows:
        print()
        print_table(["GROUP", "KIND", "NAMESPACE", "NAME", "SYNC", "HEALTH"], rows)


def _ended_since(asked: Obj):
    """Whether the operation that was just asked for has ended."""
    before = dig(asked, "status", "operationState", "startedAt", default="")
    wanted = asked.get("operation")

    def is_so(application: Obj | None) -> bool:
        if application is None:
            raise InvalidInput("the Application was deleted meanwhile")
        state = status_of(application).get("operationState") or {}
        is_ours = dig(state, "operation", "sync", default=None) == (wanted or {}).get("sync") or state.get("startedAt") != before
        return not application.get("operation") and is_ours and state.get("phase") in ENDED

    return is_so


def _print_result(application: Obj) -> int:
    state = status_of(application).get("operationState") or {}
    rows = [
        [row.get("kind") or "", row.get("namespace") or "", row.get("name") or "", row.get("status") or "", row.get("message") or ""]
        for row in dig(state, "syncResult", "resources", default=[])
    ]
    if rows:
        print_table(["KIND", "NAMESPACE", "NAME", "RESULT", "MESSAGE"], rows)
    print(f"{state.get('phase')}: {state.get('message') or ''}")
    return 0 if state.get("phase") == "Succeeded" else 1
