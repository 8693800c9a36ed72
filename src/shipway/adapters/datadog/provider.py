"""The `datadog` metric: one number from Datadog's query API.

v1 takes the last point of the first series of a query; v2 lets Datadog fold queries into one scalar by an aggregator and a
formula. No data is nil, so that a condition can say what it means (`default(result, 0) < 0.05`).
"""

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson
from msgspec import Struct

from shipway.api.metrics import Fetch, HttpAnswer, HttpCall, Sample
from shipway.base.clock import Instant
from shipway.base.durations import parse_duration
from shipway.base.errors import Denied, InvalidInput, Unavailable
from shipway.kube.objects.resource import Obj

SECRET = "datadog"  # the name of a Secret, not a secret
DEFAULT_ADDRESS = "https://api.datadoghq.com"
DEFAULT_INTERVAL = "5m"
TIMEOUT = 10.0
AGGREGATORS = ("avg", "min", "max", "sum", "last", "percentile", "mean", "l2norm", "area")


class Login(Struct, frozen=True):
    """Where Datadog is and who asks."""

    api_key: str
    app_key: str
    address: str = DEFAULT_ADDRESS


def login_of(values: Mapping[str, str]) -> Login | None:
    """The login that a Secret (`api-key`, `app-key`, `address`) holds; None when a key is missing."""
    return _login(values.get("api-key"), values.get("app-key"), values.get("address"))


def login_of_environment(environment: Mapping[str, str]) -> Login | None:
    """The login in `DD_API_KEY`, `DD_APP_KEY` and `DD_ADDRESS`."""
    return _login(environment.get("DD_API_KEY"), environment.get("DD_APP_KEY"), environment.get("DD_ADDRESS"))


def _login(api_key: str | None, app_key: str | None, address: str | None) -> Login | None:
    if not api_key or not app_key:
        return None
    return Login(api_key.strip(), app_key.strip(), (address or "").strip() or DEFAULT_ADDRESS)


async def measure(fetch: Fetch, settings: Obj, login: Login, now: Instant) -> Sample:
    """One measurement. `settings` is the metric's `provider.datadog`. Raises InvalidInput, Denied or Unavailable."""
    _check(settings)
    try:
        seconds = int(parse_duration(settings.get("interval") or DEFAULT_INTERVAL))
    except ValueError as error:
        raise InvalidInput(f"datadog metric: interval: {error}") from None
    is_v2 = _version(settings) == "v2"
    call = _call_v2(settings, login, int(now), seconds) if is_v2 else _call_v1(settings, login, int(now), seconds)
    answer = await fetch(call)
    return read_v2(_body(answer)) if is_v2 else read_v1(_body(answer))


def _version(settings: Obj) -> str:
    return (settings.get("apiVersion") or "v1").lower()


def _check(settings: Obj) -> None:
    query, queries, formula = settings.get("query"), settings.get("queries") or {}, settings.get("formula")
    aggregator = settings.get("aggregator")
    problem = ""
    if _version(settings) not in ("v1", "v2"):
        problem = f"apiVersion {settings['apiVersion']} is not v1 or v2"
    elif query and queries:
        problem = "Cannot use both a query and queries. Please review the Analysis Template."
    elif not query and not queries:
        problem = "Must have either a query or queries. Please review the Analysis Template."
    elif _version(settings) == "v1" and (queries or formula or aggregator):
        problem = "queries, formula and aggregator need apiVersion v2"
    elif formula and not queries:
        problem = "Formula are only valid when queries are set. Please review the Analysis Template."
    elif len(queries) > 1 and not formula:
        problem = "When multiple queries are provided you must include a formula."
    elif aggregator and aggregator not in AGGREGATORS:
        problem = f"aggregator {aggregator} is not one of {', '.join(AGGREGATORS)}"
    if problem:
        raise InvalidInput(f"datadog metric: {problem}")


def _call_v1(settings: Obj, login: Login, now: int, seconds: int) -> HttpCall:
    return HttpCall(
        purpose=f"cannot query Datadog at {login.address}",
        url=f"{login.address.rstrip('/')}/api/v1/query",
        headers=_headers(login),
        query={"query": settings["query"], "from": str(now - seconds), "to": str(now)},
        timeout=TIMEOUT,
        follows_redirects=False,
    )


def _call_v2(settings: Obj, login: Login, now: int, seconds: int) -> HttpCall:
    queries: Obj = settings.get("queries") or {"query": settings.get("query")}
    aggregator = settings.get("aggregator") or "last"
    attributes = {
        "from": (now - seconds) * 1000,
        "to": now * 1000,
        "queries": [
            {"aggregator": aggregator, "data_source": "metrics", "name": name, "query": query}
            for name, query in sorted(queries.items())
        ],
        "formulas": [{"formula": settings["formula"]}] if settings.get("formula") else [],
    }
    return HttpCall(
        purpose=f"cannot query Datadog at {login.address}",
        url=f"{login.address.rstrip('/')}/api/v2/query/scalar",
        method="POST",
        headers=_headers(login),
        body=orjson.dumps({"data": {"type": "scalar_request", "attributes": attributes}}),
        timeout=TIMEOUT,
        follows_redirects=False,
    )


def _headers(login: Login) -> dict[str, str]:
    return {"Content-Type": "application/json", "DD-API-KEY": login.api_key, "DD-APPLICATION-KEY": login.app_key}


def _body(answer: HttpAnswer) -> Obj:
    if answer.status in (401, 403):
        raise Denied(f"received authentication error response code: {answer.status} {answer.beginning}")
    if not answer.is_good:
        raise Unavailable(f"received non 2xx response code: {answer.status} {answer.beginning}")
    try:
        found = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        raise Unavailable("could not parse JSON body of Datadog's answer: is the address Datadog's?") from None
    if not isinstance(found, dict):
        raise Unavailable("Datadog answered with JSON that is no answer of its API: is the address Datadog's?")
    return found


def read_v1(answer: Obj) -> Sample:
    """The last point of the first series."""
    if answer.get("status") == "error" or answer.get("error"):
        raise InvalidInput(f"Datadog refuses the query: {answer.get('error') or 'no reason given'}", reason="BadQuery")
    try:
        series = answer.get("series") or []
        points = series[0]["pointlist"] if series else []
        if not points:
            return Sample(None, orjson.dumps(series).decode())
        _, value = points[-1]
        return _sample(value)
    except (KeyError, IndexError, TypeError, ValueError):
        raise _wrong_shape() from None


def read_v2(answer: Obj) -> Sample:
    """The first value of the first column."""
    if problems := answer.get("errors"):
        raise InvalidInput(f"There were errors in your query: {problems}", reason="BadQuery")
    try:
        attributes = answer["data"].get("attributes") or {}
        columns = attributes.get("columns") or []
        values = columns[0]["values"] if columns else []
        return _sample(values[0]) if values else Sample(None, orjson.dumps(attributes).decode())
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        raise _wrong_shape() from None


def _sample(value: Any) -> Sample:
    if value is None:
        return Sample(None, "null")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(value)
    return Sample(float(value), f"{Decimal(repr(float(value))):f}".removesuffix(".0"))


def _wrong_shape() -> Unavailable:
    return Unavailable("Datadog answered with data that its API does not allow: is the address Datadog's?")
