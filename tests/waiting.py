"""Waiting in tests: for a condition, with a deadline, never for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Value = TypeVar("Value")


async def eventually(condition: Callable[[], Value], *, within: float = 30.0) -> Value:
    """The first truthy value of `condition`; fails when there is none within that many seconds."""
    async with asyncio.timeout(within):
        while not (value := condition()):
            await asyncio.sleep(0.005)
    return value


async def comes_to(wanted: Value, look: Callable[[], Awaitable[Value]], *, within: float = 60.0) -> None:
    """Looks until it finds what is wanted; fails with what it found last."""
    end = time.monotonic() + within
    while (found := await look()) != wanted:
        if time.monotonic() > end:
            assert found == wanted
        await asyncio.sleep(0.05)
