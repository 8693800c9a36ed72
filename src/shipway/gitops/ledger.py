"""What the ledger is told of an Application: its operations when they have ended, and what people did to it. Pure.

    status.operationState        a finished operation says itself what it was; its entry is read off it
    shipway.dev/ledger-pending   what a command or a page did, written in one with the deed
    shipway.dev/ledger           what is known to be recorded, and how far the chain went then

A crash loses nothing of that, for it stands on the object until it is known to be recorded; and the identity of an entry is
that of what happened, so it may be told again. What is known rides on writes that are made anyway: an operation costs none
more, and what a person did costs one, which takes it off the object.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from shipway.api.ledger import START, Break, DeployedSource, Entry, Place, Row, first_break
from shipway.base.clock import Instant, parse_rfc3339, read_rfc3339
from shipway.base.errors import InvalidInput
from shipway.base.ids import digest
from shipway.gitops.annotations import LEDGER, UNRECORDED
from shipway.gitops.asks import RecordAsk, UrgentRecordAsk
from shipway.gitops.hold import hold_of
from shipway.gitops.operation import content_of, identity_of, is_over, reason_in
from shipway.gitops.pinned import path_of, revisions_in, sources_in, target_of
from shipway.gitops.sync.rows import has_failed
from shipway.gitops.tools import without_login
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import (
    annotations_of,
    is_deleting,
    name_of,
    namespace_of,
    resource_version_of,
    spec_of,
    status_of,
    uid_of,
)
from shipway.kube.runtime.decision import Answer

MOST_WAITING = 20
"""Entries that wait on an Application while the ledger is away; then the oldest goes, and is counted."""
MOST_NAMES = 50
ON_ITS_WAY = 120.0
"""Seconds in which an operation is recorded, also where the ledger has to be asked again."""
LONGEST = 1000
"""Letters of a message or a reason."""
_VERBS = ("created", "configured", "unchanged", "replaced", "serverside-applied")


class Remembered(Struct, frozen=True, omit_defaults=True):
    """What stands on the Application: where the chain ended, and the last operation that is in it."""

    sequence: int = 0
    hash: str = ""
    operation: str = ""

    @property
    def place(self) -> Place:
        return Place(self.sequence, self.hash)


class Ledger(Struct, frozen=True):
    """What a pass knows: the question, None where all is recorded, and what has become of it."""

    ask: RecordAsk | None = None
    recorded: Place | None = None
    is_answered: bool = True
    """Recorded, or not to be recorded now."""


def ask_of(app: Obj) -> RecordAsk | None:
    """What is to be recorded of an application; None where nothing is known that is not."""
    waiting = waiting_on(app)
    entries = (*waiting, *_finished(app))
    if not entries:
        return None
    kind = UrgentRecordAsk if waiting or is_deleting(app) else RecordAsk
    written = tuple(msgspec.json.encode(one, order="deterministic") for one in entries)
    return kind(uid_of(app), full_name(app), remembered_on(app).place, written)


def ledger_of(ask: RecordAsk, answer: Answer | None) -> Ledger:
    return Ledger(ask, answer.value if answer else None, answer is not None)


def riding(app: Obj, ledger: Ledger, state: Obj) -> Obj:
    """The annotations to write along with something else. `state` is the operationState that is written: one that tells of
    another operation takes the finished one's place, so what is not recorded of that is put down."""
    if ledger.recorded is not None:
        operation = identity_of(_state(app)) if is_over(_state(app)) else remembered_on(app).operation
        told = Remembered(ledger.recorded.sequence, ledger.recorded.hash, operation or remembered_on(app).operation)
        waits = {UNRECORDED: None} if UNRECORDED in annotations_of(app) else {}
        return {LEDGER: msgspec.json.encode(told).decode(), **waits}
    finished = _finished(app)
    if finished and identity_of(state) != identity_of(_state(app)):
        return _waiting(app, finished)
    return {}


