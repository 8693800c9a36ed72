"""What `kubectl get` prints: columns and cells of each kind.

A built-in kind has a `Printer` here; a custom one has the printer columns of its CRD; anything else shows name and age.
Cells are JSON values; ages are relative to the time of the request.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from shipway.base.clock import Instant
from shipway.kube.objects.resource import Obj
from shipway.localcluster.apiserver.registry import Kind
from shipway.localcluster.apiserver.tables import admin, network, pods, stored, workloads
from shipway.localcluster.apiserver.tables.columns import AGE, Column, Printer, Row, age_of
from shipway.localcluster.apiserver.tables.columns import NAME as NAME_COLUMN
from shipway.localcluster.apiserver.tables.custom import custom_cells, custom_columns


def _plain_cells(obj: Obj, now: Instant) -> Row:
    return Row([obj["metadata"]["name"], age_of(obj, now)])


PLAIN = Printer((AGE,), _plain_cells)


@cache
def printers() -> Mapping[tuple[str, str], Printer]:
    """Printer by (group, kind)."""
    return {**pods.PRINTERS, **workloads.PRINTERS, **network.PRINTERS, **admin.PRINTERS, **stored.PRINTERS}


def table_columns(kind: Kind) -> list[dict[str, Any]]:
    """The `columnDefinitions` of the kind."""
    printer = Printer(custom_columns(kind.crd), _plain_cells) if kind.crd else printers().get(kind.group_kind, PLAIN)
    columns = (NAME_COLUMN, *printer.columns) if printer.named else printer.columns
    return [column.definition() for column in columns]


def table_row(kind: Kind, obj: Obj, now: Instant) -> Row:
    """One object as a row."""
    if kind.crd:
        return Row([obj["metadata"]["name"], *custom_cells(kind.crd, obj, now)])
    return printers().get(kind.group_kind, PLAIN).row(obj, now)


__all__ = ["Column", "Row", "table_columns", "table_row"]
