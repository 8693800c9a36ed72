"""The shell around a small controller, over the real embedded API server on virtual time.

The controller keeps as many child ConfigMaps as a parent wants and writes how many there are into the parent.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable

from msgspec import Struct
from msgspec.structs import replace

from shipway.api.kinds import CONFIG_MAPS, CRDS, EVENTS
from shipway.base.clock import Instant, LoopClock
from shipway.base.errors import Conflict
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, metadata, name_of
from shipway.kube.objects.wire import Request, Response
from shipway.kube.runtime.controller import ObjectKey, World
from shipway.kube.runtime.decision import Batch, Change, Conclusion, Create, Decision, Delete, Note, Outcome, Watch
from shipway.kube.runtime.runtime import Runtime
from shipway.kube.runtime.sharing import Membership, Sharing
from shipway.kube.runtime.virtual_time import run_in_virtual_time
from shipway.localcluster.apiserver.server import ApiServer


class Family(Struct, frozen=True):
    parent: Obj
    children: tuple[Obj, ...]


def parent_keys(obj: Obj) -> tuple[ObjectKey, ...]:
    parent = dig(obj, "data", "parent")
    return (ObjectKey("default", parent),) if parent else (ObjectKey("default", name_of(obj)),)


class FamilyController:
    """`always_conclude`: writes the count from the outcomes too, as engines with a `conclude` do."""

    name = "family"
    watches = (Watch(CONFIG_MAPS, parent_keys, indexes={"parent": lambda obj: [dig(obj, "data", "parent", default="")]}),)

    def __init__(self) -> None:
        self.passes = 0
        self.blow_up = False
        self.has_last_word = False
        self.looks: Counter[str] = Counter()

    def observe(self, key: ObjectKey, world: World) -> Family | None:
        self.looks[key.name] += 1
        world.resource_for("test.dev", "Later")
        parent = world.get(CONFIG_MAPS, key.namespace, key.name)
        if parent is None or "want" not in (parent.get("data") or {}):
            return None
        return Family(parent, tuple(world.indexed(CONFIG_MAPS, "parent", key.name)))

    def decide(self, observed: Family, now: Instant) -> Decision:
        self.passes += 1
        if self.blow_up:
            raise ZeroDivisionError("a bug")
        want = int(observed.parent["data"]["want"])
        have = {name_of(child) for child in observed.children}
        wanted = {f"{name_of(observed.parent)}-{number}" for number in range(want)}
        create = [Create(CONFIG_MAPS, child(name_of(observed.parent), name)) for name in sorted(wanted - have)]
        delete = [Delete(CONFIG_MAPS, "default", name) for name in sorted(have - wanted)]
        batches = (Batch((*create, *delete)),) if create or delete else ()
        notes = (Note(about(observed.parent), "Resized", f"{len(create)} more, {len(delete)} less"),) if batches else ()
        change = None if batches else replace(count(observed), wakes=not self.has_last_word)
        return Decision(batches=batches, change=change, notes=notes)

    def conclude(self, fresh: Family, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion | None:
        return None if decision.batches else Conclusion(change=replace(count(fresh), wakes=not self.has_last_word))


def about(obj: Obj) -> Obj:
    meta = metadata(obj)
    return {"apiVersion": "v1", "kind": "ConfigMap", "namespace": "default", "name": meta["name"], "uid": meta["uid"]}


def count(family: Family) -> Change:
    root = {"data": {"have": str(len(family.children))}}
    return Change(CONFIG_MAPS, "default", name_of(family.parent), metadata(family.parent)["resourceVersion"], root)


def child(parent: str, name: str) -> Obj:
    meta = {"namespace": "default", "name": name}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"parent": parent}}


def parent(name: str, want: int) -> Obj:
    meta = {"namespace": "default", "name": name}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"want": str(want)}}


class Recorded:
    """Passes requests on and remembers the writes."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self.writes: list[str] = []
        self.before_write: Callable[[Request], Awaitable[None]] | None = None

    async def send(self, request: Request) -> Response:
        if request.method != "GET":
            if self.before_write:
                await self.before_write(request)
            self.writes.append(f"{request.method} {request.path.rsplit('/', 1)[-1]}")
        return await self._server.send(request)

    async def close(self) -> None:
        pass


def play(scenario) -> None:
    async def beside(client, recorded, controller, clock, _runtime) -> None:
        await scenario(client, recorded, controller, clock)

    play_beside(beside)


