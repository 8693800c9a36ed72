"""The `prometheus` metric: an instant query. A scalar is a float, a vector a list of floats, no data an empty list."""

import math
import os
from decimal import Decimal
from typing import Any

import aiohttp
import orjson

from shipway.api.metrics import Sample
from shipway.base.errors import InvalidInput, Unavailable
from shipway.kube.objects.resource import Obj

DEFAULT_TIMEOUT = 30.0
LARGEST = 8 * 2**20
"""Bytes of an answer that are read at most."""


async def measure(session: aiohttp.ClientSession, settings: Obj, default_address: str = "") -> Sample:
    """One measurement. `settings` is the metric's `provider.prometheus`. Raises Unavailable or InvalidInput."""
    address = settings.get("address") or default_address
    query = settings.get("query") or ""
    if not address:
        raise InvalidInput("prometheus metric: no address; set provider.prometheus.address")
    if settings.get("rangeQuery"):
        raise InvalidInput("prometheus metric: rangeQuery does not work yet; use an instant query with a range inside")
    headers = {header["key"]: header.get("value") or "" for header in settings.get("headers") or []}
    timeout = aiohttp.ClientTimeout(total=float(settings.get("timeout") or DEFAULT_TIMEOUT))
    url = f"{address.rstrip('/')}/api/v1/query"
    try:
        async with session.post(
            url, data={"query": query}, headers=headers, timeout=timeout, ssl=not settings.get("insecure")
        ) as response:
            body = await response.content.read(LARGEST)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise Unavailable(f"cannot query Prometheus at {address}: {_said(error)}") from error
    return read_answer(body, response.status)


def _said(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and (error.errno or 0) > 0:  # names that cannot be resolved have negative numbers
        return os.strerror(error.errno)
    return f"{type(error).__name__}: {error}"


def read_answer(body: bytes, status: int) -> Sample:
    """The value of a query's answer (the HTTP API's JSON)."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Unavailable(f"Prometheus answered {status} with something that is not JSON") from None
    if answer.get("status") != "success":
        text = f"{answer.get('errorType', 'error')}: {answer.get('error', status)}"
        if answer.get("errorType") == "bad_data":
            raise InvalidInput(f"Prometheus refuses the query: {text}", reason="BadQuery")
        raise Unavailable(f"Prometheus could not answer: {text}")
    warnings = "; ".join(answer.get("warnings") or [])
    value = _value(answer["data"])
    return Sample(value, _text(value), {"warnings": warnings} if warnings else {})


def _value(data: Obj) -> Any:
    match data.get("resultType"):
        case "scalar":
            return float(data["result"][1])
        case "vector":
            return [float(sample["value"][1]) for sample in data["result"]]
        case other:
            raise InvalidInput(f"Prometheus metric type {other} is not supported: let the query give a scalar or a vector")


def _text(value: Any) -> str:
    """As Argo Rollouts writes it, every digit and no exponent: `0.5`, `[0.5,NaN]`, `+Inf`."""
    if isinstance(value, list):
        return "[" + ",".join(_text(item) for item in value) + "]"
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return f"{Decimal(repr(value)):f}".removesuffix(".0")
