"""`shipway app dashboard` and `shipway rollout dashboard`: the pages, served on this machine with the rights of whoever starts
them. Both serve both; they differ in what they open with.

What a button does is what the commands do (`app_sync`, `app_rollback`, `rollout_acts`); how it is shown lies in
`server/dashboard`.
"""

import asyncio
import re
import secrets
import sys
import webbrowser
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from msgspec.structs import replace

from shipway.api.kinds import APPLICATIONS, ROLLOUTS
from shipway.assembly.resource_tree import resource_tree
from shipway.base.errors import Denied, InvalidInput, NotFound, ShipwayError
from shipway.cli import app_sync
from shipway.cli.app import children_of, find_app
from shipway.cli.app_acts import end_operation
from shipway.cli.app_logs import LogFlags, chosen_pods
from shipway.cli.app_rollback import RollbackFlags, held, lifted
from shipway.cli.app_sync import SyncFlags
from shipway.cli.process import configure_logs, on_ready_write, until_stopped
from shipway.cli.rollout_acts import act, refuse_referenced, undo
from shipway.cli.session import Place, Session, at_destination, connected
from shipway.gitops.annotations import REFRESH
from shipway.kube.client.client import LogOptions
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import namespace_of
from shipway.rollouts import actions
from shipway.rollouts.actions import Patches
from shipway.server.dashboard import application_rest
from shipway.server.dashboard.application_rest import BASE, ApplicationPage
from shipway.server.dashboard.applications import Around
from shipway.server.dashboard.logs import LINES, Wanted, ensure_speaks
from shipway.server.dashboard.rest import Act, Dashboard, Deed, Settings

PORT = 3100
ROOT = "rollouts"
"""Argo's own."""
PLAIN_PATH = re.compile(r"(?:[A-Za-z0-9._~-]+(?:/[A-Za-z0-9._~-]+)*)?")


@Parameter(name="*")
@dataclass(frozen=True)
class DashboardFlags:
    """How it is served."""

    port: Annotated[int, Parameter(name=["--port", "-p"])] = PORT
    "The port on 127.0.0.1; 0 takes a free one."
    root_path: str = ROOT
    "The path of the page."
    blur: Annotated[bool, Parameter(negative="")] = False
    "Hide names, hosts and images, for a screen that others see."
    open: Annotated[bool, Parameter(negative="")] = False
    "Open it in the browser."
    url_file: Annotated[Path | None, Parameter(show=False)] = None


def rollouts_command(flags: DashboardFlags | None = None, place: Place | None = None) -> int:
    """Serve the page of Rollouts on this machine: look on live, promote, abort, retry, restart, undo, set images.

    It acts with the rights of your kubeconfig. Ctrl-C ends it.
    """
    return _served(flags or DashboardFlags(), place, "rollouts")


def applications_command(flags: DashboardFlags | None = None, place: Place | None = None) -> int:
    """Serve the page of Applications on this machine: what is live where and why, sync, refresh, go back.

    It acts with the rights of your kubeconfig. Ctrl-C ends it.
    """
    return _served(flags or DashboardFlags(), place, "applications")


def _served(flags: DashboardFlags, place: Place | None, first: Literal["applications", "rollouts"]) -> int:
    configure_logs(quiet=True)

    async def work() -> None:
        async with connected(place) as session:
            await serve(session, flags, first)

    asyncio.run(until_stopped(work()))
    return 0


async def serve(session: Session, flags: DashboardFlags, first: Literal["applications", "rollouts"] = "rollouts") -> None:
    """Serves until cancelled. Raises InvalidInput for a port or path that cannot be used, and where the cluster cannot be
    asked."""
    root = flags.root_path.strip("/")
    if not PLAIN_PATH.fullmatch(root) or {".", ".."} & set(root.split("/")):
        raise InvalidInput(f'--root-path "{flags.root_path}" is no plain path: write it like rollouts or team/rollouts')
    if not 0 <= flags.port <= 65535:
        raise InvalidInput(f"--port {flags.port} is no port: there are 1 to 65535, and 0 for a free one")
    if flags.blur and first == "applications":
        raise InvalidInput("the page of Applications cannot be blurred: see `shipway rollout dashboard --blur`")
    settings = Settings(session.workload_namespace, secrets.token_urlsafe(24), root, flags.blur)
    applications = None if flags.blur else await _applications(session)
    if first == "rollouts":
        await session.client.list(ROLLOUTS, session.workload_namespace)
    async with Dashboard(session.client, session.clock, acting(session), settings, applications) as dashboard:
        await dashboard.start(flags.port)
        url = f"{dashboard.address}{BASE}" if first == "applications" else dashboard.url
        print(f"the dashboard is at {url} (Ctrl-C ends it)", file=sys.stderr)
        on_ready_write(flags.url_file)(url)
        if flags.open:
            webbrowser.open(url)
        await asyncio.Event().wait()