def is_worth_a_write(riders: Obj) -> bool:
    """Whether the annotations are written also where nothing else is: what a person did is recorded now."""
    return UNRECORDED in riders and riders[UNRECORDED] is None


def act(app: Obj, verb: str, *, by: str, at: str, reason: str = "", what: str = "") -> Obj:
    """The annotations that tell of what a person does, to be written in one with it onto this version of the Application."""
    identity = digest(uid_of(app), resource_version_of(app), verb)
    told = Entry(identity, verb, began=at, ended=at, by=by, reason=reason[:LONGEST], what=what[:LONGEST])
    return _waiting(app, (told,))


def remembered_on(app: Obj) -> Remembered:
    """Nothing where the annotation cannot be read: it is written anew."""
    try:
        return msgspec.json.decode(annotations_of(app).get(LEDGER) or "{}", type=Remembered)
    except msgspec.MsgspecError:
        return Remembered()


def sight(app: Obj) -> str:
    """What only those know who can get the Application as it is now: proof, to its engine, that its ledger is for them.

    The uid and what the Application remembers of its chain, a hash, cannot be guessed; the uid alone, where it remembers
    nothing yet, may be in an Event, so the spec has to be known as well."""
    spec = msgspec.json.encode(spec_of(app), order="deterministic")
    return digest(uid_of(app), annotations_of(app).get(LEDGER) or "", spec, length=64)


def waiting_on(app: Obj) -> tuple[Entry, ...]:
    """What was put down on the Application. An annotation that cannot be read tells of nothing."""
    try:
        return msgspec.json.decode(annotations_of(app).get(UNRECORDED) or "[]", type=tuple[Entry, ...])
    except msgspec.MsgspecError:
        return ()


def last_operation(app: Obj, now: Instant) -> str:
    """The id of the entry that has to be in the ledger, or wait on the Application; "" where there is none, or it ended so
    lately that it may be on its way."""
    state = _state(app)
    if not (is_over(state) and state.get("phase")):
        return remembered_on(app).operation
    return "" if _ended_at(state) > now - ON_ITS_WAY else identity_of(state)


def breaks(rows: Sequence[Row], application: Obj | None, now: Instant) -> list[tuple[str, Break]]:
    """(uid of an Application of that name, what does not fit), of each chain at most one. `rows`: oldest first in each chain;
    `application`: the one that there is now, None where it is gone."""
    chains: dict[str, list[Row]] = {}
    for row in rows:
        chains.setdefault(row.chain, []).append(row)
    known, last, mine = START, "", ""
    if application is not None:
        known, mine, last = remembered_on(application).place, uid_of(application), last_operation(application, now)
        if _is_cut_off(application, chains.get(mine, [])) or any(
            one == last for one in (*(row.entry for row in rows), *(one.id for one in waiting_on(application)))
        ):
            last = ""
        chains.setdefault(mine, [])
    found: list[tuple[str, Break]] = []
    for uid, own in chains.items():
        remembered = (known, last) if uid == mine else (START, "")
        others = {row.hash for row in rows if row.chain != uid}
        if problem := first_break(own, *remembered, earlier=others):
            found.append((uid, problem))
    return found


def _is_cut_off(application: Obj, rows: Sequence[Row]) -> bool:
    """Whether the last operation was so long ago that it may have been cut off: what people do besides may be newer."""
    ended = _ended_at(_state(application))
    return any(ended < (read_rfc3339(row.cut.began) or 0.0) for row in rows if row.cut)


def _ended_at(state: Obj) -> float:
    try:
        return parse_rfc3339(state.get("finishedAt") or "")
    except ValueError:
        return 0.0


def full_name(app: Obj) -> str:
    """`namespace/name`."""
    return f"{namespace_of(app)}/{name_of(app)}"


def _state(app: Obj) -> Obj:
    return status_of(app).get("operationState") or {}


