"""What a key wrote itself comes back as an event. That wakes the key, unless it waits for answers and can do nothing before."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import ClassVar

import pytest
from msgspec import Struct

from shipway.api.kinds import CONFIG_MAPS
from shipway.base.clock import Clock, Instant, LoopClock
from shipway.base.errors import Unavailable
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of, resource_version_of
from shipway.kube.objects.wire import Request, Response
from shipway.kube.runtime.controller import ObjectKey, World, key_of
from shipway.kube.runtime.decision import Ask, Change, Conclusion, Decision, Outcome, Watch
from shipway.kube.runtime.runtime import Runtime
from shipway.kube.runtime.virtual_time import run_in_virtual_time
from shipway.localcluster.apiserver.server import ApiServer

KEY = ObjectKey("default", "p")
TAKES = 5.0
"""Seconds until the later of two questions is answered."""
LATE = 1.0
"""Seconds after its event until a write is answered: a watch may be quicker than the one who waits for the answer."""


class Opinion(Ask, frozen=True):
    together: ClassVar[str] = "opinions"
    number: int


class Advised(Struct, frozen=True):
    obj: Obj
    opinions: tuple[object, ...]


class AdvisedController:
    """Writes that it has begun and asks for two opinions at once; writes them down once it has both."""

    name = "advised"
    watches = (Watch(CONFIG_MAPS, lambda obj: [key_of(obj)]),)

    def __init__(self) -> None:
        self.saw: list[dict[str, str]] = []

    def observe(self, key: ObjectKey, world: World) -> Advised | None:
        obj = world.get(CONFIG_MAPS, key.namespace, key.name)
        answers = [world.answer(Opinion(number)) for number in (1, 2)]
        return Advised(obj, tuple(one.value for one in answers if one)) if obj and key == KEY else None

    def decide(self, observed: Advised, now: Instant) -> Decision:
        data = observed.obj["data"]
        self.saw.append(data)
        asks = (Opinion(1), Opinion(2))
        if "begun" not in data:
            return Decision(asks=asks, change=self._written(observed, begun="yes"))
        if "opinions" in data:
            return Decision()
        if len(observed.opinions) < 2:
            return Decision(asks=asks)
        return Decision(change=self._written(observed, opinions=str(observed.opinions)))

    def conclude(self, fresh: Advised, decision: Decision, outcomes: tuple[Outcome, ...], now: Instant) -> Conclusion | None:
        return None

    def _written(self, observed: Advised, **data: str) -> Change:
        obj = observed.obj
        return Change(CONFIG_MAPS, "default", name_of(obj), resource_version_of(obj), {"data": data})


class Unhurried:
    """A server whose watches tell of a write `late` seconds before the writer has its answer, which is lost the
    first `breaks` times."""

    def __init__(self, server: ApiServer, clock: Clock, late: float, breaks: int) -> None:
        self._server, self._clock, self._late, self._breaks = server, clock, late, breaks

    async def send(self, request: Request) -> Response:
        response = await self._server.send(request)
        if request.method == "PATCH":
            await self._clock.sleep(self._late)
            self._breaks -= 1
            if self._breaks >= 0:
                raise Unavailable("the connection broke")
        return response

    async def close(self) -> None:
        pass


def play(scenario: Callable[[Client, AdvisedController, Clock], Awaitable[None]], late: float = 0.0, breaks: int = 0) -> None:
    async def main() -> None:
        clock = LoopClock(asyncio.get_running_loop(), Instant(1_800_000_000.0))

        async def advise(ask: Opinion) -> int:
            await clock.sleep(TAKES * ask.number / 2)
            return ask.number

        server = await ApiServer.open(path=None, clock=clock, ids=RandomIds(random.Random(1)))
        controller = AdvisedController()
        runtime = Runtime(
            Client(Unhurried(server, clock, late, breaks)), [controller], resolvers={Opinion: advise}, clock=clock
        )
        async with asyncio.TaskGroup() as group:
            running = group.create_task(runtime.run())
            await Client(server).create(CONFIG_MAPS, there("p"))
            await scenario(Client(server), controller, clock)
            running.cancel()
        await server.close()

    run_in_virtual_time(main())


def there(name: str) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "default", "name": name}, "data": {"is": "new"}}


@pytest.mark.parametrize("late", [0.0, LATE])
def test_the_echo_of_its_own_write_does_not_wake_who_waits_for_answers(late: float) -> None:
    async def scenario(client: Client, controller: AdvisedController, clock: Clock) -> None:
        await clock.sleep(60)
        begun = {"is": "new", "begun": "yes"}
        assert controller.saw == [{"is": "new"}, begun, {**begun, "opinions": "(1, 2)"}]

    play(scenario, late)


@pytest.mark.parametrize("late", [0.0, LATE])
def test_somebody_elses_write_wakes_it_all_the_same(late: float) -> None:
    async def scenario(client: Client, controller: AdvisedController, clock: Clock) -> None:
        await clock.sleep(TAKES / 4)
        await client.patch(CONFIG_MAPS, "default", "p", {"data": {"is": "changed"}})
        await clock.sleep(TAKES / 4)
        begun = {"is": "changed", "begun": "yes"}
        assert controller.saw == [{"is": "new"}, begun]
        await clock.sleep(60)
        assert controller.saw[2:] == [begun, {**begun, "opinions": "(1, 2)"}]

    play(scenario, late)


def test_somebody_elses_write_before_its_own_is_answered_wakes_it_too() -> None:
    async def scenario(client: Client, controller: AdvisedController, clock: Clock) -> None:
        await clock.sleep(LATE / 2)
        await client.patch(CONFIG_MAPS, "default", "p", {"data": {"is": "changed"}})
        await clock.sleep(LATE)
        assert controller.saw == [{"is": "new"}, {"is": "changed", "begun": "yes"}]

    play(scenario, LATE)


def test_a_write_that_fails_after_it_was_done_is_looked_at() -> None:
    """The connection broke before the answer: nobody knows that the event was an echo."""

    async def scenario(client: Client, controller: AdvisedController, clock: Clock) -> None:
        await clock.sleep(60)
        begun = {"is": "new", "begun": "yes"}
        assert controller.saw[:2] == [{"is": "new"}, begun]
        assert controller.saw[-1] == {**begun, "opinions": "(1, 2)"}

    play(scenario, LATE, breaks=1)
