"""The `skywalking` metric: the data of a GraphQL query, which is given `$duration`: the last minutes up to now."""

from datetime import UTC, datetime
from typing import Any

import orjson

from shipway.api.measured import address_of, as_go, document, go_json, graphql_data, shown_address, wrong_shape
from shipway.api.metrics import Fetch, HttpCall, Sample
from shipway.base.clock import Instant
from shipway.base.durations import parse_duration
from shipway.base.errors import InvalidInput, Unavailable
from shipway.kube.objects.resource import Obj

DEFAULT_INTERVAL = "5m"
TIMEOUT = 30.0


async def measure(fetch: Fetch, settings: Obj, now: Instant) -> Sample:
    """One measurement: a map. `settings` is the metric's `provider.skywalking`.

    Raises InvalidInput, Denied or Unavailable.
    """
    address = address_of(settings, "skywalking")
    server = f"SkyWalking at {shown_address(address)}"
    call = HttpCall(
        purpose=f"cannot query {server}",
        url=f"{address}/graphql",
        method="POST",
        headers={"Content-Type": "application/json; charset=utf-8", "Accept": "application/json; charset=utf-8"},
        body=orjson.dumps({"query": settings.get("query") or "", "variables": {"duration": _duration(settings, now)}}),
        timeout=TIMEOUT,
    )
    return read_answer(document(await fetch(call), server), server)


def _duration(settings: Obj, now: Instant) -> dict[str, str]:
    """SkyWalking's Duration. Times are those of the OAP server, taken to be UTC as in its image."""
    try:
        seconds = parse_duration(settings.get("interval") or DEFAULT_INTERVAL)
    except ValueError as error:
        raise InvalidInput(f"skywalking metric: interval: {error}") from None
    return {"start": _minute(now - seconds), "end": _minute(now), "step": "MINUTE"}


def _minute(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H%M}"


def read_answer(answer: Any, server: str) -> Sample:
    """The data of the answer, whatever the query asks for."""
    try:
        value = as_go(graphql_data(answer, server))
    except (TypeError, RecursionError):
        raise wrong_shape(server) from None
    if value is None:
        raise Unavailable(f"{server}: no results returned from SkyWalking query")
    return Sample(value, go_json(value))
