"""A ReplicaSet keeps as many pods as it says: makes what is missing, deletes what is too much, counts what is there.

First come adoption and release of pods; a pass that claims does nothing else, so that it counts what it really owns. New
pods are made in growing batches with derived names, so that a pass on an old picture cannot make a pod twice.
"""

from itertools import islice

from shipway.api.kinds import PODS, REPLICA_SETS
from shipway.base.clock import Instant
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.selectors import label_selector_of
from shipway.kube.objects.views import (
    dig,
    generation_of,
    is_deleting,
    labels_of,
    name_of,
    namespace_of,
    spec_of,
    status_of,
    uid_of,
)
from shipway.kube.runtime.decision import Batch, Change, Conclusion, Create, Decision, Delete, Note, Outcome
from shipway.localcluster.controllers.pods import (
    claim_patches,
    deletion_order,
    free_names,
    is_active,
    is_available,
    is_finished,
    is_ready,
    next_availability,
    pod_of_template,
    prefix_of,
    slow_start,
)
from shipway.localcluster.controllers.replicaset.observe import Observed
from shipway.localcluster.controllers.status import (
    Conditions,
    condition,
    note,
    status_change,
    with_condition,
    without_condition,
)

BURST = 500
"""Pods made or deleted in one pass (the controller's BurstReplicas)."""


def decide(observed: Observed, now: Instant) -> Decision:
    """Claims, then creations or deletions, and the status of what is there now."""
    change, wake = _status(observed, None, now), _wake(observed, now)
    selector = label_selector_of(spec_of(observed.replica_set).get("selector"))
    claims = claim_patches(observed.replica_set, selector, observed.pods, observed.orphans)
    if claims:
        return Decision((Batch(claims, on_failure="continue"),), change=change, wake=wake)
    if is_deleting(observed.replica_set):
        return Decision(change=change, wake=wake)
    return Decision(_scale(observed), change=change, wake=wake)


def conclude(fresh: Observed, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion:
    """The status of the fresh picture, the failure condition, and an event for every pod made or deleted."""
    failure = next((o for o in outcomes if o.error and isinstance(o.action, Create)), None)
    message = failure.error.message if failure and failure.error else None
    return Conclusion(_status(fresh, message, now), _wake(fresh, now), pod_notes(fresh.replica_set, outcomes))


def pod_notes(owner: Obj, outcomes: tuple[Outcome, ...]) -> tuple[Note, ...]:
    """The events that pod controllers write about creations and deletions."""
    notes: list[Note] = []
    for outcome in outcomes:
        if not isinstance(outcome.action, Create | Delete) or outcome.action.resource != PODS:
            continue
        if isinstance(outcome.action, Create) and outcome.is_done:
            notes.append(note(owner, "SuccessfulCreate", f"Created pod: {name_of(outcome.action.obj)}"))
        elif isinstance(outcome.action, Create) and outcome.error:
            notes.append(note(owner, "FailedCreate", f"Error creating: {outcome.error.message}", warning=True))
        elif isinstance(outcome.action, Delete) and outcome.is_done:
            notes.append(note(owner, "SuccessfulDelete", f"Deleted pod: {outcome.action.name}"))
    return tuple(notes)


def _scale(observed: Observed) -> tuple[Batch, ...]:
    replica_set = observed.replica_set
    active = [pod for pod in observed.pods if is_active(pod)]
    missing = dig(replica_set, "spec", "replicas", default=0) - len(active)
    if missing > 0:
        names = free_names(prefix_of(name_of(replica_set)), uid_of(replica_set), {name_of(pod) for pod in observed.pods})
        template: Obj = spec_of(replica_set).get("template") or {}
        made = [pod_of_template(template, replica_set, name) for name in islice(names, min(missing, BURST))]
        return slow_start(Create(PODS, pod) for pod in made)
    if missing < 0:
        doomed = deletion_order(active)[: min(-missing, BURST)]
        deletions = tuple(Delete(PODS, namespace_of(pod), name_of(pod), uid=uid_of(pod)) for pod in doomed)
        return (Batch(deletions, on_failure="continue"),)
    return ()


def _status(observed: Observed, failure: str | None, now: Instant) -> Change | None:
    replica_set = observed.replica_set
    active = [pod for pod in observed.pods if is_active(pod)]
    min_ready = spec_of(replica_set).get("minReadySeconds") or 0
    template_labels = dig(replica_set, "spec", "template", "metadata", "labels", default={})
    counts = {
        "fullyLabeledReplicas": sum(template_labels.items() <= labels_of(pod).items() for pod in active),
        "readyReplicas": sum(is_ready(pod) for pod in active),
        "availableReplicas": sum(is_available(pod, min_ready, now) for pod in active),
    }
    conditions: Conditions = status_of(replica_set).get("conditions") or []
    if failure is None:
        conditions = without_condition(conditions, "ReplicaFailure")
    else:
        conditions = with_condition(conditions, condition("ReplicaFailure", True, "FailedCreate", failure), now)
    return status_change(
        REPLICA_SETS,
        replica_set,
        {
            **{name: number for name, number in counts.items() if number},
            "replicas": len(active),
            "terminatingReplicas": sum(is_deleting(pod) and not is_finished(pod) for pod in observed.pods),
            "observedGeneration": generation_of(replica_set),
            "conditions": conditions,
        },
    )


def _wake(observed: Observed, now: Instant) -> Instant | None:
    active = (pod for pod in observed.pods if is_active(pod))
    return next_availability(active, spec_of(observed.replica_set).get("minReadySeconds") or 0, now)
