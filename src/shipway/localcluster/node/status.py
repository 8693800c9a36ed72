"""The status a node reports for a pod, as the kubelet writes it: a pure function from what is known to a patch.

The patch is strategic: conditions merge by type, so those of the scheduler and of readiness gates survive. A condition
keeps its lastTransitionTime for as long as its status does.
"""

from typing import Any

from shipway.base.clock import Instant, rfc3339
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import condition_of, dig, is_deleting, spec_of, status_of
from shipway.localcluster.node.containers import Container, Exit
from shipway.localcluster.node.decide import (
    BACKOFF_FIRST_SECONDS,
    Observed,
    backoff_seconds,
    deadline_of,
    is_finished,
    is_initialized,
    is_sidecar,
    pulled_at,
    spec_for,
    standing,
)
from shipway.localcluster.node.images import containers_of, init_containers_of, is_simulated

SIMULATED = "Simulated"
"""The reason in the status of a simulated pod, which kubectl shows in the place of Running."""


def pod_status(seen: Observed, now: Instant) -> Obj:
    """The whole `status` of the strategic merge patch of pods/status."""
    inits = {spec["name"] for spec in init_containers_of(seen.pod)}
    phase = pod_phase(seen, now)
    status: Obj = {
        "phase": phase,
        "hostIP": seen.host_ip,
        "hostIPs": [{"ip": seen.host_ip}],
        "startTime": dig(seen.pod, "status", "startTime") or rfc3339(seen.started_at),
        "conditions": _conditions(seen, phase, now),
        "containerStatuses": [_container_status(seen, c, now) for c in seen.containers if c.name not in inits],
    }
    if seen.ip:
        status |= {"podIP": seen.ip, "podIPs": [{"ip": seen.ip}]}
    if inits:
        status["initContainerStatuses"] = [_container_status(seen, c, now) for c in seen.containers if c.name in inits]
    if phase == "Running" and is_simulated(seen.pod):
        status |= {"reason": SIMULATED, "message": "This local node runs no process for this pod: its images are simulated"}
    elif is_simulated(seen.pod):  # also where the cache does not show yet that we said so
        status |= {"reason": None, "message": None}
    if phase == "Failed" and _is_past_deadline(seen, now):
        status |= {"reason": "DeadlineExceeded", "message": "Pod was active on the node longer than the specified deadline"}
    return status


def pod_phase(seen: Observed, now: Instant) -> str:
    """Pending until every init container is over and some container was started; then by the restart policy."""
    inits = {spec["name"] for spec in init_containers_of(seen.pod)}
    regular = [c for c in seen.containers if c.name not in inits]
    is_idle = not any(c.phase in ("starting", "running") for c in seen.containers)
    if _is_past_deadline(seen, now) and is_idle:
        return "Failed"
    if is_finished(seen, now) or (is_deleting(seen.pod) and is_idle):
        ends = [c for c in seen.containers if c.exit is not None and c.phase == "terminated"]
        failed = any(c.exit is not None and c.exit.code != 0 for c in ends if not is_sidecar(spec_for(seen.pod, c.name)))
        return "Failed" if failed or not ends else "Succeeded"
    if not _is_initialized(seen, now):
        return "Pending"
    return "Running" if any(c.phase in ("running", "terminated") or c.restarts for c in regular) else "Pending"


def is_pod_ready(seen: Observed, now: Instant) -> bool:
    return _ready(seen, pod_phase(seen, now), now)[0]


def _is_past_deadline(seen: Observed, now: Instant) -> bool:
    deadline = deadline_of(seen)
    return deadline is not None and now >= deadline


def _is_initialized(seen: Observed, now: Instant) -> bool:
    inits = {spec["name"] for spec in init_containers_of(seen.pod)}
    return all(is_initialized(seen, c, now) for c in seen.containers if c.name in inits)


def _conditions(seen: Observed, phase: str, now: Instant) -> list[Obj]:
    unready = [c.name for c in seen.containers if not _counts_as_ready(seen, c)]
    incomplete = [
        c["name"]
        for c in init_containers_of(seen.pod)
        if not all(is_initialized(seen, k, now) for k in seen.containers if k.name == c["name"])
    ]
    is_over = phase in ("Succeeded", "Failed")
    over = ("PodCompleted" if phase == "Succeeded" else "PodFailed", "")
    not_ready = over if is_over else ("ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]")
    ready, reason = _ready(seen, phase, now)
    sandbox = any(c.phase != "waiting" or c.exit for c in seen.containers) and not is_over
    return [
        _condition(seen, "PodReadyToStartContainers", sandbox, now),
        _condition(
            seen,
            "Initialized",
            not incomplete,
            now,
            ("ContainersNotInitialized", f"containers with incomplete status: [{' '.join(incomplete)}]"),
        ),
        _condition(seen, "Ready", ready, now, reason),
        _condition(seen, "ContainersReady", not unready and not is_over, now, not_ready),
    ]


