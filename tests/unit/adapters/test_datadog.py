"""The datadog metric against a real HTTP server that refuses every call Datadog would refuse."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from msgspec import Struct

from shipway.adapters.datadog.provider import Login, login_of, login_of_environment, measure, read_v1, read_v2
from shipway.adapters.http.fetch import HttpFetch
from shipway.base.clock import Instant
from shipway.base.errors import Denied, InvalidInput, Unavailable
from tests.unit.adapters.metric_server import metric_server

NOW = Instant(1_800_000_000.0)
POINTS = {"errors": [[1, 0.5], [2, 0.25]], "requests": [[1, 7]]}


class Datadog(Struct, frozen=True):
    """The server, and the settings of a login that it knows."""

    fetch: HttpFetch
    login: Login

    async def measure(self, **settings: Any):
        return await measure(self.fetch, settings, self.login, NOW)


def _v1(request: web.Request) -> web.Response:
    query = request.query
    if set(query) != {"query", "from", "to"} or not int(query["from"]) < int(query["to"]) == int(NOW):
        return web.json_response({"errors": ["bad parameters"]}, status=400)
    if query["query"].startswith("syntax"):
        return web.json_response({"status": "error", "error": "Rule 'scope_expr' didn't match"})
    points = POINTS.get(query["query"])
    series = [{"metric": query["query"], "pointlist": points}] if points else []
    return web.json_response({"status": "ok", "series": series, "span": int(query["to"]) - int(query["from"])})


async def _v2(request: web.Request) -> web.Response:
    data = (await request.json())["data"]
    asked = data["attributes"]
    fine = (
        data["type"] == "scalar_request"
        and asked["to"] == int(NOW) * 1000
        and asked["from"] < asked["to"]
        and all(set(one) == {"aggregator", "data_source", "name", "query"} for one in asked["queries"])
        and all(one["data_source"] == "metrics" for one in asked["queries"])
    )
    if not fine:
        return web.json_response({"errors": ["bad request"]}, status=400)
    found = {one["name"]: POINTS.get(one["query"], [[0, None]])[-1][1] for one in asked["queries"]}
    value = found.get("query", next(iter(found.values())))
    if asked["formulas"]:
        left, right = asked["formulas"][0]["formula"].split(" / ")
        value = found[left] / found[right]
    columns = [] if value is None else [{"name": "x", "values": [value]}]
    aggregators = [one["aggregator"] for one in asked["queries"]]
    return web.json_response({"data": {"type": "scalar_response", "attributes": {"columns": columns}}, "asked": aggregators})


async def _answer(request: web.Request) -> web.StreamResponse:
    if (request.headers.get("DD-API-KEY"), request.headers.get("DD-APPLICATION-KEY")) != ("api", "app"):
        return web.json_response({"errors": ["Forbidden"]}, status=403)
    match request.method, request.path:
        case "GET", "/api/v1/query":
            return _v1(request)
        case "POST", "/api/v2/query/scalar":
            return await _v2(request)
        case _:
            return web.Response(status=404, text="no such endpoint")


@pytest_asyncio.fixture
async def datadog() -> AsyncGenerator[Datadog, None]:
    async with metric_server(_answer) as (url, fetch):
        yield Datadog(fetch, Login("api", "app", url))


@pytest.mark.compat("rollouts:provider.datadog")
@pytest.mark.proves("001-22")
@pytest.mark.parametrize(
    ("settings", "value", "text"),
    [
        ({"query": "errors"}, 0.25, "0.25"),
        ({"query": "errors", "apiVersion": "v1", "interval": "10m"}, 0.25, "0.25"),
        ({"query": "nothing"}, None, "[]"),
        ({"query": "errors", "apiVersion": "v2"}, 0.25, "0.25"),
        ({"query": "errors", "apiVersion": "v2", "aggregator": "sum"}, 0.25, "0.25"),
        ({"query": "nothing", "apiVersion": "v2"}, None, '{"columns":[]}'),
        (
            {"queries": {"a": "requests", "b": "errors"}, "formula": "a / b", "apiVersion": "v2", "aggregator": "avg"},
            28.0,
            "28",
        ),
    ],
)
async def test_values(datadog: Datadog, settings, value, text) -> None:
    sample = await datadog.measure(**settings)
    assert (sample.value, sample.text) == (value, text)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "Must have either a query or queries"),
        ({"query": "q", "queries": {"a": "q"}, "apiVersion": "v2"}, "Cannot use both a query and queries"),
        ({"queries": {"a": "q"}}, "need apiVersion v2"),
        ({"query": "q", "formula": "a", "apiVersion": "v2"}, "Formula are only valid when queries are set"),
        (
            {"queries": {"a": "q", "b": "q"}, "apiVersion": "v2"},
            "When multiple queries are provided",
        ),
        ({"query": "q", "apiVersion": "v3"}, "apiVersion v3 is not v1 or v2"),
        ({"query": "q", "apiVersion": "v2", "aggregator": "most"}, "aggregator most is not one of avg, "),
        ({"query": "q", "interval": "soon"}, 'interval: time: invalid duration "soon"'),
        ({"query": "syntax("}, "Datadog refuses the query: Rule 'scope_expr' didn't match"),
    ],
)
async def test_what_cannot_be_asked_says_why(datadog: Datadog, settings, message) -> None:
    with pytest.raises(InvalidInput) as caught:
        await datadog.measure(**settings)
    assert message in caught.value.message


async def test_a_wrong_key_is_denied_and_not_told(datadog: Datadog) -> None:
    with pytest.raises(Denied, match="received authentication error response code: 403") as caught:
        await measure(datadog.fetch, {"query": "errors"}, Login("hush", "app", datadog.login.address), NOW)
    assert "hush" not in caught.value.message


async def test_another_server_than_datadog_is_an_error(datadog: Datadog) -> None:
    elsewhere = Login("api", "app", f"{datadog.login.address}/elsewhere")
    with pytest.raises(Unavailable, match="received non 2xx response code: 404 no such endpoint"):
        await measure(datadog.fetch, {"query": "errors"}, elsewhere, NOW)


@pytest.mark.parametrize(
    "answer",
    [
        {"series": 7},
        {"series": [7]},
        {"series": [{"pointlist": [[1]]}]},
        {"series": [{"pointlist": [[1, "many"]]}]},
        {"series": [{"pointlist": [[1, True]]}]},
        {"series": [{}]},
    ],
)
def test_lies_of_v1_are_errors(answer) -> None:
    with pytest.raises(Unavailable, match="its API does not allow"):
        read_v1(answer)


@pytest.mark.parametrize("answer", [{}, {"data": 7}, {"data": {"attributes": {"columns": [{"values": ["x"]}]}}}])
def test_lies_of_v2_are_errors(answer) -> None:
    with pytest.raises(Unavailable, match="its API does not allow"):
        read_v2(answer)


def test_errors_inside_an_answer_are_errors() -> None:
    with pytest.raises(InvalidInput, match="There were errors in your query: bad formula"):
        read_v2({"errors": "bad formula"})


def test_a_login_comes_from_a_secret_or_the_environment() -> None:
    assert login_of({"api-key": "a", "app-key": "b"}) == Login("a", "b", "https://api.datadoghq.com")
    assert login_of({"api-key": "a"}) is None
    assert login_of_environment({"DD_API_KEY": "a", "DD_APP_KEY": "b", "DD_ADDRESS": "http://dd"}) == Login(
        "a", "b", "http://dd"
    )
    assert login_of_environment({}) is None
