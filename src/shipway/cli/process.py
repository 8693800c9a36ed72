"""What every long-running command needs: logs on stderr, where it listens, and an orderly end on Ctrl-C and SIGTERM."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import structlog

from shipway.base.heap import keep_one_heap
from shipway.kube.client.watching import tame_collector


def configure_logs(*, quiet: bool = False) -> None:
    """Constant event names and key-values on stderr; coloured only where a person reads (NO_COLOR is honoured)."""
    level = logging.ERROR if quiet else logging.INFO
    colours = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # The default shows the local variables of every frame, and those hold tokens and Secrets.
            structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # Standard error as it is when something is said: whoever runs commands in one process may put another in its place.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


async def until_stopped(work: Coroutine[Any, Any, Any]) -> Any:
    """Runs `work`; Ctrl-C and SIGTERM cancel it once, so that every block it opened closes in order.

    What runs so long lives on caches: the garbage collector is told to look through them less often, and the C library to keep
    less memory for later.
    """
    tame_collector()
    keep_one_heap()
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        await asyncio.wait((task,))
    return None if task.cancelled() else task.result()


async def with_parent(work: Coroutine[Any, Any, Any]) -> Any:
    """Runs `work` for as long as standard input is open: it closes when the parent process ends, however that ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with asyncio.TaskGroup() as group:
        working = group.create_task(work)
        closing = group.create_task(reader.read())
        await asyncio.wait((working, closing), return_when=asyncio.FIRST_COMPLETED)
        closing.cancel()
        working.cancel()
    return None


def on_ready_write(path: Path | None) -> Callable[[str], None]:
    """Writes the URL to `path`, whole or not at all."""

    def write(url: str) -> None:
        if path is not None:
            part = path.with_suffix(".part")
            part.write_text(f"{url}\n")
            part.replace(path)

    return write
