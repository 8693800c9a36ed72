"""The namespace controller: woken by namespaces, and by their content while one is being deleted."""

from shipway.api.kinds import NAMESPACES
from shipway.base.clock import Instant
from shipway.kube.runtime.controller import ObjectKey, World, own_key
from shipway.kube.runtime.decision import Conclusion, Decision, Outcome, Watch
from shipway.localcluster.controllers.namespace.decide import decide
from shipway.localcluster.controllers.namespace.observe import Observed, observe


class NamespaceController:
    """Empties namespaces that are being deleted."""

    name = "namespace-controller"
    watches = (Watch(NAMESPACES, own_key),)

    def observe(self, key: ObjectKey, world: World) -> Observed | None:
        return observe(key, world)

    def decide(self, observed: Observed, now: Instant) -> Decision:
        return decide(observed, now)

    def conclude(self, fresh: Observed, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion | None:
        return None
