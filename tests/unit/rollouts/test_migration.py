"""The steps between a Deployment and a Rollout, from what there is."""

import pytest

from shipway.kube.objects.resource import Obj
from shipway.rollouts.migration import Seen, back, obstacles, rollout_for, service_names_of, there

STRATEGY = {"canary": {"stableService": "web", "canaryService": "web-canary", "steps": [{"setWeight": 50}]}}


def deployment(count: int = 3, **status: int) -> Obj:
    labels = {"app": "web"}
    spec = {
        "replicas": count,
        "minReadySeconds": 5,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "web:v1"}]}},
    }
    counts = {"observedGeneration": 1, "replicas": count, "availableReplicas": count, **status}
    meta = {"name": "web", "namespace": "shop", "generation": 1}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec, "status": counts}


def rollout(phase: str = "Healthy", **meta: object) -> Obj:
    made = rollout_for(deployment(), STRATEGY)
    counts = {key: 3 for key in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "HPAReplicas")}
    told = {**counts, "stableRS": "abc", "currentPodHash": "abc", "observedGeneration": "1", "currentStepIndex": 1}
    if phase == "Progressing":
        told = {**told, "updatedReplicas": 1, "availableReplicas": 1}
    if phase == "Degraded":
        ended = {"type": "Progressing", "status": "False", "reason": "RolloutAborted", "message": "it was"}
        told |= {"abort": True, "currentPodHash": "def", "conditions": [ended]}
    return {**made, "metadata": {**made["metadata"], "generation": 1, **meta}, "status": told}


def service(name: str, *, taken: bool) -> Obj:
    selector = {"app": "web", **({"rollouts-pod-template-hash": "abc"} if taken else {})}
    notes = {"argo-rollouts.argoproj.io/managed-by-rollouts": "web"} if taken else {}
    return {"metadata": {"name": name, "annotations": notes}, "spec": {"selector": selector}}


FREE = tuple(service(name, taken=False) for name in ("web", "web-canary"))
TAKEN = tuple(service(name, taken=True) for name in ("web", "web-canary"))
SETS = ({"metadata": {"name": "web-abc"}},)


def test_the_rollout_takes_over_what_the_deployment_says() -> None:
    made = rollout_for(deployment(), None)
    assert made["spec"] == {
        "replicas": 3,
        "minReadySeconds": 5,
        "workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "scaleDown": "never"},
        "strategy": {"canary": {"maxSurge": 1, "maxUnavailable": 0}},
    }
    assert service_names_of(rollout_for(deployment(), STRATEGY)) == ("web", "web-canary")


@pytest.mark.proves("004-14", "004-15", "rehearsal:migration")
@pytest.mark.parametrize(
    ("seen", "act"),
    [
        (Seen(deployment(), None, FREE), "create"),
        (Seen(deployment(0), None, FREE), "stuck"),
        (Seen(deployment(), rollout("Progressing"), FREE), "wait"),
        (Seen(deployment(), rollout(), (TAKEN[0], FREE[1])), "wait"),
        (Seen(deployment(), rollout("Degraded"), FREE), "stuck"),
        (Seen(deployment(4), rollout(), TAKEN), "grow"),
        (Seen(deployment(), rollout(), TAKEN), "step-aside"),
        (Seen(deployment(2), rollout(), TAKEN), "step-aside"),
        (Seen(deployment(0, replicas=1), rollout(), TAKEN), "wait"),
        (Seen(deployment(0), rollout(), TAKEN), "done"),
    ],
)
def test_there(seen: Seen, act: str) -> None:
    """The Deployment keeps its pods until those of the Rollout answer, behind the Services too."""
    assert there(seen, rollout_for(deployment(), STRATEGY)).act == act


@pytest.mark.proves("001-33", "rehearsal:migration")
@pytest.mark.parametrize(
    ("seen", "act"),
    [
        (Seen(deployment(0), rollout(), TAKEN, SETS), "scale-up"),
        (Seen(deployment(3, availableReplicas=2), rollout(), TAKEN, SETS), "wait"),
        (Seen(deployment(3, observedGeneration=0), rollout(), TAKEN, SETS), "wait"),
        (Seen(deployment(), rollout(), TAKEN, SETS), "leave"),
        (Seen(deployment(), rollout(deletionTimestamp="2026-01-01T00:00:00Z"), TAKEN, SETS), "wait"),
        (Seen(deployment(), None, TAKEN, SETS), "free"),
        (Seen(deployment(), None, FREE, SETS), "remove"),
        (Seen(deployment(), None, FREE), "done"),
    ],
)
def test_back(seen: Seen, act: str) -> None:
    """The Rollout's pods stay until the Services know the Deployment's."""
    assert back(seen).act == act


def test_what_stands_in_the_way_says_what_to_do() -> None:
    wanted = rollout_for(deployment(), STRATEGY)
    scaler = {"metadata": {"name": "web"}, "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}}}
    other = {"metadata": {"name": "api"}, "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "api"}}}
    assert obstacles(deployment(), wanted, [other], "") == []
    (told,) = obstacles(deployment(), wanted, [scaler], "")
    assert told.startswith("HorizontalPodAutoscaler web scales web: delete it for the while")
    (told,) = obstacles(deployment(), wanted, [], "Application shop")
    assert "commit the Rollout that --dry-run -o yaml prints" in told
    foreign = {**wanted, "spec": {**wanted["spec"], "workloadRef": None}}
    assert "takes its pods from somewhere else" in obstacles(deployment(), foreign, [], "")[0]
