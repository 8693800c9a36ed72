"""Files that commands are given; `-` is standard input."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.yaml import load_all

Parsed = TypeVar("Parsed")


def text_of(file: Path) -> str:
    """Raises InvalidInput naming a file that cannot be read."""
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file} cannot be read: {error}") from None


def objects_of(files: Iterable[Path]) -> list[Obj]:
    """The objects of YAML files, in their order; documents that are none are left out. Raises InvalidInput."""
    return [obj for file in files for obj in parsed(file, load_all) if isinstance(obj, dict)]


def parsed(file: Path, parse: Callable[[str], Parsed]) -> Parsed:
    """What `parse` makes of its text. Raises InvalidInput, with the file's name before what is wrong."""
    text = text_of(file)
    try:
        return parse(text)
    except InvalidInput as error:
        raise InvalidInput(f"{file}: {error.message}", reason=error.reason) from None