def _waiting(app: Obj, entries: Sequence[Entry]) -> Obj:
    every = [*waiting_on(app), *entries]
    kept = every[-MOST_WAITING:]
    lost = sum(1 + one.lost for one in every[: len(every) - len(kept)])
    kept[0] = replace(kept[0], lost=kept[0].lost + lost)
    return {UNRECORDED: msgspec.json.encode(kept).decode()}


def _finished(app: Obj) -> tuple[Entry, ...]:
    """The operation that has ended and is not known to be recorded."""
    state = _state(app)
    identity = identity_of(state)
    if not identity or not is_over(state) or remembered_on(app).operation == identity:
        return ()
    return (entry_of(app, state, identity),)


def entry_of(app: Obj, state: Obj, identity: str) -> Entry:
    """What a finished operation says of itself. No manifest of it, and no login."""
    operation, result = state.get("operation") or {}, state.get("syncResult") or {}
    initiated: Obj = operation.get("initiatedBy") or {}
    rows: list[Obj] = result.get("resources") or []
    return Entry(
        id=identity,
        verb=_verb(app, operation, result),
        began=state.get("startedAt") or "",
        ended=state.get("finishedAt") or "",
        by=initiated.get("username") or "",
        automated=bool(initiated.get("automated")),
        reason=reason_in(operation)[:LONGEST],
        phase=state.get("phase") or "",
        message=(state.get("message") or "")[:LONGEST],
        sources=_sources(result),
        prior=_prior(app, state),
        counts=_counts(rows),
        pruned=tuple(_named(row) for row in rows if row.get("status") == "Pruned")[:MOST_NAMES],
        images=tuple(sorted({image for row in rows for image in row.get("images") or []}))[:MOST_NAMES],
        content=content_of(state),
    )


def _verb(app: Obj, operation: Obj, result: Obj) -> str:
    sync: Obj = operation.get("sync") or {}
    if sync.get("dryRun"):
        return "dry run"
    if sync.get("resources"):
        return "partial sync"
    try:
        hold = hold_of(app)
    except InvalidInput:
        hold = None
    is_held = hold is not None and hold.id >= 0 and hold.pinned.revisions == revisions_in(result)
    return "rollback" if is_held else "sync"


def _sources(result: Obj) -> tuple[DeployedSource, ...]:
    revisions = revisions_in(result)
    return tuple(
        DeployedSource(
            without_login(source.get("repoURL") or ""),
            path_of(source),
            target_of(source),
            revisions[number] if number < len(revisions) else "",
        )
        for number, source in enumerate(sources_in(result))
    )


def _prior(app: Obj, state: Obj) -> tuple[str, ...]:
    """What was live before, by the history: its last deployment, or the one before where that is this one."""
    history: list[Obj] = status_of(app).get("history") or []
    is_there = (
        state.get("phase") == "Succeeded" and history[-1:] and history[-1].get("deployStartedAt") == state.get("startedAt")
    )
    before = history[:-1] if is_there else history
    return revisions_in(before[-1]) if before else ()


def _counts(rows: Sequence[Obj]) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in rows:
        became = _became(row)
        found[became] = found.get(became, 0) + 1
    return found


def _became(row: Obj) -> str:
    if has_failed(row):
        return "failed"
    if row.get("hookType"):
        return "hooks"
    status = row.get("status") or ""
    if status != "Synced":
        return {"Pruned": "pruned", "PruneSkipped": "not pruned"}.get(status, status.lower() or "synced")
    verb = str(row.get("message") or "").rpartition(" ")[2]
    return verb if verb in _VERBS else "synced"


def _named(row: Obj) -> str:
    where = row.get("namespace") or ""
    return f"{row.get('kind')} {where}{where and '/'}{row.get('name')}"


def document_of(entry: Entry, sequence: int, recorded_at: str) -> Any:
    """An entry as it is printed."""
    return {"sequence": sequence, **msgspec.to_builtins(entry), "recordedAt": recorded_at}
