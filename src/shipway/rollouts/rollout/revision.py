"""Which ReplicaSet is the new one, which the stable one, which are history; and what a new one looks like.

The new one is found by its hash, else by its template: a hash that another version (or Argo Rollouts before us) computed
differently must not cause a rollout. Templates are compared as the API server would store them, without the hash label and
without what we injected.
"""

import orjson
from msgspec import Struct

from shipway.api.kinds import REPLICA_SETS
from shipway.api.notifications import NOTIFIED, NOTIFYING
from shipway.api.rollout import PodMetadata, RolloutSpec
from shipway.kube.objects.owners import controller_ref
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, copy_obj, dig, labels_of, name_of, namespace_of, spec_of
from shipway.kube.runtime.decision import Patch
from shipway.rollouts.rollout.anti_affinity import injected_hashes, without_rule
from shipway.rollouts.rollout.names import (
    DESIRED_REPLICAS,
    EPHEMERAL_METADATA,
    HASH_LABEL,
    LAST_APPLIED,
    REACHES,
    REVISION,
    REVISION_HISTORY,
    SCALE_DOWN_DEADLINE,
    STRATEGY,
    STRATEGY_BY_BUDGET,
    VERIFICATION,
    WORKLOAD_GENERATION,
)
from shipway.rollouts.rollout.replica_set import ReplicaSet
from shipway.rollouts.rollout.template_defaults import without_defaults
from shipway.rollouts.rollout.template_hash import pod_template_hash

NOT_COPIED = (
    LAST_APPLIED,
    REVISION,
    REVISION_HISTORY,
    DESIRED_REPLICAS,
    SCALE_DOWN_DEADLINE,
    EPHEMERAL_METADATA,
    REACHES,
    WORKLOAD_GENERATION,
    NOTIFYING,
    STRATEGY,
    STRATEGY_BY_BUDGET,
    VERIFICATION,
)


class Roles(Struct, frozen=True):
    """All ReplicaSets of a Rollout by what they are for; `others` are neither new nor stable, `older` all but the new one."""

    all: tuple[ReplicaSet, ...]
    new: ReplicaSet | None
    stable: ReplicaSet | None

    @property
    def older(self) -> tuple[ReplicaSet, ...]:
        return tuple(rs for rs in self.all if self.new is None or rs.uid != self.new.uid)

    @property
    def others(self) -> tuple[ReplicaSet, ...]:
        return tuple(rs for rs in self.older if self.stable is None or rs.uid != self.stable.uid)

    @property
    def is_updating(self) -> bool:
        """Whether stable and new are two."""
        return self.stable is not None and (self.new is None or self.new.uid != self.stable.uid)


def assign_roles(template: Obj, collision_count: int | None, stable_hash: str, owned: tuple[ReplicaSet, ...]) -> Roles:
    """Sorts the owned ReplicaSets, oldest first, and finds the new and the stable one."""
    sets = tuple(sorted(owned, key=lambda rs: (rs.created, rs.name)))
    wanted = pod_template_hash(template, collision_count)
    new = next((rs for rs in sets if rs.hash == wanted), None) or _of_template(sets, template)
    stable = next((rs for rs in sets if stable_hash and rs.hash == stable_hash), None)
    return Roles(sets, new, stable)


def _of_template(sets: tuple[ReplicaSet, ...], template: Obj) -> ReplicaSet | None:
    wanted = without_defaults(template)
    return next((rs for rs in sets if without_defaults(plain_template(rs)) == wanted), None)


def plain_template(rs: ReplicaSet) -> Obj:
    """The pod template of a ReplicaSet as its Rollout stated it: without the hash label and injected metadata."""
    template = copy_obj(dig(rs.obj, "spec", "template", default={}))
    metadata = template.setdefault("metadata", {})
    injected = injected_metadata(rs.obj)
    for field, keys in (("labels", {HASH_LABEL, *injected.labels}), ("annotations", set(injected.annotations))):
        metadata[field] = {key: value for key, value in (metadata.get(field) or {}).items() if key not in keys}
    return without_rule(template)


def injected_metadata(obj: Obj) -> PodMetadata:
    """What we remember to have put on the pods of a ReplicaSet (the ephemeral-metadata annotation)."""
    text = annotations_of(obj).get(EPHEMERAL_METADATA)
    try:
        raw = orjson.loads(text) if text else {}
    except orjson.JSONDecodeError:
        raw = {}
    if not isinstance(raw, dict):
        return PodMetadata()
    return PodMetadata(labels=raw.get("labels") or {}, annotations=raw.get("annotations") or {})


