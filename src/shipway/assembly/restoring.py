"""Everything that a wiped cluster had comes back: what has to be driven is driven, and nothing is believed without a look.

The engine fills a cluster that answers again by itself. Here it is made to look at once, what nobody syncs by itself is asked
for as soon as all that it depends on is there, and what counts in the end is what the cluster itself shows.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress

from msgspec import Struct

from shipway.api.application import is_automated_in
from shipway.api.kinds import APPLICATIONS
from shipway.assembly.presence import Ref, missing_among, spelled, wanted_of
from shipway.base.clock import Clock
from shipway.base.errors import Conflict, NotYet, ShipwayError
from shipway.gitops.annotations import REFRESH
from shipway.gitops.dependencies import look_at
from shipway.gitops.why import why
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, dig, name_of, namespace_of, spec_of
from shipway.kube.runtime.controller import ObjectKey, key_of

LOOKS = 1.0
"""Seconds without news after which the cluster itself is looked at again."""

Sync = Callable[[Obj], Awaitable[object]]
"""Asks for a sync of an Application. Raises NotYet or Conflict where another operation is under way."""
Tell = Callable[[int, int, float], None]
"""Told how many Applications are said to be back, of how many, after how many seconds."""


class Standing(Struct, frozen=True):
    """One Application: what its status says, and which of its objects the cluster does not have (None: not asked yet)."""

    app: Obj
    missing: tuple[Ref, ...] | None = None

    @property
    def wanted(self) -> int:
        """How many objects it has, by its status."""
        return len(wanted_of(self.app))

    @property
    def is_said(self) -> bool:
        """Synced and Healthy, by a look that was taken after ours was asked for."""
        said = dig(self.app, "status", "sync", "status"), dig(self.app, "status", "health", "status")
        return said == ("Synced", "Healthy") and REFRESH not in annotations_of(self.app) and not self.app.get("operation")

    @property
    def is_back(self) -> bool:
        return self.is_said and self.missing == ()

    @property
    def message(self) -> str:
        if self.missing:
            return f"the cluster does not have {spelled(self.missing)}"
        return "" if self.is_said else why(self.app)


class Restoration:
    """Drives what has to be driven until everything is back; without `sync` only what syncs by itself comes back."""

    def __init__(self, client: Client, clock: Clock, there: Client, tell: Tell, sync: Sync | None = None) -> None:
        self._client = client
        self._clock = clock
        self._there = there
        self._sync = sync
        self._tell = tell
        self._all: dict[ObjectKey, Obj] = {}
        self._ours: frozenset[ObjectKey] = frozenset()
        self._news = asyncio.Event()
        self._asked: set[ObjectKey] = set()

    async def run(self, apps: Sequence[Obj]) -> None:
        """Until each of `apps` is back; the engine looks at each anew before it is believed."""
        self._ours = frozenset(map(key_of, apps))
        for app in apps:
            body = {"metadata": {"annotations": {REFRESH: "normal"}}}
            await self._client.patch(APPLICATIONS, namespace_of(app), name_of(app), body)
        async with asyncio.TaskGroup() as group:
            following = group.create_task(self._follow())
            await self._drive()
            following.cancel()

    async def _drive(self) -> None:
        began = self._clock.elapsed()
        while True:
            apps = [app for key, app in self._all.items() if key in self._ours]
            standings = [Standing(app) for app in apps]
            self._tell(sum(one.is_said for one in standings), len(self._ours), self._clock.elapsed() - began)
            is_said = len(apps) == len(self._ours) and all(one.is_said for one in standings)
            if is_said and all(one.is_back for one in await proved(self._there, apps)):
                return
            if self._sync is not None:
                await self._sync_by_hand(apps, self._sync)
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOKS):
                    await self._news.wait()

    async def _follow(self) -> None:
        """Every Application as it is, for ever."""
        while True:
            listing = await self._client.list(APPLICATIONS)
            self._all = {key_of(app): app for app in listing.items}
            self._news.set()
            with suppress(Conflict):  # too old to go on from
                async for event in self._client.watch(APPLICATIONS, "", resource_version=listing.resource_version):
                    if event.type == "DELETED":
                        self._all.pop(key_of(event.obj), None)
                    elif event.type != "BOOKMARK":
                        self._all[key_of(event.obj)] = event.obj
                    self._news.set()

    async def _sync_by_hand(self, apps: Sequence[Obj], sync: Sync) -> None:
        """Asks once for a sync of each Application that nobody syncs by itself, when all that it depends on is there."""
        for app in apps:
            is_due = _is_manual(app) and REFRESH not in annotations_of(app) and key_of(app) not in self._asked
            if not is_due or look_at(app, self._all.get).unmet:
                continue
            with suppress(NotYet, Conflict):  # another operation is under way, which may be all that is needed
                await sync(app)
                self._asked.add(key_of(app))


async def proved(there: Client, apps: Iterable[Obj]) -> list[Standing]:
    """How it stands with each, after a look at the cluster itself. Where that cannot be looked at, nothing counts as there."""
    wanted = {key_of(app): wanted_of(app) for app in apps}
    every = [ref for refs in wanted.values() for ref in refs]
    try:
        missing: frozenset[Ref] = await missing_among(there, every)
    except ShipwayError:
        missing = frozenset(every)
    return [Standing(app, tuple(ref for ref in wanted[key_of(app)] if ref in missing)) for app in apps]


def _is_manual(app: Obj) -> bool:
    """Whether it has differences that no automated sync will end."""
    heals = is_automated_in(spec_of(app)) and dig(app, "spec", "syncPolicy", "automated", "selfHeal")
    return dig(app, "status", "sync", "status") == "OutOfSync" and not heals
