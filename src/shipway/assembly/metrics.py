"""Who counts what: the figures that the engines keep beside those of the runtime."""

from collections.abc import Callable, Sequence

import orjson
from prometheus_client import CollectorRegistry

from shipway.adapters.git.requests import GitRequests
from shipway.base.clock import Clock
from shipway.base.errors import ShipwayError
from shipway.gitops.cluster_metrics import ClusterMetrics, KnownCluster
from shipway.gitops.metrics import ApplicationMetrics
from shipway.gitops.settings import GitOpsSettings
from shipway.gitops.shadows import Shadows
from shipway.kube.client.client import Client
from shipway.kube.client.errors import ensure_ok
from shipway.kube.runtime.runtime import Runtime
from shipway.rollouts.metrics import RolloutMetrics


def count_objects(runtime: Runtime, metrics: RolloutMetrics | ApplicationMetrics) -> None:
    """Has `metrics` told of what is there and what passes did, and printed with all others."""
    for resource in metrics.followed:
        runtime.follow(resource, metrics.on_change_of(resource))
    runtime.metrics.listen(metrics)
    runtime.metrics.registry.register(metrics)


def count_shadows(runtime: Runtime) -> Shadows:
    """Keeps what is reported of Applications that another engine reconciles, and has it counted."""
    shadows = Shadows()
    runtime.metrics.listen(shadows)
    runtime.metrics.registry.register(shadows)
    return shadows


def count_gitops(
    runtime: Runtime,
    settings: GitOpsSettings,
    requests: GitRequests,
    clusters: Callable[[], Sequence[KnownCluster]],
    clock: Clock,
) -> CollectorRegistry:
    """Everything about applications, repositories and clusters; returns where it is printed."""
    count_objects(runtime, ApplicationMetrics(settings))
    registry = runtime.metrics.registry
    registry.register(requests)
    registry.register(ClusterMetrics(lambda: runtime.informers, clock, clusters))
    return registry


async def kube_version(client: Client) -> str:
    """What the cluster says it is (`v1.36.0`). Raises what the client raises."""
    response = await client.raw("GET", "/version")
    ensure_ok(response, "get /version")
    return str(orjson.loads(response.body).get("gitVersion") or "")


async def version_told(client: Client) -> str:
    """For a label: nothing that anybody waits for."""
    try:
        return await kube_version(client)
    except ShipwayError:
        return ""
