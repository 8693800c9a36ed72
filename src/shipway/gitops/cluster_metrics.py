"""What is watched of each cluster, under the names that dashboards for Argo CD ask for (`controller/metrics`, 3.5).

A scrape looks at one figure for each kind that is watched, at no object. Clusters that no application goes to are not
spoken to, so of them there is `argocd_cluster_info` only.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shipway.api.application import IN_CLUSTER_SERVER
from shipway.base.clock import Clock
from shipway.kube.runtime.informer import Informer

_GAUGES = {
    "argocd_cluster_info": ("A cluster", ("k8s_version", "name")),
    "argocd_cluster_connection_status": ("Whether a cluster answers and all its watches go on", ("k8s_version",)),
    "argocd_cluster_api_resources": ("Kinds that are watched", ()),
    "argocd_cluster_api_resource_objects": ("Objects in the caches", ()),
    "argocd_cluster_cache_age_seconds": ("Since when the oldest cache only follows its watch", ()),
}


class KnownCluster(Struct, frozen=True):
    """A cluster that Applications may go to. `version` is what it last said it is; `answers`: nothing is known against it."""

    server: str
    name: str
    version: str = ""
    answers: bool = True


class ClusterMetrics(Collector):
    """A collector for a Prometheus registry. `informers` gives what is watched, `known` the clusters, ours among them."""

    def __init__(
        self, informers: Callable[[], Sequence[Informer]], clock: Clock, known: Callable[[], Sequence[KnownCluster]]
    ) -> None:
        self._informers = informers
        self._clock = clock
        self._known = known

    def collect(self) -> Iterator[Metric]:
        watched: defaultdict[str, list[Informer]] = defaultdict(list)
        for informer in self._informers():
            watched[informer.resource.cluster or IN_CLUSTER_SERVER].append(informer)
        gauges = {name: GaugeMetricFamily(name, text, labels=["server", *more]) for name, (text, more) in _GAUGES.items()}
        events = CounterMetricFamily(
            "argocd_cluster_events_total", "Changes that watches told", labels=["server", "group", "kind"]
        )
        for cluster in self._known():
            where, informers = cluster.server, watched.get(cluster.server, ())
            gauges["argocd_cluster_info"].add_metric((where, cluster.version, cluster.name), 1)
            for name, labels, value in self._figures(cluster, informers):
                gauges[name].add_metric((where, *labels), value)
            told: Counter[tuple[str, str]] = Counter()
            for one in informers:
                told[one.resource.group_kind] += one.told
            for group_kind, count in told.items():
                events.add_metric((where, *group_kind), count)
        yield from gauges.values()
        yield events

    def _figures(self, cluster: KnownCluster, informers: Sequence[Informer]) -> Iterator[tuple[str, tuple[str, ...], float]]:
        if not informers:
            return
        listed = [one.listed_at for one in informers if one.listed_at is not None]
        goes_on = all(one.is_connected for one in informers if one.synced.is_set())
        yield "argocd_cluster_connection_status", (cluster.version,), cluster.answers and goes_on
        yield "argocd_cluster_api_resources", (), len(informers)
        yield "argocd_cluster_api_resource_objects", (), sum(map(len, informers))
        yield "argocd_cluster_cache_age_seconds", (), self._clock.elapsed() - min(listed) if listed else -1
