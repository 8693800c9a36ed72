"""One pod of a DaemonSet on every node that its pods may run on; a new template reaches node after node.

A pod is meant for a node by a required node affinity on the node's name and placed there by the scheduler, as in Kubernetes.
Its name is derived from set, node and template, so that a pass on an old picture cannot make a second one.
"""

from collections.abc import Iterable
from math import ceil
from typing import Any

from msgspec import Struct

from shipway.api.kinds import DAEMON_SETS, PODS
from shipway.base.clock import Instant
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.selectors import label_selector_of
from shipway.kube.objects.views import (
    annotations_of,
    dig,
    generation_of,
    is_deleting,
    labels_of,
    name_of,
    namespace_of,
    spec_of,
    uid_of,
)
from shipway.kube.runtime.decision import Action, Batch, Change, Conclusion, Create, Decision, Delete, Outcome
from shipway.localcluster.controllers import revisions
from shipway.localcluster.controllers.pods import (
    claim_patches,
    free_names,
    is_available,
    is_finished,
    is_ready,
    next_availability,
    pod_of_template,
    prefix_of,
)
from shipway.localcluster.controllers.replicaset.decide import pod_notes
from shipway.localcluster.controllers.revisions import HASH_LABEL
from shipway.localcluster.controllers.scheduler.decide import may_run_on
from shipway.localcluster.controllers.status import status_change

EVERYWHERE = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)
"""Taints that never keep a daemon away."""


TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
"""Annotation in which the API server counts templates; without it the generation of the set serves."""


class Observed(Struct, frozen=True):
    """The set, its pods, pods of nobody, its revisions, and all nodes."""

    daemon_set: Obj
    pods: tuple[Obj, ...] = ()
    orphans: tuple[Obj, ...] = ()
    revisions: tuple[Obj, ...] = ()
    nodes: tuple[Obj, ...] = ()


def decide(observed: Observed, now: Instant) -> Decision:
    """Claims, the revision, then pods: where one is missing, where one should not be, where one is of an old template."""
    owner = observed.daemon_set
    change = _change(observed, now)
    if is_deleting(owner):
        return Decision(change=change)
    claims = claim_patches(owner, label_selector_of(spec_of(owner).get("selector")), observed.pods, observed.orphans)
    first = claims or revisions.record(owner, observed.revisions)
    if first:
        return Decision((Batch(first, on_failure="continue"),), change=change)
    actions = [*_placements(observed), *_updates(observed, now)]
    if not actions:
        used = {f"{name_of(owner)}-{labels_of(pod).get(HASH_LABEL)}" for pod in observed.pods}
        actions = list(revisions.forgotten(owner, observed.revisions, used))
    min_ready = spec_of(owner).get("minReadySeconds") or 0
    wake = next_availability(observed.pods, min_ready, now)
    return Decision((Batch(tuple(actions), on_failure="continue"),) if actions else (), change=change, wake=wake)


