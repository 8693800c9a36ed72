"""Pods with names and an order: StatefulSets.

    make or mend   ordinals upwards; with OrderedReady each waits until the one before is ready
    shrink         ordinals downwards, when all that stay are ready
    update         ordinals downwards to the partition, one at a time, each ready before the next goes

The identity of a pod is its name, so nothing can be made twice. Claims of `volumeClaimTemplates` are made before the pod and
stay when it goes.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from shipway.api.kinds import PODS, STATEFUL_SETS
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
from shipway.kube.runtime.decision import Action, Batch, Change, Conclusion, Create, Decision, Delete, Note, Outcome
from shipway.localcluster.controllers import revisions
from shipway.localcluster.controllers.kinds import PERSISTENT_VOLUME_CLAIMS
from shipway.localcluster.controllers.pods import (
    claim_patches,
    is_available,
    is_finished,
    is_ready,
    next_availability,
    pod_of_template,
)
from shipway.localcluster.controllers.revisions import HASH_LABEL
from shipway.localcluster.controllers.status import note, status_change

POD_NAME = "statefulset.kubernetes.io/pod-name"
POD_INDEX = "apps.kubernetes.io/pod-index"


class Observed(Struct, frozen=True):
    """The set, its pods, pods of nobody, its revisions, and the names of the claims in its namespace."""

    stateful_set: Obj
    pods: tuple[Obj, ...] = ()
    orphans: tuple[Obj, ...] = ()
    revisions: tuple[Obj, ...] = ()
    claims: frozenset[str] = frozenset()


def decide(observed: Observed, now: Instant) -> Decision:
    """Claims, the revision, then the next step of making, shrinking or updating."""
    owner = observed.stateful_set
    change = _change(observed, now)
    if is_deleting(owner):
        return Decision(change=change)
    pods = claim_patches(owner, label_selector_of(spec_of(owner).get("selector")), observed.pods, _own_names(observed))
    first = pods or revisions.record(owner, observed.revisions)
    if first:
        return Decision((Batch(first, on_failure="continue"),), change=change)
    batches = _make(observed, now) or _batch(_shrink(observed, now)) or _batch(_update(observed, now))
    if not batches:
        used = [labels_of(pod).get(HASH_LABEL, "") for pod in observed.pods]
        used.append(status_of(owner).get("currentRevision") or "")
        batches = _batch(revisions.forgotten(owner, observed.revisions, used))
    wake = next_availability(observed.pods, _min_ready(owner), now)
    return Decision(batches, change=change, wake=wake)


def conclude(fresh: Observed, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion:
    return Conclusion(_change(fresh, now), decision.wake, tuple(_notes(fresh.stateful_set, outcomes)))


def _notes(owner: Obj, outcomes: tuple[Outcome, ...]) -> Iterable[Note]:
    """`create Pod db-0 in StatefulSet db successful`, and the same for claims and failures."""
    for outcome in outcomes:
        action = outcome.action
        if not isinstance(action, Create | Delete) or action.resource not in (PODS, PERSISTENT_VOLUME_CLAIMS):
            continue
        if not outcome.is_done and outcome.error is None:
            continue
        verb = type(action).__name__
        name = name_of(action.obj) if isinstance(action, Create) else action.name
        what = "Pod" if action.resource == PODS else "Claim"
        said = f"{verb} {what} {name} in StatefulSet {name_of(owner)}"
        if outcome.error:
            yield note(owner, f"Failed{verb}", f"{said} failed error: {outcome.error.message}", warning=True)
        else:
            yield note(owner, f"Successful{verb}", f"{said} successful")


def ordinal_of(owner: Obj, pod: Obj) -> int:
    """The number at the end of the pod's name; -1 when it is not one of the set's names."""
    head, _, tail = name_of(pod).rpartition("-")
    return int(tail) if head == name_of(owner) and tail.isdecimal() else -1


def _ordinals(owner: Obj) -> range:
    start = dig(owner, "spec", "ordinals", "start", default=0)
    return range(start, start + dig(owner, "spec", "replicas", default=1))


def _partition(owner: Obj) -> int:
    """Ordinals below keep the current revision."""
    return _ordinals(owner).start + dig(owner, "spec", "updateStrategy", "rollingUpdate", "partition", default=0)


def _min_ready(owner: Obj) -> int:
    return spec_of(owner).get("minReadySeconds") or 0


def _is_ordered(owner: Obj) -> bool:
    return spec_of(owner).get("podManagementPolicy", "OrderedReady") == "OrderedReady"


def _own_names(observed: Observed) -> list[Obj]:
    return [pod for pod in observed.orphans if ordinal_of(observed.stateful_set, pod) >= 0]


def _is_healthy(owner: Obj, pod: Obj, now: Instant) -> bool:
    return is_available(pod, _min_ready(owner), now) and not is_deleting(pod)


def _make(observed: Observed, now: Instant) -> tuple[Batch, ...]:
    """Missing pods (their claims first) and the removal of failed ones; ordered sets do one at a time."""
    owner = observed.stateful_set
    here = {ordinal_of(owner, pod): pod for pod in observed.pods}
    claims, pods = list[Action](), list[Action]()
    for ordinal in _ordinals(owner):
        pod = here.get(ordinal)
        if pod is None:
            claims += _claims(observed, ordinal)
            pods.append(Create(PODS, _pod(observed, ordinal)))
        elif is_finished(pod) and not is_deleting(pod):
            pods.append(_delete(pod))
        elif _is_ordered(owner) and not _is_healthy(owner, pod, now):
            break
        if pods and _is_ordered(owner):
            break
    return (*_batch(claims), *_batch(pods))


def _shrink(observed: Observed, now: Instant) -> list[Action]:
    owner = observed.stateful_set
    wanted = _ordinals(owner)
    extra = sorted((pod for pod in observed.pods if ordinal_of(owner, pod) not in wanted), key=lambda p: -ordinal_of(owner, p))
    if not extra:
        return []
    if not _is_ordered(owner):
        return [_delete(pod) for pod in extra if not is_deleting(pod)]
    staying = [pod for pod in observed.pods if ordinal_of(owner, pod) in wanted]
    if is_deleting(extra[0]) or not all(_is_healthy(owner, pod, now) for pod in staying):
        return []
    return [_delete(extra[0])]


def _update(observed: Observed, now: Instant) -> list[Action]:
    owner = observed.stateful_set
    if dig(owner, "spec", "updateStrategy", "type", default="RollingUpdate") != "RollingUpdate":
        return []
    newest = revisions.revision_name(owner)
    for pod in sorted(observed.pods, key=lambda p: -ordinal_of(owner, p)):
        if ordinal_of(owner, pod) < _partition(owner) or ordinal_of(owner, pod) not in _ordinals(owner):
            continue
        if labels_of(pod).get(HASH_LABEL) != newest and not is_deleting(pod):
            return [_delete(pod)]
        if not _is_healthy(owner, pod, now):
            return []
    return []


def _template(observed: Observed, ordinal: int) -> tuple[str, Obj]:
    """(revision name, template) for a new pod with this ordinal."""
    owner = observed.stateful_set
    newest = revisions.revision_name(owner)
    current = status_of(owner).get("currentRevision") or newest
    if ordinal < _partition(owner) and current != newest:
        old = next((r for r in observed.revisions if name_of(r) == current), None)
        if old is not None:
            template = {key: value for key, value in revisions.template_of(old).items() if key != "$patch"}
            return current, template
    return newest, spec_of(owner)["template"]


def _pod(observed: Observed, ordinal: int) -> Obj:
    owner = observed.stateful_set
    revision, template = _template(observed, ordinal)
    name = f"{name_of(owner)}-{ordinal}"
    made = pod_of_template(template, owner, name)
    del made["metadata"]["generateName"]
    identity = {POD_NAME: name, POD_INDEX: str(ordinal), HASH_LABEL: revision}
    made["metadata"]["labels"] = {**labels_of(made), **identity}
    spec: dict[str, Any] = made["spec"]
    spec["hostname"] = name
    if service := spec_of(owner).get("serviceName"):
        spec["subdomain"] = service
    claimed = {name_of(template): _claim_name(template, name) for template in _claim_templates(owner)}
    volumes = [v for v in spec.get("volumes") or () if v.get("name") not in claimed]
    volumes += [{"name": volume, "persistentVolumeClaim": {"claimName": claim}} for volume, claim in claimed.items()]
    if volumes:
        spec["volumes"] = volumes
    return made


def _claims(observed: Observed, ordinal: int) -> Iterable[Action]:
    owner = observed.stateful_set
    for template in _claim_templates(owner):
        name = _claim_name(template, f"{name_of(owner)}-{ordinal}")
        if name not in observed.claims:
            labels: dict[str, str] = dig(owner, "spec", "selector", "matchLabels", default={})
            meta = {"namespace": namespace_of(owner), "name": name, "labels": {**labels_of(template), **labels}}
            made = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec_of(template)}
            yield Create(PERSISTENT_VOLUME_CLAIMS, made)


def _claim_templates(owner: Obj) -> list[Obj]:
    return spec_of(owner).get("volumeClaimTemplates") or []


def _claim_name(template: Obj, pod: str) -> str:
    return f"{name_of(template)}-{pod}"


def _change(observed: Observed, now: Instant) -> Change | None:
    owner, status = observed.stateful_set, status_of(observed.stateful_set)
    newest = revisions.revision_name(owner)
    current = status.get("currentRevision") or newest
    alive = [pod for pod in observed.pods if not is_finished(pod)]
    ready = sum(is_ready(pod) for pod in alive)
    of_newest = sum(_has(pod, newest) for pod in alive)
    wanted = len(_ordinals(owner))
    if of_newest == len(alive) == ready == wanted and dig(owner, "spec", "updateStrategy", "type") != "OnDelete":
        current = newest
    counts = {
        "readyReplicas": ready,
        "currentReplicas": sum(_has(pod, current) for pod in alive),
        "updatedReplicas": of_newest,
    }
    return status_change(
        STATEFUL_SETS,
        owner,
        {
            **{name: number for name, number in counts.items() if number},
            "replicas": len(alive),
            "availableReplicas": sum(is_available(pod, _min_ready(owner), now) for pod in alive),
            "currentRevision": current,
            "updateRevision": newest,
            "observedGeneration": generation_of(owner),
            "collisionCount": status.get("collisionCount") or 0,
            "conditions": status.get("conditions"),
        },
    )


def _has(pod: Obj, revision: str) -> bool:
    return labels_of(pod).get(HASH_LABEL) == revision and not is_deleting(pod)


def _delete(pod: Obj) -> Delete:
    return Delete(PODS, namespace_of(pod), name_of(pod), uid=uid_of(pod))


def _batch(actions: Sequence[Action]) -> tuple[Batch, ...]:
    return (Batch(tuple(actions)),) if actions else ()
