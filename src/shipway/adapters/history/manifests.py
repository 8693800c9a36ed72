"""The manifests of past deployments, in a store of SQL, sealed.

A rollback has to work when Git is away, and also on a machine that never saw the commit. So what a deployment applied is kept
beside its number, compressed and encrypted with a key that only the installation's Secret holds: manifests hold Secrets.
Deployments that an application's history has forgotten are forgotten here too.
"""

import asyncio
import zlib
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import msgspec
from msgspec import Struct

from shipway.adapters.history.sealing import Sealing
from shipway.adapters.history.store import DEPLOYMENTS, Store
from shipway.api.sources import Rendered
from shipway.base.clock import Instant
from shipway.base.errors import InvalidInput, NotFound

T = TypeVar("T")

_LARGEST = 256 << 20
"""Bytes that one deployment may unpack to."""
_KEEP = f"""
insert into {DEPLOYMENTS.name} (application, identity, kept_at, sealed) values ($1, $2, $3, $4)
on conflict (application, identity) do update set kept_at = excluded.kept_at, sealed = excluded.sealed
"""
_RECALL = f"select sealed from {DEPLOYMENTS.name} where application = $1 and identity = $2"
_FORGET = f"delete from {DEPLOYMENTS.name} where application = $1"


class Deployment(Struct, frozen=True):
    """What an application was once: the Application's uid and the identity of its sources at their revisions."""

    application: str
    identity: str


class Manifests:
    """What one installation kept. Calls run on a thread of their own, one at a time: a store that hangs holds up no others.

    Each of them raises Unavailable (HistoryUnavailable) where the store does not answer."""

    def __init__(self, store: Store, key: bytes) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="history")
        self._sealing = Sealing(key, "stored manifests")

    async def keep(self, deployment: Deployment, rendered: tuple[Rendered, ...], now: Instant) -> None:
        """Keeps what a deployment applied, one render a source. Safe to repeat."""
        await self._on_thread(lambda: self._keep(deployment, zlib.compress(msgspec.json.encode(rendered)), now))

    async def recall(self, deployment: Deployment) -> tuple[Rendered, ...]:
        """What a deployment applied. Raises NotFound (NotKept), InvalidInput (NotReadable: damaged, or another key's)."""
        return await self._on_thread(lambda: _unpacked(self._packed(deployment)))

    async def packed(self, deployment: Deployment) -> bytes:
        """The same as `put_back` takes it. Raises as `recall`."""
        return await self._on_thread(lambda: self._packed(deployment))

    async def put_back(self, deployment: Deployment, packed: bytes, now: Instant) -> bool:
        """Keeps what was kept once, unless there is something. Whether there was nothing. Raises InvalidInput (NotReadable)."""
        return await self._on_thread(lambda: self._put_back(deployment, packed, now))

    async def is_kept(self, deployment: Deployment) -> bool:
        return await self._on_thread(lambda: self._sealed(deployment) is not None)

    async def forget_all_but(self, application: str, identities: Collection[str]) -> None:
        """Forgets the deployments of an application that its history no longer names."""
        await self._on_thread(lambda: self._forget(application, sorted(identities)))

    async def close(self) -> None:
        """Ends it, without waiting for a store that hangs: what has not begun is cancelled, what has is broken off."""
        self._store.interrupt()
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)
        self._store.close()

    async def _on_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _keep(self, deployment: Deployment, packed: bytes, now: Instant) -> None:
        sealed = self._sealing.seal(packed, _about(deployment))
        self._store.run(_KEEP, (deployment.application, deployment.identity, float(now), sealed))

    def _packed(self, deployment: Deployment) -> bytes:
        sealed = self._sealed(deployment)
        if sealed is None:
            raise NotFound("its manifests are not kept here", reason="NotKept")
        try:
            return self._sealing.open(sealed, _about(deployment))
        except InvalidInput as error:
            raise InvalidInput(f"its kept manifests cannot be read: {error.message}", reason="NotReadable") from None

    def _put_back(self, deployment: Deployment, packed: bytes, now: Instant) -> bool:
        _unpacked(packed)
        if self._sealed(deployment) is not None:
            return False
        self._keep(deployment, packed, now)
        return True

    def _sealed(self, deployment: Deployment) -> bytes | None:
        found = self._store.run(_RECALL, (deployment.application, deployment.identity))
        return found[0][0] if found else None

    def _forget(self, application: str, identities: list[str]) -> None:
        named = ", ".join(f"${number}" for number in range(2, len(identities) + 2))
        self._store.run(f"{_FORGET} and identity not in ({named})" if named else _FORGET, (application, *identities))


def _about(deployment: Deployment) -> str:
    """A sealed text counts only for the deployment it was kept for."""
    return f"{deployment.application}/{deployment.identity}"


def _unpacked(packed: bytes) -> tuple[Rendered, ...]:
    unpacking = zlib.decompressobj()
    try:
        text = unpacking.decompress(packed, _LARGEST)
        if unpacking.unconsumed_tail:
            raise InvalidInput(f"the kept manifests unpack to more than {_LARGEST >> 20} MiB", reason="NotReadable")
        return msgspec.json.decode(text, type=tuple[Rendered, ...])
    except (zlib.error, msgspec.MsgspecError):
        raise InvalidInput("its kept manifests cannot be read: they are damaged", reason="NotReadable") from None
