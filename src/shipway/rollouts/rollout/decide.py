"""One pass over a Rollout: which of the few kinds of pass it is, and what the parts add up to.

    invalid    the spec cannot be run: say so, touch nothing
    claim      replicas are not stated: write 1, so that an autoscaler can work
    pin        a release begins whose steps go by its error budget: choose them, touch nothing
    create     no ReplicaSet of the present template: make one, without pods
    follow     spec.replicas changed: only scale
    reset      the template or the steps changed: begin the update anew
    progress   everything else

In a progress pass the order is: metadata of pods, history, services, traffic, analyses, sizes. It is an order of safety (a
service points at pods before traffic flows to them), and it stops at the first failure. What the runs say is known before
anything is planned, so a failed analysis takes traffic back in the same pass.
"""

import msgspec

from shipway.api.kinds import ANALYSIS_RUNS, DEPLOYMENTS, PODS, REPLICA_SETS
from shipway.base.clock import Instant, parse_rfc3339
from shipway.base.errors import Conflict, ShipwayError
from shipway.kube.objects.patches import merge_patch
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import (
    annotations_of,
    generation_of,
    metadata,
    name_of,
    resource_version_of,
)
from shipway.kube.runtime.decision import (
    Action,
    Ask,
    Conclusion,
    Create,
    Decision,
    Delete,
    Evict,
    Note,
    Outcome,
    Patch,
    Watch,
)
from shipway.rollouts.rollout.analysis import plan_runs
from shipway.rollouts.rollout.blue_green import plan_active, plan_hold, plan_preview, plan_sizes
from shipway.rollouts.rollout.blue_green_runs import plan_promotion_runs
from shipway.rollouts.rollout.blue_green_status import advance_blue_green, reset_blue_green, scaled_blue_green
from shipway.rollouts.rollout.budget import budget_asks, plan_pin
from shipway.rollouts.rollout.changes import change_of, in_one, is_turn, said, spoken
from shipway.rollouts.rollout.conditions import find, invalid_condition, put
from shipway.rollouts.rollout.departed import Departed, clear
from shipway.rollouts.rollout.effects import NOTHING, Effects, Tied, acting, earliest, side_by_side, together
from shipway.rollouts.rollout.facts import Facts, gather, regarding_of, status_of_rollout, with_new, with_replica_set
from shipway.rollouts.rollout.hand_over import plan_workload
from shipway.rollouts.rollout.history import plan_history
from shipway.rollouts.rollout.leaving import reach_of
from shipway.rollouts.rollout.names import PROGRESSING, REACHES, REVISION, STRATEGY_BY_BUDGET, VERIFICATION, WORKLOAD_GENERATION
from shipway.rollouts.rollout.observe import Observed, needs_pods, role_metadata
from shipway.rollouts.rollout.phase import phase_of
from shipway.rollouts.rollout.plugin_calls import next_call
from shipway.rollouts.rollout.plugins import plugin_problem
from shipway.rollouts.rollout.pod_metadata import plan_pod_metadata
from shipway.rollouts.rollout.restart import plan_restart
from shipway.rollouts.rollout.revision import new_replica_set, sync_new
from shipway.rollouts.rollout.rules import awaits_rules, with_rules
from shipway.rollouts.rollout.runs import template_problem
from shipway.rollouts.rollout.scaling import is_scaling_event, plan_scaling
from shipway.rollouts.rollout.services import plan_services, service_problem
from shipway.rollouts.rollout.spec import Invalid
from shipway.rollouts.rollout.split import Traffic, agreed, plan_leaving, plan_traffic, route_problem
from shipway.rollouts.rollout.status import Next, advance, reset_status, scaled_status
from shipway.rollouts.rollout.turns import views
from shipway.rollouts.rollout.waiting import as_it_was, still_waiting
from shipway.rollouts.rollout.watches import POD_WATCH, route_watch, verification_watches, workload_watch

RECHECK_YOUNG, RECHECK, YOUNG = 2.0, 20.0, 60.0
"""Seconds between looks at a spec that refers to something missing: often while the Rollout is young, then seldom."""
SYNC_PATIENCE = 1.0
MOST_WORDS = 50
"""Passes without actions that are said at once; more are said by the pass after."""


class RolloutDecision(Decision, frozen=True):
    """`tied` are the events of actions: told when the action is done, whatever becomes of the change.

    `first` are events of the change that come before those of the actions.
    """

    tied: tuple[Tied, ...] = ()
    first: tuple[Note, ...] = ()


