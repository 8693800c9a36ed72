"""The web metric against a real HTTP server."""

import aiohttp
import pytest
from aiohttp import web

from shipway.adapters.http.fetch import HttpFetch
from shipway.adapters.web.provider import measure
from shipway.base.errors import InvalidInput, Unavailable


@pytest.fixture
async def server():
    async def answer(request: web.Request) -> web.Response:
        body = await request.text()
        echo = {"method": request.method, "body": body, "key": request.headers.get("X-Key"), "list": [{"v": 1}, {"v": 2}]}
        return web.json_response(echo)

    async def broken(request: web.Request) -> web.Response:
        return web.Response(status=500)

    async def plain(request: web.Request) -> web.Response:
        return web.Response(text="fine")

    app = web.Application()
    app.router.add_route("*", "/", answer)
    app.router.add_get("/broken", broken)
    app.router.add_get("/plain", plain)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as open_session:
        yield HttpFetch(open_session)


@pytest.mark.compat("rollouts:provider.web")
@pytest.mark.proves("001-22")
async def test_a_value_is_picked_by_json_path(server, session) -> None:
    sample = await measure(session, {"url": server, "jsonPath": "{$.list[1].v}"})
    assert (sample.value, sample.text) == (2, "2")


async def test_method_headers_and_body_are_sent(server, session) -> None:
    settings = {"url": server, "method": "POST", "jsonBody": {"a": 1}, "headers": [{"key": "X-Key", "value": "k"}]}
    sample = await measure(session, settings)
    assert (sample.value["method"], sample.value["body"], sample.value["key"]) == ("POST", '{"a":1}', "k")


async def test_numbers_are_floats_however_they_are_written(server, session) -> None:
    sample = await measure(session, {"url": server, "jsonPath": "{$.list}"})
    assert [type(item["v"]) for item in sample.value] == [float, float]
    assert sample.text == '[{"v":1},{"v":2}]'


@pytest.mark.compat("rollouts:provider.web")
async def test_text_that_is_not_json_is_measured_as_text(server, session) -> None:
    assert (await measure(session, {"url": f"{server}/plain"})).value == "fine"


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"url": "{server}/broken?key=secret"}, Unavailable, "received non 2xx response code: 500 from {server}/broken"),
        ({"url": "http://127.0.0.1:1/"}, Unavailable, "cannot measure by http://127.0.0.1:1/"),
        ({"url": "{server}", "jsonPath": "{$.nothing}"}, InvalidInput, "jsonPath {{$.nothing}} finds nothing"),
        ({"url": "{server}", "body": "x"}, InvalidInput, "body/jsonBody can only be used with POST or PUT"),
        ({"url": "{server}", "method": "PUT", "body": "x", "jsonBody": {}}, InvalidInput, "either body or jsonBody"),
        ({"url": "{server}", "timeoutSeconds": "long"}, InvalidInput, "timeoutSeconds 'long' is no number"),
        ({"url": "{server}", "authentication": {"sigv4": {"region": "eu"}}}, InvalidInput, "sigv4 does not work here"),
        ({"url": "{server}", "method": "DELETE"}, InvalidInput, "method DELETE is not one of"),
    ],
)
async def test_what_goes_wrong_says_where(server, session, settings, error, message) -> None:
    settings = {**settings, "url": settings["url"].replace("{server}", server)}
    with pytest.raises(error) as caught:
        await measure(session, settings)
    assert message.replace("{server}", server).replace("{{", "{").replace("}}", "}") in caught.value.message
    assert "secret" not in caught.value.message
