"""What came through, per Service: totals for Prometheus, and recent windows for an analysis that must decide quickly.

Time is cut into quarter seconds, kept for ten minutes. A window's share of failures is then a sum over few numbers,
and an analysis that asks for the last five seconds gets those and nothing older. A request counts as failed when its
answer is 5xx, the proxy's own (no endpoint, refused, timed out) included.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable
from typing import Any

from msgspec import Struct, field

TICK_SECONDS = 0.25
KEPT_SECONDS = 600.0
BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the latency buckets in seconds; the last bucket has none."""
_VERSIONS_KEPT = 50


class Tally(Struct):
    """Counts of one stretch of time."""

    total: int = 0
    failed: int = 0
    versions: dict[str, list[int]] = field(default_factory=dict)
    latencies: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    seconds: float = 0.0

    def add(self, *, failed: bool, version: str, seconds: float) -> None:
        self.total += 1
        self.failed += failed
        self.seconds += seconds
        self.latencies[bisect_left(BOUNDS, seconds)] += 1
        if version and (version in self.versions or len(self.versions) < _VERSIONS_KEPT):
            counts = self.versions.setdefault(version, [0, 0])
            counts[0] += 1
            counts[1] += failed


class ServiceCounter(Struct):
    """One Service since the proxy started, and tick by tick."""

    all: Tally = field(default_factory=Tally)
    codes: dict[int, int] = field(default_factory=dict)
    ticks: deque[tuple[int, Tally]] = field(default_factory=deque)

    def add(self, status: int, seconds: float, version: str, now: float) -> None:
        failed = status >= 500
        self.codes[status] = self.codes.get(status, 0) + 1
        self.all.add(failed=failed, version=version, seconds=seconds)
        tick = int(now / TICK_SECONDS)
        if not self.ticks or self.ticks[-1][0] < tick:
            self.ticks.append((tick, Tally()))
            while self.ticks[0][0] < tick - KEPT_SECONDS / TICK_SECONDS:
                self.ticks.popleft()
        self.ticks[-1][1].add(failed=failed, version=version, seconds=seconds)

    def window(self, seconds: float, now: float) -> Tally:
        """The sum of the last `seconds`, whole ticks."""
        first = int((now - seconds) / TICK_SECONDS)
        return merged(tally for tick, tally in self.ticks if tick > first)


def merged(tallies: Iterable[Tally]) -> Tally:
    total = Tally()
    for tally in tallies:
        total.total += tally.total
        total.failed += tally.failed
        total.seconds += tally.seconds
        total.latencies = [a + b for a, b in zip(total.latencies, tally.latencies, strict=True)]
        for version, counts in tally.versions.items():
            known = total.versions.setdefault(version, [0, 0])
            known[0] += counts[0]
            known[1] += counts[1]
    return total


def quantile(latencies: list[int], q: float) -> float:
    """Seconds below which the share `q` of requests was answered, interpolated inside its bucket; 0 when there were none."""
    rank, below = q * sum(latencies), 0
    if not rank:
        return 0.0
    for index, count in enumerate(latencies):
        if below + count >= rank and count:
            lower = BOUNDS[index - 1] if index else 0.0
            upper = BOUNDS[index] if index < len(BOUNDS) else BOUNDS[-1]
            return lower + (upper - lower) * (rank - below) / count
        below += count
    return BOUNDS[-1]


def summary(tally: Tally) -> dict[str, Any]:
    """What the JSON says of a stretch of time. Ratios are 0 (failure) and 1 (success) when there were no requests."""
    ratio = tally.failed / tally.total if tally.total else 0.0
    return {
        "total": tally.total,
        "failed": tally.failed,
        "failure_ratio": round(ratio, 6),
        "success_rate": round(1.0 - ratio, 6),
        "p50_ms": round(quantile(tally.latencies, 0.5) * 1e3, 3),
        "p95_ms": round(quantile(tally.latencies, 0.95) * 1e3, 3),
        "by_version": {version: {"total": t, "failed": f} for version, (t, f) in sorted(tally.versions.items())},
    }


class Counters:
    """All Services that got a request. `now` is any clock that only goes forward, in seconds."""

    def __init__(self) -> None:
        self._services: dict[tuple[str, str], ServiceCounter] = {}

    def add(self, service: tuple[str, str], status: int, seconds: float, *, version: str, now: float) -> None:
        """One answer of (namespace, service)."""
        counter = self._services.get(service)
        if counter is None:
            counter = self._services[service] = ServiceCounter()
        counter.add(status, seconds, version, now)

    def report(self, namespace: str, service: str, *, window_seconds: float, now: float) -> dict[str, Any]:
        """The JSON of one Service; all zeros for one that has had no request."""
        counter = self._services.get((namespace, service)) or ServiceCounter()
        whole = summary(counter.all)
        window = {"seconds": window_seconds, **summary(counter.window(window_seconds, now))}
        return {
            "namespace": namespace,
            "service": service,
            "requests": whole["total"],
            "failed": whole["failed"],
            "success_rate": whole["success_rate"],
            "failure_ratio": whole["failure_ratio"],
            "latency_ms": {"p50": whole["p50_ms"], "p95": whole["p95_ms"]},
            "by_version": whole["by_version"],
            "window": window,
        }

    def prometheus(self) -> str:
        """Prometheus' text format, version 0.0.4."""
        requests = ["# HELP shipway_proxy_requests_total Requests answered, by Service and status code.",
                    "# TYPE shipway_proxy_requests_total counter"]  # fmt: skip
        latency = ["# HELP shipway_proxy_request_duration_seconds Time until the answer was through.",
                   "# TYPE shipway_proxy_request_duration_seconds histogram"]  # fmt: skip
        for (namespace, service), counter in sorted(self._services.items()):
            labels = f'namespace="{namespace}",service="{service}"'
            requests += [f'shipway_proxy_requests_total{{{labels},code="{c}"}} {n}' for c, n in sorted(counter.codes.items())]
            latency += _histogram(labels, counter.all)
        return "\n".join([*requests, *latency, ""])


def _histogram(labels: str, tally: Tally) -> list[str]:
    name, below, lines = "shipway_proxy_request_duration_seconds", 0, list[str]()
    for bound, count in zip((*map(str, BOUNDS), "+Inf"), tally.latencies, strict=True):
        below += count
        lines.append(f'{name}_bucket{{{labels},le="{bound}"}} {below}')
    return [*lines, f"{name}_sum{{{labels}}} {tally.seconds:.6f}", f"{name}_count{{{labels}}} {tally.total}"]
