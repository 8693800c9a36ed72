"""Is somebody else reconciling the same objects?

Two controllers on one object undo each other's work for ever. Beside a live Argo CD or Argo Rollouts (a ready controller,
or a Lease that is being renewed) we write nothing to the objects that it reconciles and say how to hand them over.
"""

from collections.abc import Sequence

from msgspec import Struct

from shipway.api.kinds import DEPLOYMENTS, LEASES
from shipway.base.clock import Instant, parse_rfc3339
from shipway.base.errors import NotFound
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import dig, labels_of, name_of, namespace_of, spec_of, status_of

STATEFUL_SETS = Resource("apps", "v1", "StatefulSet", "statefulsets")
NAME_LABEL = "app.kubernetes.io/name"
FRESH_SECONDS = 60.0
"""A Lease renewed longer ago than this is nobody's."""


class Neighbour(Struct, frozen=True):
    """A controller that is alive: `engine` is the one of ours that would fight it; `evidence` is what gave it away."""

    engine: str
    product: str
    evidence: str

    @property
    def advice(self) -> str:
        return (
            f"{self.product} is alive ({self.evidence}), so the engine {self.engine} only reports. To hand its objects over, "
            f"scale that controller to 0 replicas (or delete it) and start shipway run again."
        )


_CONTROLLERS = {
    "argocd-application-controller": ("gitops", "Argo CD"),
    "argocd-applicationset-controller": ("appsets", "the ApplicationSet controller of Argo CD"),
    "argo-rollouts": ("rollouts", "Argo Rollouts"),
}
_LEASES = {
    "argo-rollouts-controller-lock": ("rollouts", "Argo Rollouts"),
}


async def find_neighbours(client: Client, now: Instant) -> list[Neighbour]:
    """Everybody alive who would reconcile what our engines reconcile, one entry per engine and evidence."""
    selector = f"{NAME_LABEL} in ({','.join(_CONTROLLERS)})"
    workloads: list[Obj] = []
    for resource in (DEPLOYMENTS, STATEFUL_SETS):
        workloads += (await client.list(resource, label_selector=selector)).items
    try:
        leases = (await client.list(LEASES)).items
    except NotFound:
        leases = []
    return [*by_workload(workloads), *by_lease(leases, now)]


def by_workload(workloads: Sequence[Obj]) -> list[Neighbour]:
    """Controllers with a ready replica."""
    found: list[Neighbour] = []
    for workload in workloads:
        known = _CONTROLLERS.get(labels_of(workload).get(NAME_LABEL, ""))
        if known and (status_of(workload).get("readyReplicas") or 0) > 0:
            found.append(
                Neighbour(*known, f"{workload.get('kind') or 'workload'} {namespace_of(workload)}/{name_of(workload)} is ready")
            )
    return found


def by_lease(leases: Sequence[Obj], now: Instant) -> list[Neighbour]:
    """Leases that are held and were renewed a short while ago."""
    found: list[Neighbour] = []
    for lease in leases:
        known = _LEASES.get(name_of(lease))
        holder, renewed = spec_of(lease).get("holderIdentity"), dig(lease, "spec", "renewTime")
        if known and holder and renewed and now - parse_rfc3339(renewed) < FRESH_SECONDS:
            found.append(Neighbour(*known, f"Lease {namespace_of(lease)}/{name_of(lease)} is held by {holder}"))
    return found
