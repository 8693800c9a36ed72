"""`shipway app sync`: asks for a sync by writing `operation`, as Argo CD's clients do, and waits for exactly that one.

The operation carries a mark that no other has (the version of the Application it was asked at), and the engine keeps the
operation in `status.operationState`. So the end of our sync is never taken for the end of somebody else's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from cyclopts import Parameter

from shipway.api.kinds import APPLICATIONS
from shipway.base.errors import NotFound, NotYet
from shipway.cli.durations import Duration
from shipway.cli.reasons import ReasonFlag, check_reason, info_of, person
from shipway.cli.sending import send, unbeaten
from shipway.cli.session import Session
from shipway.gitops.annotations import REFRESH
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, name_of, namespace_of, resource_version_of, status_of
from shipway.kube.runtime.waiting import One, wait_until

REQUEST = "shipway.dev/request"
"""The info entry that marks our operation."""
ENDED = ("Succeeded", "Failed", "Error")


@Parameter(name="*")
@dataclass(frozen=True)
class SyncFlags:
    """What to sync, and whether to wait."""

    revision: Annotated[str, Parameter(show_default=False)] = ""
    "A branch, tag or commit; the Application's own target revision otherwise."
    prune: Annotated[bool, Parameter(negative="")] = False
    "Delete objects that Git no longer has."
    dry_run: Annotated[bool, Parameter(negative="")] = False
    "Ask the API server what would happen, write nothing."
    wait: bool = True
    "Wait for the end and print what became of every object."
    timeout: Duration = 300.0
    "How long to wait, in seconds or like 5m."
    reason: ReasonFlag = ""
    "Why; it is kept in the ledger."


def operation(app: Obj, flags: SyncFlags) -> Obj:
    """The operation to write. The Application's own sync options go with it, as with Argo CD's clients."""
    sync: Obj = {"prune": flags.prune, "dryRun": flags.dry_run}
    if flags.revision:
        sync["revision"] = flags.revision
    if options := dig(app, "spec", "syncPolicy", "syncOptions"):
        sync["syncOptions"] = options
    retry = dig(app, "spec", "syncPolicy", "retry")
    return {
        "sync": {key: value for key, value in sync.items() if value},
        "initiatedBy": {"username": person()},
        "info": [{"name": REQUEST, "value": resource_version_of(app)}, *info_of(flags.reason)],
        **({"retry": retry} if retry else {}),
    }


async def request(session: Session, app: Obj, flags: SyncFlags) -> Obj:
    """Asks for a sync, of the newest commit where none is named; the Application as it is then.

    Raises NotYet while another operation is under way, InvalidInput where a reason is missing."""
    await check_reason(session, app, flags.reason)
    newest: Obj = {} if flags.revision else {"metadata": {"annotations": {REFRESH: "normal"}}}
    return await ask(session, app, lambda fresh: {**newest, "operation": operation(fresh, flags)})


async def ask(session: Session, app: Obj, body_of: Callable[[Obj], Obj]) -> Obj:
    """Writes `body_of` the Application, an operation in it, onto exactly the version that it was made from.

    Raises NotYet while another operation is under way.
    """

    async def write(fresh: Obj) -> Obj:
        if fresh.get("operation"):
            message = f"another operation of {name_of(app)} is under way: see `shipway app get {name_of(app)}`"
            raise NotYet(message, reason="OperationInProgress")
        return await send(session.client, APPLICATIONS, fresh, body_of(fresh), {})

    look = partial(session.client.get, APPLICATIONS, namespace_of(app), name_of(app))
    return await unbeaten(name_of(app), look, write, seen=app)


async def ended(session: Session, asked: Obj, seconds: float, tell: Callable[[str], None]) -> Obj:
    """The Application when the operation in `asked` has ended; meanwhile `tell` is given each new message of it.

    Raises TookTooLong, and NotFound when the Application was deleted.
    """
    mark = mark_of(asked.get("operation") or {})
    told = ""

    def is_so(app: Obj | None) -> bool:
        nonlocal told
        if app is None or has_ended(app, mark):
            return True
        message = dig(app, "status", "operationState", "message", default="") if is_taken_up(app, asked) else ""
        if message and message != told:
            told = message
            tell(message)
        return False

    one = One(APPLICATIONS, namespace_of(asked), name_of(asked))
    app = await wait_until(session.client, one, is_so, seconds=seconds)
    if app is None:
        raise NotFound(f"{name_of(asked)} was deleted before its sync had ended")
    return app


def has_ended(app: Obj, mark: str) -> bool:
    """Whether the operation with that mark is over."""
    state = status_of(app).get("operationState") or {}
    still_asked = mark_of(app.get("operation") or {}) == mark
    return not still_asked and mark_of(state.get("operation") or {}) == mark and state.get("phase") in ENDED


def is_taken_up(app: Obj, asked: Obj) -> bool:
    """Whether the engine has begun the operation in `asked`."""
    state = status_of(app).get("operationState") or {}
    return mark_of(state.get("operation") or {}) == mark_of(asked.get("operation") or {})


def mark_of(asked: Obj) -> str:
    return next((entry.get("value") or "" for entry in asked.get("info") or [] if entry.get("name") == REQUEST), "")
