"""The disruption controller: woken by budgets, by pods they may cover, and by what says how many pods there should be."""

from collections.abc import Iterable

from shipway.api.kinds import DEPLOYMENTS, PODS, REPLICA_SETS, STATEFUL_SETS
from shipway.base.clock import Instant
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import namespace_of
from shipway.kube.runtime.controller import ObjectKey, World, own_key
from shipway.kube.runtime.decision import Conclusion, Decision, Indexed, Outcome, Watch
from shipway.localcluster.controllers.disruption.decide import decide
from shipway.localcluster.controllers.disruption.observe import Observed, observe
from shipway.localcluster.controllers.kinds import POD_DISRUPTION_BUDGETS
from shipway.localcluster.controllers.pods import by_namespace


def _budgets_beside(obj: Obj) -> Iterable[Indexed]:
    return (Indexed(POD_DISRUPTION_BUDGETS, "namespace", namespace_of(obj)),)


class DisruptionController:
    """Keeps the status of PodDisruptionBudgets."""

    name = "disruption-controller"
    watches = (
        Watch(POD_DISRUPTION_BUDGETS, own_key, indexes={"namespace": by_namespace}),
        Watch(PODS, _budgets_beside, indexes={"namespace": by_namespace}),
        Watch(REPLICA_SETS, _budgets_beside),
        Watch(DEPLOYMENTS, _budgets_beside),
        Watch(STATEFUL_SETS, _budgets_beside),
    )

    def observe(self, key: ObjectKey, world: World) -> Observed | None:
        return observe(key, world)

    def decide(self, observed: Observed, now: Instant) -> Decision:
        return decide(observed, now)

    def conclude(self, fresh: Observed, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion | None:
        return None
