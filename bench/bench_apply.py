"""Server-side apply of a Deployment with five containers, pure: no server, no store, no JSON.

Three figures: an apply that changes one image, one that changes nothing, and the look at ownership that replaces a diff.
"""

import time
from collections.abc import Callable
from typing import Any

from shipway.base.clock import Instant
from shipway.kube.objects.apply import Writer, server_side_apply
from shipway.kube.objects.field_sets import covers
from shipway.kube.objects.schema import builtin_schema

ROUNDS = 300


def run() -> dict[str, float]:
    """Applies and looks per second, the best of three rounds each."""
    schema = builtin_schema("apps", "v1", "Deployment")
    assert schema is not None
    first, second = Writer("shipway", "apps/v1", schema, Instant(1)), Writer("shipway", "apps/v1", schema, Instant(2))
    live = server_side_apply(None, deployment("1"), first, finish=lambda obj: obj)
    same, other = deployment("1"), deployment("2")
    entry = live["metadata"]["managedFields"][0]["fieldsV1"]
    assert covers(entry, same)
    return {
        "changes_per_s": _rate(lambda: server_side_apply(live, other, second, finish=lambda obj: obj)),
        "repeats_per_s": _rate(lambda: server_side_apply(live, same, second, finish=lambda obj: obj)),
        "looks_per_s": _rate(lambda: covers(entry, same)),
    }


def _rate(act: Callable[[], Any]) -> float:
    best = float("inf")
    for _ in range(3):
        begun = time.perf_counter()
        for _ in range(ROUNDS):
            act()
        best = min(best, time.perf_counter() - begun)
    return round(ROUNDS / best)


def deployment(tag: str) -> dict[str, Any]:
    """Five containers with six variables, a port, a probe, limits and a mount each."""
    labels = {"app": "web"}
    spec = {"containers": [_container(number, tag) for number in range(5)], "volumes": [{"name": "v", "emptyDir": {}}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default", "labels": labels},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def _container(number: int, tag: str) -> dict[str, Any]:
    return {
        "name": f"c{number}",
        "image": f"shop/c{number}:{tag}",
        "env": [{"name": f"E{variable}", "value": "v"} for variable in range(6)],
        "ports": [{"containerPort": 8080 + number}],
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "100m", "memory": "1Gi"}},
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 5},
        "volumeMounts": [{"name": "v", "mountPath": "/v"}],
    }
