"""A Rollout with everything below it, as values: what `rollout get` shows and prints as JSON. Pure over the objects.

Phase and message are the Rollout's own as a client must read them (`client_phase`), weights and steps follow the status,
the state of a pod is kubectl's word for it. Read here by the command line and the dashboard alike.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from shipway.api.rollout import RolloutSpec, RolloutStatus, read_spec, read_status
from shipway.kube.objects.pod_summary import Summary
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import (
    annotations_of,
    condition_of,
    controller_of,
    dig,
    generation_of,
    labels_of,
    metadata,
    name_of,
    namespace_of,
    status_of,
    uid_of,
)
from shipway.rollouts.budget.pinned import in_force, pinned_of
from shipway.rollouts.budget.policy import told
from shipway.rollouts.rollout.names import HASH_LABEL, REVISION
from shipway.rollouts.rollout.phase import client_phase
from shipway.rollouts.rollout.replica_set import ReplicaSet, read_replica_set
from shipway.rollouts.rollout.spec import max_weight


class View(Struct, frozen=True, rename="camel"):
    """Printed as JSON with these fields; the list only grows."""


class Family(Struct, frozen=True):
    """A Rollout and the objects it may own: those of others in the same lists do no harm."""

    rollout: Obj
    replica_sets: Sequence[Obj] = ()
    pods: Sequence[Obj] = ()
    runs: Sequence[Obj] = ()


class PodView(View, frozen=True):
    """One pod; `status` is what `kubectl get pods` says."""

    name: str
    created: str
    status: str
    ready: str
    restarts: int


class RunView(View, frozen=True):
    """One AnalysisRun: how many measurements ended how."""

    name: str
    created: str
    phase: str
    message: str
    successful: int
    failed: int
    inconclusive: int
    error: int


class ReplicaSetView(View, frozen=True):
    """One ReplicaSet; `roles` are stable, canary, active, preview."""

    name: str
    created: str
    status: str
    roles: tuple[str, ...]
    desired: int
    available: int
    scale_down_at: str
    pods: tuple[PodView, ...]


class RevisionView(View, frozen=True):
    """What belongs to one revision."""

    number: int
    replica_sets: tuple[ReplicaSetView, ...]
    runs: tuple[RunView, ...]


class ImageView(View, frozen=True):
    """An image that runs, and the roles of the ReplicaSets that run it."""

    image: str
    roles: tuple[str, ...]


class Replicas(View, frozen=True):
    """Pods by state, as the Rollout's status counts them."""

    desired: int
    current: int
    updated: int
    ready: int
    available: int


class RolloutView(View, frozen=True):
    """A whole Rollout. Without canary steps `steps` is 0; weights are None for a blue-green one.

    `by_budget`: the strategy that the latest release took by what was left of its error budget, and why.
    """

    name: str
    namespace: str
    created: str
    phase: str
    message: str
    strategy: str
    step: int | None
    steps: int
    set_weight: int | None
    actual_weight: int | None
    images: tuple[ImageView, ...]
    replicas: Replicas
    revisions: tuple[RevisionView, ...]
    by_budget: str = ""


def view_of(family: Family) -> RolloutView:
    """Everything about a Rollout that can be shown."""
    rollout = family.rollout
    spec, status = typed(rollout)
    phase, message = phase_of(rollout)
    sets = [read_replica_set(obj) for obj in owned_by(rollout, family.replica_sets)]
    canary = spec.strategy.canary
    return RolloutView(
        name=name_of(rollout),
        namespace=namespace_of(rollout),
        created=created_at(rollout),
        phase=phase,
        message=message,
        strategy=strategy_of(spec),
        step=status.current_step_index if canary and canary.steps else None,
        steps=len(canary.steps) if canary else 0,
        set_weight=set_weight(spec, status),
        actual_weight=actual_weight(spec, status, sets),
        images=_images(spec, status, sets),
        replicas=_replicas(spec, status),
        revisions=_revisions(family, spec, status, sets),
        by_budget=_by_budget(rollout),
    )


def _by_budget(rollout: Obj) -> str:
    pinned = pinned_of(rollout)
    return f"{pinned.pace} ({told(pinned.known)})" if pinned is not None else ""


def typed(rollout: Obj) -> tuple[RolloutSpec, RolloutStatus]:
    """Spec and status; what cannot be read counts as not written, so that a broken Rollout can be looked at."""
    try:
        spec = read_spec(in_force(rollout))
    except ValueError:
        spec = RolloutSpec()
    try:
        return spec, read_status(rollout)
    except ValueError:
        return spec, RolloutStatus()


def phase_of(rollout: Obj) -> tuple[str, str]:
    """(phase, message) as clients show them."""
    try:
        return client_phase(generation_of(rollout), read_spec(in_force(rollout)), read_status(rollout))
    except ValueError as error:
        return dig(rollout, "status", "phase", default="Degraded"), dig(rollout, "status", "message", default=str(error))


def strategy_of(spec: RolloutSpec) -> str:
    if spec.strategy.blue_green is not None:
        return "BlueGreen"
    return "Canary" if spec.strategy.canary is not None else "-"


def set_weight(spec: RolloutSpec, status: RolloutStatus) -> int | None:
    """The share that the steps ask for now, in the router's unit; None for blue-green."""
    canary = spec.strategy.canary
    if canary is None:
        return None
    if status.abort and status.stable_rs != status.current_pod_hash:
        return 0
    index = status.current_step_index
    if index is None or index >= len(canary.steps):
        return max_weight(canary)
    weights = [step.set_weight for step in canary.steps[: index + 1] if step.set_weight is not None]
    return weights[-1] if weights else 0


