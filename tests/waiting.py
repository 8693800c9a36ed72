"""Waiting in tests: for a condition, with a deadline, never for a time."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


async def eventually(condition: Callable[[], Value], *, within: float = 10.0) -> Value:
    """The first truthy value of `condition`; fails when there is none within that many seconds."""
    async with asyncio.timeout(within):
        while not (value := condition()):
            await asyncio.sleep(0.005)
    return value
