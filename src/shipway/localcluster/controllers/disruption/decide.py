"""How many pods of a budget may be evicted now: what the eviction subresource and `kubectl drain` go by."""

from math import ceil
from typing import Any

from shipway.base.clock import Instant, parse_rfc3339
from shipway.kube.objects.views import generation_of, is_deleting, spec_of, status_of
from shipway.kube.runtime.decision import Decision
from shipway.localcluster.controllers.disruption.observe import Observed
from shipway.localcluster.controllers.kinds import POD_DISRUPTION_BUDGETS
from shipway.localcluster.controllers.pods import is_ready
from shipway.localcluster.controllers.status import Conditions, condition, status_change, with_condition

LATEST_DELETION = 120.0
"""Seconds after an eviction in which the pod counts as disrupted although it is still there (DeletionTimeout)."""


def decide(observed: Observed, now: Instant) -> Decision:
    """The budget's status."""
    disrupted = _disrupted(observed, now)
    names = set(disrupted)
    counted = [pod for pod in observed.pods if not is_deleting(pod) and pod["metadata"]["name"] not in names]
    healthy = sum(is_ready(pod) for pod in counted)
    expected, desired = amounts(observed)
    allowed = max(0, healthy - desired) if expected > 0 else 0
    status: dict[str, Any] = {
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "expectedPods": expected,
        "disruptionsAllowed": allowed,
        "observedGeneration": generation_of(observed.budget),
        "disruptedPods": disrupted or None,
        "conditions": _conditions(observed, allowed, now),
    }
    change = status_change(POD_DISRUPTION_BUDGETS, observed.budget, status)
    ends = [parse_rfc3339(since) + LATEST_DELETION for since in disrupted.values()]
    return Decision(change=change, wake=Instant(min(ends)) if ends else None)


def amounts(observed: Observed) -> tuple[int, int]:
    """(expected, desired healthy) pods. Percentages are of what the pods' controllers want, rounded up."""
    spec = spec_of(observed.budget)
    wanted = sum(number for number in observed.scales.values() if number is not None)
    if "maxUnavailable" in spec:
        return wanted, max(0, wanted - _scaled(spec["maxUnavailable"], wanted))
    minimum = spec.get("minAvailable", 1)
    if isinstance(minimum, int):
        return len(observed.pods), minimum
    return wanted, _scaled(minimum, wanted)


def _scaled(value: int | str, whole: int) -> int:
    return ceil(whole * float(value[:-1]) / 100) if isinstance(value, str) else value


def _disrupted(observed: Observed, now: Instant) -> dict[str, str]:
    """Evictions that the server granted and whose pods are still there; the others are forgotten."""
    here = {pod["metadata"]["name"]: pod for pod in observed.pods}
    granted: dict[str, str] = status_of(observed.budget).get("disruptedPods") or {}
    return {
        name: since
        for name, since in granted.items()
        if name in here and not is_deleting(here[name]) and now < parse_rfc3339(since) + LATEST_DELETION
    }


def _conditions(observed: Observed, allowed: int, now: Instant) -> Conditions:
    reason = "SufficientPods" if allowed else "InsufficientPods"
    said = {**condition("DisruptionAllowed", allowed > 0, reason, ""), "observedGeneration": generation_of(observed.budget)}
    return with_condition(status_of(observed.budget).get("conditions") or [], said, now)
