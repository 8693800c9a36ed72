"""The manifests of past deployments, in SQLite, sealed.

A rollback has to work when Git is away, and also on a machine that never saw the commit. So what a deployment applied is kept
beside its number, compressed and encrypted with a key that only the installation's Secret holds: manifests hold Secrets.
Deployments that an application's history has forgotten are forgotten here too.
"""

import asyncio
import os
import sqlite3
import threading
import zlib
from collections.abc import Collection
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Struct

from shipway.api.sources import Rendered
from shipway.base.clock import Instant
from shipway.base.errors import InvalidInput, NotFound, Unavailable

_NONCE_BYTES = 12
_LARGEST = 256 << 20
"""Bytes that one deployment may unpack to."""
_SCHEMA = """
create table if not exists deployments (
  application text not null, identity text not null, kept_at real not null, sealed blob not null,
  primary key (application, identity)) without rowid
"""


class Deployment(Struct, frozen=True):
    """What an application was once: the Application's uid and the identity of its sources at their revisions."""

    application: str
    identity: str


class Manifests:
    """The store of one installation. Calls run on other threads, one at a time."""

    def __init__(self, path: Path, key: bytes) -> None:
        self._path = path
        self._one_at_a_time = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._cipher = AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=b"shipway stored manifests").derive(key))

    async def keep(self, deployment: Deployment, rendered: tuple[Rendered, ...], now: Instant) -> None:
        """Keeps what a deployment applied, one render a source. Safe to repeat. Raises Unavailable (HistoryUnavailable)."""
        await asyncio.to_thread(self._keep, deployment, rendered, now)

    async def recall(self, deployment: Deployment) -> tuple[Rendered, ...]:
        """What a deployment applied. Raises NotFound (NotKept), InvalidInput (NotReadable: damaged, or another key's)."""
        return await asyncio.to_thread(self._recall, deployment)

    async def is_kept(self, deployment: Deployment) -> bool:
        return await asyncio.to_thread(lambda: self._sealed(deployment) is not None)

    async def forget_all_but(self, application: str, identities: Collection[str]) -> None:
        """Forgets the deployments of an application that its history no longer names."""
        await asyncio.to_thread(self._forget, application, sorted(identities))

    async def close(self) -> None:
        """Closes the file; a later call opens it again."""
        await asyncio.to_thread(self._close)

    def _keep(self, deployment: Deployment, rendered: tuple[Rendered, ...], now: Instant) -> None:
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, zlib.compress(msgspec.json.encode(rendered)), _bound_to(deployment))
        row = (deployment.application, deployment.identity, float(now), sealed)
        self._run("insert or replace into deployments values (?, ?, ?, ?)", row)

    def _recall(self, deployment: Deployment) -> tuple[Rendered, ...]:
        sealed = self._sealed(deployment)
        if sealed is None:
            raise NotFound("its manifests are not kept here", reason="NotKept")
        try:
            packed = self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound_to(deployment))
            return msgspec.json.decode(_unpacked(packed), type=tuple[Rendered, ...])
        except (InvalidTag, zlib.error, msgspec.MsgspecError):
            message = "its kept manifests cannot be read: they were kept with another key"
            raise InvalidInput(message, reason="NotReadable") from None

    def _sealed(self, deployment: Deployment) -> bytes | None:
        found = self._run(
            "select sealed from deployments where application = ? and identity = ?",
            (deployment.application, deployment.identity),
        )
        return found[0][0] if found else None

    def _forget(self, application: str, identities: list[str]) -> None:
        named = ", ".join("?" * len(identities))
        self._run(f"delete from deployments where application = ? and identity not in ({named})", (application, *identities))

    def _run(self, statement: str, values: tuple[object, ...]) -> list[tuple[bytes]]:
        with self._one_at_a_time:
            try:
                connection = self._connection = self._connection or self._connect()
                with connection:
                    return connection.execute(statement, values).fetchall()
            except (sqlite3.Error, OSError) as error:
                self._close()
                raise Unavailable(f"the history in {self._path}: {error}", reason="HistoryUnavailable") from None

    def _connect(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, timeout=10.0, check_same_thread=False)
        try:
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = normal")
            connection.execute(_SCHEMA)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def _bound_to(deployment: Deployment) -> bytes:
    """A sealed text counts only for the deployment it was kept for."""
    return f"{deployment.application}/{deployment.identity}".encode()


def _unpacked(packed: bytes) -> bytes:
    unpacking = zlib.decompressobj()
    text = unpacking.decompress(packed, _LARGEST)
    if unpacking.unconsumed_tail:
        raise InvalidInput(f"the kept manifests unpack to more than {_LARGEST >> 20} MiB", reason="NotReadable")
    return text
