"""Marks that count for nothing: how a Deployment is adopted without a new generation.

A Deployment's generation counts changes of its annotations too (Kubernetes' pkg/registry/apps/deployment), and controllers and
people read a new generation as a new version. So a Deployment that another tool applied gets our marks as labels (a tracking id
that Argo CD left stays), and the other tool's annotations stay its own. Both end with the first change in Git, which is a new
generation anyway: from then on the marks are the annotations that every other object has.

    shipway.dev/tracking    <application>.<8 hex characters of the tracking id>: a copy on another object says nothing
    shipway.dev/applied     the keyed hash, as in the annotation
"""

import re

from shipway.base.ids import digest
from shipway.gitops.annotations import APPLIED, TRACKING_ID
from shipway.kube.objects.resource import Obj, ref_of
from shipway.kube.objects.views import annotations_of, copy_obj, labels_of

TRACKING_LABEL = "shipway.dev/tracking"
NO_LONGER = "no-longer"
"""In the place of the hash: the next apply writes annotations."""
_LABELS = frozenset({TRACKING_LABEL, APPLIED})
_VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,52}[A-Za-z0-9])?")


def is_quiet(live: Obj) -> bool:
    """Whether the object carries our marks (the hash at least) as labels."""
    return _is_deployment(live) and APPLIED not in annotations_of(live) and not _LABELS.isdisjoint(labels_of(live))


def applied_hash(live: Obj) -> str | None:
    """What we applied last, as the object remembers it; None where it does not."""
    return annotations_of(live).get(APPLIED) or (labels_of(live).get(APPLIED) if is_quiet(live) else None)


def stays_quiet(stamped: Obj, live: Obj) -> bool:
    """Whether applying `stamped` over `live` changes no annotation but our marks: they go into labels then."""
    there, wanted = annotations_of(live), annotations_of(stamped)
    if not _is_deployment(live) or APPLIED in there or not _VALUE.fullmatch(_instance(stamped)):
        return False
    if is_quiet(live) and labels_of(live).get(APPLIED) not in (None, wanted[APPLIED]):
        return False
    ours = {APPLIED} if TRACKING_ID in there else {APPLIED, TRACKING_ID}
    return {key: value for key, value in wanted.items() if key not in ours}.items() <= there.items()


def quieted(stamped: Obj, live: Obj) -> Obj:
    """A copy with the marks as labels, but for a tracking id that the object carries already."""
    quiet = copy_obj(stamped)
    meta = quiet["metadata"]
    annotations: dict[str, str] = meta.pop("annotations")
    labels = {**(meta.get("labels") or {}), APPLIED: annotations.pop(APPLIED)}
    if TRACKING_ID not in annotations_of(live):
        labels[TRACKING_LABEL] = tracking_label(_instance(stamped), annotations.pop(TRACKING_ID))
    return {**quiet, "metadata": {**meta, "labels": labels, **({"annotations": annotations} if annotations else {})}}


def tracking_label(instance: str, tracking_id: str) -> str:
    return f"{instance}.{digest(tracking_id, length=8)}"


def instance_in(live: Obj) -> str:
    """The instance that the label names, not yet believed; "" without one."""
    return labels_of(live).get(TRACKING_LABEL, "").rpartition(".")[0] if is_quiet(live) else ""


def _is_deployment(obj: Obj) -> bool:
    ref = ref_of(obj)
    return (ref.group, ref.kind) == ("apps", "Deployment")


def _instance(stamped: Obj) -> str:
    return annotations_of(stamped).get(TRACKING_ID, "").partition(":")[0]
