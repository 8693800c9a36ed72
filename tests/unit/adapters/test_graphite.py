"""The graphite metric against a real HTTP server that answers as Graphite's render API is documented to."""

import math
from typing import Any

import pytest
from aiohttp import web

from shipway.adapters.graphite.provider import measure, read_answer, render_url
from shipway.base.errors import InvalidInput, Unavailable
from tests.unit.adapters.metric_server import metric_server
from tests.unit.adapters.troubles import TROUBLES, Trouble

SERIES = {
    "stats.errors": [[0.5, 100], [None, 160], [0.25, 220]],
    "stats.text": [["12.5", "100"]],
    "stats.empty": [],
    "stats.nulls": [[None, 100]],
}


async def _graphite(request: web.Request) -> web.StreamResponse:
    """`/render`: GET, format=json, targets that it knows, from and until as the query says."""
    query = request.query
    if request.method != "GET" or request.path not in ("/render", "/behind/render") or query.getall("format") != ["json"]:
        return web.Response(status=400, text=f"bad request {request.method} {request.path_qs}")
    targets = query.getall("target", [])
    if not targets or set(query) - {"target", "from", "until", "format"}:
        return web.Response(status=400, text="no target")
    if query.get("from", "-5min") != "-5min" or query.get("until", "now") != "now":
        return web.Response(status=400, text="bad from")
    found = [name for name in targets if name in SERIES]
    return web.json_response([{"target": name, "datapoints": SERIES[name], "tags": {"name": name}} for name in found])


@pytest.mark.compat("rollouts:provider.graphite")
@pytest.mark.parametrize(
    ("query", "value", "text"),
    [
        ("target=stats.errors", [0.5, 0.25], "[0.500000,0.250000]"),
        ("target=stats.errors&from=-5min&until=now", [0.5, 0.25], "[0.500000,0.250000]"),
        ("target=stats.errors&target=stats.text", [0.5, 0.25], "[0.500000,0.250000]"),
        ("target=stats.text", [12.5], "[12.500000]"),
        ("target=stats.nulls", [], "[]"),
        ("target=stats.errors&format=csv", [0.5, 0.25], "[0.500000,0.250000]"),
    ],
)
@pytest.mark.parametrize("path", ["", "/", "/behind", "/behind/"])
async def test_values(query: str, value: list[float], text: str, path: str) -> None:
    async with metric_server(_graphite) as (url, fetch):
        sample = await measure(fetch, {"address": f"{url}{path}", "query": query})
    assert (sample.value, sample.text) == (value, text)


@pytest.mark.parametrize("query", ["target=stats.unknown", "target=stats.empty"])
async def test_no_values_are_an_error(query: str) -> None:
    async with metric_server(_graphite) as (url, fetch):
        with pytest.raises(Unavailable, match="no values found"):
            await measure(fetch, {"address": url, "query": query})


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_trouble_is_told(trouble: Trouble) -> None:
    async with metric_server(trouble.answer) as (url, fetch):
        with pytest.raises(trouble.error) as caught:
            await measure(
                trouble.impatient(fetch), {"address": url.replace("//", "//user:hush@"), "query": "target=x&key=hush"}
            )
    assert trouble.says in caught.value.message
    assert "Graphite" in caught.value.message
    assert "hush" not in caught.value.message


@pytest.mark.parametrize("address", ["", ":::", "graphite:80", "ftp://graphite"])
async def test_an_address_that_is_none_says_so(address: str) -> None:
    async with metric_server(_graphite) as (_, fetch):
        with pytest.raises(InvalidInput, match=r"Graphite address .* is not a valid URL"):
            await measure(fetch, {"address": address, "query": "target=x"})


@pytest.mark.parametrize(
    ("query", "url"),
    [
        (
            "target=summarize(\n  asPercent(a.{b,c},\n  d),\n  '5min')\n&from=-15min\n",
            "http://g/render?target=summarize%28+asPercent%28a.%7Bb%2Cc%7D%2C+d%29%2C+%275min%27%29+&from=-15min+&format=json",
        ),
        ("target=a%20b", "http://g/render?target=a+b&format=json"),
        ("", "http://g/render?format=json"),
    ],
)
def test_the_url_of_a_query(query: str, url: str) -> None:
    assert render_url("http://g", query) == url


@pytest.mark.parametrize(
    "answer",
    [
        {"datapoints": []},
        [7],
        [{"target": "a"}],
        [{"datapoints": [[10]]}],
        [{"datapoints": [[[], 100]]}],
        [{"datapoints": [[100, []]]}],
        [{"datapoints": [[100, "f"]]}],
        [{"datapoints": [["many", 100]]}],
        [{"datapoints": [[True, 100]]}],
    ],
)
def test_lies_are_errors(answer: Any) -> None:
    with pytest.raises(Unavailable, match="its API does not allow"):
        read_answer(answer, "Graphite")


def test_a_text_that_is_not_a_number_is_nan() -> None:
    sample = read_answer([{"datapoints": [["NaN", 100]]}], "Graphite")
    assert math.isnan(sample.value[0])
    assert sample.text == "[NaN]"
