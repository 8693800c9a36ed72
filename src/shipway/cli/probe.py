"""Requests at an even pace beside whatever is going on, every one of them counted."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import aiohttp
from msgspec import Struct

from shipway.base.clock import Clock
from shipway.base.tls import trusting

ANSWER_SECONDS = 5.0


class Target(Struct, frozen=True, order=True):
    """A URL that is asked; `host`: the Host header, where the URL's name does not lead there."""

    url: str
    host: str = ""


class Probed(Struct):
    """Requests so far; `failed`: no answer, a late one, or one of 500 and more."""

    total: int = 0
    failed: int = 0
    first: str = ""


@asynccontextmanager
async def probing(targets: Sequence[Target], rate: float, clock: Clock) -> AsyncGenerator[Probed, None]:
    """Each target is asked `rate` times a second."""
    probed = Probed()
    if not targets:
        yield probed
        return
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    everyone = aiohttp.TCPConnector(limit=0, ssl=trusting())
    async with aiohttp.ClientSession(timeout=timeout, connector=everyone) as http, asyncio.TaskGroup() as group:
        asking = [group.create_task(_ask_on(http, target, 1 / rate, clock, probed, group)) for target in targets]
        try:
            yield probed
        finally:
            for task in asking:
                task.cancel()


async def _ask_on(
    http: aiohttp.ClientSession, target: Target, period: float, clock: Clock, probed: Probed, group: asyncio.TaskGroup
) -> None:
    """At an even pace, whatever the answers take."""
    while True:
        group.create_task(_ask(http, target, probed))
        await clock.sleep(period)


async def _ask(http: aiohttp.ClientSession, target: Target, probed: Probed) -> None:
    probed.total += 1
    try:
        async with http.get(target.url, headers={"Host": target.host} if target.host else {}) as answer:
            await answer.read()
            told = "" if answer.status < 500 else f"status {answer.status}"
    except (aiohttp.ClientError, TimeoutError) as error:
        told = str(error) or type(error).__name__
    if told:
        probed.failed += 1
        probed.first = probed.first or told
