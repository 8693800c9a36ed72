"""How a Deployment moves from one template to the next, one step a pass.

    claim sets -> write revision and annotations on the new one
    -> paused or scaled: resize in proportion
       Recreate:         empty the old, wait for their pods to end, fill the new
       RollingUpdate:    grow the new if there is room, else shrink the old
    -> clean up history when all is done

A step changes sizes of ReplicaSets only; the next pass starts when the cache has seen it. The status and the revision
annotation are the change.
"""

from collections.abc import Sequence

from msgspec import Struct

from shipway.api.kinds import DEPLOYMENTS, REPLICA_SETS
from shipway.base.clock import Instant
from shipway.base.errors import Conflict
from shipway.kube.objects.owners import controller_ref
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.selectors import label_selector_of
from shipway.kube.objects.views import (
    annotations_of,
    is_deleting,
    labels_of,
    metadata,
    name_of,
    namespace_of,
    resource_version_of,
    spec_of,
    uid_of,
)
from shipway.kube.runtime.decision import (
    Action,
    Batch,
    Change,
    Conclusion,
    Create,
    Decision,
    Delete,
    Note,
    Outcome,
    Patch,
)
from shipway.localcluster.controllers.deployment import progress, scaling
from shipway.localcluster.controllers.deployment.observe import Observed
from shipway.localcluster.controllers.deployment.replica_sets import (
    DESIRED,
    MAXIMUM,
    REVISION,
    by_age,
    cleanable,
    count_of,
    made_replica_set,
    new_replica_set,
    next_revision,
    replicas_of,
    revision_of,
    wanted_annotations,
)
from shipway.localcluster.controllers.pods import is_finished
from shipway.localcluster.controllers.status import note, status_change, with_condition


class Sets(Struct, frozen=True):
    """The sets of a deployment, sorted out."""

    new: Obj | None
    old: tuple[Obj, ...]

    @property
    def all(self) -> tuple[Obj, ...]:
        return (*self.old, self.new) if self.new else self.old


def decide(observed: Observed, now: Instant) -> Decision:
    """One step towards the template, and the status of what is there now."""
    deployment, sets = observed.deployment, _sets(observed)
    change = _change(observed, now)
    wake = progress.deadline(deployment)
    if is_deleting(deployment):
        return Decision(change=change)
    actions = _claims(observed) or _annotations(deployment, sets) or _step(observed, sets) or _cleanup(deployment, sets)
    return Decision((Batch(actions),) if actions else (), change=change, wake=wake)


