"""A few lines at the bottom of a terminal that are drawn again and again in place.

Each drawing fits the window: long lines are cut, what is below is counted. The last drawing stays on the screen. Only what
goes to a terminal goes through here; a pipe gets lines.
"""

import re
import shutil
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self, TextIO

_CODES = re.compile(r"\x1b\[[0-9;]*m")
_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


class Live:
    """Draws lines over the ones it drew before. Hides the cursor inside its block."""

    def __init__(self, stream: TextIO, window: Callable[[], tuple[int, int]] = shutil.get_terminal_size) -> None:
        self._stream = stream
        self._window = window
        self._drawn = 0

    @property
    def size(self) -> tuple[int, int]:
        """(columns, lines) that can be drawn now: the cursor stands below the last line."""
        columns, lines = self._window()
        return columns, lines - 1

    def __enter__(self) -> Self:
        self._stream.write(_HIDE_CURSOR)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stream.write(_SHOW_CURSOR)
        self._stream.flush()

    def draw(self, lines: Sequence[str]) -> None:
        """`lines` take the place of those drawn before."""
        columns, height = self.size
        fitting = [cut(line, columns) for line in bounded(lines, height)]
        up = f"\x1b[{self._drawn}F" if self._drawn else ""
        self._stream.write(up + "".join(f"{line}\x1b[K\n" for line in fitting) + "\x1b[J")
        self._stream.flush()
        self._drawn = len(fitting)


class Progress:
    """How far something long has come: a line that is drawn again in place where a person looks, lines in a pipe."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live = Live(stream) if stream.isatty() else None
        self._about = ""

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, trace)

    def show(self, drawn: str, printed: str, *, about: str = "") -> None:
        """`about`: a pipe gets `printed` only when this is not what it was before; `printed` itself without."""
        about = about or printed
        if self._live is not None:
            self._live.draw([drawn])
        elif printed and about != self._about:
            print(printed, file=self._stream, flush=True)
        self._about = about

    def count(self, done: int, total: int, told: str) -> None:
        """Draws each step; a pipe gets the first, the last and every hundredth."""
        self.show(told, told if done in (0, total) or done % 100 == 0 else "")


def bounded(lines: Sequence[str], height: int) -> Sequence[str]:
    """At most `height` lines; the last one then counts those that are missing."""
    if len(lines) <= height or height < 2:
        return lines[: max(0, height)]
    return [*lines[: height - 1], f"… {len(lines) - height + 1} more lines"]


def cut(line: str, width: int) -> str:
    """The first `width` letters; colours do not count and always end."""
    if len(_CODES.sub("", line)) <= width:
        return line
    kept, room, at = "", max(0, width - 1), 0
    for code in _CODES.finditer(line):
        text = line[at : code.start()][:room]
        room -= len(text)
        kept += text + code.group()
        at = code.end()
    return kept + line[at:][:room] + "…"
