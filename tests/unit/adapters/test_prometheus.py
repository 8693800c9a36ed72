"""What Prometheus' HTTP API answers, and what a condition sees of it."""

import math
from base64 import b64encode

import orjson
import pytest
from aiohttp import web

from shipway.adapters.prometheus.provider import Range, measure, read_answer
from shipway.base.clock import Instant
from shipway.base.errors import InvalidInput, Unavailable
from tests.unit.adapters.metric_server import metric_server


def body(kind: str, result: object, **more: object) -> bytes:
    return orjson.dumps({"status": "success", "data": {"resultType": kind, "result": result}, **more})


@pytest.mark.parametrize(
    ("answer", "value", "text"),
    [
        (body("scalar", [1, "0.5"]), 0.5, "0.5"),
        (body("vector", [{"value": [1, "0.25"]}, {"value": [1, "3"]}]), [0.25, 3.0], "[0.25,3]"),
        (body("vector", []), [], "[]"),
        (body("matrix", []), [], "[]"),
        (body("matrix", [{"values": [[1, "1"], [2, "NaN"]][:1]}, {"values": [[1, "2"]]}]), [1.0, 2.0], "[1,2]"),
        (body("scalar", [1, "+Inf"]), math.inf, "+Inf"),
        (body("scalar", [1, "-Inf"]), -math.inf, "-Inf"),
        (body("scalar", [1, "0.2916666666666667"]), 0.2916666666666667, "0.2916666666666667"),
        (body("scalar", [1, "1e-7"]), 1e-7, "0.0000001"),
        (body("scalar", [1, "1e+22"]), 1e22, "10000000000000000000000"),
    ],
)
def test_values(answer, value, text) -> None:
    sample = read_answer(answer, 200)
    assert (sample.value, sample.text) == (value, text)


def test_nan_is_kept() -> None:
    sample = read_answer(body("vector", [{"value": [1, "NaN"]}]), 200)
    assert math.isnan(sample.value[0])
    assert sample.text == "[NaN]"


def test_warnings_are_kept() -> None:
    assert read_answer(body("scalar", [1, "1"], warnings=["partial", "slow"]), 200).metadata == {
        "warnings": '"partial", "slow"'
    }


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (orjson.dumps({"status": "error", "errorType": "bad_data", "error": "parse error"}), InvalidInput),
        (orjson.dumps({"status": "error", "errorType": "timeout", "error": "slow"}), Unavailable),
        (body("string", [1, "x"]), InvalidInput),
        (body("scalar", [1, "many"]), Unavailable),
        (body("vector", {"value": 1}), Unavailable),
        (body("vector", [{"value": [1]}]), Unavailable),
        (b'{"status": "success"}', Unavailable),
        (b'{"status": "success", "data": 7}', Unavailable),
        (b"[]", Unavailable),
        (b"<html>", Unavailable),
    ],
)
def test_errors(answer, error) -> None:
    with pytest.raises(error):
        read_answer(answer, 503)


async def _echo(request: web.Request) -> web.StreamResponse:
    """Answers with one label set per thing it was told; the value is how many there were."""
    form = await request.post()
    told = {"path": request.path, "login": request.headers.get("Authorization", ""), **{k: str(v) for k, v in form.items()}}
    return web.json_response({"status": "success", "data": {"resultType": "scalar", "result": [1, "1"]}, "warnings": [told]})


@pytest.mark.parametrize(
    ("settings", "over", "told"),
    [
        ({"query": "up"}, None, {"path": "/api/v1/query", "login": "", "query": "up"}),
        (
            {"query": "up"},
            Range(Instant(100.0), Instant(400.0), 60.0),
            {"path": "/api/v1/query_range", "login": "", "query": "up", "start": "100.000", "end": "400.000", "step": "60"},
        ),
        (
            {"query": "up", "authentication": {"basicAuth": {"username": "u", "password": "p"}}},
            None,
            {"path": "/api/v1/query", "login": f"Basic {b64encode(b'u:p').decode()}", "query": "up"},
        ),
        (
            {"query": "up", "headers": [{"key": "Authorization", "value": "Bearer t"}], "timeout": 7, "insecure": True},
            None,
            {"path": "/api/v1/query", "login": "Bearer t", "query": "up"},
        ),
    ],
)
async def test_what_is_sent(settings, over, told) -> None:
    async with metric_server(_echo) as (url, fetch):
        sample = await measure(fetch, {"address": f"{url}/", **settings}, over=over)
        assert sample.metadata["warnings"] == f'"{told}"'


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "no address"),
        ({"address": "prometheus:9090"}, "the address 'prometheus:9090' is no URL"),
        ({"address": "http://p", "timeout": -1}, "prometheus timeout should not be negative"),
        ({"address": "http://p", "timeout": "long"}, "timeout 'long' is no number of seconds"),
        ({"address": "http://p", "authentication": {"sigv4": {"region": "eu"}}}, "sigv4 does not work here"),
    ],
)
async def test_settings_that_cannot_work_are_refused(settings, message) -> None:
    async with metric_server(_echo) as (_, fetch):
        with pytest.raises(InvalidInput, match=message):
            await measure(fetch, {"query": "up", **settings})
