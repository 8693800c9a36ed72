"""Objects as the API server gives them, short enough to be read in a table."""

from typing import Any

from shipway.base.clock import Instant, rfc3339

Obj = dict[str, Any]
NOW = Instant(1_795_000_000.0)
LABELS = {"app": "web"}


def owner(kind: str, name: str = "web", uid: str = "", group: str = "apps/v1") -> Obj:
    return {
        "apiVersion": group,
        "kind": kind,
        "name": name,
        "uid": uid or f"{name}-uid",
        "controller": True,
        "blockOwnerDeletion": True,
    }


def meta(name: str, **more: Any) -> Obj:
    return {
        "name": name,
        "namespace": "default",
        "uid": f"{name}-uid",
        "resourceVersion": "1",
        "generation": 1,
        "creationTimestamp": rfc3339(NOW - 1000),
        "labels": dict(LABELS),
        **more,
    }


def template(image: str = "v1", **labels: str) -> Obj:
    return {"metadata": {"labels": {**LABELS, **labels}}, "spec": {"containers": [{"name": "c", "image": image}]}}


def pod(name: str, *, ready_for: float | None = 100.0, phase: str = "Running", owned_by: Obj | None = None, **more: Any) -> Obj:
    """A pod of ReplicaSet `web`; `ready_for` seconds, None: not ready. `more` overrides metadata."""
    node, cost = more.pop("node", "n1"), more.pop("cost", None)
    references = [] if owned_by == {} else [owned_by or owner("ReplicaSet")]
    made = meta(name, **{"ownerReferences": references, **more})
    if cost is not None:
        made["annotations"] = {"controller.kubernetes.io/pod-deletion-cost": str(cost)}
    conditions = []
    if ready_for is not None:
        conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": rfc3339(NOW - ready_for)}]
    status = {"phase": phase, "conditions": conditions, "podIP": "10.244.0.7"}
    spec: Obj = {"containers": [{"name": "c", "image": "v1", "ports": [{"name": "http", "containerPort": 8080}]}]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": made,
        "spec": {**spec, **({"nodeName": node} if node else {})},
        "status": status,
    }


def replica_set(name: str = "web", replicas: int = 3, image: str = "v1", **more: Any) -> Obj:
    """`available` and `spec` may be given; the rest overrides metadata."""
    available, spec = more.pop("available", None), more.pop("spec", {})
    counts = {} if available is None else {"replicas": replicas, "availableReplicas": available, "readyReplicas": available}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": meta(name, **more),
        "spec": {"replicas": replicas, "selector": {"matchLabels": LABELS}, "template": template(image), **spec},
        "status": {**counts, "observedGeneration": 1},
    }


def deployment(replicas: int = 3, image: str = "v1", **spec: Any) -> Obj:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta("web"),
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": LABELS},
            "template": template(image),
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "progressDeadlineSeconds": 600,
            "revisionHistoryLimit": 10,
            **spec,
        },
    }
