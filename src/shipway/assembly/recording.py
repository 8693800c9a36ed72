"""Records what a Prometheus server knows of the past, for a rehearsal."""

from collections.abc import Iterable
from typing import Any

import orjson

from shipway.adapters.http.fetch import HttpFetch, http_session
from shipway.adapters.prometheus import provider as prometheus
from shipway.base.clock import Instant, rfc3339
from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj
from shipway.rollouts.analysis.metric import Metric

HOLDS = 1.5
"""Steps for which a point holds: at the next one the server would have said that there is no data."""


async def record(address: str, metrics: Iterable[Metric], over: prometheus.Range, rate_query: str = "") -> Obj:
    """The recording (docs/rehearsal.md) of the `prometheus` metrics among these. `rate_query`: requests per second.

    Raises InvalidInput when none is, Unavailable when the server does not answer.
    """
    asked = {metric.name: settings for metric in metrics if (settings := orjson.loads(metric.provider).get("prometheus"))}
    if not asked:
        raise InvalidInput("no analysis of this Rollout has a prometheus metric: give recorded series with --metrics")
    async with http_session() as session:
        fetch = HttpFetch(session)

        async def series(settings: Obj) -> Any:
            lines = await prometheus.record(fetch, {**settings, "address": address}, over)
            found = [[[round(at - over.start, 3), value] for at, value in line] for line in lines]
            return found[0] if len(found) == 1 else {"vector": found}

        recorded: Obj = {name: await series(settings) for name, settings in asked.items()}
        rate = await series({"query": rate_query}) if rate_query else 0
    return {
        "start": rfc3339(Instant(over.start)),
        "max_gap": over.step * HOLDS,
        "series": recorded,
        "requests_per_second": rate,
    }
