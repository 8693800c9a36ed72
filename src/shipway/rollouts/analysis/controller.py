"""The AnalysisRun controller: each run is its own key, woken by itself and by the answers to its measurements."""

from shipway.api.kinds import ANALYSIS_RUNS
from shipway.base.clock import Instant
from shipway.kube.runtime.controller import ObjectKey, World, own_key
from shipway.kube.runtime.decision import Conclusion, Decision, Outcome, Watch
from shipway.rollouts.analysis.decide import ObservedRun, decide
from shipway.rollouts.analysis.observe import observe


class AnalysisRunController:
    """Measures until every metric has an answer."""

    name = "analysis"
    watches = (Watch(ANALYSIS_RUNS, own_key),)

    def observe(self, key: ObjectKey, world: World) -> ObservedRun | None:
        return observe(key, world)

    def decide(self, observed: ObservedRun, now: Instant) -> Decision:
        return decide(observed, now)

    def conclude(
        self, fresh: ObservedRun, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant
    ) -> Conclusion | None:
        return None
