"""Who is alive beside us, and what we say about it."""

import pytest

from shipway.assembly.neighbours import FRESH_SECONDS, Neighbour, by_lease, by_workload
from shipway.base.clock import Instant, rfc3339_micro
from shipway.kube.objects.resource import Obj

NOW = Instant(1_790_000_000.0)


def workload(label: str, ready: int | None, kind: str = "Deployment") -> Obj:
    meta = {"namespace": "argo", "name": "controller", "labels": {"app.kubernetes.io/name": label}}
    return {"kind": kind, "metadata": meta, "status": {} if ready is None else {"readyReplicas": ready}}


def lease(name: str, holder: str | None, age: float | None) -> Obj:
    spec = {"holderIdentity": holder, "renewTime": None if age is None else rfc3339_micro(Instant(NOW - age))}
    return {"metadata": {"namespace": "argo", "name": name}, "spec": spec}


@pytest.mark.parametrize(
    ("found", "neighbours"),
    [
        (workload("argo-rollouts", 1), [("rollouts", "Argo Rollouts", "Deployment argo/controller is ready")]),
        (
            workload("argocd-application-controller", 2, "StatefulSet"),
            [("gitops", "Argo CD", "StatefulSet argo/controller is ready")],
        ),
        (workload("argo-rollouts", 0), []),
        (workload("argo-rollouts", None), []),
        (workload("argocd-server", 1), []),
        ({"metadata": {"name": "bare", "namespace": "argo"}}, []),
    ],
)
def test_a_controller_is_alive_when_a_replica_is_ready(found: Obj, neighbours: list[tuple[str, str, str]]) -> None:
    assert by_workload([found]) == [Neighbour(*one) for one in neighbours]


@pytest.mark.parametrize(
    ("found", "is_alive"),
    [
        (lease("argo-rollouts-controller-lock", "pod-1", 0.0), True),
        (lease("argo-rollouts-controller-lock", "pod-1", FRESH_SECONDS - 1), True),
        (lease("argo-rollouts-controller-lock", "pod-1", FRESH_SECONDS), False),
        (lease("argo-rollouts-controller-lock", "pod-1", -5.0), True),  # its clock runs ahead of ours
        (lease("argo-rollouts-controller-lock", "", 0.0), False),
        (lease("argo-rollouts-controller-lock", None, 0.0), False),
        (lease("argo-rollouts-controller-lock", "pod-1", None), False),
        (lease("shipway", "pod-1", 0.0), False),
        ({"metadata": {"name": "argo-rollouts-controller-lock", "namespace": "argo"}}, False),
    ],
)
def test_a_lease_is_alive_while_it_is_renewed(found: Obj, is_alive: bool) -> None:
    evidence = "Lease argo/argo-rollouts-controller-lock is held by pod-1"
    assert by_lease([found], NOW) == ([Neighbour("rollouts", "Argo Rollouts", evidence)] if is_alive else [])


def test_it_says_how_to_hand_over() -> None:
    assert Neighbour("gitops", "Argo CD", "StatefulSet argocd/controller is ready").advice == (
        "Argo CD is alive (StatefulSet argocd/controller is ready), so the engine gitops only reports. To hand its objects "
        "over, scale that controller to 0 replicas (or delete it) and start shipway run again."
    )
