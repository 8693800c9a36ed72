"""The scheduler: one key for the cluster, woken by pods that wait, pods that go, and nodes."""

from collections.abc import Iterable

from shipway.api.kinds import NODES, PODS
from shipway.base.clock import Instant
from shipway.kube.objects.resource import Obj
from shipway.kube.runtime.controller import World
from shipway.kube.runtime.decision import Conclusion, Decision, Outcome, Watch
from shipway.localcluster.controllers.pods import by_node
from shipway.localcluster.controllers.scheduler.decide import conclude, decide
from shipway.localcluster.controllers.scheduler.observe import Cluster, Observed, observe


def _cluster(obj: Obj) -> Iterable[Cluster]:
    return (Cluster(),)


class SchedulerController:
    """Binds pods to nodes."""

    name = "default-scheduler"
    watches = (Watch(PODS, _cluster, indexes={"node": by_node}), Watch(NODES, _cluster))

    def observe(self, key: Cluster, world: World) -> Observed | None:
        return observe(key, world)

    def decide(self, observed: Observed, now: Instant) -> Decision:
        return decide(observed, now)

    def conclude(self, fresh: Observed, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion | None:
        return conclude(fresh, decision, outcomes, now)
