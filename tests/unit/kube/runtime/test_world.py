"""What a pass is told about the caches behind it: a kind is listed only once all of it is watched."""

import asyncio
from collections.abc import Collection
from contextlib import suppress

from shipway.api.kinds import CONFIG_MAPS, SECRETS
from shipway.base.clock import SystemClock
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.runtime.caches import Caches
from shipway.kube.runtime.decision import Watch
from shipway.kube.runtime.informer import Informer
from shipway.kube.runtime.lanes import Look
from shipway.kube.runtime.world import FOR_GOOD, ControllerWatches, PassWorld
from shipway.localcluster.apiserver.server import ApiServer

ONE = Watch(resource=CONFIG_MAPS, keys=lambda _: (), namespace="default", field_selector="metadata.name=a")
ALL = Watch(resource=CONFIG_MAPS, keys=lambda _: ())


async def in_a_world(*watches: Watch) -> tuple[bool, bool, bool]:
    """Whether ConfigMaps are synced before the first list and after it, and whether the pass that began before is told so."""
    clock = SystemClock()
    caches = Caches(Client(await ApiServer.open(path=None, clock=clock, ids=RandomIds())), clock)
    controller = ControllerWatches(caches, "test", lambda watches, old, new: None, lambda who: None)
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
    """Whoever acts on what one of them says must not read of the other, which lags."""
    clock = SystemClock()
    client = Client(await ApiServer.open(path=None, clock=clock, ids=RandomIds()))
    caches = Caches(client, clock)
    watches = ControllerWatches(caches, "test", lambda watches, old, new: None, lambda who: None)
    watches.need(FOR_GOOD, (ALL, Watch(CONFIG_MAPS, keys=lambda _: (), metadata_only=True)))
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


async def test_of_a_kind_that_several_want_there_is_one_cache_with_all_that_one_of_them_wants() -> None:
    """Who wants to know the managedFields waits until they are there; who does not goes on meanwhile."""
    clock = SystemClock()
    client = Client(await ApiServer.open(path=None, clock=clock, ids=RandomIds()), manager="ada")
    await client.create(CONFIG_MAPS, config_map("a"))
    caches, told = Caches(client, clock), []
    plain = ControllerWatches(caches, "plain", lambda watches, old, new: told.append("plain"), told.append)
    owning = ControllerWatches(caches, "owning", lambda watches, old, new: told.append("owning"), told.append)
    plain.need(FOR_GOOD, (ALL,))
    async with asyncio.TaskGroup() as group:
        running = group.create_task(caches.run())
        await plain.informers[0].synced.wait()
        assert "managedFields" not in found(plain)["metadata"]
        owning.need("key", (Watch(CONFIG_MAPS, keys=nobody, keep_managed_fields=True),))
        assert owning.informers == plain.informers
        assert plain.is_synced(CONFIG_MAPS) and not owning.is_synced(CONFIG_MAPS, with_managed_fields=True)
        told.clear()
        while not owning.is_synced(CONFIG_MAPS, with_managed_fields=True):
            await clock.sleep(0.01)
        assert told == ["key"], "nothing has changed, but what it waits for is there"
        assert found(plain)["metadata"]["managedFields"][0]["manager"] == "ada"
        owning.need("key", ())
        await client.patch(CONFIG_MAPS, "default", "a", {"data": {"is": "changed"}})
        while "plain" not in told:
            await clock.sleep(0.01)
        assert told == ["key", "plain"]
        running.cancel()


async def test_one_controller_may_watch_a_part_of_a_kind_for_several_reasons() -> None:
    """Each event is told once, for all of them; what is there already is told to a late one, too."""
    clock = SystemClock()
    client = Client(await ApiServer.open(path=None, clock=clock, ids=RandomIds()))
    caches, told = Caches(client, clock), list[tuple[str, ...]]()

    def tell(watches: Collection[Watch], old: Obj | None, new: Obj | None) -> None:
        told.append(tuple(key for watch in watches for key in watch.keys(new or {})))

    watches = ControllerWatches(caches, "test", tell, lambda who: None)
    object_, parent = Watch(CONFIG_MAPS, object_itself), Watch(CONFIG_MAPS, its_parent)
    owning = Watch(CONFIG_MAPS, its_parent, keep_managed_fields=True)
    watches.need(FOR_GOOD, (object_,))
    async with asyncio.TaskGroup() as group:
        running = group.create_task(caches.run())
        while not watches.is_synced(CONFIG_MAPS):
            await clock.sleep(0.01)
        await client.create(CONFIG_MAPS, config_map("a"))
        while not told:
            await clock.sleep(0.01)
        watches.need("key", (parent, owning))
        watches.need("another", (parent,))
        assert told == [("object",), ("parent",), ("parent",)]
        told.clear()
        await client.patch(CONFIG_MAPS, "default", "a", {"data": {"is": "changed"}})
        while not told:
            await clock.sleep(0.01)
        assert told == [("object", "parent", "parent")]
        watches.need("key", ())
        told.clear()
        await client.patch(CONFIG_MAPS, "default", "a", {"data": {"is": "changed again"}})
        while not told:
            await clock.sleep(0.01)
        assert told == [("object", "parent")]
        running.cancel()


def found(watches: ControllerWatches) -> Obj:
    obj = watches.informers[0].get("default", "a")
    assert obj is not None
    return obj


def config_map(name: str) -> Obj:
    meta = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"is": "new"}}


def nobody(_: Obj) -> tuple[()]:
    return ()


def object_itself(_: Obj) -> tuple[str, ...]:
    return ("object",)


def its_parent(_: Obj) -> tuple[str, ...]:
    return ("parent",)


async def list_once(informer: Informer) -> None:
    """Its first list has come, and it sees nothing more afterwards."""
    running = asyncio.create_task(informer.run())
    await informer.synced.wait()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
