"""From the tasks of a step to actions, and from their outcomes back to rows.

Inside a wave: prunes first, then objects kind by kind, those of one kind in parallel. One failure does not stop the others of
its wave (Argo CD's rule), but it stops the next wave. The first write of a sync goes alone where it can: if the server refuses
it, nothing has been done, so nobody had to ask before.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from shipway.base.errors import Conflict, InvalidInput, NotFound, ShipwayError, Unavailable
from shipway.gitops.adoption import takeover
from shipway.gitops.asks import DryRunAsk
from shipway.gitops.desired import Desired
from shipway.gitops.ownership import (
    Context,
    client_side_body,
    client_side_change,
    dry_run_of,
    is_adopted_quietly,
    is_client_side,
    to_apply,
)
from shipway.gitops.sync.hooks import hook_object, is_begun, removal
from shipway.gitops.sync.rows import RowKey, Rows, applied_message, failed_row, kubectl_name, new_row
from shipway.gitops.sync.tasks import Task, crd_of, kind_groups, option_of
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import copy_obj, is_deleting, name_of, namespace_of, resource_version_of, uid_of
from shipway.kube.runtime.decision import Action, Apply, Batch, Create, Delete, Outcome, Patch, Propagation, Replace

ObjectKey = tuple[Resource | None, str, str]
Versions = Mapping[RowKey, str]
_PATIENCE = frozenset({"Unreachable", "Unavailable", "TooManyRequests", "Timeout", "ServerTimeout"})


class Hand(Struct, frozen=True):
    """What carrying out tasks needs besides them. `operation` is the id that hooks carry."""

    context: Context
    options: dict[str, str]
    operation: str
    tries: int = 0
    """How often this operation has failed already."""


def first_alone(tasks: Sequence[Task], hand: Hand, *, prunes: bool) -> Task | None:
    """The first thing that a sync does, if that is a write of one object that leaves all as it was when it is refused."""
    acting = (task for task in tasks if task.writes and task.resource and (prunes or task.kind != "prune"))
    first = next(acting, None)
    if first is None or first.kind != "apply":
        return None
    replaces = forces(first, hand.options) or option_of(first.obj, hand.options, "Replace") == "true"
    return None if first.item.live and (replaces or takeover_of(first, hand)) else first


def batches(tasks: Sequence[Task], hand: Hand, alone: Task | None = None) -> tuple[Batch, ...]:
    """`alone`, where it is one of them, goes before all others, which wait for its success."""
    first = [task for task in tasks if task is alone]
    found = [Batch(steps_of(task, hand), "stop", hand.context.as_user) for task in first]
    for group in kind_groups([task for task in tasks if task is not alone]):
        steps = [steps_of(task, hand) for task in group]
        for depth in range(max(map(len, steps), default=0)):
            actions = tuple(step[depth] for step in steps if depth < len(step))
            has_more = any(depth + 1 < len(step) for step in steps)
            found.append(Batch(actions, "stop" if has_more else "continue", hand.context.as_user))
    return tuple(found)


def steps_of(task: Task, hand: Hand) -> tuple[Action, ...]:
    """The actions of one task, in order. Empty: nothing to write (a hook that this operation began already)."""
    resource = task.resource
    if resource is None:
        return ()
    if task.kind == "namespace":
        return (Apply(resource, task.obj, hand.context.settings.manager),)
    if task.kind == "prune":
        return (_prune(task, resource, hand.options),)
    if task.kind == "hook":
        if task.item.live is not None:
            # Ours has begun already; an earlier one has to be gone first.
            return () if is_begun(task, hand.operation) else removal(task.item)
        return (Create(resource, hook_object(task.obj, hand.operation), adopt_if_exists=False),)
    return _apply(task, resource, hand)


def begun_hooks(tasks: Sequence[Task], rows: Rows, operation: str) -> Rows:
    """Rows for hooks that this operation created just before it was interrupted."""
    begun = [task for task in tasks if task.kind == "hook" and task.row_key not in rows and is_begun(task, operation)]
    return {**rows, **{task.row_key: new_row(task, "Synced", f"{task.ref.name} created") for task in begun}}


def versions(tasks: Sequence[Task]) -> Versions:
    """The live resourceVersion of each task's object before anything is done."""
    return {task.row_key: resource_version_of(task.item.live_obj or {}) for task in tasks}


