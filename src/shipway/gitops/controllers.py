"""The controllers of the GitOps engine: what `assembly` runs."""

from typing import Any

from shipway.gitops.application.controller import ApplicationController
from shipway.gitops.hydration.controller import HydrationController
from shipway.gitops.notifications.controller import NotificationController
from shipway.gitops.settings import GitOpsSettings
from shipway.kube.runtime.controller import Controller


def gitops_controllers(settings: GitOpsSettings) -> list[Controller[Any, Any]]:
    return [ApplicationController(settings), HydrationController(settings), NotificationController(settings)]
