"""The `prometheus` metric: a query now, or over a range.

A scalar is a float, a vector a list of floats, a matrix the floats of all its series one after the other; no data is an
empty list, and NaN stays NaN.
"""

import math
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import orjson
from msgspec import Struct

from shipway.api.metrics import Fetch, HttpAnswer, HttpCall, Sample, basic_auth
from shipway.base.clock import Instant
from shipway.base.errors import InvalidInput, Unavailable
from shipway.kube.objects.resource import Obj

DEFAULT_TIMEOUT = 30.0


class Range(Struct, frozen=True):
    """From when until when, in steps of `step` seconds."""

    start: Instant
    end: Instant
    step: float


async def measure(fetch: Fetch, settings: Obj, default_address: str = "", over: Range | None = None) -> Sample:
    """One measurement. `settings` is the metric's `provider.prometheus`; `over`: its rangeQuery, worked out.

    Raises Unavailable or InvalidInput.
    """
    answer = await _ask(fetch, settings, default_address, over)
    return read_answer(answer.body, answer.status)


async def record(fetch: Fetch, settings: Obj, over: Range) -> list[list[tuple[float, str]]]:
    """The series of a query over a range, as (time, value) with values as Prometheus writes them. Raises as `measure`."""
    answer = await _ask(fetch, settings, "", over)
    read_answer(answer.body, answer.status)
    return [[(float(at), value) for at, value in series["values"]] for series in orjson.loads(answer.body)["data"]["result"]]


async def _ask(fetch: Fetch, settings: Obj, default_address: str, over: Range | None) -> HttpAnswer:
    address = settings.get("address") or default_address
    if not address:
        raise InvalidInput("prometheus metric: no address; set provider.prometheus.address")
    if "://" not in address:
        raise InvalidInput(f"prometheus metric: the address {address!r} is no URL: give http://host:port")
    login: Obj = settings.get("authentication") or {}
    form = {"query": settings.get("query") or ""}
    if over is not None:
        form |= {"start": f"{over.start:.3f}", "end": f"{over.end:.3f}", "step": f"{over.step:g}"}
    return await fetch(
        HttpCall(
            purpose=f"cannot query Prometheus at {address}",
            url=f"{address.rstrip('/')}/api/v1/{'query' if over is None else 'query_range'}",
            method="POST",
            headers=_headers(settings),
            body=urlencode(form).encode(),
            timeout=_timeout(settings),
            is_insecure=bool(settings.get("insecure")),
            oauth2=login.get("oauth2") or None,
            sigv4=login.get("sigv4") or None,
        )
    )


def _timeout(settings: Obj) -> float:
    """Seconds."""
    given = settings.get("timeout")
    try:
        seconds = DEFAULT_TIMEOUT if given is None else float(given)
    except (TypeError, ValueError):
        raise InvalidInput(f"prometheus metric: timeout {given!r} is no number of seconds") from None
    if seconds < 0:
        raise InvalidInput("prometheus timeout should not be negative")
    return seconds or DEFAULT_TIMEOUT


def _headers(settings: Obj) -> dict[str, str]:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    basic: Obj = (settings.get("authentication") or {}).get("basicAuth") or {}
    if basic:
        headers["Authorization"] = basic_auth(str(basic.get("username") or ""), str(basic.get("password") or ""))
    return {**headers, **{header["key"]: header.get("value") or "" for header in settings.get("headers") or []}}


def read_answer(body: bytes, status: int) -> Sample:
    """The value of a query's answer (the HTTP API's JSON)."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Unavailable(f"Prometheus answered {status} with something that is not JSON") from None
    if not isinstance(answer, dict):
        raise Unavailable(f"Prometheus answered {status} with JSON that is no answer of its API")
    if answer.get("status") != "success":
        text = f"{answer.get('errorType', 'error')}: {answer.get('error', status)}"
        if answer.get("errorType") == "bad_data":
            raise InvalidInput(f"Prometheus refuses the query: {text}", reason="BadQuery")
        raise Unavailable(f"Prometheus could not answer: {text}")
    try:
        value = _value(answer["data"])
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        raise Unavailable("Prometheus answered with data that its API does not allow: is the address a Prometheus?") from None
    warnings = answer.get("warnings")
    if not isinstance(warnings, list) or not warnings:
        return Sample(value, _text(value))
    return Sample(value, _text(value), {"warnings": ", ".join(f'"{warning}"' for warning in warnings)})


def _value(data: Obj) -> Any:
    match data.get("resultType"):
        case "scalar":
            return float(data["result"][1])
        case "vector":
            return [float(sample["value"][1]) for sample in data["result"]]
        case "matrix":
            return [float(value) for series in data["result"] for _, value in series["values"]]
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
