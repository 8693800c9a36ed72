"""What was begun is waited for, however often whoever waits is cancelled."""

import asyncio

import pytest

from shipway.base.endings import to_the_end


async def test_a_cancellation_takes_effect_when_it_is_over() -> None:
    over, did = asyncio.Event(), []

    async def clean_up() -> None:
        try:
            await to_the_end(over.wait)
        finally:
            did.append("ended")

    async with asyncio.TaskGroup() as group:
        cleaning = group.create_task(clean_up())
        for _ in range(3):
            await asyncio.sleep(0)
            cleaning.cancel()
        await asyncio.sleep(0)
        assert did == []
        over.set()
    assert (cleaning.cancelled(), did) == (True, ["ended"])


async def test_what_it_comes_to_is_told_and_errors_go_through() -> None:
    async def seven() -> int:
        return 7

    async def fails() -> int:
        raise OSError

    assert await to_the_end(seven) == 7
    with pytest.raises(OSError):
        await to_the_end(fails)
