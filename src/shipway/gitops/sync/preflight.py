"""Before the first action of a sync: can every task be done? Otherwise nothing is applied at all.

Kinds must be known, the project must allow them, and the server must accept each object in a dry run, but for the one that is
written alone before everything else: its own write is its trial (`first_alone`). An object whose namespace or CRD comes with
the same sync cannot be tried yet and is let through.
"""

import re
from collections.abc import Callable, Sequence

from msgspec import Struct

from shipway.base.errors import Conflict, Denied, InvalidInput, NotFound
from shipway.gitops.asks import DryRunAsk
from shipway.gitops.ownership import Context, comparable, dry_run_of
from shipway.gitops.sync.actions import Hand, comes_again, forces, takeover_of
from shipway.gitops.sync.machine import Terms
from shipway.gitops.sync.rows import Rows, failed_row, kubectl_name, new_row, reasons, unknown_kind
from shipway.gitops.sync.tasks import Task, crd_of, has_no_kind, option_of
from shipway.kube.runtime.decision import Answer

INVALID = "one or more synchronization tasks are not valid"
REFUSED = "one or more objects failed to apply (dry run)"
_COMPANY = frozenset({"ServiceAccount", "PriorityClass", "RuntimeClass"})
"""Kinds without whose object no Pod that names it is admitted."""


class Preflight(Struct, frozen=True):
    """`rows` of what failed (empty: go); `is_pending` while answers are missing."""

    rows: Rows
    asks: tuple[DryRunAsk, ...] = ()
    is_pending: bool = False
    message: str = ""


def preflight(tasks: Sequence[Task], hand: Hand, permits: Callable[[Task], str], alone: Task | None = None) -> Preflight:
    """`permits` says why the project refuses a task, or "". `alone` is not tried: nothing is done before it is written."""
    invalid = {task.row_key: failed_row(task, why) for task in tasks if (why := _invalid(task, hand.options, permits))}
    if invalid:
        return Preflight(invalid, message=f"{INVALID}, reason: {reasons(invalid.values())}")
    writing = [task for task in tasks if task.kind == "apply" and task.writes and task.resource and task is not alone]
    trying = [task for task in writing if not (hand.tries and takeover_of(task, hand))]
    asks = {task.row_key: ask for task in trying if (ask := _ask(task, hand.context))}
    answers = {key: hand.context.answer(ask) for key, ask in asks.items()}
    pending = any(answer is None or _is_asked_again(answer) for answer in answers.values())
    refused = [task for task in writing if _is_refused(answers.get(task.row_key), task, tasks, hand.options)]
    rows = {task.row_key: failed_row(task, _told(answers[task.row_key])) for task in refused}
    told = f"{REFUSED}, reason: {reasons(rows.values())}"
    return Preflight({} if pending else rows, tuple(asks.values()), pending, told)


def _is_asked_again(answer: Answer) -> bool:
    """A dry run that met somebody else's write is not asked again (the next look asks another); one without an answer is."""
    return not isinstance(answer.error, Conflict) and comes_again(answer.error)


def _is_refused(answer: Answer | None, task: Task, tasks: Sequence[Task], options: dict[str, str]) -> bool:
    """Whether the server would not take the object, for a reason that this sync does not remove."""
    error = answer.error if answer else None
    if error is None or isinstance(error, Conflict) or (isinstance(error, InvalidInput) and _is_in_the_way(task, options)):
        return False
    if isinstance(error, Denied) and _awaits_company(error.message, task, tasks):
        return False
    if isinstance(error, NotFound):
        skips = option_of(task.obj, options, "SkipDryRunOnMissingResource") == "true"
        return not (skips or _is_not_yet(task, tasks, options))
    return True


def _awaits_company(refusal: str, task: Task, tasks: Sequence[Task]) -> bool:
    """Whether admission misses for a Pod what this very sync brings."""
    brought = [other.ref for other in tasks if other.kind == "apply" and other.ref.kind in _COMPANY]
    return task.ref.kind == "Pod" and any(
        re.search(rf"\b{re.escape(ref.name)}\b", refusal) and ref.namespace in ("", task.ref.namespace) for ref in brought
    )


def _is_in_the_way(task: Task, options: dict[str, str]) -> bool:
    """Whether the live object may be deleted to make room for the new one."""
    return task.item.live is not None and forces(task, options)


def _told(answer: Answer | None) -> str:
    return answer.error.message if answer and answer.error else ""


def dry_rows(tasks: Sequence[Task], terms: Terms, context: Context) -> Rows:
    """What a sync would do, as rows, once every dry run has been answered."""
    rows: Rows = {}
    for task in tasks:
        if task.kind == "apply":
            ask = _ask(task, context) if task.writes else None
            answer = context.answer(ask) if ask else None
            rows[task.row_key] = new_row(task, "Synced", _would(task, answer))
        elif task.kind == "prune" and terms.prune:
            rows[task.row_key] = new_row(task, "Pruned", "pruned (dry run)")
        elif task.kind == "prune":
            rows[task.row_key] = new_row(task, "PruneSkipped", "ignored (requires pruning)")
        else:
            rows[task.row_key] = new_row(task, "Synced", f"{kubectl_name(task.ref)} created (dry run)")
    return rows


def _would(task: Task, answer: Answer | None) -> str:
    live = task.item.live_obj
    if live is None:
        verb = "created"
    elif answer is None or (answer.value is not None and comparable(answer.value) == comparable(live)):
        verb = "unchanged"
    else:
        verb = "configured"
    return f"{kubectl_name(task.ref)} {verb} (dry run)"


def _ask(task: Task, context: Context) -> DryRunAsk | None:
    item = task.item
    return dry_run_of(item.desired, item.live_obj, item.claims, context) if item.desired else None


def _invalid(task: Task, options: dict[str, str], permits: Callable[[Task], str]) -> str:
    if task.item.shared_with and options.get("FailOnSharedResource") == "true":
        return f"Shared resource found, {task.ref.kind}/{task.ref.name} is part of application {task.item.shared_with} already"
    if has_no_kind(task):
        skips = option_of(task.obj, options, "SkipDryRunOnMissingResource") == "true"
        return "" if skips else unknown_kind(task)
    return permits(task)


def _is_not_yet(task: Task, tasks: Sequence[Task], options: dict[str, str]) -> bool:
    """Whether the namespace or the kind of the object is made by this very sync.

    With CreateNamespace the namespace may have been made since the question, by another application's sync.
    """
    makes_namespace = options.get("CreateNamespace") == "true" or any(
        other.ref.kind == "Namespace" and other.ref.name == task.ref.namespace and other.kind in ("apply", "namespace")
        for other in tasks
    )
    return makes_namespace or crd_of(task, tasks) is not None