def decide(seen: Observed | Departed, now: Instant) -> Decision:
    """What is to be done about a Rollout now. Pure."""
    if isinstance(seen, Departed):
        return msgspec.structs.replace(clear(seen, now), watches=tuple(route_watch(kind) for kind, _ in seen.routes))
    decision, asks = _decided(seen, now), _asks(seen, now)
    return msgspec.structs.replace(decision, asks=asks) if asks else decision


def _asks(seen: Observed, now: Instant) -> tuple[Ask, ...]:
    """What a plugin is asked now: only what the stored status says, and in every pass, for a call that nobody asks is ended.
    And what is left of error budgets, where they decide."""
    call = None if isinstance(seen.spec, Invalid) else next_call(seen.rollout, seen.spec)
    calls = call is not None and call.is_due(now)
    by_budget = STRATEGY_BY_BUDGET in annotations_of(seen.rollout) and not seen.unsynced
    facts = gather(seen, now) if calls or by_budget else None
    if facts is None or isinstance(facts, Invalid):
        return ()
    is_outdated = facts.template_changed or facts.steps_changed
    asked: tuple[Ask, ...] = (call.ask,) if call is not None and calls and not is_outdated else ()
    return (*asked, *budget_asks(facts)) if by_budget else asked


def _decided(seen: Observed, now: Instant) -> RolloutDecision:
    """Passes that would only be words, one after the other (a step is done, the pause after it begins), are said at once,
    together with the sizes that they lead to. Whatever moves traffic waits until its step has been written.
    """
    decision = _one_pass(seen, now)
    after = said(seen, decision)
    for _ in range(MOST_WORDS):
        if after is None:
            break
        more = _one_pass(after, now)
        further = said(after, more)
        if further is None:
            return _with_sizes(seen, decision, after, more)
        notes = (*decision.notes, *more.notes)
        decision, after = msgspec.structs.replace(more, change=in_one(seen, further), notes=notes), further
    return decision


def _with_sizes(seen: Observed, words: RolloutDecision, after: Observed, more: RolloutDecision) -> RolloutDecision:
    """The words, with what `more` does about sizes where it does nothing else. Safe to crash after: sizes are decided anew."""
    actions = [action for batch in more.batches for action in batch.actions]
    sizes = [action for action in actions if isinstance(action, Patch) and action.resource == REPLICA_SETS]
    change = more.change
    if not actions or len(sizes) < len(actions) or (change is not None and change.root) or is_turn(seen, after):
        return words
    return msgspec.structs.replace(more, change=in_one(seen, spoken(after, more)), first=(*words.notes, *more.first))


def _one_pass(seen: Observed, now: Instant) -> RolloutDecision:
    watches = watches_of(seen)
    if seen.unsynced:
        return RolloutDecision(watches=watches, wake=Instant(now + SYNC_PATIENCE))
    facts = gather(seen, now)
    if isinstance(facts, Invalid):
        return _invalid(seen, facts, now, watches, recheck=False)
    if awaits_rules(facts):
        return RolloutDecision(watches=watches, wake=Instant(now + SYNC_PATIENCE))
    facts = with_rules(facts)
    if facts.spec.replicas is None:
        return RolloutDecision(watches=watches, change=change_of(seen.rollout, {"spec": {"replicas": 1}}, None))
    if not facts.refusal and (pinning := plan_pin(facts)) is not None:
        return RolloutDecision(watches=watches, change=change_of(seen.rollout, pinning.root, None), notes=pinning.notes)
    if (undeclared := plugin_problem(facts)) is not None:
        return _invalid(seen, undeclared, now, watches, recheck=False)
    problem = service_problem(facts) or template_problem(facts) or route_problem(facts)
    if problem is not None:
        return _invalid(seen, problem, now, watches, recheck=True)
    if facts.refusal:
        return _waiting(facts, watches)
    return msgspec.structs.replace(_valid(facts), watches=watches)


def watches_of(seen: Observed) -> tuple[Watch, ...]:
    """Kinds that this Rollout needs beyond what all do."""
    workload = (workload_watch(seen.workload_kind),) if seen.workload_kind is not None else ()
    if isinstance(seen.spec, Invalid):
        return workload
    served = [resource for resource in seen.route_kinds.values() if resource is not None]
    pods = (POD_WATCH,) if needs_pods(seen.spec) else ()
    return (*workload, *map(route_watch, served), *pods, *verification_watches(seen.verification))


