"""What every kind of route resolves against: the Services of a cluster and the pods behind them. Pure.

Every Service is reachable as `<service>.<namespace>.localhost` (browsers resolve *.localhost by themselves) and by its cluster
names.
"""

from collections.abc import Mapping
from typing import Any

import re2
from msgspec import Struct

from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import spec_of
from shipway.localcluster.node.proxy.table import Backend, Endpoint, Entry

SERVICE_NAME = "kubernetes.io/service-name"
LOCAL_DOMAIN = "localhost"

Placed = tuple[str, Entry]
"""A hostname ("*" for every one, "*.x" for all below x) and what happens there."""


class Problem(Struct, frozen=True):
    """Why a route is not fully in force. `condition` is Accepted or ResolvedRefs."""

    condition: str
    reason: str
    message: str


class Cluster(Struct, frozen=True):
    """What backends resolve against."""

    services: Mapping[tuple[str, str], Obj]
    slices: Mapping[tuple[str, str], list[Obj]]
    """(namespace, service) -> its slices."""
    labels: Mapping[tuple[str, str], Mapping[str, str]] = {}
    """(namespace, pod) -> its labels, for routes that choose among a Service's pods."""


def service_hosts(namespace: str, name: str) -> tuple[str, ...]:
    return (f"{name}.{namespace}.{LOCAL_DOMAIN}", f"{name}.{namespace}.svc.cluster.local", f"{name}.{namespace}.svc")


def resolve(
    cluster: Cluster, namespace: str, name: str, port: int | str | None = None, weight: int = 1,
    subset: Mapping[str, str] | None = None,
) -> Backend:  # fmt: skip
    """A Service's port (by number or name; None: its http port or its first) with its ready endpoints, only those of pods with
    the labels of `subset`; terminating ones that still serve only when there are no others."""
    service = cluster.services.get((namespace, name))
    number = port if isinstance(port, int) else 0
    if service is None:
        return Backend(namespace, name, number, weight, problem=f"Service {namespace}/{name} does not exist")
    spec = _port(service, port)
    if spec is None:
        return Backend(namespace, name, number, weight, problem=f"Service {namespace}/{name} has no port {port}")
    ready: set[Endpoint] = set()
    leaving: set[Endpoint] = set()
    for found in cluster.slices.get((namespace, name)) or ():
        number = next(
            (p.get("port") for p in found.get("ports") or [] if (p.get("name") or "") == (spec.get("name") or "")), None
        )
        if number is None:
            continue
        for endpoint in found.get("endpoints") or []:
            where = _standing(endpoint.get("conditions") or {})
            if where == "away":
                continue
            pod = (endpoint.get("targetRef") or {}).get("name") or ""
            if subset is not None and not _has(cluster.labels.get((namespace, pod)), subset):
                continue
            addresses = {Endpoint(ip, number, pod) for ip in endpoint.get("addresses") or ()}
            (ready if where == "ready" else leaving).update(addresses)
    return Backend(namespace, name, spec.get("port") or 0, weight, tuple(sorted(ready or leaving)))


def _port(service: Obj, wanted: int | str | None) -> Mapping[str, Any] | None:
    ports = spec_of(service).get("ports") or ()
    if wanted is None:
        preferred = (p for p in ports if p.get("name") == "http" or p.get("port") == 80)
        return next(preferred, ports[0] if ports else None)
    key = "port" if isinstance(wanted, int) else "name"
    return next((p for p in ports if p.get(key) == wanted), None)


def _has(labels: Mapping[str, str] | None, wanted: Mapping[str, str]) -> bool:
    return labels is not None and all(labels.get(key) == value for key, value in wanted.items())


def _standing(conditions: Mapping[str, Any]) -> str:
    if conditions.get("ready") is not False:
        return "ready"
    return "leaving" if conditions.get("serving") and conditions.get("terminating") else "away"


def compiled(expression: str) -> Any:
    """RE2, so that no expression can take more than linear time. Raises re2.error."""
    options = re2.Options()
    options.log_errors = False
    return re2.compile(expression, options)


def said(error: Exception) -> str:
    """What is wrong with an expression, from the `re2.error` that it raised."""
    return error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
