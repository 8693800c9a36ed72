"""`shipway app why|wait|terminate|resources|delete`: small acts on one Application, each one look or one write.

They write what Argo CD's clients write, so that either engine understands: a phase to terminate, the cascade's finalizer.
"""

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Parameter

from shipway.api.kinds import APPLICATIONS
from shipway.base.errors import NotYet
from shipway.cli import app_view
from shipway.cli.app import children_of, find_app
from shipway.cli.app_audit import latest_entry
from shipway.cli.durations import Duration
from shipway.cli.output import Output, OutputFlag, object_text, print_table
from shipway.cli.reasons import ReasonFlag, check_reason, told
from shipway.cli.session import Place, Session, connected
from shipway.gitops.annotations import RESOURCES_FINALIZER, UNRECORDED
from shipway.gitops.deployed import latest_deployment
from shipway.gitops.why import why
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, dig, metadata, name_of, namespace_of, resource_version_of, status_of
from shipway.kube.runtime.waiting import One, TookTooLong, wait_until

Cascade = Literal["background", "foreground", "none"]
RECORDING = 2.0
"""Seconds that a deletion waits for the ledger."""


@Parameter(name="*")
@dataclass(frozen=True)
class WaitFlags:
    """What to wait for; without any: Synced, Healthy and no operation under way."""

    sync: Annotated[bool, Parameter(negative="")] = False
    "Until it is Synced."
    health: Annotated[bool, Parameter(negative="")] = False
    "Until it is Healthy."
    operation: Annotated[bool, Parameter(negative="")] = False
    "Until no operation is under way."
    timeout: Duration = 300.0
    "How long to wait, in seconds or like 5m."


async def why_command(name: str, /, *, place: Place | None = None) -> int:
    """Say in one sentence why the Application is as it is, and what to do; and in a line who deployed what last, and why."""
    async with connected(place) as session:
        return await say_why(session, name)


async def wait_command(name: str, /, *, flags: WaitFlags | None = None, place: Place | None = None) -> int:
    """Wait until the Application is Synced and Healthy. Exit code 1: it took too long."""
    async with connected(place) as session:
        return await wait_for(session, name, flags or WaitFlags())


async def terminate_command(name: str, /, *, reason: ReasonFlag = "", place: Place | None = None) -> int:
    """Stop the operation under way; what it applied stays.

    Parameters
    ----------
    name
        The Application.
    reason
        Why; it is kept in the ledger.
    """
    async with connected(place) as session:
        return await terminate(session, name, reason)


async def resources_command(name: str, /, *, output: OutputFlag = "table", place: Place | None = None) -> int:
    """List the objects that the Application manages."""
    async with connected(place) as session:
        return await show_resources(session, name, output)


async def delete_command(
    name: str, /, *, cascade: Cascade = "foreground", reason: ReasonFlag = "", place: Place | None = None
) -> int:
    """Delete the Application, and what it manages unless told otherwise.

    Parameters
    ----------
    name
        The Application.
    cascade
        foreground (each object waits for its dependents), background, or none (the objects stay).
    reason
        Why; it is kept in the ledger.
    """
    async with connected(place) as session:
        return await delete(session, name, cascade, reason)


async def say_why(session: Session, name: str) -> int:
    application = await find_app(session, name)
    now = session.clock.now()
    print(why(application, await children_of(session, application), now))
    if line := latest_deployment(application, await latest_entry(session, application), now):
        print(line)
    return 0


async def wait_for(session: Session, name: str, flags: WaitFlags) -> int:
    """0 once all that was asked for holds at the same time."""
    application = await find_app(session, name)
    holds = _condition(flags)
    one = One(APPLICATIONS, namespace_of(application), name)
    try:
        found = await wait_until(session.client, one, lambda app: app is None or holds(app), seconds=flags.timeout)
    except TookTooLong:
        late = await find_app(session, name)
        print(why(late, await children_of(session, late), session.clock.now()), file=sys.stderr)
        return 1
    if found is None:
        print(f"{name} was deleted", file=sys.stderr)
        return 1
    print(f"{name} is {dig(found, 'status', 'sync', 'status')} and {dig(found, 'status', 'health', 'status')}")
    return 0


