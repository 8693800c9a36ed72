"""What a node does next for one pod: which containers to start or stop, when to look again, and the status to report.

Pure: everything comes in as `Observed`. The rules are the kubelet's: init containers one after another, restart policy,
crash backoff of 0, 10, 20, 40 … 300 seconds (forgotten after ten good minutes), termination on deletion or deadline.
"""

from typing import Literal

from msgspec import Struct

from shipway.base.clock import Instant, parse_rfc3339
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, is_deleting, metadata, spec_of, status_of
from shipway.localcluster.node.containers import Container
from shipway.localcluster.node.images import Unpullable, containers_of, init_containers_of, recipe

BACKOFF_FIRST_SECONDS = 10.0
BACKOFF_LIMIT_SECONDS = 300.0
BACKOFF_FORGET_SECONDS = 600.0
DEFAULT_GRACE_SECONDS = 30
PULL_SECONDS = 1.0

Standing = Literal["due", "held", "crashed", "unpullable", "busy", "done", "failed"]
"""due: start it now. held: a start that failed waits. crashed: the backoff runs. busy: starting or running.
done, failed: ended for good, well or badly."""
Restart = Literal["Always", "OnFailure", "Never"]


class Observed(Struct, frozen=True):
    """A pod and its containers as the node knows them, init containers first. `backoff_scale` shortens waits in tests."""

    pod: Obj
    containers: tuple[Container, ...]
    ip: str = ""
    host_ip: str = "127.0.0.1"
    started_at: Instant = Instant(0.0)
    backoff_scale: float = 1.0


class Stop(Struct, frozen=True):
    name: str
    grace_seconds: float
    reason: str
    message: str


class Decision(Struct, frozen=True):
    """`is_over`: every container of a deleted pod has ended, so that the deletion may be confirmed."""

    start: tuple[str, ...] = ()
    stop: tuple[Stop, ...] = ()
    wake: Instant | None = None
    is_over: bool = False


def decide(seen: Observed, now: Instant) -> Decision:
    """The next step of one pod; the empty decision waits for an event."""
    running = [c for c in seen.containers if c.phase == "running"]
    if is_deleting(seen.pod):
        stops = tuple(Stop(c.name, grace_seconds(seen.pod), "Killing", f"Stopping container {c.name}") for c in running)
        return Decision(stop=stops, is_over=not any(c.phase in ("starting", "running") for c in seen.containers))
    deadline = deadline_of(seen)
    if deadline is not None and now >= deadline:
        message = "Pod was active on the node longer than the specified deadline"
        return Decision(stop=tuple(Stop(c.name, grace_seconds(seen.pod), "DeadlineExceeded", message) for c in running))
    if status_of(seen.pod).get("phase") in ("Succeeded", "Failed") and not running:
        return Decision()
    start = _starts(seen, now)
    wakes = [wake for c in seen.containers if (wake := due_at(seen, c)) is not None and wake > now]
    if now < pulled_at(seen) and any(standing(seen, c, now) == "unpullable" for c in seen.containers):
        wakes.append(pulled_at(seen))
    if deadline is not None:
        wakes.append(deadline)
    return Decision(start=start, stop=_stops(seen, now), wake=min(wakes, default=None))


def _starts(seen: Observed, now: Instant) -> tuple[str, ...]:
    """Init containers one by one (a sidecar counts as over once started), then all the others."""
    inits = {spec["name"] for spec in init_containers_of(seen.pod)}
    due: list[str] = []
    for container in seen.containers:
        if container.name not in inits:
            continue
        where = standing(seen, container, now)
        if where == "due":
            due.append(container.name)
        if not is_initialized(seen, container, now):
            return tuple(due)
    if is_finished(seen, now):
        return ()
    due += [c.name for c in seen.containers if c.name not in inits and standing(seen, c, now) == "due"]
    return tuple(due)


def _stops(seen: Observed, now: Instant) -> tuple[Stop, ...]:
    stops: list[Stop] = []
    over = is_finished(seen, now)
    for container in seen.containers:
        if container.phase != "running":
            continue
        spec = spec_for(seen.pod, container.name)
        if container.is_unhealthy:
            message = f"Container {container.name} failed liveness probe, will be restarted"
            stops.append(Stop(container.name, grace_seconds(seen.pod), "Unhealthy", message))
        elif container.image and spec.get("image") != container.image:
            message = f"Container {container.name} definition changed, will be restarted"
            stops.append(Stop(container.name, grace_seconds(seen.pod), "Killing", message))
        elif over and is_sidecar(spec):
            stops.append(Stop(container.name, grace_seconds(seen.pod), "Killing", f"Stopping sidecar {container.name}"))
    return tuple(stops)


