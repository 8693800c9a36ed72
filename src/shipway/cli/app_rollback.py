"""`shipway app rollback` and `resume`: back to an earlier deployment, and staying there until somebody lifts the hold.

One patch writes both: the operation that goes back (as Argo CD's clients write it) and the hold, so that automated sync does
not undo it a moment later. The hold is on the Application itself, for everybody to see; see `gitops/hold.py`.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from cyclopts import Parameter

from shipway.api.kinds import APPLICATIONS
from shipway.base.clock import Instant, parse_rfc3339, rfc3339
from shipway.base.errors import InvalidInput, NotFound
from shipway.cli import app_sync
from shipway.cli.app import find_app, wait_for_sync
from shipway.cli.durations import Duration
from shipway.cli.output import Output, OutputFlag, print_object
from shipway.cli.reasons import ReasonFlag, check_reason, info_of, person, told
from shipway.cli.sending import send, unbeaten
from shipway.cli.session import Place, Session, connected
from shipway.gitops.annotations import HOLD
from shipway.gitops.hold import Hold, annotation, hold_at, hold_of
from shipway.gitops.operation import is_over
from shipway.gitops.pinned import revisions_in, short
from shipway.kube.objects.patches import with_annotations
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, dig, name_of, namespace_of, resource_version_of, status_of

DAY = 24 * 3600.0


@Parameter(name="*")
@dataclass(frozen=True)
class RollbackFlags:
    """Where to go back to, and for how long to stay."""

    to: Annotated[str, Parameter(show_default=False)] = ""
    "The commit (or its first letters) that was deployed."
    at: Annotated[str, Parameter(show_default=False)] = ""
    "What was deployed at this time (RFC 3339)."
    hold: Duration = DAY
    "How long to stay there, like 24h; 0: until somebody resumes."
    reason: ReasonFlag = ""
    "Why; everybody sees it, and it is kept in the ledger."
    prune: Annotated[bool, Parameter(negative="")] = False
    "Delete objects that the earlier deployment did not have."
    wait: bool = True
    "Wait for the end and print what became of every object."
    timeout: Duration = 300.0
    "How long to wait, in seconds or like 5m."


async def rollback_command(
    name: str,
    number: Annotated[int | None, Parameter(show_default=False)] = None,
    /,
    *,
    flags: RollbackFlags | None = None,
    output: OutputFlag = "table",
    place: Place | None = None,
) -> int:
    """Go back to an earlier deployment and stay there, also with automated sync. Exit code 1: it failed or did not end.

    Parameters
    ----------
    name
        The Application.
    number
        The deployment's ID, as `shipway app history` lists it; the one before the current otherwise.
    output
        table, json, yaml or name.
    """
    async with connected(place) as session:
        return await roll_back(session, name, number, flags or RollbackFlags(), output)


async def resume_command(name: str, /, *, reason: ReasonFlag = "", place: Place | None = None) -> int:
    """Lift the hold of an Application: what Git says counts again.

    Parameters
    ----------
    name
        The Application.
    reason
        Why; it is kept in the ledger.
    """
    async with connected(place) as session:
        return await resume(session, name, reason)


async def roll_back(session: Session, name: str, number: int | None, flags: RollbackFlags, output: Output = "table") -> int:
    """Writes the hold with its operation and waits for the end of that."""
    application = await find_app(session, name)
    hold, asked = await held(session, application, number, flags)
    until = f"until {hold.until}" if hold.until else "until it is lifted"
    print(f"{name} is held at deployment {hold.id} {until}: `shipway app resume {name}` lifts the hold", file=sys.stderr)
    if not flags.wait:
        print_object(asked, "name" if output == "table" else output)
        return 0
    return await wait_for_sync(session, asked, flags.timeout, output)


async def held(session: Session, application: Obj, number: int | None, flags: RollbackFlags) -> tuple[Hold, Obj]:
    """Asks for the way back; the hold, and the Application as it is then. Raises NotFound, InvalidInput, and NotYet while
    another operation is under way."""
    await check_reason(session, application, flags.reason)
    entry = chosen(status_of(application).get("history") or [], number, flags, name_of(application))
    now = session.clock.now()
    hold = hold_at(
        entry,
        since=rfc3339(now),
        until=rfc3339(Instant(now + flags.hold)) if flags.hold else "",
        by=person(),
        reason=flags.reason,
    )

    def body(fresh: Obj) -> Obj:
        return with_annotations(_body(fresh, hold, prune=flags.prune), told(session, fresh, "hold", hold.reason, _stay(hold)))

    return hold, await app_sync.ask(session, application, body)


def _stay(hold: Hold) -> str:
    """`at deployment 3 (1a2b3c4) until …`."""
    where = ",".join(short(one) for one in hold.pinned.revisions)
    return f"at deployment {hold.id} ({where}) until {hold.until or 'it is lifted'}"


async def resume(session: Session, name: str, reason: str = "") -> int:
    """Raises InvalidInput where a reason is missing."""
    if await lifted(session, await find_app(session, name), reason):
        print(f"{name}: the hold is lifted; what Git says counts again", file=sys.stderr)
    else:
        print(f"{name} is not held", file=sys.stderr)
    return 0


async def lifted(session: Session, application: Obj, reason: str = "") -> bool:
    """Lifts the hold; whether there was one. Raises InvalidInput where a reason is missing."""
    if HOLD not in annotations_of(application):
        return False
    name = name_of(application)
    await check_reason(session, application, reason)
    look = partial(session.client.get, APPLICATIONS, namespace_of(application), name)

    async def write(fresh: Obj) -> Obj:
        body = with_annotations(lifting(fresh), told(session, fresh, "resume", reason))
        return await send(session.client, APPLICATIONS, fresh, body, {})

    await unbeaten(name, look, write, seen=application)
    return True


def lifting(app: Obj) -> Obj:
    """What is written to lift the hold: with it goes its operation, where that has not applied anything yet."""
    lifted: Obj = {"metadata": {"annotations": {HOLD: None}}}
    state = status_of(app).get("operationState") or {}
    if not app.get("operation") or not _is_of_hold(app):
        return lifted
    if is_over(state):  # it tells of an earlier one: nobody has taken this one up
        return {**lifted, "operation": None}
    has_begun = state.get("phase") != "Running" or dig(state, "syncResult", "resources")
    return lifted if has_begun else {**lifted, "status": {"operationState": {"phase": "Terminating"}}}


def _is_of_hold(app: Obj) -> bool:
    """Whether the operation goes to what the application is held at."""
    try:
        hold = hold_of(app)
    except InvalidInput:
        return False  # whatever it was to say, it goes
    return hold is not None and revisions_in(dig(app, "operation", "sync", default={})) == hold.pinned.revisions


def chosen(history: Sequence[Obj], number: int | None, flags: RollbackFlags, name: str) -> Obj:
    """The entry to go back to. Raises NotFound and InvalidInput saying what there is."""
    ways = [number is not None, bool(flags.to), bool(flags.at)]
    if sum(ways) > 1:
        raise InvalidInput("say where to go back to in one way: an ID, --to or --at")
    if number is not None:
        found = [entry for entry in history if entry.get("id", 0) == number]
    elif flags.to:
        found = [entry for entry in history if any(one.startswith(flags.to) for one in _revisions(entry))]
    elif flags.at:
        found = [entry for entry in history if parse_rfc3339(entry.get("deployedAt") or "") <= _time(flags.at)]
    else:
        found = list(history[:-1])
    if not found:
        known = ", ".join(str(entry.get("id", 0)) for entry in history) or "none"
        raise NotFound(f"{name} has no such deployment to go back to (recorded: {known}): see `shipway app history {name}`")
    return found[-1]


def _revisions(entry: Obj) -> Sequence[str]:
    return entry.get("revisions") or [entry.get("revision") or ""]


def _time(text: str) -> Instant:
    try:
        return parse_rfc3339(text)
    except ValueError:
        raise InvalidInput(f'--at {text}: write the time like "2026-11-26T18:00:00Z"') from None


def operation(app: Obj, hold: Hold, *, prune: bool) -> Obj:
    """The sync that goes back, with the source as it was then."""
    sync: Obj = {"prune": prune, "syncOptions": dig(app, "spec", "syncPolicy", "syncOptions")}
    if hold.sources:
        sync |= {"sources": list(hold.sources), "revisions": list(hold.revisions)}
    else:
        sync |= {"source": hold.source, "revision": hold.revision}
    return {
        "sync": {key: value for key, value in sync.items() if value},
        "initiatedBy": {"username": person()},
        "info": [{"name": app_sync.REQUEST, "value": resource_version_of(app)}, *info_of(hold.reason)],
    }


def _body(app: Obj, hold: Hold, *, prune: bool) -> Obj:
    return {"metadata": {"annotations": {HOLD: annotation(hold)}}, "operation": operation(app, hold, prune=prune)}
