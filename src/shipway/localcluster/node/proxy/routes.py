"""Builds the routing table from Services, EndpointSlices and HTTPRoutes. Pure: objects in, frozen values out.

Every Service is reachable as `<service>.<namespace>.localhost` (browsers resolve *.localhost by themselves) and by its cluster
names. HTTPRoutes add their hostnames; one that is attached to a Service routes that Service's own names. What a route refers
to in vain becomes a problem of that route: it is reported in its status and answered with 500, and nothing else suffers.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import re2
from msgspec import Struct

from shipway.base.durations import parse_duration
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import labels_of, metadata, name_of, namespace_of, spec_of
from shipway.localcluster.node.proxy.filters import filters_of, header_change
from shipway.localcluster.node.proxy.table import Backend, Endpoint, Entry, Match, PathKind, Pattern, Rule, Table

SERVICE_NAME = "kubernetes.io/service-name"
LOCAL_DOMAIN = "localhost"
_PATH_KINDS: dict[str, PathKind] = {"Exact": "exact", "PathPrefix": "prefix", "RegularExpression": "regex"}


class Problem(Struct, frozen=True):
    """Why a route is not fully in force. `condition` is Accepted or ResolvedRefs."""

    condition: str
    reason: str
    message: str


class Routing(Struct, frozen=True):
    """The table, and what is wrong with which (namespace, name) of a route."""

    table: Table
    problems: Mapping[tuple[str, str], tuple[Problem, ...]] = {}


class Cluster(Struct, frozen=True):
    """What backends resolve against."""

    services: Mapping[tuple[str, str], Obj]
    slices: Mapping[tuple[str, str], list[Obj]]
    """(namespace, service) -> its slices."""


def build(services: Iterable[Obj], slices: Iterable[Obj], routes: Iterable[Obj]) -> Routing:
    """The whole routing of a cluster."""
    by_service: dict[tuple[str, str], list[Obj]] = defaultdict(list)
    for found in slices:
        by_service[namespace_of(found), labels_of(found).get(SERVICE_NAME, "")].append(found)
    cluster = Cluster({(namespace_of(s), name_of(s)): s for s in services}, by_service)
    entries: dict[str, list[Entry]] = defaultdict(list)
    problems: dict[tuple[str, str], tuple[Problem, ...]] = {}
    for route in sorted(routes, key=_age):
        found, wrong = _route_entries(route, cluster)
        problems[namespace_of(route), name_of(route)] = tuple(wrong)
        for host in hosts_of(route):
            entries[host] += found
    for service in cluster.services.values():  # last: a route with the same hostname goes before
        for host, entry in _service_entries(service, cluster):
            entries[host].append(entry)
    return Routing(_table(entries), problems)


def _table(entries: Mapping[str, list[Entry]]) -> Table:
    """Sorts each host's entries; the sort is stable, so the order of age, name and place in the route stays."""
    ordered = {host: tuple(sorted(found, key=lambda entry: entry.match.rank)) for host, found in entries.items()}
    wildcards = sorted(
        ((host[1:], found) for host, found in ordered.items() if host.startswith("*.")), key=lambda w: -len(w[0])
    )
    hosts = {host: found for host, found in ordered.items() if not host.startswith("*")}
    return Table(hosts, tuple(wildcards), ordered.get("*", ()))


def _age(route: Obj) -> tuple[str, str, str]:
    return (metadata(route).get("creationTimestamp") or "9", namespace_of(route), name_of(route))


def service_hosts(namespace: str, name: str) -> tuple[str, ...]:
    return (f"{name}.{namespace}.{LOCAL_DOMAIN}", f"{name}.{namespace}.svc.cluster.local", f"{name}.{namespace}.svc")


def hosts_of(route: Obj) -> list[str]:
    """Hostnames of a route: its own, those of the Services it is attached to, or "*" when it names none."""
    hosts = [host.lower() for host in spec_of(route).get("hostnames") or ()]
    parents = spec_of(route).get("parentRefs") or ()
    for parent in parents:
        if parent.get("kind") == "Service":
            hosts += service_hosts(parent.get("namespace") or namespace_of(route), parent.get("name") or "")
    if not hosts and not any(parent.get("kind") == "Service" for parent in parents):
        return ["*"]
    return hosts


def _service_entries(service: Obj, cluster: Cluster) -> Iterable[tuple[str, Entry]]:
    ports = spec_of(service).get("ports") or ()
    if not ports:
        return
    preferred = next((p for p in ports if p.get("name") == "http" or p.get("port") == 80), ports[0])
    namespace, name = namespace_of(service), name_of(service)
    backend = resolve(cluster, namespace, name, preferred.get("port"))
    for host in service_hosts(namespace, name):
        yield host, Entry(Match(), Rule(f"service/{namespace}/{name}", (backend,)))


