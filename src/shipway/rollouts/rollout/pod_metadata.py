"""Labels and annotations that pods wear only while they are canary or stable (`canaryMetadata`, `stableMetadata`).

They are patched onto the ReplicaSet's template, so that new pods are born with them, and onto living pods in place; what we
put there is remembered in an annotation of the ReplicaSet, so that it can be taken away when the role changes. Neither
counts as a change of the template.
"""

from shipway.api.kinds import PODS, REPLICA_SETS
from shipway.api.rollout import PodMetadata
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import controller_of, dig, is_deleting, metadata, name_of
from shipway.kube.runtime.decision import Action, Patch
from shipway.rollouts.rollout.effects import Effects, tidying
from shipway.rollouts.rollout.facts import Facts
from shipway.rollouts.rollout.names import EPHEMERAL_METADATA
from shipway.rollouts.rollout.observe import role_metadata
from shipway.rollouts.rollout.replica_set import ReplicaSet
from shipway.rollouts.rollout.revision import injected_metadata, metadata_text

NONE = PodMetadata()


def plan_pod_metadata(facts: Facts) -> Effects:
    """The patches that give every ReplicaSet and its pods the metadata of their present role."""
    actions: list[Action] = []
    for rs in facts.roles.all:
        wanted = _of_role(facts, rs)
        before = injected_metadata(rs.obj)
        if before == wanted == NONE:
            continue
        if before != wanted:
            actions.append(_replica_set_patch(facts, rs, before, wanted))
        actions += _pod_patches(facts, rs, before, wanted)
    return tidying(*actions)


def _of_role(facts: Facts, rs: ReplicaSet) -> PodMetadata:
    new_wears, stable_wears = role_metadata(facts.spec)
    updating = facts.roles.is_updating and not facts.is_promoted
    if facts.new is not None and rs.uid == facts.new.uid:
        return (new_wears if updating else stable_wears) or NONE
    if facts.stable is not None and rs.uid == facts.stable.uid:
        return stable_wears or NONE
    return NONE


def _replica_set_patch(facts: Facts, rs: ReplicaSet, before: PodMetadata, wanted: PodMetadata) -> Action:
    noted = metadata_text(wanted) if wanted != NONE else None
    body: Obj = {"metadata": {"annotations": {EPHEMERAL_METADATA: noted}}}
    if changes := _changes(dig(rs.obj, "spec", "template", "metadata", default={}), before, wanted):
        body["spec"] = {"template": {"metadata": changes}}
    return Patch(REPLICA_SETS, facts.namespace, rs.name, body, uid=rs.uid)


def _pod_patches(facts: Facts, rs: ReplicaSet, before: PodMetadata, wanted: PodMetadata) -> list[Action]:
    patches: list[Action] = []
    for pod in facts.seen.pods:
        if (controller_of(pod) or {}).get("uid") != rs.uid or is_deleting(pod):
            continue
        if changes := _changes(metadata(pod), before, wanted):
            patches.append(Patch(PODS, facts.namespace, name_of(pod), {"metadata": changes}))
    return patches


def _changes(live: Obj, before: PodMetadata, wanted: PodMetadata) -> Obj:
    """Merge patch of a metadata: what is missing or other is set, what we put there and want no more is removed."""
    changes: Obj = {}
    for field in ("labels", "annotations"):
        have = live.get(field) or {}
        want: dict[str, str] = getattr(wanted, field)
        had: dict[str, str] = getattr(before, field)
        diff: Obj = {key: value for key, value in want.items() if have.get(key) != value}
        diff |= {key: None for key in had if key not in want and key in have}
        if diff:
            changes[field] = diff
    return changes
