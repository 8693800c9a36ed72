"""What the workload controllers ask of pods, pure: is it active, ready, available; which goes first; what a new one is called.

Pods get the suffix names of Kubernetes, but derived ones: the n-th free name of an owner is always the same. A controller
that looks at an old picture of the world then asks for a pod that is already there instead of making one too many.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import count
from typing import Any

from shipway.api.kinds import PODS
from shipway.base.clock import Instant, parse_rfc3339
from shipway.base.ids import derived_suffix
from shipway.kube.objects.owners import controller_ref
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.selectors import LabelSelector
from shipway.kube.objects.views import (
    annotations_of,
    condition_of,
    controller_of,
    copy_obj,
    dig,
    is_deleting,
    labels_of,
    metadata,
    name_of,
    namespace_of,
    resource_version_of,
    spec_of,
    status_of,
    uid_of,
)
from shipway.kube.runtime.controller import ObjectKey
from shipway.kube.runtime.decision import Action, Batch, Indexed, Patch

LONGEST_PREFIX = 58
"""A generated name has at most 63 characters, five of them the suffix (apiserver `names.SimpleNameGenerator`)."""
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"


def by_controller(obj: Obj) -> Iterable[str]:
    """Index: the uid of the controlling owner."""
    owner = controller_of(obj)
    return (owner["uid"],) if owner else ()


def by_orphanage(obj: Obj) -> Iterable[str]:
    """Index: the namespace of objects that no controller owns."""
    return () if controller_of(obj) else (namespace_of(obj),)


def by_namespace(obj: Obj) -> Iterable[str]:
    """Index: the namespace."""
    return (namespace_of(obj),)


def by_node(pod: Obj) -> Iterable[str]:
    """Index of pods: the node they are bound to, "" while there is none."""
    return (spec_of(pod).get("nodeName") or "",)


def by_label(obj: Obj) -> Iterable[str]:
    """Index: `namespace/key=value` of every label."""
    return tuple(f"{namespace_of(obj)}/{key}={value}" for key, value in labels_of(obj).items())


def controlled_by(resource: Resource) -> Callable[[Obj], Iterable[ObjectKey | Indexed]]:
    """Keys: the object's controller, if it is of this kind; for objects of nobody, all that might adopt them.

    The controller's own watch of `resource` needs the index "namespace".
    """

    def keys(obj: Obj) -> Iterable[ObjectKey | Indexed]:
        owner = controller_of(obj)
        if owner is None:
            return (Indexed(resource, "namespace", namespace_of(obj)),)
        return (ObjectKey(namespace_of(obj), owner["name"]),) if owner.get("kind") == resource.kind else ()

    return keys


def phase_of(pod: Obj) -> str:
    return status_of(pod).get("phase") or "Pending"


def is_finished(pod: Obj) -> bool:
    return phase_of(pod) in ("Succeeded", "Failed")


def is_active(pod: Obj) -> bool:
    """Neither finished nor on its way out (controller.IsPodActive)."""
    return not is_finished(pod) and not is_deleting(pod)


def is_ready(pod: Obj) -> bool:
    return (condition_of(pod, "Ready") or {}).get("status") == "True"


def available_at(pod: Obj, min_ready_seconds: int) -> Instant | None:
    """When the pod counts as available, which may be in the future; None while it is not ready."""
    condition = condition_of(pod, "Ready") or {}
    if condition.get("status") != "True":
        return None
    since = condition.get("lastTransitionTime")
    return Instant(parse_rfc3339(since) + min_ready_seconds) if since else Instant(float(min_ready_seconds))


def is_available(pod: Obj, min_ready_seconds: int, now: Instant) -> bool:
    """Ready for at least `min_ready_seconds` (podutil.IsPodAvailable)."""
    at = available_at(pod, min_ready_seconds)
    return at is not None and (min_ready_seconds == 0 or at <= now)


def next_availability(pods: Iterable[Obj], min_ready_seconds: int, now: Instant) -> Instant | None:
    """The first instant at which one of the pods that are not available yet will be, if nothing happens."""
    instants = [at for pod in pods if (at := available_at(pod, min_ready_seconds)) is not None and at > now]
    return min(instants, default=None) if min_ready_seconds else None


def pod_of_template(template: Obj, owner: Obj, name: str) -> Obj:
    """The pod that `owner` makes from a template: its metadata and spec, named, and owned."""
    meta = dig(template, "metadata", default={})
    copied = {key: meta[key] for key in ("labels", "annotations", "finalizers") if meta.get(key)}
    return copy_obj(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                **copied,
                "namespace": namespace_of(owner),
                "name": name,
                "generateName": prefix_of(name_of(owner)),
                "ownerReferences": [controller_ref(owner)],
            },
            "spec": template.get("spec") or {},
        }
    )


def prefix_of(owner_name: str) -> str:
    return f"{owner_name}-"[:LONGEST_PREFIX]


def free_names(prefix: str, uid: str, taken: Collection[str]) -> Iterator[str]:
    """Names for new pods of the owner `uid`, in their fixed order, without those that are taken."""
    given = set(taken)
    for ordinal in count():
        name = prefix + derived_suffix(uid, str(ordinal), length=5)
        if name not in given:
            given.add(name)
            yield name


def slow_start(actions: Iterable[Action]) -> tuple[Batch, ...]:
    """Batches of 1, 2, 4 … that stop at the first failure: a quota that is used up is met once, not a hundred times."""
    left, size, batches = list(actions), 1, list[Batch]()
    while left:
        batches.append(Batch(tuple(left[:size])))
        left, size = left[size:], size * 2
    return tuple(batches)


def deletion_order(pods: Iterable[Obj]) -> list[Obj]:
    """Which pods go first when there are too many (controller.ActivePodsWithRanks).

    Unscheduled, then pending, then not ready; the cheapest to delete; from crowded nodes; ready for the shortest time; with
    more restarts; the youngest.
    """
    here = list(pods)
    crowd: dict[str, int] = {}
    for pod in here:
        node = spec_of(pod).get("nodeName") or ""
        crowd[node] = crowd.get(node, 0) + 1

    def rank(pod: Obj) -> tuple[Any, ...]:
        node = spec_of(pod).get("nodeName") or ""
        phases = {"Pending": 0, "Unknown": 1, "Running": 2}
        ready_since = available_at(pod, 0) or 0.0
        created = metadata(pod).get("creationTimestamp") or ""
        age_rank = -parse_rfc3339(created) if created else 0.0
        restarts = max((status.get("restartCount") or 0 for status in status_of(pod).get("containerStatuses") or ()), default=0)
        return (
            bool(node), phases.get(phase_of(pod), 1), is_ready(pod), _deletion_cost(pod), -crowd[node], -ready_since, -restarts,
            age_rank, name_of(pod),
        )  # fmt: skip

    return sorted(here, key=rank)


def claim_patches(owner: Obj, selector: LabelSelector, owned: Iterable[Obj], orphans: Iterable[Obj]) -> tuple[Action, ...]:
    """Adopts pods that match and belong to nobody, lets go of own ones that no longer match (PodControllerRefManager)."""
    if is_deleting(owner):
        return ()
    adopted = [
        _owners_patch(pod, [*(metadata(pod).get("ownerReferences") or []), controller_ref(owner)])
        for pod in orphans
        if is_active(pod) and selector.matches(labels_of(pod))
    ]
    released = [
        _owners_patch(pod, [ref for ref in metadata(pod)["ownerReferences"] if ref.get("uid") != uid_of(owner)])
        for pod in owned
        if not is_deleting(pod) and not selector.matches(labels_of(pod))
    ]
    return (*adopted, *released)


def _owners_patch(pod: Obj, references: list[dict[str, Any]]) -> Patch:
    body = {"metadata": {"ownerReferences": references or None}}
    return Patch(PODS, namespace_of(pod), name_of(pod), body, uid=uid_of(pod), resource_version=resource_version_of(pod))


def _deletion_cost(pod: Obj) -> int:
    try:
        return int(annotations_of(pod).get(DELETION_COST, "0"))
    except ValueError:
        return 0
