"""The story as a person reads it: one line per thing that happened, with the seconds since it began."""

import sys
from typing import TextIO

from shipway.base.clock import Clock

MARKS = {"done": "✔", "bad": "✖", "move": "→", "note": "·"}


class Timeline:
    """Prints to `stream` (stderr by default, so that stdout stays for the JSON)."""

    def __init__(self, clock: Clock, stream: TextIO | None = None) -> None:
        self._clock = clock
        self._stream = stream or sys.stderr
        self._started = clock.now()

    @property
    def seconds(self) -> float:
        return self._clock.now() - self._started

    def say(self, text: str, mark: str = "note") -> None:
        print(f"{self.seconds:7.1f}s {MARKS[mark]} {text}", file=self._stream, flush=True)

    def chapter(self, text: str) -> None:
        print(f"\n         {text}", file=self._stream, flush=True)
