"""Looking on while a Rollout changes: `rollout get --watch` and `rollout status`.

On a terminal the tree is drawn again in place, at most five times a second, and once a second for the ages. In a pipe there
is one line for every change that is worth one, and with `-o json` one document a line.
"""

import asyncio
import sys
from typing import TextIO

from shipway.base.clock import rfc3339
from shipway.cli import rollout_tree
from shipway.cli.output import Output, paint_for
from shipway.cli.rollout_document import document_line, document_text
from shipway.cli.rollout_family import Followed, followed
from shipway.cli.session import Session
from shipway.cli.terminal import Live
from shipway.rollouts.view import view_of
from shipway.rollouts.why import why

TICK, SHORTEST = 1.0, 0.2
"""Seconds between two drawings: at most, so that ages go on; at least, so that a busy Rollout can be read."""
ENDS = {"Healthy": 0, "Degraded": 1}


async def watch_rollout(session: Session, name: str, output: Output, timeout: float, out: TextIO | None = None) -> int:
    """Shows every change until Ctrl-C or the timeout. Raises NotFound when the Rollout is not there, or no more."""
    stream = out or sys.stdout
    async with followed(session, name) as following:
        try:
            async with asyncio.timeout(timeout or None):
                if stream.isatty() and output == "table":
                    await _redraw(session, following, stream)
                else:
                    await _print_changes(session, following, output, stream)
        except TimeoutError:
            return 0
    return 0


async def watch_status(session: Session, name: str, output: Output, timeout: float, out: TextIO | None = None) -> int:
    """Prints each new phase until it is Healthy (0), Degraded (1) or the time is up (1)."""
    stream = out or sys.stdout
    async with followed(session, name) as following:
        try:
            async with asyncio.timeout(timeout or None):
                phase = await until_ended(following, output, stream)
        except TimeoutError:
            phase = ""
        family, now = following.family, session.clock.now()
    sentence = why(family.rollout, family.runs, now)
    if output != "table":
        _write(stream, document_text(family, now, output))
    if not phase:
        print(f"{name} has not come to an end after {timeout:g} s: {sentence}", file=sys.stderr)
    elif ENDS[phase]:
        print(sentence, file=sys.stderr)
    return ENDS.get(phase, 1)


async def _redraw(session: Session, following: Followed, stream: TextIO) -> None:
    paint = paint_for(stream)
    with Live(stream) as live:
        while True:
            family, now = following.family, session.clock.now()
            sentence = why(family.rollout, family.runs, now)
            lines = rollout_tree.fitting(view_of(family), sentence, now, live.size, paint)
            live.draw([*([paint(following.trouble, "red")] if following.trouble else []), *lines])
            await session.clock.sleep(SHORTEST)
            await following.changed(TICK - SHORTEST)


async def _print_changes(session: Session, following: Followed, output: Output, stream: TextIO) -> None:
    shown: object = None
    while True:
        family, now = following.family, session.clock.now()
        view = view_of(family)
        seen = rollout_tree.summary_line(view) if output == "table" else view
        if seen != shown:
            shown = seen
            _write(stream, f"{rfc3339(now)}  {seen}\n" if output == "table" else document_line(family, now, output))
        await following.changed(None)


async def until_ended(following: Followed, output: Output, stream: TextIO) -> str:
    """Writes each new phase; the last one, once it is Healthy or Degraded."""
    shown = ""
    while True:
        view = view_of(following.family)
        line = rollout_tree.phase_line(view)
        if line != shown and output == "table":
            shown = line
            _write(stream, f"{line}\n")
        if view.phase in ENDS:
            return view.phase
        await following.changed(None)


def _write(stream: TextIO, text: str) -> None:
    """At once: whoever reads a pipe waits for this line."""
    stream.write(text)
    stream.flush()
