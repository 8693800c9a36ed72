"""Health of the kinds that come with Kubernetes, by the rules and with the messages of Argo CD (gitops-engine/pkg/health).

Each function takes a live object and returns its health; the first rule that fits wins.
"""

import re
from typing import Any

from shipway.gitops.health.verdicts import Health, degraded, healthy, progressing, suspended
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import condition_of, dig, generation_of, name_of, spec_of, status_of

_WAITING_BADLY = re.compile(r"Err.*|.*Error|.*BackOff")
_HPA_FAILURES = frozenset(
    {
        "FailedGetScale",
        "FailedUpdateScale",
        "FailedGetResourceMetric",
        "FailedGetContainerResourceMetric",
        "FailedGetPodsMetric",
        "FailedGetObjectMetric",
        "FailedGetExternalMetric",
        "FailedConvertHPA",
        "InvalidSelector",
        "InvalidMetricSourceType",
    }
)


def deployment(obj: Obj) -> Health:
    spec, status = spec_of(obj), status_of(obj)
    if spec.get("paused"):
        return suspended("Deployment is paused")
    if generation_of(obj) > status.get("observedGeneration", 0):
        return progressing("Waiting for rollout to finish: observed deployment generation less than desired generation")
    condition = condition_of(obj, "Progressing")
    if condition and condition.get("reason") == "ProgressDeadlineExceeded":
        return degraded(f'Deployment "{name_of(obj)}" exceeded its progress deadline')
    wanted, updated = _or_one(spec.get("replicas")), status.get("updatedReplicas", 0)
    if updated < wanted:
        return progressing(f"Waiting for rollout to finish: {updated} out of {wanted} new replicas have been updated...")
    if status.get("replicas", 0) > updated:
        left = status.get("replicas", 0) - updated
        return progressing(f"Waiting for rollout to finish: {left} old replicas are pending termination...")
    available = status.get("availableReplicas", 0)
    if available < updated:
        return progressing(f"Waiting for rollout to finish: {available} of {updated} updated replicas are available...")
    return healthy()


def stateful_set(obj: Obj) -> Health:
    spec, status = spec_of(obj), status_of(obj)
    if not status.get("observedGeneration") or generation_of(obj) > status["observedGeneration"]:
        return progressing("Waiting for statefulset spec update to be observed...")
    wanted, ready = _or_one(spec.get("replicas")), status.get("readyReplicas", 0)
    if ready < wanted:
        return progressing(f"Waiting for {wanted - ready} pods to be ready...")
    strategy = spec.get("updateStrategy") or {}
    rolling = strategy.get("rollingUpdate")
    if strategy.get("type") == "RollingUpdate" and rolling is not None:
        partition = rolling.get("partition")
        updated = status.get("updatedReplicas", 0)
        if partition is not None and updated < wanted - partition:
            of = f"{updated} out of {wanted - partition}"
            return progressing(f"Waiting for partitioned roll out to finish: {of} new pods have been updated...")
        return healthy(f"partitioned roll out complete: {updated} new pods have been updated...")
    if strategy.get("type") == "OnDelete":
        return healthy(f"statefulset has {ready} ready pods")
    if status.get("updateRevision") != status.get("currentRevision"):
        updated = status.get("updatedReplicas", 0)
        revision = status.get("updateRevision", "")
        return progressing(f"waiting for statefulset rolling update to complete {updated} pods at revision {revision}...")
    return healthy(
        f"statefulset rolling update complete {status.get('currentReplicas', 0)} pods at revision "
        f"{status.get('currentRevision', '')}..."
    )


def daemon_set(obj: Obj) -> Health:
    spec, status = spec_of(obj), status_of(obj)
    if generation_of(obj) > status.get("observedGeneration", 0):
        return progressing("Waiting for rollout to finish: observed daemon set generation less than desired generation")
    wanted, updated = status.get("desiredNumberScheduled", 0), status.get("updatedNumberScheduled", 0)
    if dig(spec, "updateStrategy", "type") == "OnDelete":
        return healthy(f"daemon set {updated} out of {wanted} new pods have been updated")
    waiting = f'Waiting for daemon set "{name_of(obj)}" rollout to finish'
    if updated < wanted:
        return progressing(f"{waiting}: {updated} out of {wanted} new pods have been updated...")
    available = status.get("numberAvailable", 0)
    if available < wanted:
        return progressing(f"{waiting}: {available} of {wanted} updated pods are available...")
    return healthy()


