"""From a live Deployment to a Rollout and back, one step at a time, with no request lost.

The Rollout takes its pods from the Deployment (`workloadRef`) and starts them beside it; the users' Services keep sending to
both, since a Service is taken over only once everything behind it is available. Then the Deployment steps aside. It stays, with
no pods, as the place where the template is written.

No pod goes before those that take its place stand in the EndpointSlices of every Service that selects it: gateways and nodes
send to what stands there, and it is written some time after the Service.

What is edited on the way is not lost: a new template is the Rollout's from then on, and the Deployment does not step aside for
fewer pods than it has.

On the way back the Rollout first gives up its strategy, remembered in an annotation: its engine leaves Services and routes in
order while its pods are at work. It goes last, since a Deployment takes pods without an owner for old ones of its own, and ends
them.

Where it stands is read from the objects alone, so whoever is killed in the middle is followed by whoever asks again.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import orjson
from msgspec import Struct

from shipway.api.kinds import DEPLOYMENTS, ROLLOUTS
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.selectors import matches_labels
from shipway.kube.objects.views import (
    annotations_of,
    dig,
    generation_of,
    is_deleting,
    labels_of,
    name_of,
    namespace_of,
    spec_of,
    status_of,
)
from shipway.rollouts.rollout.facts import status_of_rollout
from shipway.rollouts.rollout.names import HASH_LABEL, MANAGED_BY, REACHES
from shipway.rollouts.rollout.observe import service_names
from shipway.rollouts.rollout.phase import client_phase
from shipway.rollouts.rollout.spec import Invalid, parse
from shipway.rollouts.why import why

POD_TEMPLATE_HASH = "pod-template-hash"
SERVICE_NAME = "kubernetes.io/service-name"
"""The label of an EndpointSlice that says whose it is."""

Act = Literal["create", "hold", "grow", "step-aside", "scale-up", "let-go", "leave", "free", "remove", "wait", "stuck", "done"]
STRATEGY_BEFORE = "shipway.dev/strategy-before-migration"
"""On a Rollout that is on its way out: the strategy that it had, as JSON."""


class Behind(Struct, frozen=True):
    """To how many pods of each a Service sends, as its EndpointSlices say."""

    deployment: int = 0
    rollout: int = 0


class Seen(Struct, frozen=True):
    """What there is. `services`: of the namespace; `made`: the ReplicaSets that the Rollout made, whoever has them now;
    `behind`: by the names of the Services that select the pods."""

    deployment: Obj
    rollout: Obj | None = None
    services: Sequence[Obj] = ()
    made: Sequence[Obj] = ()
    behind: Mapping[str, Behind] = {}


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
    if STRATEGY_BEFORE in annotations_of(rollout):
        return Step("hold", f"Rollout {name} takes up its strategy again", (rollout,))
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
        if late := [one for one, found in seen.behind.items() if found.rollout < wants]:
            return Step("wait", f"waiting until Services {', '.join(late)} send to all pods of Rollout {name}")
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
        return _parted(seen, rollout)
    if held := held_services(seen):
        return Step("free", f"Services {', '.join(map(name_of, held))} send to all pods again", held)
    if seen.made:
        if late := _late(seen):
            return late
        return Step("remove", "what the Rollout made goes, with its pods", tuple(seen.made))
    return Step("done", f"Deployment {name} is alone again")


def _parted(seen: Seen, rollout: Obj) -> Step:
    """The Rollout ends when nothing leads to its pods alone."""
    name = name_of(rollout)
    if STRATEGY_BEFORE not in annotations_of(rollout):
        return Step("let-go", f"Rollout {name} lets go of its Services and routes", (rollout,))
    is_observed = status_of(rollout).get("observedGeneration") == str(generation_of(rollout))
    if not is_observed or annotations_of(rollout).get(REACHES) or held_services(seen):
        return Step("wait", f"waiting until Rollout {name} has let go of its Services and routes")
    return _late(seen) or Step("leave", f"Rollout {name} goes, with its pods", (rollout,))


def _late(seen: Seen) -> Step | None:
    """That some Service does not send to all pods of the Deployment yet."""
    late = [one for one, found in seen.behind.items() if found.deployment < replicas_of(seen.deployment)]
    told = f"waiting until Services {', '.join(late)} send to all pods of Deployment {name_of(seen.deployment)}"
    return Step("wait", told) if late else None


def given_up(rollout: Obj) -> Obj:
    """The merge patch that takes the strategy from a Rollout, and remembers it."""
    strategy: Obj = spec_of(rollout).get("strategy") or {}
    nothing = dict.fromkeys(strategy.get("canary") or {})
    note = orjson.dumps(strategy, option=orjson.OPT_SORT_KEYS).decode()
    return {
        "metadata": {"annotations": {STRATEGY_BEFORE: note}},
        "spec": {"strategy": {"blueGreen": None, "canary": nothing}},
    }


def taken_up(rollout: Obj) -> Obj:
    """The merge patch that gives it back. ValueError when what is remembered cannot be read."""
    strategy: Obj = orjson.loads(annotations_of(rollout)[STRATEGY_BEFORE])
    return {"metadata": {"annotations": {STRATEGY_BEFORE: None}}, "spec": {"strategy": {"canary": None, **strategy}}}


def selecting(deployment: Obj, services: Iterable[Obj]) -> list[Obj]:
    """The Services that select the Deployment's pods or, by their hash, those that its Rollout makes of the same template."""
    worn, name = labels_of(spec_of(deployment).get("template") or {}), name_of(deployment)
    found: list[Obj] = []
    for service in services:
        selector: dict[str, str] = dict(spec_of(service).get("selector") or {})
        is_foreign = selector.pop(HASH_LABEL, "") and annotations_of(service).get(MANAGED_BY) != name
        if selector and not is_foreign and spec_of(service).get("type") != "ExternalName" and matches_labels(selector, worn):
            found.append(service)
    return found


def behind(services: Iterable[Obj], slices: Iterable[Obj], pods: Sequence[Obj]) -> dict[str, Behind]:
    """Of each Service, to whom it sends. `slices`: those of the Services; `pods`: what the Deployment's selector finds."""
    ready: defaultdict[str, set[str]] = defaultdict(set)
    for one in slices:
        for endpoint in one.get("endpoints") or []:
            if dig(endpoint, "conditions", "ready") is not False:
                ready[labels_of(one).get(SERVICE_NAME, "")].add(dig(endpoint, "targetRef", "name", default=""))
    theirs = {name_of(pod) for pod in pods if HASH_LABEL in labels_of(pod)}
    others = {name_of(pod) for pod in pods} - theirs
    found = {name_of(service): ready[name_of(service)] for service in services}
    return {name: Behind(len(there & others), len(there & theirs)) for name, there in found.items()}


def held_services(seen: Seen) -> tuple[Obj, ...]:
    """The Services that the Rollout holds, or held."""
    return tuple(one for one in seen.services if annotations_of(one).get(MANAGED_BY) == name_of(seen.deployment))


def leading_nowhere(seen: Seen) -> list[Obj]:
    """Services that select pods of the Deployment by the hash that it gives them, once it has none."""
    worn = labels_of(spec_of(seen.deployment).get("template") or {})
    found: list[Obj] = []
    for service in seen.services:
        selector: dict[str, str] = dict(spec_of(service).get("selector") or {})
        if selector.pop(POD_TEMPLATE_HASH, "") and matches_labels(selector, worn) and not replicas_of(seen.deployment):
            found.append(service)
    return found


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