def resolve(cluster: Cluster, namespace: str, name: str, port: int | None, weight: int = 1) -> Backend:
    """A Service's port with its ready endpoints; terminating ones that still serve only when there are no others."""
    service = cluster.services.get((namespace, name))
    if service is None:
        return Backend(namespace, name, port or 0, weight, problem=f"Service {namespace}/{name} does not exist")
    spec = next((p for p in spec_of(service).get("ports") or () if p.get("port") == port), None)
    if spec is None:
        return Backend(namespace, name, port or 0, weight, problem=f"Service {namespace}/{name} has no port {port}")
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
            addresses = {Endpoint(ip, number, pod) for ip in endpoint.get("addresses") or ()}
            (ready if where == "ready" else leaving).update(addresses)
    return Backend(namespace, name, port or 0, weight, tuple(sorted(ready or leaving)))


def _standing(conditions: Mapping[str, Any]) -> str:
    if conditions.get("ready") is not False:
        return "ready"
    return "leaving" if conditions.get("serving") and conditions.get("terminating") else "away"


def _route_entries(route: Obj, cluster: Cluster) -> tuple[list[Entry], list[Problem]]:
    entries: list[Entry] = []
    problems: list[Problem] = []
    for index, spec in enumerate(spec_of(route).get("rules") or []):
        where = f"{namespace_of(route)}/{name_of(route)}/{spec.get('name') or index}"
        backends = tuple(_backend(route, ref, cluster, problems) for ref in spec.get("backendRefs") or [])
        filters = filters_of(spec.get("filters") or [], lambda ref: _backend(route, ref, cluster, problems))
        rule = Rule(f"route/{where}", backends, filters, _timeout(spec))
        for match in spec.get("matches") or [{}]:
            found = _match(match, problems, where)
            if found is not None:
                entries.append(Entry(found, rule))
    return entries, problems


def _timeout(spec: Mapping[str, Any]) -> float | None:
    text = (spec.get("timeouts") or {}).get("request") or (spec.get("timeouts") or {}).get("backendRequest")
    try:
        return parse_duration(text) or None if text else None
    except ValueError:
        return None


def _backend(route: Obj, ref: Mapping[str, Any], cluster: Cluster, problems: list[Problem]) -> Backend:
    namespace, name = ref.get("namespace") or namespace_of(route), ref.get("name") or ""
    weight = 1 if ref.get("weight") is None else ref["weight"]
    if (ref.get("group") or "") != "" or (ref.get("kind") or "Service") != "Service":
        problem = f"backendRef {ref.get('group') or ''}/{ref.get('kind')} {name}: only Services can be backends here"
        problems.append(Problem("ResolvedRefs", "InvalidKind", problem))
        return Backend(namespace, name, 0, weight, problem=problem)
    if namespace != namespace_of(route):
        problem = f"backendRef {namespace}/{name} is in another namespace, which needs a ReferenceGrant: not supported here"
        problems.append(Problem("ResolvedRefs", "RefNotPermitted", problem))
        return Backend(namespace, name, 0, weight, problem=problem)
    backend = resolve(cluster, namespace, name, ref.get("port"), weight)
    if backend.problem:
        problems.append(Problem("ResolvedRefs", "BackendNotFound", f"{backend.problem}: create it or correct the backendRef"))
    changes = [header_change(f["requestHeaderModifier"]) for f in ref.get("filters") or () if f.get("requestHeaderModifier")]
    if changes:
        return Backend(namespace, name, backend.port, weight, backend.endpoints, backend.problem, changes[0])
    return backend


def _match(spec: Mapping[str, Any], problems: list[Problem], where: str) -> Match | None:
    """None (and a problem) when an expression does not compile: such a match never fits."""
    path = spec.get("path") or {}
    kind, value = path.get("type") or "PathPrefix", path.get("value") or "/"
    try:
        return Match(
            _PATH_KINDS[kind],
            value,
            _compiled(value) if kind == "RegularExpression" else None,
            spec.get("method") or "",
            tuple(_pattern(header, lower=True) for header in spec.get("headers") or ()),
            tuple(_pattern(query) for query in spec.get("queryParams") or ()),
        )
    except re2.error as error:
        said = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
        problems.append(Problem("Accepted", "UnsupportedValue", f"rule {where}: {said}: correct the regular expression"))
        return None


def _pattern(spec: Mapping[str, Any], *, lower: bool = False) -> Pattern:
    name, value = spec.get("name") or "", spec.get("value") or ""
    regex = _compiled(value) if spec.get("type") == "RegularExpression" else None
    return Pattern(name.lower() if lower else name, value, regex)


def _compiled(expression: str) -> Any:
    """RE2, so that no expression can take more than linear time. Raises re2.error."""
    options = re2.Options()
    options.log_errors = False
    return re2.compile(expression, options)
