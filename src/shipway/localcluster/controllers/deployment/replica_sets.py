"""A Deployment's ReplicaSets: which one is new, what the others are called, and what is written on them.

The set whose template equals the deployment's is the new one, however old it is: that is what makes a rollback a rollout.
Its name is the deployment's and a hash of the template. The hash is ours (a set keeps the name it was born with), in the
alphabet Kubernetes uses; equality with the one of a Go controller is no goal.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from shipway.base.ids import derived_suffix
from shipway.kube.objects.owners import controller_ref
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import (
    annotations_of,
    copy_obj,
    dig,
    labels_of,
    metadata,
    name_of,
    namespace_of,
    spec_of,
    status_of,
)

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
NOT_COPIED = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        REVISION,
        REVISION_HISTORY,
        DESIRED,
        MAXIMUM,
        "deprecated.deployment.rollback.to",
    }
)


def replicas_of(obj: Obj) -> int:
    """`spec.replicas` of a deployment or set."""
    found = spec_of(obj).get("replicas")
    return 1 if found is None else int(found)


def count_of(obj: Obj, field: str) -> int:
    """A counter of the status."""
    return int(status_of(obj).get(field) or 0)


def template_hash(template: Mapping[str, Any], collisions: int) -> str:
    """Ten letters that stand for a pod template."""
    return derived_suffix(orjson.dumps(template, option=orjson.OPT_SORT_KEYS).decode(), str(collisions))


def is_same_template(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Equal but for the hash label (deploymentutil.EqualIgnoreHash)."""
    return _without_hash(one) == _without_hash(other)


def by_age(sets: Iterable[Obj]) -> list[Obj]:
    """Oldest first."""
    return sorted(sets, key=lambda rs: (metadata(rs).get("creationTimestamp") or "", name_of(rs)))


def new_replica_set(deployment: Obj, sets: Iterable[Obj]) -> Obj | None:
    """The set with the deployment's template; the oldest if there are several."""
    template = spec_of(deployment).get("template") or {}
    return next((rs for rs in by_age(sets) if is_same_template(spec_of(rs).get("template") or {}, template)), None)


def revision_of(obj: Obj) -> int:
    try:
        return int(annotations_of(obj).get(REVISION) or 0)
    except ValueError:
        return 0


def next_revision(old_sets: Iterable[Obj]) -> int:
    return max((revision_of(rs) for rs in old_sets), default=0) + 1


def wanted_annotations(deployment: Obj, replica_set: Obj | None, revision: int, maximum: int) -> dict[str, str]:
    """The annotations of the new set: the deployment's own, its revision and history, and the sizes it was scaled for."""
    here = annotations_of(replica_set) if replica_set else {}
    wanted = {**here, **{key: value for key, value in annotations_of(deployment).items() if key not in NOT_COPIED}}
    before = revision_of(replica_set) if replica_set else 0
    if before < revision:
        wanted[REVISION] = str(revision)
        if before > 0:
            history = [part for part in here.get(REVISION_HISTORY, "").split(",") if part]
            wanted[REVISION_HISTORY] = ",".join([*history, str(before)])
    return {**wanted, DESIRED: str(replicas_of(deployment)), MAXIMUM: str(maximum)}


def made_replica_set(deployment: Obj, replicas: int, annotations: Mapping[str, str]) -> Obj:
    """The new set of a deployment."""
    template = spec_of(deployment).get("template") or {}
    suffix = template_hash(template, count_of(deployment, "collisionCount"))
    labelled = {**dig(template, "metadata", "labels", default={}), HASH_LABEL: suffix}
    selector = spec_of(deployment).get("selector") or {}
    spec = {
        "replicas": replicas,
        "minReadySeconds": spec_of(deployment).get("minReadySeconds") or 0,
        "selector": {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), HASH_LABEL: suffix}},
        "template": {**template, "metadata": {**(template.get("metadata") or {}), "labels": labelled}},
    }
    if not spec["minReadySeconds"]:
        del spec["minReadySeconds"]
    return copy_obj(
        {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": f"{name_of(deployment)}-{suffix}",
                "namespace": namespace_of(deployment),
                "labels": labelled,
                "annotations": dict(annotations),
                "ownerReferences": [controller_ref(deployment)],
            },
            "spec": spec,
        }
    )


def cleanable(deployment: Obj, old_sets: Sequence[Obj]) -> list[Obj]:
    """Old sets beyond `revisionHistoryLimit`, lowest revision first; only empty ones count."""
    limit = spec_of(deployment).get("revisionHistoryLimit")
    if limit is None:
        return []
    empty = [
        rs
        for rs in old_sets
        if replicas_of(rs) == 0
        and count_of(rs, "replicas") == 0
        and count_of(rs, "observedGeneration") >= (metadata(rs).get("generation") or 0)
        and not metadata(rs).get("deletionTimestamp")
    ]
    return sorted(empty, key=lambda rs: (revision_of(rs), name_of(rs)))[: max(0, len(empty) - int(limit))]


def _without_hash(template: Mapping[str, Any]) -> dict[str, Any]:
    meta = dict(template.get("metadata") or {})
    labels = {key: value for key, value in labels_of(template).items() if key != HASH_LABEL}
    # A live template says creationTimestamp: null; ours does not.
    rest = {key: value for key, value in meta.items() if key not in ("labels", "creationTimestamp") and value}
    return {"metadata": {**rest, "labels": labels}, "spec": template.get("spec") or {}}
