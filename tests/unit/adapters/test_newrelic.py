"""The newRelic metric against a real HTTP server that answers as NerdGraph is documented to."""

import re
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from msgspec import Struct

from shipway.adapters.http.fetch import HttpFetch
from shipway.adapters.newrelic.provider import Login, login_of, measure, read_answer
from shipway.base.errors import Denied, InvalidInput, Unavailable
from tests.unit.adapters.metric_server import metric_server
from tests.unit.adapters.troubles import REDIRECT, TROUBLES, Trouble, echoing

ROWS: dict[str, list[dict[str, Any]]] = {
    "FROM Transaction SELECT percentage(count(*), WHERE httpResponseCode != 500) AS successRate": [{"successRate": 99}],
    "SELECT count(*), average(duration) FROM Transaction": [{"count": 10, "average.duration": 0.25}],
    "SELECT count(*) FROM Transaction TIMESERIES": [{"count": 1, "beginTimeSeconds": 5}, {"count": 2.5, "beginTimeSeconds": 6}],
    "SELECT count(*) FROM Nothing": [],
    "SELECT latest(x) FROM Nothing": [{}],
}


async def _nerdgraph(request: web.Request) -> web.StreamResponse:
    """`POST`, `Api-Key`, a GraphQL query whose variables have the types of NerdGraph's schema."""
    if request.headers.get("Api-Key") != "NRAK-sesame":
        return web.json_response({"errors": [{"message": "Invalid credentials provided"}]}, status=401)
    if request.method != "POST" or request.path != "/graphql" or request.content_type != "application/json":
        return web.json_response({"errors": [{"message": "bad request"}]}, status=400)
    asked = await request.json()
    declared = dict(re.findall(r"\$(\w+): (\w+!?)", asked["query"].partition("{")[0]))
    if declared != {"accountId": "Int!", "query": "Nrql!", "timeout": "Seconds"} or set(asked["variables"]) != set(declared):
        return _errors(f"bad variables {declared}")
    fine = re.search(r"actor\s*{\s*account\(id: \$accountId\)\s*{\s*nrql\(query: \$query, timeout: \$timeout\)", asked["query"])
    if not fine or not re.search(r"\bresults\b", asked["query"]):
        return _errors("bad query")
    given = asked["variables"]
    if type(given["accountId"]) is not int or given["accountId"] != 12345 or type(given["timeout"]) is not int:
        return _errors("Access denied.", "ACCESS_DENIED")
    if given["query"] not in ROWS:
        return _errors("NRQL Syntax Error: Error at line 1 position 1", "TIMEOUT" if given["timeout"] < 5 else "BAD_QUERY")
    return web.json_response({"data": {"actor": {"account": {"nrql": {"results": ROWS[given["query"]]}}}}})


def _errors(message: str, kind: str = "SERVER_ERROR") -> web.StreamResponse:
    error = {"message": message, "extensions": {"errorClass": kind}, "path": ["actor", "account", "nrql"]}
    return web.json_response({"data": {"actor": {"account": {"nrql": None}}}, "errors": [error]})


class NewRelic(Struct, frozen=True):
    fetch: HttpFetch
    login: Login


@pytest_asyncio.fixture
async def newrelic() -> AsyncGenerator[NewRelic, None]:
    async with metric_server(_nerdgraph) as (url, fetch):
        yield NewRelic(fetch, Login("NRAK-sesame", 12345, f"{url}/graphql"))


