"""The influxdb metric against a real HTTP server that answers as InfluxDB's /api/v2/query is documented to."""

import math
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from msgspec import Struct

from shipway.adapters.http.fetch import HttpFetch
from shipway.adapters.influxdb.provider import Login, login_of, measure, read_answer
from shipway.base.errors import Denied, InvalidInput, Unavailable
from tests.unit.adapters.metric_server import metric_server
from tests.unit.adapters.troubles import REDIRECT, TROUBLES, Trouble, echoing

HEAD = """#datatype,string,long,dateTime:RFC3339,dateTime:RFC3339,dateTime:RFC3339,{type},string,string
#group,false,false,true,true,false,false,true,true
#default,_result,,,,,,,
,result,table,_start,_stop,_time,_value,_field,_measurement
"""
ROW = ",,{table},2020-02-17T22:19:49Z,2020-02-18T22:19:49Z,2020-02-18T10:34:08Z,{value},f,test\n"


def table(kind: str, *values: str, number: int = 0) -> str:
    rows = "".join(ROW.format(table=number, value=value) for value in values)
    return (HEAD.format(type=kind) + rows).replace("\n", "\r\n")


ANSWERS = {
    "two": table("double", "1.0", "6.6"),
    "long": table("long", "10", "20"),
    "tables": table("double", "1") + "\r\n" + table("long", "2", number=1) + "\r\n",
    "none": table("double"),
    "blank": "\r\n",
    "error": "#datatype,string,string\r\n#group,true,true\r\n#default,,\r\n,error,reference\r\n,failed to write row,897\r\n",
}


async def _influx(request: web.Request) -> web.StreamResponse:
    """`POST /api/v2/query?org=…`: JSON with a flux query and the annotations that are wanted."""
    if request.headers.get("Authorization") != "Token sesame":
        return web.json_response({"code": "unauthorized", "message": "unauthorized access"}, status=401)
    if request.method != "POST" or request.path != "/api/v2/query":
        return web.json_response({"code": "not found", "message": "path not found"}, status=404)
    if request.query.get("org") != "my org" or request.content_type != "application/json":
        return web.json_response({"code": "invalid", "message": "organization name not found"}, status=400)
    asked = await request.json()
    dialect = asked["dialect"]
    fine = asked["type"] == "flux" and set(dialect["annotations"]) == {"datatype", "group", "default"} and dialect["header"]
    if set(asked) != {"query", "type", "dialect"} or not fine or dialect["delimiter"] != ",":
        return web.json_response({"code": "invalid", "message": "bad dialect"}, status=400)
    if asked["query"] not in ANSWERS:
        return web.json_response({"code": "invalid", "message": "compilation failed: undefined identifier"}, status=400)
    return web.Response(text=ANSWERS[asked["query"]], content_type="text/csv", charset="utf-8")


class Influx(Struct, frozen=True):
    fetch: HttpFetch
    login: Login


@pytest_asyncio.fixture
async def influx() -> AsyncGenerator[Influx, None]:
    async with metric_server(_influx) as (url, fetch):
        yield Influx(fetch, Login(f"{url}/", "sesame", "my org"))


@pytest.mark.compat("rollouts:provider.influxdb")
@pytest.mark.parametrize(
    ("query", "value", "text"),
    [("two", [1.0, 6.6], "[1 6.6]"), ("long", [10, 20], "[10 20]"), ("tables", [1.0, 2], "[1 2]")],
)
async def test_values(influx: Influx, query: str, value: list[Any], text: str) -> None:
    sample = await measure(influx.fetch, {"query": query}, influx.login)
    assert (sample.value, sample.text) == (value, text)
    assert [type(one) for one in sample.value] == [type(one) for one in value]


