"""How the Deployment that a Rollout takes over steps aside, by `workloadRef.scaleDown`.

`never`: it stays. `onsuccess`: it goes to zero once the Rollout is healthy. `progressively`: it keeps the pods that the Rollout
has not ready yet, and gets them back when those of the Rollout fail. As in Argo Rollouts that is done during the first revision
only: later the Deployment belongs to whoever scales it.
"""

from shipway.api.kinds import DEPLOYMENTS
from shipway.kube.objects.views import dig, name_of, uid_of
from shipway.kube.runtime.decision import Patch
from shipway.rollouts.rollout.effects import NOTHING, Effects, tidying
from shipway.rollouts.rollout.facts import Facts

ON_SUCCESS, PROGRESSIVELY = "onsuccess", "progressively"


def plan_workload(facts: Facts) -> Effects:
    """The Deployment at the size that the hand-over has come to."""
    workload, size = facts.seen.workload, _wanted_size(facts)
    if workload is None or size is None or size == dig(workload, "spec", "replicas", default=1):
        return NOTHING
    body = {"spec": {"replicas": size}}
    return tidying(Patch(DEPLOYMENTS, facts.namespace, name_of(workload), body, uid=uid_of(workload)))


def _wanted_size(facts: Facts) -> int | None:
    """None: it stays as it is."""
    ref, new, workload = facts.spec.workload_ref, facts.new, facts.seen.workload
    if ref is None or new is None or workload is None or facts.seen.workload_kind != DEPLOYMENTS or new.revision != 1:
        return None
    if ref.get("scaleDown") == ON_SUCCESS:
        return 0 if facts.status.phase == "Healthy" and facts.is_promoted else None
    if ref.get("scaleDown") != PROGRESSIVELY:
        return None
    ready = sum(rs.ready for rs in facts.roles.all)
    if not ready and not facts.status.stable_rs:
        return None
    return max(0, facts.replicas - ready)
