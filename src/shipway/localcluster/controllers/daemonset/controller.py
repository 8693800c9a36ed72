"""The DaemonSet controller: woken by its sets, their pods and revisions, and nodes."""

from collections.abc import Iterable

from shipway.api.kinds import DAEMON_SETS, NODES, PODS
from shipway.base.clock import Instant
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import uid_of
from shipway.kube.runtime.controller import ObjectKey, World, own_key
from shipway.kube.runtime.decision import Conclusion, Decision, Indexed, Outcome, Watch
from shipway.localcluster.controllers.daemonset.decide import Observed, conclude, decide
from shipway.localcluster.controllers.kinds import CONTROLLER_REVISIONS
from shipway.localcluster.controllers.pods import by_controller, by_namespace, by_orphanage, controlled_by


def _all(obj: Obj) -> Iterable[Indexed]:
    return (Indexed(DAEMON_SETS, "all", "all"),)


class DaemonSetController:
    """Keeps a pod on every node."""

    name = "daemonset-controller"
    watches = (
        Watch(DAEMON_SETS, own_key, indexes={"namespace": by_namespace, "all": lambda _: ("all",)}),
        Watch(PODS, controlled_by(DAEMON_SETS), indexes={"controller": by_controller, "orphans": by_orphanage}),
        Watch(CONTROLLER_REVISIONS, controlled_by(DAEMON_SETS), indexes={"controller": by_controller}),
        Watch(NODES, _all),
    )

    def observe(self, key: ObjectKey, world: World) -> Observed | None:
        found = world.get(DAEMON_SETS, key.namespace, key.name)
        if found is None:
            return None
        return Observed(
            found,
            tuple(world.indexed(PODS, "controller", uid_of(found))),
            tuple(world.indexed(PODS, "orphans", key.namespace)),
            tuple(world.indexed(CONTROLLER_REVISIONS, "controller", uid_of(found))),
            tuple(world.list(NODES)),
        )

    def decide(self, observed: Observed, now: Instant) -> Decision:
        return decide(observed, now)

    def conclude(self, fresh: Observed, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion | None:
        return conclude(fresh, decision, outcomes, now)
