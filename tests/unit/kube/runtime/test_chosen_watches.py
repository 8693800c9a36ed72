"""A watch that chooses (a namespace, a name) asks for no more than that, and says nothing about the rest of its kind."""

import asyncio

from shipway.api.kinds import CONFIG_MAPS, NAMESPACES
from shipway.base.clock import Instant, LoopClock
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.kube.objects.views import name_of
from shipway.kube.objects.wire import Request, Response, Transport
from shipway.kube.runtime.caches import Caches
from shipway.kube.runtime.decision import Watch
from shipway.kube.runtime.lanes import Look
from shipway.kube.runtime.virtual_time import run_in_virtual_time
from shipway.kube.runtime.world import ControllerWatches, PassWorld
from shipway.localcluster.apiserver.server import ApiServer


class Paths:
    """Remembers which lists were asked for."""

    def __init__(self, server: Transport) -> None:
        self._server = server
        self.seen: set[str] = set()

    async def send(self, request: Request) -> Response:
        self.seen.add(request.path)
        return await self._server.send(request)

    async def close(self) -> None:
        """The server belongs to the test."""


def test_a_watch_of_one_namespace_asks_for_that_namespace_and_is_not_the_whole_kind() -> None:
    async def main() -> None:
        clock = LoopClock(asyncio.get_running_loop(), Instant(0.0))
        server = await ApiServer.open(path=None, clock=clock, ids=RandomIds())
        paths, user = Paths(server), Client(server)
        for namespace in ("ours", "theirs"):
            await user.create(NAMESPACES, {"metadata": {"name": namespace}, "apiVersion": "v1", "kind": "Namespace"})
            meta = {"name": f"in-{namespace}", "namespace": namespace}
            await user.create(CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta})
        caches = Caches(Client(paths), clock)
        watches = ControllerWatches(caches, "test", lambda *_: None, lambda _: None)
        running = asyncio.create_task(caches.run())
        world = PassWorld(watches, caches.kinds_of, Look(lambda _: None, lambda _: None), lambda _: None)

        watches.need("it", [Watch(CONFIG_MAPS, lambda _: (), namespace="ours")])
        await clock.sleep(1)
        assert [name_of(obj) for obj in world.list(CONFIG_MAPS)] == ["in-ours"]
        assert {path for path in paths.seen if "configmaps" in path} == {"/api/v1/namespaces/ours/configmaps"}
        assert not world.is_synced(CONFIG_MAPS)

        watches.need("another", [Watch(CONFIG_MAPS, lambda _: ())])
        await clock.sleep(1)
        assert world.is_synced(CONFIG_MAPS)
        assert world.get(CONFIG_MAPS, "theirs", "in-theirs")
        running.cancel()
        await server.close()

    run_in_virtual_time(main())
