"""Deployment, ReplicaSet, StatefulSet, DaemonSet, ReplicationController and HorizontalPodAutoscaler defaults."""

from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, copy_obj
from shipway.localcluster.apiserver.autoscaling import DEFAULT_CPU, METRICS, V1, cpu_metric
from shipway.localcluster.apiserver.defaults.pods import template


def _spec_with_template(obj: Obj) -> Obj:
    spec = obj.setdefault("spec", {})
    template(spec.setdefault("template", {}))
    return spec


def deployment(obj: Obj) -> None:
    spec = _spec_with_template(obj)
    spec.setdefault("replicas", 1)
    strategy = spec.setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)


def replica_set(obj: Obj) -> None:
    _spec_with_template(obj).setdefault("replicas", 1)


def replication_controller(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    if spec.get("template"):
        template(spec["template"])
        labels = (spec["template"].get("metadata") or {}).get("labels")
        if labels and not spec.get("selector"):
            spec["selector"] = dict(labels)
        if labels and not obj["metadata"].get("labels"):
            obj["metadata"]["labels"] = dict(labels)
    spec.setdefault("replicas", 1)


def stateful_set(obj: Obj) -> None:
    spec = _spec_with_template(obj)
    spec.setdefault("replicas", 1)
    spec.setdefault("podManagementPolicy", "OrderedReady")
    strategy = spec.setdefault("updateStrategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        strategy.setdefault("rollingUpdate", {}).setdefault("partition", 0)
    spec.setdefault("revisionHistoryLimit", 10)
    retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    retention.setdefault("whenDeleted", "Retain")
    retention.setdefault("whenScaled", "Retain")
    for claim in spec.get("volumeClaimTemplates") or []:
        claim.setdefault("kind", "PersistentVolumeClaim")
        claim.setdefault("apiVersion", "v1")
        claim.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
        claim["status"] = {"phase": "Pending"}


def daemon_set(obj: Obj) -> None:
    annotations = obj["metadata"].get("annotations") or {}
    obj["metadata"]["annotations"] = {"deprecated.daemonset.template.generation": "1", **annotations}
    spec = _spec_with_template(obj)
    strategy = spec.setdefault("updateStrategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)
    spec.setdefault("revisionHistoryLimit", 10)


def horizontal_pod_autoscaler(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("minReplicas", 1)
    if obj.get("apiVersion") == V1:
        if METRICS not in annotations_of(obj):
            spec.setdefault("targetCPUUtilizationPercentage", DEFAULT_CPU)
        return
    if not spec.get("metrics"):
        spec["metrics"] = [cpu_metric(DEFAULT_CPU)]
    if (behavior := spec.get("behavior")) is not None:
        for direction, rules in _SCALING_RULES.items():
            behavior[direction] = _scaling(behavior.get(direction) or {}, rules)


def _scaling(stated: Obj, rules: Obj) -> Obj:
    return copy_obj(rules) | {field: value for field, value in stated.items() if value is not None}


_SCALING_RULES: Obj = {
    "scaleUp": {
        "stabilizationWindowSeconds": 0,
        "selectPolicy": "Max",
        "policies": [
            {"type": "Pods", "value": 4, "periodSeconds": 15},
            {"type": "Percent", "value": 100, "periodSeconds": 15},
        ],
    },
    "scaleDown": {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]},
}