def conclude(fresh: Observed, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion:
    return Conclusion(_change(fresh, now), decision.wake, pod_notes(fresh.daemon_set, outcomes))


def node_of(pod: Obj) -> str:
    """The node a pod is on, or is meant for."""
    terms = dig(pod, "spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms")
    return spec_of(pod).get("nodeName") or dig(terms, 0, "matchFields", 0, "values", 0, default="")


def _wanted(observed: Observed) -> list[str]:
    """Names of the nodes that should have a pod."""
    sample = _pod(observed.daemon_set, "", "sample")
    return sorted(name_of(node) for node in observed.nodes if may_run_on(sample, node))


def _by_node(observed: Observed) -> dict[str, list[Obj]]:
    homes: dict[str, list[Obj]] = {}
    for pod in sorted(observed.pods, key=name_of):
        homes.setdefault(node_of(pod), []).append(pod)
    return homes


def _placements(observed: Observed) -> Iterable[Action]:
    owner, homes, wanted = observed.daemon_set, _by_node(observed), _wanted(observed)
    taken = {name_of(pod) for pod in observed.pods}
    for node in wanted:
        alive = [pod for pod in homes.get(node, ()) if not is_deleting(pod)]
        failed = [pod for pod in alive if is_finished(pod)]
        yield from (_delete(pod) for pod in failed)
        if not homes.get(node):
            seed = f"{uid_of(owner)}/{node}/{revisions.revision_hash(spec_of(owner)['template'])}"
            yield Create(PODS, _pod(owner, node, next(free_names(prefix_of(name_of(owner)), seed, taken))))
        yield from (_delete(pod) for pod in [pod for pod in alive if not is_finished(pod)][1:])
    for node, pods in homes.items():
        if node not in wanted:
            yield from (_delete(pod) for pod in pods if not is_deleting(pod))


def _updates(observed: Observed, now: Instant) -> Iterable[Action]:
    """RollingUpdate: deletes old pods, unavailable ones first, as far as `maxUnavailable` allows."""
    owner = observed.daemon_set
    if dig(owner, "spec", "updateStrategy", "type", default="RollingUpdate") != "RollingUpdate":
        return
    wanted = _wanted(observed)
    present = revisions.revision_hash(spec_of(owner)["template"])
    min_ready = spec_of(owner).get("minReadySeconds") or 0
    allowed = _scaled(dig(owner, "spec", "updateStrategy", "rollingUpdate", "maxUnavailable", default=1), len(wanted))
    homes = _by_node(observed)
    usable = [node for node in wanted if any(_is_usable(pod, min_ready, now) for pod in homes.get(node, ()))]
    old = [pod for pod in observed.pods if labels_of(pod).get(HASH_LABEL) != present and not is_deleting(pod)]
    old = [pod for pod in old if node_of(pod) in wanted]
    yield from (_delete(pod) for pod in old if not _is_usable(pod, min_ready, now))
    spare = max(0, allowed - (len(wanted) - len(usable)))
    healthy = sorted((pod for pod in old if _is_usable(pod, min_ready, now)), key=node_of)
    yield from (_delete(pod) for pod in healthy[:spare])


def _is_usable(pod: Obj, min_ready: int, now: Instant) -> bool:
    return not is_deleting(pod) and is_available(pod, min_ready, now)


def _pod(owner: Obj, node: str, name: str) -> Obj:
    template: Obj = spec_of(owner)["template"]
    made = pod_of_template(template, owner, name)
    generation = annotations_of(owner).get(TEMPLATE_GENERATION) or str(generation_of(owner))
    identity = {HASH_LABEL: revisions.revision_hash(template), "pod-template-generation": generation}
    made["metadata"]["labels"] = {**labels_of(made), **identity}
    spec: dict[str, Any] = made["spec"]
    spec["tolerations"] = [
        *(spec.get("tolerations") or ()),
        *({"key": key, "operator": "Exists", "effect": effect} for key, effect in EVERYWHERE),
    ]
    if node:
        by_name = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
        required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [by_name]}}
        affinity: dict[str, Any] = spec.get("affinity") or {}
        spec["affinity"] = {**affinity, "nodeAffinity": {**(affinity.get("nodeAffinity") or {}), **required}}
    return made


def _change(observed: Observed, now: Instant) -> Change | None:
    owner, homes, wanted = observed.daemon_set, _by_node(observed), _wanted(observed)
    present = revisions.revision_hash(spec_of(owner)["template"])
    min_ready = spec_of(owner).get("minReadySeconds") or 0
    first = [next((pod for pod in homes.get(node, ()) if not is_deleting(pod)), None) for node in wanted]
    there = [pod for pod in first if pod is not None]
    available = sum(is_available(pod, min_ready, now) for pod in there)
    misplaced = sum(1 for node, pods in homes.items() if node not in wanted and any(not is_deleting(p) for p in pods))
    return status_change(
        DAEMON_SETS,
        owner,
        {
            "desiredNumberScheduled": len(wanted),
            "currentNumberScheduled": len(there),
            "numberMisscheduled": misplaced,
            "numberReady": sum(is_ready(pod) for pod in there),
            "updatedNumberScheduled": sum(labels_of(pod).get(HASH_LABEL) == present for pod in there) or None,
            "numberAvailable": available or None,
            "numberUnavailable": len(wanted) - available or None,
            "observedGeneration": generation_of(owner),
        },
    )


def _scaled(value: int | str, whole: int) -> int:
    return ceil(whole * float(value[:-1]) / 100) if isinstance(value, str) else value


def _delete(pod: Obj) -> Delete:
    return Delete(PODS, namespace_of(pod), name_of(pod), uid=uid_of(pod))
