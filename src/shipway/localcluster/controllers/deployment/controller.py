"""The Deployment controller: woken by deployments, their ReplicaSets, sets that nobody owns, and pods that end."""

from shipway.api.kinds import DEPLOYMENTS, PODS, REPLICA_SETS
from shipway.base.clock import Instant
from shipway.kube.runtime.controller import ObjectKey, World, own_key
from shipway.kube.runtime.decision import Conclusion, Decision, Outcome, Watch
from shipway.localcluster.controllers.deployment.decide import conclude, decide
from shipway.localcluster.controllers.deployment.observe import Observed, observe
from shipway.localcluster.controllers.pods import by_controller, by_namespace, by_orphanage, controlled_by


class DeploymentController:
    """Rolls Deployments out."""

    name = "deployment-controller"
    watches = (
        Watch(DEPLOYMENTS, own_key, indexes={"namespace": by_namespace}),
        Watch(
            REPLICA_SETS,
            controlled_by(DEPLOYMENTS),
            indexes={"controller": by_controller, "orphans": by_orphanage},
        ),
        Watch(PODS, indexes={"controller": by_controller}),
    )

    def observe(self, key: ObjectKey, world: World) -> Observed | None:
        return observe(key, world)

    def decide(self, observed: Observed, now: Instant) -> Decision:
        return decide(observed, now)

    def conclude(self, fresh: Observed, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion | None:
        return conclude(fresh, decision, outcomes, now)
