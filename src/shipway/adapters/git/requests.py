"""What is asked of remotes, counted under the names of Argo CD's repository server (`reposerver/metrics`, 3.5).

One look at a repository serves all applications, so a failed one names no revision that it was for.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from shipway.base.clock import Clock
from shipway.base.histograms import Durations

RequestType = Literal["ls-remote", "fetch"]
BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 10.0, 20.0)
_FAILURES: dict[RequestType, str] = {"ls-remote": "argocd_git_lsremote_fail_total", "fetch": "argocd_git_fetch_fail_total"}


class GitRequests(Collector):
    """A collector for a Prometheus registry; repositories go by their address without a login."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._took: dict[tuple[str, RequestType], Durations] = {}
        self._failed: Counter[tuple[str, RequestType]] = Counter()
        self._waiting: Counter[str] = Counter()

    @contextmanager
    def counted(self, repo: str, request: RequestType) -> Iterator[None]:
        """One request; it failed if it raises."""
        started = self._clock.elapsed()
        try:
            yield
        except BaseException:
            self._failed[repo, request] += 1
            raise
        finally:
            self._took.setdefault((repo, request), Durations(BUCKETS)).took(self._clock.elapsed() - started)

    @contextmanager
    def waiting(self, repo: str) -> Iterator[None]:
        """Somebody waits for news of a repository."""
        self._waiting[repo] += 1
        try:
            yield
        finally:
            self._waiting[repo] -= 1

    def collect(self) -> Iterator[Metric]:
        labels = ["repo", "request_type"]
        total = CounterMetricFamily("argocd_git_request_total", "Requests to Git repositories", labels=labels)
        took = HistogramMetricFamily("argocd_git_request_duration_seconds", "How long these took", labels=labels)
        for where, durations in self._took.items():
            total.add_metric(where, durations.count)
            took.add_metric(where, durations.buckets, durations.seconds)
        yield from (total, took)
        for request, name in _FAILURES.items():
            failed = CounterMetricFamily(name, f"Times that a {request} failed", labels=["repo", "revision"])
            for (repo, kind), count in self._failed.items():
                if kind == request:
                    failed.add_metric((repo, ""), count)
            yield failed
        pending = GaugeMetricFamily("argocd_repo_pending_request_total", "Who waits for news of a repository", labels=["repo"])
        for repo, count in self._waiting.items():
            pending.add_metric((repo,), count)
        yield pending
