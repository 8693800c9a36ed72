"""From a live Deployment to a Rollout and back, one step at a time, with no request lost.

The Rollout takes its pods from the Deployment (`workloadRef`) and starts them beside it; the users' Services keep sending to
both, since a Service is taken over only once everything behind it is available. Then the Deployment steps aside. It stays, with
no pods, as the place where the template is written.

What is edited on the way is not lost: a new template is the Rollout's from then on, and the Deployment does not step aside for
fewer pods than it has.

Where it stands is read from the objects alone, so whoever is killed in the middle is followed by whoever asks again. The way
back leaves the Rollout's pods at work without their Rollout until the Services know all pods again.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

from shipway.api.kinds import DEPLOYMENTS, ROLLOUTS
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import (
    annotations_of,
    dig,
    generation_of,
    is_deleting,
    name_of,
    namespace_of,
    spec_of,
    status_of,
)
from shipway.rollouts.rollout.facts import status_of_rollout
from shipway.rollouts.rollout.names import HASH_LABEL, MANAGED_BY
from shipway.rollouts.rollout.observe import service_names
from shipway.rollouts.rollout.phase import client_phase
from shipway.rollouts.rollout.spec import Invalid, parse
from shipway.rollouts.why import why

Act = Literal["create", "grow", "step-aside", "scale-up", "leave", "free", "remove", "wait", "stuck", "done"]


class Seen(Struct, frozen=True):
    """What there is. `services`: of the namespace; `made`: the ReplicaSets that the Rollout made, whoever has them now."""

    deployment: Obj
    rollout: Obj | None = None
    services: Sequence[Obj] = ()
    made: Sequence[Obj] = ()


class Step(Struct, frozen=True):
    """What is to be done next, to which objects, and how a person is told."""

    act: Act
    says: str
    objs: tuple[Obj, ...] = ()


def rollout_for(deployment: Obj, strategy: Obj | None) -> Obj:
    """The Rollout that takes the Deployment's place; without a strategy it updates as the Deployment did."""
    spec = spec_of(deployment)
    rolling = dig(spec, "strategy", "rollingUpdate", default={})
    taken = ("minReadySeconds", "progressDeadlineSeconds", "revisionHistoryLimit")
    return {
        "apiVersion": ROLLOUTS.api_version,
        "kind": ROLLOUTS.kind,
        "metadata": {"name": name_of(deployment), "namespace": namespace_of(deployment)},
        "spec": {
            "replicas": replicas_of(deployment),
            **{key: spec[key] for key in taken if key in spec},
            "workloadRef": {**_reference(deployment), "scaleDown": "never"},
            "strategy": strategy or {"canary": dict(rolling)},
        },
    }


def obstacles(deployment: Obj, rollout: Obj, autoscalers: Iterable[Obj], tracked_by: str) -> list[str]:
    """Why it cannot begin; each says what to do. `rollout` is the one that would be made, or is there."""
    name = name_of(deployment)
    found: list[str] = []
    if tracked_by:
        found.append(
            f"{name} comes from Git ({tracked_by}), which would bring it back: commit the Rollout that --dry-run -o yaml "
            "prints, with workloadRef.scaleDown: onsuccess, and leave the Deployment where it is"
        )
    for scaler in autoscalers:
        target = dig(scaler, "spec", "scaleTargetRef", default={})
        if (target.get("kind"), target.get("name")) == (DEPLOYMENTS.kind, name):
            told = f"point its scaleTargetRef at {ROLLOUTS.api_version} Rollout {name} afterwards"
            found.append(f"HorizontalPodAutoscaler {name_of(scaler)} scales {name}: delete it for the while, {told}")
    if dig(rollout, "spec", "workloadRef", "name") != name or dig(rollout, "spec", "workloadRef", "kind") != DEPLOYMENTS.kind:
        found.append(f"Rollout {name_of(rollout)} is there already and takes its pods from somewhere else")
    return found


def there(seen: Seen, wanted: Obj) -> Step:
    """The next step to the Rollout `wanted`."""
    name, rollout = name_of(seen.deployment), seen.rollout
    if rollout is None:
        if replicas_of(seen.deployment) == 0:
            return Step("stuck", f"Deployment {name} has no pods: scale it up, or create the Rollout yourself")
        told = f"creating Rollout {name}: {replicas_of(seen.deployment)} pods beside the Deployment's"
        return Step("create", told, (wanted,))
    phase = _phase(rollout)
    if phase == "Degraded":
        return Step("stuck", why(rollout))
    pending = [one for one in service_names_of(rollout) if not _is_switched(seen, one)]
    if phase != "Healthy" or pending:
        return Step("wait", f"waiting for Services {', '.join(pending)}" if phase == "Healthy" else why(rollout))
    if replicas_of(seen.deployment) > (wants := spec_of(rollout).get("replicas", 1)):
        told = f"Rollout {name}: {wants} -> {replicas_of(seen.deployment)} pods, as the Deployment was scaled up meanwhile"
        return Step("grow", told, (seen.deployment, rollout))
    if replicas_of(seen.deployment) > 0:
        told = f"Deployment {name} steps aside: {replicas_of(seen.deployment)} -> 0 pods"
        return Step("step-aside", told, (seen.deployment,))
    if status_of(seen.deployment).get("replicas"):
        return Step("wait", f"waiting for the last pods of Deployment {name}")
    return Step("done", f"Rollout {name} has taken over; the Deployment stays without pods, and its template counts")


def back(seen: Seen) -> Step:
    """The next step back to the Deployment alone."""
    name, deployment, rollout = name_of(seen.deployment), seen.deployment, seen.rollout
    if rollout is not None and is_deleting(rollout):
        return Step("wait", f"waiting until Rollout {name} is gone")
    if rollout is not None:
        wanted = spec_of(rollout).get("replicas", 1)
        if replicas_of(deployment) < wanted:
            return Step("scale-up", f"Deployment {name}: {replicas_of(deployment)} -> {wanted} pods", (deployment, rollout))
        if (status_of(deployment).get("availableReplicas") or 0) < wanted or not _is_observed(deployment):
            return Step("wait", f"waiting for {wanted} available pods of Deployment {name}")
        return Step("leave", f"Rollout {name} goes; its pods stay for the moment", (rollout,))
    taken = tuple(one for one in seen.services if annotations_of(one).get(MANAGED_BY) == name)
    if taken:
        return Step("free", f"Services {', '.join(map(name_of, taken))} send to all pods again", taken)
    if seen.made:
        return Step("remove", "what the Rollout made goes, with its pods", tuple(seen.made))
    return Step("done", f"Deployment {name} is alone again")


def service_names_of(rollout: Obj) -> tuple[str, ...]:
    """The Services that a Rollout switches."""
    spec = parse(rollout)
    return () if isinstance(spec, Invalid) else service_names(spec)


def replicas_of(deployment: Obj) -> int:
    return spec_of(deployment).get("replicas", 1)


def _reference(deployment: Obj) -> Obj:
    return {"apiVersion": DEPLOYMENTS.api_version, "kind": DEPLOYMENTS.kind, "name": name_of(deployment)}


def _phase(rollout: Obj) -> str:
    spec = parse(rollout)
    if isinstance(spec, Invalid):
        return "Degraded"
    return client_phase(generation_of(rollout), spec, status_of_rollout(rollout))[0]


def _is_switched(seen: Seen, name: str) -> bool:
    service = next((one for one in seen.services if name_of(one) == name), {})
    return HASH_LABEL in (spec_of(service).get("selector") or {})


def _is_observed(deployment: Obj) -> bool:
    return status_of(deployment).get("observedGeneration", 0) >= generation_of(deployment)
