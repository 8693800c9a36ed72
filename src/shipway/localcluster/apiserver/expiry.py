"""Events do not stay: an hour after they were last seen they go, as in a real cluster.

There is no timer. Each new Event looks at the oldest few, so a cluster in which nothing happens keeps what it has, and the
number of Events is bounded by what an hour brings.
"""

from itertools import islice
from typing import Any

from shipway.base.clock import Instant, parse_rfc3339
from shipway.kube.objects.resource import Obj
from shipway.localcluster.apiserver.backend import Backend
from shipway.localcluster.apiserver.store import decode_object

EVENTS = ("", "events")
LIFETIME = 3600.0
_LOOKED_AT = 20


def expire_events(backend: Backend) -> None:
    """Takes out those of the oldest Events that are over."""
    now, shelf = backend.clock.now(), backend.store.shelf(EVENTS)
    for record in list(islice(shelf.records.values(), _LOOKED_AT)):
        event = decode_object(record, "Event", "v1")
        if now - _last_seen(event) > LIFETIME:
            backend.store.remove(EVENTS, event)


def _last_seen(event: Obj) -> Instant:
    series: dict[str, Any] = event.get("series") or {}
    times = (
        event["metadata"]["creationTimestamp"],
        event.get("lastTimestamp"),
        event.get("eventTime"),
        series.get("lastObservedTime"),
    )
    return max(parse_rfc3339(time) for time in times if time)
