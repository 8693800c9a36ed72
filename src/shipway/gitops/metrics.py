"""What the GitOps engine counts, under the names that dashboards and alerts for Argo CD ask for.

The caches say what is there (each change of an Application replaces its few figures), the shell says what passes did and
wrote. A scrape prints what is kept up to date; it looks at no application. What is gone leaves nothing behind. Syncs are
counted by the process that ended them, so that replicas which share the work can be added up.
Names and labels: Argo CD 3.5, `controller/metrics`.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from msgspec import Struct, field
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from shipway.api.application import Destination, is_automated_in
from shipway.api.kinds import APPLICATIONS
from shipway.base.clock import parse_rfc3339
from shipway.base.errors import Conflict, Denied, InvalidInput, NotFound, ShipwayError
from shipway.base.histograms import Durations
from shipway.gitops.operation import is_over
from shipway.gitops.orphans import FIGURE
from shipway.gitops.pinned import spec_sources
from shipway.gitops.project import DEFAULT
from shipway.gitops.settings import GitOpsSettings
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import dig, is_deleting, name_of, namespace_of, spec_of, status_of
from shipway.kube.runtime.decision import Action, Apply, Bind, Create, Decision, Delete, Evict, Note, Outcome, Patch, Replace
from shipway.kube.runtime.informer import OnChange
from shipway.kube.runtime.metrics import PassListener

CONTROLLER = "gitops-application"
BUCKETS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
NAMED = ("namespace", "name", "project")
INFO = ("autosync_enabled", "repo", "dest_server", "dest_namespace", "sync_status", "health_status", "operation")
REQUEST = ("server", "response_code", "verb", "resource_kind", "resource_namespace", "dry_run")
_VERBS: dict[type[Action], str] = {
    Create: "Create",
    Apply: "Patch",
    Patch: "Patch",
    Replace: "Update",
    Delete: "Delete",
    Evict: "Create",
    Bind: "Create",
}
_CODES: dict[type[ShipwayError], str] = {Conflict: "409", Denied: "403", NotFound: "404", InvalidInput: "422"}
_NO_ANSWER = "0"
_Named = tuple[str, str, str]


class _Figures(Struct):
    """What is told of one application; `project` and `server` are labels of its counters too."""

    project: str = ""
    server: str = ""
    info: tuple[str, ...] = ()
    conditions: dict[str, int] = field(default_factory=dict)
    state: Obj = field(default_factory=dict)
    owed: int = 0
    """Syncs that have ended and whose end the cache has not told yet."""
    counted: str = ""
    """When the sync began that was counted last, or that had ended before we came."""
    syncs: Counter[tuple[str, str]] = field(default_factory=Counter)
    seconds: float = 0.0
    requests: Counter[tuple[str, ...]] = field(default_factory=Counter)
    orphans: float | None = None
    """None where nobody looks for them, or does not know yet."""


class ApplicationMetrics(Collector, PassListener):
    """A collector for a Prometheus registry. `followed` are the kinds whose changes it has to be told."""

    followed: tuple[Resource, ...] = (APPLICATIONS,)

    def __init__(self, settings: GitOpsSettings) -> None:
        self._settings = settings
        self._figures: dict[tuple[str, str], _Figures] = {}
        self._reconciles: dict[tuple[str, str], Durations] = {}

    def on_change_of(self, resource: Resource) -> OnChange:
        """The listener for changes of one of the `followed` kinds."""

        def on_change(old: Obj | None, new: Obj | None) -> None:
            about = new if new is not None else old
            if about is None or not self._settings.serves(namespace_of(about)):
                return
            key = (namespace_of(about), name_of(about))
            if new is None:
                self._figures.pop(key, None)
                return
            figures = self._figures.get(key)
            if figures is None:
                figures = self._figures[key] = _Figures()
                _take(figures, new)
                figures.counted = str(figures.state.get("startedAt") or "") if is_over(figures.state) else ""
                return
            _take(figures, new)
            _settle(figures)

        return on_change

    def passed(self, controller: str, key: Any, seconds: float) -> None:
        if figures := self._of(controller, key):
            where = (key.namespace, figures.server)
            self._reconciles.setdefault(where, Durations(BUCKETS)).took(seconds)

    def decided(self, controller: str, key: Any, decision: Decision | None) -> None:
        if found := self._of(controller, key):
            found.orphans = dict(decision.figures).get(FIGURE) if decision else None

    def told(self, note: Note) -> None:
        about = note.regarding
        figures = self._figures.get((about.get("namespace", ""), about.get("name", "")))
        if figures and about.get("kind") == APPLICATIONS.kind and note.reason == "OperationCompleted":
            figures.owed = 1
            _settle(figures)

    def did(self, controller: str, key: Any, outcomes: tuple[Outcome, ...]) -> None:
        if figures := self._of(controller, key):
            for outcome in outcomes:
                if outcome.result is not None or outcome.error is not None:
                    figures.requests[_request(figures.server, outcome)] += 1

    def collect(self) -> Iterator[Metric]:
        info = GaugeMetricFamily("argocd_app_info", "An Application and how it is", labels=[*NAMED, *INFO])
        conditions = GaugeMetricFamily("argocd_app_condition", "Conditions of an Application", labels=[*NAMED, "condition"])
        syncs = CounterMetricFamily(
            "argocd_app_sync_total", "Syncs that have ended", labels=[*NAMED, "dest_server", "phase", "dry_run"]
        )
        seconds = CounterMetricFamily(
            "argocd_app_sync_duration_seconds_total", "How long syncs took that succeeded", labels=[*NAMED, "dest_server"]
        )
        requests = CounterMetricFamily(
            "argocd_app_k8s_request_total", "Writes that passes of an Application sent", labels=[*NAMED, *REQUEST]
        )
        orphans = GaugeMetricFamily(
            "argocd_app_orphaned_resources_count", "Objects in its namespace that belong to no Application", labels=NAMED
        )
        for (namespace, name), one in self._figures.items():
            named = (namespace, name, one.project)
            if one.orphans is not None:
                orphans.add_metric(named, one.orphans)
            info.add_metric((*named, *one.info), 1)
            for condition, count in one.conditions.items():
                conditions.add_metric((*named, condition), count)
            for (phase, dry_run), count in one.syncs.items():
                syncs.add_metric((*named, one.server, phase, dry_run), count)
            if one.syncs:
                seconds.add_metric((*named, one.server), one.seconds)
            for labels, count in one.requests.items():
                requests.add_metric((*named, *labels), count)
        yield from (info, conditions, syncs, seconds, requests, orphans)
        reconcile = HistogramMetricFamily(
            "argocd_app_reconcile", "How long passes took, in seconds", labels=["namespace", "dest_server"]
        )
        for where, durations in self._reconciles.items():
            reconcile.add_metric(where, durations.buckets, durations.seconds)
        yield reconcile

    def _of(self, controller: str, key: Any) -> _Figures | None:
        """Only of applications that are there: the pass that meets the end of one must not bring its series back."""
        return self._figures.get((key.namespace, key.name)) if controller == CONTROLLER else None


def _take(figures: _Figures, app: Obj) -> None:
    """What the application says of itself now."""
    spec, status = spec_of(app), status_of(app)
    figures.project = spec.get("project") or DEFAULT
    destination: Obj = dig(spec, "destination", default={})
    figures.server = Destination(destination.get("server") or "", destination.get("name") or "").stated_server
    figures.info = (
        "true" if is_automated_in(spec) else "false",
        _repository(str(spec_sources(app)[0][0].get("repoURL") or "")),
        figures.server,
        str(dig(spec, "destination", "namespace", default="") or ""),
        str(dig(status, "sync", "status", default="") or "Unknown"),
        str(dig(status, "health", "status", default="") or "Unknown"),
        "delete" if is_deleting(app) else "sync" if dig(app, "operation", "sync") is not None else "",
    )
    figures.conditions = dict(Counter(str(one.get("type") or "") for one in status.get("conditions") or []))
    figures.state = status.get("operationState") or {}


def _repository(url: str) -> str:
    """As Argo CD labels it: without `.git` and in lower case; never with a login."""
    scheme, found, rest = url.strip().lower().partition("://")
    if found:
        host, slash, path = rest.partition("/")
        url = f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
    return url.lower().removesuffix("/").removesuffix(".git")


def _settle(figures: _Figures) -> None:
    """Counts a sync once both are known: that it was ours to end, and how it ended."""
    state = figures.state
    began = str(state.get("startedAt") or "")
    if not figures.owed or not began or began == figures.counted or not is_over(state):
        return
    figures.owed, figures.counted = 0, began
    is_dry = bool(dig(state, "operation", "sync", "dryRun", default=False))
    figures.syncs[str(state["phase"]), "true" if is_dry else "false"] += 1
    if state["phase"] == "Succeeded" and state.get("finishedAt"):
        figures.seconds += max(0.0, parse_rfc3339(state["finishedAt"]) - parse_rfc3339(began))


def _request(server: str, outcome: Outcome) -> tuple[str, ...]:
    kind, namespace = _target(outcome.action)
    return (server, _code(outcome), _VERBS[type(outcome.action)], kind, namespace, "false")


def _target(action: Action) -> tuple[str, str]:
    if isinstance(action, Create | Apply | Replace):
        return action.resource.kind, namespace_of(action.obj)
    return ("Pod" if isinstance(action, Evict | Bind) else action.resource.kind), action.namespace


def _code(outcome: Outcome) -> str:
    if outcome.error is None:
        return "201" if isinstance(outcome.action, Create) else "200"
    return next((code for kind, code in _CODES.items() if isinstance(outcome.error, kind)), _NO_ANSWER)
