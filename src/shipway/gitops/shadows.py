"""What is kept of Applications that another engine reconciles: the last report of each, and what they add up to.

Each report replaces the one before and changes three figures; nobody looks through all of them but who asks for all.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shipway.gitops.application.shadow import Shadow
from shipway.gitops.metrics import CONTROLLER
from shipway.kube.runtime.decision import Decision
from shipway.kube.runtime.metrics import PassListener


class Shadows(Collector, PassListener):
    """Listens to the passes, answers who asks, and counts for Prometheus."""

    def __init__(self) -> None:
        self._of: dict[Any, Shadow] = {}
        self._agreements: Counter[str] = Counter()
        self._deploys: Counter[str] = Counter()
        self._compared: dict[Any, str] = {}
        """When the deployment ended that was counted last, or that had ended before we came."""

    @property
    def all(self) -> list[Shadow]:
        return sorted(self._of.values(), key=lambda one: one.application)

    def decided(self, controller: str, key: Any, decision: Decision | None) -> None:
        if controller != CONTROLLER:
            return
        report = decision.report if decision else None
        if before := self._of.pop(key, None):
            self._agreements[before.agreement] -= 1
        if not isinstance(report, Shadow):
            self._compared.pop(key, None)
            return
        self._of[key] = report
        self._agreements[report.agreement] += 1
        self._count_deploy(key, report)

    def _count_deploy(self, key: Any, report: Shadow) -> None:
        counted = self._compared.setdefault(key, report.deployed)
        if report.deploy and report.deployed > counted:
            self._deploys["differs" if report.deploy.differences else "agrees"] += 1
            self._compared[key] = report.deployed

    def collect(self) -> Iterator[Metric]:
        gauge = GaugeMetricFamily(
            "shipway_shadow_applications", "Applications of another engine, by whether we see the same", labels=["agreement"]
        )
        deploys = CounterMetricFamily(
            "shipway_shadow_deploys", "Syncs of another engine, by whether it applied what we render", labels=["agreement"]
        )
        for agreement in ("agrees", "differs", "pending"):
            gauge.add_metric([agreement], self._agreements[agreement])
        for agreement in ("agrees", "differs"):
            deploys.add_metric([agreement], self._deploys[agreement])
        yield from (gauge, deploys)
