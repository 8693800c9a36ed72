"""Istio's VirtualServices and DestinationRules as table entries. Pure.

Within a VirtualService the first route that matches wins, whatever the others say, and its hosts go before everything
else of the same name. A subset is the pods of the host's Service that bear the labels which a DestinationRule gives it.
There is no mesh here: gateways and sidecars are not asked for. What changes the meaning of a route and is not supported makes
exactly that route answer 500 and say so.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import re2
from msgspec import Struct

from shipway.base.durations import parse_duration
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of, namespace_of, spec_of
from shipway.localcluster.node.proxy.cluster import Cluster, Placed, compiled, resolve, said, service_hosts
from shipway.localcluster.node.proxy.table import (
    Backend,
    Entry,
    Filters,
    HeaderChange,
    Match,
    Mirror,
    Pattern,
    Redirect,
    Rewrite,
    Rule,
)

_MATCHES = frozenset({"name", "uri", "method", "headers", "queryParams", "gateways", "sourceLabels", "sourceNamespace"})
_ROUTES = frozenset(
    {"name", "match", "route", "redirect", "rewrite", "mirror", "mirrors", "mirrorPercentage", "mirror_percent", "timeout"}
    | {"headers", "retries", "corsPolicy"}
)

Subsets = Mapping[tuple[str, str, str], Mapping[str, str]]
"""(namespace, service, subset) -> labels."""


class Scene(Struct, frozen=True):
    """What a VirtualService's destinations resolve against."""

    cluster: Cluster
    subsets: Subsets
    namespace: str


def virtual_service_entries(services: Sequence[Obj], rules: Iterable[Obj], cluster: Cluster) -> Iterator[Placed]:
    """`services` in the order of their age."""
    subsets = _subsets(rules)
    for place, service in enumerate(services):
        scene = Scene(cluster, subsets, namespace_of(service))
        entries = [
            entry for n, route in enumerate(spec_of(service).get("http") or ()) for entry in _entries(service, n, route, scene)
        ]
        for host in _hosts(service, cluster):
            for entry in entries:
                yield host, Entry(entry.match, entry.rule, (place, *entry.order))


def _subsets(rules: Iterable[Obj]) -> Subsets:
    found: dict[tuple[str, str, str], Mapping[str, str]] = {}
    for rule in rules:
        name, namespace = _service_of(spec_of(rule).get("host") or "", namespace_of(rule))
        for subset in spec_of(rule).get("subsets") or ():
            found[namespace, name, subset.get("name") or ""] = subset.get("labels") or {}
    return found


def _hosts(service: Obj, cluster: Cluster) -> Iterator[str]:
    """A host that is a Service stands for all of its names."""
    for host in spec_of(service).get("hosts") or ():
        name, namespace = _service_of(host, namespace_of(service))
        if (namespace, name) in cluster.services:
            yield from service_hosts(namespace, name)
        else:
            yield host.lower()


def _service_of(host: str, namespace: str) -> tuple[str, str]:
    """Name and namespace of the Service that a host means: `web`, `web.shop`, `web.shop.svc.cluster.local`."""
    name, _, rest = host.partition(".")
    return name, rest.partition(".")[0] if rest else namespace


def _entries(service: Obj, number: int, route: Mapping[str, Any], scene: Scene) -> Iterator[Entry]:
    where = f"{namespace_of(service)}/{name_of(service)}/{route.get('name') or number}"
    rule = _rule(f"virtualservice/{where}", route, scene)
    for match in route.get("match") or [{}]:
        unknown = sorted(set(match) - _MATCHES)
        try:
            found, problem = _match(match), f"match.{unknown[0]} is not supported by this local proxy" if unknown else ""
        except re2.error as error:
            found, problem = Match(), f"{said(error)}: correct the regular expression"
        yield Entry(found, _broken(rule, scene, problem) if problem else rule, (number,))


def _rule(identity: str, route: Mapping[str, Any], scene: Scene) -> Rule:
    targets = route.get("route") or ()
    alone = len(targets) == 1
    backends = tuple(_target(target, scene, alone=alone) for target in targets)
    rule = Rule(identity, backends, _filters(route, scene), _seconds(route.get("timeout")))
    unknown = sorted(set(route) - _ROUTES)
    return _broken(rule, scene, f"{unknown[0]} is not supported by this local proxy") if unknown else rule


