"""A small scheduler: which node each waiting pod goes to.

A node is fit when it is ready and schedulable, matches the pod's nodeSelector and required node affinity, has no taint the
pod does not tolerate, and has room for what the pod requests. Among fit nodes the emptiest wins. A pod that fits nowhere is
told why in the words of kube-scheduler, and tried again whenever a node or pod changes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from shipway.api.kinds import PODS
from shipway.base.clock import Instant
from shipway.kube.objects.quantities import parse_quantity
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.selectors import label_selector_of
from shipway.kube.objects.views import (
    condition_of,
    dig,
    labels_of,
    metadata,
    name_of,
    namespace_of,
    resource_version_of,
    spec_of,
    status_of,
    uid_of,
)
from shipway.kube.runtime.decision import Action, Batch, Bind, Conclusion, Decision, Note, Outcome, Patch
from shipway.localcluster.controllers.scheduler.observe import Observed
from shipway.localcluster.controllers.status import Conditions, condition, note, with_condition

AT_ONCE = 200
"""Pods placed in one pass; the rest follows when the cache has seen these."""
NON_ZERO = {"cpu": 0.1, "memory": 200 * 2**20}
"""What a pod without requests counts as when nodes are compared (scheduler's non-zero requests)."""

Amounts = dict[str, float]


class Room(Struct):
    """A node and what is requested of it so far; changes while a pass places pods."""

    node: Obj
    capacity: Amounts
    used: Amounts

    def take(self, requests: Mapping[str, float]) -> None:
        for name, amount in requests.items():
            self.used[name] = self.used.get(name, 0.0) + amount


def decide(observed: Observed, now: Instant) -> Decision:
    """Binds what fits; says of the others why not."""
    rooms = [_room(node, observed.bound.get(name_of(node), ())) for node in observed.nodes]
    actions: list[Action] = []
    for pod in sorted(observed.waiting, key=_turn)[:AT_ONCE]:
        requests = requests_of(pod)
        fit, why_not = _fit(pod, requests, rooms)
        if fit:
            best = min(fit, key=_fullness)
            best.take(requests)
            actions.append(Bind(namespace_of(pod), name_of(pod), name_of(best.node)))
        elif patch := _refusal(pod, f"0/{len(rooms)} nodes are available{_counted(why_not)}.", now):
            actions.append(patch)
    return Decision((Batch(tuple(actions), on_failure="continue"),) if actions else ())


def conclude(fresh: Observed, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion:
    """`Scheduled` and `FailedScheduling` events."""
    pods = {(namespace_of(pod), name_of(pod)): pod for pods in (fresh.waiting, *fresh.bound.values()) for pod in pods}
    notes: list[Note] = []
    for outcome in outcomes:
        action = outcome.action
        if not isinstance(action, Bind | Patch) or (pod := pods.get((action.namespace, action.name))) is None:
            continue
        if isinstance(action, Bind) and outcome.is_done:
            said = f"Successfully assigned {action.namespace}/{action.name} to {action.node}"
            notes.append(note(pod, "Scheduled", said))
        elif isinstance(action, Patch) and outcome.is_done:
            said = next(c["message"] for c in action.body["status"]["conditions"] if c["type"] == "PodScheduled")
            notes.append(note(pod, "FailedScheduling", said, warning=True))
    return Conclusion(notes=tuple(notes))


def requests_of(pod: Obj) -> Amounts:
    """What a pod asks of a node: all containers together, or one init container if that is more, and one pod."""
    containers = _sum(_requests(c) for c in spec_of(pod).get("containers") or ())
    inits: list[dict[str, Any]] = spec_of(pod).get("initContainers") or []
    sidecars = _sum(_requests(c) for c in inits if c.get("restartPolicy") == "Always")
    total = _sum((containers, sidecars))
    for init in inits:
        for name, amount in _requests(init).items():
            total[name] = max(total.get(name, 0.0), amount)
    overhead: dict[str, Any] = spec_of(pod).get("overhead") or {}
    return {**_sum((total, {name: float(parse_quantity(q)) for name, q in overhead.items()})), "pods": 1.0}


def _fit(pod: Obj, requests: Amounts, rooms: Sequence[Room]) -> tuple[list[Room], list[str]]:
    fit, why_not = list[Room](), list[str]()
    for room in rooms:
        reasons = _reasons(pod, requests, room)
        if reasons:
            why_not += reasons
        else:
            fit.append(room)
    return fit, why_not


def may_run_on(pod: Obj, node: Obj) -> bool:
    """Whether the pod's selector, affinity and tolerations let it onto the node, ready and roomy or not."""
    return not _placement_reasons(pod, node)


def _reasons(pod: Obj, requests: Amounts, room: Room) -> list[str]:
    """Why the pod cannot go to this node now, in kube-scheduler's words; empty if it can."""
    if spec_of(room.node).get("unschedulable") and not _tolerates(pod, _UNSCHEDULABLE):
        return ["node(s) were unschedulable"]
    if (condition_of(room.node, "Ready") or {}).get("status") != "True":
        return ["node(s) were not ready"]
    if reasons := _placement_reasons(pod, room.node):
        return reasons
    short = [name for name, amount in requests.items() if room.used.get(name, 0.0) + amount > room.capacity.get(name, 0.0)]
    return ["Too many pods" if name == "pods" else f"Insufficient {name}" for name in short]


def _placement_reasons(pod: Obj, node: Obj) -> list[str]:
    selector: dict[str, str] = spec_of(pod).get("nodeSelector") or {}
    if not selector.items() <= labels_of(node).items() or not _has_affinity(pod, node):
        return ["node(s) didn't match Pod's node affinity/selector"]
    for taint in spec_of(node).get("taints") or ():
        if taint.get("effect") in ("NoSchedule", "NoExecute") and not _tolerates(pod, taint):
            return [f"node(s) had untolerated taint {{{taint.get('key')}: {taint.get('value') or ''}}}"]
    return []


_UNSCHEDULABLE = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


def _tolerates(pod: Obj, taint: Mapping[str, Any]) -> bool:
    for toleration in spec_of(pod).get("tolerations") or ():
        same_effect = toleration.get("effect") in (None, "", taint.get("effect"))
        same_key = toleration.get("key") in (None, "", taint.get("key"))
        exists = toleration.get("operator") == "Exists"
        same_value = exists or (toleration.get("key") and (toleration.get("value") or "") == (taint.get("value") or ""))
        if same_effect and same_key and same_value:
            return True
    return False


def _has_affinity(pod: Obj, node: Obj) -> bool:
    """The required node affinity: one of its terms must hold; a term without any expression holds nowhere."""
    required = dig(pod, "spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    terms: list[dict[str, Any]] = required.get("nodeSelectorTerms") or []
    return any(_holds(term, node) for term in terms if term.get("matchExpressions") or term.get("matchFields"))


def _holds(term: Mapping[str, Any], node: Obj) -> bool:
    expressions: list[dict[str, Any]] = term.get("matchExpressions") or []
    numeric = [e for e in expressions if e.get("operator") in ("Gt", "Lt")]
    plain = [e for e in expressions if e.get("operator") not in ("Gt", "Lt")]
    fields: list[dict[str, Any]] = term.get("matchFields") or []
    by_field = {"metadata.name": name_of(node)}
    return (
        label_selector_of({"matchExpressions": plain}).matches(labels_of(node))
        and label_selector_of({"matchExpressions": fields}).matches(by_field)
        and all(_compares(e, labels_of(node)) for e in numeric)
    )


def _compares(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value, limit = labels.get(expression["key"], ""), (expression.get("values") or [""])[0]
    if not value.lstrip("-").isdecimal() or not limit.lstrip("-").isdecimal():
        return False
    return int(value) > int(limit) if expression["operator"] == "Gt" else int(value) < int(limit)


def _room(node: Obj, pods: Sequence[Obj]) -> Room:
    allocatable: dict[str, Any] = dig(node, "status", "allocatable") or dig(node, "status", "capacity", default={})
    room = Room(node, {name: float(parse_quantity(q)) for name, q in allocatable.items()}, {})
    for pod in pods:
        room.take(requests_of(pod))
    return room


def _fullness(room: Room) -> tuple[float, str]:
    """The emptier the better: the mean of requested over allocatable, then fewer pods, then the name."""
    shares = [room.used.get(name, 0.0) / amount for name, amount in room.capacity.items() if amount and name in NON_ZERO]
    pods = room.used.get("pods", 0.0) / (room.capacity.get("pods") or 1.0)
    return (round(sum(shares) / (len(shares) or 1) + pods, 6), name_of(room.node))


def _requests(container: Mapping[str, Any]) -> Amounts:
    limits: dict[str, Any] = dig(container, "resources", "limits", default={})
    stated: dict[str, Any] = {**limits, **dig(container, "resources", "requests", default={})}
    return {name: float(parse_quantity(quantity)) for name, quantity in stated.items()}


def _sum(parts: Any) -> Amounts:
    total: Amounts = {}
    for part in parts:
        for name, amount in part.items():
            total[name] = total.get(name, 0.0) + amount
    return total


def _turn(pod: Obj) -> tuple[Any, ...]:
    """Higher priority first, then who waits longest."""
    return (-(spec_of(pod).get("priority") or 0), metadata(pod).get("creationTimestamp") or "", namespace_of(pod), name_of(pod))


def _counted(reasons: Sequence[str]) -> str:
    counts = {reason: reasons.count(reason) for reason in sorted(set(reasons))}
    text = ", ".join(f"{number} {reason}" for reason, number in counts.items())
    return f": {text}" if text else ""


def _refusal(pod: Obj, message: str, now: Instant) -> Patch | None:
    """The PodScheduled=False condition, if it does not say so already."""
    conditions: Conditions = status_of(pod).get("conditions") or []
    changed = with_condition(conditions, condition("PodScheduled", False, "Unschedulable", message), now)
    if changed == conditions:
        return None
    return Patch(
        PODS, namespace_of(pod), name_of(pod), {"status": {"conditions": changed}}, subresource="status",
        uid=uid_of(pod), resource_version=resource_version_of(pod),
    )  # fmt: skip
