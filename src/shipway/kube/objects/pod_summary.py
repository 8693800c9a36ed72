"""How a pod is, in one word: from phase, container states and deletion, rule by rule as the real server's printer does it.

Everybody who shows a pod (tables, the trees of Rollouts and Applications) says the same.
"""

from shipway.base.clock import parse_rfc3339
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, spec_of, status_of


class Summary:
    """Ready and total containers, restarts, and the one word that says how the pod is."""

    def __init__(self, obj: Obj) -> None:
        spec, status = spec_of(obj), status_of(obj)
        containers, early = _entries(spec, "containers"), _entries(spec, "initContainers")
        self._sidecars: set[str] = {one["name"] for one in early if one.get("restartPolicy") == "Always"}
        self._sidecar_restarts = (0, 0.0)
        self.total = len(containers) + len(self._sidecars)
        self.ready = 0
        self.restarts: int = 0
        self.last_restart = 0.0
        self.reason: str = status.get("reason") or status.get("phase") or ""
        for condition in _entries(status, "conditions"):
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
        count = len(_entries(spec, "initContainers"))
        for index, container in enumerate(_entries(status, "initContainerStatuses")):
            self._count(container)
            if container.get("name") in self._sidecars:
                restarts, last = self._sidecar_restarts
                self._sidecar_restarts = (restarts + (container.get("restartCount") or 0), max(last, _finished(container)))
            state: Obj = container.get("state") or {}
            terminated: Obj | None = state.get("terminated")
            waiting: Obj | None = state.get("waiting")
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
        return any(c.get("type") == "Initialized" and c.get("status") == "True" for c in _entries(status, "conditions"))

    def _running(self, status: Obj) -> None:
        has_running = False
        for container in reversed(_entries(status, "containerStatuses")):
            self._count(container)
            state: Obj = container.get("state") or {}
            waiting: Obj = state.get("waiting") or {}
            terminated: Obj | None = state.get("terminated")
            if waiting.get("reason"):
                self.reason = waiting["reason"]
            elif terminated is not None:
                self.reason = terminated.get("reason") or _ended(terminated)
            elif container.get("ready") and state.get("running") is not None:
                has_running = True
                self.ready += 1
        if self.reason == "Completed" and has_running:
            ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in _entries(status, "conditions"))
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


def _entries(obj: Obj, field: str) -> list[Obj]:
    return obj.get(field) or []


def _finished(container: Obj) -> float:
    ended: str = dig(container, "lastState", "terminated", "finishedAt", default="")
    return parse_rfc3339(ended) if ended else 0.0


def _ended(terminated: Obj) -> str:
    if terminated.get("reason"):
        return terminated["reason"]
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"
