"""Metric servers that hang, drip, flood or lie: bounded, and said why."""

import asyncio
from base64 import b64decode

import pytest
from aiohttp import web

from shipway.api.metrics import HttpCall
from shipway.base.errors import Denied, InvalidInput, Unavailable
from tests.unit.adapters.metric_server import metric_server


def call(url: str, **fields) -> HttpCall:
    return HttpCall(purpose="cannot measure", url=url, **fields)


async def test_an_answer_in_many_pieces_is_read_whole() -> None:
    async def pieces(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(30):
            await response.write(b"x" * 50_000)
        return response

    async with metric_server(pieces) as (url, fetch):
        assert len((await fetch(call(url))).body) == 1_500_000


async def test_a_flood_is_cut_off() -> None:
    sent = 0

    async def flood(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b"x" * 2**20)
            sent += 1
        return response

    async with metric_server(flood) as (url, fetch):
        with pytest.raises(Unavailable, match="cannot measure: the answer is larger than 8 MiB: ask for less"):
            await fetch(call(url))
    assert sent < 40


async def test_a_server_that_never_answers_costs_the_timeout() -> None:
    async def hang(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    async with metric_server(hang) as (url, fetch):
        with pytest.raises(Unavailable, match="cannot measure: no answer in time"):
            await fetch(call(url, timeout=0.1))


async def test_a_server_that_drips_costs_the_timeout() -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"{")
        await asyncio.Event().wait()
        return response

    async with metric_server(drip) as (url, fetch):
        with pytest.raises(Unavailable, match="no answer in time"):
            await fetch(call(url, timeout=0.2))


async def test_a_server_that_speaks_no_http_is_an_error() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, metric_server(_never) as (_, fetch):
        with pytest.raises(Unavailable, match="cannot measure: "):
            await fetch(call(f"http://127.0.0.1:{port}/"))


async def _never(request: web.Request) -> web.StreamResponse:
    raise AssertionError


@pytest.mark.parametrize("url", ["", "metrics", "http://", "http://[::1", "ftp://metrics/"])
async def test_what_is_no_url_is_refused(url: str) -> None:
    async with metric_server(_never) as (_, fetch):
        with pytest.raises((InvalidInput, Unavailable), match="cannot measure: "):
            await fetch(call(url))


async def _token_and_echo(request: web.Request) -> web.StreamResponse:
    if request.path == "/token":
        user = b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode()
        form = await request.post()
        if user != "shop:open sesame".replace(" ", "+") or form["grant_type"] != "client_credentials":
            return web.Response(status=401, text="no")
        return web.json_response({"access_token": f"granted {form['scope']}", "token_type": "bearer"})
    return web.Response(text=request.headers.get("Authorization", ""))


async def test_client_credentials_become_a_bearer_token() -> None:
    async with metric_server(_token_and_echo) as (url, fetch):
        login = {"tokenUrl": f"{url}/token", "clientId": "shop", "clientSecret": "open sesame", "scopes": ["a", "b"]}
        assert (await fetch(call(url, oauth2=login))).body == b"Bearer granted a b"
        with pytest.raises(Denied, match="cannot log in: the token endpoint answered 401 without an access token"):
            await fetch(call(url, oauth2={**login, "clientSecret": "wrong"}))
        with pytest.raises(InvalidInput, match=r"authentication.oauth2 lacks clientId, clientSecret"):
            await fetch(call(url, oauth2={"tokenUrl": f"{url}/token"}))
