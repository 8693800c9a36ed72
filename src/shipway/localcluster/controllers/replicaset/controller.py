"""The ReplicaSet controller: woken by its sets, their pods, and pods that nobody owns."""

from shipway.api.kinds import PODS, REPLICA_SETS
from shipway.base.clock import Instant
from shipway.kube.runtime.controller import ObjectKey, World, own_key
from shipway.kube.runtime.decision import Conclusion, Decision, Outcome, Watch
from shipway.localcluster.controllers.pods import by_controller, by_namespace, by_orphanage, controlled_by
from shipway.localcluster.controllers.replicaset.decide import conclude, decide
from shipway.localcluster.controllers.replicaset.observe import Observed, observe


class ReplicaSetController:
    """Keeps the pods of ReplicaSets."""

    name = "replicaset-controller"
    watches = (
        Watch(REPLICA_SETS, own_key, indexes={"namespace": by_namespace}),
        Watch(
            PODS,
            controlled_by(REPLICA_SETS),
            indexes={"controller": by_controller, "orphans": by_orphanage},
        ),
    )

    def observe(self, key: ObjectKey, world: World) -> Observed | None:
        return observe(key, world)

    def decide(self, observed: Observed, now: Instant) -> Decision:
        return decide(observed, now)

    def conclude(self, fresh: Observed, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion | None:
        return conclude(fresh, decision, outcomes, now)
