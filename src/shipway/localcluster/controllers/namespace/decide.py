"""Empties a namespace that is being deleted, then lets it go.

While it empties, the namespace's key watches every kind that lives in namespaces (metadata only). When nothing is left, the
finalizer `kubernetes` is removed through the `finalize` subresource. What still holds things back is said in the conditions.
"""

from collections.abc import Iterable
from typing import Any

from shipway.api.kinds import NAMESPACES
from shipway.base.clock import Instant
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import is_deleting, metadata, name_of, namespace_of, spec_of, status_of, uid_of
from shipway.kube.runtime.controller import ObjectKey
from shipway.kube.runtime.decision import Batch, Change, Decision, Delete, Replace, Watch
from shipway.localcluster.controllers.namespace.observe import Content, Observed
from shipway.localcluster.controllers.status import Conditions, condition, status_change, with_condition

FINALIZER = "kubernetes"
AT_ONCE = 500


def keys(obj: Obj) -> Iterable[ObjectKey]:
    """An object concerns the namespace that it is in."""
    return (ObjectKey("", namespace_of(obj)),)


def decide(observed: Observed, now: Instant) -> Decision:
    """Deletes what is left; when nothing is, finalizes."""
    watches = tuple(Watch(kind, keys, metadata_only=True) for kind in observed.kinds)
    if not observed.is_synced:
        return Decision(watches=watches)
    if observed.content:
        deletions = [
            Delete(part.resource, namespace_of(obj), name_of(obj), uid=uid_of(obj))
            for part in observed.content
            for obj in part.objects
            if not is_deleting(obj)
        ]
        batches = (Batch(tuple(deletions[:AT_ONCE]), on_failure="continue"),) if deletions else ()
        return Decision(batches, watches=watches, change=_change(observed, now))
    if not observed.is_empty:
        return Decision(watches=watches, asks=(observed.ask,) if observed.ask else ())
    finalizers = [name for name in spec_of(observed.namespace).get("finalizers") or () if name != FINALIZER]
    if finalizers == (spec_of(observed.namespace).get("finalizers") or []):
        return Decision(watches=watches)
    wanted = {**observed.namespace, "spec": {**spec_of(observed.namespace), "finalizers": finalizers}}
    return Decision((Batch((Replace(NAMESPACES, wanted, subresource="finalize"),)),), watches=watches)


def _change(observed: Observed, now: Instant) -> Change | None:
    """The conditions that `kubectl describe namespace` shows of one that does not go away."""
    status = status_of(observed.namespace)
    conditions: Conditions = status.get("conditions") or []
    for wanted in _conditions(observed.content):
        conditions = with_condition(conditions, wanted, now)
    return status_change(NAMESPACES, observed.namespace, {**status, "phase": "Terminating", "conditions": conditions})


def _conditions(content: tuple[Content, ...]) -> Iterable[dict[str, Any]]:
    yield condition("NamespaceDeletionDiscoveryFailure", False, "ResourcesDiscovered", "All resources successfully discovered")
    yield condition(
        "NamespaceDeletionGroupVersionParsingFailure",
        False,
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    )
    yield condition(
        "NamespaceDeletionContentFailure",
        False,
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    )
    left = ", ".join(f"{_kind(part)} has {len(part.objects)} resource instances" for part in content)
    yield condition("NamespaceContentRemaining", True, "SomeResourcesRemain", f"Some resources are remaining: {left}")
    counts: dict[str, int] = {}
    for obj in (obj for part in content for obj in part.objects):
        for finalizer in metadata(obj).get("finalizers") or ():
            counts[finalizer] = counts.get(finalizer, 0) + 1
    if counts:
        said = ", ".join(f"{name} in {number} resource instances" for name, number in sorted(counts.items()))
        message = f"Some content in the namespace has finalizers remaining: {said}"
        yield condition("NamespaceFinalizersRemaining", True, "SomeFinalizersRemain", message)
    else:
        message = "All content-preserving finalizers finished"
        yield condition("NamespaceFinalizersRemaining", False, "ContentHasNoFinalizers", message)


def _kind(part: Content) -> str:
    return f"{part.resource.plural}.{part.resource.group}" if part.resource.group else f"{part.resource.plural}."
