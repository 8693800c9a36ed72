"""The skywalking metric against a real HTTP server that answers as SkyWalking's query protocol is documented to."""

import re
from typing import Any

import pytest
from aiohttp import web

from shipway.adapters.skywalking.provider import measure, read_answer
from shipway.base.clock import Instant
from shipway.base.errors import InvalidInput, Unavailable
from shipway.expression import evaluate_condition
from tests.unit.adapters.metric_server import metric_server
from tests.unit.adapters.troubles import TROUBLES, Trouble

NOW = Instant(1_800_000_000.0)  # 2027-01-15T08:00:00Z
APDEX = """query queryData($duration: Duration!) {
  service_apdex: readMetricsValues(
    condition: { name: "service_apdex", entity: { scope: Service, serviceName: "shop", normal: true } },
    duration: $duration) { label values { values { value } } }
}"""
FOUND = {"service_apdex": {"label": None, "values": {"values": [{"value": 9900}, {"value": 10000}]}}}


async def _skywalking(request: web.Request) -> web.StreamResponse:
    """`POST /graphql` with a duration to the minute."""
    if request.method != "POST" or request.path != "/graphql" or request.content_type != "application/json":
        return web.Response(status=404, text="no such path")
    asked = await request.json()
    duration = asked["variables"]["duration"]
    minute = re.compile(r"2027-01-15 \d{4}")
    if set(duration) != {"start", "end", "step"} or duration["step"] != "MINUTE":
        return web.json_response({"errors": [{"message": "bad duration"}]})
    if not minute.fullmatch(duration["start"]) or duration["end"] != "2027-01-15 0800":
        return web.json_response({"errors": [{"message": f"bad time {duration}"}]})
    if "queryData" not in asked["query"]:
        return web.json_response({"data": None, "errors": [{"message": "Validation error of type FieldUndefined: nothing"}]})
    minutes = int(duration["end"][-4:]) - int(duration["start"][-4:]) - 40
    return web.json_response({"data": FOUND | {"minutes": minutes}})


@pytest.mark.compat("rollouts:provider.skywalking")
@pytest.mark.parametrize(("interval", "minutes"), [("3m", 3), ("", 5), ("10m", 10), ("90s", 2)])
async def test_values(interval: str, minutes: int) -> None:
    async with metric_server(_skywalking) as (url, fetch):
        sample = await measure(fetch, {"address": f"{url}/", "query": APDEX, "interval": interval}, NOW)
    values = [{"value": 9900.0}, {"value": 10000.0}]
    assert sample.value == {"service_apdex": {"label": None, "values": {"values": values}}, "minutes": minutes}
    assert sample.text.startswith(
        '{"minutes":' + str(minutes) + ',"service_apdex":{"label":null,"values":{"values":[{"value":9900},'
    )
    assert evaluate_condition("all(result.service_apdex.values.values, {asFloat(.value) >= 9900})", sample.value)
    assert not evaluate_condition("all(result.service_apdex.values.values, {.value > 9900})", sample.value)


async def test_a_query_that_is_refused_says_why() -> None:
    async with metric_server(_skywalking) as (url, fetch):
        with pytest.raises(InvalidInput, match="refuses the query: Validation error of type FieldUndefined: nothing"):
            await measure(fetch, {"address": url, "query": "{ nothing }"}, NOW)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "skywalking metric: no address"),
        ({"address": "oap:12800"}, "skywalking metric: the address oap:12800 is no URL"),
        ({"address": "http://oap", "interval": "soon"}, 'skywalking metric: interval: time: invalid duration "soon"'),
    ],
)
async def test_what_cannot_be_asked_says_why(settings: dict[str, str], says: str) -> None:
    async with metric_server(_skywalking) as (_, fetch):
        with pytest.raises(InvalidInput) as caught:
            await measure(fetch, {"query": APDEX, **settings}, NOW)
    assert caught.value.message.startswith(says)


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_trouble_is_told(trouble: Trouble) -> None:
    async with metric_server(trouble.answer) as (url, fetch):
        with pytest.raises(trouble.error) as caught:
            await measure(trouble.impatient(fetch), {"address": url.replace("//", "//user:hush@"), "query": APDEX}, NOW)
    assert trouble.says in caught.value.message
    assert "SkyWalking at http://127.0.0.1" in caught.value.message
    assert "hush" not in caught.value.message


@pytest.mark.parametrize("answer", [{"data": None}, {}, {"data": 7}])
def test_no_results_are_an_error(answer: Any) -> None:
    with pytest.raises(Unavailable, match=r"no results returned from SkyWalking query|its API does not allow"):
        read_answer(answer, "SkyWalking")
