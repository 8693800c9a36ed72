"""HTTPRoutes of the Gateway API as table entries. Pure.

HTTPRoutes add their hostnames; one that is attached to a Service routes that Service's own names. What a route refers
to in vain becomes a problem of that route: it is reported in its status and answered with 500, and nothing else suffers. A
GRPCRoute cannot be in force: this proxy speaks HTTP/1.1, and its status says so.
"""

from collections.abc import Mapping
from typing import Any

import re2

from shipway.base.durations import parse_duration
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of, namespace_of, spec_of
from shipway.localcluster.node.proxy.cluster import Cluster, Problem, compiled, resolve, said, service_hosts
from shipway.localcluster.node.proxy.filters import filters_of, header_change
from shipway.localcluster.node.proxy.table import Backend, Entry, Match, PathKind, Pattern, Rule

NO_GRPC = Problem(
    "Accepted", "UnsupportedProtocol", "this local proxy speaks HTTP/1.1 and carries no gRPC: try this route on a real gateway"
)
_PATH_KINDS: dict[str, PathKind] = {"Exact": "exact", "PathPrefix": "prefix", "RegularExpression": "regex"}


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


def route_entries(route: Obj, cluster: Cluster) -> tuple[list[Entry], list[Problem]]:
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
    backend = resolve(cluster, namespace, name, ref.get("port") or 0, weight)
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
            compiled(value) if kind == "RegularExpression" else None,
            spec.get("method") or "",
            tuple(_pattern(header, lower=True) for header in spec.get("headers") or ()),
            tuple(_pattern(query) for query in spec.get("queryParams") or ()),
        )
    except re2.error as error:
        message = f"rule {where}: {said(error)}: correct the regular expression"
        problems.append(Problem("Accepted", "UnsupportedValue", message))
        return None


def _pattern(spec: Mapping[str, Any], *, lower: bool = False) -> Pattern:
    name, value = spec.get("name") or "", spec.get("value") or ""
    regex = compiled(value) if spec.get("type") == "RegularExpression" else None
    return Pattern(name.lower() if lower else name, value, regex)
