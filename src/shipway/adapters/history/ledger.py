"""The ledger in a store of SQL: rows are added and read, never changed. Where it is not kept for ever, old ones are cut off.

Adding looks where the chain ends, makes the row that follows and inserts it under the next number. Two that add to one chain at
once (a replica that takes over from one that has not ended yet) want the same number; who comes second looks again. An entry
that is there already is not added again, so telling twice is harmless.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from shipway.adapters.history.store import LEDGER, Store, Value
from shipway.api.ledger import START, Entry, Place, Row, numbers, row_after
from shipway.base.errors import Unavailable
from shipway.base.ids import digest

T = TypeVar("T")

_TRIES = 10
NEWEST = 10
"""Entries of an Application that stay however old they are: what it remembers is among them."""
WORTH_IT = 10
"""Entries that one cut takes away at least, since it is an entry itself."""
_PAGE = 500
_COLUMNS = "chain, sequence, entry, subject, previous, hash, body"
_IS_THERE = f"select 1 from {LEDGER.name} where chain = $1 and entry = $2"
_END = f"select sequence, hash from {LEDGER.name} where chain = $1 order by sequence desc limit 1"
_ADD = f"insert into {LEDGER.name} ({_COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing returning 1"
_AT = f"select hash from {LEDGER.name} where chain = $1 and sequence = $2"
_LONG = f"select chain, min(subject), max(sequence) from {LEDGER.name} group by chain having count(*) >= $1"
_OLDEST = f"select {_COLUMNS} from {LEDGER.name} where chain = $1 and sequence > $2 order by sequence limit $3"
_CUT = f"delete from {LEDGER.name} where chain = $1 and sequence <= $2"
_READ = f"select {_COLUMNS} from {LEDGER.name} where subject = $1 order by chain, sequence"


class Chain:
    """What one store holds. Calls run on a thread of their own, one at a time: a store that hangs holds up no others.

    Each of them raises Unavailable (HistoryUnavailable) where the store does not answer."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")

    async def missing(self, chain: str, entries: Sequence[Entry]) -> list[Entry]:
        """Those of the entries that are not in the chain."""
        return await self._on_thread(lambda: [one for one in entries if not self._store.run(_IS_THERE, (chain, one.id))])

    async def add(self, chain: str, subject: str, remembered: Place, entries: Sequence[Entry], recorded_at: str) -> Place:
        """Adds those that are missing, in this order; where the chain ends then. Safe to repeat.

        A chain that ends before the place that the Application remembers goes on after that place, so that what was lost is
        seen to be missing."""
        return await self._on_thread(lambda: self._add(chain, subject, remembered, entries, recorded_at))

    async def read(self, subject: str) -> list[Row]:
        """All rows of the Applications of this `namespace/name`, chain by chain, oldest first."""
        return await self._on_thread(lambda: [Row(*found) for found in self._store.run(_READ, (subject,))])

    async def put_back(self, rows: Sequence[Row]) -> tuple[int, list[Row]]:
        """Adds rows as they were once: (how many, those that found no place, since the chain went on otherwise).

        Safe to repeat. Oldest first in each chain. One whose entry was recorded once more after it was lost is neither."""
        return await self._on_thread(lambda: self._put_back(rows))

    async def cut(self, before: str, now: str, why: str) -> int:
        """Cuts off what was recorded before a moment, but for the newest of each chain: how many entries. Times are RFC 3339 in
        UTC. Safe to repeat, and to be broken off: first it is written down, then it is done."""
        await self._on_thread(lambda: self._store.run(_CUT, ("", 0)))  # who may not delete must not write that it is done
        count = 0
        for chain, subject, last in await self._on_thread(lambda: self._store.run(_LONG, (NEWEST + WORTH_IT,))):
            count += await self._on_thread(partial(self._cut, chain, subject, last - NEWEST, before, now, why))
        return count

    async def close(self) -> None:
        """Ends it, without waiting for a store that hangs."""
        self._store.interrupt()
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)
        self._store.close()

    async def _on_thread(self, call: Callable[[], T]) -> T:
        """What was put to the thread is done, also where nobody waits any more: the Application may be gone by then."""
        return await asyncio.shield(asyncio.wrap_future(self._thread.submit(call)))

    def _add(self, chain: str, subject: str, remembered: Place, entries: Sequence[Entry], recorded_at: str) -> Place:
        end = remembered
        for entry in entries:
            end = self._add_one(chain, subject, end, entry, recorded_at)
        return end

    def _add_one(self, chain: str, subject: str, remembered: Place, entry: Entry, recorded_at: str) -> Place:
        for _ in range(_TRIES):
            end = self._end(chain, remembered)
            if self._store.run(_IS_THERE, (chain, entry.id)):
                return end
            row = row_after(end, chain, subject, entry, recorded_at)
            if self._store.run(_ADD, _values(row)):
                return Place(row.sequence, row.hash)
        raise Unavailable(f"the ledger of {subject}: somebody adds to it all the time", reason="HistoryUnavailable")

    def _cut(self, chain: str, subject: str, until: int, before: str, now: str, why: str) -> int:
        old = self._older(chain, before, until)
        if len(old) < WORTH_IT:
            return 0
        end = Place(old[-1].sequence, old[-1].hash)
        what = f"{numbers(old[0].sequence, end.sequence)}, recorded before {before}"
        entry = Entry(
            digest(chain, "cut", end.hash), "cut", began=before, ended=now, automated=True, reason=why, what=what, cut=end
        )
        self._add_one(chain, subject, START, entry, now)
        self._store.run(_CUT, (chain, end.sequence))
        return len(old)

    def _older(self, chain: str, before: str, until: int) -> list[Row]:
        """The oldest rows, of those up to a number. Few are read where nothing is to be cut off."""
        found: list[Row] = []
        after, size = 0, WORTH_IT
        while page := [Row(*one) for one in self._store.run(_OLDEST, (chain, after, size))]:
            old = [row for row in page if row.recorded_at < before and row.sequence <= until]
            found += old
            if len(old) < len(page):
                break
            after, size = page[-1].sequence, _PAGE
        return found

    def _put_back(self, rows: Sequence[Row]) -> tuple[int, list[Row]]:
        added, others, forked = 0, list[Row](), set[str]()
        for row in rows:
            if row.chain not in forked and self._store.run(_ADD, _values(row)):
                added += 1
                continue
            there = self._store.run(_AT, (row.chain, row.sequence))
            if not there or there[0][0] != row.hash:
                forked.add(row.chain)
                if not self._store.run(_IS_THERE, (row.chain, row.entry)):
                    others.append(row)
        return added, others

    def _end(self, chain: str, remembered: Place) -> Place:
        found = self._store.run(_END, (chain,))
        end = Place(int(found[0][0]), found[0][1]) if found else Place()
        return end if end.sequence >= remembered.sequence else remembered


def _values(row: Row) -> tuple[Value, ...]:
    return (row.chain, row.sequence, row.entry, row.subject, row.previous, row.hash, row.body)