def replica_set(obj: Obj) -> Health:
    status = status_of(obj)
    if generation_of(obj) > status.get("observedGeneration", 0):
        return progressing("Waiting for rollout to finish: observed replica set generation less than desired generation")
    failure = condition_of(obj, "ReplicaFailure")
    if failure and failure.get("status") == "True":
        return degraded(failure.get("message", ""))
    wanted, available = _or_one(spec_of(obj).get("replicas")), status.get("availableReplicas", 0)
    if available < wanted:
        return progressing(f"Waiting for rollout to finish: {available} out of {wanted} new replicas are available...")
    return healthy()


def pod(obj: Obj) -> Health:
    status = status_of(obj)
    policy = spec_of(obj).get("restartPolicy") or "Always"
    containers = status.get("containerStatuses") or []
    if policy == "Always":
        messages = [
            _waiting(c).get("message", "") for c in containers if _WAITING_BADLY.fullmatch(_waiting(c).get("reason", ""))
        ]
        if messages:
            return degraded(", ".join(messages))
    phase, message = status.get("phase", ""), status.get("message", "")
    if phase == "Pending":
        return progressing(message)
    if phase == "Succeeded":
        return healthy(message)
    if phase == "Failed":
        return degraded(message or _first_failure([*(status.get("initContainerStatuses") or []), *containers]))
    if phase != "Running":
        return Health("Unknown", message)
    if policy != "Always":
        return progressing(message)
    ready = condition_of(obj, "Ready")
    if ready and ready.get("status") == "True":
        return healthy(message)
    if any(dig(c, "lastState", "terminated") for c in containers):
        return degraded(message)
    return progressing(message)


def job(obj: Obj) -> Health:
    conditions = {c.get("type"): c for c in status_of(obj).get("conditions") or []}
    failed = conditions.get("Failed")
    if failed and failed.get("status") != "False":
        return degraded(failed.get("message", ""))
    paused = conditions.get("Suspended")
    if paused and paused.get("status") == "True":
        return suspended(paused.get("message", ""))
    complete = conditions.get("Complete")
    if complete and complete.get("status") != "False":
        return healthy(complete.get("message", ""))
    return progressing()


def persistent_volume_claim(obj: Obj) -> Health:
    phase = status_of(obj).get("phase", "")
    known: dict[str, Any] = {"Lost": degraded, "Pending": progressing, "Bound": healthy}
    return known[phase]() if phase in known else Health("Unknown")


def service(obj: Obj) -> Health:
    if spec_of(obj).get("type") == "LoadBalancer" and not dig(obj, "status", "loadBalancer", "ingress"):
        return progressing()
    return healthy()


def ingress(obj: Obj) -> Health:
    return healthy() if dig(obj, "status", "loadBalancer", "ingress") else progressing()


def autoscaler(obj: Obj) -> Health:
    conditions = status_of(obj).get("conditions") or []
    for condition in conditions:
        if condition.get("reason") in _HPA_FAILURES:
            return degraded(condition.get("message", ""))
    for condition in conditions:
        if condition.get("type") in ("AbleToScale", "ScalingLimited") and condition.get("status") == "True":
            return healthy(condition.get("message", ""))
    return progressing("Waiting to Autoscale")


def api_service(obj: Obj) -> Health:
    available = condition_of(obj, "Available")
    if available is None:
        return progressing("Waiting to be processed")
    text = f"{available.get('reason', '')}: {available.get('message', '')}"
    return healthy(text) if available.get("status") == "True" else progressing(text)


def _or_one(replicas: int | None) -> int:
    """Kubernetes defaults an unset count to 1."""
    return 1 if replicas is None else replicas


def _waiting(container: Obj) -> Obj:
    return dig(container, "state", "waiting", default={})


def _first_failure(containers: list[Obj]) -> str:
    for container in containers:
        ended = dig(container, "state", "terminated", default={})
        if ended.get("message"):
            return ended["message"]
        if ended.get("reason") == "OOMKilled":
            return "OOMKilled"
        if ended.get("exitCode"):
            return f'container "{container.get("name", "")}" failed with exit code {ended["exitCode"]}'
    return ""
