"""The page of Applications over HTTP, below /applications/: all of them live, one with its objects, their logs and its history,
and acts.

Reading comes from one watch while somebody looks; what a person does goes through `Act`, which the starter of the server gives
and which is the same code that the commands run.
"""

from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web
from msgspec import Struct

from shipway.base.clock import Clock
from shipway.base.errors import NotFound
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.server.dashboard.answers import (
    answering,
    as_json,
    body_of,
    changes,
    data,
    event,
    follow,
    opened_stream,
    page_file,
    refusal,
    whole_number,
)
from shipway.server.dashboard.applications import Around, info_of, row_of
from shipway.server.dashboard.logs import ReadLog, relayed, wanted_of
from shipway.server.dashboard.scenes import Applications, Scenes

BASE = "/applications/"


class Deed(Struct, frozen=True):
    """What a person wants done to one Application, and why: sync, refresh, terminate, resume, or rollback to a `deployment`."""

    namespace: str
    name: str
    verb: str
    deployment: int = 0
    reason: str = ""


Act = Callable[[Deed], Awaitable[None]]
"""Does it. Raises the errors of `base.errors`."""
LookAround = Callable[[Obj], Awaitable[Around]]
"""Asked when one is looked at alone, with each change of it and every few seconds besides."""


class ApplicationPage:
    """`namespace`: whose Applications are shown, "" for all. Lives inside `async with`."""

    def __init__(
        self, client: Client, clock: Clock, namespace: str, look_around: LookAround, act: Act, read_log: ReadLog
    ) -> None:
        self.scenes = Scenes(lambda asked: Applications(client, asked, clock))
        self._clock = clock
        self._namespace = namespace
        self._look_around = look_around
        self._act = act
        self._read_log = read_log

    def add_to(self, app: web.Application, placeholders: dict[str, str]) -> None:
        """`placeholders` of its HTML."""

        async def page(request: web.Request) -> web.Response:
            return page_file(request.match_info.get("file", "index.html"), placeholders)

        every = f"{BASE}api/v1/applications"
        one = f"{every}/{{namespace}}/{{name}}"
        app.router.add_get(BASE, page)
        app.router.add_get(f"{BASE}{{file:[a-z]+\\.(?:js|css)}}", page)
        app.router.add_get(every, answering(self._list, refusal))
        app.router.add_get(f"{every}/watch", answering(self._watch_list, refusal))
        app.router.add_get(one, answering(self._get, refusal))
        app.router.add_get(f"{one}/watch", answering(self._watch, refusal))
        app.router.add_get(f"{one}/log", answering(self._log, refusal))
        app.router.add_put(f"{one}/{{verb:sync|refresh|terminate|resume}}", answering(self._put, refusal))
        app.router.add_put(f"{one}/{{verb:rollback}}/{{deployment}}", answering(self._put, refusal))

    async def _list(self, request: web.Request) -> web.Response:
        async with self.scenes.opened(self._namespace) as scene:
            now = self._clock.now()
            found = [row_of(app, now) for name in scene.names() if (app := scene.get(name)) is not None]
        return as_json({"applications": found})

    async def _get(self, request: web.Request) -> web.Response:
        async with self.scenes.opened(self._namespace) as scene:
            return web.Response(body=await self._info(scene, _name(request)), content_type="application/json")

    async def _watch_list(self, request: web.Request) -> web.StreamResponse:
        async with self.scenes.opened(self._namespace) as scene, scene.onlooker() as onlooker:
            stream = await opened_stream(request)
            told: set[str] = set()
            changed, is_first = scene.names(), True
            while True:
                for name in changed:
                    await self._tell(stream, scene, name, told)
                if is_first or changed:
                    await event(stream, "listed", {"count": len(told)})
                changed, is_first = await changes(stream, scene, onlooker, self._clock), False

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        name = _name(request)
        async with self.scenes.opened(self._namespace) as scene, scene.onlooker(name) as onlooker:

            async def look() -> bytes | None:
                return None if scene.get(name) is None else await self._info(scene, name)

            return await follow(request, scene, onlooker, self._clock, await self._info(scene, name), look)

    async def _log(self, request: web.Request) -> web.StreamResponse:
        return await relayed(request, self._read_log(wanted_of(request)))

    async def _tell(self, stream: web.StreamResponse, scene: Applications, name: str, told: set[str]) -> None:
        """One event of the list; `told` are those that the page knows already."""
        app = scene.get(name)
        if app is not None:
            told.add(name)
            await data(stream, {"key": name, "application": row_of(app, self._clock.now())})
        elif name in told:
            told.discard(name)
            await data(stream, {"key": name, "application": None})

    async def _info(self, scene: Applications, name: str) -> bytes:
        """The JSON of one. Raises NotFound."""
        app = scene.get(name)
        if app is None:
            raise NotFound(f"there is no Application {name}")
        return msgspec.json.encode(info_of(app, self._clock.now(), await self._look_around(app)))

    async def _put(self, request: web.Request) -> web.Response:
        told = request.match_info
        number = whole_number(told.get("deployment", "0"), "deployment: give its ID")
        reason = str((await body_of(request)).get("reason") or "").strip()
        await self._act(Deed(told["namespace"], told["name"], told["verb"], number, reason))
        return as_json({})


def _name(request: web.Request) -> str:
    return f"{request.match_info['namespace']}/{request.match_info['name']}"
