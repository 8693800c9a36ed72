"""What the history and the ledger hold of Applications, for a backup: read, and put back where it is missing.

It is where the engine keeps it: in a database or a file, or behind an engine that is asked over HTTP. Question and answer are
sealed with the installation's key, so the port gives nothing to who may not read that Secret, and takes nothing from them.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from shipway.adapters.history.ledger import Chain
from shipway.adapters.history.manifests import Deployment, Manifests
from shipway.adapters.history.sealing import Sealing
from shipway.adapters.history.store import DEPLOYMENTS, LEDGER
from shipway.assembly.settings import RunSettings
from shipway.assembly.stores import open_store
from shipway.base.clock import Clock
from shipway.base.errors import Denied, InvalidInput, NotFound, Unavailable
from shipway.gitops.backup import KeptApplication, Wanted
from shipway.kube.client.client import Client


def engine_path(namespace: str) -> str:
    """Where the API server passes requests on to the engine beside the Applications of a namespace (its Service: deploy/)."""
    return f"/api/v1/namespaces/{namespace}/services/shipway:http/proxy"


class PutBack(Struct, frozen=True, tag="put back"):
    """What was kept of an Application once, for the one of its name that there is now; `uid` "" where there is none."""

    kept: KeptApplication
    uid: str


class Restored(Struct, frozen=True):
    """How much was missing and was put back. `others`: rows that found no place, since the chain went on otherwise."""

    deployments: int = 0
    rows: int = 0
    others: int = 0

    def __add__(self, more: "Restored") -> "Restored":
        return Restored(self.deployments + more.deployments, self.rows + more.rows, self.others + more.others)


class Keeper(Protocol):
    """Raises Unavailable where what is kept cannot be had."""

    async def of(self, wanted: Wanted) -> KeptApplication: ...

    async def put_back(self, asked: PutBack) -> Restored:
        """Safe to repeat: what is there stays."""
        ...


class StoreKeeper:
    """The history and the ledger themselves."""

    def __init__(self, manifests: Manifests, chain: Chain, key: bytes, clock: Clock) -> None:
        self._manifests = manifests
        self._chain = chain
        self._sealing = _sealing(key)
        self._clock = clock

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: RunSettings, key: bytes, clock: Clock) -> "AsyncIterator[StoreKeeper]":
        """Raises InvalidInput for a URL that cannot work."""
        manifests = Manifests(open_store(settings, clock, DEPLOYMENTS), key)
        chain = Chain(open_store(settings, clock, LEDGER))
        try:
            yield cls(manifests, chain, key, clock)
        finally:
            await manifests.close()
            await chain.close()

    async def of(self, wanted: Wanted) -> KeptApplication:
        found = [(identity, await self._packed(wanted.uid, identity)) for identity in wanted.deployments]
        kept = {identity: packed for identity, packed in found if packed}
        rows = tuple(await self._chain.read(wanted.application))
        return KeptApplication(wanted.application, wanted.uid, kept, len(found) - len(kept), rows)

    async def put_back(self, asked: PutBack) -> Restored:
        kept, uid, now = asked.kept, asked.uid or asked.kept.uid, self._clock.now()
        put = [
            await self._manifests.put_back(Deployment(uid, identity), packed, now)
            for identity, packed in kept.deployments.items()
        ]
        added, others = await self._chain.put_back(kept.rows)
        return Restored(sum(put), added, len(others))

    async def answer(self, sealed: bytes) -> bytes:
        """For an engine that was asked over HTTP. Raises InvalidInput where who asks does not hold the installation's key."""
        question = msgspec.msgpack.decode(self._sealing.open(sealed, "question"), type=Wanted | PutBack)
        answer = await self.of(question) if isinstance(question, Wanted) else await self.put_back(question)
        return self._sealing.seal(msgspec.msgpack.encode(answer), "answer")

    async def _packed(self, uid: str, identity: str) -> bytes:
        try:
            return await self._manifests.packed(Deployment(uid, identity))
        except (NotFound, InvalidInput):
            return b""


class EngineKeeper:
    """An engine that runs, through the API server's proxy to its Service."""

    def __init__(self, client: Client, namespace: str, key: bytes) -> None:
        self._client = client
        self._path = f"{engine_path(namespace)}/kept"
        self._where = f"the Service {namespace}/shipway"
        self._sealing = _sealing(key)

    async def of(self, wanted: Wanted) -> KeptApplication:
        return msgspec.msgpack.decode(await self._asked(wanted), type=KeptApplication)

    async def put_back(self, asked: PutBack) -> Restored:
        done, bare = Restored(), replace(asked.kept, deployments={}, rows=())
        parts = [replace(bare, deployments={identity: packed}) for identity, packed in asked.kept.deployments.items()]
        for part in [*parts, replace(bare, rows=asked.kept.rows)]:  # each within what the engine reads at once
            done += msgspec.msgpack.decode(await self._asked(PutBack(part, asked.uid)), type=Restored)
        return done

    async def _asked(self, question: Wanted | PutBack) -> bytes:
        body = self._sealing.seal(msgspec.msgpack.encode(question), "question")
        answer = await self._client.raw("POST", self._path, headers={"content-type": "application/octet-stream"}, body=body)
        if answer.status == 200:
            return self._sealing.open(answer.body, "answer")
        if answer.status == 403:
            raise Denied(
                f"{self._where} may not be asked: you may not create services/proxy there, or its engine has another key"
            )
        raise Unavailable(f"{self._where} does not answer ({answer.status})", reason="NoLedger")


def _sealing(key: bytes) -> Sealing:
    return Sealing(key, "questions about what is kept")
