"""`shipway rollout dashboard`: the page of Rollouts, served on this machine with the rights of whoever starts it.

What the page's buttons do is what the commands do (`rollout_acts`); how it is shown lies in `server/dashboard`.
"""

import asyncio
import re
import secrets
import sys
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from msgspec.structs import replace

from shipway.api.kinds import ROLLOUTS
from shipway.base.errors import InvalidInput
from shipway.cli.process import configure_logs, on_ready_write, until_stopped
from shipway.cli.rollout_acts import act, refuse_referenced, undo
from shipway.cli.session import Place, Session, connected
from shipway.kube.objects.resource import Obj
from shipway.rollouts import actions
from shipway.rollouts.actions import Patches
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


def dashboard_command(flags: DashboardFlags | None = None, place: Place | None = None) -> int:
    """Serve the page of Rollouts on this machine: look on live, promote, abort, retry, restart, undo, set images.

    It acts with the rights of your kubeconfig. Ctrl-C ends it.
    """
    configure_logs(quiet=True)

    async def work() -> None:
        async with connected(place) as session:
            await serve(session, flags or DashboardFlags())

    asyncio.run(until_stopped(work()))
    return 0


async def serve(session: Session, flags: DashboardFlags) -> None:
    """Serves until cancelled. Raises InvalidInput for a port or path that cannot be used, and where the cluster cannot be
    asked."""
    root = flags.root_path.strip("/")
    if not PLAIN_PATH.fullmatch(root) or {".", ".."} & set(root.split("/")):
        raise InvalidInput(f'--root-path "{flags.root_path}" is no plain path: write it like rollouts or team/rollouts')
    if not 0 <= flags.port <= 65535:
        raise InvalidInput(f"--port {flags.port} is no port: there are 1 to 65535, and 0 for a free one")
    await session.client.list(ROLLOUTS, session.workload_namespace)
    settings = Settings(session.workload_namespace, secrets.token_urlsafe(24), root, flags.blur)
    async with Dashboard(session.client, session.clock, acting(session), settings) as dashboard:
        await dashboard.start(flags.port)
        print(f"the dashboard is at {dashboard.url} (Ctrl-C ends it)", file=sys.stderr)
        on_ready_write(flags.url_file)(dashboard.url)
        if flags.open:
            webbrowser.open(dashboard.url)
        await asyncio.Event().wait()


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
