"""Pushes: one look for many, no look for a branch that nobody follows, and a repository that hangs delays only itself."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from shipway.assembly.pushes import Pushes
from shipway.base.errors import Unavailable
from shipway.kube.runtime.virtual_time import run_in_virtual_time
from shipway.server.webhook import PushEvent

MAIN = ("refs/heads/main",)


class World:
    """Repositories that are looked at; somebody follows `main` of each but `https://git.test/unknown`."""

    def __init__(self) -> None:
        self.looks: Counter[str] = Counter()
        self.asked_all: list[str] = []
        self.broken: Exception | None = None
        self.knows_all = True
        self.pushes = Pushes(self.changed, self.look, self.asked_all.append)

    def changed(self, url: str, may_follow: Callable[[str], bool]) -> list[str]:
        return [url] if may_follow("main") and "unknown" not in url else []

    async def look(self, url: str) -> bool:
        self.looks[url] += 1
        if "hangs" in url:
            await asyncio.get_running_loop().create_future()
        await asyncio.sleep(0.1)
        if self.broken:
            raise self.broken
        return self.knows_all

    def push(self, name: str, refs: tuple[str, ...] = MAIN) -> int:
        return self.pushes.told(PushEvent((f"https://git.test/{name}",), refs))


def play(scenario: Callable[[World], Awaitable[None]]) -> None:
    async def main() -> None:
        world = World()
        async with asyncio.TaskGroup() as group:
            running = group.create_task(world.pushes.run())
            await asyncio.sleep(0)
            await scenario(world)
            running.cancel()

    run_in_virtual_time(main())


def test_a_flood_of_pushes_is_two_looks_and_one_that_hangs_delays_only_itself() -> None:
    async def scenario(world: World) -> None:
        assert world.push("hangs") == 1
        assert [world.push("shop") for _ in range(500)] == [1] * 500
        await asyncio.sleep(0.05)
        assert [world.push("shop") for _ in range(500)] == [1] * 500
        await asyncio.sleep(1)
        assert world.looks == {"https://git.test/hangs": 1, "https://git.test/shop": 2}
        world.push("shop")
        await asyncio.sleep(1)
        assert world.looks["https://git.test/shop"] == 3
        assert world.asked_all == []

    play(scenario)


def test_a_push_that_is_nobodys_news_is_no_look() -> None:
    async def scenario(world: World) -> None:
        assert world.push("shop", ("refs/heads/feature",)) == 0
        assert world.push("unknown") == 0
        await asyncio.sleep(1)
        assert not world.looks

    play(scenario)


def test_everybody_asks_again_when_nobody_knows_to_whom_it_is_news() -> None:
    async def scenario(world: World) -> None:
        world.broken = Unavailable("git does not answer")
        world.push("shop")
        await asyncio.sleep(1)
        assert world.asked_all == ["git.test/shop"]
        world.broken, world.knows_all = None, False
        world.push("shop")
        await asyncio.sleep(1)
        assert world.asked_all == ["git.test/shop"] * 2
        world.knows_all = True
        world.push("shop")
        await asyncio.sleep(1)
        assert world.asked_all == ["git.test/shop"] * 2

    play(scenario)
