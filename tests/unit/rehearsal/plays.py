"""Strategies to rehearse."""

from typing import Any

import orjson

from shipway.kube.objects.resource import Obj
from shipway.rehearsal.performance import Play, rehearse
from shipway.rehearsal.recording import read_recording
from shipway.rehearsal.timeline import Timeline
from tests.unit.rollouts.rollout.sandbox import rollout

STEPS = ({"setWeight": 20}, {"pause": {"duration": "1m"}}, {"setWeight": 60}, {"pause": {"duration": "1m"}})
BACKGROUND = {"analysis": {"templates": [{"templateName": "health"}]}}


def template(**metric: Any) -> Obj:
    """One Prometheus metric `errors`, asked every ten seconds, that throws out more than 5 %."""
    body = {
        "name": "errors",
        "interval": "10s",
        "successCondition": "result[0] <= 0.05",
        "provider": {"prometheus": {"address": "http://prometheus.test", "query": "errors"}},
        **metric,
    }
    kind = {"apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisTemplate"}
    return {**kind, "metadata": {"name": "health"}, "spec": {"metrics": [body]}}


def play(*steps: Obj, series: Any = 0.01, rate: Any = 100, metric: Obj | None = None, **more: Any) -> Play:
    """A canary behind a route with a background analysis of `errors`."""
    recording = read_recording(orjson.dumps({"series": {"errors": series}, "requests_per_second": rate}).decode())
    settings = {"canary": BACKGROUND, **more.pop("spec", {})}
    return Play(rollout(*(steps or STEPS), routed=True, **settings), (template(**(metric or {})),), recording, **more)


def played(*steps: Obj, **more: Any) -> Timeline:
    return rehearse(play(*steps, **more))


def weights(timeline: Timeline) -> list[tuple[float, float]]:
    """(time, weight) wherever the weight changes."""
    found: list[tuple[float, float]] = []
    for one in timeline.moments:
        if not found or found[-1][1] != one.weight:
            found.append((one.at, one.weight))
    return found