def record(tasks: Sequence[Task], outcomes: Sequence[Outcome], rows: Rows, hand: Hand, before: Versions) -> Rows:
    """The rows after these outcomes. No row: it was not reached, or has to be tried again on a fresh look."""
    rows = dict(rows)
    open_tasks = {_object_of_task(task): task for task in reversed(tasks) if task.row_key not in rows}
    for outcome in outcomes:
        task = open_tasks.get(_object_of(outcome.action))
        if task is None or (task.kind == "hook" and not isinstance(outcome.action, Create)):
            continue
        if task.kind == "apply" and isinstance(outcome.action, Delete) and outcome.error is None:
            continue  # it is created anew once it is gone
        if isinstance(outcome.error, NotFound) and crd_of(task, tasks) is not None:
            continue  # its definition comes with this sync and is not served yet
        row = _row(task, outcome, hand, before.get(task.row_key, ""))
        if row is not None and not (_is_preparation(outcome.action) and outcome.is_done):
            rows[task.row_key] = row
    return rows


def results(outcomes: Sequence[Outcome]) -> Mapping[tuple[Resource, str, str], Obj | None]:
    """What the outcomes made of the objects: the newest, or None for what is gone."""
    found: dict[tuple[Resource, str, str], Obj | None] = {}
    for outcome in outcomes:
        action = outcome.action
        if not outcome.is_done or outcome.result is None:
            continue
        if isinstance(action, Apply | Create | Replace):
            found[(action.resource, namespace_of(action.obj), name_of(outcome.result))] = outcome.result
        elif isinstance(action, Delete):
            is_gone = not outcome.result or outcome.result.get("kind") == "Status"
            found[(action.resource, action.namespace, action.name)] = None if is_gone else outcome.result
        elif isinstance(action, Patch) and not action.subresource:
            found[(action.resource, action.namespace, action.name)] = outcome.result or None
    return found


def _row(task: Task, outcome: Outcome, hand: Hand, before: str) -> Obj | None:
    if outcome.error is not None:
        return None if comes_again(outcome.error) else failed_row(task, outcome.error.message)
    if outcome.result is None:
        return None
    if task.kind == "prune":
        return new_row(task, "Pruned", "pruned")
    if task.kind == "namespace":
        verb = applied_message(task.ref, before, outcome.result, server_side=False)
        return new_row(task, "Synced", verb, hook_phase="Succeeded")
    if task.kind == "apply" and before and option_of(task.obj, hand.options, "Replace") == "true":
        return new_row(task, "Synced", f"{kubectl_name(task.ref)} replaced")
    server_side = task.kind == "apply" and option_of(task.obj, hand.options, "ServerSideApply") == "true"
    text = applied_message(task.ref, "" if task.kind == "hook" else before, outcome.result, server_side=server_side)
    return new_row(task, "Synced", text)


def comes_again(error: ShipwayError | None) -> bool:
    """Somebody wrote in between, nobody answered, or the server asked for patience: no failure of the task.

    A lost answer may stand for a write that was done; the next look knows.
    """
    if isinstance(error, Unavailable):
        return error.after is not None or error.reason in _PATIENCE
    return isinstance(error, Conflict)


def _apply(task: Task, resource: Resource, hand: Hand) -> tuple[Action, ...]:
    desired, live = task.item.desired, task.item.live_obj
    if desired is None:
        return ()
    manager = hand.context.settings.manager
    if is_client_side(desired, live, hand.context) and not (live is not None and forces(task, hand.options)):
        return (_merged(task, resource, desired, hand),)
    body = to_apply(desired, live, task.item.claims, hand.context)
    if live is None:
        return (Apply(resource, body, manager),)
    if forces(task, hand.options) and (is_deleting(live) or (recreated := is_recreated(task, hand)) is None):
        return ()  # the object has to be gone, or the server has to be asked first
    if forces(task, hand.options) and recreated:
        return (Delete(resource, task.ref.namespace, task.ref.name, uid=uid_of(live), propagation="Foreground"),)
    if option_of(task.obj, hand.options, "Replace") == "true":
        # A replace drops what others added; the apply after it makes the fields ours.
        whole, unguarded = copy_obj(body), copy_obj(body)
        unguarded["metadata"].pop("resourceVersion", None)
        whole["metadata"]["resourceVersion"] = resource_version_of(live)
        return (Replace(resource, whole), Apply(resource, unguarded, manager))
    # A takeover ends the pass: the apply is made from a fresh look.
    return (takeover_of(task, hand) or Apply(resource, body, manager),)