def _valid(facts: Facts) -> RolloutDecision:
    if facts.new is None:
        return _create(facts)
    synced = sync_new(facts.rollout, facts.spec, facts.roles, facts.affinity)
    first = acting(synced) if synced is not None else NOTHING
    if (left := plan_leaving(facts)) is not None:
        first = together(first, left)
        facts = msgspec.structs.replace(facts, reaches=reach_of(facts.rollout, facts.spec).text)
    if facts.blue_green is not None:
        return _blue_green(facts, first)
    if is_scaling_event(facts):
        return _decision(facts, together(first, plan_scaling(facts, facts.status.canary.weights).effects), scaled_status(facts))
    if facts.template_changed or facts.steps_changed:
        return _decision(facts, first, reset_status(facts))
    return _progress(facts, first)


def _create(facts: Facts) -> RolloutDecision:
    """Makes the ReplicaSet; the revision, the news of it and the beginning of the update are written when it is there."""
    obj = new_replica_set(
        facts.rollout, facts.spec, facts.status.collision_count, facts.roles, role_metadata(facts.spec), facts.affinity
    )
    name, revision = name_of(obj), facts.next_revision
    told = facts.note("NewReplicaSetCreated", f"Created ReplicaSet {name} (revision {revision})")
    text = f'Created new replica set "{name}"'
    conditions = put(facts.status.conditions, PROGRESSING, "True", "NewReplicaSetCreated", text, facts.now)
    status = msgspec.structs.replace(facts.status, conditions=conditions)
    begun = _begun(with_new(msgspec.structs.replace(facts, status=status), obj))
    notes = (*_first_seen(facts), *_revision_note(facts), told, *begun.notes)
    decision = _decision(facts, acting(Create(REPLICA_SETS, obj)), msgspec.structs.replace(begun, notes=notes))
    return _born_with_pods(facts, obj, decision) if facts.blue_green is None else decision


def _born_with_pods(facts: Facts, obj: Obj, decision: RolloutDecision) -> RolloutDecision:
    """The same, at the size that the next pass would give the new ReplicaSet, where it would do nothing else."""
    after = spoken(with_replica_set(facts.seen, obj, facts.now), decision)
    more = _one_pass(after, facts.now)
    actions = [action for batch in more.batches for action in batch.actions]
    match actions:
        case [Patch(resource=resource, name=name, body={"spec": _} as body)] if resource == REPLICA_SETS and name == name_of(
            obj
        ):
            create = Create(REPLICA_SETS, merge_patch(obj, body))
        case _:
            return decision
    change = in_one(facts.seen, spoken(after, more), decision.change.root if decision.change else {})
    notes = (*decision.notes, *(tie.note for tie in more.tied), *more.notes)
    return msgspec.structs.replace(more, batches=acting(create).batches, tied=(), change=change, notes=notes)


def _begun(facts: Facts) -> Next:
    """The status once the new ReplicaSet is there. (The preview service comes before a blue-green update begins.)"""
    begins = facts.blue_green is None and not is_scaling_event(facts) and (facts.template_changed or facts.steps_changed)
    return reset_status(facts) if begins else Next(facts.status)


def _first_seen(facts: Facts) -> tuple[Note, ...]:
    if facts.status.observed_generation or facts.roles.all:
        return ()
    text = f"Rollout resource added to informer: {facts.namespace}/{facts.name}"
    return (facts.note("RolloutAddedToInformer", text),)


def _progress(facts: Facts, first: Effects) -> RolloutDecision:
    """One pass of an update, or of nothing left to do."""
    restart = plan_restart(facts)
    before = together(first, restart.effects, plan_pod_metadata(facts), plan_history(facts))
    runs = plan_runs(facts)
    rules = runs.rules
    is_judged = rules.has_measured and rules.before_is_content and rules.after_is_content
    facts = msgspec.structs.replace(facts, is_judged=is_judged, is_gated=not rules.before_is_content)
    if runs.moves.abort is not None and not facts.is_promoted:
        facts = facts.with_abort()
        runs = msgspec.structs.replace(runs, effects=together(runs.effects, plan_runs(facts).effects))
    moves, traffic = _moves(facts)
    scaling = plan_scaling(facts, traffic.weights)
    effects = together(before, moves, runs.effects, scaling.effects, plan_workload(facts))
    following = advance(facts, runs, traffic, restart.restarted_at, scaled=scaling.scaled)
    plugins = runs.plugins
    following = Next(following.status, (*plugins.notes, *following.notes), earliest(plugins.wake, following.wake))
    return _decision(facts, effects, following)


