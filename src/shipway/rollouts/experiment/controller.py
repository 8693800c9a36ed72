"""The Experiment controller: each Experiment is its own key, woken by itself and by what it owns."""

from collections.abc import Iterable

from shipway.api.kinds import (
    ANALYSIS_RUNS,
    ANALYSIS_TEMPLATES,
    CLUSTER_ANALYSIS_TEMPLATES,
    EXPERIMENTS,
    REPLICA_SETS,
    SERVICES,
)
from shipway.base.clock import Instant
from shipway.kube.objects.resource import Obj
from shipway.kube.runtime.controller import ObjectKey, World, own_key
from shipway.kube.runtime.decision import Conclusion, Decision, Outcome, Watch
from shipway.rollouts.experiment.decide import conclude, decide
from shipway.rollouts.experiment.observe import ObservedExperiment, observe
from shipway.rollouts.rollout.watches import nobody, owned, owner_in
from shipway.rollouts.settings import RolloutSettings


def owning_experiment(obj: Obj) -> Iterable[ObjectKey]:
    return owner_in(EXPERIMENTS, obj)


class ExperimentController:
    """Runs variants side by side for a while, judges them, and takes them down."""

    name = "experiment"
    watches = (
        Watch(EXPERIMENTS, own_key),
        *(owned(kind, owning_experiment) for kind in (REPLICA_SETS, SERVICES, ANALYSIS_RUNS)),
        Watch(ANALYSIS_TEMPLATES, nobody),
        Watch(CLUSTER_ANALYSIS_TEMPLATES, nobody),
    )

    def __init__(self, settings: RolloutSettings) -> None:
        self._settings = settings

    def observe(self, key: ObjectKey, world: World) -> ObservedExperiment | None:
        return observe(key, world, self._settings.instance_id)

    def decide(self, observed: ObservedExperiment, now: Instant) -> Decision:
        return decide(observed, now)

    def conclude(
        self, fresh: ObservedExperiment, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant
    ) -> Conclusion | None:
        return conclude(fresh, outcomes, now)
