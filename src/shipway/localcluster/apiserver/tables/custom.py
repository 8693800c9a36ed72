"""Custom resources: the printer columns of their CRD."""

from typing import Any

from shipway.base.clock import Instant, parse_rfc3339
from shipway.base.durations import format_age
from shipway.kube.objects.jsonpath import find
from shipway.kube.objects.resource import Obj
from shipway.localcluster.apiserver.registry import CrdVersion, PrinterColumn
from shipway.localcluster.apiserver.tables.columns import Column

_AGE = PrinterColumn(
    name="Age",
    type="date",
    json_path=".metadata.creationTimestamp",
    description="CreationTimestamp is a timestamp representing the server time when this object was created.",
)


def _columns(crd: CrdVersion) -> tuple[PrinterColumn, ...]:
    return crd.columns or (_AGE,)


def custom_columns(crd: CrdVersion) -> tuple[Column, ...]:
    """The columns after the name; age when the CRD defines none."""
    return tuple(
        Column(column.name, column.type, bool(column.priority), column.format, column.description or column.json_path)
        for column in _columns(crd)
    )


def custom_cells(crd: CrdVersion, obj: Obj, now: Instant) -> list[Any]:
    """One cell per column; what is not there is null."""
    return [_cell(column, obj, now) for column in _columns(crd)]


def _cell(column: PrinterColumn, obj: Obj, now: Instant) -> Any:
    found = find(column.json_path, obj)
    if not found:
        return None
    value = found[0] if len(found) == 1 or column.type in ("integer", "number", "boolean") else ",".join(map(str, found))
    if column.type == "date":
        return _date(value, now)
    if column.type == "integer" and isinstance(value, bool | str | list | dict):
        return None
    if column.type == "string" and isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if column.type == "string" else value


def _date(value: Any, now: Instant) -> str:
    try:
        return format_age(max(0.0, now - parse_rfc3339(str(value))))
    except ValueError:
        return "<invalid>"
