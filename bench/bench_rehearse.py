"""A thousand variants of a strategy rehearsed, on all cores; and two hours of virtual time in one rehearsal.

A variant is other weights, pauses, thresholds and limits over the same figures, in which the new version goes wrong. Every
rehearsal is a whole update with a measurement a minute.
"""

import itertools
import os
import time
from concurrent.futures import ProcessPoolExecutor

from shipway.kube.objects.resource import Obj
from shipway.rehearsal.performance import Play, rehearse
from shipway.rehearsal.recording import read_recording

VARIANTS = 1000
KIND = {"apiVersion": "argoproj.io/v1alpha1"}
WEIGHTS = ((5, 30), (10, 50), (20, 60), (1, 10), (25, 75))
PAUSES, LIMITS, THRESHOLDS = (5, 8, 10, 12, 15), range(5), (0.01, 0.02, 0.05, 0.08, 0.1, 0.15, 0.2, 0.4)
ERRORS = '{"errors": {"ramp": {"start": "5m", "end": "30m", "from": 0.001, "to": 0.3}}}'
RECORDED = f'{{"series": {ERRORS}, "requests_per_second": 100}}'


def play(weights: tuple[int, int], minutes: int, limit: int, threshold: float, interval: str = "1m") -> Play:
    metric = {
        "name": "errors",
        "interval": interval,
        "failureLimit": limit,
        "successCondition": f"result[0] <= {threshold}",
        "provider": {"prometheus": {"address": "http://p", "query": "errors"}},
    }
    meta = {"name": "errors", "namespace": "shop"}
    template = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisTemplate",
        "metadata": meta,
        "spec": {"metrics": [metric]},
    }
    steps: list[Obj] = [step for weight in weights for step in ({"setWeight": weight}, {"pause": {"duration": f"{minutes}m"}})]
    labels = {"app": "web"}
    canary = {
        "stableService": "web-stable",
        "canaryService": "web-canary",
        "trafficRouting": {"plugins": {"argoproj-labs/gatewayAPI": {"httpRoute": "web", "namespace": "shop"}}},
        "analysis": {"templates": [{"templateName": "errors"}]},
        "steps": steps,
    }
    spec = {
        "replicas": 10,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "web:v1"}]}},
        "strategy": {"canary": canary},
    }
    rollout = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": spec,
    }
    return Play(rollout, (template,), read_recording(RECORDED))


def rehearsed(variant: tuple[tuple[int, int], int, int, float]) -> tuple[bool, float]:
    """Whether the new version is thrown out, and the CPU seconds of finding out."""
    begun = time.process_time()
    return rehearse(play(*variant)).is_caught, time.process_time() - begun


def run() -> dict[str, float]:
    variants = list(itertools.product(WEIGHTS, PAUSES, LIMITS, THRESHOLDS))
    assert len(variants) == VARIANTS
    begun = time.perf_counter()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        done = list(pool.map(rehearsed, variants, chunksize=25))
    seconds = time.perf_counter() - begun
    begun = time.perf_counter()
    seen = rehearse(play((10, 50), 60, 0, 1.0))
    return {
        "variants_1000_s": seconds,
        "variants_1000_cpu_s": sum(cpu for _, cpu in done),
        "variants_caught": float(sum(is_caught for is_caught, _ in done)),
        "two_hours_s": time.perf_counter() - begun,
        "two_hours_measurements": float(len(seen.measurements)),
    }
