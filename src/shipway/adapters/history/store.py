"""Where the rows of the history and of the ledger are: in a file of this process, or in a server that replicas share.

A store runs the statements of `manifests.py` and `ledger.py`. They are written once, in the SQL that SQLite and PostgreSQL both
understand, with values as $1, $2 …
"""

from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import Struct

Value = str | float | bytes
Row = tuple[Any, ...]


class Table(Struct, frozen=True):
    """`columns` with keys; {bytes} stands for what the store calls a column of bytes. `rights`: what is done with it.
    `indexes`: columns to find rows by."""

    name: str
    columns: str
    rights: str
    indexes: tuple[str, ...] = ()

    def made(self, *, binary: str, options: str = "") -> tuple[str, ...]:
        """The statements that make it where it is missing."""
        table = f"create table if not exists {self.name} ({self.columns.format(bytes=binary)}){options}"
        indexes = (f"create index if not exists {self.name}_{one} on {self.name} ({one})" for one in self.indexes)
        return (table, *indexes)


DEPLOYMENTS = Table(
    "shipway_deployments",
    "application text not null, identity text not null, kept_at double precision not null, sealed {bytes} not null, "
    "primary key (application, identity)",
    "select, insert, update and delete",
)
LEDGER = Table(
    "shipway_ledger",
    "chain text not null, sequence bigint not null, entry text not null, subject text not null, "
    "previous text not null, hash text not null, body text not null, primary key (chain, sequence), unique (chain, entry)",
    "select and insert (with --ledger-keep delete, too)",
    ("subject",),
)


class Store(Protocol):
    """Used by one thread at a time, but for `interrupt`."""

    def run(self, statement: str, values: Sequence[Value]) -> list[Row]:
        """Runs one statement, whole or not at all. Raises Unavailable (HistoryUnavailable)."""
        ...

    def interrupt(self) -> None:
        """Ends what runs at this moment; any thread may say so."""
        ...

    def close(self) -> None:
        """Lets go of what is open; a later `run` opens it again."""
        ...
