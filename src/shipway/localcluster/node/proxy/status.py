"""The status of an HTTPRoute, as a Gateway's controller writes it: pure, and None when there is nothing to write."""

from collections.abc import Mapping, Sequence
from typing import Any

from shipway.base.clock import Instant, rfc3339
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import generation_of, spec_of, status_of
from shipway.localcluster.node.proxy.routes import Problem

CONTROLLER_NAME = "shipway.dev/gateway"
_GOOD = {"Accepted": "Accepted", "ResolvedRefs": "ResolvedRefs"}


def route_status(route: Obj, problems: Sequence[Problem], now: Instant) -> Obj | None:
    """The new `status`, with one entry of ours per parentRef and those of other controllers kept; None: it is so already."""
    before = status_of(route).get("parents") or []
    others = [parent for parent in before if parent.get("controllerName") != CONTROLLER_NAME]
    mine = {_key(parent.get("parentRef") or {}): parent for parent in before if parent.get("controllerName") == CONTROLLER_NAME}
    ours = [
        {
            "parentRef": ref,
            "controllerName": CONTROLLER_NAME,
            "conditions": [_condition(route, kind, problems, mine.get(_key(ref)) or {}, now) for kind in _GOOD],
        }
        for ref in spec_of(route).get("parentRefs") or ()
    ]
    after = [*others, *ours]
    return None if after == before else {"parents": after}


def _condition(route: Obj, kind: str, problems: Sequence[Problem], before: Mapping[str, Any], now: Instant) -> Obj:
    wrong = [problem for problem in problems if problem.condition == kind]
    status = "False" if wrong else "True"
    known = next((c for c in before.get("conditions") or () if c.get("type") == kind), {})
    since = known.get("lastTransitionTime") if known.get("status") == status else None
    return {
        "type": kind,
        "status": status,
        "reason": wrong[0].reason if wrong else _GOOD[kind],
        "message": "; ".join(problem.message for problem in wrong),
        "observedGeneration": generation_of(route),
        "lastTransitionTime": since or rfc3339(now),
    }


def _key(ref: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(ref.get(name) for name in ("group", "kind", "namespace", "name", "sectionName", "port"))