@pytest.mark.parametrize(
    ("query", "error", "says"),
    [
        ("none", Unavailable, "no results returned from flux query"),
        ("blank", Unavailable, "no results returned from flux query"),
        ("error", InvalidInput, "refuses the query: failed to write row"),
        ("syntax(", InvalidInput, "refuses the query (400): "),
    ],
)
async def test_an_answer_without_values_says_why(influx: Influx, query: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error) as caught:
        await measure(influx.fetch, {"query": query}, influx.login)
    assert says in str(caught.value)


async def test_a_wrong_token_is_denied(influx: Influx) -> None:
    with pytest.raises(Denied, match=r"refuses the login \(401\)"):
        await measure(influx.fetch, {"query": "two"}, Login(influx.login.address, "hush", "my org"))


@pytest.mark.parametrize("trouble", [*TROUBLES, pytest.param(REDIRECT, id="redirect")])
async def test_trouble_is_told(trouble: Trouble) -> None:
    says = trouble.says.replace("answered 200 with ", "its API does not allow")
    async with metric_server(trouble.answer) as (url, fetch):
        with pytest.raises(trouble.error) as caught:
            await measure(trouble.impatient(fetch), {"query": "two"}, Login(url, "hush", "my org"))
    assert says in caught.value.message
    assert "InfluxDB at http://127.0.0.1" in caught.value.message


async def test_a_server_that_repeats_the_token_does_not_tell_it() -> None:
    async with metric_server(echoing) as (url, fetch):
        with pytest.raises(Denied) as caught:
            await measure(fetch, {"query": "two"}, Login(url, "hush-hush", "my org"))
    assert "hush" not in caught.value.message


@pytest.mark.parametrize(
    ("kind", "cell", "value", "text"),
    [
        ("double", "0.00001", 1e-05, "[1e-05]"),
        ("double", "+Inf", math.inf, "[+Inf]"),
        ("unsignedLong", "18446744073709551615", 2**64 - 1, "[18446744073709551615]"),
        ("boolean", "true", True, "[true]"),
        ("string", '"a, ""b"""', 'a, "b"', '[a, "b"]'),
        ("string", "a\u2028b", "a\u2028b", "[a\u2028b]"),
        ("string", '"a\n\nb"', "a\r\n\r\nb", "[a\r\n\r\nb]"),
        ("double", "", None, "[<nil>]"),
        ("dateTime:RFC3339", "2020-02-18T10:34:08Z", "2020-02-18T10:34:08Z", "[2020-02-18T10:34:08Z]"),
        ("duration", "5m", "5m", "[5m]"),
    ],
)
def test_a_value_has_the_type_of_its_column(kind: str, cell: str, value: Any, text: str) -> None:
    sample = read_answer(table(kind, cell).encode(), "InfluxDB")
    assert sample.value == [value]
    assert sample.text == text


def test_an_empty_cell_is_the_default_of_its_column() -> None:
    body = "#datatype,string,long,double\n#default,_result,,2.5\n,result,table,_value\n,,0,\n,,0,3\n"
    assert read_answer(body.encode(), "InfluxDB").value == [2.5, 3.0]


def test_a_table_without_values_gives_nil() -> None:
    body = "#datatype,string,long,double\n#default,_result,,\n,result,table,count\n,,0,4\n"
    assert read_answer(body.encode(), "InfluxDB").value == [None]


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"\xff\xfe",
        table("double", "many").encode(),
        table("boolean", "perhaps").encode(),
        table("colour", "red").encode(),
        b"#datatype,string\n,result,_value\n,,1\n",
        b",result,_value\n,,1\n",
        b'#datatype,string,double\n,result,_value\n,,"' + b"1" * 200_000,
    ],
)
def test_lies_are_errors(body: bytes) -> None:
    with pytest.raises(Unavailable, match="its API does not allow"):
        read_answer(body, "InfluxDB")


def test_a_login_is_complete_or_none() -> None:
    whole = {"address": " http://influx \n", "authToken": "t\n", "org": "o"}
    assert login_of(whole) == Login("http://influx", "t", "o")
    for key in whole:
        assert login_of({name: value for name, value in whole.items() if name != key}) is None
