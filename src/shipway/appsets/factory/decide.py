"""What to do about one ApplicationSet: pure, from a snapshot to a decision.

    deletion     Applications go with their owner, unless the policy keeps them: then the owner is taken off first
    plan         what to create, alter, bury and delete
    rolling      whose sync begins, where the set syncs step by step
    status       conditions and rows, written together with the memory of what was carried out

`conclude` records what the actions met and says the state after them.
"""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from shipway.api.applicationset import ApplicationSetSpec
from shipway.api.kinds import APP_PROJECTS, APPLICATION_SETS, APPLICATIONS
from shipway.appsets.evaluation import Evaluation
from shipway.appsets.factory.observe import Observed
from shipway.appsets.names import EVALUATED, ORPHAN, REFRESH_SET, RESOURCES_FINALIZER
from shipway.appsets.plan import Plan, actions_of, evaluated_text, plan
from shipway.appsets.rolling import Turn, deletes_in_reverse, last_step, steps_of, take_turn
from shipway.appsets.scene import FROM_PARAMS, VALIDATION
from shipway.appsets.status import Failure, conditions, failures_of, rows
from shipway.base.clock import Instant
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import (
    annotations_of,
    is_deleting,
    metadata,
    name_of,
    namespace_of,
    resource_version_of,
    uid_of,
)
from shipway.kube.runtime.decision import (
    Action,
    Apply,
    Batch,
    Change,
    Conclusion,
    Create,
    Decision,
    Delete,
    Note,
    Outcome,
    Patch,
    regarding,
)

ASK_AGAIN = 5.0
"""Seconds until a pass looks whether the questions that a deletion waits for have been answered anew."""
TOLD_ONE_BY_ONE = 10
"""Events for more Applications than these are told in one."""


class Draft(Struct, frozen=True):
    """A pass thought through. `denied`: what it could not make, and its Applications can be made without."""

    plan: Plan
    turn: Turn
    denied: tuple[Failure, ...] = ()


def decide(observed: Observed, now: Instant) -> Decision:
    """The next step of this set."""
    if is_deleting(observed.appset):
        return _deletion(observed, now)
    wanted, spec = observed.wanted, observed.spec
    if wanted is None or spec is None:
        return Decision(change=_unreadable(observed, now))
    asks = observed.asks
    refresh = tuple(ask for ask in asks if ask.standing) if REFRESH_SET in annotations_of(observed.appset) else ()
    the_plan = plan(observed.appset, spec, wanted, observed.existing, now)
    project = _project_first(observed)
    if wanted.is_pending:
        return Decision(batches=project, asks=asks, refresh=refresh)
    comes, goes = actions_of(the_plan, observed.appset, now)
    turn = _turn(observed, spec, wanted, now)
    return Decision(
        batches=(*project, *(Batch(actions) for actions in (comes, goes, turn.syncs) if actions)),
        asks=asks,
        change=_change(observed, wanted, Draft(the_plan, turn), (), now),
        wake=_wake(the_plan, turn, now),
        notes=_notes(observed.appset, the_plan),
        refresh=tuple(dict.fromkeys((*refresh, *the_plan.stale))),
    )


