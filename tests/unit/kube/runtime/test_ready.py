"""Whoever has its first picture of the world stays ready: what it looks at besides, later, takes nothing of that away."""

import asyncio

from shipway.api.kinds import CONFIG_MAPS
from shipway.base.clock import Instant, LoopClock
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.runtime.controller import ObjectKey, World, own_key
from shipway.kube.runtime.decision import Conclusion, Decision, Outcome, Watch
from shipway.kube.runtime.runtime import Runtime
from shipway.kube.runtime.virtual_time import run_in_virtual_time
from shipway.localcluster.apiserver.server import ApiServer


class Curious:
    """Watches one namespace for good, and as long as there is anything in it all the others too."""

    name = "curious"
    watches = (Watch(CONFIG_MAPS, own_key, namespace="default"),)

    def observe(self, key: ObjectKey, world: World) -> Obj | None:
        return world.get(CONFIG_MAPS, key.namespace, key.name)

    def decide(self, observed: Obj, now: Instant) -> Decision:
        return Decision(watches=(Watch(CONFIG_MAPS, lambda _: ()),))

    def conclude(self, fresh: Obj, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion | None:
        return None


def test_a_watch_that_begins_later_does_not_make_it_unready() -> None:
    async def main() -> None:
        clock = LoopClock(asyncio.get_running_loop(), Instant(0.0))
        server = await ApiServer.open(path=None, clock=clock, ids=RandomIds())
        runtime = Runtime(Client(server), [Curious()], clock=clock)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(runtime.run())
            assert not runtime.is_synced
            while not runtime.is_synced:
                await asyncio.sleep(0)
            before = len(runtime.informers)
            settings = {"namespace": "default", "name": "settings"}
            made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": settings}
            creating = group.create_task(Client(server).create(CONFIG_MAPS, made))
            while len(runtime.informers) == before or not all(informer.synced.is_set() for informer in runtime.informers):
                assert runtime.is_synced
                await asyncio.sleep(0)
            assert creating.done()
            running.cancel()
        await server.close()

    run_in_virtual_time(main())
