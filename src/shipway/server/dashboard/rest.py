"""The dashboard of Rollouts over HTTP: the addresses of Argo Rollouts' dashboard (`rollout.proto`, 1.9), and our page.

Reading comes from the watches of `scenes`; what a person does goes through `Act`, which the starter of the server gives and
which is the same code that the commands run. The page of Applications may stand beside (`application_rest`).
"""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import msgspec
from aiohttp import web
from msgspec import Struct

from shipway import __version__
from shipway.base.clock import Clock
from shipway.base.errors import NotFound
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import container_names, dig
from shipway.server.dashboard.answers import (
    Handler,
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
    with_headers,
)
from shipway.server.dashboard.application_rest import BASE, ApplicationPage
from shipway.server.dashboard.blur import blurred, false_name, message
from shipway.server.dashboard.guard import guarded
from shipway.server.dashboard.scenes import Scene, Scenes, namespaces
from shipway.server.dashboard.shapes import RolloutInfo, acted, info_of
from shipway.server.listening import listen

LOCAL = "127.0.0.1"
LARGEST_BODY = 64 * 1024
"""Bytes of a PUT."""
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

    def __init__(
        self, client: Client, clock: Clock, act: Act, settings: Settings, applications: ApplicationPage | None = None
    ) -> None:
        self.scenes = Scenes(lambda namespace: Scene(client, namespace, clock))
        self.address = self.url = ""
        self._client = client
        self._applications = applications
        self._clock = clock
        self._act = act
        self._settings = settings
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "Dashboard":
        await self._stack.enter_async_context(self.scenes)
        if self._applications is not None:
            await self._stack.enter_async_context(self._applications.scenes)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    async def start(self, port: int) -> None:
        """Listens on the loopback address. Raises InvalidInput (CannotListen) for a port that is taken."""
        runner = web.AppRunner(self.application(), access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        _, found = await listen(runner, LOCAL, port, "--port")
        self.address = f"http://localhost:{found}"
        self.url = f"{self.address}/{self._base}"

    def application(self) -> web.Application:
        """The addresses, below / as Argo has them and below the root of the page."""
        app = web.Application(client_max_size=LARGEST_BODY, middlewares=[guarded(self._settings.token, self._refusal)])
        app.on_response_prepare.append(with_headers)
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
        if self._applications is not None:
            self._applications.add_to(app, self._placeholders("Applications", "applications.js"))
        return app

    def _placeholders(self, title: str, script: str) -> dict[str, str]:
        """Of the HTML of a page: what it is called and run by, the token, and the way to the other page."""
        pages = {"Applications": BASE, "Rollouts": f"/{self._base}"} if self._applications is not None else {}
        links = [f'<a href="{path}">{other}</a>' for other, path in pages.items() if other != title]
        return {"title": title, "script": script, "token": self._settings.token, "nav": " ".join(links)}

    @property
    def _base(self) -> str:
        return f"{self._settings.root}/" if self._settings.root else ""

    def _answering(self, handler: Handler) -> Handler:
        return answering(handler, self._refusal)

    def _refusal(self, error: Exception) -> web.Response:
        return refusal(error, message) if self._settings.is_blurred else refusal(error)

    async def _redirect(self, request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": f"/{self._base}"})

    async def _page(self, request: web.Request) -> web.Response:
        return page_file(request.match_info.get("file", "index.html"), self._placeholders("Rollouts", "rollouts.js"))

    # --- reading ----------------------------------------------------------------------------------------------------

    async def _version(self, request: web.Request) -> web.Response:
        return web.json_response({"rolloutsVersion": f"v{__version__}+shipway"})

    async def _namespaces(self, request: web.Request) -> web.Response:
        found = await namespaces(self._client)
        return web.json_response(
            {"namespace": self._shown(self._settings.namespace), "availableNamespaces": [self._shown(name) for name in found]}
        )

    async def _list(self, request: web.Request) -> web.Response:
        async with self.scenes.opened(await self._namespace(request)) as scene:
            infos = [info for name in scene.names() if (info := self._info(scene, name)) is not None]
        return as_json({"rollouts": infos})

    async def _get(self, request: web.Request) -> web.Response:
        async with self.scenes.opened(await self._namespace(request)) as scene:
            return as_json(self._found(scene, self._name(request, scene)))

    async def _watch_list(self, request: web.Request) -> web.StreamResponse:
        async with self.scenes.opened(await self._namespace(request)) as scene, scene.onlooker() as onlooker:
            stream = await opened_stream(request)
            told: set[str] = set()
            changed = scene.names()
            while True:
                for name in changed:
                    await self._tell(stream, scene, name, told)
                if not told or changed:
                    await event(stream, "listed", {"count": len(told)})
                changed = await changes(stream, scene, onlooker, self._clock)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        async with self.scenes.opened(await self._namespace(request)) as scene:
            name = self._name(request, scene)

            async def look() -> bytes | None:
                info = self._info(scene, name)
                return None if info is None else msgspec.json.encode(info)

            async with scene.onlooker(name) as onlooker:
                sent = msgspec.json.encode(self._found(scene, name))
                return await follow(request, scene, onlooker, self._clock, sent, look)

    async def _tell(self, stream: web.StreamResponse, scene: Scene, name: str, told: set[str]) -> None:
        """One event of the list; `told` are those that the page knows already."""
        info = self._info(scene, name)
        if info is not None:
            kind = "Updated" if name in told else "Added"
            told.add(name)
            await data(stream, {"type": kind, "rolloutInfo": info})
        elif name in told:
            told.discard(name)
            meta = {"name": self._shown(name), "namespace": self._shown(scene.namespace)}
            await data(stream, {"type": "Deleted", "rolloutInfo": {"objectMeta": meta}})

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
        body = await body_of(request)
        name, container = await self._named(request, namespace)
        if verb == "set":
            image = f"{request.match_info['image']}:{request.match_info['tag']}"
            deed = Deed(namespace, name, "set-image", container, image)
        elif verb == "undo":
            deed = Deed(
                namespace,
                name,
                "undo",
                revision=_revision(request),
            )
        else:
            deed = Deed(namespace, name, f"{verb}-full" if verb == "promote" and body.get("full") is True else verb)
        done = await self._act(deed)
        answer = acted(done)
        if self._settings.is_blurred:
            answer["metadata"] |= {"name": self._shown(name), "namespace": self._shown(namespace)}
            answer["status"].pop("message", None)
        return as_json(answer)

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
        return self._real(given, [self._settings.namespace, *await namespaces(self._client)])

    def _name(self, request: web.Request, scene: Scene) -> str:
        return self._real(request.match_info["name"], scene.names())


def _revision(request: web.Request) -> int:
    return whole_number(request.match_info["revision"], "revision: give its number, or 0 for the one before")


def _container_names(rollout: Obj) -> list[str]:
    return container_names(dig(rollout, "spec", "template", "spec", default={}))