def _merged(task: Task, resource: Resource, desired: Desired, hand: Hand) -> Create | Patch:
    """What kubectl sends without server-side apply."""
    live = task.item.live_obj
    body = client_side_body(desired, live, task.item.claims, hand.context)
    if live is None:
        return Create(resource, body, adopt_if_exists=False)
    patch, how = client_side_change(resource, body, live)
    version = resource_version_of(live)
    return Patch(resource, task.ref.namespace, task.ref.name, patch, type=how, uid=uid_of(live), resource_version=version)


def _is_preparation(action: Action) -> bool:
    """A takeover or a replace: the apply comes after it."""
    return isinstance(action, Replace) or (isinstance(action, Patch) and action.type == "json")


def forces(task: Task, options: dict[str, str]) -> bool:
    """Whether the object may be deleted and created anew where it cannot be changed."""
    return task.kind == "apply" and option_of(task.obj, options, "Force") == "true"


def force_ask(task: Task, hand: Hand) -> DryRunAsk | None:
    """The question whether the object can be changed at all."""
    item = task.item
    is_open = item.desired is not None and item.live_obj is not None and forces(task, hand.options)
    return dry_run_of(item.desired, item.live_obj, item.claims, hand.context) if is_open and item.desired else None


def is_recreated(task: Task, hand: Hand) -> bool | None:
    """Whether the server refuses the change (an immutable field, say); None while it has not answered.

    With Replace=true besides, it is always created anew, as `kubectl replace --force` does.
    """
    if option_of(task.obj, hand.options, "Replace") == "true":
        return True
    ask = force_ask(task, hand)
    answer = hand.context.answer(ask) if ask else None
    if answer is None or (answer.value is None and (answer.error is None or comes_again(answer.error))):
        return None
    return answer.value is None and isinstance(answer.error, InvalidInput)


def takeover_of(task: Task, hand: Hand) -> Patch | None:
    """The takeover that has to come before the apply of this task, if one has to.

    Once a try has failed, whoever changed the object is taken over too: their additions may be why it was refused.
    """
    live, resource = task.item.live_obj, task.resource
    if task.kind != "apply" or live is None or resource is None:
        return None
    if option_of(task.obj, hand.options, "ClientSideApplyMigration") == "false":
        return None
    drifters = frozenset(drift.manager for drift in task.item.drifts if drift.manager) if hand.tries else frozenset[str]()
    desired = task.item.desired
    leaves = desired is not None and is_adopted_quietly(desired, live, task.item.claims, hand.context)
    manager, former = hand.context.settings.manager, hand.context.former
    return takeover(live, resource, manager, drifters, former, leaves_annotations=leaves)


def _prune(task: Task, resource: Resource, options: dict[str, str]) -> Delete:
    live = task.item.live_obj or {}
    return Delete(resource, task.ref.namespace, task.ref.name, uid=uid_of(live), propagation=propagation(options))


def propagation(options: dict[str, str]) -> Propagation:
    wanted = options.get("PrunePropagationPolicy", "foreground").lower()
    known: dict[str, Propagation] = {"foreground": "Foreground", "background": "Background", "orphan": "Orphan"}
    return known.get(wanted, "Foreground")


def _object_of(action: Action) -> ObjectKey:
    """Which object an action is about."""
    if isinstance(action, Apply | Create | Replace):
        return (action.resource, namespace_of(action.obj), name_of(action.obj))
    if isinstance(action, Patch | Delete):
        return (action.resource, action.namespace, action.name)
    return (None, "", "")


def _object_of_task(task: Task) -> ObjectKey:
    return (task.resource, task.ref.namespace, task.ref.name)
