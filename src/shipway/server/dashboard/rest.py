"""The dashboard of Rollouts over HTTP: the addresses of Argo Rollouts' dashboard (`rollout.proto`, 1.9), and our page.

Reading comes from the watches of `scenes`; what a person does goes through `Act`, which the starter of the server gives and
which is the same code that the commands run. A stream tells Rollouts as server-sent events whose data is `{"result": …}`, as
Argo's does; besides, `listed` says that all have been told, `stale` that the cluster does not answer.
"""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from importlib.resources import files
from typing import Any

import msgspec
import orjson
from aiohttp import web
from msgspec import Struct

from shipway import __version__
from shipway.base.clock import Clock
from shipway.base.errors import InvalidInput, NotFound, ShipwayError, verdict
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.server.dashboard.blur import blurred, false_name, message
from shipway.server.dashboard.guard import HEADERS, guarded
from shipway.server.dashboard.scenes import Onlooker, Scene, Scenes
from shipway.server.dashboard.shapes import RolloutInfo, acted, info_of
from shipway.server.listening import listen

LOCAL = "127.0.0.1"
LARGEST_BODY = 64 * 1024
"""Bytes of a PUT."""
COALESCE = 0.2
"""Seconds in which changes of a busy Rollout become one."""
TICK = 10.0
"""Seconds between two signs of life, and between two sentences that count down."""
GRPC_CODES = {422: 3, 403: 7, 404: 5, 409: 10, 503: 14, 500: 13}
HTTP_CODES = {422: 400}
"""Argo's gateway answers 400 where the house says 422."""
PAGE = {"index.html": "text/html", "page.css": "text/css"} | dict.fromkeys(
    ("page.js", "dom.js", "list.js", "rollout.js", "charts.js", "acting.js", "live.js"), "text/javascript"
)
API = "api/v1"


class Deed(Struct, frozen=True):
    """What a person wants done to one Rollout: promote, promote-full, abort, retry, restart, set-image or undo."""

    namespace: str
    name: str
    verb: str
    container: str = ""
    image: str = ""
    revision: int = 0


Act = Callable[[Deed], Awaitable[Obj]]
"""Does it and returns the Rollout afterwards. Raises the errors of `base.errors`."""


class Settings(Struct, frozen=True):
    """`namespace` is what the page opens with; `root` the path of the page, "" for /."""

    namespace: str
    token: str
    root: str = "rollouts"
    is_blurred: bool = False


