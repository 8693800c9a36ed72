"""Builds the routing table of a cluster from everything that routes in it. Pure: objects in, frozen values out."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from msgspec import Struct

from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import labels_of, metadata, name_of, namespace_of, spec_of
from shipway.localcluster.node.proxy.cluster import SERVICE_NAME, Cluster, Placed, Problem, resolve, service_hosts
from shipway.localcluster.node.proxy.ingress import ingress_entries
from shipway.localcluster.node.proxy.istio import virtual_service_entries
from shipway.localcluster.node.proxy.routes import hosts_of, route_entries
from shipway.localcluster.node.proxy.splits import split_entries
from shipway.localcluster.node.proxy.table import Entry, Match, Rule, Table


class Routing(Struct, frozen=True):
    """The table, and what is wrong with which (namespace, name) of a route."""

    table: Table
    problems: Mapping[tuple[str, str], tuple[Problem, ...]] = {}


class Others(Struct, frozen=True):
    """What routes beside HTTPRoutes; `pods` only count where an Istio subset chooses by their labels."""

    ingresses: Iterable[Obj] = ()
    virtual_services: Iterable[Obj] = ()
    destination_rules: Iterable[Obj] = ()
    traffic_splits: Iterable[Obj] = ()
    traefik_services: Iterable[Obj] = ()
    pods: Iterable[Obj] = ()


def build(services: Iterable[Obj], slices: Iterable[Obj], routes: Iterable[Obj], others: Others | None = None) -> Routing:
    """The whole routing of a cluster."""
    others = others or Others()
    by_service: dict[tuple[str, str], list[Obj]] = defaultdict(list)
    for found in slices:
        by_service[namespace_of(found), labels_of(found).get(SERVICE_NAME, "")].append(found)
    labels = {(namespace_of(pod), name_of(pod)): labels_of(pod) for pod in others.pods}
    cluster = Cluster({(namespace_of(s), name_of(s)): s for s in services}, by_service, labels)
    entries: dict[str, list[Entry]] = defaultdict(list)
    problems: dict[tuple[str, str], tuple[Problem, ...]] = {}
    for route in sorted(routes, key=_age):
        found, wrong = route_entries(route, cluster)
        problems[namespace_of(route), name_of(route)] = tuple(wrong)
        for host in hosts_of(route):
            entries[host] += found
    for host, entry in _other_entries(others, cluster):
        entries[host].append(entry)
    for service in cluster.services.values():  # last: a route with the same hostname goes before
        for host, entry in _service_entries(service, cluster):
            entries[host].append(entry)
    return Routing(_table(entries), problems)


def _table(entries: Mapping[str, list[Entry]]) -> Table:
    """Sorts each host's entries; the sort is stable, so the order of age, name and place in the route stays."""
    ordered = {host: tuple(sorted(found, key=lambda entry: entry.rank)) for host, found in entries.items()}
    wildcards = sorted(
        ((host[1:], found) for host, found in ordered.items() if host.startswith("*.")), key=lambda w: -len(w[0])
    )
    hosts = {host: found for host, found in ordered.items() if not host.startswith("*")}
    return Table(hosts, tuple(wildcards), ordered.get("*", ()))


def _other_entries(others: Others, cluster: Cluster) -> Iterable[Placed]:
    yield from virtual_service_entries(sorted(others.virtual_services, key=_age), others.destination_rules, cluster)
    yield from ingress_entries(sorted(others.ingresses, key=_age), cluster)
    yield from split_entries(sorted(others.traffic_splits, key=_age), sorted(others.traefik_services, key=_age), cluster)


def _age(route: Obj) -> tuple[str, str, str]:
    return (metadata(route).get("creationTimestamp") or "9", namespace_of(route), name_of(route))


def _service_entries(service: Obj, cluster: Cluster) -> Iterable[Placed]:
    if not spec_of(service).get("ports"):
        return
    namespace, name = namespace_of(service), name_of(service)
    backend = resolve(cluster, namespace, name)
    for host in service_hosts(namespace, name):
        yield host, Entry(Match(), Rule(f"service/{namespace}/{name}", (backend,)))
