"""A Rollout in the middle of a canary with everything below it, and an Application, as their engines write them."""

from collections.abc import Mapping, Sequence
from typing import Any

from shipway.base.clock import Instant, parse_rfc3339
from shipway.kube.objects.resource import Obj
from shipway.rollouts.view import Family

NOW: Instant = parse_rfc3339("2026-11-21T10:00:00Z")
STABLE, CANARY = "5747959bdb", "6cf78c66c5"
HASH_LABEL = "rollouts-pod-template-hash"
REVISION = "rollout.argoproj.io/revision"
STEPS = [{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {"duration": 10}}]


def template(tag: str) -> Obj:
    container = {"name": "web", "image": f"registry.example/web:{tag}"}
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}


def owned_by(kind: str, name: str, uid: str) -> list[Obj]:
    api_version = "apps/v1" if kind == "ReplicaSet" else "argoproj.io/v1alpha1"
    return [{"apiVersion": api_version, "kind": kind, "name": name, "uid": uid, "controller": True, "blockOwnerDeletion": True}]


def rollout(*, strategy: Mapping[str, Any] | None = None, **status: Any) -> Obj:
    """Five pods, paused at the second of four steps, unless `status` says otherwise."""
    paused = {
        "phase": "Paused", "message": "CanaryPauseStep", "currentStepIndex": 1, "stableRS": STABLE, "currentPodHash": CANARY,
        "pauseConditions": [{"reason": "CanaryPauseStep", "startTime": "2026-11-21T09:59:30Z"}], "controllerPause": True,
        "replicas": 5, "updatedReplicas": 1, "readyReplicas": 5, "availableReplicas": 5, "observedGeneration": "1",
    }  # fmt: skip
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {
            "name": "web", "namespace": "shop", "uid": "r1", "generation": 1, "creationTimestamp": "2026-11-21T09:00:00Z",
        },
        "spec": {
            "replicas": 5,
            "selector": {"matchLabels": {"app": "web"}},
            "template": template("v2"),
            "strategy": dict(strategy or {"canary": {"steps": STEPS}}),
        },
        "status": {**paused, **status},
    }  # fmt: skip


def replica_set(
    pod_hash: str, revision: int, tag: str, replicas: int, *, available: int | None = None, owner: str = "r1"
) -> Obj:
    count = replicas if available is None else available
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"web-{pod_hash}", "namespace": "shop", "uid": f"rs-{pod_hash}", "generation": 1,
            "creationTimestamp": f"2026-11-21T09:{revision}0:00Z", "labels": {"app": "web", HASH_LABEL: pod_hash},
            "annotations": {REVISION: str(revision)}, "ownerReferences": owned_by("Rollout", "web", "r1"),
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web", HASH_LABEL: pod_hash}},
            "template": {
                **template(tag), "metadata": {"labels": {"app": "web", HASH_LABEL: pod_hash}},
            },
        },
        "status": {"replicas": replicas, "readyReplicas": count, "availableReplicas": count, "observedGeneration": 1},
    }  # fmt: skip


def pod(pod_hash: str, suffix: str, *, reason: str = "", restarts: int = 0, owner: str = "") -> Obj:
    """A running pod; with `reason` one whose container waits for that."""
    state = {"waiting": {"reason": reason}} if reason else {"running": {"startedAt": "2026-11-21T09:50:00Z"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"web-{pod_hash}-{suffix}", "namespace": "shop", "uid": f"pod-{suffix}",
            "creationTimestamp": "2026-11-21T09:50:00Z", "labels": {"app": "web", HASH_LABEL: pod_hash},
            "ownerReferences": owned_by("ReplicaSet", f"web-{pod_hash}", owner or f"rs-{pod_hash}"),
        },
        "spec": {"containers": [{"name": "web", "image": "registry.example/web:v1"}]},
        "status": {
            "phase": "Pending" if reason else "Running",
            "containerStatuses": [{"name": "web", "ready": not reason, "restartCount": restarts, "state": state}],
        },
    }  # fmt: skip


def analysis_run(name: str, phase: str, **counts: int) -> Obj:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisRun",
        "metadata": {
            "name": name, "namespace": "shop", "uid": f"run-{name}", "creationTimestamp": "2026-11-21T09:59:00Z",
            "labels": {HASH_LABEL: CANARY}, "annotations": {REVISION: "2"}, "ownerReferences": owned_by("Rollout", "web", "r1"),
        },
        "spec": {"metrics": [{"name": "errors", "provider": {"web": {"url": "http://127.0.0.1:1/"}}}]},
        "status": {"phase": phase, "metricResults": [{"name": "errors", "phase": phase, **counts}]},
    }  # fmt: skip


def family(*, runs: Sequence[Obj] = (), **status: Any) -> Family:
    """The Rollout of `rollout` with four stable pods and one canary."""
    pods = [pod(STABLE, suffix) for suffix in ("aaaaa", "bbbbb")] + [pod(CANARY, "ccccc", restarts=2)]
    return Family(
        rollout(**status),
        [replica_set(STABLE, 1, "v1", 4), replica_set(CANARY, 2, "v2", 1)],
        pods,
        list(runs) or [analysis_run("web-6cf78c66c5-2", "Running", successful=4, failed=1)],
    )


def application(name: str = "shop", **status: Any) -> Obj:
    """Synced and Healthy with two objects, unless `status` says otherwise."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    synced = {
        "sync": {"status": "Synced", "revision": commit},
        "health": {"status": "Healthy"},
        "operationState": {
            "phase": "Succeeded", "message": "successfully synced (all tasks run)", "startedAt": "2026-11-21T09:57:00Z",
            "finishedAt": "2026-11-21T09:58:00Z", "operation": {"sync": {"revision": commit}},
            "syncResult": {
                "revision": commit,
                "resources": [
                    {
                        "group": "apps", "version": "v1", "kind": "Deployment", "namespace": "shop", "name": "web",
                        "status": "Synced", "message": "deployment.apps/web configured",
                    },
                ],
            },
        },
        "resources": [
            {"version": "v1", "kind": "Service", "namespace": "shop", "name": "web", "status": "Synced"},
            {
                "group": "apps", "version": "v1", "kind": "Deployment", "namespace": "shop", "name": "web",
                "status": "Synced", "health": {"status": "Healthy"},
            },
        ],
        "history": [
            {
                "id": 0, "revision": "f" * 40, "deployedAt": "2026-11-20T10:00:00Z", "source": {},
                "initiatedBy": {"automated": True},
            },
            {
                "id": 1, "revision": commit, "deployedAt": "2026-11-21T09:58:00Z", "source": {},
                "initiatedBy": {"username": "ann"},
            },
        ],
    }  # fmt: skip
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": "argocd", "creationTimestamp": "2026-11-19T10:00:00Z"},
        "spec": {
            "project": "default",
            "source": {"repoURL": "https://git.example/shop.git", "path": "web", "targetRevision": "main"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
            "syncPolicy": {"automated": {"prune": True, "selfHeal": True}},
        },
        "status": {**synced, **status},
    }


def experiment() -> Obj:
    """An Experiment that runs for an hour since ten minutes."""
    variants = [{"name": name, "template": template(tag)} for name, tag in (("old", "v1"), ("new", "v2"))]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Experiment",
        "metadata": {"name": "ab", "namespace": "shop", "uid": "e1"},
        "spec": {"duration": "1h", "templates": variants},
        "status": {"phase": "Running", "availableAt": "2026-11-21T09:50:00Z"},
    }