def _broken(rule: Rule, scene: Scene, problem: str) -> Rule:
    return Rule(rule.id, (Backend(scene.namespace, rule.id, 0, problem=problem),))


def _target(target: Mapping[str, Any], scene: Scene, *, alone: bool) -> Backend:
    weight = target.get("weight") or 0
    backend = _destination(target.get("destination") or {}, scene, 1 if alone and not weight else weight)
    changes = _header_change((target.get("headers") or {}).get("request") or {})
    return Backend(
        backend.namespace, backend.service, backend.port, backend.weight, backend.endpoints, backend.problem, changes
    )  # fmt: skip


def _destination(destination: Mapping[str, Any], scene: Scene, weight: int = 1) -> Backend:
    name, namespace = _service_of(destination.get("host") or "", scene.namespace)
    subset, port = destination.get("subset"), (destination.get("port") or {}).get("number")
    if not subset:
        return resolve(scene.cluster, namespace, name, port, weight)
    labels = scene.subsets.get((namespace, name, subset))
    if labels is None:
        return Backend(namespace, name, port or 0, weight, problem=f"no DestinationRule gives {name} a subset {subset}")
    return resolve(scene.cluster, namespace, name, port, weight, labels)


def _filters(route: Mapping[str, Any], scene: Scene) -> Filters:
    headers = route.get("headers") or {}
    percent = (route.get("mirrorPercentage") or {}).get("value")
    percent = route.get("mirror_percent") if percent is None else percent
    mirrors = (
        [Mirror(_destination(route["mirror"], scene), 100.0 if percent is None else percent)] if route.get("mirror") else []
    )
    for mirror in route.get("mirrors") or ():
        share = (mirror.get("percentage") or {}).get("value")
        mirrors.append(Mirror(_destination(mirror.get("destination") or {}, scene), 100.0 if share is None else share))
    rewrite, redirect = route.get("rewrite") or {}, route.get("redirect")
    return Filters(
        _header_change(headers.get("request") or {}),
        _header_change(headers.get("response") or {}),
        _redirect(redirect) if redirect else None,
        Rewrite(rewrite.get("authority") or "", ("prefix", rewrite["uri"]) if rewrite.get("uri") else None)
        if rewrite
        else None,
        tuple(mirrors),
    )


def _redirect(spec: Mapping[str, Any]) -> Redirect:
    path = ("full", spec["uri"]) if spec.get("uri") else None
    return Redirect(
        spec.get("redirectCode") or 301, spec.get("scheme") or "", spec.get("authority") or "", spec.get("port") or 0, path
    )


def _header_change(spec: Mapping[str, Any]) -> HeaderChange | None:
    if not spec:
        return None
    return HeaderChange(
        tuple((spec.get("set") or {}).items()), tuple((spec.get("add") or {}).items()), tuple(spec.get("remove") or ())
    )


def _match(spec: Mapping[str, Any]) -> Match:
    """Raises re2.error."""
    uri = spec.get("uri") or {}
    headers = [_pattern(name.lower(), value or {}) for name, value in (spec.get("headers") or {}).items()]
    query = tuple(_pattern(name, value or {}) for name, value in (spec.get("queryParams") or {}).items())
    method = spec.get("method") or {}
    rest = {"method": method.get("exact") or "", "headers": tuple(headers), "query": query}
    if set(method) - {"exact"}:
        raise re2.error(b"method can only be compared exactly here")
    if "exact" in uri:
        return Match("exact", uri["exact"], **rest)
    if "regex" in uri:
        return Match("regex", uri["regex"], compiled(uri["regex"]), **rest)
    return Match("text", uri.get("prefix") or "/", **rest)


def _pattern(name: str, value: Mapping[str, Any]) -> Pattern:
    if "exact" in value:
        return Pattern(name, value["exact"])
    if "prefix" in value:
        return Pattern(name, value["prefix"], compiled(f"(?s){re2.escape(value['prefix'])}.*"))
    return Pattern(name, value.get("regex") or "", compiled(value.get("regex") or "(?s).*"))


def _seconds(text: str | None) -> float | None:
    try:
        return parse_duration(text) or None if text else None
    except ValueError:
        return None
