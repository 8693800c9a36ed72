"""The controllers of the embedded Kubernetes, and how their questions are answered: what assembly starts beside the server."""

from collections.abc import Mapping
from typing import Any

from shipway.kube.client.client import Client
from shipway.kube.runtime.controller import Controller, Resolver
from shipway.kube.runtime.decision import Ask
from shipway.localcluster.controllers.cronjob.controller import CronJobController
from shipway.localcluster.controllers.daemonset.controller import DaemonSetController
from shipway.localcluster.controllers.deployment.controller import DeploymentController
from shipway.localcluster.controllers.disruption.controller import DisruptionController
from shipway.localcluster.controllers.endpoints.controller import EndpointSliceController
from shipway.localcluster.controllers.garbage import controller as garbage
from shipway.localcluster.controllers.job.controller import JobController
from shipway.localcluster.controllers.namespace import controller as namespace
from shipway.localcluster.controllers.pod_collector import PodCollector
from shipway.localcluster.controllers.replicaset.controller import ReplicaSetController
from shipway.localcluster.controllers.scheduler.controller import SchedulerController
from shipway.localcluster.controllers.service_accounts import ServiceAccountController
from shipway.localcluster.controllers.statefulset.controller import StatefulSetController


def built_in_controllers(*, ca_certificate: str = "") -> list[Controller[Any, Any]]:
    """All of them. `ca_certificate` (PEM) is published in every namespace; "" publishes none."""
    return [
        DeploymentController(),
        ReplicaSetController(),
        EndpointSliceController(),
        StatefulSetController(),
        DaemonSetController(),
        JobController(),
        CronJobController(),
        SchedulerController(),
        namespace.NamespaceController(),
        DisruptionController(),
        PodCollector(),
        garbage.GarbageCollector(),
        ServiceAccountController(ca_certificate),
    ]


def built_in_resolvers(client: Client) -> Mapping[type[Ask], Resolver]:
    """Answers to the asks of the built-in controllers."""
    return {**garbage.resolvers(client), **namespace.resolvers(client)}
