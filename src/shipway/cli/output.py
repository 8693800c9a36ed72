"""How commands print: columns for people, `-o json|yaml|name` for programs.

Functions that make lines are pure and take a `Paint`; those called `print_*` write to stdout. A table has no frame and is
never cut, so that it fits a pipe as kubectl's does. Colours appear only where a person looks: `paint_for` asks the stream
and the environment (NO_COLOR, TERM=dumb).
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal, TextIO

import orjson
from cyclopts import Parameter
from msgspec import Struct

from shipway.base.clock import Instant, parse_rfc3339
from shipway.base.durations import format_age
from shipway.kube.objects.resource import Obj, split_api_version
from shipway.kube.objects.views import metadata, name_of, namespace_of
from shipway.kube.objects.yaml import dump

Output = Literal["table", "json", "yaml", "name"]
OutputFlag = Annotated[Output, Parameter(name=["--output", "-o"])]
AllFlag = Annotated[bool, Parameter(name=["--all-namespaces", "-A"], negative="", show_default=False)]

COLOURS = {"green": "32", "red": "31", "yellow": "33", "blue": "34", "magenta": "35", "cyan": "36", "dim": "2"}
MOODS = {
    "Healthy": "green", "Synced": "green", "Succeeded": "green", "Successful": "green",
    "Progressing": "blue", "Running": "blue", "Suspended": "blue", "Paused": "blue",
    "OutOfSync": "yellow", "Unknown": "yellow", "Missing": "yellow", "Inconclusive": "yellow",
    "Degraded": "red", "Failed": "red", "Error": "red", "SyncFailed": "red",
}  # fmt: skip
"""Colours of states; a state always stands there as a word too."""


class Paint(Struct, frozen=True):
    """Puts colour on text, or leaves it."""

    is_on: bool = False

    def __call__(self, text: str, colour: str) -> str:
        return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m" if self.is_on and colour and text else text


PLAIN = Paint()


class Column(Struct, frozen=True):
    """A heading and what stands under it for an object."""

    heading: str
    cell: Callable[[Obj], str]


def paint_for(stream: TextIO, environ: Mapping[str, str] = os.environ) -> Paint:
    """Colour on a terminal, unless NO_COLOR is set (to anything) or the terminal is dumb."""
    return Paint(stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb")


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], paint: Paint = PLAIN) -> list[str]:
    """Columns as wide as their widest cell, three blanks apart, states in their colour."""
    widths = [max(len(row[index]) for row in (headings, *rows)) for index in range(len(headings))]
    lines = []
    for number, row in enumerate((headings, *rows)):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        cells[-1] = cells[-1].rstrip()
        moods = [MOODS.get(cell.strip(), "") if number else "" for cell in row]
        lines.append("   ".join(paint(cell, mood) for cell, mood in zip(cells, moods, strict=True)).rstrip())
    return lines


def object_text(obj: Obj, output: Output) -> str:
    """One object as JSON, YAML or name, with its final line end."""
    if output == "name":
        return f"{kubectl_name(obj)}\n"
    if output == "yaml":
        return dump(without_managed_fields(obj))
    return orjson.dumps(without_managed_fields(obj), option=orjson.OPT_INDENT_2).decode() + "\n"


def listing(items: Sequence[Obj]) -> Obj:
    """A `v1 List`, as kubectl prints several objects."""
    return {"apiVersion": "v1", "kind": "List", "metadata": {}, "items": [without_managed_fields(item) for item in items]}


def kubectl_name(obj: Obj) -> str:
    """`rollout.argoproj.io/web`, `pod/web-1`."""
    group, _ = split_api_version(obj.get("apiVersion") or "")
    kind = (obj.get("kind") or "").lower()
    return f"{kind}.{group}/{name_of(obj)}" if group else f"{kind}/{name_of(obj)}"


def without_managed_fields(obj: Obj) -> Obj:
    """As kubectl prints it."""
    if "managedFields" not in metadata(obj):
        return obj
    return {**obj, "metadata": {key: value for key, value in metadata(obj).items() if key != "managedFields"}}


def age(obj: Obj, now: Instant) -> str:
    """How long the object exists, in kubectl's short form; "" when it does not say."""
    created = metadata(obj).get("creationTimestamp") or ""
    return since(created, now)


def since(timestamp: str, now: Instant) -> str:
    try:
        return format_age(now - parse_rfc3339(timestamp))
    except ValueError:
        return ""


def shortened(text: str, widest: int = 60) -> str:
    """No longer than `widest` letters."""
    return text if len(text) <= widest else f"{text[: widest - 1]}…"


def print_lines(lines: Sequence[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print_lines(table(headings, rows, paint_for(sys.stdout)))


def print_list(items: Sequence[Obj], columns: Sequence[Column], output: Output, *, empty: str) -> None:
    """A list of objects; `empty` goes to stderr when a person would see nothing, so that a pipe stays clean."""
    if output == "table" and not items:
        print(empty, file=sys.stderr)
    elif output == "table":
        print_table([column.heading for column in columns], [[column.cell(item) for column in columns] for item in items])
    elif output == "name":
        print_lines([kubectl_name(item) for item in items])
    else:
        sys.stdout.write(object_text(listing(items), output))


def print_found(items: Sequence[Obj], columns: Sequence[Column], output: Output, *, what: str, namespace: str) -> None:
    """What a `list` command found in a namespace; "": in all of them, each object with its own."""
    where = f" in namespace {namespace}: try -A or -n" if namespace else ""
    shown = columns if namespace else (Column("NAMESPACE", namespace_of), *columns)
    print_list(items, shown, output, empty=f"no {what} found{where}")


def print_done(obj: Obj, verb: str, output: Output) -> None:
    """What became of an object, in kubectl's words (`pod/web created`); the object itself for programs."""
    if output == "table":
        print(f"{kubectl_name(obj)} {verb}")
    else:
        print_object(obj, output)


def print_object(obj: Obj, output: Output) -> None:
    sys.stdout.write(object_text(obj, output))
