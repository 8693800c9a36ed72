"""The kayenta metric against a real HTTP server that answers as Kayenta's API is documented to (its swagger page)."""

from collections.abc import AsyncGenerator
from typing import Any

import orjson
import pytest
import pytest_asyncio
from aiohttp import web
from msgspec import Struct

from shipway.adapters.http.fetch import HttpFetch
from shipway.adapters.kayenta.provider import EXECUTION, measure, read_score
from shipway.api.metrics import Sample
from shipway.base.errors import InvalidInput, Unavailable
from tests.unit.adapters.metric_server import metric_server
from tests.unit.adapters.troubles import REDIRECT, TROUBLES, Trouble

SCOPE = {"step": 60, "region": "us-west-2", "start": "2026-11-20T09:00:00Z", "end": "2026-11-20T09:30:00Z"}
SETTINGS: dict[str, Any] = {
    "application": "guest book",
    "canaryConfigName": "web-canary",
    "metricsAccountName": "metrics-prod",
    "configurationAccountName": "configs",
    "storageAccountName": "results",
    "threshold": {"pass": 90, "marginal": 75},
    "scopes": [
        {
            "name": "default",
            "controlScope": {"scope": "hash=stable", **SCOPE},
            "experimentScope": {"scope": "hash=new", **SCOPE},
        },
        {"name": "late", "controlScope": {"scope": "a", "step": "60"}, "experimentScope": {"scope": "b"}},
    ],
}
BLANK = {"region": "", "start": "", "end": ""}
WANTED = {
    "scopes": {
        "default": {"controlScope": {"scope": "hash=stable", **SCOPE}, "experimentScope": {"scope": "hash=new", **SCOPE}},
        "late": {"controlScope": {"scope": "a", "step": 60, **BLANK}, "experimentScope": {"scope": "b", "step": 0, **BLANK}},
    },
    "thresholds": {"pass": 90, "marginal": 75},
}
CONFIGS = [{"id": "c-1", "name": "other"}, {"id": "c/2", "name": "web-canary", "applications": ["guest book"]}]
JUDGED = {"01RUNNING": None, "01GOOD": 90.9, "01MARGINAL": 89.9, "01BAD": 74.2}


async def _kayenta(request: web.Request) -> web.StreamResponse:
    """`GET /canaryConfig`, `POST /canary/{config}`, `GET /canary/{execution}`."""
    query = dict(request.query)
    match request.method, request.rel_url.raw_path:
        case "GET", "/canaryConfig" if query == {"application": "guest book", "configurationAccountName": "configs"}:
            return web.json_response(CONFIGS)
        case "POST", "/canary/c%2F2" if request.content_type == "application/json":
            accounts = {"metricsAccountName": "metrics-prod", "storageAccountName": "results"}
            if query != {"application": "guest book", "configurationAccountName": "configs", **accounts}:
                return web.json_response({"error": "Bad Request", "message": f"{query}"}, status=400)
            if await request.json() != WANTED:
                return web.json_response({"error": "Bad Request", "message": "scopes"}, status=400)
            return web.json_response({"canaryExecutionId": "01GOOD"})
        case "GET", path if (execution := path.removeprefix("/canary/")) in JUDGED and not query:
            score = JUDGED[execution]
            if score is None:
                return web.json_response({"complete": False, "status": "running"})
            result = {"judgeResult": {"score": {"score": score, "classification": "Pass"}}}
            return web.json_response({"complete": True, "status": "succeeded", "result": result})
        case _:
            return web.json_response({"error": "Not Found", "message": request.path_qs}, status=404)


BEGUN = orjson.dumps({"metadata": {EXECUTION: "01"}})


class Kayenta(Struct, frozen=True):
    fetch: HttpFetch
    address: str

    async def begin(self, **settings: Any) -> Sample:
        return await measure(self.fetch, {**SETTINGS, "address": self.address, **settings})

    async def resume(self, execution: str) -> Sample:
        measurement = orjson.dumps({"metadata": {EXECUTION: execution}})
        return await measure(self.fetch, {**SETTINGS, "address": self.address}, measurement)


@pytest_asyncio.fixture
async def kayenta() -> AsyncGenerator[Kayenta, None]:
    async with metric_server(_kayenta) as (url, fetch):
        yield Kayenta(fetch, f"{url}/")


