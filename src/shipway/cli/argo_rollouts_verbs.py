"""What `kubectl argo rollouts` does on a cluster, in its words: each verb takes a session, the names and the flags.

The acts are those of `rollout_acts`; only what is said of them is Argo's. A failure is exit code 1 and one line.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from shipway.api.kinds import EXPERIMENTS, ROLLOUTS
from shipway.base.clock import Instant
from shipway.base.durations import format_duration, parse_duration
from shipway.base.errors import Conflict, InvalidInput, NotFound, ShipwayError
from shipway.cli import rollout_tree
from shipway.cli.argo_rollouts_view import (
    EXPERIMENT_COLUMNS,
    ROLLOUT_COLUMNS,
    Listing,
    experiment_cells,
    experiment_lines,
    rollout_cells,
    rollout_lines,
)
from shipway.cli.output import PLAIN, Paint, paint_for, print_lines
from shipway.cli.process import configure_logs
from shipway.cli.rollout_acts import act, read_images, refuse_referenced, undo
from shipway.cli.rollout_family import CHILDREN, fetch, followed
from shipway.cli.rollout_watch import until_ended
from shipway.cli.session import Session
from shipway.kube.objects.resource import Obj, Resource
from shipway.rollouts import actions
from shipway.rollouts.actions import Patches
from shipway.rollouts.view import Family, view_of

REDRAW = "\x1b[H\x1b[2J\x1b[0;0H"
"""What a watch writes before it draws again, in a pipe too."""
TICK = 1.0


class Call(Struct, frozen=True):
    """One command: names of objects (or what else stands after the verb), and flags."""

    session: Session
    names: tuple[str, ...]
    flags: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.names[0]

    @property
    def namespace(self) -> str:
        return self.session.workload_namespace


async def list_rollouts(call: Call) -> int:
    """`list rollouts [--name N] [-A] [-w] [--timestamps]`."""
    return await _list(call, ROLLOUTS, ROLLOUT_COLUMNS, rollout_cells)


async def list_experiments(call: Call) -> int:
    """`list experiments [-A]`."""
    return await _list(call, EXPERIMENTS, EXPERIMENT_COLUMNS, experiment_cells)


async def get_rollout(call: Call) -> int:
    """`get rollout NAME [-w] [--timeout-seconds N]`: in time or not, to have looked on is a success."""
    paint = _paint(call)
    if not call.flags.get("watch"):
        print_lines(rollout_lines(await _found_family(call), call.session.clock.now(), paint))
        return 0
    await _found_family(call)
    try:
        async with asyncio.timeout(call.flags.get("timeout-seconds") or None), followed(call.session, call.name) as following:
            while True:
                _redraw(rollout_lines(following.family, call.session.clock.now(), paint))
                await following.changed(None)
    except TimeoutError:
        return 0


async def get_experiment(call: Call) -> int:
    """`get experiment NAME [-w]`; a watch looks once a second."""
    shown: list[str] = []
    while True:
        experiment = await _got(call, EXPERIMENTS)
        children = [(await call.session.client.list(kind, call.namespace)).items for kind in CHILDREN]
        lines = experiment_lines(experiment, Family({}, *children), call.session.clock.now(), _paint(call))
        if not call.flags.get("watch"):
            print_lines(lines)
            return 0
        if lines != shown:
            shown = lines
            _redraw(lines)
        await call.session.clock.sleep(TICK)


async def status(call: Call) -> int:
    """`status NAME [-w=false] [-t 5m]`: 0 Healthy (or, without waiting, anything but Degraded), 1 Degraded or too late."""
    view = view_of(await _found_family(call))
    if not call.flags.get("watch", True):
        print(view.phase if view.phase in ("Healthy", "Degraded") else rollout_tree.phase_line(view))
    else:
        try:
            async with asyncio.timeout(call.flags.get("timeout") or None), followed(call.session, call.name) as following:
                await until_ended(following, "table", sys.stdout)
                view = view_of(following.family)
        except TimeoutError:
            raise ShipwayError("Rollout status watch exceeded timeout") from None
    if view.phase == "Degraded":
        raise ShipwayError(f"The rollout is in a degraded state with message: {view.message}")
    return 0


def acting(patches_for: Callable[[Obj], Patches], done: str) -> Callable[[Call], Awaitable[int]]:
    """A verb that patches each Rollout named and says so; what is so already is said to be done, as the plugin does."""

    async def verb(call: Call) -> int:
        for name in call.names:
            await _act(call.session, name, patches_for)
            print(f"rollout '{name}' {done}")
        return 0

    return verb


async def dashboard(call: Call) -> int:
    """`dashboard [-p 3100] [--root-path rollouts]`: until Ctrl-C."""
    from shipway.cli.dashboard import PORT, ROOT, DashboardFlags, serve  # a web server that no other verb waits for

    configure_logs(quiet=True)
    await serve(call.session, DashboardFlags(call.flags.get("port", PORT), call.flags.get("root-path", ROOT)))
    return 0


async def promote(call: Call) -> int:
    """`promote NAME [--full]`."""
    is_full = call.flags.get("full")
    verb = acting(actions.promote_full, "fully promoted") if is_full else acting(actions.promote, "promoted")
    return await verb(call)


async def restart(call: Call) -> int:
    """`restart NAME [--in 10s]`."""
    text = call.flags.get("in") or "0s"
    try:
        after = parse_duration(text)
    except ValueError as error:
        raise InvalidInput(f'invalid argument "{text}" for "-i, --in" flag: {error}') from None
    at = Instant(call.session.clock.now() + after)
    return await acting(lambda _: actions.restart(at), f"restarts in {format_duration(after)}")(call)


async def undo_rollout(call: Call) -> int:
    """`undo NAME [--to-revision N]`."""
    revision = call.flags.get("to-revision") or 0
    try:
        await undo(call.session, call.name, revision)
    except NotFound as error:
        if error.reason != "NoRevision":
            raise _unfound(ROLLOUTS.plural, call.name) from None
        if revision:
            raise NotFound(f"unable to find specified revision {revision} in history") from None
        raise NotFound(f'no revision found for rollout "{call.name}"') from None
    print(f"rollout '{call.name}' undo")
    return 0


async def set_image(call: Call) -> int:
    """`set image NAME CONTAINER=IMAGE…`."""
    wanted = read_images(call.names[1:])

    def patches_for(rollout: Obj) -> Patches:
        refuse_referenced(rollout, "set image")
        try:
            return actions.set_images(rollout, wanted)
        except NotFound as error:
            raise InvalidInput(f'unable to find container named "{error.message.split(chr(34))[1]}"') from None

    await _act(call.session, call.name, patches_for)
    print(f'rollout "{call.name}" image updated')
    return 0


def patching(resource: Resource, body: Obj, said: str) -> Callable[[Call], Awaitable[int]]:
    """A verb that merges `body` into each object named."""

    async def verb(call: Call) -> int:
        for name in call.names:
            try:
                await call.session.client.patch(resource, call.namespace, name, body)
            except NotFound:
                raise _unfound(resource.plural, name) from None
            print(said.format(name))
        return 0

    return verb


async def _act(session: Session, name: str, patches_for: Callable[[Obj], Patches]) -> None:
    try:
        await act(session, name, patches_for)
    except NotFound:
        raise _unfound(ROLLOUTS.plural, name) from None


async def _list(
    call: Call, resource: Resource, columns: Sequence[tuple[str, int]], cells: Callable[[Obj, Instant], list[str]]
) -> int:
    client, everywhere = call.session.client, bool(call.flags.get("all-namespaces"))
    namespace = "" if everywhere else call.namespace
    only = f"metadata.name={call.flags['name']}" if call.flags.get("name") else ""
    shown: dict[tuple[str, ...], list[str]] = {}
    listing: Listing | None = None

    def show(obj: Obj) -> None:
        nonlocal listing
        if listing is None:
            rows = [(one, cells(one, call.session.clock.now())) for one in found.items or [obj]]
            listing = Listing.of(rows, columns, everywhere=everywhere, timed=bool(call.flags.get("timestamps")))
            print(listing.heading, flush=True)
        now, key = call.session.clock.now(), (obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
        row = cells(obj, now)
        if shown.get(key) != row:
            shown[key] = row
            print(listing.row(obj, row, now), flush=True)

    while True:
        found = await client.list(resource, namespace, field_selector=only)
        for obj in found.items:
            show(obj)
        if not call.flags.get("watch"):
            break
        await _watched(call, resource, namespace, (only, found.resource_version), show)
    if not found.items:
        print("No resources found.", file=sys.stderr)
    return 0


async def _watched(call: Call, resource: Resource, namespace: str, since: tuple[str, str], show: Callable[[Obj], None]) -> None:
    """Shows every change after `since` (field selector, version) until the server ends the watch."""
    selector, version = since
    try:
        async for event in call.session.client.watch(resource, namespace, resource_version=version, field_selector=selector):
            if event.type in ("ADDED", "MODIFIED"):
                show(event.obj)
    except Conflict:
        pass  # too old to go on from: the caller lists again
    await call.session.clock.sleep(TICK)


async def _found_family(call: Call) -> Family:
    try:
        return await fetch(call.session, call.name)
    except NotFound:
        raise _unfound("rollout", call.name) from None


async def _got(call: Call, resource: Resource) -> Obj:
    try:
        return await call.session.client.get(resource, call.namespace, call.name)
    except NotFound:
        raise _unfound(resource.kind.lower(), call.name) from None


def _unfound(kind: str, name: str) -> NotFound:
    return NotFound(f'{kind}.argoproj.io "{name}" not found')


def _paint(call: Call) -> Paint:
    return PLAIN if call.flags.get("no-color") else paint_for(sys.stdout)


def _redraw(lines: Sequence[str]) -> None:
    sys.stdout.write(REDRAW)
    print_lines(lines)
    sys.stdout.flush()
