"""The pieces of a table: columns, rows, and the cells that many kinds share."""

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct

from shipway.base.clock import Instant, parse_rfc3339
from shipway.base.durations import format_age
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.selectors import label_selector_of

UNKNOWN, NONE = "<unknown>", "<none>"


class Column(Struct, frozen=True):
    """`wide` columns are shown by `-o wide` only."""

    name: str
    type: str = "string"
    wide: bool = False
    format: str = ""
    description: str = ""

    def definition(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description,
            "priority": int(self.wide),
        }


class Row(Struct, frozen=True):
    """Cells in column order; `conditions` mark rows that are over (completed pods)."""

    cells: list[Any]
    conditions: tuple[Obj, ...] = ()


class Printer(Struct, frozen=True):
    """Columns after the name (all of them when `named` is off), and the function that makes a row."""

    columns: tuple[Column, ...]
    row: Callable[[Obj, Instant], Row]
    named: bool = True


NAME = Column("Name", format="name", description="Name must be unique within a namespace.")
AGE = Column("Age")


def columns(*names: str) -> tuple[Column, ...]:
    """Columns from their names: a trailing `*` means wide, a leading `#` an integer, a leading `?` a boolean."""
    types = {"#": "integer", "?": "boolean"}
    return tuple(Column(name.strip("#?*"), types.get(name[0], "string"), name.endswith("*")) for name in names)


def age_of(obj: Obj, now: Instant) -> str:
    return age(obj["metadata"].get("creationTimestamp"), now)


def age(timestamp: str | None, now: Instant) -> str:
    """Time since `timestamp`, as kubectl prints it."""
    if not timestamp:
        return UNKNOWN
    return format_age(max(0.0, now - parse_rfc3339(timestamp)))


def joined(values: Iterable[Any]) -> str:
    return ",".join(str(value) for value in values)


def or_none(text: str) -> str:
    return text or NONE


def label_text(labels: dict[str, str] | None) -> str:
    """Labels as `a=b,c=d`, sorted."""
    return or_none(joined(f"{key}={value}" for key, value in sorted((labels or {}).items())))


def selector_text(selector: Obj | None) -> str:
    return or_none(str(label_selector_of(selector)))


def container_names(template: Obj) -> str:
    return joined(container.get("name", "") for container in (template.get("spec") or {}).get("containers") or [])


def container_images(template: Obj) -> str:
    return joined(container.get("image", "") for container in (template.get("spec") or {}).get("containers") or [])