def new_replica_set(
    rollout: Obj,
    spec: RolloutSpec,
    collision_count: int | None,
    roles: Roles,
    role_metadata: tuple[PodMetadata | None, PodMetadata | None],
    affinity: Obj | None = None,
) -> Obj:
    """The ReplicaSet of the Rollout's present template, without pods: `<rollout>-<hash>`, at the next revision.

    `role_metadata` is what pods wear as (new, stable) version; `affinity` stands in for the template's where one is given.
    """
    pod_hash = pod_template_hash(spec.template, collision_count)
    new_wears, stable_wears = role_metadata
    injected = (new_wears if roles.stable is not None else stable_wears) or PodMetadata()
    template = copy_obj(spec.template)
    metadata = template.setdefault("metadata", {})
    metadata["labels"] = {**(metadata.get("labels") or {}), **injected.labels, HASH_LABEL: pod_hash}
    if injected.annotations:
        metadata["annotations"] = {**(metadata.get("annotations") or {}), **injected.annotations}
    if affinity is not None:
        template.setdefault("spec", {})["affinity"] = affinity
    selector = copy_obj(spec.selector or {})
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH_LABEL: pod_hash}
    annotations = {
        **copied_annotations(rollout),
        REVISION: str(next_revision(roles)),
        DESIRED_REPLICAS: str(spec.replicas or 0),
    }
    if injected != PodMetadata():
        annotations[EPHEMERAL_METADATA] = metadata_text(injected)
    return {
        "apiVersion": REPLICA_SETS.api_version,
        "kind": REPLICA_SETS.kind,
        "metadata": {
            "name": f"{name_of(rollout)}-{pod_hash}",
            "namespace": namespace_of(rollout),
            "labels": {**labels_of(spec.template), HASH_LABEL: pod_hash},
            "annotations": annotations,
            "ownerReferences": [controller_ref(rollout)],
        },
        "spec": {"replicas": 0, "minReadySeconds": spec.min_ready_seconds, "selector": selector, "template": template},
    }


def metadata_text(metadata: PodMetadata) -> str:
    """The ephemeral-metadata annotation, as Go prints it."""
    wire = {key: value for key, value in (("annotations", metadata.annotations), ("labels", metadata.labels)) if value}
    return orjson.dumps(wire, option=orjson.OPT_SORT_KEYS).decode()


def next_revision(roles: Roles) -> int:
    """One more than the greatest revision among the ReplicaSets that are not the new one."""
    return 1 + max((rs.revision for rs in roles.older), default=0)


def copied_annotations(rollout: Obj) -> dict[str, str]:
    """A Rollout's annotations that its ReplicaSet carries too."""
    return {
        key: value for key, value in annotations_of(rollout).items() if key not in NOT_COPIED and not key.startswith(NOTIFIED)
    }


def sync_new(rollout: Obj, spec: RolloutSpec, roles: Roles, affinity: Obj | None = None) -> Patch | None:
    """Brings revision, copied annotations, minReadySeconds and an injected affinity of the new ReplicaSet up to date."""
    new = roles.new
    if new is None:
        return None
    live = annotations_of(new.obj)
    wanted = {key: value for key, value in copied_annotations(rollout).items() if live.get(key) != value}
    revision = next_revision(roles)
    if new.revision < revision:
        wanted[REVISION] = str(revision)
        if new.revision:
            history = [part for part in live.get(REVISION_HISTORY, "").split(",") if part]
            wanted[REVISION_HISTORY] = ",".join([*history, str(new.revision)])
    body: Obj = {"metadata": {"annotations": wanted}} if wanted else {}
    if spec_of(new.obj).get("minReadySeconds", 0) != spec.min_ready_seconds:
        body["spec"] = {"minReadySeconds": spec.min_ready_seconds}
    live_template = dig(new.obj, "spec", "template", default={})
    if affinity is not None and injected_hashes(live_template) not in (
        set(),
        injected_hashes({"spec": {"affinity": affinity}}),
    ):
        body["spec"] = {**body.get("spec", {}), "template": {"spec": {"affinity": affinity}}}
    return Patch(REPLICA_SETS, namespace_of(rollout), new.name, body, uid=new.uid) if body else None


def revision_of_new(roles: Roles) -> int:
    """The revision of the new ReplicaSet once `sync_new` has been applied."""
    return max(next_revision(roles), roles.new.revision) if roles.new else next_revision(roles)