def actual_weight(spec: RolloutSpec, status: RolloutStatus, sets: Sequence[ReplicaSet]) -> int | None:
    """The share the canary really has: what the router was told, or its part of the available pods."""
    canary = spec.strategy.canary
    if canary is None:
        return None
    if status.current_step_index is None or status.current_step_index >= len(canary.steps):
        return max_weight(canary)
    if canary.traffic_routing is not None:
        return status.canary.weights.canary.weight if status.canary.weights else 0
    new = sum(rs.available for rs in sets if rs.hash == status.current_pod_hash)
    return new * 100 // status.available_replicas if status.available_replicas else 0


def roles_of(pod_hash: str, spec: RolloutSpec, status: RolloutStatus) -> tuple[str, ...]:
    """What a ReplicaSet is to its Rollout: stable, canary, active, preview."""
    is_stable = bool(pod_hash) and pod_hash == status.stable_rs
    stable = ("stable",) if is_stable else ()
    if spec.strategy.blue_green is not None:
        active = pod_hash == status.blue_green.active_selector
        preview = pod_hash == status.blue_green.preview_selector and not active
        return stable + (("active",) if active else ()) + (("preview",) if preview else ())
    return stable or (("canary",) if pod_hash and pod_hash == status.current_pod_hash else ())


def replica_set_status(rs: ReplicaSet) -> str:
    """Healthy, Progressing, Degraded or ScaledDown."""
    if rs.replicas == 0:
        return "ScaledDown"
    observed = status_of(rs.obj).get("observedGeneration") or 0
    failure = condition_of(rs.obj, "ReplicaFailure")
    if observed >= generation_of(rs.obj) and failure and failure.get("status") == "True":
        return "Degraded"
    return "Progressing" if observed < generation_of(rs.obj) or rs.available < rs.replicas else "Healthy"


def _replicas(spec: RolloutSpec, status: RolloutStatus) -> Replicas:
    return Replicas(
        desired=1 if spec.replicas is None else spec.replicas,
        current=status.replicas,
        updated=status.updated_replicas,
        ready=status.ready_replicas,
        available=status.available_replicas,
    )


def _images(spec: RolloutSpec, status: RolloutStatus, sets: Sequence[ReplicaSet]) -> tuple[ImageView, ...]:
    """Images of ReplicaSets with pods, stable ones first."""
    roles: dict[str, dict[str, None]] = {}
    running = [rs for rs in sets if rs.replicas or rs.current]
    for rs in sorted(running, key=lambda rs: (rs.hash != status.stable_rs, -rs.revision)):
        for container in dig(rs.obj, "spec", "template", "spec", "containers", default=[]):
            image = roles.setdefault(container.get("image") or "", {})
            image.update(dict.fromkeys(roles_of(rs.hash, spec, status)))
    return tuple(ImageView(image, tuple(found)) for image, found in roles.items())


def _revisions(
    family: Family, spec: RolloutSpec, status: RolloutStatus, sets: Sequence[ReplicaSet]
) -> tuple[RevisionView, ...]:
    """Newest first."""
    of_hash = {rs.hash: rs.revision for rs in sets}
    runs: dict[int, list[Obj]] = {}
    for run in owned_by(family.rollout, family.runs):
        stated = annotations_of(run).get(REVISION, "")
        number = int(stated) if stated.isdigit() else of_hash.get(labels_of(run).get(HASH_LABEL, ""), 0)
        runs.setdefault(number, []).append(run)
    numbers = sorted({rs.revision for rs in sets} | set(runs), reverse=True)
    return tuple(
        RevisionView(
            number=number,
            replica_sets=tuple(
                replica_set_view(rs, family.pods, roles_of(rs.hash, spec, status)) for rs in sets if rs.revision == number
            ),
            runs=tuple(run_view(run) for run in sorted(runs.get(number, ()), key=_by_age)),
        )
        for number in numbers
    )


def replica_set_view(rs: ReplicaSet, pods: Iterable[Obj], roles: tuple[str, ...]) -> ReplicaSetView:
    """A ReplicaSet with those of the pods that are its own."""
    return ReplicaSetView(
        name=rs.name,
        created=rs.created,
        status=replica_set_status(rs),
        roles=roles,
        desired=rs.replicas,
        available=rs.available,
        scale_down_at=rs.deadline or "",
        pods=tuple(_pod(pod) for pod in sorted(owned_by(rs.obj, pods), key=_by_age)),
    )


def _pod(pod: Obj) -> PodView:
    summary = Summary(pod)
    return PodView(name_of(pod), created_at(pod), summary.reason, f"{summary.ready}/{summary.total}", summary.restarts)


def run_view(run: Obj) -> RunView:
    """An AnalysisRun with its measurements counted."""
    status = status_of(run)
    results = status.get("metricResults") or []
    counts = [sum(result.get(key) or 0 for result in results) for key in ("successful", "failed", "inconclusive", "error")]
    return RunView(name_of(run), created_at(run), status.get("phase") or "Pending", status.get("message") or "", *counts)


def owned_by(owner: Obj, objects: Iterable[Obj]) -> list[Obj]:
    """Those of `objects` that `owner` controls."""
    return [obj for obj in objects if (controller_of(obj) or {}).get("uid") == uid_of(owner)]


def created_at(obj: Obj) -> str:
    """Its creationTimestamp, "" before it has one."""
    return metadata(obj).get("creationTimestamp") or ""


def _by_age(obj: Obj) -> tuple[str, str]:
    return created_at(obj), name_of(obj)
