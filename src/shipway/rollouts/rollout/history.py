"""Old ReplicaSets that revisionHistoryLimit no longer covers: without pods, oldest first."""

from shipway.api.kinds import ANALYSIS_RUNS, REPLICA_SETS
from shipway.kube.objects.views import dig, generation_of, is_deleting, labels_of, name_of
from shipway.kube.runtime.decision import Action, Delete
from shipway.rollouts.rollout.effects import Effects, tidying
from shipway.rollouts.rollout.facts import Facts
from shipway.rollouts.rollout.names import HASH_LABEL
from shipway.rollouts.rollout.replica_set import ReplicaSet


def plan_history(facts: Facts) -> Effects:
    """Deletes what history no longer keeps, and the analysis runs that judged it."""
    old = [rs for rs in facts.roles.others if not rs.deleting]
    surplus = old[: max(0, len(old) - facts.spec.revision_history_limit)]
    gone = [rs for rs in surplus if _is_empty(rs)]
    hashes = {rs.hash for rs in gone}
    runs = [run for run in facts.seen.runs if labels_of(run).get(HASH_LABEL) in hashes and not is_deleting(run)]
    deletes: list[Action] = [Delete(REPLICA_SETS, facts.namespace, rs.name, uid=rs.uid) for rs in gone]
    deletes += [Delete(ANALYSIS_RUNS, facts.namespace, name_of(run)) for run in runs]
    return tidying(*deletes)


def _is_empty(rs: ReplicaSet) -> bool:
    """No pods, none wanted, and its own controller has seen that."""
    seen = dig(rs.obj, "status", "observedGeneration", default=0)
    return rs.replicas == 0 and rs.current == 0 and seen >= generation_of(rs.obj)
