"""Leadership by Lease: of several processes on one namespace, one works and the others stand by.

The holder renews every quarter of the lease. Whoever sees the same renewal for longer than the lease, by its own clock,
may take over (clocks of two machines are never compared, as in client-go's leader election). A holder that cannot renew
before its lease runs out gives up by itself and `run` returns, so two never work at once.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog
from msgspec import Struct

from shipway.base.clock import Clock, rfc3339_micro
from shipway.base.errors import Conflict, NotFound, ShipwayError
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import copy_obj, resource_version_of, spec_of

log = structlog.get_logger()

TERM, RENEW, LOOK = 5 / 6, 1 / 4, 1 / 12
"""Parts of a lease: after how much without a renewal the holder stops, how often it renews, how often others look."""
RELEASE_SECONDS = 3.0
"""How long the end of a process may wait for the Lease to be handed back."""
LEASES = Resource("coordination.k8s.io", "v1", "Lease", "leases", status_subresource=False)


class LeaseName(Struct, frozen=True):
    """Which Lease, who we are, and for how many seconds a renewal counts.

    `is_shared`: several processes hold it together under one identity, to keep others out; none hands it back alone.
    """

    namespace: str
    name: str
    identity: str
    seconds: int = 12
    is_shared: bool = False


class Leadership:
    """Takes the Lease, runs the work while it holds it, and hands it back."""

    def __init__(self, client: Client, clock: Clock, lease: LeaseName) -> None:
        self._client = client
        self._clock = clock
        self._lease = lease
        self._seen: tuple[str, float] = ("", 0.0)
        self._held: Obj | None = None
        self.is_leader = False

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Waits as standby, then runs `work` until it ends, is cancelled, or leadership is lost."""
        while not await self._took():
            await self._clock.sleep(self._lease.seconds * LOOK)
        self.is_leader = True
        log.info("leadership_taken", lease=self._lease.name, identity=self._lease.identity)
        try:
            async with asyncio.TaskGroup() as group:
                working = group.create_task(_await(work))
                renewing = group.create_task(self._renew())
                await asyncio.wait((working, renewing), return_when=asyncio.FIRST_COMPLETED)
                working.cancel()
                renewing.cancel()
        finally:
            self.is_leader = False
            if not self._lease.is_shared:
                await self._release()

    async def _renew(self) -> None:
        """Returns when the lease could run out before we have renewed it; a server that hangs counts as one that refuses."""
        term = self._lease.seconds * TERM
        until = self._clock.elapsed() + term
        while (left := until - self._clock.elapsed()) > 0:
            await self._clock.sleep(min(left, self._lease.seconds * RENEW))
            begun = self._clock.elapsed()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, until - begun)):
                    if await self._took():
                        until = begun + term
        log.warning("leadership_lost", lease=self._lease.name, identity=self._lease.identity)

    async def _took(self) -> bool:
        """One attempt to hold the Lease for another term. False: somebody else holds it, or nobody answers."""
        try:
            return await self._try_take()
        except ShipwayError as error:
            log.warning("lease_not_renewed", reason=error.reason, message=error.message)
            return False

    async def _try_take(self) -> bool:
        lease = self._lease
        current, self._held = self._held, None  # as we wrote it last: who renews need not look first
        try:
            current = current or await self._client.get(LEASES, lease.namespace, lease.name)
        except NotFound:
            return await self._create()
        spec = spec_of(current)
        holder = spec.get("holderIdentity") or ""
        if holder and holder != lease.identity and not self._has_run_out(current):
            return False
        wanted = copy_obj(current)
        wanted["spec"] = {**spec, **self._term(), "leaseTransitions": _transitions(spec, lease.identity)}
        try:
            self._held = await self._client.replace(LEASES, wanted)
        except Conflict:
            return lease.is_shared and await self._is_held_by_us()
        return True

    async def _is_held_by_us(self) -> bool:
        """After a conflict: whether it was one of us who renewed."""
        current = await self._client.get(LEASES, self._lease.namespace, self._lease.name)
        return spec_of(current).get("holderIdentity") == self._lease.identity

    def _has_run_out(self, current: Obj) -> bool:
        version = resource_version_of(current)
        if version != self._seen[0]:
            self._seen = (version, self._clock.elapsed())
        seconds = spec_of(current).get("leaseDurationSeconds") or self._lease.seconds
        return self._clock.elapsed() - self._seen[1] >= seconds

    async def _create(self) -> bool:
        lease = self._lease
        meta = {"namespace": lease.namespace, "name": lease.name}
        spec = {**self._term(), "acquireTime": rfc3339_micro(self._clock.now()), "leaseTransitions": 0}
        try:
            await self._client.create(
                LEASES, {"apiVersion": LEASES.api_version, "kind": "Lease", "metadata": meta, "spec": spec}
            )
        except Conflict:
            return False
        return True

    def _term(self) -> Obj:
        lease = self._lease
        return {
            "holderIdentity": lease.identity,
            "leaseDurationSeconds": lease.seconds,
            "renewTime": rfc3339_micro(self._clock.now()),
        }

    async def _release(self) -> None:
        """Hands the Lease back, so that a standby need not wait; who cannot in time lets it run out."""
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                await self._free()
        except ShipwayError as error:
            log.info("lease_not_released", reason=error.reason)
        except TimeoutError:
            log.info("lease_not_released", reason="Timeout")

    async def _free(self) -> None:
        lease = self._lease
        current = await self._client.get(LEASES, lease.namespace, lease.name)
        if spec_of(current).get("holderIdentity") != lease.identity:
            return
        freed = copy_obj(current)
        freed["spec"] = {**spec_of(current), "holderIdentity": "", "leaseDurationSeconds": 1}
        await self._client.replace(LEASES, freed)


def _transitions(spec: Obj, identity: str) -> int:
    before = spec.get("leaseTransitions") or 0
    return before if spec.get("holderIdentity") == identity else before + 1


async def _await(work: Callable[[], Awaitable[None]]) -> None:
    await work()
