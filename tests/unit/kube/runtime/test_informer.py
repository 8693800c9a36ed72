"""Informers over the embedded API server, in virtual time: what they hold, what they tell, and what breaks."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.api.kinds import CONFIG_MAPS
from shipway.base.clock import Clock, Instant, LoopClock
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import metadata, name_of, namespace_of, resource_version_of
from shipway.kube.objects.wire import Request, Response, Transport
from shipway.kube.runtime.awaited import Awaited, is_seen
from shipway.kube.runtime.informer import Informer
from shipway.kube.runtime.virtual_time import run_in_virtual_time
from shipway.localcluster.apiserver.server import ApiServer


class Wire:
    """A network that can be cut: requests fail and running watches end while `is_cut`."""

    def __init__(self, server: Transport) -> None:
        self._server = server
        self.is_cut = False
        self.retry_after = 0
        self.refused_at: list[float] = []
        self.lists = 0
        self._cut = asyncio.Event()

    async def send(self, request: Request) -> Response:
        if self.is_cut:
            return Response(503, {"retry-after": "1"}, b"down")
        if self.retry_after:
            self.refused_at.append(asyncio.get_running_loop().time())
            return Response(429, {"retry-after": str(self.retry_after)}, b"storage is (re)initializing")
        self.lists += "limit" in dict(request.query)
        response = await self._server.send(request)
        if response.stream is not None:
            response.stream = self._until_cut(response.stream)
        return response

    async def close(self) -> None:
        """The server belongs to the test."""

    async def cut(self) -> None:
        self.is_cut = True
        self._cut.set()
        await asyncio.sleep(0.1)

    def mend(self) -> None:
        self.is_cut = False
        self._cut = asyncio.Event()

    async def _until_cut(self, stream: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        cut = asyncio.ensure_future(self._cut.wait())
        chunk: asyncio.Future[Any] = cut
        try:
            while not cut.done():
                chunk = asyncio.ensure_future(anext(stream, b""))
                await asyncio.wait({chunk, cut}, return_when=asyncio.FIRST_COMPLETED)
                if not chunk.done() or not chunk.result():
                    return
                yield chunk.result()
        finally:
            cut.cancel()
            chunk.cancel()
            await asyncio.wait({chunk, cut})
            await stream.aclose()


class Scene:
    """A server, a user, an informer of config maps with what it told, and the wire between them."""

    def __init__(self, server: ApiServer, clock: Clock, **scope: Any) -> None:
        self.clock = clock
        self.user = Client(server)
        self.wire = Wire(server)
        self.informer = Informer(Client(self.wire), CONFIG_MAPS, clock=clock, rng=random.Random(1), **scope)
        self.told: list[tuple[str, str | None, str | None]] = []
        self.informer.on_event(lambda old, new: self.told.append(_said(old, new)))

    async def put(self, name: str, value: str, namespace: str = "default", **labels: str) -> dict[str, Any]:
        meta = {"namespace": namespace, "name": name, "labels": labels}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"v": value}}
        return await self.user.apply(CONFIG_MAPS, body, manager="test")

    async def remove(self, name: str) -> None:
        await self.user.delete(CONFIG_MAPS, "default", name)

    def names(self) -> list[str]:
        return sorted(name_of(o) for o in self.informer.list("default"))


def place_of(obj: Obj) -> tuple[str, str]:
    return namespace_of(obj), name_of(obj)


def _said(old: dict[str, Any] | None, new: dict[str, Any] | None) -> tuple[str, str | None, str | None]:
    return name_of(new or old or {}), old and old["data"]["v"], new and new["data"]["v"]


def play(story: Callable[[Scene], Awaitable[None]], *, history_seconds: float = 300.0, **scope: Any) -> None:
    async def main() -> None:
        clock = LoopClock(asyncio.get_running_loop(), Instant(1_795_000_000.0))
        server = await ApiServer.open(
            path=None, clock=clock, ids=RandomIds(random.Random(1)), history_seconds=history_seconds, history_minimum=1
        )
        scene = Scene(server, clock, **scope)
        await scene.put("first", "1")
        async with asyncio.TaskGroup() as group:
            running = group.create_task(scene.informer.run())
            await scene.informer.synced.wait()
            await clock.sleep(0.1)
            await story(scene)
            running.cancel()
        await server.close()

    run_in_virtual_time(main())


def test_changes_are_told_once_and_in_order() -> None:
    async def story(scene: Scene) -> None:
        await scene.put("first", "2")
        await scene.put("second", "1")
        await scene.remove("first")
        await scene.clock.sleep(1)
        assert scene.told == [("first", None, "1"), ("first", "1", "2"), ("second", None, "1"), ("first", "2", None)]
        assert scene.names() == ["second"]

    play(story)


def test_managed_fields_are_dropped_unless_asked_for() -> None:
    async def without(scene: Scene) -> None:
        assert "managedFields" not in scene.informer.get("default", "first")["metadata"]

    async def with_them(scene: Scene) -> None:
        await scene.put("second", "1")
        await scene.clock.sleep(1)
        for name in ("first", "second"):
            assert scene.informer.get("default", name)["metadata"]["managedFields"]

    play(without)
    play(with_them, keep_managed_fields=True)


def test_metadata_only_objects_keep_their_kind() -> None:
    async def story(scene: Scene) -> None:
        scene.told.clear()
        await scene.put("second", "1", color="red")
        await scene.clock.sleep(1)
        for name in ("first", "second"):
            found = scene.informer.get("default", name)
            assert (found["kind"], found["apiVersion"], "data" in found) == ("ConfigMap", "v1", False)

    async def main() -> None:
        clock = LoopClock(asyncio.get_running_loop(), Instant(1_795_000_000.0))
        server = await ApiServer.open(path=None, clock=clock, ids=RandomIds(random.Random(1)))
        scene = Scene(server, clock)
        scene.informer = Informer(Client(server), CONFIG_MAPS, clock=clock, metadata_only=True)
        await scene.put("first", "1")
        async with asyncio.TaskGroup() as group:
            running = group.create_task(scene.informer.run())
            await scene.informer.synced.wait()
            await story(scene)
            running.cancel()
        await server.close()

    run_in_virtual_time(main())


def test_a_watch_that_breaks_is_taken_up_where_it_was() -> None:
    async def story(scene: Scene) -> None:
        await scene.wire.cut()
        await scene.put("first", "2")
        await scene.put("second", "1")
        await scene.clock.sleep(5)
        assert scene.names() == ["first"]
        scene.wire.mend()
        await scene.clock.sleep(40)
        assert scene.told == [("first", None, "1"), ("first", "1", "2"), ("second", None, "1")]
        assert scene.wire.lists == 1

    play(story)


def test_a_server_that_asks_for_time_gets_it() -> None:
    async def story(scene: Scene) -> None:
        scene.wire.retry_after = 7
        await scene.wire.cut()
        scene.wire.mend()
        await scene.put("second", "1")
        await scene.clock.sleep(60)
        asked = scene.wire.refused_at
        assert len(asked) > 3 and all(later - earlier >= 7 for earlier, later in pairwise(asked))
        scene.wire.retry_after = 0
        await scene.clock.sleep(60)
        assert scene.names() == ["first", "second"]

    play(story)


def test_after_410_only_what_changed_is_told() -> None:
    async def story(scene: Scene) -> None:
        await scene.put("same", "1")
        await scene.put("gone", "1")
        await scene.clock.sleep(1)
        scene.told.clear()
        await scene.wire.cut()
        await scene.put("first", "2")
        await scene.remove("gone")
        await scene.put("new", "1")
        await scene.clock.sleep(60)
        for n in range(5):
            await scene.put("first", str(3 + n))
            await scene.clock.sleep(20)
        scene.wire.mend()
        await scene.clock.sleep(60)
        assert scene.wire.lists == 2
        assert sorted(scene.told, key=str) == sorted([("first", "1", "7"), ("gone", "1", None), ("new", None, "1")], key=str)
        assert scene.names() == ["first", "new", "same"]

    play(story, history_seconds=10.0)


def test_an_object_that_was_made_again_during_the_break_is_told_as_gone_and_new() -> None:
    async def story(scene: Scene) -> None:
        scene.told.clear()
        await scene.wire.cut()
        await scene.remove("first")
        await scene.put("first", "9")
        await scene.clock.sleep(60)
        await scene.put("other", "1")
        await scene.clock.sleep(60)
        scene.wire.mend()
        await scene.clock.sleep(60)
        assert [told for told in scene.told if told[0] == "first"] == [("first", "1", None), ("first", None, "9")]

    play(story, history_seconds=10.0)


def test_own_writes_are_seen_when_they_have_arrived() -> None:
    async def story(scene: Scene) -> None:
        await scene.wire.cut()
        version = resource_version_of(await scene.put("first", "2"))
        assert not scene.informer.has_seen("default", "first", version)
        scene.wire.mend()
        await scene.clock.sleep(40)
        assert scene.informer.has_seen("default", "first", version)
        await scene.put("first", "3")
        await scene.remove("first")
        await scene.clock.sleep(1)
        assert scene.informer.has_seen("default", "first", version)

    play(story)


def test_a_late_subscriber_is_told_what_is_there() -> None:
    async def story(scene: Scene) -> None:
        late: list[str] = []
        scene.informer.on_event(lambda old, new: late.append(name_of(new or {})))
        assert late == ["first"]
        await scene.put("second", "1")
        await scene.clock.sleep(1)
        assert late == ["first", "second"]

    play(story)


def test_selectors_and_indexes() -> None:
    async def story(scene: Scene) -> None:
        scene.informer.add_index("color", lambda o: [o["metadata"]["labels"]["color"]])
        await scene.put("red", "1", color="red")
        await scene.clock.sleep(1)
        assert scene.names() == ["red"]
        assert [name_of(o) for o in scene.informer.indexed("color", "red")] == ["red"]
        await scene.put("red", "1", shade="dark")  # leaves the selection
        await scene.clock.sleep(1)
        assert scene.names() == [] and list(scene.informer.indexed("color", "red")) == []

    play(story, label_selector="color")


def test_the_first_list_is_announced_once() -> None:
    async def main() -> None:
        clock = LoopClock(asyncio.get_running_loop(), Instant(1_795_000_000.0))
        server = await ApiServer.open(path=None, clock=clock, ids=RandomIds(random.Random(1)))
        informer = Informer(Client(server), CONFIG_MAPS, clock=clock)
        announced: list[bool] = []
        informer.on_ready(lambda: announced.append(informer.synced.is_set()))
        assert announced == []
        async with asyncio.TaskGroup() as group:
            running = group.create_task(informer.run())
            await informer.synced.wait()
            await clock.sleep(1)
            assert announced == [True]
            informer.on_ready(lambda: announced.append(False))
            assert announced == [True, False]
            running.cancel()
        await server.close()

    run_in_virtual_time(main())


def test_an_event_that_is_under_way_does_not_keep_it_from_listing_anew() -> None:
    async def story(scene: Scene) -> None:
        await scene.put("a", "1")
        await scene.clock.sleep(1)
        ready: list[bool] = []
        await scene.put("b", "1")
        scene.informer.keep_managed_fields()
        scene.informer.on_ready(lambda: ready.append(True), with_managed_fields=True)
        assert (scene.informer.is_ready(), ready) == (True, [])
        await scene.clock.sleep(1)
        assert ready == [True]
        assert all("managedFields" in metadata(obj) for obj in scene.informer.list()) and scene.names() == ["a", "b", "first"]

    play(story)


def test_a_cache_of_a_part_is_not_waited_for_beside_the_whole() -> None:
    async def story(scene: Scene) -> None:
        whole = Informer(Client(scene.wire), CONFIG_MAPS, clock=scene.clock, rng=random.Random(2))
        written = await scene.put("elsewhere", "1")
        awaited = Awaited(CONFIG_MAPS, "default", "elsewhere", resource_version_of(written))
        await scene.clock.sleep(1)
        assert not is_seen(awaited, [scene.informer, whole]), "the whole has not listed yet"
        async with asyncio.TaskGroup() as group:
            running = group.create_task(whole.run())
            await whole.synced.wait()
            assert is_seen(awaited, [scene.informer, whole])
            assert not is_seen(awaited, [scene.informer]), "nobody else could tell"
            running.cancel()

    play(story, field_selector="metadata.name=first")


SPACES = ("default", "kube-public", "kube-system")


@given(
    st.lists(st.sampled_from([("",), (), SPACES[:1], SPACES[1:], SPACES]), min_size=1, max_size=5),
    st.lists(st.sampled_from(SPACES), max_size=4),
)
@settings(max_examples=40)
def test_it_holds_what_lies_in_the_namespaces_it_covers_and_has_told_just_that(
    covers: list[tuple[str, ...]], writes: list[str]
) -> None:
    """Whatever it covered before; what is written meanwhile is there too."""

    async def story(scene: Scene) -> None:
        told: dict[tuple[str, str], str] = {}
        informer = scene.informer

        def follow(old: Obj | None, new: Obj | None) -> None:
            known = told.pop(place_of(old), None) if old else None
            assert known == (resource_version_of(old) if old else None)
            if new is not None:
                assert place_of(new) not in told
                told[place_of(new)] = resource_version_of(new)

        informer.on_event(follow)
        for number, covered in enumerate(covers):
            informer.cover(covered)
            for space in writes:
                await scene.put(f"w{number}", "1", namespace=space)
            await informer.synced.wait()
        await scene.clock.sleep(1)
        there = (await scene.user.list(CONFIG_MAPS)).items
        wanted = {place_of(one): resource_version_of(one) for one in there if {"", namespace_of(one)} & set(covers[-1])}
        assert told == {place_of(one): resource_version_of(one) for one in informer.list()} == wanted

    play(story)


def test_namespaces_are_listed_one_by_one_and_a_new_one_alone() -> None:
    async def story(scene: Scene) -> None:
        scene.informer.cover(("default", "kube-public"))
        assert not scene.informer.synced.is_set(), "what lies there is not known yet"
        await scene.informer.synced.wait()
        before = scene.wire.lists
        waited: list[bool] = []
        scene.informer.cover(("default", "kube-public", "kube-system"))
        scene.informer.on_ready(lambda: waited.append(True))
        assert (scene.informer.synced.is_set(), waited) == (False, [])
        await scene.clock.sleep(1)
        assert (scene.informer.synced.is_set(), waited) == (True, [True])
        assert scene.wire.lists == before + 1
        scene.informer.cover(("kube-system",))
        assert scene.informer.synced.is_set() and scene.names() == []
        written = await scene.put("second", "1")
        assert scene.informer.has_seen("default", "second", resource_version_of(written)), "nobody will ever tell"
        assert scene.told[-1] == ("first", "1", None)
        assert scene.wire.lists == before + 1

    play(story)


def test_while_nobody_knows_what_to_cover_nothing_is_known() -> None:
    async def story(scene: Scene) -> None:
        scene.informer.cover(None)
        assert not scene.informer.synced.is_set() and scene.names() == []
        scene.informer.cover(())
        assert scene.informer.synced.is_set()

    play(story)
