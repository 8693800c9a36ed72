"""Restarting all pods of a Rollout (`spec.restartAt`): those older than it are evicted, a few at a time.

Eviction respects disruption budgets. At most max(maxUnavailable, 1) pods may be missing at once; pods of the stable
ReplicaSet go first. When no pod is older than `restartAt`, `status.restartedAt` says so.
"""

from msgspec import Struct

from shipway.base.clock import Instant, parse_rfc3339
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import condition_of, controller_of, is_deleting, metadata, name_of
from shipway.kube.runtime.decision import Action, Batch, Evict
from shipway.rollouts.rollout.counts import bounds
from shipway.rollouts.rollout.effects import NOTHING, Effects
from shipway.rollouts.rollout.facts import Facts

RECHECK = 30.0
"""Seconds until an eviction that a disruption budget forbade is tried again."""


class Restart(Struct, frozen=True):
    """`restarted_at` is what the status should say; `evicting`: pods go in this pass, which then does nothing else."""

    restarted_at: str | None = None
    evicting: bool = False
    effects: Effects = NOTHING


def plan_restart(facts: Facts) -> Restart:
    """The evictions of this pass."""
    since = _asked_at(facts)
    if since is None:
        return Restart(restarted_at=facts.status.restarted_at)
    if since > facts.now:
        return Restart(restarted_at=facts.status.restarted_at, effects=Effects(wake=since))
    pods = _by_priority(facts)
    old = [pod for pod in pods if _created(pod) < since]
    if not old:
        return Restart(restarted_at=facts.spec.restart_at)
    whole = max(facts.replicas, sum(rs.replicas for rs in facts.roles.all))
    least = whole - max(bounds(facts).unavailable, 1)
    room = max(0, sum(1 for pod in pods if _is_available(facts, pod)) - least)
    evicted: tuple[Action, ...] = tuple(Evict(facts.namespace, name_of(pod)) for pod in old if not is_deleting(pod))[:room]
    batches = (Batch(evicted, on_failure="continue"),) if evicted else ()
    effects = Effects(batches=batches, wake=Instant(facts.now + RECHECK))
    return Restart(restarted_at=facts.status.restarted_at, evicting=bool(evicted), effects=effects)


def needs_restart(facts: Facts) -> bool:
    return _asked_at(facts) is not None


def _asked_at(facts: Facts) -> Instant | None:
    """The time asked for, unless the status says that it has been done."""
    if not facts.spec.restart_at:
        return None
    try:
        asked = parse_rfc3339(facts.spec.restart_at)
        done = parse_rfc3339(facts.status.restarted_at) if facts.status.restarted_at else None
    except ValueError:
        return None
    return None if done is not None and done >= asked else asked


def _by_priority(facts: Facts) -> list[Obj]:
    stable, new = facts.stable, facts.new
    order = {rs.uid: 2 for rs in facts.roles.all}
    order |= {new.uid: 1} if new else {}
    order |= {stable.uid: 0} if stable else {}

    def rank(pod: Obj) -> tuple[int, str, str]:
        owner = (controller_of(pod) or {}).get("uid", "")
        return (order.get(owner, 3), metadata(pod).get("creationTimestamp") or "", name_of(pod))

    return sorted(facts.seen.pods, key=rank)


def _created(pod: Obj) -> float:
    return parse_rfc3339(metadata(pod)["creationTimestamp"])


def _is_available(facts: Facts, pod: Obj) -> bool:
    ready = condition_of(pod, "Ready")
    if is_deleting(pod) or ready is None or ready.get("status") != "True":
        return False
    if facts.spec.min_ready_seconds == 0:
        return True
    since = facts.seconds_since(str(ready.get("lastTransitionTime") or ""))
    return since is not None and since >= facts.spec.min_ready_seconds
