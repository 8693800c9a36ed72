"""What is watched of the cluster, under the names that dashboards for Argo CD ask for (`controller/metrics`, 3.5).

A scrape looks at one figure for each kind that is watched, at no object.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shipway.api.application import IN_CLUSTER_NAME, IN_CLUSTER_SERVER
from shipway.base.clock import Clock
from shipway.kube.runtime.informer import Informer


class ClusterMetrics(Collector):
    """A collector for a Prometheus registry. `informers` gives what is watched; `version` is what the cluster says it is."""

    def __init__(self, informers: Callable[[], Sequence[Informer]], clock: Clock, version: str) -> None:
        self._informers = informers
        self._clock = clock
        self._version = version

    def collect(self) -> Iterator[Metric]:
        watched, where = self._informers(), (IN_CLUSTER_SERVER,)
        listed = [one.listed_at for one in watched if one.listed_at is not None]
        age = self._clock.elapsed() - min(listed) if listed else -1
        is_connected = all(one.is_connected for one in watched if one.synced.is_set())
        yield _gauge("argocd_cluster_info", "A cluster", {"k8s_version": self._version, "name": IN_CLUSTER_NAME}, 1)
        told = {"k8s_version": self._version}
        yield _gauge("argocd_cluster_connection_status", "Whether all watches of a cluster go on", told, is_connected)
        yield _gauge("argocd_cluster_api_resources", "Kinds that are watched", {}, len(watched))
        yield _gauge("argocd_cluster_api_resource_objects", "Objects in the caches", {}, sum(map(len, watched)))
        yield _gauge("argocd_cluster_cache_age_seconds", "Since when the oldest cache only follows its watch", {}, age)
        events = CounterMetricFamily(
            "argocd_cluster_events_total", "Changes that watches told", labels=["server", "group", "kind"]
        )
        told_by_kind: Counter[tuple[str, str]] = Counter()
        for one in watched:
            told_by_kind[one.resource.group_kind] += one.told
        for group_kind, count in told_by_kind.items():
            events.add_metric((*where, *group_kind), count)
        yield events


def _gauge(name: str, text: str, labels: dict[str, str], value: float) -> Metric:
    family = GaugeMetricFamily(name, text, labels=["server", *labels])
    family.add_metric((IN_CLUSTER_SERVER, *labels.values()), value)
    return family