def _moves(facts: Facts) -> tuple[Effects, Traffic]:
    """What moves services and routes, and the weights that come of it."""
    switched = [(view, plan_services(view)) for view in views(facts)]
    planned = [(view, switches.effects, plan_traffic(view, switches.pointed)) for view, switches in switched]
    if len(planned) == 1:
        ((view, switches, traffic),) = planned
        return _arranged(view, switches, traffic.effects), traffic
    traffic = agreed(facts.status.canary.weights, [part for *_, part in planned])
    silent = [msgspec.structs.replace(_arranged(view, one, part.effects), notes=()) for view, one, part in planned]
    return together(*silent, traffic.effects), traffic


def _arranged(facts: Facts, switches: Effects, traffic: Effects) -> Effects:
    """Services that take turns are switched without traffic only, so theirs goes first; elsewhere pods are pointed at first.

    After an abort both lead to stable, and neither waits.
    """
    if facts.canary.ping_pong is not None:
        return together(traffic, switches)
    return side_by_side(switches, traffic) if facts.aborted and not facts.is_promoted else together(switches, traffic)


def _blue_green(facts: Facts, first: Effects) -> RolloutDecision:
    """The passes of a blue-green Rollout."""
    if is_scaling_event(facts):
        sizes = plan_sizes(facts, plan_promotion_runs(facts))
        return _decision(facts, together(first, sizes), scaled_status(facts, scaled_blue_green(facts)))
    preview = plan_preview(facts)
    if facts.template_changed:
        return _decision(facts, together(first, preview.effects), reset_blue_green(facts, preview.pointed))
    restart, runs = plan_restart(facts), plan_promotion_runs(facts)
    if runs.moves.abort is not None and not facts.is_promoted:
        facts = facts.with_abort()
        runs = msgspec.structs.replace(runs, effects=together(runs.effects, plan_promotion_runs(facts).effects))
    hold = plan_hold(facts, runs)
    active = plan_active(facts, runs, hold)
    before = together(first, preview.effects, restart.effects, active.effects, plan_sizes(facts, runs))
    effects = together(
        before, plan_history(facts), runs.effects, plan_pod_metadata(facts), plan_workload(facts), Effects(wake=hold.wake)
    )
    moves = runs.moves.merged(hold.moves)
    following = advance_blue_green(facts, runs, moves, {**preview.pointed, **active.pointed}, restart.restarted_at)
    return _decision(facts, effects, following)


def _decision(facts: Facts, effects: Effects, following: Next) -> RolloutDecision:
    notes, live = following.notes, annotations_of(facts.rollout)
    wanted = {
        REVISION: str(facts.next_revision),
        REACHES: facts.reaches or None,
        WORKLOAD_GENERATION: facts.workload_generation or None,
        VERIFICATION: facts.pinned or None,
    }
    changed = {key: value for key, value in wanted.items() if live.get(key) != value}
    root: Obj = {"metadata": {"annotations": changed}} if changed else {}
    if REVISION in changed and facts.new is not None:
        notes = (*_revision_note(facts), *notes)
    return RolloutDecision(
        batches=effects.batches,
        change=change_of(facts.rollout, root, following.status),
        wake=earliest(effects.wake, following.wake),
        notes=(*effects.notes, *notes),
        tied=effects.tied,
    )


def _revision_note(facts: Facts) -> tuple[Note, ...]:
    return (facts.note("RolloutUpdated", f"Rollout updated to revision {facts.next_revision}"),)


def _invalid(seen: Observed, problem: Invalid, now: Instant, watches: tuple[Watch, ...], *, recheck: bool) -> RolloutDecision:
    """Says why the spec cannot be run. Nothing else is touched."""
    rollout = seen.rollout
    before = status_of_rollout(rollout)
    message = f'The Rollout "{name_of(rollout)}" is invalid: {problem}'
    status = msgspec.structs.replace(
        before,
        conditions=invalid_condition(before.conditions, message, now),
        observed_generation=str(generation_of(rollout)),
    )
    if isinstance(seen.spec, Invalid):
        condition = find(status.conditions, "InvalidSpec")
        phase, told = "Degraded", f"InvalidSpec: {condition.message if condition else message}"
    else:
        phase, told = phase_of(seen.spec, status)
    status = msgspec.structs.replace(status, phase=phase, message=told)
    wake = Instant(now + _recheck_after(rollout, now)) if recheck else None
    return RolloutDecision(watches=watches, change=change_of(rollout, {}, status), wake=wake)


