"""Files that commands are given; `-` is standard input."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from shipway.base.errors import InvalidInput

Parsed = TypeVar("Parsed")


def text_of(file: Path) -> str:
    """Raises InvalidInput naming a file that cannot be read."""
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file} cannot be read: {error}") from None


def parsed(file: Path, parse: Callable[[str], Parsed]) -> Parsed:
    """What `parse` makes of its text. Raises InvalidInput, with the file's name before what is wrong."""
    text = text_of(file)
    try:
        return parse(text)
    except InvalidInput as error:
        raise InvalidInput(f"{file}: {error.message}", reason=error.reason) from None
