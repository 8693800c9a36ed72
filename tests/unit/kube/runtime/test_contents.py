"""Everything in the namespaces of a cluster: through the caches that are there, else through those of metadata alone."""

import asyncio
from collections.abc import Awaitable, Callable

import orjson

from shipway.api.kinds import CONFIG_MAPS, LEASES, SECRETS
from shipway.base.clock import Instant, LoopClock
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import name_of
from shipway.kube.objects.wire import Request, Response, Transport
from shipway.kube.runtime.caches import Caches
from shipway.kube.runtime.contents import TRY_AGAIN, Contents, Part
from shipway.kube.runtime.decision import Watch
from shipway.kube.runtime.virtual_time import run_in_virtual_time
from shipway.localcluster.apiserver.server import ApiServer

WHOLE = Watch(SECRETS, lambda _: (), keep_managed_fields=True)


class Door:
    """Refuses to list one path."""

    def __init__(self, server: Transport) -> None:
        self._server = server
        self.refused = ""
        self.refusals = 0

    async def send(self, request: Request) -> Response:
        if request.path == self.refused:
            self.refusals += 1
            said = {"kind": "Status", "code": 403, "reason": "Forbidden", "message": "you may not list that"}
            return Response(403, {"content-type": "application/json"}, orjson.dumps(said))
        return await self._server.send(request)

    async def close(self) -> None:
        """The server belongs to the test."""


class Heard:
    """A listener that knows what is there."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.events = 0

    def met(self, resource: Resource, obj: Obj) -> None:
        self.events += 1
        self.names.add(f"{resource.kind} {name_of(obj)}")

    def lost(self, resource: Resource, namespace: str, name: str) -> None:
        self.names.discard(f"{resource.kind} {name}")

    def only(self, resource: Resource, is_there: Callable[[str, str], bool]) -> None:
        of_kind = [name for name in self.names if name.startswith(f"{resource.kind} ")]
        self.names -= {name for name in of_kind if not is_there("default", name.split()[1])}


class Scene:
    """The contents of a cluster but for Leases, followed from the start."""

    def __init__(self, server: Transport, clock: LoopClock) -> None:
        self.clock = clock
        self.user = Client(server)
        self.door = Door(server)
        self.caches = Caches(Client(self.door), clock)
        self.heard = Heard()
        part = Part("", lambda resource: resource.kind == "Lease")
        self.contents = Contents(self.caches, clock, part, self.heard)

    async def create(self, resource: Resource, name: str) -> None:
        meta = {"name": name, "namespace": "default"}
        await self.user.create(resource, {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta})
        await self.clock.sleep(1.0)

    def watched(self, resource: Resource) -> list[bool]:
        """Of each cache of a kind: whether it holds metadata only."""
        return [one.is_metadata_only for one in self.caches.informers if one.resource == resource]


def play(story: Callable[[Scene], Awaitable[None]], refused: str = "") -> None:
    async def main() -> None:
        clock = LoopClock(asyncio.get_running_loop(), Instant(0.0))
        server = await ApiServer.open(path=None, clock=clock, ids=RandomIds())
        scene = Scene(server, clock)
        scene.door.refused = refused
        async with asyncio.TaskGroup() as group:
            running = group.create_task(scene.caches.run())
            following = group.create_task(scene.contents.run())
            await clock.sleep(5.0)
            await story(scene)
            following.cancel()
            await clock.sleep(1.0)
            assert [one.resource.kind for one in scene.caches.informers] == ["CustomResourceDefinition"], "all else is let go"
            running.cancel()
        await server.close()

    run_in_virtual_time(main())


def test_what_comes_and_goes_is_told_but_of_kinds_that_are_left_out() -> None:
    async def story(scene: Scene) -> None:
        assert scene.contents.listed.is_set()
        await scene.create(CONFIG_MAPS, "a")
        await scene.create(LEASES, "b")
        assert "ConfigMap a" in scene.heard.names and not scene.watched(LEASES)
        await scene.user.delete(CONFIG_MAPS, "default", "a")
        await scene.clock.sleep(1.0)
        assert "ConfigMap a" not in scene.heard.names

    play(story)


def test_a_cache_of_the_whole_takes_the_place_of_the_metadata_and_gives_it_back() -> None:
    async def story(scene: Scene) -> None:
        await scene.create(SECRETS, "a")
        assert scene.watched(SECRETS) == [True]
        scene.caches.need("an application", WHOLE)
        await scene.clock.sleep(1.0)
        assert scene.watched(SECRETS) == [False]
        events = scene.heard.events
        await scene.create(SECRETS, "b")
        assert scene.heard.events == events + 1, "told once"
        scene.caches.release("an application", WHOLE)
        await scene.user.delete(SECRETS, "default", "a")
        await scene.clock.sleep(1.0)
        assert scene.watched(SECRETS) == [True]
        assert {name for name in scene.heard.names if name.startswith("Secret")} == {"Secret b"}, "a went meanwhile"

    play(story)


def test_a_kind_that_may_not_be_listed_is_left_out_until_it_may() -> None:
    async def story(scene: Scene) -> None:
        assert scene.contents.listed.is_set()
        await scene.create(SECRETS, "a")
        assert scene.door.refusals == 1 and not scene.watched(SECRETS)
        scene.door.refused = ""
        await scene.clock.sleep(TRY_AGAIN)
        assert scene.watched(SECRETS) == [True] and "Secret a" in scene.heard.names

    play(story, refused="/api/v1/secrets")
