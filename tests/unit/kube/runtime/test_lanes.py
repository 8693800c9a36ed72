"""Lanes: one question for many askers, wakes only on news, and a remote that hangs delays only itself."""

import asyncio
from typing import ClassVar

import pytest

from shipway.base.clock import Instant, LoopClock
from shipway.base.errors import Conflict, InvalidInput, NotYet, Unavailable
from shipway.kube.runtime.decision import Ask
from shipway.kube.runtime.lanes import Lanes
from shipway.kube.runtime.virtual_time import run_in_virtual_time


class Fetch(Ask, frozen=True):
    remote: str
    number: int = 0

    @property
    def lane(self) -> str:
        return self.remote


class Branch(Ask, frozen=True):
    standing: ClassVar[bool] = True
    poll_seconds: ClassVar[float] = 60.0
    name: str


class World:
    """A remote that counts its questions and answers what the scenario says."""

    def __init__(self) -> None:
        self.asked: list[Ask] = []
        self.heads = {"main": 1}
        self.broken: Exception | None = None
        self.woken: list[object] = []

    async def fetch(self, ask: Fetch) -> int:
        self.asked.append(ask)
        if ask.remote == "hangs":
            await asyncio.get_running_loop().create_future()
        if self.broken:
            raise self.broken
        return ask.number

    async def head(self, ask: Branch) -> int:
        self.asked.append(ask)
        if self.broken:
            raise self.broken
        return self.heads[ask.name]


def play(scenario) -> None:
    async def main() -> None:
        clock = LoopClock(asyncio.get_running_loop(), Instant(0.0))
        world = World()
        lanes = Lanes({Fetch: world.fetch, Branch: world.head}, clock, world.woken.append)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(lanes.run())
            await clock.sleep(0)
            await scenario(world, lanes, clock)
            running.cancel()

    run_in_virtual_time(main())


def test_equal_asks_of_a_thousand_keys_are_one_question() -> None:
    async def scenario(world, lanes, clock) -> None:
        for key in range(1000):
            lanes.subscribe(key, [Fetch("git", 7)])
        await clock.sleep(1)
        assert len(world.asked) == 1
        assert sorted(world.woken) == list(range(1000))
        assert lanes.answer(Fetch("git", 7)).value == 7

    play(scenario)


class Told(Fetch, frozen=True):
    wakes: ClassVar[bool] = False


def test_an_ask_that_wakes_nobody_is_answered_and_seen_by_whoever_looks() -> None:
    async def scenario(world, lanes, clock) -> None:
        lanes.subscribe("key", [Told("git", 7), Told("git", 8)])
        await clock.sleep(1)
        assert (len(world.asked), world.woken) == (2, [])
        assert lanes.answer(Told("git", 7)).value == 7
        world.broken = Unavailable("away")
        lanes.subscribe("other", [Told("git", 9)])
        await clock.sleep(1)
        world.broken = None
        await clock.sleep(60)
        assert lanes.answer(Told("git", 9)).value == 9, "it is tried again all the same"
        assert world.woken == []

    play(scenario)


def test_a_standing_ask_wakes_only_on_news() -> None:
    async def scenario(world, lanes, clock) -> None:
        lanes.subscribe("app", [Branch("main")])
        await clock.sleep(150)
        assert len(world.asked) == 3, "asked at 0, 60 and 120 seconds"
        assert world.woken == ["app"]
        world.heads["main"] = 2
        assert lanes.refresh(lambda ask: isinstance(ask, Branch)) == 1
        await clock.sleep(0.1)
        assert world.woken == ["app", "app"]
        assert lanes.answer(Branch("main")).value == 2

    play(scenario)


def test_an_error_keeps_the_last_good_answer_and_is_asked_again() -> None:
    async def scenario(world, lanes, clock) -> None:
        lanes.subscribe("app", [Branch("main")])
        await clock.sleep(1)
        world.broken = Unavailable("git does not answer")
        lanes.refresh(lambda ask: True)
        await clock.sleep(0.1)
        answer = lanes.answer(Branch("main"))
        assert (answer.value, answer.error.message) == (1, "git does not answer")
        world.broken = None
        await clock.sleep(30)
        assert lanes.answer(Branch("main")).error is None

    play(scenario)


@pytest.mark.parametrize("error", [Unavailable("down"), Conflict("somebody was faster"), NotYet("too early")])
def test_what_nobody_is_to_blame_for_is_asked_again(error) -> None:
    async def scenario(world, lanes, clock) -> None:
        world.broken = error
        lanes.subscribe("app", [Fetch("git", 7)])
        await clock.sleep(1)
        world.broken = None
        await clock.sleep(5)
        assert lanes.answer(Fetch("git", 7)).value == 7

    play(scenario)


