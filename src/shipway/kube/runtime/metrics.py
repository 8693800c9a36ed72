"""What the runtime counts, in Prometheus' terms. One instance per process; nothing is registered by importing this."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class RuntimeMetrics:
    """Passes, their length and their failures, by controller."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._passes = Counter(
            "shipway_passes", "Passes of a controller that ended well", ["controller"], registry=self.registry
        )
        self._failures = Counter(
            "shipway_pass_failures", "Passes that failed, by reason", ["controller", "reason"], registry=self.registry
        )
        self._seconds = Histogram("shipway_pass_seconds", "Length of a pass", ["controller"], registry=self.registry)
        self._depth = Gauge("shipway_queue_depth", "Keys that wait for their pass", ["controller"], registry=self.registry)

    def passed(self, controller: str, seconds: float, depth: int) -> None:
        self._passes.labels(controller).inc()
        self._seconds.labels(controller).observe(max(0.0, seconds))
        self._depth.labels(controller).set(depth)

    def failed(self, controller: str, reason: str) -> None:
        self._failures.labels(controller, reason).inc()