def _condition(flags: WaitFlags) -> Callable[[Obj], bool]:
    everything = not (flags.sync or flags.health or flags.operation)

    def holds(app: Obj) -> bool:
        synced = dig(app, "status", "sync", "status") == "Synced"
        healthy = dig(app, "status", "health", "status") == "Healthy"
        quiet = not app.get("operation")
        asked = ((flags.sync, synced), (flags.health, healthy), (flags.operation, quiet))
        return all(is_so for is_asked, is_so in asked if is_asked or everything)

    return holds


async def terminate(session: Session, name: str, reason: str = "") -> int:
    await end_operation(session, await find_app(session, name), reason)
    print(f"the operation of {name} is being terminated", file=sys.stderr)
    return 0


async def end_operation(session: Session, application: Obj, reason: str = "") -> None:
    """Raises NotYet where none is under way, InvalidInput where a reason is missing."""
    name, state = name_of(application), status_of(application).get("operationState") or {}
    if not application.get("operation") or state.get("phase") != "Running":
        raise NotYet(f"no operation of {name} is under way", reason="NoOperation")
    await check_reason(session, application, reason)
    annotations = told(session, application, "terminate", reason)
    body = {
        "metadata": {"resourceVersion": resource_version_of(application), "annotations": annotations},
        "status": {"operationState": {"phase": "Terminating"}},
    }
    await session.client.patch(APPLICATIONS, namespace_of(application), name, body)


async def show_resources(session: Session, name: str, output: Output) -> int:
    application = await find_app(session, name)
    if output == "table":
        print_table(app_view.RESOURCE_HEADINGS, app_view.resource_rows(application))
    elif output == "name":
        for row in status_of(application).get("resources") or []:
            group = f".{row['group']}" if row.get("group") else ""
            print(f"{row.get('kind', '').lower()}{group}/{row.get('name', '')}")
    else:
        rows = status_of(application).get("resources") or []
        document = {"apiVersion": "shipway.dev/v1alpha1", "kind": "ApplicationResources", "items": rows}
        sys.stdout.write(object_text(document, output))
    return 0


async def _recorded(session: Session, application: Obj) -> None:
    """Waits a moment for the ledger: without a finalizer the Application is gone at once, and with it what it has to tell."""
    one = One(APPLICATIONS, namespace_of(application), name_of(application))
    with suppress(TookTooLong):  # nobody records, or the ledger is away: that holds nothing up
        await wait_until(session.client, one, lambda app: UNRECORDED not in annotations_of(app or {}), seconds=RECORDING)


async def delete(session: Session, name: str, cascade: Cascade, reason: str = "") -> int:
    """Raises InvalidInput where a reason is missing."""
    application = await find_app(session, name)
    await check_reason(session, application, reason)
    others = [one for one in metadata(application).get("finalizers") or [] if not one.startswith(RESOURCES_FINALIZER)]
    ours = {"background": f"{RESOURCES_FINALIZER}/background", "foreground": RESOURCES_FINALIZER}
    wanted = [*others, ours[cascade]] if cascade != "none" else others
    version, annotations = resource_version_of(application), told(session, application, "delete", reason, f"cascade {cascade}")
    body = {"metadata": {"resourceVersion": version, "finalizers": wanted or None, "annotations": annotations}}
    await session.client.patch(APPLICATIONS, namespace_of(application), name, body)
    if not wanted:
        await _recorded(session, application)
    await session.client.delete(APPLICATIONS, namespace_of(application), name)
    stays = "; its objects stay" if cascade == "none" else "; its objects go with it"
    print(f"application {name_of(application)} is being deleted{stays}", file=sys.stderr)
    return 0
