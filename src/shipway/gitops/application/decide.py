"""What to do about one application: pure, from a snapshot to a decision.

    deletion          an application that goes takes what it tracks along (with the finalizer)
    verdict           sync state, health, conditions: what is true now
    operation         a running sync goes on, or automated sync begins one
    status            all of it spelled as Argo CD does, sent as one patch together with `operation`

`conclude` records the outcomes as rows of the operation and runs the same functions once more.
"""

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from shipway.api.application import default_project
from shipway.api.kinds import APP_PROJECTS, APPLICATIONS
from shipway.base.clock import Instant, rfc3339
from shipway.gitops.annotations import HOLD, KINDS, REFRESH
from shipway.gitops.application.observe import Observed
from shipway.gitops.application.recording import recorded
from shipway.gitops.application.refresh import asked_again, refresh_change, refresh_wake, refreshed
from shipway.gitops.application.shadow import shadow_of
from shipway.gitops.application.sweep import waits_for_sweep
from shipway.gitops.application.syncing import Acted, Progress, asked_first, begun_by_itself, permits_of, progress, times_out
from shipway.gitops.application.target import Target
from shipway.gitops.application.verdict import Verdict, grace_over, told, verdict_of
from shipway.gitops.auto_sync import Wanted, auto_sync, is_automated
from shipway.gitops.comparison import Comparison, Item
from shipway.gitops.deletion import (
    DeletionHooks,
    Scene,
    Step,
    deletion_step,
    foreign_finalizers,
    has_stages,
    refused,
    with_hook_finalizers,
)
from shipway.gitops.dependencies import CONDITION as DEPENDENCY
from shipway.gitops.dependencies import Pause, pause_of
from shipway.gitops.events import deletion_note, notes_of
from shipway.gitops.family import spared
from shipway.gitops.kinds import annotation_with, known_kinds
from shipway.gitops.ledger import is_worth_a_write, riding
from shipway.gitops.operation import Begun, acts_by, begin, begins, history_entry, is_acting
from shipway.gitops.orphans import FIGURE as ORPHANS
from shipway.gitops.project import DEFAULT
from shipway.gitops.source import sync_options
from shipway.gitops.status import (
    REVISIONS,
    SOURCE_TYPES,
    compared_to,
    health_status,
    merged_conditions,
    resource_rows,
    summary,
    with_history,
    without,
)
from shipway.gitops.sync.hooks import clean_up
from shipway.gitops.sync.rows import read_rows
from shipway.gitops.windows import gate_of
from shipway.kube.objects.patches import merge_diff, with_annotations
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, is_deleting, resource_version_of
from shipway.kube.runtime.decision import Batch, Change, Conclusion, Create, Decision, Note, Outcome

LIST_PATIENCE = 5.0
"""Seconds until a pass looks again whether the kinds it needs have been listed. Each list wakes it: this is a safety net."""
HISTORY_LIMIT = 10
_TOLD_ONLY = frozenset({"health", "resources"})
"""Of the status, what is told to others."""


class Draft(Struct, frozen=True):
    """A pass thought through: what to write and what to do. `status` is the whole new status."""

    status: Obj
    root: Obj = {}
    progress: Progress | None = None
    batches: tuple[Batch, ...] = ()
    wake: Instant | None = None


def decide(observed: Observed, now: Instant) -> Decision:
    """The next step of this application; where it is not ours, what it would be."""
    decision = _next(observed, now)
    return replace(decision, report=shadow_of(observed, decision, now)) if observed.stance.kind == "report" else decision


def _next(observed: Observed, now: Instant) -> Decision:
    if _goes(observed, now):
        return _deletion(observed, now)
    idle = Decision(asks=observed.asks, watches=observed.watches, figures=_figures(observed))
    if not observed.has_project and _wants_default_project(observed):
        create = Create(APP_PROJECTS, default_project(observed.settings.namespace))
        return replace(idle, batches=(Batch((create,)),), wake=Instant(now + LIST_PATIENCE))
    if observed.stance.kind == "leave":
        return idle
    place = observed.place
    if not observed.is_listed and not place.away and place.cluster is not None:
        return replace(idle, wake=Instant(now + LIST_PATIENCE))
    draft = draft_of(observed, now)
    asks = (*observed.asks, *(draft.progress.asks if draft.progress else ()))
    return replace(
        idle,
        batches=draft.batches,
        asks=tuple(dict.fromkeys(asks)),
        change=_change(observed, draft, now, refresh_change(observed, now)),
        wake=_wake(observed, draft, now),
        notes=_notes(observed, draft),
        memo=draft.progress.acted if draft.progress else Acted(),
        refresh=(*asked_again(observed, now), *(draft.progress.looks if draft.progress else ())),
    )


