"""What the node knows of a container, as frozen values; and how that is read back after the node was restarted.

    waiting ──start──> starting ──> running ──> terminated ──start (restart policy, backoff)──> starting …

The API server holds the only durable copy (the pod's status). A node that comes back reads it: a process that still runs is
taken over, any other counts as terminated, and what was simulated simply goes on.
"""

from collections.abc import Collection
from typing import Any, Literal

from msgspec import Struct

from shipway.base.clock import Instant, parse_rfc3339
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, status_of
from shipway.localcluster.node.images import containers_of, init_containers_of

Phase = Literal["waiting", "starting", "running", "terminated"]
SIMULATED_ID = "simulated://"
KILLED = 137
"""Exit code of a container that was killed: 128 + SIGKILL."""


class Exit(Struct, frozen=True):
    """One end of a container. `code` is 128 + signal when a signal ended it."""

    code: int
    at: Instant
    started_at: Instant | None = None
    reason: str = ""
    message: str = ""
    id: str = ""


class Container(Struct, frozen=True):
    """One container of a pod. `exit` is the end of this run when terminated, of the run before otherwise.

    `failures` counts the ends in a row that the backoff grows with; `not_before` holds a start back that could not be
    made (a missing ConfigMap); `is_unhealthy` is the liveness probe's verdict.
    """

    name: str
    phase: Phase = "waiting"
    reason: str = ""
    message: str = ""
    id: str = ""
    image: str = ""
    started_at: Instant | None = None
    exit: Exit | None = None
    restarts: int = 0
    failures: int = 0
    not_before: Instant | None = None
    is_started: bool = False
    is_ready: bool = False
    is_unhealthy: bool = False


def fresh(pod: Obj) -> tuple[Container, ...]:
    """Nothing has been started yet: init containers first, in the order of the spec."""
    return tuple(Container(spec["name"]) for spec in (*init_containers_of(pod), *containers_of(pod)))


def restored(pod: Obj, now: Instant, alive: Collection[str] = ()) -> tuple[Container, ...]:
    """The containers as the pod's own status tells of them, once the node that ran them is gone. `alive`: those whose process
    still runs."""
    status = status_of(pod)
    known = {s["name"]: s for s in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))}
    return tuple(_restored(c, known[c.name], now, is_alive=c.name in alive) if c.name in known else c for c in fresh(pod))


def _restored(container: Container, status: dict[str, Any], now: Instant, *, is_alive: bool) -> Container:
    restarts = status.get("restartCount") or 0
    last = _exit(dig(status, "lastState", "terminated"))
    failures = 1 if last else 0
    image = status.get("image") or ""
    running, identifier = dig(status, "state", "running"), status.get("containerID") or ""
    if running is not None:
        started_at = _instant(running.get("startedAt")) or now
        if is_alive or identifier.startswith(SIMULATED_ID):
            return Container(
                container.name, "running", id=identifier, image=image, started_at=started_at, exit=last, restarts=restarts,
                failures=failures, is_started=bool(status.get("started")), is_ready=bool(status.get("ready")),
            )  # fmt: skip
        gone = Exit(
            KILLED, now, started_at, "ContainerStatusUnknown", "The node was restarted, and the process with it", identifier
        )
        return Container(container.name, "terminated", image=image, exit=gone, restarts=restarts)
    ended = _exit(dig(status, "state", "terminated"))
    if ended:
        return Container(container.name, "terminated", image=image, exit=ended, restarts=restarts, failures=1)
    if last:
        return Container(container.name, "terminated", image=image, exit=last, restarts=restarts, failures=1)
    return container


def _exit(terminated: dict[str, Any] | None) -> Exit | None:
    if terminated is None:
        return None
    at = _instant(terminated.get("finishedAt")) or Instant(0.0)
    return Exit(
        terminated.get("exitCode") or 0,
        at,
        _instant(terminated.get("startedAt")),
        terminated.get("reason") or "",
        terminated.get("message") or "",
        terminated.get("containerID") or "",
    )


def _instant(text: str | None) -> Instant | None:
    return parse_rfc3339(text) if text else None