def test_what_only_the_user_can_mend_is_not_asked_again() -> None:
    async def scenario(world, lanes, clock) -> None:
        world.broken = InvalidInput("no such chart")
        lanes.subscribe("app", [Fetch("git")])
        await clock.sleep(600)
        assert len(world.asked) == 1

    play(scenario)


def test_a_standing_ask_that_failed_looks_again_soon_whether_the_user_mended_it() -> None:
    class Seldom(Branch, frozen=True):
        poll_seconds: ClassVar[float] = 1800.0

    async def scenario(world, lanes, clock) -> None:
        world.broken = InvalidInput("the ConfigMap has no baseUrl")
        lanes.subscribe("set", [Seldom("main")])
        await clock.sleep(400)
        assert len(world.asked) == 3
        world.broken = None
        await clock.sleep(1000)
        assert len(world.asked) == 4
        assert lanes.answer(Seldom("main")).value == 1

    play(scenario)


def test_a_remote_that_hangs_delays_only_itself() -> None:
    async def scenario(world, lanes, clock) -> None:
        lanes.subscribe("slow", [Fetch("hangs", number) for number in range(50)])
        lanes.subscribe("quick", [Fetch("git", 1)])
        await clock.sleep(1)
        assert lanes.answer(Fetch("git", 1)).value == 1
        assert sum(ask.remote == "hangs" for ask in world.asked) == 4, "the lane is bounded"

    play(scenario)


def test_what_nobody_asks_any_more_is_forgotten() -> None:
    async def scenario(world, lanes, clock) -> None:
        lanes.subscribe("a", [Fetch("git", 1)])
        lanes.subscribe("b", [Fetch("git", 1)])
        await clock.sleep(1)
        lanes.subscribe("a", [])
        assert lanes.answer(Fetch("git", 1)) is not None
        lanes.subscribe("b", [])
        assert lanes.answer(Fetch("git", 1)) is None

    play(scenario)


def test_an_ask_that_is_given_up_while_it_runs_ends() -> None:
    async def scenario(world, lanes, clock) -> None:
        lanes.subscribe("a", [Fetch("hangs", 1)])
        await clock.sleep(1)
        lanes.subscribe("a", [])
        lanes.subscribe("a", [Fetch("hangs", 2)])
        await clock.sleep(1)
        assert [ask.number for ask in world.asked] == [1, 2]

    play(scenario)


class Trial(Fetch, frozen=True):
    together: ClassVar[str] = "trials"


def test_answers_that_come_together_wake_once() -> None:
    async def scenario(world, lanes, clock) -> None:
        lanes.subscribe("app", [*(Trial("cluster", number) for number in range(20)), Trial("disk"), Fetch("git")])
        await clock.sleep(1)
        assert world.woken == ["app", "app"], "once for all that come together, once for Git"
        lanes.subscribe("app", [Trial("cluster", 7), Trial("cluster", 70)])
        await clock.sleep(1)
        assert world.woken == ["app"] * 3, "for the one that is new"

    play(scenario)


def test_who_stops_waiting_for_the_last_is_told_of_the_others() -> None:
    async def scenario(world, lanes, clock) -> None:
        lanes.subscribe("app", [Trial("hangs", 1), Trial("hangs", 2)])
        await clock.sleep(1)
        lanes.subscribe("app", [])
        assert world.woken == ["app"]

    play(scenario)


def test_asking_again_costs_what_is_asked_and_a_renewal_is_told_first() -> None:
    async def scenario(world, lanes, clock) -> None:
        told: list[Ask] = []
        lanes.before_renewal = told.append
        lanes.subscribe("app", [Branch("main")])
        await clock.sleep(1)
        assert lanes.ask_again([Branch("main"), Branch("nobody asks this")]) == 1
        await clock.sleep(0.1)
        assert (len(world.asked), told) == (2, [])
        lanes.renew([Branch("main")])
        await clock.sleep(0.1)
        assert (len(world.asked), told) == (3, [Branch("main")])

    play(scenario)


def test_what_is_at_hand_is_neither_asked_nor_told() -> None:
    async def scenario(world, lanes, clock) -> None:
        known = Fetch("git", 7)
        lanes.subscribe("early", [known])  # nothing was at hand when it looked
        await clock.sleep(1)
        lanes.subscribe("early", [])
        world.woken.clear()
        world.asked.clear()
        lanes.at_hand = lambda ask: 7 if ask == known else None
        for key in ("app", "other"):
            look = lanes.look()
            assert (look.answer(known).value, look.answer(Fetch("git", 8))) == (7, None)
            lanes.subscribe(key, [known, Fetch("git", 8)], look)
        await clock.sleep(1)
        assert (world.asked, world.woken) == ([Fetch("git", 8)], ["app", "other"])
        lanes.subscribe("app", [])
        assert lanes.answer(known).value == 7, "somebody still asks"
        lanes.look().answer(Fetch("git", 7))
        lanes.subscribe("other", [])
        lanes.at_hand = lambda ask: None
        assert lanes.answer(known) is None, "what nobody asks any more is forgotten"

    play(scenario)