@pytest.mark.compat("rollouts:provider.kayenta")
async def test_an_execution_is_started_and_named(kayenta: Kayenta) -> None:
    assert await kayenta.begin() == Sample(None, "", {"canaryExecutionId": "01GOOD"}, phase="Running", resume_after=15.0)


@pytest.mark.compat("rollouts:provider.kayenta")
@pytest.mark.parametrize(
    ("execution", "found"),
    [
        ("01RUNNING", Sample(None, "", {"canaryExecutionId": "01RUNNING"}, phase="Running", resume_after=15.0)),
        ("01GOOD", Sample(90, "90", phase="Successful")),
        ("01MARGINAL", Sample(89, "89", phase="Inconclusive")),
        ("01BAD", Sample(74, "74", phase="Failed")),
    ],
)
async def test_an_execution_is_judged_by_the_thresholds(kayenta: Kayenta, execution: str, found: Sample) -> None:
    assert await kayenta.resume(execution) == found


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"canaryConfigName": "gone"}, "has no canary config 'gone' for application 'guest book'"),
        ({"application": "x"}, "refuses the query (404): "),
        ({"threshold": {"pass": 90}}, "kayenta metric: threshold.marginal None is no whole number"),
        ({"threshold": {"pass": "much", "marginal": 1}}, "kayenta metric: threshold.pass 'much' is no whole number"),
        ({"scopes": [7]}, "kayenta metric: scopes[0] is no scope"),
        ({"scopes": [{"controlScope": {"step": "x"}}]}, "kayenta metric: scopes[0].controlScope.step 'x' is no whole number"),
        ({"address": ""}, "kayenta metric: no address"),
        ({"address": "kayenta:8090"}, "kayenta metric: the address kayenta:8090 is no URL"),
    ],
)
async def test_what_cannot_be_asked_says_why(kayenta: Kayenta, settings: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await kayenta.begin(**settings)
    assert says in caught.value.message


async def test_an_execution_that_is_gone_is_an_error(kayenta: Kayenta) -> None:
    with pytest.raises(InvalidInput, match=r"refuses the query \(404\)"):
        await kayenta.resume("../canaryConfig")


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_trouble_is_told(trouble: Trouble) -> None:
    async with metric_server(trouble.answer) as (url, fetch):
        settings = {**SETTINGS, "address": url.replace("//", "//user:hush@")}
        for asking in (measure(trouble.impatient(fetch), settings), measure(trouble.impatient(fetch), settings, BEGUN)):
            with pytest.raises(trouble.error) as caught:
                await asking
            assert trouble.says in caught.value.message or "Missing Complete Status" in caught.value.message
            assert "Kayenta at http://127.0.0.1" in caught.value.message
            assert "hush" not in caught.value.message


async def test_a_start_is_not_redirected() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(CONFIGS) if request.method == "GET" else await REDIRECT.answer(request)

    async with metric_server(answer) as (url, fetch):
        with pytest.raises(InvalidInput, match="answered 307, a redirect"):
            await measure(fetch, {**SETTINGS, "address": url})


@pytest.mark.parametrize("started", [{}, {"canaryExecutionId": ""}, {"canaryExecutionId": 7}, []])
async def test_a_start_without_an_id_is_an_error(started: Any) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(CONFIGS if request.method == "GET" else started)

    async with metric_server(answer) as (url, fetch):
        with pytest.raises(Unavailable, match="Invalid canaryExecutionId"):
            await measure(fetch, {**SETTINGS, "address": url})


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({}, "Missing Complete Status"),
        ({"complete": "yes"}, "Missing Complete Status"),
        ({"complete": True, "status": "terminal"}, "Missing Score: the execution ended terminal"),
        ({"complete": True, "result": {"judgeResult": {"score": {"score": "90"}}}}, "Missing Score"),
        ({"complete": True, "result": {"judgeResult": {"score": {"score": True}}}}, "Missing Score"),
        ({"complete": True, "result": 7}, "Missing Score"),
        (7, "its API does not allow"),
    ],
)
def test_lies_are_errors(answer: Any, says: str) -> None:
    with pytest.raises(Unavailable) as caught:
        read_score(answer, "Kayenta", SETTINGS)
    assert says in caught.value.message
