"""The `graphite` metric: the values of the first series that a query of Graphite's render API gives, without the gaps.

The query is that of a render URL, `target=…&from=…`, and may be written over several lines.
"""

import re
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from shipway.api.measured import document, go_fixed, shown_address, wrong_shape
from shipway.api.metrics import Fetch, HttpCall, Sample
from shipway.base.errors import InvalidInput, Unavailable
from shipway.kube.objects.resource import Obj

TIMEOUT = 10.0


async def measure(fetch: Fetch, settings: Obj) -> Sample:
    """One measurement: a list of floats. `settings` is the metric's `provider.graphite`.

    Raises InvalidInput, Denied or Unavailable.
    """
    address = settings.get("address") or ""
    if not _is_url(address):
        raise InvalidInput(f"Graphite address {shown_address(address)} is not a valid URL: give http://host:port")
    server = f"Graphite at {shown_address(address)}"
    url = render_url(address, settings.get("query") or "")
    answer = await fetch(HttpCall(purpose=f"cannot query {server}", url=url, timeout=TIMEOUT))
    return read_answer(document(answer, server), server)


def _is_url(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def render_url(address: str, query: str) -> str:
    """The URL of a query. The answer's format is JSON, whatever the query says."""
    asked = parse_qsl(re.sub(r"\s+", " ", query), keep_blank_values=True)
    asked = [(name, value) for name, value in asked if name != "format"]
    return f"{address.rstrip('/')}/render?{urlencode([*asked, ('format', 'json')])}"


def read_answer(answer: Any, server: str) -> Sample:
    """The values of the first series. No series or no points are an error, as in Argo Rollouts."""
    try:
        points = answer[0]["datapoints"] if answer else []
        values = [value for point in points if (value := _value(*point)) is not None]
    except (KeyError, IndexError, TypeError, ValueError):
        raise wrong_shape(server) from None
    if not points:
        raise Unavailable(f"{server}: no values found: check the target of the query")
    return Sample(values, f"[{','.join(go_fixed(value, 6) for value in values)}]")


def _value(value: Any, time: Any) -> float | None:
    """Numbers may come as text. Raises TypeError or ValueError for what is none."""
    if isinstance(value, bool) or isinstance(time, bool | list | dict):
        raise TypeError(value)
    if time is not None:
        float(time)
    return None if value is None else float(value)
