"""Runs something beside a block: it is ready when the block begins, and has ended when the block has."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager


@asynccontextmanager
async def alongside(run: Callable[[], Coroutine[None, None, None]], ready: asyncio.Event) -> AsyncIterator[None]:
    """Starts `run()` and yields once `ready` is set. What it raises ends the block; one error alone is raised as itself."""
    try:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(run())
            await ready.wait()
            yield
            running.cancel()
    except BaseExceptionGroup as group:
        raise _sole(group) from None


def _sole(error: BaseException) -> BaseException:
    """The one error inside a group of one, however deep; a group of several as it is."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = next(iter(error.exceptions))
    return error