class Dashboard:
    """Serves until stopped; `url` is known once it has started."""

    def __init__(self, client: Client, clock: Clock, act: Act, settings: Settings) -> None:
        self.scenes = Scenes(client, clock)
        self.url = ""
        self._clock = clock
        self._act = act
        self._settings = settings
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "Dashboard":
        await self._stack.enter_async_context(self.scenes)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    async def start(self, port: int) -> None:
        """Listens on the loopback address. Raises InvalidInput (CannotListen) for a port that is taken."""
        runner = web.AppRunner(self.application(), access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        _, found = await listen(runner, LOCAL, port, "--port")
        self.url = f"http://localhost:{found}/{self._base}"

    def application(self) -> web.Application:
        """The addresses, below / as Argo has them and below the root of the page."""
        app = web.Application(client_max_size=LARGEST_BODY, middlewares=[guarded(self._settings.token, self._refusal)])
        app.on_response_prepare.append(_with_headers)
        for base in dict.fromkeys(("/", f"/{self._base}")):
            one = f"{base}{API}/rollouts/{{namespace}}/{{name}}"
            app.router.add_get(f"{base}{API}/version", self._answering(self._version))
            app.router.add_get(f"{base}{API}/namespace", self._answering(self._namespaces))
            app.router.add_get(f"{base}{API}/rollouts/{{namespace}}/info", self._answering(self._list))
            app.router.add_get(f"{base}{API}/rollouts/{{namespace}}/info/watch", self._answering(self._watch_list))
            app.router.add_get(f"{one}/info", self._answering(self._get))
            app.router.add_get(f"{one}/info/watch", self._answering(self._watch))
            app.router.add_put(f"{one}/{{verb:promote|abort|retry|restart}}", self._answering(self._put))
            app.router.add_put(f"{one}/{{verb:undo}}/{{revision}}", self._answering(self._put))
            app.router.add_put(f"{one}/{{verb:set}}/{{container}}/{{image:.+}}/{{tag}}", self._answering(self._put))
        app.router.add_get(f"/{self._base}", self._page)
        app.router.add_get(f"/{self._base}{{file:[a-z]+\\.(?:js|css)}}", self._page)
        if self._base:
            for short in ("/", f"/{self._settings.root}"):
                app.router.add_get(short, self._redirect)
        return app

    @property
    def _base(self) -> str:
        return f"{self._settings.root}/" if self._settings.root else ""

    def _answering(
        self, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except ShipwayError as error:
                return self._refusal(error)
            except ConnectionResetError:
                return web.Response()  # the page has gone

        return answer

    def _refusal(self, error: Exception) -> web.Response:
        """An error as Argo's gateway says it."""
        found = verdict(error)
        text = message(found.message) if self._settings.is_blurred else found.message
        code = GRPC_CODES[found.http_status]
        return web.json_response(
            {"error": text, "code": code, "message": text}, status=HTTP_CODES.get(found.http_status, found.http_status)
        )

    async def _redirect(self, request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": f"/{self._base}"})

    async def _page(self, request: web.Request) -> web.Response:
        name = request.match_info.get("file", "index.html")
        if name not in PAGE:
            return web.Response(status=404, text="there is no such file")
        text = files("shipway.server.dashboard").joinpath("page", name).read_text()
        if name == "index.html":
            text = text.replace("{{token}}", self._settings.token)
        return web.Response(text=text, content_type=PAGE[name], charset="utf-8")

    # --- reading ----------------------------------------------------------------------------------------------------

    async def _version(self, request: web.Request) -> web.Response:
        return web.json_response({"rolloutsVersion": f"v{__version__}+shipway"})

    async def _namespaces(self, request: web.Request) -> web.Response:
        found = await self.scenes.namespaces()
        return web.json_response(
            {"namespace": self._shown(self._settings.namespace), "availableNamespaces": [self._shown(name) for name in found]}
        )

    async def _list(self, request: web.Request) -> web.Response:
        async with self.scenes.opened(await self._namespace(request)) as scene:
            infos = [info for name in scene.names() if (info := self._info(scene, name)) is not None]
        return _json({"rollouts": infos})

    async def _get(self, request: web.Request) -> web.Response:
        async with self.scenes.opened(await self._namespace(request)) as scene:
            return _json(self._found(scene, self._name(request, scene)))

    async def _watch_list(self, request: web.Request) -> web.StreamResponse:
        async with self.scenes.opened(await self._namespace(request)) as scene, scene.onlooker() as onlooker:
            stream = await _stream(request)
            told: set[str] = set()
            changed = scene.names()
            while True:
                for name in changed:
                    await self._tell(stream, scene, name, told)
                if not told or changed:
                    await _event(stream, "listed", {"count": len(told)})
                changed = await self._next(stream, scene, onlooker)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        async with self.scenes.opened(await self._namespace(request)) as scene:
            name = self._name(request, scene)
            async with scene.onlooker(name) as onlooker:
                sent = msgspec.json.encode(self._found(scene, name))
                stream = await _stream(request)
                await stream.write(b'data: {"result":' + sent + b"}\n\n")
                while True:
                    await self._next(stream, scene, onlooker)
                    info = self._info(scene, name)
                    if info is None:
                        await _event(stream, "gone", {})
                        return stream
                    now = msgspec.json.encode(info)
                    if now != sent:
                        sent = now
                        await stream.write(b'data: {"result":' + sent + b"}\n\n")

    async def _tell(self, stream: web.StreamResponse, scene: Scene, name: str, told: set[str]) -> None:
        """One event of the list; `told` are those that the page knows already."""
        info = self._info(scene, name)
        if info is not None:
            kind = "Updated" if name in told else "Added"
            told.add(name)
            await _data(stream, {"type": kind, "rolloutInfo": info})
        elif name in told:
            told.discard(name)
            meta = {"name": self._shown(name), "namespace": self._shown(scene.namespace)}
            await _data(stream, {"type": "Deleted", "rolloutInfo": {"objectMeta": meta}})

    async def _next(self, stream: web.StreamResponse, scene: Scene, onlooker: Onlooker) -> list[str]:
        """Waits for changes, and says meanwhile that we are alive and whether the cluster is."""
        changed = await onlooker.changed(TICK)
        if not changed:
            await (stream.write(b": alive\n\n") if scene.is_fresh else _event(stream, "stale", {}))
            return []
        await self._clock.sleep(COALESCE)
        return list(dict.fromkeys([*changed, *await onlooker.changed(0)]))

    def _info(self, scene: Scene, name: str) -> RolloutInfo | Obj | None:
        """What is told of a Rollout; None when there is none of this name."""
        family = scene.family(name)
        if family is None:
            return None
        info = info_of(family, self._clock.now())
        return blurred(info) if self._settings.is_blurred else info

    def _found(self, scene: Scene, name: str) -> RolloutInfo | Obj:
        info = self._info(scene, name)
        if info is None:
            raise NotFound(f"there is no Rollout {name} in namespace {scene.namespace}")
        return info

    # --- acting -----------------------------------------------------------------------------------------------------

    async def _put(self, request: web.Request) -> web.Response:
        namespace, verb = await self._namespace(request), request.match_info["verb"]
        body = await _body(request)
        name, container = await self._named(request, namespace)
        if verb == "set":
            image = f"{request.match_info['image']}:{request.match_info['tag']}"
            deed = Deed(namespace, name, "set-image", container, image)
        elif verb == "undo":
            deed = Deed(namespace, name, "undo", revision=_revision(request.match_info["revision"]))
        else:
            deed = Deed(namespace, name, f"{verb}-full" if verb == "promote" and body.get("full") is True else verb)
        done = await self._act(deed)
        answer = acted(done)
        if self._settings.is_blurred:
            answer["metadata"] |= {"name": self._shown(name), "namespace": self._shown(namespace)}
            answer["status"].pop("message", None)
        return _json(answer)

    async def _named(self, request: web.Request, namespace: str) -> tuple[str, str]:
        """The Rollout and the container of a PUT; false names are looked up, others are not: whoever acts will find out."""
        name, container = request.match_info["name"], request.match_info.get("container", "")
        if not self._settings.is_blurred:
            return name, container
        async with self.scenes.opened(namespace) as scene:
            real = self._name(request, scene)
            family = scene.family(real)
        return real, self._real(container, _container_names(family.rollout) if family else []) if container else ""

    # --- names ------------------------------------------------------------------------------------------------------

    def _shown(self, name: str) -> str:
        return false_name(name) if self._settings.is_blurred else name

    def _real(self, given: str, candidates: list[str]) -> str:
        """The name behind a false one; without --blur the given one. Raises NotFound."""
        if not self._settings.is_blurred:
            return given
        real = next((name for name in candidates if false_name(name) == given), None)
        if real is None:
            raise NotFound("there is nothing of that name")
        return real

    async def _namespace(self, request: web.Request) -> str:
        given = request.match_info["namespace"]
        if not self._settings.is_blurred:
            return given
        return self._real(given, [self._settings.namespace, *await self.scenes.namespaces()])

    def _name(self, request: web.Request, scene: Scene) -> str:
        return self._real(request.match_info["name"], scene.names())


async def _with_headers(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)


async def _stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
    await response.prepare(request)
    return response


async def _data(stream: web.StreamResponse, result: Any) -> None:
    await stream.write(b'data: {"result":' + msgspec.json.encode(result) + b"}\n\n")


async def _event(stream: web.StreamResponse, kind: str, body: Any) -> None:
    await stream.write(b"event: " + kind.encode() + b"\ndata: " + msgspec.json.encode(body) + b"\n\n")


def _json(body: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")


async def _body(request: web.Request) -> dict[str, Any]:
    """The JSON of a PUT; nothing is {}. Raises InvalidInput."""
    raw = await request.read()
    try:
        body = orjson.loads(raw) if raw.strip() else {}
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise InvalidInput('the body is no JSON object: send {}, or {"full": true} to promote in full')
    return body


def _revision(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise InvalidInput(f'"{text[:40]}" is no revision: give its number, or 0 for the one before')
    return int(text)


def _container_names(rollout: Obj) -> list[str]:
    template = ((rollout.get("spec") or {}).get("template") or {}).get("spec") or {}
    return [one.get("name") or "" for key in ("initContainers", "containers") for one in template.get(key) or []]
