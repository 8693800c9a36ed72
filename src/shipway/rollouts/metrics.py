"""What the rollouts engine counts, under the names that dashboards and alerts for Argo Rollouts ask for.

Two sources: the caches say what is there (each change replaces the few figures of one object), the shell says what passes
did. A scrape only prints; it looks at no object. What is gone leaves nothing behind, so a name that was used once does not
stay a series for ever. Names, labels and phases: Argo Rollouts 1.9, `controller/metrics`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    UnknownMetricFamily,
)
from prometheus_client.registry import Collector

from shipway.api.kinds import ANALYSIS_RUNS, ANALYSIS_TEMPLATES, CLUSTER_ANALYSIS_TEMPLATES, ROLLOUTS
from shipway.base.histograms import Durations
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import condition_of, dig, labels_of, name_of, namespace_of, spec_of, status_of
from shipway.kube.runtime.decision import Note
from shipway.kube.runtime.informer import OnChange
from shipway.kube.runtime.metrics import PassListener
from shipway.rollouts.prevented import cause_of_abort
from shipway.rollouts.rollout.names import INSTANCE_ID_LABEL, INVALID_SPEC, PROGRESSING
from shipway.rollouts.settings import RolloutSettings

BUCKETS = (0.01, 0.15, 0.25, 0.5, 1.0)
PHASES = ("Completed", "Progressing", "Paused", "Timeout", "Error", "Abort")
RUN_PHASES = ("Pending", "Error", "Failed", "Successful", "Running", "Inconclusive")
PHASE_OF_REASON = {
    "NewReplicaSetAvailable": "Completed",
    "RolloutPaused": "Paused",
    "ReplicaSetCreateError": "Error",
    "ProgressDeadlineExceeded": "Timeout",
    "RolloutAborted": "Abort",
}
ROUTERS = {
    "alb": "ALB",
    "ambassador": "Ambassador",
    "istio": "Istio",
    "nginx": "Nginx",
    "smi": "SMI",
    "appMesh": "AppMesh",
    "traefik": "Traefik",
    "apisix": "Apisix",
}
"""The label `traffic_router` by the key in the Rollout; the last one given counts. Plugins appear under their own name."""
PROVIDERS = {
    "prometheus": "Prometheus",
    "job": "Job",
    "web": "WebMetric",
    "datadog": "Datadog",
    "wavefront": "Wavefront",
    "newRelic": "NewRelic",
    "cloudWatch": "CloudWatch",
    "graphite": "Graphite",
    "influxdb": "Influxdb",
    "skywalking": "SkyWalking",
    "kayenta": "Kayenta",
}
FAMILIES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "rollout_info": ("A Rollout, with how it is and by what its traffic moves", ("strategy", "traffic_router", "phase")),
    "rollout_info_replicas_available": ("Pods of a Rollout that are available", ()),
    "rollout_info_replicas_unavailable": ("Pods of a Rollout that are not available", ()),
    "rollout_info_replicas_desired": ("Pods that a Rollout asks for", ()),
    "rollout_info_replicas_updated": ("Pods of a Rollout's newest version", ()),
    "rollout_phase": ("Whether a Rollout is in a phase; rollout_info says the same in one series", ("strategy", "phase")),
    "analysis_run_info": ("An AnalysisRun and its phase", ("phase",)),
    "analysis_run_phase": ("Whether a run is in a phase; analysis_run_info says the same in one series", ("phase",)),
    "analysis_run_metric_type": ("By what a metric of a run is measured", ("metric", "type")),
    "analysis_run_metric_phase": ("Whether a metric of a run is in a phase", ("metric", "type", "dry_run", "phase")),
    "analysis_template_info": ("An AnalysisTemplate or ClusterAnalysisTemplate", ()),
    "analysis_template_metric_info": ("A metric of a template and by what it is measured", ("type", "metric")),
}
"""Gauges over objects: what they say, and their labels after `namespace` and `name`."""
CONTROLLERS = {"rollout": (ROLLOUTS, "rollout"), "analysis": (ANALYSIS_RUNS, "analysis_run")}
"""The kind that a controller's keys name, and how the series about its passes begin."""
NAMED = ("namespace", "name")