@pytest.mark.compat("rollouts:provider.newRelic")
@pytest.mark.parametrize(
    ("number", "value", "text"),
    [
        (0, {"successRate": 99.0}, '{"successRate":99}'),
        (1, {"count": 10.0, "average.duration": 0.25}, '{"average.duration":0.25,"count":10}'),
        (
            2,
            [{"count": 1.0, "beginTimeSeconds": 5.0}, {"count": 2.5, "beginTimeSeconds": 6.0}],
            '[{"beginTimeSeconds":5,"count":1},{"beginTimeSeconds":6,"count":2.5}]',
        ),
    ],
)
@pytest.mark.parametrize("settings", [{}, {"timeout": 10}, {"timeout": "10", "profile": "mine"}])
async def test_values(newrelic: NewRelic, settings: dict[str, Any], number: int, value: Any, text: str) -> None:
    sample = await measure(newrelic.fetch, {"query": list(ROWS)[number], **settings}, newrelic.login)
    assert (sample.value, sample.text) == (value, text)


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"query": "SELECT count(*) FROM Nothing"}, Unavailable, "no results returned from NRQL query"),
        ({"query": "SELECT latest(x) FROM Nothing"}, Unavailable, "no results returned from NRQL query"),
        ({"query": "SELCT"}, InvalidInput, "refuses the query: NRQL Syntax Error: Error at line 1 position 1"),
        ({"query": "SELCT", "timeout": 1}, InvalidInput, "refuses the query: NRQL Syntax Error"),
        ({"query": "x", "timeout": "soon"}, InvalidInput, "newRelic metric: timeout 'soon' is no number of seconds"),
        ({"query": "x", "timeout": -1}, InvalidInput, "newRelic metric: timeout -1 is no number of seconds"),
    ],
)
async def test_an_answer_without_rows_says_why(
    newrelic: NewRelic, settings: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error) as caught:
        await measure(newrelic.fetch, settings, newrelic.login)
    assert says in str(caught.value)


async def test_a_wrong_key_is_denied_and_not_told(newrelic: NewRelic) -> None:
    with pytest.raises(Denied, match=r"New Relic at .* refuses the login \(401\)") as caught:
        await measure(newrelic.fetch, {"query": "x"}, Login("NRAK-hush", 1, newrelic.login.address))
    assert "hush" not in caught.value.message


@pytest.mark.parametrize("trouble", [*TROUBLES, pytest.param(REDIRECT, id="redirect")])
async def test_trouble_is_told(trouble: Trouble) -> None:
    async with metric_server(trouble.answer) as (url, fetch):
        with pytest.raises(trouble.error) as caught:
            await measure(trouble.impatient(fetch), {"query": "x"}, Login("NRAK-hush", 12345, url))
    assert trouble.says in caught.value.message
    assert "New Relic at http://127.0.0.1" in caught.value.message


async def test_a_server_that_repeats_the_key_does_not_tell_it() -> None:
    async with metric_server(echoing) as (url, fetch):
        with pytest.raises(Denied) as caught:
            await measure(fetch, {"query": "x"}, Login("NRAK-hush", 12345, url))
    assert "hush" not in caught.value.message


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"data": None},
        {"data": {"actor": {"account": None}}},
        {"data": {"actor": {"account": {"nrql": {}}}}},
        {"data": {"actor": {"account": {"nrql": {"results": 7}}}}},
        {"data": {"actor": {"account": {"nrql": {"results": [7]}}}}},
        {"errors": 7},
    ],
)
def test_lies_are_errors(answer: Any) -> None:
    with pytest.raises((Unavailable, InvalidInput), match=r"its API does not allow|refuses the query"):
        read_answer(answer, "New Relic")


KEYS = {"personal-api-key": "k\n", "account-id": "7"}


@pytest.mark.parametrize(
    ("more", "address"),
    [
        ({}, "https://api.newrelic.com/graphql"),
        ({"region": "us"}, "https://api.newrelic.com/graphql"),
        ({"region": "EU"}, "https://api.eu.newrelic.com/graphql"),
        ({"region": "staging"}, "https://staging-api.newrelic.com/graphql"),
        ({"base-url-rest": "http://proxy/rest"}, "https://api.newrelic.com/graphql"),
        ({"region": "eu", "base-url-nerdgraph": "http://proxy/graphql"}, "http://proxy/graphql"),
    ],
)
def test_where_nerdgraph_is(more: dict[str, str], address: str) -> None:
    assert login_of({**KEYS, **more}) == Login("k", 7, address)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"account-id": "7"}, "account ID or personal API key not found"),
        ({"personal-api-key": "k"}, "account ID or personal API key not found"),
        ({"personal-api-key": "k", "account-id": "seven"}, "could not parse account ID"),
        ({**KEYS, "region": "moon"}, "region moon is not one of eu, staging, us"),
    ],
)
def test_a_login_that_cannot_be_says_why(values: dict[str, str], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        login_of(values)