def play_beside(scenario) -> None:
    """`scenario` is given the runtime, too."""

    async def main() -> None:
        clock = LoopClock(asyncio.get_running_loop(), Instant(1_800_000_000.0))
        server = await ApiServer.open(path=None, clock=clock, ids=RandomIds(random.Random(1)))
        recorded, controller = Recorded(server), FamilyController()
        runtime = Runtime(Client(recorded), [controller], clock=clock)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(runtime.run())
            await scenario(Client(server), recorded, controller, clock, runtime)
            running.cancel()
        await server.close()

    run_in_virtual_time(main())


async def have(client: Client, name: str) -> str | None:
    return dig(await client.get(CONFIG_MAPS, "default", name), "data", "have")


def test_a_glance_sees_what_a_pass_would_and_does_nothing() -> None:
    async def scenario(client, recorded, controller, clock, runtime) -> None:
        assert runtime.glance("family", ObjectKey("default", "p")) is None
        assert runtime.glance("stranger", ObjectKey("default", "p")) is None
        await client.create(CONFIG_MAPS, parent("p", 2))
        await clock.sleep(5)
        passes, writes = controller.passes, len(recorded.writes)
        seen = runtime.glance("family", ObjectKey("default", "p"))
        assert [name_of(one) for one in seen.children] == ["p-0", "p-1"]
        await clock.sleep(5)
        assert (controller.passes, len(recorded.writes)) == (passes, writes)
        assert runtime.works_on("family", ObjectKey("default", "p"))
        assert not runtime.works_on("family", ObjectKey("default", "q"))
        assert not runtime.works_on("stranger", ObjectKey("default", "p"))
        assert CONFIG_MAPS in runtime.served("")
        assert runtime.served("https://elsewhere.example") == ()

    play_beside(scenario)


def test_it_reaches_what_is_wanted_and_then_writes_nothing() -> None:
    async def scenario(client, recorded, controller, clock) -> None:
        await client.create(CONFIG_MAPS, parent("p", 3))
        await clock.sleep(5)
        assert await have(client, "p") == "3"
        writes = len(recorded.writes)
        await clock.sleep(600)
        assert len(recorded.writes) == writes

    play(scenario)


def test_the_last_word_on_an_object_wakes_nobody_but_what_others_write_does() -> None:
    async def scenario(client, recorded, controller, clock) -> None:
        controller.has_last_word = True
        await client.create(CONFIG_MAPS, parent("p", 0))
        await clock.sleep(60)
        assert (await have(client, "p"), controller.passes) == ("0", 1), "what it wrote is no news to it"
        await client.patch(CONFIG_MAPS, "default", "p", {"data": {"have": "5"}})
        await clock.sleep(60)
        assert (await have(client, "p"), controller.passes) == ("0", 2), "what somebody else wrote is"

    play(scenario)


def test_what_others_write_beside_a_last_word_wakes_too() -> None:
    async def scenario(client, recorded, controller, clock) -> None:
        controller.has_last_word = True
        send = recorded.send

        async def followed(request: Request) -> Response:
            answer = await send(request)
            if request.method == "PUT" and controller.passes == 1:
                await client.patch(CONFIG_MAPS, "default", "p", {"data": {"want": "1"}})
            return answer

        recorded.send = followed
        await client.create(CONFIG_MAPS, parent("p", 0))
        await clock.sleep(60)
        assert await have(client, "p") == "1", "written before we knew that our write had been taken"

    play(scenario)


def test_no_child_is_created_twice_although_the_cache_lags() -> None:
    async def scenario(client, recorded, controller, clock) -> None:
        await client.create(CONFIG_MAPS, parent("p", 5))
        await clock.sleep(5)
        creates = [write for write in recorded.writes if write == "POST configmaps"]
        assert len(creates) == 5

    play(scenario)