def _waiting(facts: Facts, watches: tuple[Watch, ...]) -> RolloutDecision:
    """The pass that would be if the template were still the one that runs, and the reason why the new one waits."""
    before = as_it_was(facts)
    went_on = _one_pass(before, facts.now) if before is not None else RolloutDecision()
    wake = earliest(went_on.wake, Instant(facts.now + _recheck_after(facts.rollout, facts.now)))
    root = went_on.change.root if went_on.change is not None else {}
    change = change_of(facts.rollout, root, still_waiting(facts, spoken(facts.seen, went_on).rollout))
    return msgspec.structs.replace(went_on, watches=watches, change=change, wake=wake)


def _recheck_after(rollout: Obj, now: Instant) -> float:
    try:
        age = now - parse_rfc3339(metadata(rollout).get("creationTimestamp") or "")
    except ValueError:
        return RECHECK
    return RECHECK_YOUNG if age < YOUNG else RECHECK


def conclude(fresh: Observed | Departed, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion:
    """What is written once the actions have been tried.

    All done and nobody wrote in between: the decision's change. Somebody did (a client aborts, promotes, edits): nothing, for
    the next pass decides anew on what is there. An action failed: only what must be told about that.
    """
    tied = decision.tied if isinstance(decision, RolloutDecision) else ()
    done = [outcome.action for outcome in outcomes if outcome.is_done]
    told = tuple(tie.note for tie in tied if any(action is tie.action for action in done))
    if isinstance(fresh, Departed):
        return Conclusion(notes=told, wake=now)
    failed = next((outcome for outcome in outcomes if outcome.error is not None and _matters(outcome.action)), None)
    if failed is not None and failed.error is not None:
        return _failure(fresh, failed.action, failed.error, told, now)
    if decision.change is not None and resource_version_of(fresh.rollout) != decision.change.resource_version:
        return Conclusion(notes=told, wake=now)
    first = decision.first if isinstance(decision, RolloutDecision) else ()
    return Conclusion(change=decision.change, wake=decision.wake, notes=(*first, *_in_order(told, decision.notes)))


def _matters(action: Action) -> bool:
    """Whether the status must wait when this failed. Evictions that a budget forbids and tidying up are just tried again."""
    if isinstance(action, Patch):
        return action.resource not in (PODS, ANALYSIS_RUNS, DEPLOYMENTS)
    return not isinstance(action, Evict | Delete)


FIRST = ("RolloutAddedToInformer", "RolloutUpdated")


def _in_order(told: tuple[Note, ...], notes: tuple[Note, ...]) -> tuple[Note, ...]:
    """Events in the order in which Argo Rollouts tells them: the update, what was done for it, where that leaves it."""
    begun = tuple(note for note in notes if note.reason in FIRST)
    return (*begun, *told, *(note for note in notes if note.reason not in FIRST))


def _failure(fresh: Observed, action: Action, error: ShipwayError, told: tuple[Note, ...], now: Instant) -> Conclusion:
    rollout = fresh.rollout
    before = status_of_rollout(rollout)
    if isinstance(action, Create) and action.resource == REPLICA_SETS:
        if isinstance(error, Conflict) and error.reason == "NameTaken":
            bumped = msgspec.structs.replace(before, collision_count=(before.collision_count or 0) + 1)
            return Conclusion(change=change_of(rollout, {}, bumped), notes=told, wake=now)
        text = f'Failed to create new replica set "{name_of(action.obj)}": {error.message}'
        conditions = put(before.conditions, PROGRESSING, "False", "ReplicaSetCreateError", text, now)
        status = msgspec.structs.replace(before, conditions=conditions)
        note = Note(regarding_of(rollout), "ReplicaSetCreateError", text, "Warning")
        return Conclusion(change=change_of(rollout, {}, status), notes=(*told, note))
    if isinstance(action, Patch) and action.type == "json" and not isinstance(error, Conflict):
        text = f"failed to set weight on {action.resource.kind} {action.namespace}/{action.name}: {error.message}"
        return Conclusion(notes=(*told, Note(regarding_of(rollout), "TrafficRoutingError", text, "Warning")))
    return Conclusion(notes=told)
