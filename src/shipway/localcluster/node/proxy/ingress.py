"""Ingresses as table entries, with the canary annotations of ingress-nginx. Pure.

A canary Ingress (`<prefix>/canary: "true"`) has no rules of its own: where a main Ingress of its namespace has the same host
and path, it takes a part of that path's requests. As ingress-nginx documents, the header decides first, then the cookie, then
the weight: `always` and `never` are absolute, any other value leaves the decision to the next. The prefix of the annotations is
free, as a controller may be started with another one.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import re2
from msgspec import Struct

from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, name_of, namespace_of, spec_of
from shipway.localcluster.node.proxy.cluster import Cluster, Placed, compiled, resolve, said
from shipway.localcluster.node.proxy.table import Backend, Entry, Filters, Match, PathKind, Pattern, Rewrite, Rule

_CANARY = "/canary"
_KINDS: dict[str, PathKind] = {"Exact": "exact", "Prefix": "prefix", "ImplementationSpecific": "prefix"}


class Place(Struct, frozen=True):
    """What a path of an Ingress and the one of its canary have in common."""

    namespace: str
    host: str
    kind: PathKind
    path: str


class Canary(Struct, frozen=True):
    """A part of the requests, and how it is chosen."""

    backend: Backend
    annotations: Mapping[str, str]

    def patterns(self) -> Iterator[tuple[Pattern, bool]]:
        """What is decided by a header or a cookie: the pattern, and whether it leads to the canary. The first that fits
        counts. Raises re2.error."""
        header = self.annotations.get("canary-by-header", "").lower()
        value, expression = self.annotations.get("canary-by-header-value"), self.annotations.get("canary-by-header-pattern")
        if header and value:
            yield Pattern(header, value), True
        elif header and expression:
            yield Pattern(header, expression, compiled(f"(?s).*(?:{expression}).*")), True
        elif header:
            yield from ((Pattern(header, word), word == "always") for word in ("always", "never"))
        if cookie := self.annotations.get("canary-by-cookie"):
            for word in ("always", "never"):
                found = compiled(f"(?:.*;)?\\s*{re2.escape(cookie)}={word}\\s*(?:;.*)?")
                yield Pattern("cookie", word, found), word == "always"

    def shares(self) -> tuple[int, int]:
        """Of the main backend and of the canary."""
        total = _number(self.annotations.get("canary-weight-total"), 100) or 100
        weight = min(total, max(0, _number(self.annotations.get("canary-weight"), 0)))
        return total - weight, weight


def ingress_entries(ingresses: Sequence[Obj], cluster: Cluster) -> Iterator[Placed]:
    """`ingresses` in the order of their age."""
    canaries: dict[Place, Canary] = {}
    for ingress in ingresses:
        if (annotations := canary_annotations(ingress)) is not None:
            for place, backend in _paths(ingress, cluster):
                canaries.setdefault(place, Canary(backend, annotations))
    for ingress in ingresses:
        if canary_annotations(ingress) is None:
            yield from _main_entries(ingress, canaries, cluster)


def _main_entries(ingress: Obj, canaries: Mapping[Place, Canary], cluster: Cluster) -> Iterator[Placed]:
    filters, problem = _filters(ingress)
    for number, (place, backend) in enumerate(_paths(ingress, cluster)):
        rule_id = f"ingress/{namespace_of(ingress)}/{name_of(ingress)}/{number}"
        if problem:
            backend = Backend(backend.namespace, backend.service, backend.port, problem=problem)
        for entry in _entries(place, Rule(rule_id, (backend,), filters), canaries.get(place)):
            yield place.host, entry


def canary_annotations(ingress: Obj) -> Mapping[str, str] | None:
    """The annotations of a canary without their prefix; None when it is none."""
    annotations = annotations_of(ingress)
    prefix = next((key[: -len(_CANARY)] for key, value in annotations.items() if key.endswith(_CANARY) and value == "true"), "")
    if not prefix:
        return None
    return {key[len(prefix) + 1 :]: value for key, value in annotations.items() if key.startswith(f"{prefix}/")}


def _entries(place: Place, main: Rule, canary: Canary | None) -> Iterator[Entry]:
    base = Match(place.kind, place.path)
    if canary is None:
        yield Entry(base, main)
        return
    only = Rule(f"{main.id}/canary", (canary.backend,), main.filters)
    try:
        for pattern, leads_to_canary in canary.patterns():
            yield Entry(Match(place.kind, place.path, headers=(pattern,)), only if leads_to_canary else main)
    except re2.error as error:
        problem = f"canary-by-header-pattern of {main.id}: {said(error)}: correct the regular expression"
        main = Rule(main.id, (Backend(place.namespace, main.backends[0].service, 0, problem=problem),))
        yield Entry(base, main)
        return
    stable, share = canary.shares()
    (backend,) = main.backends
    yield Entry(base, Rule(main.id, (_weighed(backend, stable), _weighed(canary.backend, share)), main.filters))


def _weighed(backend: Backend, weight: int) -> Backend:
    return Backend(backend.namespace, backend.service, backend.port, weight, backend.endpoints, backend.problem)


def _paths(ingress: Obj, cluster: Cluster) -> Iterator[tuple[Place, Backend]]:
    namespace, spec = namespace_of(ingress), spec_of(ingress)
    for rule in spec.get("rules") or ():
        for path in (rule.get("http") or {}).get("paths") or ():
            kind = _KINDS.get(path.get("pathType") or "Prefix", "prefix")
            place = Place(namespace, (rule.get("host") or "*").lower(), kind, path.get("path") or "/")
            yield place, _backend(path.get("backend") or {}, namespace, cluster)
    if default := spec.get("defaultBackend"):
        yield Place(namespace, "*", "prefix", "/"), _backend(default, namespace, cluster)


def _backend(spec: Mapping[str, Any], namespace: str, cluster: Cluster) -> Backend:
    service = spec.get("service")
    if not service:
        return Backend(namespace, "", 0, problem="a backend that is no Service is not supported by this local proxy")
    port = service.get("port") or {}
    return resolve(cluster, namespace, service.get("name") or "", port.get("number") or port.get("name"))


def _filters(ingress: Obj) -> tuple[Filters, str]:
    """The rewrite that ingress-nginx is asked for most, and what is wrong with it."""
    target = next((value for key, value in annotations_of(ingress).items() if key.endswith("/rewrite-target")), "")
    if not target:
        return Filters(), ""
    if "$" in target:
        return Filters(), f"rewrite-target {target} uses captures, which this local proxy does not support"
    return Filters(rewrite=Rewrite(path=("full", target))), ""


def _number(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.strip().isdigit() else default


def ingress_status(ingress: Obj, host: str) -> Obj | None:
    """Where an Ingress is served; None: it says so already."""
    status = {"loadBalancer": {"ingress": [{"ip": host}]}}
    return None if (ingress.get("status") or {}).get("loadBalancer") == status["loadBalancer"] else status
