"""Where the stable and the canary Service point: at the ReplicaSets of their roles, once those have pods to answer.

A Service that nobody managed before is taken over only when its ReplicaSet is fully available; later one available pod is
enough. After an abort the canary Service goes back to stable without asking, unless only the canary still answers. Services
that take turns (ping and pong) are switched only while they have no traffic: the one of the canary, when an update begins.
"""

from msgspec import Struct

from shipway.api.kinds import SERVICES
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, dig, labels_of, spec_of
from shipway.kube.runtime.decision import Action, Note, Patch
from shipway.rollouts.rollout.effects import NOTHING, Effects, acting
from shipway.rollouts.rollout.facts import Facts
from shipway.rollouts.rollout.names import HASH_LABEL, MANAGED_BY
from shipway.rollouts.rollout.observe import named_services
from shipway.rollouts.rollout.replica_set import ReplicaSet
from shipway.rollouts.rollout.spec import Invalid, invalid


class Switches(Struct, frozen=True):
    """`pointed` maps the services that this pass switches to their new hash."""

    pointed: dict[str, str] = {}
    effects: Effects = NOTHING


def plan_services(facts: Facts) -> Switches:
    """The selectors to be switched in this pass."""
    wanted = [(facts.canary.stable_service, facts.stable, True), *_canary_target(facts)]
    switches = {
        name: target.hash
        for name, target, careful in wanted
        if name and target is not None and _may_switch(facts.seen.services.get(name), target, careful=careful)
    }
    actions: list[tuple[Action, Note]] = [switch(facts, name, pod_hash) for name, pod_hash in switches.items()]
    return Switches(switches, acting(*(action for action, _ in actions), notes=tuple(actions)))


def _canary_target(facts: Facts) -> list[tuple[str, ReplicaSet | None, bool]]:
    name = facts.canary.canary_service
    if facts.canary.ping_pong is not None:
        return [] if facts.is_promoted and not facts.is_first_deploy else [(name, facts.new, True)]
    if facts.aborted and not facts.is_promoted:
        if facts.is_routed and facts.canary.dynamic_stable_scale and _still_carries(facts):
            return []
        return [(name, facts.stable, not facts.is_routed or _only_the_canary_answers(facts))]
    if _is_rolling_back_dynamically(facts):
        return []
    return [(name, facts.new, True)]


def _only_the_canary_answers(facts: Facts) -> bool:
    """Even a bad version is better than none: an abort does not take traffic to a stable version without pods."""
    stable, new = facts.stable, facts.new
    return (stable is None or stable.available == 0) and new is not None and new.available > 0


def _still_carries(facts: Facts) -> bool:
    weights = facts.status.canary.weights
    return weights is not None and weights.canary.weight > 0


def _is_rolling_back_dynamically(facts: Facts) -> bool:
    """With dynamicStableScale a return to a shrunken stable waits until it can carry everything."""
    weights, new = facts.status.canary.weights, facts.new
    if not (facts.is_promoted and facts.canary.dynamic_stable_scale and weights is not None and new is not None):
        return False
    return weights.canary.pod_template_hash not in ("", new.hash) and new.available < facts.replicas


def _may_switch(service: Obj | None, target: ReplicaSet, *, careful: bool) -> bool:
    if service is None or hash_of(service) == target.hash:
        return False
    if not careful:
        return True
    if MANAGED_BY not in annotations_of(service) and (target.available < target.replicas or target.replicas == 0):
        return False
    return target.available > 0


def switch(facts: Facts, name: str, pod_hash: str) -> tuple[Action, Note]:
    service = facts.seen.services[name] or {}
    body: Obj = {"spec": {"selector": {HASH_LABEL: pod_hash}}}
    if MANAGED_BY not in annotations_of(service):
        body["metadata"] = {"annotations": {MANAGED_BY: facts.name}}
    text = f"Switched selector for service '{name}' from '{hash_of(service)}' to '{pod_hash}'"
    return Patch(SERVICES, facts.namespace, name, body), facts.note("SwitchService", text)


def hash_of(service: Obj | None) -> str:
    return dig(service, "spec", "selector", HASH_LABEL, default="")


def service_problem(facts: Facts) -> Invalid | None:
    """A service that is not there, selects other pods, or belongs to another Rollout, as an InvalidSpec says it."""
    for path, name in named_services(facts.spec).items():
        service = facts.seen.services.get(name)
        if service is None:
            return invalid(path, name, f'service "{name}" not found')
        worn = labels_of(facts.spec.template)
        for key, value in (spec_of(service).get("selector") or {}).items():
            if key != HASH_LABEL and worn.get(key) != value:
                return invalid(path, name, f'Service "{name}" has unmatch label "{key}" in rollout')
        if annotations_of(service).get(MANAGED_BY, facts.name) != facts.name:
            return invalid(path, name, f'Service "{name}" is managed by another Rollout')
    return None
