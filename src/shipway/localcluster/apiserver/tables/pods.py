"""Pods. The STATUS cell is computed from phase, container states and deletion, rule by rule as the real server's printer
does."""

from shipway.base.clock import Instant, parse_rfc3339
from shipway.base.durations import format_age
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import spec_of, status_of
from shipway.localcluster.apiserver.tables.columns import NONE, Printer, Row, age_of, columns, or_none

_COLUMNS = columns("Ready", "Status", "Restarts", "Age", "IP*", "Node*", "Nominated Node*", "Readiness Gates*")


def _pod(obj: Obj, now: Instant) -> Row:
    spec, status = spec_of(obj), status_of(obj)
    summary = Summary(obj)
    restarts = str(summary.restarts)
    if summary.restarts and summary.last_restart:
        restarts = f"{summary.restarts} ({format_age(max(0.0, now - summary.last_restart))} ago)"
    addresses = [entry.get("ip", "") for entry in status.get("podIPs") or []]
    cells = [
        obj["metadata"]["name"],
        f"{summary.ready}/{summary.total}",
        summary.reason,
        restarts,
        age_of(obj, now),
        or_none(addresses[0] if addresses else status.get("podIP") or ""),
        or_none(spec.get("nodeName") or ""),
        or_none(status.get("nominatedNodeName") or ""),
        _gates(spec, status),
    ]
    return Row(cells, _conditions(status.get("phase")))


def _conditions(phase: str | None) -> tuple[Obj, ...]:
    texts = {
        "Succeeded": "The pod has completed successfully.",
        "Failed": "The pod failed.",
    }
    if phase not in texts:
        return ()
    return ({"type": "Completed", "status": "True", "reason": phase, "message": texts[phase]},)


def _gates(spec: Obj, status: Obj) -> str:
    gates = [gate["conditionType"] for gate in spec.get("readinessGates") or []]
    if not gates:
        return NONE
    true = {condition["type"] for condition in status.get("conditions") or [] if condition.get("status") == "True"}
    return f"{sum(gate in true for gate in gates)}/{len(gates)}"


class Summary:
    """Ready and total containers, restarts, and the one word that says how the pod is."""

    def __init__(self, obj: Obj) -> None:
        spec, status = spec_of(obj), status_of(obj)
        self._sidecars = {c["name"] for c in spec.get("initContainers") or [] if c.get("restartPolicy") == "Always"}
        self.total = len(spec.get("containers") or []) + len(self._sidecars)
        self.ready = 0
        self.restarts = 0
        self.last_restart = 0.0
        self.reason = status.get("reason") or status.get("phase") or ""
        for condition in status.get("conditions") or []:
            if condition.get("type") == "PodScheduled" and condition.get("reason") == "SchedulingGated":
                self.reason = "SchedulingGated"
        sidecar_restarts, sidecar_last = 0, 0.0
        initializing = self._initializing(spec, status)
        if self._sidecars:
            sidecar_restarts, sidecar_last = self._sidecar_restarts
        if not initializing or self._initialized(status):
            self.restarts, self.last_restart = sidecar_restarts, sidecar_last
            self._running(status)
        self._deleting(obj, status)

    def _initializing(self, spec: Obj, status: Obj) -> bool:
        """Whether an init container is still at work; sets the reason then."""
        count = len(spec.get("initContainers") or [])
        self._sidecar_restarts = (0, 0.0)
        for index, container in enumerate(status.get("initContainerStatuses") or []):
            self._count(container)
            if container.get("name") in self._sidecars:
                restarts, last = self._sidecar_restarts
                self._sidecar_restarts = (restarts + (container.get("restartCount") or 0), max(last, _finished(container)))
            state = container.get("state") or {}
            terminated, waiting = state.get("terminated"), state.get("waiting")
            if terminated and terminated.get("exitCode") == 0:
                continue
            if container.get("name") in self._sidecars and container.get("started"):
                self.ready += bool(container.get("ready"))
                continue
            if terminated:
                self.reason = f"Init:{_ended(terminated)}"
            elif waiting and waiting.get("reason") not in (None, "", "PodInitializing"):
                self.reason = f"Init:{waiting['reason']}"
            else:
                self.reason = f"Init:{index}/{count}"
            return True
        return False

    def _initialized(self, status: Obj) -> bool:
        return any(c.get("type") == "Initialized" and c.get("status") == "True" for c in status.get("conditions") or [])

    def _running(self, status: Obj) -> None:
        has_running = False
        for container in reversed(status.get("containerStatuses") or []):
            self._count(container)
            state = container.get("state") or {}
            waiting, terminated = state.get("waiting") or {}, state.get("terminated")
            if waiting.get("reason"):
                self.reason = waiting["reason"]
            elif terminated is not None:
                self.reason = terminated.get("reason") or _ended(terminated)
            elif container.get("ready") and state.get("running") is not None:
                has_running = True
                self.ready += 1
        if self.reason == "Completed" and has_running:
            ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in status.get("conditions") or [])
            self.reason = "Running" if ready else "NotReady"

    def _count(self, container: Obj) -> None:
        self.restarts += container.get("restartCount") or 0
        self.last_restart = max(self.last_restart, _finished(container))

    def _deleting(self, obj: Obj, status: Obj) -> None:
        if not obj["metadata"].get("deletionTimestamp"):
            return
        if status.get("reason") == "NodeLost":
            self.reason = "Unknown"
        elif status.get("phase") not in ("Succeeded", "Failed"):
            self.reason = "Terminating"


def _finished(container: Obj) -> float:
    ended = ((container.get("lastState") or {}).get("terminated") or {}).get("finishedAt")
    return parse_rfc3339(ended) if ended else 0.0


def _ended(terminated: Obj) -> str:
    if terminated.get("reason"):
        return terminated["reason"]
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


PRINTERS = {("", "Pod"): Printer(_COLUMNS, _pod)}