def _goes(observed: Observed, now: Instant) -> bool:
    """Whether it is being deleted. An operation that acts comes to its end first, or is terminated, as in Argo CD; one that
    waits for a window, a dependency or its next try does not keep what nobody wants any more."""
    under_way = (observed.state, observed.app.get("operation"))
    acts = observed.stance.kind == "reconcile" and (is_acting(*under_way) or begins(*under_way, now))
    return is_deleting(observed.app) and not acts


def _figures(observed: Observed) -> tuple[tuple[str, float], ...]:
    count = observed.orphaned.count
    return () if count is None else ((ORPHANS, count),)


def conclude(fresh: Observed, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion | None:
    """Writes down what became of the actions: rows of the operation, and the state of the application after them."""
    if fresh.stance.kind != "reconcile":
        return Conclusion()  # it was given away while we acted: what is written now is somebody else's
    if _goes(fresh, now):
        return _after_deleting(fresh, decision, outcomes, now)
    if not outcomes or not fresh.is_listed:
        return None
    seen = recorded(fresh, outcomes, decision.memo or Acted())
    draft = draft_of(seen, now)
    # What this draft would like to do or ask next is for the next pass, which comes at once: no event may tell of our write
    # (an object that is being adopted is not ours yet, and so wakes nobody).
    goes_on = bool(draft.batches) or (draft.progress is not None and bool(draft.progress.asks))
    wake = Instant(now) if goes_on else _wake(seen, draft, now)
    change = _change(fresh, draft, now, refreshed(fresh))  # only a decision asks, so only a decision says that we ask again
    return Conclusion(change=change, wake=wake, notes=_notes(fresh, draft))


def draft_of(observed: Observed, now: Instant) -> Draft:
    """Verdict, operation and status of this pass."""
    verdict = verdict_of(observed, now)
    status = _status(observed, verdict, now)
    if observed.app.get("operation"):
        return _with_operation(observed, status, now)
    draft = Draft(status, batches=_hook_batches(observed), wake=grace_over(observed, now))
    if verdict.is_known and observed.comparison is not None and observed.target is not None and observed.spec is not None:
        return _with_auto_sync(observed, observed.comparison, observed.target, draft, now)
    return draft


def _status(observed: Observed, verdict: Verdict, now: Instant) -> Obj:
    """The whole status after this pass, but for the operation."""
    if not (observed.status or verdict.is_known or verdict.conditions):
        return {}  # a new application of which nothing is known yet: the first answer says more
    status: dict[str, Any] = dict(observed.status)
    target, comparison = observed.target, observed.comparison
    status["conditions"] = merged_conditions(status.get("conditions") or [], verdict.conditions, now)
    if not status["conditions"]:
        del status["conditions"]
    sync: Obj = {**(status.get("sync") or {}), "status": verdict.sync}
    if target is not None and observed.spec is not None:
        sync["comparedTo"] = compared_to(observed.app, target.wanted)
    at = target.at if target else None
    if verdict.is_known and target is not None and at is not None and comparison is not None:
        permits = permits_of(observed)
        sync = {**without(sync, REVISIONS), **at.revision_fields}
        status["resources"] = resource_rows(comparison, lambda item: bool(permits(item)))
        status["summary"] = summary(comparison.items)
        status["controllerNamespace"] = observed.settings.namespace
    if target is not None and len(target.renders) == len(target.parts):
        status = {**without(status, SOURCE_TYPES), **target.type_fields}
    status["sync"] = sync
    status["health"] = health_status(status.get("health") or {}, verdict.health, now)
    return status


def _with_operation(observed: Observed, status: Obj, now: Instant) -> Draft:
    step = progress(observed, now, _refusal(status))
    if step is None:
        return Draft(status, wake=grace_over(observed, now))
    intent = _intent(observed, observed.sync_target)
    if intent and not step.is_over:
        # Nothing is applied before its kinds are written down.
        begun = Progress(step.state, looks=step.looks)
        return Draft({**status, "operationState": step.state}, intent, begun, wake=step.wake)
    status = {**status, "operationState": step.state}
    root: Obj = {"operation": None} if step.is_over else {}
    if step.succeeded:
        status = _remembered(observed, status, step.state, now)
    return Draft(status, root, step, step.batches, step.wake)


def _refusal(status: Obj) -> str:
    """Why the application may not be synced at all; "" where it may."""
    return next((message for kind, message in told(status) if kind == "InvalidSpecError"), "")


def _remembered(observed: Observed, status: Obj, state: Obj, now: Instant) -> Obj:
    """A full sync that succeeded is history; a selective one (self-heal included) is not, nor is what a client sent: no
    revision could bring that back."""
    operation = observed.operation
    sync = operation.sync if operation else None
    if operation is None or sync is None or sync.resources or sync.dry_run or sync.manifests:
        return status
    limit = observed.spec.revision_history_limit if observed.spec else None
    entry = history_entry(state, operation.initiated_by, now)
    history = with_history(status.get("history") or [], entry, HISTORY_LIMIT if limit is None else limit)
    return {**status, "history": history}


def _with_auto_sync(observed: Observed, comparison: Comparison, target: Target, draft: Draft, now: Instant) -> Draft:
    spec = observed.spec
    if spec is None or target.at is None or not is_automated(spec) or _lifted(observed, now):
        return draft
    if target.stops or target.is_undecided or _refusal(draft.status):
        return draft
    window = gate_of(observed.project, observed.key.name, spec, now, is_manual=False)
    if not window.is_open:
        return replace(draft, wake=_earliest(draft.wake, window.changes_at))
    wanted = Wanted(target.at, target.content, is_newest=not target.stale and not target.is_remembered)
    result = auto_sync(observed.app, spec, comparison, wanted, now, observed.settings.timing.heal)
    status = draft.status
    if result.condition:
        found = [(kind, message) for kind, message in told(status) if kind != "SyncError"]
        status = {
            **status,
            "conditions": merged_conditions(observed.status.get("conditions") or [], [*found, result.condition], now),
        }
    if result.operation is None:
        return replace(draft, status=status, wake=_earliest(draft.wake, result.wake))
    paused = _paused(observed, result.operation, now)
    if paused:
        found = [*told(status), (DEPENDENCY, paused.message)]
        conditions = merged_conditions(observed.status.get("conditions") or [], found, now)
        return replace(draft, status={**status, "conditions": conditions}, wake=_earliest(draft.wake, paused.until))
    begun = Begun(target.at, target.content, target.tools)
    state = begin(observed.app, result.operation, begun, now)
    root = {"operation": result.operation, **_intent(observed, target)}
    asks = asked_first(begun_by_itself(observed, result.operation, state))
    return replace(draft, status={**status, "operationState": state}, root=root, progress=Progress(state, asks=asks))


def _paused(observed: Observed, operation: Obj, now: Instant) -> Pause | None:
    """Why a sync of new content waits; healing of some objects does not."""
    if dig(operation, "sync", "resources"):
        return None
    conditions: list[Obj] = observed.status.get("conditions") or []
    return pause_of(observed.family.dependencies, conditions, observed.settings.timing.wave_delay, now)


def _intent(observed: Observed, target: Target | None) -> Obj:
    """The annotation that names the kinds about to be applied; {} when it names them already."""
    text = annotation_with(observed.app, target.prepared.objects) if target else ""
    return {"metadata": {"annotations": {KINDS: text}}} if text else {}


def _wake(observed: Observed, draft: Draft, now: Instant) -> Instant | None:
    going = is_deleting(observed.app) and begins(observed.state, observed.app.get("operation"), now)
    goes_at = acts_by(observed.state) if going else None
    due = times_out(observed)
    too_long = due if due is not None and due > now else None
    sweep, hold_ends = _sweep(observed, draft, now), _hold_ends(observed)
    return _earliest(draft.wake, refresh_wake(observed, now), sweep, hold_ends, goes_at, too_long)


def _change(observed: Observed, draft: Draft, now: Instant, refresh: Obj) -> Change | None:
    """One patch of root and status; None when nothing would change. `reconciledAt` moves only along with something else.
    `refresh`: the annotations of a client's wish to look at Git."""
    status = merge_diff(observed.status, draft.status)
    root = dict(draft.root)
    annotations = {**refresh, **_lifted(observed, now)}
    root = with_annotations(root, annotations)
    finalizers = _hook_finalizers(observed)
    if finalizers is not None:
        root["metadata"] = {**root.get("metadata", {}), "finalizers": list(finalizers) or None}
    riders = riding(observed.app, observed.ledger, draft.status.get("operationState") or {})
    is_due = bool(root) or is_worth_a_write(riders)
    if not is_due and (not status or waits_for_sweep(observed, status, now) is not None):
        return None
    root = with_annotations(root, riders)
    goes_on = is_due or not _is_last_word(observed, draft, status)
    if status or REFRESH in annotations:
        status["reconciledAt"] = rfc3339(now)
    version = resource_version_of(observed.app)
    return Change(APPLICATIONS, observed.key.namespace, observed.key.name, version, root, status or None, wakes=goes_on)


def _is_last_word(observed: Observed, draft: Draft, changed: Obj) -> bool:
    """Whether nothing of what is `changed` in the status leads to anything else: others read it, no decision here does."""
    if observed.app.get("operation") or not changed.keys() <= _TOLD_ONLY:
        return False
    return known_kinds({**observed.app, "status": draft.status}) == known_kinds(observed.app)


def _hook_finalizers(observed: Observed) -> tuple[str, ...] | None:
    """What has to stand in the finalizers so that the deletion hooks in Git will run; None when it stands there."""
    target = observed.target
    if target is None or not target.is_known or is_deleting(observed.app):  # then none may be added any more
        return None
    return with_hook_finalizers(observed.app, target.prepared.deletion_hooks)


def _lifted(observed: Observed, now: Instant) -> Obj:
    """The annotation of a hold whose time is over goes."""
    return {HOLD: None} if observed.hold is not None and observed.hold.is_over(now) else {}


def _hold_ends(observed: Observed) -> Instant | None:
    return observed.hold.ends_at if observed.hold else None


def _sweep(observed: Observed, draft: Draft, now: Instant) -> Instant | None:
    return waits_for_sweep(observed, merge_diff(observed.status, draft.status), now)


def _deletion(observed: Observed, now: Instant) -> Decision:
    idle = Decision(asks=observed.asks, watches=observed.watches)
    if not has_stages(observed.app) or not observed.ledger.is_answered:
        return idle  # what was done to it is written down before it goes
    if observed.place.cluster is None:
        return _left_behind(observed)
    if not observed.is_listed:
        return _held_up(observed, now)
    options = sync_options(observed.spec) if observed.spec else {}
    scene = Scene(
        observed.app,
        observed.context.instance,
        observed.live,
        _deletion_hooks(observed),
        options,
        spared(observed.key, observed.family.above),
        observed.acting,
    )
    step = deletion_step(scene, now)
    return _taken(observed, step, now)


def _taken(observed: Observed, step: Step, now: Instant) -> Decision:
    """The decision that takes a step of the deletion, and tells of its problem."""
    idle = Decision(batches=step.batches, asks=observed.asks, watches=observed.watches, wake=step.wake)
    found = [("DeletionError", step.problem)] if step.problem else []
    conditions = merged_conditions(observed.status.get("conditions") or [], found, now)
    is_told = ("DeletionError", step.problem) in told(observed.status) or not (step.problem or _had_problem(observed))
    root: Obj = {} if step.finalizers is None else {"metadata": {"finalizers": list(step.finalizers) or None}}
    status: Obj | None = None if is_told else {"conditions": conditions or None}
    if not root and status is None:
        return idle
    version = resource_version_of(observed.app)
    change = Change(APPLICATIONS, observed.key.namespace, observed.key.name, version, root=root, status=status)
    notes = (deletion_note(observed.app, step.problem),) if step.problem and not is_told else ()
    return replace(idle, change=change, notes=notes)


def _after_deleting(fresh: Observed, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion | None:
    """Tells what was refused: the same would be refused again."""
    problem = refused(fresh.acting, outcomes)
    if not problem:
        return None
    taken = _taken(fresh, Step(problem=problem), now)
    return Conclusion(change=taken.change, wake=decision.wake, notes=taken.notes)


def _held_up(observed: Observed, now: Instant) -> Decision:
    """What is there is not known: the kinds are being listed, or the cluster does not answer."""
    wake = Instant(now + LIST_PATIENCE)
    if not observed.place.away:
        return Decision(asks=observed.asks, watches=observed.watches, wake=wake)
    return _taken(observed, Step(problem=f"{observed.place.away}. The deletion goes on once it can be", wake=wake), now)


def _left_behind(observed: Observed) -> Decision:
    """No cluster is known by the name: as Argo CD does, the Application goes, and what it left on a cluster stays there."""
    return replace(
        Decision(asks=observed.asks, watches=observed.watches),
        change=Change(
            APPLICATIONS,
            observed.key.namespace,
            observed.key.name,
            resource_version_of(observed.app),
            root={"metadata": {"finalizers": list(foreign_finalizers(observed.app)) or None}},
        ),
        notes=(deletion_note(observed.app, f"{observed.place.problem}. Its objects stay where they are"),),
    )


def _had_problem(observed: Observed) -> bool:
    return any(kind == "DeletionError" for kind, _ in told(observed.status))


def _deletion_hooks(observed: Observed) -> DeletionHooks:
    target = observed.target
    if target is None:
        return DeletionHooks(error=observed.spec_error)
    return DeletionHooks(target.prepared.deletion_hooks, target.is_known, target.error)


def _hook_batches(observed: Observed) -> tuple[Batch, ...]:
    """Hooks whose operation is over are let go of."""
    items: tuple[Item, ...] = observed.comparison.items if observed.comparison else ()
    steps = clean_up(items, read_rows(observed.state))
    return tuple(Batch((action,), "continue", observed.context.as_user) for actions in steps for action in actions)


def _wants_default_project(observed: Observed) -> bool:
    return observed.spec is not None and (observed.spec.project or DEFAULT) == DEFAULT


def _earliest(*instants: Instant | None) -> Instant | None:
    return min((instant for instant in instants if instant is not None), default=None)


def _notes(observed: Observed, draft: Draft) -> tuple[Note, ...]:
    return notes_of(observed.app, draft.status)
