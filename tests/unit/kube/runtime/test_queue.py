"""The work queue keeps every key and never runs one twice at once."""

import asyncio
import random

from shipway.base.clock import Instant, LoopClock, SystemClock
from shipway.kube.runtime.queue import LONGEST_BACKOFF, WorkQueue
from shipway.kube.runtime.virtual_time import run_in_virtual_time


def in_virtual_time(scenario) -> None:
    async def main() -> None:
        clock = LoopClock(asyncio.get_running_loop(), Instant(1_000_000.0))
        await scenario(WorkQueue(clock), clock)

    run_in_virtual_time(main())


def test_a_key_added_many_times_is_one_key() -> None:
    async def scenario(queue, clock) -> None:
        for _ in range(3):
            queue.add("a")
        assert await queue.get() == "a"
        queue.done("a")
        assert queue.is_idle

    in_virtual_time(scenario)


def test_a_wake_is_not_put_off_by_a_wall_clock_that_jumps_back() -> None:
    async def main() -> None:
        loop, jumped = asyncio.get_running_loop(), 0.0
        clock = SystemClock(wall=lambda: 1_000_000.0 + loop.time() - jumped, steady=loop.time)
        queue: WorkQueue[str] = WorkQueue(clock)
        due = Instant(clock.now() + 600)
        queue.add_at("a", due)
        jumped = 3600.0
        await queue.get()
        assert loop.time() == 600 and clock.now() >= due
        queue.add_at("a", Instant(clock.now() + 60))  # as a pass that looked at the clock would
        queue.done("a")
        await queue.get()
        assert loop.time() == 660

    run_in_virtual_time(main())


def test_a_key_added_while_it_runs_runs_again() -> None:
    async def scenario(queue, clock) -> None:
        queue.add("a")
        await queue.get()
        queue.add("a")
        assert len(queue) == 0, "it must not run beside itself"
        queue.done("a")
        assert await queue.get() == "a"

    in_virtual_time(scenario)


def test_the_latest_wake_counts() -> None:
    async def scenario(queue, clock) -> None:
        start = clock.now()
        queue.add_at("a", Instant(start + 100))
        queue.add_at("a", Instant(start + 5))
        await queue.get()
        assert clock.now() - start == 5
        queue.done("a")
        assert queue.next_wake is None

    in_virtual_time(scenario)


def test_backoff_doubles_up_to_a_minute_and_is_forgotten() -> None:
    async def scenario(queue, clock) -> None:
        delays = [queue.back_off("a") for _ in range(12)]
        assert delays[:4] == [0.25, 0.5, 1.0, 2.0]
        assert delays[-1] == LONGEST_BACKOFF
        queue.forget_failures("a")
        assert queue.back_off("a") == 0.25

    in_virtual_time(scenario)


def test_a_remote_that_asks_for_time_gets_it() -> None:
    async def scenario(queue, clock) -> None:
        assert queue.back_off("a", at_least=30.0) == 30.0

    in_virtual_time(scenario)


def test_the_seeded_order_is_the_same_for_the_same_seed() -> None:
    async def order(seed: int) -> list[int]:
        clock = LoopClock(asyncio.get_running_loop(), Instant(0.0))
        queue: WorkQueue[int] = WorkQueue(clock, random.Random(seed))
        for key in range(20):
            queue.add(key)
        return [await queue.get() for _ in range(20)]

    first, second, other = (run_in_virtual_time(order(seed)) for seed in (1, 1, 2))
    assert first == second
    assert sorted(first) == list(range(20))
    assert first != other


def test_what_may_wait_is_collected_and_no_wake_puts_it_off() -> None:
    async def scenario(queue, clock) -> None:
        start = clock.now()
        for _ in range(3):
            queue.add_within("a", 0.5)
            await clock.sleep(0.1)
        queue.add_at("a", None)
        assert await queue.get() == "a"
        assert clock.now() - start == 0.5
        queue.add_within("a", 0.5)
        await clock.sleep(1.0)
        queue.done("a")
        assert await queue.get() == "a"
        queue.done("a")
        assert queue.is_idle

    in_virtual_time(scenario)
