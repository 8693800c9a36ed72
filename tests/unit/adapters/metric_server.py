"""A small real HTTP server for the tests of metric providers."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from shipway.adapters.http.fetch import HttpFetch


@asynccontextmanager
async def metric_server(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> AsyncGenerator[tuple[str, HttpFetch], None]:
    """Its address, and a fetch to ask it by; `answer` gets every request."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with aiohttp.ClientSession() as session:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}", HttpFetch(session)
    finally:
        await runner.cleanup()
