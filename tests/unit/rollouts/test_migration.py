"""The steps between a Deployment and a Rollout, from what there is."""

import pytest

from shipway.kube.objects.patches import merge_patch
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of
from shipway.rollouts.migration import (
    Behind,
    Seen,
    back,
    behind,
    given_up,
    obstacles,
    rollout_for,
    selecting,
    service_names_of,
    taken_up,
    there,
)

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


def left(generation: int = 1, reaches: str = "") -> Obj:
    """A Rollout that has given up its strategy."""
    made = rollout()
    patched = merge_patch(made, given_up(made))
    notes = annotations_of(patched) | ({"shipway.dev/reaches": reaches} if reaches else {})
    return {**patched, "metadata": {**patched["metadata"], "generation": generation, "annotations": notes}}


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


@pytest.mark.parametrize("strategy", [STRATEGY, {"blueGreen": {"activeService": "web"}}, {"canary": {}}])
def test_a_strategy_that_was_given_up_is_taken_up_again(strategy: Obj) -> None:
    before = rollout_for(deployment(), strategy)
    without = merge_patch(before, given_up(before))
    assert without["spec"]["strategy"] == {"canary": {}}
    again = merge_patch(without, taken_up(without))
    assert again["spec"] == before["spec"]
    assert not annotations_of(again)


@pytest.mark.proves("004-14", "004-15", "rehearsal:migration")
@pytest.mark.parametrize(
    ("seen", "act"),
    [
        (Seen(deployment(), None, FREE), "create"),
        (Seen(deployment(0), None, FREE), "stuck"),
        (Seen(deployment(), rollout("Progressing"), FREE), "wait"),
        (Seen(deployment(), rollout(), (TAKEN[0], FREE[1])), "wait"),
        (Seen(deployment(), rollout("Degraded"), FREE), "stuck"),
        (Seen(deployment(), left(), FREE), "hold"),
        (Seen(deployment(4), rollout(), TAKEN), "grow"),
        (Seen(deployment(), rollout(), TAKEN, behind={"web": Behind(3, 2)}), "wait"),
        (Seen(deployment(), rollout(), TAKEN, behind={"web": Behind(0, 3), "all": Behind(3, 0)}), "wait"),
        (Seen(deployment(), rollout(), TAKEN, behind={"web": Behind(0, 3), "all": Behind(3, 3)}), "step-aside"),
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
        (Seen(deployment(), rollout(), TAKEN, SETS), "let-go"),
        (Seen(deployment(), left(generation=2), FREE, SETS), "wait"),
        (Seen(deployment(), left(reaches="{}"), FREE, SETS), "wait"),
        (Seen(deployment(), left(), TAKEN, SETS), "wait"),
        (Seen(deployment(), left(), FREE, SETS, {"web": Behind(2, 3)}), "wait"),
        (Seen(deployment(), left(), FREE, SETS, {"web": Behind(3, 3)}), "leave"),
        (Seen(deployment(), rollout(deletionTimestamp="2026-01-01T00:00:00Z"), TAKEN, SETS), "wait"),
        (Seen(deployment(), None, TAKEN, SETS), "free"),
        (Seen(deployment(), None, FREE, SETS, {"web": Behind(2, 3)}), "wait"),
        (Seen(deployment(), None, FREE, SETS, {"web": Behind(3, 3)}), "remove"),
        (Seen(deployment(), None, FREE), "done"),
    ],
)
def test_back(seen: Seen, act: str) -> None:
    """The Rollout's pods stay until the Services know the Deployment's."""
    assert back(seen).act == act


def endpoint(name: str, *, ready: bool | None = True) -> Obj:
    return {"targetRef": {"kind": "Pod", "name": name}, "conditions": {} if ready is None else {"ready": ready}}


def test_whom_a_service_sends_to_is_read_from_its_slices() -> None:
    """What its selector says is news to gateways only once it stands in the slices."""
    pods = [{"metadata": {"name": name, "labels": {"app": "web"}}} for name in ("d1", "d2")]
    pods += [
        {"metadata": {"name": name, "labels": {"app": "web", "rollouts-pod-template-hash": "abc"}}} for name in ("r1", "r2")
    ]
    lists = {
        "web": [[endpoint("d1"), endpoint("d2", ready=False)], [endpoint("d1"), endpoint("r1", ready=None)]],
        "web-canary": [[endpoint("r1"), endpoint("r2"), endpoint("somebody-else")]],
    }
    slices = [
        {"metadata": {"labels": {"kubernetes.io/service-name": name}}, "endpoints": endpoints}
        for name, found in lists.items()
        for endpoints in found
    ]
    found = behind([TAKEN[0], FREE[1], service("new", taken=False)], slices, pods)
    assert found == {"web": Behind(1, 1), "web-canary": Behind(0, 2), "new": Behind(0, 0)}


def test_only_services_that_can_come_to_send_to_all_pods_are_waited_for() -> None:
    """Not that of an experiment, one without pods, one for other pods, a mere name."""
    trial = {"metadata": {"name": "trial"}, "spec": {"selector": {"app": "web", "rollouts-pod-template-hash": "def"}}}
    blind = {"metadata": {"name": "blind"}, "spec": {}}
    other = {"metadata": {"name": "other"}, "spec": {"selector": {"app": "web", "tier": "back"}}}
    named = {"metadata": {"name": "named"}, "spec": {"selector": {"app": "web"}, "type": "ExternalName"}}
    assert selecting(deployment(), [TAKEN[0], FREE[1], trial, blind, other, named]) == [TAKEN[0], FREE[1]]


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
