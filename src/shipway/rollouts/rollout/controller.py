"""The Rollout controller: which kinds wake it, and its three rooms."""

from shipway.base.clock import Instant
from shipway.kube.runtime.controller import ObjectKey, World
from shipway.kube.runtime.decision import Conclusion, Decision, Outcome, Watch
from shipway.rollouts.rollout.decide import conclude, decide
from shipway.rollouts.rollout.departed import Departed
from shipway.rollouts.rollout.observe import Observed, observe
from shipway.rollouts.rollout.watches import WATCHES
from shipway.rollouts.settings import RolloutSettings


class RolloutController:
    """Walks Rollouts through their canaries."""

    name = "rollout"

    def __init__(self, settings: RolloutSettings) -> None:
        self._settings = settings

    @property
    def watches(self) -> tuple[Watch, ...]:
        return WATCHES

    def observe(self, key: ObjectKey, world: World) -> Observed | Departed | None:
        return observe(key, world, self._settings)

    def decide(self, observed: Observed | Departed, now: Instant) -> Decision:
        return decide(observed, now)

    def conclude(
        self, fresh: Observed | Departed, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant
    ) -> Conclusion | None:
        return conclude(fresh, decision, outcomes, now)