async def _applications(session: Session) -> ApplicationPage:
    """Of the namespace that -n names; of all otherwise, or of argocd where one may not look at all."""
    namespace = session.asked_namespace
    try:
        await session.client.list(APPLICATIONS, namespace, field_selector="metadata.name=none")  # whether we may
    except (Denied, NotFound):
        namespace = session.application_namespace
    acts = acting_on_applications(session)
    look_around, read_log = partial(looked_around, session), partial(log_of, session)
    return ApplicationPage(session.client, session.clock, namespace, look_around, acts, read_log)


async def looked_around(session: Session, application: Obj) -> Around:
    """The tree is left out where the cluster of the objects cannot be asked; the page shows what the status says then."""
    there = replace(session, asked_namespace=namespace_of(application))
    children = await children_of(there, application)
    try:
        async with at_destination(there, application) as destination:
            sight = await resource_tree(there.client, application, there.clock, destination)
    except ShipwayError:
        return Around(children)
    return Around(children, sight.tree, tuple(chosen_pods(sight, LogFlags())))


async def log_of(session: Session, wanted: Wanted) -> AsyncGenerator[bytes, None]:
    """What a container of one of the Application's pods says, in chunks. Raises NotFound where there is no such pod in its
    tree, or nothing has been said yet."""
    there = replace(session, asked_namespace=wanted.namespace)
    application = await find_app(there, wanted.name)
    async with at_destination(there, application) as destination:
        sight = await resource_tree(there.client, application, there.clock, destination)
        pods = chosen_pods(sight, LogFlags(kind="Pod", resource_name=wanted.pod))
        pod = next((one for one in pods if namespace_of(one) == wanted.pod_namespace), None)
        if pod is None:
            raise NotFound(f"{wanted.name} has no pod {wanted.pod} in namespace {wanted.pod_namespace}, or no longer")
        ensure_speaks(pod, wanted)
        options: LogOptions = {"container": wanted.container, "previous": wanted.previous}
        if not wanted.is_whole:
            options |= {"tail_lines": LINES, "follow": not wanted.previous}
        async with aclosing(destination.logs(wanted.pod_namespace, wanted.pod, **options)) as chunks:
            async for chunk in chunks:
                yield chunk


def acting_on_applications(session: Session) -> application_rest.Act:
    """The acts of the page of Applications, by those of the commands."""

    async def perform(deed: application_rest.Deed) -> None:
        there = replace(session, asked_namespace=deed.namespace)
        application = await find_app(there, deed.name)
        match deed.verb:
            case "sync":
                await app_sync.request(there, application, SyncFlags(reason=deed.reason))
            case "terminate":
                await end_operation(there, application, deed.reason)
            case "rollback":
                await held(there, application, deed.deployment, RollbackFlags(reason=deed.reason))
            case "resume":
                await lifted(there, application, deed.reason)
            case _:
                asked = {"metadata": {"annotations": {REFRESH: "normal"}}}
                await there.client.patch(APPLICATIONS, deed.namespace, deed.name, asked)

    return perform


def acting(session: Session) -> Act:
    """The acts of the page, by those of the commands."""

    async def perform(deed: Deed) -> Obj:
        there = replace(session, asked_namespace=deed.namespace)
        if deed.verb == "undo":
            return (await undo(there, deed.name, deed.revision)).rollout

        def patches_for(rollout: Obj) -> Patches:
            if deed.verb == "restart":
                return actions.restart(session.clock.now())
            if deed.verb == "set-image":
                refuse_referenced(rollout, "set image")
                return actions.set_images(rollout, {deed.container: deed.image})
            return PLAIN_DEEDS[deed.verb](rollout)

        return (await act(there, deed.name, patches_for)).rollout

    return perform


PLAIN_DEEDS = {
    "promote": actions.promote, "promote-full": actions.promote_full, "abort": actions.abort, "retry": actions.retry,
}  # fmt: skip
