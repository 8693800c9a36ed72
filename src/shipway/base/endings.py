"""Endings that must not stop half-way.

A task may be cancelled a second time while it cleans up after the first: its group is aborted in the moment in which somebody
has ended it. What it waits for there ends soon by itself (a process that was killed), and what comes after must be done.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

Value = TypeVar("Value")


async def to_the_end(wait: Callable[[], Awaitable[Value]]) -> Value:
    """What `wait()` returns; it is begun again after each cancellation, which is raised when it is over."""
    cancelled: asyncio.CancelledError | None = None
    while True:
        try:
            value = await wait()
        except asyncio.CancelledError as error:
            cancelled = error
            continue
        if cancelled is not None:
            raise cancelled
        return value
