"""Writes the ledger for the engines, and reads it for people.

What the engine knows of an operation is completed by what Git knows of its commits. That is best effort: a commit whose mirror
is gone leaves its row without an author, and never keeps it out.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import msgspec
import structlog
from msgspec.structs import replace

from shipway.adapters.git.mirrors import Mirrors
from shipway.adapters.history.ledger import Chain
from shipway.adapters.history.store import LEDGER
from shipway.api.commits import CommitFacts, CommitOf
from shipway.api.ledger import Entry, Place, Row
from shipway.assembly.settings import DAY, RunSettings, seconds_of_ledger
from shipway.assembly.stores import open_store
from shipway.base.clock import Clock, Instant, rfc3339
from shipway.base.errors import ShipwayError, Unavailable
from shipway.gitops.asks import RecordAsk

log = structlog.get_logger()

SOON = 60.0
"""Seconds after the start: it has other things to do then."""


class Ledger:
    """`record` is the resolver of `RecordAsk`."""

    def __init__(self, chain: Chain, commit_of: CommitOf, clock: Clock, keep: str = "") -> None:
        self.chain = chain
        self._commit_of = commit_of
        self._clock = clock
        self._keep = keep

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: RunSettings, mirrors: Mirrors, clock: Clock) -> "AsyncIterator[Ledger]":
        chain = Chain(open_store(settings, clock, LEDGER))
        try:
            yield cls(chain, mirrors.commit_facts, clock, "" if settings.is_read_only else settings.ledger_keep)
        finally:
            await chain.close()

    async def record(self, ask: RecordAsk) -> Place:
        """Adds what is not there yet. Raises Unavailable."""
        entries = [msgspec.json.decode(one, type=Entry) for one in ask.entries]
        try:
            of_commits = [one for one in entries if one.sources]
            missing = {one.id for one in await self.chain.missing(ask.chain, of_commits)} if of_commits else ()
            told = [await self._completed(one) if one.id in missing else one for one in entries]
            at = rfc3339(self._clock.now())
            return await self.chain.add(ask.chain, ask.application, ask.remembered, told, at)
        except Unavailable as error:
            log.warning("not_recorded", application=ask.application, message=error.message)
            raise

    async def run(self) -> None:
        """Has what is kept no longer cut off, soon and then every day, until cancelled. Replicas that do so at once agree."""
        seconds = seconds_of_ledger(self._keep)
        await self._clock.sleep(SOON)
        while seconds:
            await self._cut(Instant(self._clock.now() - seconds))
            await self._clock.sleep(DAY)

    async def _cut(self, before: Instant) -> None:
        try:
            count = await self.chain.cut(rfc3339(before), rfc3339(self._clock.now()), f"--ledger-keep {self._keep}")
        except Unavailable as error:  # it is larger by a day until tomorrow
            log.warning("ledger_not_cut", message=error.message)
            return
        if count:
            log.info("ledger_cut", entries=count, before=rfc3339(before))

    async def rows(self, application: str) -> list[Row]:
        """All rows of `namespace/name`. Raises Unavailable."""
        return await self.chain.read(application)

    async def _completed(self, entry: Entry) -> Entry:
        found: list[CommitFacts] = []
        for source in entry.sources:
            with suppress(ShipwayError):  # a chart has no commit, and a mirror may be gone
                found.append(await asyncio.to_thread(self._commit_of, source.repo_url, source.revision))
        return replace(entry, commits=tuple(found)) if found else entry
