"""The controllers that reconcile Rollouts, for `assembly` to run."""

from shipway.kube.runtime.controller import Controller, ObjectKey
from shipway.rollouts.rollout.controller import RolloutController
from shipway.rollouts.rollout.observe import Observed
from shipway.rollouts.settings import RolloutSettings


def rollout_controllers(settings: RolloutSettings) -> list[Controller[ObjectKey, Observed]]:
    """All of them."""
    return [RolloutController(settings)]
