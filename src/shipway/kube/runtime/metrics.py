"""What the runtime counts, in Prometheus' terms. One instance per process; nothing is registered by importing this."""

from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from shipway.kube.runtime.decision import Decision, Note, Outcome


class PassListener:
    """What an engine that keeps figures of its own, by object, is told by the shells. Each takes what it cares for."""

    def passed(self, controller: str, key: Any, seconds: float) -> None:
        """A pass ended well."""

    def failed(self, controller: str, key: Any, reason: str) -> None:
        """A pass failed."""

    def did(self, controller: str, key: Any, outcomes: tuple[Outcome, ...]) -> None:
        """A pass carried out actions."""

    def told(self, note: Note) -> None:
        """A pass told an event."""

    def decided(self, controller: str, key: Any, decision: Decision | None) -> None:
        """What a pass decided, before it is carried out; None: the key is gone, or another replica's."""


class RuntimeMetrics:
    """Passes, their length and their failures, by controller."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._listeners: list[PassListener] = []
        self._of: dict[str, tuple[Counter, Histogram]] = {}
        self._passes = Counter(
            "shipway_passes", "Passes of a controller that ended well", ["controller"], registry=self.registry
        )
        self._failures = Counter(
            "shipway_pass_failures", "Passes that failed, by reason", ["controller", "reason"], registry=self.registry
        )
        self._seconds = Histogram("shipway_pass_seconds", "Length of a pass", ["controller"], registry=self.registry)
        self._depth = Gauge("shipway_queue_depth", "Keys that wait for their pass", ["controller"], registry=self.registry)

    def expect(self, controller: str, depth: Callable[[], int]) -> None:
        """Lets a controller's figures start at zero; `depth` is asked whenever somebody looks."""
        self._of[controller] = (self._passes.labels(controller), self._seconds.labels(controller))
        self._depth.labels(controller).set_function(depth)

    def listen(self, listener: PassListener) -> None:
        """Has `listener` told of every pass and event of all controllers from now on."""
        self._listeners.append(listener)

    def passed(self, controller: str, key: Any, seconds: float) -> None:
        passes, lengths = self._of[controller]
        passes.inc()
        lengths.observe(max(0.0, seconds))
        for listener in self._listeners:
            listener.passed(controller, key, seconds)

    def failed(self, controller: str, key: Any, reason: str) -> None:
        self._failures.labels(controller, reason).inc()
        for listener in self._listeners:
            listener.failed(controller, key, reason)

    def did(self, controller: str, key: Any, outcomes: tuple[Outcome, ...]) -> None:
        for listener in self._listeners:
            listener.did(controller, key, outcomes)

    def told(self, note: Note) -> None:
        for listener in self._listeners:
            listener.told(note)

    def decided(self, controller: str, key: Any, decision: Decision | None) -> None:
        for listener in self._listeners:
            listener.decided(controller, key, decision)
