"""A Deployment's status and conditions: what `kubectl rollout status` waits for."""

from collections.abc import Sequence
from typing import Any

from shipway.base.clock import Instant, parse_rfc3339, rfc3339
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import condition_of, generation_of, name_of, spec_of, status_of
from shipway.localcluster.controllers.deployment.replica_sets import count_of, replicas_of
from shipway.localcluster.controllers.deployment.scaling import limits, total
from shipway.localcluster.controllers.status import Conditions, condition, with_condition, without_condition

NEVER = 2**31 - 1
"""A progressDeadlineSeconds of MaxInt32 means there is none."""


def status(deployment: Obj, new: Obj | None, sets: Sequence[Obj], now: Instant) -> dict[str, Any]:
    """The whole status for these sets; `sets` are all, the new one included."""
    counts = _counts(deployment, new, sets)
    conditions = with_condition(
        status_of(deployment).get("conditions") or [], _availability(deployment, counts), now, "lastUpdateTime"
    )
    conditions = _failures(conditions, sets, now)
    return {**counts, "conditions": _progress(deployment, counts, conditions, new, now)}


def deadline(deployment: Obj) -> Instant | None:
    """When the rollout that is under way will be called failed; None when nothing is under way or has a deadline."""
    seconds = float(spec_of(deployment).get("progressDeadlineSeconds") or 0)
    progressing = condition_of(deployment, "Progressing")
    if not has_deadline(deployment) or progressing is None or spec_of(deployment).get("paused"):
        return None
    if progressing.get("reason") in ("NewReplicaSetAvailable", "ProgressDeadlineExceeded"):
        return None
    since = progressing.get("lastUpdateTime") or progressing.get("lastTransitionTime")
    return Instant(parse_rfc3339(since) + seconds) if since else None


def is_complete(deployment: Obj, counts: dict[str, Any]) -> bool:
    """All pods are new, available, and there are no others (deploymentutil.DeploymentComplete)."""
    wanted = replicas_of(deployment)
    return (
        counts.get("updatedReplicas", 0) == wanted
        and counts.get("replicas", 0) == wanted
        and counts.get("availableReplicas", 0) == wanted
        and counts.get("observedGeneration", 0) >= generation_of(deployment)
    )


def has_deadline(deployment: Obj) -> bool:
    """Whether progress is watched at all."""
    seconds = spec_of(deployment).get("progressDeadlineSeconds")
    return seconds is not None and int(seconds) != NEVER


def progressing(reason: str, message: str, value: bool | str = True) -> dict[str, Any]:
    return condition("Progressing", value, reason, message)


def _counts(deployment: Obj, new: Obj | None, sets: Sequence[Obj]) -> dict[str, Any]:
    available = sum(count_of(rs, "availableReplicas") for rs in sets)
    counts: dict[str, Any] = {
        "replicas": sum(count_of(rs, "replicas") for rs in sets),
        "updatedReplicas": count_of(new, "replicas") if new else 0,
        "readyReplicas": sum(count_of(rs, "readyReplicas") for rs in sets),
        "availableReplicas": available,
        "unavailableReplicas": max(0, total(sets) - available),
        "collisionCount": count_of(deployment, "collisionCount"),
    }
    # Zeros are left out on the wire; only terminatingReplicas is a pointer and shows its 0.
    counts = {name: number for name, number in counts.items() if number}
    counts["terminatingReplicas"] = sum(count_of(rs, "terminatingReplicas") for rs in sets)
    return {**counts, "observedGeneration": generation_of(deployment)}


def _availability(deployment: Obj, counts: dict[str, Any]) -> dict[str, Any]:
    if counts.get("availableReplicas", 0) >= replicas_of(deployment) - limits(deployment).unavailable:
        return condition("Available", True, "MinimumReplicasAvailable", "Deployment has minimum availability.")
    message = "Deployment does not have minimum availability."
    return condition("Available", False, "MinimumReplicasUnavailable", message)


def _failures(conditions: Conditions, sets: Sequence[Obj], now: Instant) -> Conditions:
    """A set that cannot make pods speaks through its deployment."""
    failure = next((c for rs in reversed(sets) if (c := condition_of(rs, "ReplicaFailure"))), None)
    if failure is None:
        return without_condition(conditions, "ReplicaFailure")
    said = condition("ReplicaFailure", failure.get("status", "True"), failure.get("reason", ""), failure.get("message", ""))
    return with_condition(conditions, said, now, "lastUpdateTime")


def _progress(deployment: Obj, counts: dict[str, Any], conditions: Conditions, new: Obj | None, now: Instant) -> Conditions:
    """The Progressing condition (syncRolloutStatus)."""
    if not has_deadline(deployment):
        return without_condition(conditions, "Progressing")
    current = condition_of(deployment, "Progressing") or {}
    if pause := _pause(deployment, current):
        return with_condition(conditions, pause, now, "lastUpdateTime")
    was_complete = current.get("reason") == "NewReplicaSetAvailable"
    if was_complete and counts.get("replicas", 0) == counts.get("updatedReplicas", 0):
        return conditions
    subject = f'ReplicaSet "{name_of(new)}"' if new else f'Deployment "{name_of(deployment)}"'
    if is_complete(deployment, counts):
        said = progressing("NewReplicaSetAvailable", f"{subject} has successfully progressed.")
    elif _has_moved(deployment, counts):
        said = progressing("ReplicaSetUpdated", f"{subject} is progressing.")
        # Every step forward restarts the deadline, so the update time moves although nothing else does.
        return _touched(with_condition(conditions, said, now, "lastUpdateTime"), now)
    elif (at := deadline(deployment)) is not None and now >= at:
        said = progressing("ProgressDeadlineExceeded", f"{subject} has timed out progressing.", False)
    elif not current and new:
        said = progressing("FoundNewReplicaSet", f'Found new replica set "{name_of(new)}"')
    else:
        return conditions
    return with_condition(conditions, said, now, "lastUpdateTime")


def _pause(deployment: Obj, current: dict[str, Any]) -> dict[str, Any] | None:
    """The condition that a pause or its end asks for (checkPausedConditions)."""
    if current.get("reason") == "ProgressDeadlineExceeded":
        return None
    is_paused = bool(spec_of(deployment).get("paused"))
    if is_paused:
        return progressing("DeploymentPaused", "Deployment is paused", "Unknown")
    if current.get("reason") == "DeploymentPaused":
        return progressing("DeploymentResumed", "Deployment is resumed", "Unknown")
    return None


def _has_moved(deployment: Obj, counts: dict[str, Any]) -> bool:
    """More new pods, fewer old ones, more ready or available ones than the status said (DeploymentProgressing)."""
    before = status_of(deployment)

    def grew(field: str) -> bool:
        return counts.get(field, 0) > (before.get(field) or 0)

    old_now = counts.get("replicas", 0) - counts.get("updatedReplicas", 0)
    old_before = (before.get("replicas") or 0) - (before.get("updatedReplicas") or 0)
    return grew("updatedReplicas") or old_now < old_before or grew("readyReplicas") or grew("availableReplicas")


def _touched(conditions: Conditions, now: Instant) -> Conditions:
    return [{**c, "lastUpdateTime": rfc3339(now)} if c.get("type") == "Progressing" else c for c in conditions]
