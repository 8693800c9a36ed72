"""A transport that misbehaves by a seed, as networks and processes do.

It stands between the engines and the embedded API server. What it can do to a request: delay it, refuse it (409, 429, 500
before it was carried out), lose the answer (after it was carried out), end the watch, hold the watch back (a stale cache)
and, between any two writes, crash the whole process that asked.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Coroutine
from typing import Any

from msgspec import Struct

from shipway.base.clock import Clock
from shipway.base.errors import Unavailable
from shipway.kube.objects.wire import Request, Response, Transport


class Crash(BaseException):
    """The process dies here. Not an Exception: nothing in the product may catch it."""


async def until_it_dies(process: Coroutine[Any, Any, None], *also: type[Exception]) -> None:
    """Runs a process until it crashes, or ends with one of the errors that its supervisor counts as a crash `also`.

    Whoever is told to end while the process dies ends: the group that comes apart reports only the crash, and a supervisor that
    started the next process would never be told again.
    """
    life = asyncio.create_task(process)
    try:
        await asyncio.wait([life])
    except asyncio.CancelledError:
        life.cancel()
        await asyncio.gather(life, return_exceptions=True)
        raise
    try:
        life.result()
    except* (Crash, *also):
        pass


class Faults(Struct, frozen=True):
    """Chances per request (watch chunk for the last two) between 0 and 1."""

    refused: float = 0.02
    answer_lost: float = 0.02
    crash: float = 0.01
    watch_dropped: float = 0.03
    watch_held_back: float = 0.1


NO_FAULTS = Faults(0.0, 0.0, 0.0, 0.0, 0.0)


class FaultyTransport:
    """Passes requests on to `server`, most of them unharmed. After `calm` no more faults happen."""

    def __init__(self, server: Transport, clock: Clock, rng: random.Random, faults: Faults) -> None:
        self._server = server
        self._clock = clock
        self._rng = rng
        self._faults = faults
        self.crashes = 0
        self.injected = 0

    def calm(self) -> None:
        self._faults = NO_FAULTS

    async def send(self, request: Request) -> Response:
        await self._clock.sleep(self._rng.uniform(0.0, 0.01))
        if request.method == "GET":
            return await self._read(request)
        self._maybe_crash()
        if self._happens(self._faults.refused):
            return self._refusal()
        response = await self._server.send(request)
        self._maybe_crash()
        if self._happens(self._faults.answer_lost):
            raise Unavailable("the connection broke before the answer came")
        return response

    async def close(self) -> None:
        """The server belongs to the test."""

    async def _read(self, request: Request) -> Response:
        if self._happens(self._faults.refused):
            raise Unavailable("the connection was refused")
        response = await self._server.send(request)
        if response.stream is not None:
            return Response(response.status, response.headers, stream=self._shaky(response.stream))
        return response

    async def _shaky(self, stream: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        try:
            async for chunk in stream:
                if self._happens(self._faults.watch_dropped):
                    return
                if self._happens(self._faults.watch_held_back):
                    await self._clock.sleep(self._rng.uniform(0.1, 3.0))
                yield chunk
        finally:
            await stream.aclose()

    def _refusal(self) -> Response:
        code, reason = self._rng.choice([(409, "Conflict"), (429, "TooManyRequests"), (500, "InternalError")])
        body = (
            f'{{"kind":"Status","apiVersion":"v1","status":"Failure","code":{code},"reason":"{reason}","message":"injected"}}'
        )
        return Response(code, {"content-type": "application/json"}, body.encode())

    def _maybe_crash(self) -> None:
        if self._happens(self._faults.crash):
            self.crashes += 1
            raise Crash

    def _happens(self, chance: float) -> bool:
        happens = self._rng.random() < chance
        self.injected += happens
        return happens