def conclude(fresh: Observed, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion | None:
    """Writes down what became of the actions."""
    wanted, spec = fresh.wanted, fresh.spec
    if not outcomes or is_deleting(fresh.appset) or wanted is None or spec is None or wanted.is_pending:
        return None
    the_plan = plan(fresh.appset, spec, wanted, fresh.existing, now)
    denied = tuple(_without_project(outcome) for outcome in outcomes if isinstance(outcome.action, Create) and outcome.error)
    outcomes = tuple(outcome for outcome in outcomes if not isinstance(outcome.action, Create))
    failures = [_failure(outcome) for outcome in outcomes if outcome.error]
    is_over = bool(outcomes) and all(outcome.is_done for outcome in outcomes)
    draft = Draft(the_plan, _turn(fresh, spec, wanted, now), denied)
    change = _change(fresh, wanted, draft, failures, now, is_over=is_over)
    return Conclusion(
        change=change, wake=_wake(the_plan, draft.turn, now) or decision.wake, notes=decision.notes if not failures else ()
    )


def _change(
    observed: Observed,
    wanted: Evaluation,
    draft: Draft,
    failures: Sequence[Failure],
    now: Instant,
    *,
    is_over: bool = False,
) -> Change:
    """Conditions and rows; and, once everything is carried out, what it was (nothing, of an incomplete picture)."""
    appset, status, the_plan, turn = observed.appset, observed.status, draft.plan, draft.turn
    refused = [Failure("UpdateApplicationError", f"ignoreApplicationDifferences: {one}") for one in observed.refused]
    doubted = [Failure(one.reason, one.message) for one in wanted.doubts]
    told = [*failures_of(wanted, the_plan), *refused, *failures, *draft.denied, *doubted]
    rolling = [turn.condition] if turn.statuses else []
    listed = rows(observed.existing.owned.values())
    new: Obj = {
        "conditions": conditions(status.get("conditions") or [], told, the_plan, now, rolling, wanted.passed_over),
        "resources": listed or None,
        "resourcesCount": len(observed.existing.owned) or None,
        "applicationStatus": list(turn.statuses) or None,
    }
    annotations: dict[str, str | None] = {}
    text = evaluated_text(appset, wanted, is_over=not failures and (the_plan.is_empty or is_over))
    if annotations_of(appset).get(EVALUATED) != text:
        annotations[EVALUATED] = text
    if REFRESH_SET in annotations_of(appset):
        annotations[REFRESH_SET] = None
    meta: Obj = {"annotations": annotations} if annotations else {}
    finalizers: list[str] = metadata(appset).get("finalizers") or []
    if observed.spec is not None and deletes_in_reverse(observed.spec) and RESOURCES_FINALIZER not in finalizers:
        meta["finalizers"] = [*finalizers, RESOURCES_FINALIZER]
    return _change_of(observed, {"metadata": meta} if meta else {}, new)


def _change_of(observed: Observed, root: Obj, status: Obj) -> Change:
    version = resource_version_of(observed.appset)
    return Change(APPLICATION_SETS, observed.key.namespace, observed.key.name, version, root=root, status=status)


def _unreadable(observed: Observed, now: Instant) -> Change:
    failure = Failure(FROM_PARAMS, observed.spec_error)
    return _change_of(observed, {}, {"conditions": conditions(observed.status.get("conditions") or [], [failure], Plan(), now)})


def _project_first(observed: Observed) -> tuple[Batch, ...]:
    """Makes the AppProject `default` where the set needs it: as the GitOps engine does, which may run elsewhere, or later. The
    Applications are made in any case: what their project is they say themselves."""
    missing = observed.missing_project
    return (Batch((Create(APP_PROJECTS, missing),), "continue"),) if missing is not None else ()


def _without_project(outcome: Outcome) -> Failure:
    why = outcome.error.message if outcome.error else ""
    project = outcome.action.obj if isinstance(outcome.action, Create) else {}
    where = f"{namespace_of(project)}/{name_of(project)}"
    return Failure(VALIDATION, f"AppProject {where} is missing: make it, or let Shipway do that: {why}")


def _failure(outcome: Outcome) -> Failure:
    action, error = outcome.action, outcome.error
    reason = "UpdateApplicationError"
    if isinstance(action, Delete):
        reason = "DeleteApplicationError"
    elif isinstance(action, Apply):
        reason = "CreateApplicationError"
    name = name_of(action.obj) if isinstance(action, Apply) else getattr(action, "name", "")
    return Failure(reason, f"application {name!r}: {error.message if error else ''}")


def _turn(observed: Observed, spec: ApplicationSetSpec, wanted: Evaluation, now: Instant) -> Turn:
    """Whose sync begins, with RollingSync. Nobody's while it is not known what is wanted."""
    steps = steps_of(spec)
    if not steps or wanted.duplicates:
        return Turn()
    there = {name: app for name, app in observed.existing.owned.items() if name in wanted.applications}
    return take_turn(steps, there, wanted.prunes, observed.status.get("applicationStatus") or [], now)


def _wake(the_plan: Plan, turn: Turn, now: Instant) -> Instant | None:
    if the_plan.stale:
        return Instant(now + ASK_AGAIN)
    times = [*(at for _, at in the_plan.leaving), *([turn.wake] if turn.wake is not None else [])]
    return min(times, default=None)


# --- the end of a set ---------------------------------------------------------------------------------------------------


def _deletion(observed: Observed, now: Instant) -> Decision:
    """Only a set with a finalizer gets here while it is still there: ours, or that of a deletion in the foreground, which
    would take the Applications along that the policy keeps."""
    finalizers: list[str] = metadata(observed.appset).get("finalizers") or []
    owned = observed.existing.owned
    if observed.spec is not None and not observed.spec.may_delete and owned:
        return Decision(batches=(Batch(tuple(_released(app, observed.appset) for app in owned.values())),), wake=Instant(0.0))
    if RESOURCES_FINALIZER not in finalizers:
        return Decision()
    if observed.spec is not None and deletes_in_reverse(observed.spec) and owned:
        if ORPHAN in finalizers:
            return Decision()  # the garbage collector takes the set off their owners first
        if leaving := last_step(owned, steps_of(observed.spec)):
            return _farewell(observed.appset, leaving, now)
    left = [one for one in finalizers if one != RESOURCES_FINALIZER]
    return Decision(change=replace(_change_of(observed, {"metadata": {"finalizers": left or None}}, {}), status=None))


def _farewell(appset: Obj, leaving: Sequence[Obj], now: Instant) -> Decision:
    """Deletes the Applications of one step, and waits until they are gone."""
    begun = [app for app in leaving if not is_deleting(app)]
    deletes = tuple(Delete(APPLICATIONS, namespace_of(app), name_of(app), uid=uid_of(app)) for app in begun)
    notes = (
        tuple(_note(appset, "Deleted", text) for text in _texts("Deleted", [name_of(app) for app in begun])) if begun else ()
    )
    return Decision(batches=(Batch(deletes),) if deletes else (), wake=Instant(now + ASK_AGAIN), notes=notes)


def _released(app: Obj, appset: Obj) -> Action:
    """Takes the set off the owners of an Application, so that it stays when the set goes."""
    owners: list[Obj] = metadata(app).get("ownerReferences") or []
    left = [one for one in owners if one.get("uid") != uid_of(appset)]
    body = {"metadata": {"ownerReferences": left or None}}
    return Patch(APPLICATIONS, namespace_of(app), name_of(app), body, uid=uid_of(app))


# --- events -------------------------------------------------------------------------------------------------------------


def _notes(appset: Obj, the_plan: Plan) -> tuple[Note, ...]:
    happened = [
        ("Created", [name_of(app) for app in the_plan.create]),
        ("Updated", list(the_plan.updated)),
        ("Tombstoned", list(the_plan.bury)),
        ("Kept", list(the_plan.revive)),
        ("Deleted", [name_of(app) for app in the_plan.delete]),
    ]
    return tuple(_note(appset, reason, text) for reason, names in happened for text in _texts(reason, names))


def _texts(reason: str, names: Sequence[str]) -> list[str]:
    if len(names) > TOLD_ONE_BY_ONE:
        return [f"{reason} {len(names)} Applications: {', '.join(names[:TOLD_ONE_BY_ONE])} …"]
    return [f'{reason} Application "{name}"' for name in names]


def _note(appset: Obj, reason: str, message: str) -> Note:
    return Note(regarding(APPLICATION_SETS, appset), reason, message)
