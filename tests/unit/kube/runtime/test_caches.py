"""What a pass is told about the caches behind it: a kind is listed only once all of it is watched."""

import asyncio
from contextlib import suppress

from shipway.api.kinds import CONFIG_MAPS, SECRETS
from shipway.base.clock import SystemClock
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.kube.runtime.caches import FOR_GOOD, Caches, ControllerWatches, PassWorld
from shipway.kube.runtime.decision import Watch
from shipway.kube.runtime.informer import Informer
from shipway.kube.runtime.lanes import Look
from shipway.localcluster.apiserver.server import ApiServer

ONE = Watch(resource=CONFIG_MAPS, keys=lambda _: (), namespace="default", field_selector="metadata.name=a")
ALL = Watch(resource=CONFIG_MAPS, keys=lambda _: ())


async def in_a_world(*watches: Watch) -> tuple[bool, bool, bool]:
    """Whether ConfigMaps are synced before the first list and after it, and whether the pass that began before is told so."""
    clock = SystemClock()
    caches = Caches(Client(await ApiServer.open(path=None, clock=clock, ids=RandomIds())), clock)
    controller = ControllerWatches(caches, "test", lambda informer, watch, old, new: None, lambda who: None)
    controller.need(FOR_GOOD, watches)

    def world() -> PassWorld:
        return PassWorld(controller, caches.kinds_of, Look(lambda _: None, lambda _: None), lambda _: None)

    early = world()
    before = early.is_synced(CONFIG_MAPS)
    for informer in controller.informers:
        informer.synced.set()
    assert not world().is_synced(SECRETS)  # nobody watches them
    return before, world().is_synced(CONFIG_MAPS), early.has_synced_since


async def test_a_kind_is_synced_after_its_first_list() -> None:
    assert await in_a_world(ALL) == (False, True, True)


async def test_one_object_watched_by_its_name_says_nothing_about_its_kind() -> None:
    assert await in_a_world(ONE) == (False, False, False)


async def test_a_part_beside_the_whole_does_not_matter() -> None:
    assert await in_a_world(ONE, ALL) == (False, True, True)


async def test_what_the_cache_that_has_seen_more_does_not_have_is_gone() -> None:
    """An Application is watched for itself and as a child: whoever acts on the one must not read of the other, which lags."""
    clock = SystemClock()
    client = Client(await ApiServer.open(path=None, clock=clock, ids=RandomIds()))
    caches = Caches(client, clock)
    watches = ControllerWatches(caches, "test", lambda informer, watch, old, new: None, lambda who: None)
    watches.need(FOR_GOOD, (ALL, Watch(CONFIG_MAPS, keys=lambda _: (), keep_managed_fields=True)))
    lags, leads = watches.informers
    world = PassWorld(watches, caches.kinds_of, Look(lambda _: None, lambda _: None), lambda _: None)
    await client.create(
        CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}}
    )
    await list_once(lags)
    assert world.get(CONFIG_MAPS, "default", "a") is lags.get("default", "a") is not None
    await client.delete(CONFIG_MAPS, "default", "a")
    await list_once(leads)
    assert lags.get("default", "a") is not None
    assert world.get(CONFIG_MAPS, "default", "a") is None


async def list_once(informer: Informer) -> None:
    """Its first list has come, and it sees nothing more afterwards."""
    running = asyncio.create_task(informer.run())
    await informer.synced.wait()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