def standing(seen: Observed, container: Container, now: Instant) -> Standing:
    """Where a container stands against its restart policy."""
    if container.phase in ("starting", "running"):
        return "busy"
    if container.phase == "terminated" and container.exit is not None:
        policy = restart_policy(seen.pod, container.name)
        if container.exit.code == 0 and policy != "Always":
            return "done"
        if container.exit.code != 0 and policy == "Never":
            return "failed"
    spec = spec_for(seen.pod, container.name)
    if isinstance(recipe(seen.pod, spec), Unpullable):
        return "unpullable"
    due = due_at(seen, container)
    if due is None or due <= now:
        return "due"
    return "crashed" if container.phase == "terminated" else "held"


def due_at(seen: Observed, container: Container) -> Instant | None:
    """When a container that is not running may be started; None when nothing holds it back."""
    if container.phase == "waiting":
        return container.not_before
    if container.phase != "terminated" or container.exit is None:
        return None
    return Instant(container.exit.at + backoff_seconds(container.failures) * seen.backoff_scale)


def backoff_seconds(failures: int) -> float:
    """The first restart is immediate, then 10 s doubling up to 5 minutes."""
    return 0.0 if failures <= 1 else min(BACKOFF_LIMIT_SECONDS, BACKOFF_FIRST_SECONDS * 2 ** min(failures - 2, 8))


def pulled_at(seen: Observed) -> Instant:
    """When a pull that fails has failed; from then on it backs off."""
    return Instant(seen.started_at + PULL_SECONDS)


def failures_after(container: Container, now: Instant, scale: float) -> int:
    """The length of the crash streak once this run has ended at `now`."""
    ran = now - container.started_at if container.started_at is not None else 0.0
    return 1 if ran >= BACKOFF_FORGET_SECONDS * scale else container.failures + 1


def is_initialized(seen: Observed, container: Container, now: Instant) -> bool:
    """Whether the containers after this init container may start."""
    if is_sidecar(spec_for(seen.pod, container.name)):
        return container.restarts > 0 or (container.phase == "running" and container.is_started)
    return standing(seen, container, now) == "done"


def is_finished(seen: Observed, now: Instant) -> bool:
    """Every regular container has ended for good, or an init container has failed for good."""
    inits = {spec["name"] for spec in init_containers_of(seen.pod)}
    if any(standing(seen, c, now) == "failed" for c in seen.containers if c.name in inits):
        return True
    return all(standing(seen, c, now) in ("done", "failed") for c in seen.containers if c.name not in inits)


def restart_policy(pod: Obj, name: str) -> Restart:
    policy: Restart = spec_of(pod).get("restartPolicy") or "Always"
    spec = next((c for c in init_containers_of(pod) if c["name"] == name), None)
    if spec is None:
        return policy
    if is_sidecar(spec):
        return "Always"
    return "Never" if policy == "Never" else "OnFailure"


def is_sidecar(spec: Obj) -> bool:
    """An init container that goes on running beside the others (KEP-753)."""
    return spec.get("restartPolicy") == "Always"


def spec_for(pod: Obj, name: str) -> Obj:
    nothing: Obj = {}
    return next((c for c in (*init_containers_of(pod), *containers_of(pod)) if c["name"] == name), nothing)


def grace_seconds(pod: Obj) -> float:
    asked = metadata(pod).get("deletionGracePeriodSeconds")
    if asked is None:
        asked = spec_of(pod).get("terminationGracePeriodSeconds")
    return float(DEFAULT_GRACE_SECONDS if asked is None else asked)


def deadline_of(seen: Observed) -> Instant | None:
    seconds = spec_of(seen.pod).get("activeDeadlineSeconds")
    if seconds is None:
        return None
    text = dig(seen.pod, "status", "startTime")
    begun = parse_rfc3339(text) if text else seen.started_at
    if begun <= seen.started_at < begun + 1:  # the status has whole seconds only
        begun = seen.started_at
    return Instant(begun + float(seconds))
