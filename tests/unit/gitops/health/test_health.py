"""Health per kind: Argo CD's rules, its statuses and its messages."""

from typing import Any

import pytest

from shipway.gitops.health import health_of, worst
from shipway.kube.objects.resource import Obj


def obj(api_version: str, kind: str, *, spec: Any = None, status: Any = None, **meta: Any) -> Obj:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": "web", "generation": 2, **meta},
        "spec": spec or {},
        "status": status or {},
    }


def deployment(spec: Any = None, **status: Any) -> Obj:
    return obj("apps/v1", "Deployment", spec={"replicas": 2, **(spec or {})}, status={"observedGeneration": 2, **status})


def rollout(spec: Any = None, **status: Any) -> Obj:
    return obj("argoproj.io/v1alpha1", "Rollout", spec=spec, status={"observedGeneration": "2", **status})


def pod(policy: str = "Always", **status: Any) -> Obj:
    return obj("v1", "Pod", spec={"restartPolicy": policy}, status=status)


def conditions(**found: str) -> list[Obj]:
    return [{"type": name, "status": status, "message": f"{name} is {status}"} for name, status in found.items()]


ABORTED = 'RolloutAborted: Rollout aborted update to revision 3: Metric "error-rate" assessed Failed'
DEADLINE = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]
WAITING = "Waiting for rollout to finish: "

CASES: list[tuple[Obj, str, str]] = [
    (deployment({"paused": True}), "Suspended", "Deployment is paused"),
    (
        deployment(observedGeneration=1),
        "Progressing",
        WAITING + "observed deployment generation less than desired generation",
    ),
    (deployment(conditions=DEADLINE), "Degraded", 'Deployment "web" exceeded its progress deadline'),
    (deployment(updatedReplicas=1), "Progressing", WAITING + "1 out of 2 new replicas have been updated..."),
    (deployment(updatedReplicas=2, replicas=3), "Progressing", WAITING + "1 old replicas are pending termination..."),
    (
        deployment(updatedReplicas=2, replicas=2, availableReplicas=1),
        "Progressing",
        WAITING + "1 of 2 updated replicas are available...",
    ),
    (deployment(updatedReplicas=2, replicas=2, availableReplicas=2), "Healthy", ""),
    (rollout(phase="Degraded", message=ABORTED), "Degraded", ABORTED),
    (
        rollout(phase="Paused", message="CanaryPauseStep", pauseConditions=[{"reason": "CanaryPauseStep"}]),
        "Suspended",
        "CanaryPauseStep",
    ),
    (rollout(phase="Healthy"), "Healthy", ""),
    (rollout(phase="Healthy", observedGeneration="1"), "Progressing", "Waiting for rollout spec update to be observed"),
    (
        rollout(phase="Progressing", message="more replicas need to be updated"),
        "Progressing",
        "more replicas need to be updated",
    ),
    (rollout(conditions=conditions(InvalidSpec="True"), phase="Healthy"), "Degraded", "InvalidSpec is True"),
    (obj("argoproj.io/v1alpha1", "AnalysisRun", status={"phase": "Failed", "message": "bad"}), "Degraded", "bad"),
    (obj("argoproj.io/v1alpha1", "AnalysisRun", status={"phase": "Running"}), "Progressing", ""),
    (obj("argoproj.io/v1alpha1", "AnalysisRun", status={"phase": "Successful"}), "Healthy", ""),
    (obj("argoproj.io/v1alpha1", "Application", status={"health": {"status": "Degraded"}}), "Degraded", ""),
    (
        pod(phase="Running", containerStatuses=[{"state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}}]),
        "Degraded",
        "back-off",
    ),
    (pod(phase="Pending"), "Progressing", ""),
    (pod(phase="Failed", message="Evicted"), "Degraded", "Evicted"),
    (
        pod(phase="Failed", containerStatuses=[{"name": "main", "state": {"terminated": {"exitCode": 3}}}]),
        "Degraded",
        'container "main" failed with exit code 3',
    ),
    (pod(phase="Running", conditions=conditions(Ready="True")), "Healthy", ""),
    (pod("Never", phase="Running"), "Progressing", ""),
    (pod("Never", phase="Succeeded"), "Healthy", ""),
    (obj("batch/v1", "Job", status={"conditions": conditions(Failed="True")}), "Degraded", "Failed is True"),
    (obj("batch/v1", "Job", status={"conditions": conditions(Complete="True")}), "Healthy", "Complete is True"),
    (obj("batch/v1", "Job", status={"conditions": conditions(Suspended="True")}), "Suspended", "Suspended is True"),
    (obj("batch/v1", "Job"), "Progressing", ""),
    (obj("v1", "PersistentVolumeClaim", status={"phase": "Lost"}), "Degraded", ""),
    (obj("v1", "PersistentVolumeClaim", status={"phase": "Odd"}), "Unknown", ""),
    (obj("v1", "Service", spec={"type": "LoadBalancer"}), "Progressing", ""),
    (obj("v1", "Service", spec={"type": "ClusterIP"}), "Healthy", ""),
    (obj("networking.k8s.io/v1", "Ingress"), "Progressing", ""),
    (
        obj("networking.k8s.io/v1", "Ingress", status={"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}),
        "Healthy",
        "",
    ),
    (
        obj("apps/v1", "StatefulSet", spec={"replicas": 3}, status={"observedGeneration": 2, "readyReplicas": 1}),
        "Progressing",
        "Waiting for 2 pods to be ready...",
    ),
    (
        obj("apps/v1", "DaemonSet", status={"observedGeneration": 2, "desiredNumberScheduled": 2, "updatedNumberScheduled": 1}),
        "Progressing",
        'Waiting for daemon set "web" rollout to finish: 1 out of 2 new pods have been updated...',
    ),
    (
        obj("apps/v1", "ReplicaSet", spec={"replicas": 1}, status={"observedGeneration": 2, "availableReplicas": 1}),
        "Healthy",
        "",
    ),
    (
        obj("autoscaling/v2", "HorizontalPodAutoscaler", status={"conditions": conditions(AbleToScale="True")}),
        "Healthy",
        "AbleToScale is True",
    ),
    (
        deployment(updatedReplicas=2) | {"metadata": {"name": "web", "deletionTimestamp": "now"}},
        "Progressing",
        "Pending deletion",
    ),
]


@pytest.mark.parametrize(("live", "status", "message"), CASES, ids=lambda value: value if isinstance(value, str) else None)
def test_health_of_a_live_object(live: Obj, status: str, message: str) -> None:
    health = health_of(live)
    assert health is not None
    assert (health.status, health.message) == (status, message)


@pytest.mark.parametrize(
    "live",
    [
        obj("v1", "ConfigMap"),
        obj("argoproj.io/v1alpha1", "Application", status={"health": {"status": "Missing"}}),
        obj("argoproj.io/v1alpha1", "Application"),
        obj("extensions/v1beta1", "Deployment"),
    ],
)
def test_kinds_without_health_do_not_count(live: Obj) -> None:
    assert health_of(live) is None


@pytest.mark.compat("argocd:status.health")
def test_the_worst_health_wins() -> None:
    assert worst(["Healthy", "Progressing", "Suspended"]) == "Progressing"
    assert worst(["Healthy", "Degraded", "Missing"]) == "Degraded"
    assert worst([]) == "Healthy"
