"""A new version that waits, because verification rules let its update not begin: what runs goes on as if it were not there."""

import msgspec

from shipway.api.rollout import RolloutStatus
from shipway.kube.objects.resource import Obj
from shipway.rollouts.rollout.conditions import find, invalid_condition, without
from shipway.rollouts.rollout.facts import Facts, status_of_rollout
from shipway.rollouts.rollout.names import INVALID_SPEC, UNVERIFIED
from shipway.rollouts.rollout.observe import Observed
from shipway.rollouts.rollout.phase import phase_of
from shipway.rollouts.rollout.revision import plain_template


def as_it_was(facts: Facts) -> Observed | None:
    """The observation with the template of the version that runs; None when its ReplicaSet is gone.

    Where that one is in the middle of its own update it goes no further, as if somebody had paused it.
    """
    running = next((rs for rs in facts.roles.all if rs.hash == facts.status.current_pod_hash), None)
    if running is None:
        return None
    is_paused = facts.spec.paused or not facts.is_promoted
    spec = msgspec.structs.replace(facts.spec, template=plain_template(running), paused=is_paused)
    verification = msgspec.structs.replace(facts.seen.verification, is_known=True, refused="", rules=())
    return msgspec.structs.replace(facts.seen, spec=spec, verification=verification)


def still_waiting(facts: Facts, after: Obj) -> RolloutStatus:
    """The status of `after`, the Rollout as a pass leaves it, with the reason why its new version waits."""
    text = f"spec.template: Forbidden: the new version waits, and what runs is left alone: {facts.refusal}"
    message = f'The Rollout "{facts.name}" is invalid: {text}'
    status = status_of_rollout(after)
    told = find(invalid_condition(facts.status.conditions, message, facts.now, UNVERIFIED), INVALID_SPEC)
    conditions = without(status.conditions, INVALID_SPEC)
    status = msgspec.structs.replace(status, conditions=(*conditions, told) if told is not None else conditions)
    phase, said = phase_of(facts.spec, status)
    return msgspec.structs.replace(status, phase=phase, message=said)
