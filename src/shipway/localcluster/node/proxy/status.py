"""The status of HTTPRoutes and Gateways, as a Gateway's controller writes it: pure, and None when there is nothing to write.

A local cluster has one proxy, and it stands in for whatever gateway class a manifest names.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from shipway.base.clock import Instant, rfc3339
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import generation_of, name_of, namespace_of, spec_of, status_of
from shipway.localcluster.node.proxy.cluster import Problem

CONTROLLER_NAME = "shipway.dev/gateway"


def route_status(route: Obj, problems: Sequence[Problem], now: Instant) -> Obj | None:
    """The new `status`, with one entry of ours per parentRef and those of other controllers kept; None: it is so already."""
    before = status_of(route).get("parents") or []
    others = [parent for parent in before if parent.get("controllerName") != CONTROLLER_NAME]
    mine = {_key(parent.get("parentRef") or {}): parent for parent in before if parent.get("controllerName") == CONTROLLER_NAME}
    ours = [
        {
            "parentRef": ref,
            "controllerName": CONTROLLER_NAME,
            "conditions": [
                _condition(route, kind, problems, mine.get(_key(ref)) or {}, now) for kind in ("Accepted", "ResolvedRefs")
            ],
        }
        for ref in spec_of(route).get("parentRefs") or ()
    ]
    after = [*others, *ours]
    return None if after == before else {"parents": after}


def gateway_status(gateway: Obj, routes: Sequence[Obj], host: str, now: Instant) -> Obj | None:
    """Accepted and programmed, with its listeners; None: it says so already."""
    listeners = [
        {
            "name": listener.get("name") or "",
            "attachedRoutes": sum(_is_attached(route, gateway, listener.get("name") or "") for route in routes),
            "supportedKinds": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute"}],
            "conditions": [_condition(gateway, kind, (), gateway.get("status") or {}, now) for kind in _LISTENER_CONDITIONS],
        }
        for listener in spec_of(gateway).get("listeners") or []
    ]
    status = {
        "addresses": [{"type": "IPAddress", "value": host}],
        "conditions": [_condition(gateway, kind, (), gateway.get("status") or {}, now) for kind in ("Accepted", "Programmed")],
        "listeners": listeners,
    }
    return None if all(status_of(gateway).get(key) == value for key, value in status.items()) else status


_LISTENER_CONDITIONS = ("Accepted", "Programmed", "ResolvedRefs")


def _is_attached(route: Obj, gateway: Obj, listener: str) -> bool:
    return any(
        (ref.get("kind") or "Gateway") == "Gateway"
        and ref.get("name") == name_of(gateway)
        and (ref.get("namespace") or namespace_of(route)) == namespace_of(gateway)
        and (ref.get("sectionName") or listener) == listener
        for ref in spec_of(route).get("parentRefs") or []
    )


def _condition(route: Obj, kind: str, problems: Sequence[Problem], before: Mapping[str, Any], now: Instant) -> Obj:
    wrong = [problem for problem in problems if problem.condition == kind]
    status = "False" if wrong else "True"
    known = next((c for c in before.get("conditions") or () if c.get("type") == kind), {})
    since = known.get("lastTransitionTime") if known.get("status") == status else None
    return {
        "type": kind,
        "status": status,
        "reason": wrong[0].reason if wrong else kind,
        "message": "; ".join(problem.message for problem in wrong),
        "observedGeneration": generation_of(route),
        "lastTransitionTime": since or rfc3339(now),
    }


def _key(ref: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(ref.get(name) for name in ("group", "kind", "namespace", "name", "sectionName", "port"))
