"""What the pages of the dashboard have in common over HTTP: errors, streams of events, bodies, the files of a page.

A stream is server-sent events whose data is `{"result": …}`, as Argo's dashboard tells them; besides, `listed` says that all
have been told, `gone` that what was looked at is, and `stale` that the cluster does not answer.
"""

from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files
from typing import Any

import msgspec
import orjson
from aiohttp import web

from shipway.base.clock import Clock
from shipway.base.errors import InvalidInput, ShipwayError, verdict
from shipway.server.dashboard.guard import HEADERS
from shipway.server.dashboard.scenes import Onlooker, Watched

COALESCE = 0.2
"""Seconds in which changes of something busy become one."""
TICK = 10.0
"""Seconds between two signs of life, and between two sentences that count down."""
GRPC_CODES = {422: 3, 403: 7, 404: 5, 409: 10, 503: 14, 500: 13}
HTTP_CODES = {422: 400}
"""Argo's gateway answers 400 where the house says 422."""
KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answering(handler: Handler, refuse: Callable[[Exception], web.Response]) -> Handler:
    """The handler with its errors answered by `refuse`, and without one where the page has gone."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except ShipwayError as error:
            return refuse(error)
        except ConnectionResetError:
            return web.Response()

    return answer


def refusal(error: Exception, shown: Callable[[str], str] = str) -> web.Response:
    """An error as Argo's gateway says it; `shown` may hide words of its message."""
    found = verdict(error)
    text, code = shown(found.message), GRPC_CODES[found.http_status]
    status = HTTP_CODES.get(found.http_status, found.http_status)
    return web.json_response({"error": text, "code": code, "message": text}, status=status)


async def with_headers(request: web.Request, response: web.StreamResponse) -> None:
    """For `on_response_prepare`."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)


def page_file(name: str, placeholders: Mapping[str, str]) -> web.Response:
    """A file of `page/`; in HTML each `{{placeholder}}` becomes its text."""
    place = files("shipway.server.dashboard").joinpath("page", name)
    kind = KINDS.get(name.rpartition(".")[2])
    if kind is None or not place.is_file():
        return web.Response(status=404, text="there is no such file")
    text = place.read_text()
    for placeholder, instead in placeholders.items() if kind == "text/html" else ():
        text = text.replace(f"{{{{{placeholder}}}}}", instead)
    return web.Response(text=text, content_type=kind, charset="utf-8")


async def opened_stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
    await response.prepare(request)
    return response


async def data(stream: web.StreamResponse, result: Any) -> None:
    await stream.write(b'data: {"result":' + msgspec.json.encode(result) + b"}\n\n")


async def event(stream: web.StreamResponse, kind: str, body: Any) -> None:
    await stream.write(b"event: " + kind.encode() + b"\ndata: " + msgspec.json.encode(body) + b"\n\n")


async def changes(stream: web.StreamResponse, watched: Watched, onlooker: Onlooker, clock: Clock) -> list[str]:
    """Waits for changes, and says meanwhile that we are alive and whether the cluster is."""
    changed = await onlooker.changed(TICK)
    if not changed:
        await (stream.write(b": alive\n\n") if watched.is_fresh else event(stream, "stale", {}))
        return []
    await clock.sleep(COALESCE)
    return list(dict.fromkeys([*changed, *await onlooker.changed(0)]))


async def follow(
    request: web.Request,
    watched: Watched,
    onlooker: Onlooker,
    clock: Clock,
    sent: bytes,
    look: Callable[[], Awaitable[bytes | None]],
) -> web.StreamResponse:
    """A stream of what is looked at alone: its JSON (`sent`), and again when `look` finds another; None there is the end."""
    stream = await opened_stream(request)
    await stream.write(b'data: {"result":' + sent + b"}\n\n")
    while True:
        await changes(stream, watched, onlooker, clock)
        now = await look()
        if now is None:
            await event(stream, "gone", {})
            return stream
        if now != sent:
            sent = now
            await stream.write(b'data: {"result":' + sent + b"}\n\n")


def as_json(body: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")


async def body_of(request: web.Request) -> dict[str, Any]:
    """The JSON of a PUT; nothing is {}. Raises InvalidInput."""
    raw = await request.read()
    try:
        body = orjson.loads(raw) if raw.strip() else {}
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise InvalidInput('the body is no JSON object: send {}, or {"full": true} to promote in full')
    return body


def whole_number(text: str, what: str) -> int:
    """Raises InvalidInput naming `what` it should be."""
    if not text.isascii() or not text.isdigit():
        raise InvalidInput(f'"{text[:40]}" is no {what}')
    return int(text)
