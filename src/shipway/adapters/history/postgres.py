"""The history in a PostgreSQL server that all replicas reach, so that each can roll back what another one deployed.

The server is a remote like any other: it may be away, and it may hang. Connecting and statements are bounded by its own
timeouts and by a deadline of ours, at which the line is cut: a server that is stopped honours none. After such a failure, calls
fail at once for a moment, so that a hundred that wait in a row do not wait a hundred times.

The URL is libpq's, and may hold a password. No message of ours quotes it, and the driver's words are searched for its secrets.
"""

import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from msgspec import Struct
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from shipway.adapters.history.store import DEPLOYMENTS, Row, Table, Value
from shipway.base.clock import Clock, Instant
from shipway.base.errors import InvalidInput, Unavailable

_IS_MISSING = "select to_regclass($1) is null"
_ALONE = "select pg_advisory_xact_lock(hashtext($1))"
"""`if not exists` looks before it makes, and two that start at once both see nothing."""
_EXAMPLE = "give for instance postgresql://shipway@db.example:5432/shipway?sslmode=require"
_SECRETS = ("password", "sslpassword", "oauth_client_secret")


class Patience(Struct, frozen=True):
    """Seconds: to connect (libpq waits at least 2), for one statement, and of rest after a failure."""

    connect: int = 5
    statement: float = 10.0
    rest: float = 5.0


PATIENCE = Patience()


class Postgres:
    """One connection to the server at `url`, opened when it is needed and again when it was lost.

    Raises InvalidInput for a URL that cannot work. PGPASSWORD, PGPASSFILE and the rest of libpq's environment count."""

    def __init__(self, url: str, clock: Clock, patience: Patience = PATIENCE, table: Table = DEPLOYMENTS) -> None:
        self._table = table
        self._schema = table.made(binary="bytea")
        self._terms = terms_of(url)
        self._clock = clock
        self._patience = patience
        self._connection: psycopg.Connection[Row] | None = None
        self._line: socket.socket | None = None
        """The socket of the connection, a second time: cut from another thread, whatever the driver is about."""
        self._is_cut = False
        self._is_ending = False
        self._away_until = Instant(0.0)
        self._why = ""

    def run(self, statement: str, values: Sequence[Value]) -> list[Row]:
        if self._clock.now() < self._away_until:
            raise Unavailable(self._why, reason="HistoryUnavailable")
        was_open = self._connection is not None
        try:
            try:
                return self._answer(statement, values)
            except psycopg.OperationalError:
                if not (was_open and self._is_lost()):
                    raise
                self.close()  # the server was restarted since the last call: each statement may be said twice
                return self._answer(statement, values)
        except (psycopg.Error, OSError) as error:
            raise self._failed(error) from None

    def interrupt(self) -> None:
        self._is_ending = True
        self._cut()

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
        if self._connection is not None:
            self._connection.close()
        self._line = self._connection = None
        self._is_cut = self._is_ending = False

    def _answer(self, statement: str, values: Sequence[Value]) -> list[Row]:
        connection = self._connection or self._connect()
        with self._in_time(connection):
            return _fetched(connection, statement, values)

    def _connect(self) -> psycopg.Connection[Row]:
        terms: dict[str, Any] = {"connect_timeout": self._patience.connect, "application_name": "shipway", **self._terms}
        where = make_conninfo(**terms)
        # Prepared statements outlive a transaction, which a pooler between us and the server may not.
        connection = psycopg.connect(where, autocommit=True, prepare_threshold=None, cursor_factory=psycopg.RawCursor)
        self._connection = connection
        self._line = socket.socket(fileno=os.dup(connection.fileno()))
        with self._in_time(connection):
            if _fetched(connection, _IS_MISSING, (self._table.name,))[0][0]:
                _fetched(connection, _ALONE, (self._table.name,))
                for statement in self._schema:
                    _fetched(connection, statement)
        return connection

    @contextmanager
    def _in_time(self, connection: psycopg.Connection[Row]) -> Iterator[None]:
        """A transaction that ends in time: the server is asked to see to it, and where it does not, the line is cut."""
        self._is_cut = False
        deadline = threading.Timer(self._patience.statement * 1.5, self._cut)
        deadline.daemon = True
        deadline.start()
        try:
            with connection.transaction():
                _fetched(connection, f"set local statement_timeout = {int(self._patience.statement * 1000)}")
                yield
        finally:
            deadline.cancel()

    def _cut(self) -> None:
        self._is_cut = True
        if self._line is not None:
            with suppress(OSError):
                self._line.shutdown(socket.SHUT_RDWR)

    def _is_lost(self) -> bool:
        by_us = self._is_cut or self._is_ending
        return self._connection is not None and self._connection.closed and not by_us

    def _failed(self, error: Exception) -> Unavailable:
        said = "it does not answer" if self._is_cut else self._without_secrets(" ".join(str(error).split()))
        self.close()
        hint = ""
        if isinstance(error, psycopg.errors.InsufficientPrivilege):
            made = "; ".join(self._schema)
            hint = f". Grant {self._table.rights} on {self._table.name}, or have it made: {made}"
        self._why = f"the history in PostgreSQL{_at(self._terms)}: {said}{hint}"
        if isinstance(error, psycopg.OperationalError | OSError):
            self._away_until = Instant(self._clock.now() + self._patience.rest)
        return Unavailable(self._why, reason="HistoryUnavailable")

    def _without_secrets(self, text: str) -> str:
        secrets = [self._terms.get(name) for name in _SECRETS] + [os.environ.get("PGPASSWORD")]
        for secret in filter(None, secrets):
            text = text.replace(str(secret), "***")
        return text


def _fetched(connection: psycopg.Connection[Row], statement: str, values: Sequence[Value] = ()) -> list[Row]:
    cursor = connection.execute(statement.encode(), values or None)
    return cursor.fetchall() if cursor.description else []


def terms_of(url: str) -> dict[str, Any]:
    """What the URL says, as libpq reads it. Raises InvalidInput.

    Parts of a password that was not encoded may stand anywhere, so nothing of it is quoted."""
    if not url.startswith(("postgresql://", "postgres://")):
        raise InvalidInput(f"--history (SHIPWAY_HISTORY) is no URL of a PostgreSQL server: {_EXAMPLE}")
    try:
        terms = conninfo_to_dict(url)
        ports = [int(port) for port in str(terms.get("port") or "5432").split(",")]
    except (psycopg.Error, ValueError):
        terms, ports = {}, [0]
    parts = "".join(str(terms.get(name) or "") for name in ("host", "port", "dbname"))
    if not terms or "@" in parts or not all(0 < port <= 65535 for port in ports):
        raise InvalidInput(
            "--history (SHIPWAY_HISTORY) cannot be read. Percent-encode what is special in user and password"
            f" (/ is %2F, @ is %40, % is %25), and use only parameters that libpq knows: {_EXAMPLE}"
        )
    return terms


def _at(terms: dict[str, Any]) -> str:
    host = terms.get("host") or terms.get("hostaddr")
    return f" at {host}" if host else ""