def later() -> Obj:
    schema = {"openAPIV3Schema": {"type": "object"}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    names = {"kind": "Later", "plural": "laters"}
    spec = {"group": "test.dev", "names": names, "scope": "Namespaced", "versions": [version]}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": CRDS.kind, "metadata": {"name": "laters.test.dev"}, "spec": spec}


def test_a_kind_that_is_served_later_wakes_who_looked_for_it_and_is_still_there() -> None:
    async def scenario(client, recorded, controller, clock) -> None:
        for name in ("stays", "goes"):
            await client.create(CONFIG_MAPS, parent(name, 0))
        await clock.sleep(5)
        await client.delete(CONFIG_MAPS, "default", "goes")
        await clock.sleep(5)
        before = controller.looks.copy()
        await client.create(CRDS, later())
        await clock.sleep(5)
        assert set(controller.looks - before) == {"stays"}

    play(scenario)


def test_events_tell_what_happened() -> None:
    async def scenario(client, recorded, controller, clock) -> None:
        await client.create(CONFIG_MAPS, parent("p", 2))
        await clock.sleep(5)
        (event,) = (await client.list(EVENTS, "default")).items
        assert (event["reason"], event["message"], event["involvedObject"]["name"]) == ("Resized", "2 more, 0 less", "p")

    play(scenario)


def test_a_clients_write_in_between_wins_and_is_not_lost() -> None:
    async def scenario(client, recorded, controller, clock) -> None:
        await client.create(CONFIG_MAPS, parent("p", 1))
        interfered = []

        async def interfere(request: Request) -> None:
            if request.method == "PUT" and not interfered:
                interfered.append(request.path)
                await client.patch(CONFIG_MAPS, "default", "p", {"data": {"want": "4", "note": "by hand"}})

        recorded.before_write = interfere
        await clock.sleep(30)
        final = await client.get(CONFIG_MAPS, "default", "p")
        assert interfered
        assert final["data"] == {"want": "4", "note": "by hand", "have": "4"}

    play(scenario)


def test_a_bug_backs_off_and_is_over_when_it_is_mended() -> None:
    async def scenario(client, recorded, controller, clock) -> None:
        controller.blow_up = True
        await client.create(CONFIG_MAPS, parent("p", 1))
        await clock.sleep(120)
        assert 5 <= controller.passes <= 15, "it backs off instead of spinning"
        controller.blow_up = False
        await clock.sleep(61)
        assert await have(client, "p") == "1"

    play(scenario)


def test_a_refused_action_is_tried_again_later() -> None:
    async def scenario(client, recorded, controller, clock) -> None:
        refusals = []

        async def refuse(request: Request) -> None:
            if request.method == "POST" and len(refusals) < 3 and b"parent" in request.body:
                refusals.append(request.path)
                raise Conflict("somebody was faster")

        recorded.before_write = refuse
        await client.create(CONFIG_MAPS, parent("p", 2))
        await clock.sleep(60)
        assert len(refusals) == 3
        assert await have(client, "p") == "2"

    play(scenario)


def test_the_end_of_an_object_ends_its_key() -> None:
    async def scenario(client, recorded, controller, clock) -> None:
        await client.create(CONFIG_MAPS, parent("p", 1))
        await clock.sleep(5)
        await client.delete(CONFIG_MAPS, "default", "p")
        passes = controller.passes
        await clock.sleep(300)
        assert controller.passes == passes

    play(scenario)


def test_an_object_that_goes_while_its_change_is_on_the_way_is_no_failure() -> None:
    async def scenario(client, recorded, controller, clock) -> None:
        gone = []

        async def take_away(request: Request) -> None:
            if request.method == "PUT" and not gone:
                gone.append(request.path)
                await client.delete(CONFIG_MAPS, "default", "p")

        recorded.before_write = take_away
        await client.create(CONFIG_MAPS, parent("p", 0))
        await clock.sleep(2)
        assert gone
        passes = controller.passes
        await clock.sleep(300)
        assert controller.passes == passes, "nothing is tried again"

    play(scenario)


def test_replicas_share_the_keys_and_take_over_from_one_that_dies() -> None:
    async def main() -> None:
        clock = LoopClock(asyncio.get_running_loop(), Instant(1_800_000_000.0))
        server = await ApiServer.open(path=None, clock=clock, ids=RandomIds(random.Random(1)))
        user, wires = Client(server), [Recorded(server), Recorded(server)]
        controllers = [FamilyController(), FamilyController()]

        async def replica(number: int) -> None:
            client = Client(wires[number])
            sharing = Sharing(client, clock, Membership("default", "test", f"replica-{number}"))
            runtime = Runtime(client, [controllers[number]], clock=clock)
            runtime.share_by(sharing.owns)
            await sharing.run(runtime)

        async with asyncio.TaskGroup() as group:
            running = [group.create_task(replica(number)) for number in range(2)]
            await clock.sleep(20)
            for number in range(12):
                await user.create(CONFIG_MAPS, parent(f"p{number}", 2))
            await clock.sleep(10)
            assert {await have(user, f"p{number}") for number in range(12)} == {"2"}
            made = [wire.writes.count("POST configmaps") for wire in wires]
            assert sum(made) == 24 and all(made)
            running[0].cancel()
            await clock.sleep(5)
            passes = controllers[0].passes
            for number in range(12):
                await user.patch(CONFIG_MAPS, "default", f"p{number}", {"data": {"want": "3"}})
            await clock.sleep(10)
            assert {await have(user, f"p{number}") for number in range(12)} == {"3"}
            assert controllers[0].passes == passes
            running[1].cancel()
        await server.close()

    run_in_virtual_time(main())
