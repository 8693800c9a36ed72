"""How commands print: columns for people, `-o json|yaml|name` for programs, and nothing in colour unless a person looks.

A table has no frame, so that it fits a pipe as kubectl's does.
"""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Literal

import orjson
from msgspec import Struct

from shipway.api.kinds import APPLICATIONS, ROLLOUTS
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import metadata, name_of
from shipway.kube.objects.yaml import dump

Output = Literal["table", "json", "yaml", "name"]
COLOURS = {"green": "32", "red": "31", "yellow": "33", "blue": "34", "dim": "2"}
MOODS = {
    "Healthy": "green", "Synced": "green", "Succeeded": "green", "Successful": "green",
    "Progressing": "blue", "Running": "blue", "Suspended": "blue", "Paused": "blue",
    "OutOfSync": "yellow", "Unknown": "yellow", "Missing": "yellow", "Inconclusive": "yellow",
    "Degraded": "red", "Failed": "red", "Error": "red",
}  # fmt: skip


class Column(Struct, frozen=True):
    """A heading and what stands under it."""

    heading: str
    cell: Callable[[Obj], str]


def print_list(items: Sequence[Obj], columns: Sequence[Column], output: Output, *, empty: str) -> None:
    """A list of objects; `empty` goes to stderr when there are none, so that a pipe stays clean."""
    if output == "table":
        if not items:
            print(empty, file=sys.stderr)
            return
        print_table([column.heading for column in columns], [[column.cell(item) for column in columns] for item in items])
        return
    if output == "name":
        for item in items:
            print(_named(item))
        return
    print_object({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": [_slim(item) for item in items]}, output)


def print_object(obj: Obj, output: Output) -> None:
    """One object as JSON, YAML or name."""
    if output == "name":
        print(_named(obj))
    elif output == "yaml":
        print(dump(_slim(obj)), end="")
    else:
        print(orjson.dumps(_slim(obj), option=orjson.OPT_INDENT_2).decode())


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their widest cell, three blanks apart."""
    widths = [max(len(row[index]) for row in [headings, *rows]) for index in range(len(headings))]
    for number, row in enumerate([headings, *rows]):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        painted = cells if number == 0 else [paint(cell, MOODS.get(cell.strip(), "")) for cell in cells]
        print("   ".join(painted).rstrip())


def paint(text: str, colour: str) -> str:
    """Coloured where a person looks at a terminal and NO_COLOR is not set."""
    if not colour or os.environ.get("NO_COLOR") or not sys.stdout.isatty():
        return text
    return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m"


def _slim(obj: Obj) -> Obj:
    """As kubectl prints it: without managedFields."""
    if "items" in obj or "managedFields" not in metadata(obj):
        return obj
    return {**obj, "metadata": {key: value for key, value in metadata(obj).items() if key != "managedFields"}}


def _named(obj: Obj) -> str:
    kind = obj.get("kind") or ""
    known = {resource.kind: f"{resource.kind.lower()}.{resource.group}" for resource in (APPLICATIONS, ROLLOUTS)}
    return f"{known.get(kind, kind.lower())}/{name_of(obj)}"
