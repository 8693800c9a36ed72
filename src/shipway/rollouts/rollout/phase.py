"""`status.phase` and `status.message`: pure over spec and status, in Argo Rollouts' order and words.

Clients that read a Rollout use `client_phase`, which first asks whether the status speaks of the present spec at all.
"""

from shipway.api.rollout import BlueGreen, RolloutSpec, RolloutStatus
from shipway.base.clock import parse_rfc3339
from shipway.rollouts.rollout.names import INVALID_SPEC

ENDINGS = ("RolloutAborted", "ProgressDeadlineExceeded")


def phase_of(spec: RolloutSpec, status: RolloutStatus) -> tuple[str, str]:
    """(phase, message) as the controller writes them."""
    for condition in status.conditions:
        if condition.type == INVALID_SPEC:
            return "Degraded", f"{INVALID_SPEC}: {condition.message}"
        if condition.reason in ENDINGS:
            return "Degraded", f"{condition.reason}: {condition.message}"
    if spec.paused:
        return "Paused", "manually paused"
    if status.pause_conditions:
        return "Paused", status.pause_conditions[0].reason
    if spec.restart_at and not _same_time(spec.restart_at, status.restarted_at):
        return "Progressing", "rollout is restarting"
    if status.updated_replicas < (1 if spec.replicas is None else spec.replicas):
        return "Progressing", "more replicas need to be updated"
    if status.available_replicas < status.updated_replicas:
        return "Progressing", "updated replicas are still becoming available"
    return _blue_green_phase(spec.strategy.blue_green, status) if spec.strategy.blue_green else _canary_phase(spec, status)


def _blue_green_phase(blue_green: BlueGreen, status: RolloutStatus) -> tuple[str, str]:
    if not status.blue_green.active_selector or status.blue_green.active_selector != status.current_pod_hash:
        return "Progressing", "active service cutover pending"
    if not status.stable_rs or status.stable_rs != status.current_pod_hash:
        run = status.blue_green.post_promotion_analysis_run_status
        done = run is not None and run.status in ("Successful", "Failed", "Error", "Inconclusive")
        if blue_green.post_promotion_analysis is not None and not done:
            return "Progressing", "waiting for analysis to complete"
        return "Progressing", "waiting for post-promotion verification to complete"
    return "Healthy", ""


def _canary_phase(spec: RolloutSpec, status: RolloutStatus) -> tuple[str, str]:
    canary = spec.strategy.canary
    if canary is not None:
        if canary.traffic_routing is None and status.replicas > status.updated_replicas:
            return "Progressing", "old replicas are pending termination"
        if not status.stable_rs or status.stable_rs != status.current_pod_hash:
            return "Progressing", "waiting for all steps to complete"
    return "Healthy", ""


def client_phase(generation: int, spec: RolloutSpec, status: RolloutStatus) -> tuple[str, str]:
    """(phase, message) as a client shows them, who may look before the controller has."""
    observed = status.observed_generation
    if observed.isdigit() and int(observed) < generation:
        return "Progressing", "waiting for rollout spec update to be observed"
    if status.controller_pause and not status.pause_conditions:
        return "Progressing", "waiting for rollout to unpause"
    if status.phase:
        return status.phase, status.message
    return phase_of(spec, status)


def _same_time(wanted: str, done: str | None) -> bool:
    try:
        return done is not None and parse_rfc3339(wanted) == parse_rfc3339(done)
    except ValueError:
        return wanted == done
