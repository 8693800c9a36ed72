"""SMI's TrafficSplits and Traefik's weighted services as table entries. Pure.

A TrafficSplit splits what goes to its root service, under all of that Service's names. A weighted TraefikService has no
hostname of its own (an IngressRoute would give it one, which this proxy does not read): it is reachable as
`<name>.<namespace>.localhost`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shipway.kube.objects.quantities import parse_quantity
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, name_of, namespace_of, spec_of
from shipway.localcluster.node.proxy.cluster import LOCAL_DOMAIN, Cluster, Placed, resolve, service_hosts
from shipway.localcluster.node.proxy.table import Backend, Entry, Match, Rule

_ORDER = (1 << 30,)
"""After every VirtualService and before what is chosen by how specific it is."""


def split_entries(splits: Sequence[Obj], traefik: Sequence[Obj], cluster: Cluster) -> Iterator[Placed]:
    """Both in the order of their age."""
    for split in splits:
        namespace, spec = namespace_of(split), spec_of(split)
        backends = tuple(_backend(namespace, entry, "service", cluster) for entry in spec.get("backends") or ())
        if spec.get("matches"):
            backends = (
                Backend(namespace, name_of(split), 0, problem="TrafficSplit matches are not supported by this local proxy"),
            )
        rule = Rule(f"trafficsplit/{namespace}/{name_of(split)}", backends)
        for host in service_hosts(namespace, (spec.get("service") or "").partition(".")[0]):
            yield host, Entry(Match(), rule, _ORDER)
    for service in traefik:
        namespace, name = namespace_of(service), name_of(service)
        if (entries := dig(service, "spec", "weighted", "services")) is None:
            continue
        backends = tuple(_backend(namespace, entry, "name", cluster) for entry in entries)
        yield f"{name}.{namespace}.{LOCAL_DOMAIN}", Entry(Match(), Rule(f"traefik/{namespace}/{name}", backends), _ORDER)


def _backend(namespace: str, entry: Mapping[str, Any], key: str, cluster: Cluster) -> Backend:
    name, weight = entry.get(key) or "", _weight(entry.get("weight"))
    if (entry.get("kind") or "Service") != "Service":
        return Backend(namespace, name, 0, weight, problem=f"{entry['kind']} {name}: only Services can be backends here")
    return resolve(cluster, namespace, name, entry.get("port"), weight)


def _weight(value: object) -> int:
    """In thousandths: the oldest version of TrafficSplit has quantities ("500m")."""
    try:
        return max(0, int(parse_quantity(value if isinstance(value, str | int | float) else 1) * 1000))
    except ValueError:
        return 0
