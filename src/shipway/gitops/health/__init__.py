"""How one live object is doing: `health_of(obj)`, None for kinds that have no health (they do not count).

`builtin` judges Kubernetes' own kinds, `delivery` those that deliver, `catalogue` what widely used operators bring.
"""

from collections.abc import Callable

from shipway.gitops.annotations import HOOK_FINALIZER
from shipway.gitops.health import builtin, delivery
from shipway.gitops.health.catalogue import rule_for
from shipway.gitops.health.verdicts import Health, HealthStatus, worst
from shipway.kube.objects.resource import Obj, split_api_version
from shipway.kube.objects.views import is_deleting, metadata

__all__ = ["Health", "HealthStatus", "health_of", "worst"]

_RULES: dict[tuple[str, str], Callable[[Obj], Health | None]] = {
    ("apps", "Deployment"): builtin.deployment,
    ("apps", "StatefulSet"): builtin.stateful_set,
    ("apps", "DaemonSet"): builtin.daemon_set,
    ("apps", "ReplicaSet"): builtin.replica_set,
    ("", "Pod"): builtin.pod,
    ("batch", "Job"): builtin.job,
    ("", "PersistentVolumeClaim"): builtin.persistent_volume_claim,
    ("", "Service"): builtin.service,
    ("networking.k8s.io", "Ingress"): builtin.ingress,
    ("autoscaling", "HorizontalPodAutoscaler"): builtin.autoscaler,
    ("apiregistration.k8s.io", "APIService"): builtin.api_service,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): delivery.custom_resource_definition,
    ("argoproj.io", "Rollout"): delivery.rollout,
    ("argoproj.io", "AnalysisRun"): delivery.analysis_run,
    ("argoproj.io", "Experiment"): delivery.analysis_run,
    ("argoproj.io", "Application"): delivery.application,
    ("gateway.networking.k8s.io", "HTTPRoute"): delivery.http_route,
}


def health_of(obj: Obj) -> Health | None:
    """The health of a live object. One that is being deleted is Progressing, unless it only waits as a finished hook."""
    if is_deleting(obj) and HOOK_FINALIZER not in (metadata(obj).get("finalizers") or []):
        return Health("Progressing", "Pending deletion")
    group, _ = split_api_version(obj.get("apiVersion", ""))
    kind = obj.get("kind", "")
    rule = _RULES.get((group, kind)) or rule_for(group, kind)
    return rule(obj) if rule else None