def test_what_a_pass_has_seen_at_hand_is_so_until_it_subscribes_whoever_does_meanwhile() -> None:
    """Passes of other keys subscribe while one writes down what it found; what was at hand then may be so no longer."""

    async def scenario(world, lanes, clock) -> None:
        lanes.at_hand = lambda ask: 7
        look = lanes.look()
        assert look.answer(Fetch("git", 7)).value == 7
        lanes.at_hand = lambda ask: None
        lanes.subscribe("other", [Fetch("git", 8)], lanes.look())
        await clock.sleep(1)
        assert look.answer(Fetch("git", 7)).value == 7
        lanes.subscribe("app", [Fetch("git", 7)], look)
        await clock.sleep(1)
        assert (world.asked, world.woken) == ([Fetch("git", 8)], ["other"])
        assert lanes.answer(Fetch("git", 7)).value == 7

    play(scenario)


def test_who_asks_in_the_time_between_is_told_although_the_answer_was_at_hand_for_another() -> None:
    async def scenario(world, lanes, clock) -> None:
        lanes.at_hand = lambda ask: 7
        look = lanes.look()
        look.answer(Fetch("git", 7))
        lanes.at_hand = lambda ask: None
        lanes.subscribe("other", [Fetch("git", 7)], lanes.look())
        lanes.subscribe("app", [Fetch("git", 7)], look)
        await clock.sleep(1)
        assert world.woken == ["other", "app"]

    play(scenario)


def test_who_did_not_see_what_is_at_hand_is_told() -> None:
    async def scenario(world, lanes, clock) -> None:
        lanes.at_hand = lambda ask: 7
        lanes.subscribe("app", [Fetch("git", 7)])
        await clock.sleep(1)
        assert (world.asked, world.woken) == ([Fetch("git", 7)], ["app"])

    play(scenario)


def test_who_answers_is_told_of_an_ask_that_nobody_asks_any_more() -> None:
    async def story(world: World, lanes: Lanes, clock: LoopClock) -> None:
        forgotten: list[Ask] = []
        lanes.forgotten = forgotten.append
        lanes.subscribe("a", [Branch("main")])
        lanes.subscribe("b", [Branch("main")])
        await clock.sleep(1)
        lanes.subscribe("a", [])
        assert forgotten == []
        lanes.subscribe("b", [])
        assert forgotten == [Branch("main")]

    play(story)


class ComesApart:
    """A remote whose answer is made of two questions: one breaks, the other takes a moment to be put down."""

    def __init__(self) -> None:
        self.is_coming_apart = asyncio.Event()
        self.asked = 0

    async def fetch(self, ask: Fetch) -> int:
        self.asked += 1
        async with asyncio.TaskGroup() as group:
            group.create_task(self._put_down())
            await asyncio.sleep(1)
            raise Unavailable("the connection broke")

    async def _put_down(self) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.is_coming_apart.set()
            await asyncio.sleep(0.1)


async def asking(remote: ComesApart) -> tuple[Lanes, asyncio.Task[None], LoopClock]:
    """Lanes that run and ask, up to the moment in which the answer comes apart."""
    clock = LoopClock(asyncio.get_running_loop(), Instant(0.0))
    lanes = Lanes({Fetch: remote.fetch}, clock, lambda _: None)
    running = asyncio.create_task(lanes.run())
    await clock.sleep(0)
    lanes.subscribe("app", [Fetch("git")])
    await remote.is_coming_apart.wait()
    return lanes, running, clock


def test_lanes_that_are_ended_while_an_answer_comes_apart_end() -> None:
    async def main() -> None:
        _, running, _ = await asking(ComesApart())
        running.cancel()
        ended, _ = await asyncio.wait([running], timeout=10)
        assert ended, "the end was forgotten over the error, and the remote is asked for ever"

    run_in_virtual_time(main())


def test_an_ask_that_nobody_asks_any_more_ends_though_its_answer_comes_apart() -> None:
    async def main() -> None:
        remote = ComesApart()
        lanes, running, clock = await asking(remote)
        lanes.subscribe("app", [])
        await clock.sleep(600)
        assert remote.asked == 1
        running.cancel()
        await asyncio.wait([running], timeout=10)

    run_in_virtual_time(main())
