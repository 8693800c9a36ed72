"""Is somebody else reconciling the same objects?

Two controllers on one object undo each other's work for ever. Beside a live Argo CD or Argo Rollouts (a controller that is to
have a replica, or a Lease that is being renewed) we write nothing to the objects that it reconciles and say how to hand them
over: Applications one by one (`gitops/handover.py`), all others with their controller.
"""

from collections.abc import Sequence
from contextlib import suppress

from msgspec import Struct

from shipway.api.kinds import DEPLOYMENTS, LEASES, STATEFUL_SETS
from shipway.base.clock import Instant, parse_rfc3339
from shipway.base.errors import Denied, NotFound
from shipway.gitops.handover import ARGO_CD_CONTROLLER, NAME_LABEL, sign_of_life
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, labels_of, name_of, namespace_of, spec_of

FRESH_SECONDS = 60.0
"""A Lease renewed longer ago than this is nobody's."""


class Neighbour(Struct, frozen=True):
    """A controller that is alive: `engine` is the one of ours that would fight it; `evidence` is what gave it away."""

    engine: str
    product: str
    evidence: str

    @property
    def is_handed_over_one_by_one(self) -> bool:
        return self.engine == "gitops"

    @property
    def advice(self) -> str:
        if self.is_handed_over_one_by_one:
            return (
                f"{self.product} is alive ({self.evidence}), so only Applications that were taken over from it are reconciled "
                f"(`shipway app takeover NAME`); the others are compared and reported on (/shadow)."
            )
        return (
            f"{self.product} is alive ({self.evidence}), so the engine {self.engine} only reports. To hand its objects over, "
            f"scale that controller to 0 replicas (or delete it) and start shipway run again."
        )


_CONTROLLERS = {
    ARGO_CD_CONTROLLER: ("gitops", "Argo CD"),
    "argocd-applicationset-controller": ("appsets", "the ApplicationSet controller of Argo CD"),
    "argo-rollouts": ("rollouts", "Argo Rollouts"),
}
_LEASES = {
    "argo-rollouts-controller-lock": ("rollouts", "Argo Rollouts"),
}


async def find_neighbours(client: Client, now: Instant) -> list[Neighbour]:
    """Everybody alive who would reconcile what our engines reconcile, one entry per engine and evidence."""
    workloads = await _workloads(client, *_CONTROLLERS)
    try:
        leases = (await client.list(LEASES)).items
    except NotFound:
        leases = []
    return [*by_workload(workloads), *by_lease(leases, now)]


async def application_controllers(client: Client) -> list[Obj]:
    """The workloads that an Argo CD's application controller may be, alive or not; [] where they may not be seen."""
    with suppress(Denied):
        return await _workloads(client, ARGO_CD_CONTROLLER)
    return []


async def _workloads(client: Client, *names: str) -> list[Obj]:
    """The Deployments and StatefulSets that are called one of these by their label."""
    found: list[Obj] = []
    for resource in (DEPLOYMENTS, STATEFUL_SETS):
        found += (await client.list(resource, label_selector=f"{NAME_LABEL} in ({','.join(names)})")).items
    return found


def by_workload(workloads: Sequence[Obj]) -> list[Neighbour]:
    """Controllers that may act."""
    found: list[Neighbour] = []
    for workload in workloads:
        known, sign = _CONTROLLERS.get(labels_of(workload).get(NAME_LABEL, "")), sign_of_life(workload)
        if known and sign:
            found.append(Neighbour(*known, sign))
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
