"""The controllers that reconcile Rollouts and Experiments and tell of them, for `assembly` to run."""

from typing import Any

from shipway.kube.runtime.controller import Controller, ObjectKey
from shipway.rollouts.experiment.controller import ExperimentController
from shipway.rollouts.notifications.controller import NotificationController
from shipway.rollouts.rollout.controller import RolloutController
from shipway.rollouts.settings import RolloutSettings


def rollout_controllers(settings: RolloutSettings) -> list[Controller[ObjectKey, Any]]:
    """All of them."""
    telling = [NotificationController(settings)] if settings.namespace else []
    return [RolloutController(settings), ExperimentController(settings), *telling]
