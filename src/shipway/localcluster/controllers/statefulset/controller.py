"""The StatefulSet controller: woken by its sets, their pods, revisions and claims."""

from shipway.api.kinds import PODS, STATEFUL_SETS
from shipway.base.clock import Instant
from shipway.kube.objects.views import name_of, uid_of
from shipway.kube.runtime.controller import ObjectKey, World, own_key
from shipway.kube.runtime.decision import Conclusion, Decision, Outcome, Watch
from shipway.localcluster.controllers.kinds import CONTROLLER_REVISIONS, PERSISTENT_VOLUME_CLAIMS
from shipway.localcluster.controllers.pods import by_controller, by_namespace, by_orphanage, controlled_by
from shipway.localcluster.controllers.statefulset.decide import Observed, conclude, decide


class StatefulSetController:
    """Keeps the pods of StatefulSets."""

    name = "statefulset-controller"
    watches = (
        Watch(STATEFUL_SETS, own_key, indexes={"namespace": by_namespace}),
        Watch(PODS, controlled_by(STATEFUL_SETS), indexes={"controller": by_controller, "orphans": by_orphanage}),
        Watch(CONTROLLER_REVISIONS, controlled_by(STATEFUL_SETS), indexes={"controller": by_controller}),
        Watch(PERSISTENT_VOLUME_CLAIMS, metadata_only=True),
    )

    def observe(self, key: ObjectKey, world: World) -> Observed | None:
        found = world.get(STATEFUL_SETS, key.namespace, key.name)
        if found is None:
            return None
        return Observed(
            found,
            tuple(world.indexed(PODS, "controller", uid_of(found))),
            tuple(world.indexed(PODS, "orphans", key.namespace)),
            tuple(world.indexed(CONTROLLER_REVISIONS, "controller", uid_of(found))),
            frozenset(map(name_of, world.list(PERSISTENT_VOLUME_CLAIMS, key.namespace))),
        )

    def decide(self, observed: Observed, now: Instant) -> Decision:
        return decide(observed, now)

    def conclude(self, fresh: Observed, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion | None:
        return conclude(fresh, decision, outcomes, now)