Figures = tuple[tuple[str, tuple[str, ...], float], ...]
"""(family, labels after namespace and name, value)."""


class _Passes(Durations):
    """Passes of one key: how long they took, and how many failed."""

    def __init__(self) -> None:
        super().__init__(BUCKETS)
        self.failures = 0


class RolloutMetrics(Collector, PassListener):
    """A collector for a Prometheus registry. `followed` are the kinds whose changes it has to be told."""

    followed: tuple[Resource, ...] = (ROLLOUTS, ANALYSIS_RUNS, ANALYSIS_TEMPLATES, CLUSTER_ANALYSIS_TEMPLATES)

    def __init__(self, settings: RolloutSettings) -> None:
        self._instance_id = settings.instance_id
        self._figures: dict[tuple[Resource, str, str], Figures] = {}
        self._passes: dict[str, dict[tuple[str, str], _Passes]] = {controller: {} for controller in CONTROLLERS}
        self._events: dict[tuple[str, str], Counter[tuple[str, str]]] = {}
        self._prevented: Counter[tuple[str, str]] = Counter()

    def on_change_of(self, resource: Resource) -> OnChange:
        """The listener for changes of one of the `followed` kinds."""

        def on_change(old: Obj | None, new: Obj | None) -> None:
            about = new if new is not None else old
            if about is None:
                return
            key = (resource, namespace_of(about), name_of(about))
            if new is not None and self._is_ours(resource, new):
                self._figures[key] = figures_of(resource, new)
                if resource == ROLLOUTS:
                    self._prevented[key[1:]] += old is not None and not cause_of_abort(old) and bool(cause_of_abort(new))
                return
            self._figures.pop(key, None)
            for controller, (kind, _) in CONTROLLERS.items():
                if kind == resource:
                    self._passes[controller].pop(key[1:], None)
            if resource == ROLLOUTS:
                self._events.pop(key[1:], None)
                self._prevented.pop(key[1:], None)

        return on_change

    def passed(self, controller: str, key: Any, seconds: float) -> None:
        if passes := self._passes_of(controller, key):
            passes.took(seconds)

    def failed(self, controller: str, key: Any, reason: str) -> None:
        if passes := self._passes_of(controller, key):
            passes.failures += 1

    def told(self, note: Note) -> None:
        about = note.regarding
        where = (about.get("namespace", ""), about.get("name", ""))
        if about.get("kind") == ROLLOUTS.kind and (ROLLOUTS, *where) in self._figures:
            self._events.setdefault(where, Counter())[(note.type, note.reason)] += 1

    def collect(self) -> Iterator[Metric]:
        families = {name: GaugeMetricFamily(name, text, labels=[*NAMED, *more]) for name, (text, more) in FAMILIES.items()}
        for (_, namespace, name), figures in self._figures.items():
            for family, labels, value in figures:
                families[family].add_metric((namespace, name, *labels), value)
        yield from families.values()
        for controller, (_, prefix) in CONTROLLERS.items():
            yield from _pass_families(prefix, self._passes[controller])
        events = CounterMetricFamily("rollout_events_total", "Events told about a Rollout", labels=[*NAMED, "type", "reason"])
        for where, counts in self._events.items():
            for labels, count in counts.items():
                events.add_metric((*where, *labels), count)
        yield events
        prevented = CounterMetricFamily(
            "shipway_prevented_incidents_total", "Versions that were thrown out without a person's word", labels=list(NAMED)
        )
        for where, count in self._prevented.items():
            prevented.add_metric(where, count)
        yield prevented

    def _passes_of(self, controller: str, key: Any) -> _Passes | None:
        """Only of objects that are there: the pass that meets the end of one must not bring its series back."""
        resource, _ = CONTROLLERS.get(controller, (None, ""))
        if resource is None or (resource, key.namespace, key.name) not in self._figures:
            return None
        return self._passes[controller].setdefault((key.namespace, key.name), _Passes())

    def _is_ours(self, resource: Resource, obj: Obj) -> bool:
        return resource not in (ROLLOUTS, ANALYSIS_RUNS) or labels_of(obj).get(INSTANCE_ID_LABEL, "") == self._instance_id


