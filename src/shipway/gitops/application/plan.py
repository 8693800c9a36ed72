"""What a sync would do, step by step, before anybody asks for it. Pure, over the snapshot that a sync would begin with.

    plan_of(observed, now) -> Plan       the tasks of the operation in their order, each with what would become of its object
    unanswered(observed)                 the dry runs that it still waits for

These are the tasks, the checks and the order of `syncing`; nothing is worked out a second time.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec import Struct

from shipway.base.clock import Instant
from shipway.base.errors import Conflict
from shipway.gitops.application.observe import Observed
from shipway.gitops.application.syncing import Work, permits_of, work_of
from shipway.gitops.asks import DryRunAsk
from shipway.gitops.order import Phase, delete_policies
from shipway.gitops.ownership import comparable, dry_run_of, our_entry
from shipway.gitops.sync.actions import forces
from shipway.gitops.sync.preflight import preflight
from shipway.gitops.sync.rows import Rows
from shipway.gitops.sync.tasks import Task, option_of
from shipway.gitops.windows import gate_of
from shipway.kube.objects.resource import Json, Ref
from shipway.kube.objects.views import is_deleting

Act = Literal["create", "change", "recreate", "adopt", "prune", "keep", "hook", "refused", "unchanged"]
CHANGES: frozenset[Act] = frozenset({"create", "change", "recreate", "adopt", "prune"})
"""Acts that a sync would not repeat; hooks run with every sync."""
TOLD = 3
"""How many changed fields a step names."""


class Step(Struct, frozen=True):
    """One object in one phase and wave. `note`: why, or what else there is to know."""

    phase: Phase
    wave: int
    act: Act
    ref: Ref
    note: str = ""


class Plan(Struct, frozen=True):
    """`revisions`: what would be applied. `blocked`: which sync window would not let a person sync now; `problem`: why the
    whole sync would be refused before its first action."""

    revisions: tuple[str, ...]
    steps: tuple[Step, ...]
    blocked: str = ""
    problem: str = ""

    @property
    def changes(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.act in CHANGES)


def unanswered(observed: Observed) -> tuple[DryRunAsk, ...] | None:
    """The dry runs that the plan rests on, while one of them has no answer; None: it can be made."""
    work = work_of(observed)
    if work is None:
        return ()
    check = preflight(work.tasks, work.hand, permits_of(observed))
    return check.asks if check.is_pending else None


def plan_of(observed: Observed, now: Instant) -> Plan:
    """The plan of the operation that `observed` carries, which has begun in nobody's world but this one."""
    work, target = work_of(observed), observed.sync_target
    if work is None or target is None or observed.spec is None:
        raise AssertionError("a plan is made of an operation whose comparison is known")
    check = preflight(work.tasks, work.hand, permits_of(observed))
    gate = gate_of(observed.project, observed.key.name, observed.spec, now, is_manual=True)
    return Plan(
        target.at.revisions if target.at else (),
        tuple(_step(task, work, check.rows) for task in work.tasks),
        "" if gate.is_open else gate.reason,
        check.message if check.rows else "",
    )


def _step(task: Task, work: Work, refused: Rows) -> Step:
    if task.row_key in refused:
        act, note = "refused", str(refused[task.row_key].get("message") or "")
    elif task.kind == "prune":
        act, note = _prune(task, work)
    elif task.kind == "hook":
        act, note = "hook", _hook_note(task)
    elif task.kind == "namespace":
        act, note = ("change" if task.item.live else "create"), "CreateNamespace=true"
    else:
        act, note = _apply(task, work)
    return Step(task.phase, task.wave, act, task.ref, note)


def _prune(task: Task, work: Work) -> tuple[Act, str]:
    if task.item.live_obj is not None and is_deleting(task.item.live_obj):
        return "keep", "is being deleted already"
    if not work.terms.prune:
        return "keep", "is not in Git: --prune would delete it"
    allowed = option_of(task.obj, work.terms.options, "Prune").lower()
    if allowed == "false":
        return "keep", "is not in Git, and Prune=false keeps it"
    return "prune", "waits for a confirmation" if allowed == "confirm" else ""


def _hook_note(task: Task) -> str:
    when = "only after a failure" if task.phase == "SyncFail" else ""
    is_replaced = task.item.live is not None and "BeforeHookCreation" in delete_policies(task.obj)
    return ", ".join(part for part in (when, "the one of an earlier sync is deleted first" if is_replaced else "") if part)


def _apply(task: Task, work: Work) -> tuple[Act, str]:
    if not task.writes:
        return "unchanged", ""
    live, desired = task.item.live_obj, task.item.desired
    if live is None or desired is None:
        return "create", ""
    ask = dry_run_of(desired, live, task.item.claims, work.hand.context)
    answer = work.hand.context.answer(ask) if ask else None
    if answer is None or isinstance(answer.error, Conflict):
        return "change", ""
    if answer.error is not None:
        why = answer.error.message
        return ("recreate", f"cannot be changed: {why}") if forces(task, work.terms.options) else ("change", why)
    if comparable(answer.value) == comparable(live):
        is_ours = our_entry(live, work.hand.context.settings.manager) is not None
        return (
            ("unchanged", "") if is_ours else ("adopt", "taken over from another tool: its fields that Git does not state go")
        )
    return "change", _summary(tuple(changed_paths(comparable(live), comparable(answer.value))))


def changed_paths(before: Json, after: Json, at: str = "") -> Iterator[str]:
    """The paths at which two values differ, down to where only one of them has something."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from changed_paths(before.get(key), after.get(key), f"{at}.{key}" if at else key)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from changed_paths(old, new, f"{at}[{index}]")
    elif before != after:
        yield at


def _summary(paths: Sequence[str]) -> str:
    more = len(paths) - TOLD
    return ", ".join((*paths[:TOLD], *((f"{more} more",) if more > 0 else ())))
