"""The controller of notifications: a key is a Rollout, woken by itself and by what it owns."""

from shipway.api.kinds import ANALYSIS_RUNS, CONFIG_MAPS, REPLICA_SETS, ROLLOUTS
from shipway.api.notifications import OF_ROLLOUTS
from shipway.base.clock import Instant
from shipway.kube.runtime.controller import ObjectKey, World, own_key
from shipway.kube.runtime.decision import Conclusion, Decision, Outcome, Watch
from shipway.notifications.decide import ObservedNews, decide
from shipway.rollouts.notifications.observe import observe
from shipway.rollouts.rollout.watches import nobody, owned, owning_rollout
from shipway.rollouts.settings import RolloutSettings


class NotificationController:
    """Tells those who subscribed what becomes of a Rollout. What is configured anew counts from the next change on."""

    name = "notifications"

    def __init__(self, settings: RolloutSettings) -> None:
        self._settings = settings
        one = f"metadata.name={OF_ROLLOUTS.config_map}"
        self.watches = (
            Watch(ROLLOUTS, own_key),
            *(owned(kind, owning_rollout) for kind in (REPLICA_SETS, ANALYSIS_RUNS)),
            Watch(CONFIG_MAPS, nobody, namespace=settings.namespace, field_selector=one),
        )

    def observe(self, key: ObjectKey, world: World) -> ObservedNews | None:
        return observe(key, world, self._settings)

    def decide(self, observed: ObservedNews, now: Instant) -> Decision:
        return decide(observed, now)

    def conclude(
        self, fresh: ObservedNews, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant
    ) -> Conclusion | None:
        return None
