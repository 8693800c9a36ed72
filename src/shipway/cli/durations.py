"""Durations on the command line: seconds, or Go's spelling (`90`, `30s`, `5m`, `1h30m`)."""

from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import Parameter, Token

from shipway.base.durations import parse_duration


def read_duration(text: str) -> float:
    """Seconds. Raises ValueError with the offending text."""
    seconds = float(text) if text.replace(".", "", 1).isdecimal() else parse_duration(text)
    if seconds < 0:
        raise ValueError(f'invalid duration "{text}": it must not be negative')
    return seconds


def _convert(_: Any, tokens: Sequence[Token]) -> float:
    return read_duration(tokens[0].value)


Duration = Annotated[float, Parameter(converter=_convert)]
