"""The history in a file on this machine's disk: what is there without asking for more."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from shipway.adapters.history.store import DEPLOYMENTS, Row, Table, Value
from shipway.base.errors import Unavailable


class Sqlite:
    """A file; its folder is made. `survives_power_loss`: each write is on the disk before it counts."""

    def __init__(self, path: Path, table: Table = DEPLOYMENTS, *, survives_power_loss: bool = False) -> None:
        self._path = path
        self._schema = table.made(binary="blob", options=" without rowid")
        self._synchronous = "full" if survives_power_loss else "normal"
        self._connection: sqlite3.Connection | None = None

    def run(self, statement: str, values: Sequence[Value]) -> list[Row]:
        try:
            connection = self._connection = self._connection or self._connect()
            with connection:
                return connection.execute(statement, {str(number): value for number, value in enumerate(values, 1)}).fetchall()
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise Unavailable(f"the history in {self._path}: {error}", reason="HistoryUnavailable") from None

    def interrupt(self) -> None:
        """A disk answers soon enough."""

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _connect(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, timeout=10.0, check_same_thread=False)
        try:
            connection.execute("pragma journal_mode = wal")
            connection.execute(f"pragma synchronous = {self._synchronous}")
            for statement in self._schema:
                connection.execute(statement)
        except sqlite3.Error:
            connection.close()
            raise
        return connection
