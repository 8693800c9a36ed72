"""What earlier processes rendered and what their sources read, on disk: a restart renders nothing that it knows.

Nothing here is ever wrong, because a render is filed under everything it depends on, the program that made it included; and
nothing is needed: a file that is broken, full or locked counts as empty, and may be deleted at any moment. It holds what Git
and charts hold, so it is readable for its owner only. Writes go to the page cache and are not waited for.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec

from shipway.api.sources import Rendered, RenderRequest

LARGEST = 4 << 20
"""Bytes of one render that are worth keeping."""
_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
CREATE TABLE IF NOT EXISTS renders (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kept (number INTEGER PRIMARY KEY, key BLOB UNIQUE);
CREATE TABLE IF NOT EXISTS reads (repository TEXT, source BLOB, paths BLOB, PRIMARY KEY (repository, source)) WITHOUT ROWID;
"""
_decode = msgspec.msgpack.Decoder(Rendered).decode
_decode_paths = msgspec.msgpack.Decoder(tuple[str, ...]).decode


class RenderStore:
    """Renders by request, at most `most` of them, and read sets by source. `made_by` names the programs that render."""

    def __init__(self, path: Path, made_by: str, *, most: int = 20_000) -> None:
        self._path = path
        self._made_by = made_by.encode()
        self._most = most
        self._database = self._open()

    def get(self, request: RenderRequest) -> Rendered | None:
        """What was rendered for exactly this."""
        found = self._rows("SELECT value FROM renders WHERE key = ?", self._key(request))
        try:
            return _decode(found[0][0]) if found else None
        except msgspec.DecodeError:
            return None

    def put(self, request: RenderRequest, rendered: Rendered) -> None:
        """Keeps a render; the oldest makes room."""
        value = msgspec.msgpack.encode(rendered)
        if len(value) > LARGEST:
            return
        key = self._key(request)
        self._rows("INSERT OR REPLACE INTO renders VALUES (?, ?)", key, value)
        self._rows("INSERT OR REPLACE INTO kept (key) VALUES (?)", key)
        for (old,) in self._rows("SELECT key FROM kept WHERE number <= (SELECT max(number) FROM kept) - ?", self._most):
            self._rows("DELETE FROM renders WHERE key = ?", old)
            self._rows("DELETE FROM kept WHERE key = ?", old)

    def remember_reads(self, repo_url: str, source: bytes, paths: tuple[str, ...]) -> None:
        """What a source read; `reads` gives it to the next process."""
        encoded = msgspec.msgpack.encode(paths)
        self._rows("INSERT OR REPLACE INTO reads VALUES (?, ?, ?)", repo_url, source, encoded)

    def reads(self) -> Iterator[tuple[str, bytes, tuple[str, ...]]]:
        """(repository, source, paths) of earlier renders."""
        for repo_url, source, paths in self._rows("SELECT repository, source, paths FROM reads LIMIT ?", self._most):
            with contextlib.suppress(msgspec.DecodeError):
                yield repo_url, source, _decode_paths(paths)

    def close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def _key(self, request: RenderRequest) -> bytes:
        return blake2b(msgspec.msgpack.encode(request), key=blake2b(self._made_by).digest(), digest_size=20).digest()

    def _rows(self, statement: str, *values: Any) -> list[Any]:
        """The answer of the database; none from one that fails, which is not asked again."""
        if self._database is None:
            return []
        try:
            return self._database.execute(statement, values).fetchall()
        except sqlite3.Error:
            self.close()
            return []

    def _open(self) -> sqlite3.Connection | None:
        """The database; one that cannot be read is made anew. None where nothing can be written."""
        for _ in range(2):
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
                database = sqlite3.connect(self._path, timeout=0.2, isolation_level=None, check_same_thread=False)
                try:
                    database.executescript(_SCHEMA)
                except sqlite3.Error:
                    database.close()
                    raise
                return database
            except (OSError, sqlite3.Error):
                for end in ("", "-wal", "-shm"):
                    with contextlib.suppress(OSError):
                        Path(f"{self._path}{end}").unlink()
        return None
