"""Who is alive beside us, and what we say about it."""

import pytest

from shipway.assembly.neighbours import FRESH_SECONDS, Neighbour, by_lease, by_workload
from shipway.base.clock import Instant, rfc3339_micro
from shipway.kube.objects.resource import Obj

NOW = Instant(1_790_000_000.0)


def workload(label: str, ready: int | None, kind: str = "Deployment") -> Obj:
    meta = {"namespace": "argo", "name": "controller", "labels": {"app.kubernetes.io/name": label}}
    wanted = 0 if ready is None else 1
    return {"kind": kind, "metadata": meta, "spec": {"replicas": wanted}, "status": {"readyReplicas": ready} if ready else {}}


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
        (workload("argo-rollouts", 0), [("rollouts", "Argo Rollouts", "Deployment argo/controller is to have a replica")]),
        (workload("argo-rollouts", None), []),
        (workload("argocd-server", 1), []),
        ({"metadata": {"name": "bare", "namespace": "argo"}}, []),
    ],
)
def test_a_controller_is_alive_as_long_as_it_is_to_have_a_replica(found: Obj, neighbours: list[tuple[str, str, str]]) -> None:
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
    assert Neighbour("rollouts", "Argo Rollouts", "Deployment argo/controller is ready").advice == (
        "Argo Rollouts is alive (Deployment argo/controller is ready), so the engine rollouts only reports. To hand its "
        "objects over, scale that controller to 0 replicas (or delete it) and start shipway run again."
    )
    assert Neighbour("gitops", "Argo CD", "StatefulSet argocd/controller is ready").advice == (
        "Argo CD is alive (StatefulSet argocd/controller is ready), so only Applications that were taken over from it are "
        "reconciled (`shipway app takeover NAME`); the others are compared and reported on (/shadow)."
    )
