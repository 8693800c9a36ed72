"""The wavefront metric against a real HTTP server that answers as Wavefront's chart API is documented to."""

import math
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from msgspec.structs import replace

from shipway.adapters.wavefront.provider import measure, read_answer
from shipway.api.metrics import Fetch, HttpAnswer, HttpCall
from shipway.base.clock import Instant
from shipway.base.errors import Denied, InvalidInput, Unavailable
from tests.unit.adapters.metric_server import metric_server
from tests.unit.adapters.troubles import REDIRECT, TROUBLES, Trouble, echoing

NOW = Instant(12_000.7)
ADDRESS = "example.wavefront.com"
SERIES: dict[str, list[list[list[float]]]] = {
    "ts(one)": [[[12_000, 10]]],
    "ts(two)": [[[12_000, 10], [11_000, 7]], [[11_940, 11.256]]],
    "ts(none)": [],
}


async def _wavefront(request: web.Request) -> web.StreamResponse:
    """`GET /api/v2/chart/api`: the query, both ends in epoch milliseconds, granularity, points and series outside."""
    if request.headers.get("Authorization") != "Bearer sesame":
        return web.json_response({"status": {"result": "ERROR", "message": "not authorised", "code": 401}}, status=401)
    if request.method != "GET" or request.path != "/api/v2/chart/api":
        return web.Response(status=404, text="no such path")
    query = dict(request.query)
    asked = query.pop("q")
    if query != {"s": "12000000", "e": "12000000", "p": "1", "g": "s", "i": "true"}:
        return web.Response(status=400, text=f"bad query {query}")
    if asked not in SERIES:
        return web.json_response(
            {"query": asked, "errorType": "QuerySyntaxError", "errorMessage": "no viable alternative at ("}
        )
    warnings = {"warnings": "No data within 2 hours"} if asked == "ts(two)" else {}
    series = [{"label": "x", "host": "web-1", "data": data} for data in SERIES[asked]]
    found = {"timeseries": series} if series else {}
    return web.json_response({"query": asked, "name": "x", "granularity": 1, "stats": {"keys": 1}, **found, **warnings})


def at(fetch: Fetch, url: str) -> Fetch:
    """The fetch for which the address in the metric, which is always reached by https, stands for the server of the test."""

    async def redirected(call: HttpCall) -> HttpAnswer:
        assert call.url.startswith(f"https://{ADDRESS}/")
        return await fetch(replace(call, url=call.url.replace(f"https://{ADDRESS}", url)))

    return redirected


@pytest_asyncio.fixture
async def fetch() -> AsyncGenerator[Fetch, None]:
    async with metric_server(_wavefront) as (url, fetch):
        yield at(fetch, url)


@pytest.mark.compat("rollouts:provider.wavefront")
@pytest.mark.parametrize(
    ("query", "value", "text", "metadata"),
    [
        ("ts(one)", 10.0, "10.00", {"timestamps": "12000", "drift": "0"}),
        (
            "ts(two)",
            [10.0, 11.256],
            "[10.00,11.26]",
            {"timestamps": "[12000,11940]", "drift": "[0,-60]", "warnings": "No data within 2 hours"},
        ),
    ],
)
async def test_values(fetch: Fetch, query: str, value: Any, text: str, metadata: dict[str, str]) -> None:
    sample = await measure(fetch, {"address": ADDRESS, "query": query}, "sesame", NOW)
    assert (sample.value, sample.text, sample.metadata) == (value, text, metadata)


@pytest.mark.parametrize(
    ("query", "error", "says"),
    [
        ("ts(none)", Unavailable, "No TimeSeries found in response from Wavefront"),
        ("ts((", InvalidInput, "refuses the query: no viable alternative at ("),
    ],
)
async def test_an_answer_without_series_says_why(fetch: Fetch, query: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error) as caught:
        await measure(fetch, {"address": ADDRESS, "query": query}, "sesame", NOW)
    assert says in str(caught.value)


async def test_a_wrong_token_is_denied(fetch: Fetch) -> None:
    with pytest.raises(Denied, match=r"Wavefront at example\.wavefront\.com refuses the login \(401\)"):
        await measure(fetch, {"address": ADDRESS, "query": "ts(one)"}, "hush", NOW)


@pytest.mark.parametrize("trouble", [*TROUBLES, pytest.param(REDIRECT, id="redirect")])
async def test_trouble_is_told(trouble: Trouble) -> None:
    async with metric_server(trouble.answer) as (url, fetch):
        with pytest.raises(trouble.error) as caught:
            await measure(at(trouble.impatient(fetch), url), {"address": ADDRESS, "query": "ts(one)"}, "hush", NOW)
    assert trouble.says in caught.value.message
    assert "Wavefront at example.wavefront.com" in caught.value.message


async def test_a_server_that_repeats_the_token_does_not_tell_it() -> None:
    async with metric_server(echoing) as (url, fetch):
        with pytest.raises(Denied) as caught:
            await measure(at(fetch, url), {"address": ADDRESS, "query": "ts(one)"}, "hush-hush", NOW)
    assert "hush" not in caught.value.message


@pytest.mark.parametrize(
    ("points", "now", "value", "time", "drift"),
    [
        ([[0, 1], [5, 2]], 1.0, 1.0, "0", "-1"),
        ([[0, 1], [5, 2]], 4.0, 2.0, "5", "1"),
        ([[0, 1], [5, 2]], 0.0, 1.0, "0", "0"),
    ],
)
def test_the_point_next_to_now_is_taken(points: list[Any], now: float, value: float, time: str, drift: str) -> None:
    sample = read_answer({"timeseries": [{"data": points}]}, "Wavefront", Instant(now))
    assert (sample.value, sample.metadata) == (value, {"timestamps": time, "drift": drift})


def test_not_a_number_stays_so() -> None:
    sample = read_answer({"timeseries": [{"data": [[5, "NaN"]]}]}, "Wavefront", Instant(5.0))
    assert math.isnan(sample.value)
    assert sample.text == "NaN"


@pytest.mark.parametrize(
    "answer",
    [
        {"timeseries": 7},
        {"timeseries": [7]},
        {"timeseries": [{}]},
        {"timeseries": [{"data": []}]},
        {"timeseries": [{"data": [[1]]}]},
        {"timeseries": [{"data": [[1, None]]}]},
        {"timeseries": [{"data": [["x", 1]]}]},
        {"timeseries": [{"data": [[1, True]]}]},
        {"timeseries": [{"data": [["inf", 1]]}]},
    ],
)
def test_lies_are_errors(answer: Any) -> None:
    with pytest.raises(Unavailable, match="its API does not allow"):
        read_answer(answer, "Wavefront", NOW)


@pytest.mark.parametrize("address", ["", "http://example.wavefront.com", "a b", "example.com/path", "user@example.com"])
async def test_an_address_is_the_name_of_a_host(fetch: Fetch, address: str) -> None:
    with pytest.raises(InvalidInput, match=r"wavefront metric: the address .* is no host"):
        await measure(fetch, {"address": address, "query": "ts(one)"}, "sesame", NOW)
