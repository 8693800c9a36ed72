"""Where the rows of the history are: in a file of this process, or in a server that replicas share.

A store runs the statements of `manifests.py`. They are written once, in the SQL that SQLite and PostgreSQL both understand,
with values as $1, $2 …
"""

from collections.abc import Sequence
from typing import Any, Protocol

Value = str | float | bytes
Row = tuple[Any, ...]

TABLE = "shipway_deployments"
COLUMNS = "application text not null, identity text not null, kept_at double precision not null, sealed {bytes} not null"
KEY = "primary key (application, identity)"


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
