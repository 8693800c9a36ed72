"""Where a running sync stands, and what comes next: a restartable machine over tasks and rows.

    advance(tasks, rows, ...) -> (rows, step)        step: Run(tasks) | Wait(message) | Done(phase, message)

It goes through phases and waves in order. What has a row has been done; what has none yet is run; and when there is more
than one wave (or a hook), a wave that still runs holds up the next until its objects are healthy. Nothing is remembered
outside the rows and the live objects, so any pass may be the first after a restart.
"""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from shipway.base.clock import Instant
from shipway.gitops.ownership import written_at
from shipway.gitops.sync.rows import (
    Rows,
    failed_row,
    failures,
    has_failed,
    is_running,
    kubectl_name,
    new_row,
    reasons,
    unknown_kind,
    with_phase,
)
from shipway.gitops.sync.tasks import Task, has_no_kind, is_multi_step, option_of, waves
from shipway.kube.objects.views import is_deleting, status_of

OperationPhase = Literal["Running", "Terminating", "Succeeded", "Failed", "Error"]

RUNNING = "one or more tasks are running"
SUCCEEDED = "successfully synced (all tasks run)"
APPLY_FAILED = "one or more objects failed to apply"
TASKS_FAILED = "one or more synchronization tasks completed unsuccessfully"


class Run(Struct, frozen=True):
    """These tasks next; prunes first, then group by group of one kind."""

    tasks: tuple[Task, ...]


class Wait(Struct, frozen=True):
    """Nothing to do until something live changes, or until that time."""

    message: str
    until: Instant | None = None


class Done(Struct, frozen=True):
    phase: OperationPhase
    message: str


Step = Run | Wait | Done


class Pause(Struct, frozen=True):
    """After a wave has written something, the next one waits `delay` seconds, so that whoever watches those objects has looked
    at them before their health is believed. `began`: the sync; `manager`: whose writes count."""

    now: Instant = Instant(0.0)
    began: Instant = Instant(0.0)
    delay: float = 0.0
    manager: str = ""


class Terms(Struct, frozen=True):
    """How this sync is to be done. `confirmed`: a person has approved of what wants approval."""

    prune: bool = False
    options: dict[str, str] = {}
    confirmed: bool = False
    pause: Pause = Pause()


def advance(tasks: Sequence[Task], rows: Rows, terms: Terms) -> tuple[Rows, Step]:
    """The rows as of now, and the next step."""
    rows = dict(rows)
    waits = is_multi_step(tasks)
    steps = waves(tasks)
    for index, (_, wave) in enumerate(steps):
        for task in wave:
            _without_writing(task, rows, terms)
        todo = tuple(task for task in wave if task.row_key not in rows and not has_no_kind(task))
        if todo and not _has_failure(wave, rows):
            doubtful = [] if terms.confirmed else [task for task in todo if _wants_confirmation(task, terms)]
            return rows, Wait(_confirmation_message(doubtful)) if doubtful else Run(todo)
        for task in wave:
            if has_no_kind(task):  # even now: what brings the kind may be in this wave, so the others came first
                rows.setdefault(task.row_key, failed_row(task, unknown_kind(task)))
            if waits or task.is_hook:  # a single wave succeeds right after its applies, whatever becomes of the pods
                _settle(task, rows)
        if _has_failure(wave, rows):
            return _failed(tasks, rows)
        running = [task for task in wave if _is_waited_for(task, rows, waits)]
        if running:
            return rows, Wait(_waiting_message(running))
        due = _paused_until(wave, rows, terms.pause) if index + 1 < len(steps) else None
        if due is not None:
            return rows, Wait(RUNNING, due)
    return rows, Done("Succeeded", SUCCEEDED)