def conclude(fresh: Observed, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion:
    """The status of the fresh picture with what the outcomes add: a collision, a new set, events for every resize."""
    taken = any(o.error and isinstance(o.error, Conflict) and o.error.reason == "NameTaken" for o in outcomes)
    made = next((name_of(o.result or {}) for o in outcomes if o.is_done and isinstance(o.action, Create)), "")
    change = _change(fresh, now, collided=taken, made=made)
    return Conclusion(change, progress.deadline(fresh.deployment), _notes(fresh, outcomes))


def _sets(observed: Observed) -> Sets:
    new = new_replica_set(observed.deployment, observed.replica_sets)
    return Sets(new, tuple(rs for rs in by_age(observed.replica_sets) if rs is not new))


def _claims(observed: Observed) -> tuple[Action, ...]:
    selector = label_selector_of(spec_of(observed.deployment).get("selector"))
    adopted = [
        _owners(rs, [*(metadata(rs).get("ownerReferences") or []), controller_ref(observed.deployment)])
        for rs in observed.orphans
        if not is_deleting(rs) and selector.matches(labels_of(rs))
    ]
    released = [
        _owners(rs, [ref for ref in metadata(rs)["ownerReferences"] if ref.get("uid") != uid_of(observed.deployment)])
        for rs in observed.replica_sets
        if not is_deleting(rs) and not selector.matches(labels_of(rs))
    ]
    return (*adopted, *released)


def _annotations(deployment: Obj, sets: Sets) -> tuple[Action, ...]:
    """What must be written on the new set before it is rolled out: revision and history, minReadySeconds."""
    if sets.new is None:
        return ()
    maximum = scaling.maximum(deployment)
    wanted = wanted_annotations(deployment, sets.new, next_revision(sets.old), maximum)
    # The sizes belong to the step that resizes: written here they would hide that the deployment was scaled.
    here = annotations_of(sets.new)
    wanted = {key: value for key, value in wanted.items() if key not in (DESIRED, MAXIMUM)}
    body: Obj = {}
    if any(here.get(key) != value for key, value in wanted.items()):
        body["metadata"] = {"annotations": {key: value for key, value in wanted.items() if here.get(key) != value}}
    min_ready = spec_of(deployment).get("minReadySeconds") or 0
    if (spec_of(sets.new).get("minReadySeconds") or 0) != min_ready:
        body["spec"] = {"minReadySeconds": min_ready}
    return (_patch(sets.new, body),) if body else ()


def _step(observed: Observed, sets: Sets) -> tuple[Action, ...]:
    deployment = observed.deployment
    if spec_of(deployment).get("paused") or scaling.is_scaling(deployment, sets.all):
        return _resize_in_proportion(deployment, sets)
    if scaling.strategy_of(deployment) == "Recreate":
        return _recreate(observed, sets)
    return _roll(deployment, sets)


def _resize_in_proportion(deployment: Obj, sets: Sets) -> tuple[Action, ...]:
    """The deployment itself was scaled: one set gets all, or all active ones their share (sync.scale)."""
    wanted = replicas_of(deployment)
    active = [rs for rs in sets.all if replicas_of(rs) > 0]
    only = active[0] if len(active) == 1 else (_latest(sets) if not active else None)
    if only is not None:
        sizes = {name_of(only): wanted}
    elif sets.new is not None and scaling.is_saturated(deployment, sets.new):
        sizes = {name_of(rs): 0 for rs in sets.old}
    elif scaling.strategy_of(deployment) == "RollingUpdate":
        sizes = scaling.proportional_sizes(deployment, active)
    else:
        return ()
    return _resizes(deployment, sets.all, sizes)


def _recreate(observed: Observed, sets: Sets) -> tuple[Action, ...]:
    deployment = observed.deployment
    emptied = _resizes(deployment, sets.old, {name_of(rs): 0 for rs in sets.old if replicas_of(rs)})
    if emptied:
        return emptied
    if any(not is_finished(pod) for rs in sets.old for pod in observed.pods.get(uid_of(rs), ())):
        return ()
    return _grow_new(deployment, sets)


def _roll(deployment: Obj, sets: Sets) -> tuple[Action, ...]:
    grown = _grow_new(deployment, sets)
    if grown or sets.new is None or not any(replicas_of(rs) for rs in sets.old):
        return grown
    return _resizes(deployment, sets.old, scaling.old_set_sizes(deployment, sets.new, sets.old))


def _grow_new(deployment: Obj, sets: Sets) -> tuple[Action, ...]:
    size = scaling.new_set_size(deployment, sets.new, sets.all)
    if sets.new is not None:
        return _resizes(deployment, (sets.new,), {name_of(sets.new): size})
    annotations = wanted_annotations(deployment, None, next_revision(sets.old), scaling.maximum(deployment))
    return (Create(REPLICA_SETS, made_replica_set(deployment, size, annotations)),)


def _resizes(deployment: Obj, sets: Sequence[Obj], sizes: scaling.Sizes) -> tuple[Action, ...]:
    """Patches of those whose size changes, or whose record of what they were sized for is old."""
    record = {DESIRED: str(replicas_of(deployment)), MAXIMUM: str(scaling.maximum(deployment))}
    patches: list[Action] = []
    for rs in sets:
        size = sizes.get(name_of(rs))
        if size is None:
            continue
        body: Obj = {"spec": {"replicas": size}} if size != replicas_of(rs) else {}
        if size and any(annotations_of(rs).get(key) != value for key, value in record.items()):
            body["metadata"] = {"annotations": record}
        if body:
            patches.append(_patch(rs, body))
    return tuple(patches)


def _cleanup(deployment: Obj, sets: Sets) -> tuple[Action, ...]:
    counts = progress.status(deployment, sets.new, sets.all, Instant(0.0))
    if not spec_of(deployment).get("paused") and not progress.is_complete(deployment, counts):
        return ()
    return tuple(
        Delete(REPLICA_SETS, namespace_of(rs), name_of(rs), uid=uid_of(rs), resource_version=resource_version_of(rs))
        for rs in cleanable(deployment, sets.old)
    )


def _change(observed: Observed, now: Instant, *, collided: bool = False, made: str = "") -> Change | None:
    deployment, sets = observed.deployment, _sets(observed)
    status = progress.status(deployment, sets.new, sets.all, now)
    if collided:
        status["collisionCount"] = count_of(deployment, "collisionCount") + 1
    if made and progress.has_deadline(deployment):
        said = progress.progressing("NewReplicaSetCreated", f'Created new replica set "{made}"')
        status["conditions"] = with_condition(status["conditions"], said, now, "lastUpdateTime")
    revision = str(revision_of(sets.new)) if sets.new and revision_of(sets.new) else ""
    root: Obj = {}
    if revision and annotations_of(deployment).get(REVISION) != revision:
        root = {"metadata": {"annotations": {REVISION: revision}}}
    return status_change(DEPLOYMENTS, deployment, status, root)


def _notes(observed: Observed, outcomes: tuple[Outcome, ...]) -> tuple[Note, ...]:
    """`Scaled up replica set web-x from 0 to 1`, as kubectl describe shows it."""
    before = {name_of(rs): replicas_of(rs) for rs in observed.replica_sets}
    notes: list[Note] = []
    for outcome in outcomes:
        action = outcome.action
        if isinstance(action, Create) and outcome.error:
            said = f'Failed to create new replica set "{name_of(action.obj)}": {outcome.error.message}'
            notes.append(note(observed.deployment, "ReplicaSetCreateError", said, warning=True))
        elif isinstance(action, Create) and outcome.is_done:
            notes += _scaled(observed.deployment, name_of(action.obj), 0, replicas_of(action.obj))
        elif isinstance(action, Patch) and outcome.is_done and "replicas" in (action.body.get("spec") or {}):
            new = int(action.body["spec"]["replicas"])
            notes += _scaled(observed.deployment, action.name, before.get(action.name, new), new)
    return tuple(notes)


def _scaled(deployment: Obj, name: str, old: int, new: int) -> tuple[Note, ...]:
    if old == new:
        return ()
    direction = "up" if new > old else "down"
    said = f"Scaled {direction} replica set {name} from {old} to {new}"
    return (note(deployment, "ScalingReplicaSet", said),)


def _latest(sets: Sets) -> Obj | None:
    if sets.new is not None:
        return sets.new
    return by_age(sets.old)[-1] if sets.old else None


def _patch(rs: Obj, body: Obj) -> Patch:
    return Patch(REPLICA_SETS, namespace_of(rs), name_of(rs), body, uid=uid_of(rs))


def _owners(rs: Obj, references: list[Obj]) -> Patch:
    body = {"metadata": {"ownerReferences": references or None}}
    return Patch(REPLICA_SETS, namespace_of(rs), name_of(rs), body, uid=uid_of(rs), resource_version=resource_version_of(rs))
