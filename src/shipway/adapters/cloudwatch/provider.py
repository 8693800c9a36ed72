"""The `cloudWatch` metric: GetMetricData over the last minutes, in JSON, signed.

The result is the list of MetricDataResults with the names that AWS gives their fields (`result[0].Values`).
"""

from typing import Any

import orjson

from shipway.adapters.cloudwatch.service import Service, check
from shipway.adapters.cloudwatch.signing import Credentials, signed
from shipway.api.measured import document, go_float, sealed, shown_address, wrong_shape
from shipway.api.metrics import Fetch, HttpCall, Sample
from shipway.base.clock import Instant, rfc3339
from shipway.base.durations import parse_duration
from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj

DEFAULT_INTERVAL = "5m"
TIMEOUT = 30.0
HEADERS = {
    "Content-Type": "application/x-amz-json-1.0",
    "X-Amz-Target": "GraniteServiceVersion20100801.GetMetricData",
}
_QUERY = {"id": "Id", "expression": "Expression", "label": "Label", "returnData": "ReturnData"}
_NAMES = {"namespace": "Namespace", "metricName": "MetricName"}


async def measure(fetch: Fetch, settings: Obj, service: Service, credentials: Credentials, now: Instant) -> Sample:
    """One measurement. `settings` is the metric's `provider.cloudWatch`. Raises InvalidInput, Denied or Unavailable."""
    asked = orjson.dumps(request_of(settings, now))
    server = f"CloudWatch at {shown_address(service.url).rstrip('/')}"
    call = HttpCall(
        purpose=f"cannot query {server}",
        url=service.url,
        method="POST",
        headers=signed(service, "POST", HEADERS, asked, credentials, now),
        body=asked,
        timeout=TIMEOUT,
        follows_redirects=False,
    )
    answer = await sealed(fetch, credentials.secret, credentials.token)(call)
    check(answer, server)
    return read_answer(document(answer, server), server)


def request_of(settings: Obj, now: Instant) -> Obj:
    """The input of GetMetricData. Raises InvalidInput."""
    queries = settings.get("metricDataQueries")
    if not isinstance(queries, list | None):
        raise InvalidInput(
            "cloudWatch metric: metricDataQueries is no list: write each query with id, metricStat or expression"
        )
    if not queries:
        raise InvalidInput("cloudWatch metric: no metricDataQueries")
    try:
        seconds = parse_duration(settings.get("interval") or DEFAULT_INTERVAL)
    except ValueError as error:
        raise InvalidInput(f"cloudWatch metric: interval: {error}") from None
    found = [_query(raw, f"cloudWatch metric: metricDataQueries[{index}]") for index, raw in enumerate(queries)]
    return {"StartTime": int(now - seconds), "EndTime": int(now), "MetricDataQueries": found}


def _query(raw: Any, where: str) -> Obj:
    if not isinstance(raw, dict):
        raise InvalidInput(f"{where} is no query")
    query: Obj = {name: raw[field] for field, name in _QUERY.items() if raw.get(field) is not None}
    if raw.get("metricStat") is not None:
        query["MetricStat"] = _statistic(raw["metricStat"], where)
    if raw.get("period") is not None:
        query["Period"] = _period(raw["period"], where)
    return query


def _statistic(raw: Any, where: str) -> Obj:
    metric = raw.get("metric") or {} if isinstance(raw, dict) else {}
    if not isinstance(raw, dict) or not isinstance(metric, dict):
        raise InvalidInput(f"{where}: metricStat is no object")
    named = {name: metric[field] for field, name in _NAMES.items() if metric.get(field)}
    dimensions = [{"Name": one.get("name") or "", "Value": one.get("value") or ""} for one in metric.get("dimensions") or []]
    return {
        "Metric": {**named, **({"Dimensions": dimensions} if dimensions else {})},
        "Period": _period(raw.get("period"), where),
        "Stat": raw.get("stat") or "",
        **({"Unit": raw["unit"]} if raw.get("unit") else {}),
    }


def _period(given: Any, where: str) -> int:
    """Seconds, as a number or a text."""
    try:
        return int(str(given))
    except ValueError:
        raise InvalidInput(f"{where}: period {given!r} is no number of seconds") from None


def read_answer(answer: Any, server: str) -> Sample:
    """The results in their order; what CloudWatch says besides stands in the metadata."""
    try:
        value = [_result(raw) for raw in answer["MetricDataResults"]]
        messages = _messages(answer)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError):
        raise wrong_shape(server) from None
    text = " ".join(f"[{' '.join(map(go_float, one['Values']))}]" for one in value)
    told = ", ".join(f"{message['Code']}: {message['Value']}" for message in messages)
    return Sample(value, f"[{text}]", {"messages": told} if told else {})


def _result(raw: Obj) -> Obj:
    """A MetricDataResult. Times are RFC 3339 here."""
    values = raw.get("Values") or []
    if any(isinstance(one, bool) or not isinstance(one, int | float) for one in values):
        raise ValueError(values)
    return {
        **{name: raw[name] for name in ("Id", "Label", "StatusCode") if name in raw},
        "Timestamps": [rfc3339(float(one)) for one in raw.get("Timestamps") or []],
        "Values": [float(one) for one in values],
        "Messages": _messages(raw),
    }


def _messages(raw: Obj) -> list[Obj]:
    return [{"Code": str(one.get("Code") or ""), "Value": str(one.get("Value") or "")} for one in raw.get("Messages") or []]