def _pass_families(prefix: str, passes_by_name: Mapping[tuple[str, str], _Passes]) -> Iterator[Metric]:
    reconcile = HistogramMetricFamily(f"{prefix}_reconcile", "How long passes took, in seconds", labels=list(NAMED))
    # Argo Rollouts' name has no _total, which this library would add to a counter
    errors = UnknownMetricFamily(f"{prefix}_reconcile_error", "Passes that failed", labels=list(NAMED))
    for where, passes in passes_by_name.items():
        reconcile.add_metric(where, passes.buckets, passes.seconds)
        if passes.failures:
            errors.add_metric(where, passes.failures)
    yield from (reconcile, errors)


def figures_of(resource: Resource, obj: Obj) -> Figures:
    """The gauges of one object."""
    if resource == ROLLOUTS:
        return tuple(_rollout_figures(obj))
    return tuple(_run_figures(obj) if resource == ANALYSIS_RUNS else _template_figures(obj))


def phase_label(rollout: Obj) -> str:
    """The phase as the metrics name it: by conditions, in other words than `status.phase`."""
    if condition_of(rollout, INVALID_SPEC) is not None:
        return "InvalidSpec"
    progressing = condition_of(rollout, PROGRESSING) or {}
    return PHASE_OF_REASON.get(progressing.get("reason", ""), "Progressing")


def _rollout_figures(rollout: Obj) -> Iterator[tuple[str, tuple[str, ...], float]]:
    strategy, router = _strategy_and_router(rollout)
    phase, status = phase_label(rollout), status_of(rollout)
    available, replicas = _number(status, "availableReplicas"), _number(status, "replicas")
    desired = spec_of(rollout).get("replicas")
    yield "rollout_info", (strategy, router, phase), 1
    yield "rollout_info_replicas_available", (), available
    yield "rollout_info_replicas_unavailable", (), replicas - available
    yield "rollout_info_replicas_desired", (), 1 if desired is None else desired
    yield "rollout_info_replicas_updated", (), _number(status, "updatedReplicas")
    for one in PHASES:
        yield "rollout_phase", (strategy, one), float(one == phase)


def _strategy_and_router(rollout: Obj) -> tuple[str, str]:
    strategy = spec_of(rollout).get("strategy") or {}
    if strategy.get("blueGreen") is not None:
        return "blueGreen", ""
    canary = strategy.get("canary")
    if canary is None:
        return "none", ""
    routing = canary.get("trafficRouting") or {}
    named = [name for key, name in ROUTERS.items() if routing.get(key) is not None]
    return "canary", (named or list(routing.get("plugins") or {}) or [""])[-1]


def _run_figures(run: Obj) -> Iterator[tuple[str, tuple[str, ...], float]]:
    status = status_of(run)
    phase: str = status.get("phase") or ""
    results = {result.get("name"): result for result in status.get("metricResults") or []}
    yield "analysis_run_info", (phase,), 1
    for one in RUN_PHASES:
        yield "analysis_run_phase", (one,), float(one == (phase or "Pending"))
    for metric in spec_of(run).get("metrics") or []:
        name, kind = str(metric.get("name") or ""), provider_label(metric)
        result: Obj = results.get(name) or {}
        reached = result.get("phase") or "Pending"
        yield "analysis_run_metric_type", (name, kind), 1
        for one in RUN_PHASES:
            dry = "true" if result.get("dryRun") else "false"
            yield "analysis_run_metric_phase", (name, kind, dry, one), float(one == reached)


def _template_figures(template: Obj) -> Iterator[tuple[str, tuple[str, ...], float]]:
    yield "analysis_template_info", (), 1
    for metric in spec_of(template).get("metrics") or []:
        yield "analysis_template_metric_info", (provider_label(metric), str(metric.get("name") or "")), 1


def provider_label(metric: Obj) -> str:
    """Where a metric is measured; a plugin by its own name."""
    provider: Obj = metric.get("provider") or {}
    known = next((name for key, name in PROVIDERS.items() if provider.get(key) is not None), "")
    return known or next(iter(dig(provider, "plugin", default={})), "Unknown Provider")


def _number(status: Obj, field: str) -> float:
    value = status.get(field)
    return value if isinstance(value, int | float) else 0
