"""The store on disk: SQLite with a write-ahead log, many commits per transaction.

A commit is queued and answered when its transaction is on disk (the process may be killed right after; a power cut may take
the last moments, as `synchronous=NORMAL` allows). A thread writes whatever has queued up meanwhile, so the more is written
at once, the fewer transactions it takes. The current objects and the version counter are kept, the history is not: after a
restart the counter jumps ahead, watchers of older versions get 410 and list again.

A disk that is full refuses writes until it is not: the journal keeps what it could not store and tries again, and takes nothing
more until it succeeded. What it keeps was answered with an error, so it may or may not be there after a restart.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from shipway.base.errors import InvalidInput, Unavailable
from shipway.localcluster.apiserver.history import Key
from shipway.localcluster.apiserver.store import ShelfKey

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS objects (grp TEXT, plural TEXT, namespace TEXT, name TEXT, data BLOB NOT NULL,"
    " PRIMARY KEY (grp, plural, namespace, name)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS signing (id INTEGER PRIMARY KEY CHECK (id = 1), key BLOB NOT NULL)",
)
JUMP = 1_000
"""How far the counter jumps at a restart: past everything that was handed out but not written."""

STORAGE_FAILED = "StorageFailed"
_RETRY_SECONDS = 0.5

_Change = tuple[int, ShelfKey, Key, bytes | None]


class SqliteJournal:
    """A `store.Journal` in one file. Made by `open`."""

    def __init__(self, path: Path, on_safe: Callable[[int], None], version: int, loop: asyncio.AbstractEventLoop) -> None:
        self.version = version
        self._path = path
        self._on_safe = on_safe
        self._loop = loop
        self._queue: queue.SimpleQueue[_Change | None] = queue.SimpleQueue()
        self._safe = version
        self.failure = ""
        self._closing = threading.Event()
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._thread = threading.Thread(target=self._write, name="apiserver-journal", daemon=True)
        self._thread.start()

    @classmethod
    async def open(cls, path: Path, on_safe: Callable[[int], None]) -> "SqliteJournal":
        """Opens or makes the file. Raises InvalidInput when it is no database of ours."""
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            version = _prepare(path)
        except sqlite3.Error as error:
            raise InvalidInput(
                f"cannot read the cluster's state in {path}: {error}; move the file away to start empty"
            ) from error
        return cls(path, on_safe, version, asyncio.get_running_loop())

    def rows(self, only: ShelfKey | None = None) -> Iterable[tuple[ShelfKey, bytes]]:
        """All stored objects, or those of one shelf."""
        connection = _connect(self._path)
        try:
            where, values = (" WHERE grp = ? AND plural = ?", only) if only else ("", ())
            for group, plural, data in connection.execute(f"SELECT grp, plural, data FROM objects{where}", values):
                yield (group, plural), bytes(data)
        finally:
            connection.close()

    def signing_key(self, new: bytes) -> bytes:
        """The key of this cluster, so that tokens outlive a restart; `new` becomes it if there is none."""
        connection = _connect(self._path)
        try:
            connection.execute("INSERT OR IGNORE INTO signing VALUES (1, ?)", (new,))
            return bytes(connection.execute("SELECT key FROM signing").fetchone()[0])
        finally:
            connection.close()

    def append(self, version: int, shelf: ShelfKey, key: Key, data: bytes | None) -> None:
        self._queue.put((version, shelf, key, data))

    async def safe(self, version: int) -> None:
        """Returns when everything up to `version` is on disk. Raises Unavailable when it cannot be written."""
        if version <= self._safe:
            return
        if self.failure:
            raise Unavailable(self.failure, reason=STORAGE_FAILED)
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append((version, future))
        await future

    async def close(self) -> None:
        """Writes what is queued, if it can be written, and ends the thread."""
        self._queue.put(None)
        self._closing.set()
        await asyncio.to_thread(self._thread.join)

    def _written(self, version: int) -> None:
        self.failure = ""
        self._safe = version
        self._on_safe(version)
        ready = [future for wanted, future in self._waiting if wanted <= version]
        self._waiting = [(wanted, future) for wanted, future in self._waiting if wanted > version]
        for future in ready:
            if not future.done():
                future.set_result(None)

    def _failed(self, why: str) -> None:
        self.failure = why
        for _, future in self._waiting:
            if not future.done():
                future.set_exception(Unavailable(why, reason=STORAGE_FAILED))
        self._waiting = []

    def _write(self) -> None:
        """The thread: one transaction for whatever is waiting; what cannot be stored is tried again until it can."""
        waiting: list[_Change] = []
        ends = False
        with closing(_connect(self._path)) as connection:
            while not ends:
                ends = self._take(waiting)
                if not waiting:
                    return
                try:
                    _store(connection, waiting)
                except sqlite3.Error as error:
                    self._tell(self._failed, f"cannot write the cluster's state to {self._path}: {error}; free some space")
                    self._closing.wait(_RETRY_SECONDS)
                    continue
                self._tell(self._written, waiting[-1][0])
                waiting.clear()

    def _take(self, waiting: list[_Change]) -> bool:
        """Moves what is queued to `waiting`, for which it waits if nothing else is; whether the end was asked for."""
        while not waiting or not self._queue.empty():
            change = self._queue.get()
            if change is None:
                return True
            waiting.append(change)
        return False

    def _tell(self, what: Callable[[Any], None], value: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(what, value)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _prepare(path: Path) -> int:
    """Makes the tables, moves the counter ahead and returns it."""
    connection = _connect(path)
    try:
        for statement in _SCHEMA:
            connection.execute(statement)
        found = connection.execute("SELECT version FROM counter").fetchone()
        version = found[0] + JUMP if found else 1
        connection.execute("INSERT OR REPLACE INTO counter (id, version) VALUES (1, ?)", (version,))
        return version
    finally:
        connection.close()


def _store(connection: sqlite3.Connection, changes: list[_Change]) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")  # of an attempt that failed
    connection.execute("BEGIN")
    for _, (group, plural), (namespace, name), data in changes:
        if data is None:
            where = "grp = ? AND plural = ? AND namespace = ? AND name = ?"
            connection.execute(f"DELETE FROM objects WHERE {where}", (group, plural, namespace, name))
        else:
            values = (group, plural, namespace, name, data)
            connection.execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?)", values)
    connection.execute("UPDATE counter SET version = ? WHERE id = 1", (changes[-1][0],))
    connection.execute("COMMIT")
