"""Metric servers that refuse, redirect, hang, pour or lie, and what a provider must say of each."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from msgspec import Struct
from msgspec.structs import replace

from shipway.api.metrics import Fetch, HttpAnswer, HttpCall
from shipway.base.errors import Denied, InvalidInput, ShipwayError, Unavailable

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Trouble(Struct, frozen=True):
    """How a server answers everything, the class of the error, and what its message says."""

    answer: Answer
    error: type[ShipwayError]
    says: str
    patience: float = 30.0
    """Seconds that a call may take: few only where the server hangs, for others answer late on a busy machine."""

    def impatient(self, fetch: Fetch) -> Fetch:
        async def hurried(call: HttpCall) -> HttpAnswer:
            return await fetch(replace(call, timeout=self.patience))

        return hurried


def saying(status: int, text: str = "", **headers: str) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text, headers=headers)

    return answer


async def echoing(request: web.Request) -> web.StreamResponse:
    """Refuses, and repeats everything that it was sent."""
    sent = [request.url.human_repr(), *(f"{name}: {value}" for name, value in request.headers.items()), await request.text()]
    return web.Response(status=403, text="\n".join(sent))


async def _pours(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(9):
        await response.write(b"7" * 2**20)
    return response


async def _hangs_up(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "100"})
    await response.prepare(request)
    await response.write(b'[{"a":')
    assert request.transport is not None
    request.transport.close()
    return response


async def _hangs(request: web.Request) -> web.StreamResponse:
    return await asyncio.Future()


TROUBLES = [
    pytest.param(Trouble(saying(401, "who are you"), Denied, "refuses the login (401): who are you"), id="401"),
    pytest.param(Trouble(saying(403, "not you"), Denied, "refuses the login (403): not you"), id="403"),
    pytest.param(Trouble(saying(429, "slow down"), Unavailable, "asked too often (429): slow down"), id="429"),
    pytest.param(Trouble(saying(400, "bad query"), InvalidInput, "refuses the query (400): bad query"), id="400"),
    pytest.param(Trouble(saying(500, "oh no"), Unavailable, "could not answer (500): oh no"), id="500"),
    pytest.param(Trouble(saying(200, "<html>"), Unavailable, "answered 200 with "), id="html"),
    pytest.param(Trouble(saying(200, "7"), Unavailable, "its API does not allow"), id="a-number"),
    pytest.param(Trouble(saying(200, "[7]"), Unavailable, "its API does not allow"), id="a-list"),
    pytest.param(Trouble(saying(200, "[" * 900 + "]" * 900), Unavailable, "its API does not allow"), id="deep"),
    pytest.param(Trouble(_hangs, Unavailable, "no answer in time", patience=0.5), id="hangs"),
    pytest.param(Trouble(_pours, Unavailable, "the answer is larger than 8 MiB: ask for less"), id="pours"),
    pytest.param(Trouble(_hangs_up, Unavailable, "ClientPayloadError"), id="hangs-up"),
]
REDIRECT = Trouble(saying(307, Location="http://127.0.0.1:1/elsewhere"), InvalidInput, "answered 307, a redirect")
"""For providers that log in: what they are logged in with is not carried elsewhere."""
