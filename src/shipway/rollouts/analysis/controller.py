"""The AnalysisRun controller: each run is its own key, woken by itself, its Jobs and the answers to its measurements."""

from shipway.api.kinds import ANALYSIS_RUNS, JOBS
from shipway.base.clock import Instant
from shipway.kube.objects.views import labels_of
from shipway.kube.runtime.controller import ObjectKey, World, own_key
from shipway.kube.runtime.decision import Conclusion, Decision, Outcome, Watch
from shipway.rollouts.analysis.decide import ObservedRun, conclude, decide
from shipway.rollouts.analysis.jobs import UID_LABEL, keys_of_run, run_uid
from shipway.rollouts.analysis.observe import RUN_INDEX, observe
from shipway.rollouts.rollout.names import INSTANCE_ID_LABEL


class AnalysisRunController:
    """Measures until every metric has an answer. `job_namespace`: where `job` metrics run instead of the run's namespace.

    `instance_id`: only runs that carry it as label are ours; "" means only those without the label. `plugins`: the
    MetricPlugins that are declared; None: whatever is named.
    """

    name = "analysis"
    watches = (
        Watch(ANALYSIS_RUNS, own_key),
        Watch(JOBS, keys_of_run, indexes={RUN_INDEX: run_uid}, label_selector=UID_LABEL),
    )

    def __init__(self, job_namespace: str = "", instance_id: str = "", plugins: frozenset[str] | None = frozenset()) -> None:
        self._job_namespace = job_namespace
        self._plugins = plugins
        self._instance_id = instance_id

    def observe(self, key: ObjectKey, world: World) -> ObservedRun | None:
        observed = observe(key, world, self._job_namespace, self._plugins)
        if observed is None or labels_of(observed.run).get(INSTANCE_ID_LABEL, "") != self._instance_id:
            return None
        return observed

    def decide(self, observed: ObservedRun, now: Instant) -> Decision:
        return decide(observed, now)

    def conclude(
        self, fresh: ObservedRun, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant
    ) -> Conclusion | None:
        return conclude(fresh, outcomes, now)