def _ready(seen: Observed, phase: str, now: Instant) -> tuple[bool, tuple[str, str]]:
    """Ready = every container ready and every readiness gate True; with the reason when it is not."""
    if phase in ("Succeeded", "Failed"):
        return False, ("PodCompleted" if phase == "Succeeded" else "PodFailed", "")
    unready = [c.name for c in seen.containers if not _counts_as_ready(seen, c)]
    if unready:
        return False, ("ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]")
    for gate in spec_of(seen.pod).get("readinessGates") or ():
        kind = gate.get("conditionType") or ""
        condition = condition_of(seen.pod, kind)
        if condition is None or condition.get("status") != "True":
            state = "does not exist" if condition is None else f'is "{condition.get("status")}"'
            return False, ("ReadinessGatesNotReady", f'corresponding condition of pod readiness gate "{kind}" {state}.')
    return True, ("", "")


def _counts_as_ready(seen: Observed, container: Container) -> bool:
    """Regular containers and sidecars must be ready; an ordinary init container has its own condition."""
    if any(spec["name"] == container.name and not is_sidecar(spec) for spec in init_containers_of(seen.pod)):
        return True
    return container.phase == "running" and container.is_ready


def _condition(seen: Observed, kind: str, value: bool, now: Instant, why_not: tuple[str, str] = ("", "")) -> Obj:
    """`None` deletes the reason and message of an earlier state."""
    status = "True" if value else "False"
    before = condition_of(seen.pod, kind)
    since = before.get("lastTransitionTime") if before and before.get("status") == status else None
    reason, message = ("", "") if value else why_not
    return {
        "type": kind,
        "status": status,
        "lastTransitionTime": since or rfc3339(now),
        "reason": reason or None,
        "message": message or None,
    }


def _container_status(seen: Observed, container: Container, now: Instant) -> Obj:
    spec = spec_for(seen.pod, container.name)
    shown = _state(seen, container, now)
    last: Obj = {}
    if container.exit is not None and "terminated" not in shown:
        last = {"terminated": _terminated(container.exit)}
    is_done_init = not is_sidecar(spec) and spec not in containers_of(seen.pod) and standing(seen, container, now) == "done"
    return {
        "name": container.name,
        "image": spec.get("image") or "",
        "imageID": f"{container.id.partition('://')[0]}://{spec.get('image')}" if container.id else "",
        "containerID": container.id or (container.exit.id if container.exit else ""),
        "ready": (container.phase == "running" and container.is_ready) or is_done_init,
        "started": container.phase == "running" and container.is_started,
        "restartCount": container.restarts,
        "state": shown,
        "lastState": last,
    }


def _state(seen: Observed, container: Container, now: Instant) -> dict[str, Any]:
    if container.phase == "running" and container.started_at is not None:
        return {"running": {"startedAt": rfc3339(container.started_at)}}
    where = standing(seen, container, now)
    if where == "unpullable" and (now < pulled_at(seen) or not status_of(seen.pod).get("containerStatuses")):
        return {
            "waiting": {"reason": "ErrImagePull", "message": f'failed to pull image "{_image(seen, container)}": not found'}
        }
    if where == "unpullable":
        return {"waiting": {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{_image(seen, container)}"'}}
    if where == "crashed" and not is_deleting(seen.pod) and not _is_past_deadline(seen, now):
        return {"waiting": {"reason": "CrashLoopBackOff", "message": _crash_message(seen, container)}}
    if container.phase == "terminated" and container.exit is not None:
        return {"terminated": _terminated(container.exit)}
    if container.reason:
        return {"waiting": {"reason": container.reason, "message": container.message}}
    is_init = any(spec["name"] == container.name for spec in init_containers_of(seen.pod))
    waits_for_init = not is_init and not _is_initialized(seen, now)
    return {"waiting": {"reason": "PodInitializing" if waits_for_init or is_init else "ContainerCreating"}}


def _crash_message(seen: Observed, container: Container) -> str:
    meta = seen.pod["metadata"]
    delay = max(BACKOFF_FIRST_SECONDS, backoff_seconds(container.failures))
    shown = f"{delay:.0f}s" if delay < 60 else f"{delay // 60:.0f}m{delay % 60:.0f}s"
    where = f"{meta.get('name')}_{meta.get('namespace')}({meta.get('uid')})"
    return f"back-off {shown} restarting failed container={container.name} pod={where}"


def _terminated(end: Exit) -> dict[str, Any]:
    body: dict[str, Any] = {
        "exitCode": end.code,
        "reason": end.reason or ("Completed" if end.code == 0 else "Error"),
        "finishedAt": rfc3339(end.at),
    }
    if end.started_at is not None:
        body["startedAt"] = rfc3339(end.started_at)
    if end.id:
        body["containerID"] = end.id
    if end.message:
        body["message"] = end.message
    return body


def _image(seen: Observed, container: Container) -> str:
    return spec_for(seen.pod, container.name).get("image") or ""


def with_conditions(pod: Obj, written: list[Obj]) -> Obj:
    """The pod as it will be once `written` (our own conditions) have come back by the watch; those of others stay."""
    if not written:
        return pod
    ours = {c["type"] for c in written}
    others = [c for c in (pod.get("status") or {}).get("conditions") or () if c.get("type") not in ours]
    return {**pod, "status": {**(pod.get("status") or {}), "conditions": [*others, *written]}}