def _without_writing(task: Task, rows: Rows, terms: Terms) -> None:
    """A row at once for what needs no write: objects in sync, and prunes that are not allowed."""
    if task.row_key in rows:
        return
    if task.kind == "apply" and not task.writes:
        rows[task.row_key] = new_row(task, "Synced", f"{kubectl_name(task.ref)} unchanged")
    elif task.kind == "prune":
        if not terms.prune:
            rows[task.row_key] = new_row(task, "PruneSkipped", "ignored (requires pruning)")
        elif option_of(task.obj, terms.options, "Prune") == "false":
            rows[task.row_key] = new_row(task, "PruneSkipped", "ignored (no prune)")
        elif task.item.live_obj is not None and is_deleting(task.item.live_obj):
            rows[task.row_key] = new_row(task, "Pruned", "pruned")


def _wants_confirmation(task: Task, terms: Terms) -> bool:
    return task.kind == "prune" and option_of(task.obj, terms.options, "Prune").lower() == "confirm"


def _paused_until(wave: Sequence[Task], rows: Rows, pause: Pause) -> Instant | None:
    """When the next wave may begin; None: now. Read from when the objects say they were written."""
    written = [written_at(task.item.live_obj, pause.manager) for task in wave if task.row_key in rows]
    latest = max((at for at in written if at is not None and pause.began <= at <= pause.now + pause.delay), default=None)
    due = latest + pause.delay if latest is not None else pause.now
    return Instant(due) if due > pause.now else None


def _settle(task: Task, rows: Rows) -> None:
    """A running row becomes Succeeded or Failed by what is live."""
    row = rows.get(task.row_key)
    live = task.item.live_obj
    if row is None or not is_running(row) or live is None:
        return
    health = task.item.health
    if task.is_hook and live.get("kind") == "Pod":
        phase = {"Succeeded": "Succeeded", "Failed": "Failed"}.get(status_of(live).get("phase", ""))
        if phase:
            rows[task.row_key] = with_phase(row, phase, health.message if health and phase == "Failed" else "")
    elif health is None or health.status == "Healthy":
        rows[task.row_key] = with_phase(row, "Succeeded", health.message if health and task.is_hook else "")
    elif health.status == "Degraded":
        rows[task.row_key] = with_phase(row, "Failed", health.message)


def _has_failure(wave: Sequence[Task], rows: Rows) -> bool:
    return any(has_failed(rows[task.row_key]) for task in wave if task.row_key in rows)


def _failed(tasks: Sequence[Task], rows: Rows) -> tuple[Rows, Step]:
    """After a failure the SyncFail hooks run, then the operation has failed."""
    hooks = [task for task in tasks if task.phase == "SyncFail" and not has_no_kind(task)]
    todo = tuple(task for task in hooks if task.row_key not in rows)
    if todo:
        return rows, Run(todo)
    for task in hooks:
        _settle(task, rows)
    running = [task for task in hooks if is_running(rows[task.row_key])]
    if running:
        return rows, Wait(_waiting_message(running))
    bad = failures(rows.values())
    told = reasons(bad)
    text = APPLY_FAILED if any(row.get("status") == "SyncFailed" for row in bad) else TASKS_FAILED
    return rows, Done("Failed", f"{text}, reason: {told}" if told else text)


def _is_waited_for(task: Task, rows: Rows, waits: bool) -> bool:
    row = rows.get(task.row_key)
    if row is None:
        return False
    if task.kind == "prune":
        return waits and row.get("status") == "Pruned" and task.item.live is not None
    return (waits or task.is_hook) and is_running(row)


def _confirmation_message(doubtful: Sequence[Task]) -> str:
    first, more = doubtful[0].ref, len(doubtful) - 1
    text = f"Waiting for pruning confirmation of {first.group}/{first.kind}/{first.name}"
    return f"{text} and {more} more resources" if more else text


def _waiting_message(running: Sequence[Task]) -> str:
    first = running[0]
    what = "completion of hook" if first.is_hook else "deletion of" if first.kind == "prune" else "healthy state of"
    more = len(running) - 1
    text = f"waiting for {what} {first.ref.group}/{first.ref.kind}/{first.ref.name}"
    return f"{text} and {more} more {'hooks' if first.is_hook else 'resources'}" if more else text
