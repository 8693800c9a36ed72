"""`shipway run --ledger-keep`: every day, what is older is cut off, and a database that is away is no end."""

import asyncio
from pathlib import Path

from shipway.adapters.history.ledger import Chain
from shipway.adapters.history.sqlite import Sqlite
from shipway.adapters.history.store import LEDGER
from shipway.api.commits import CommitFacts
from shipway.api.ledger import START, Entry
from shipway.assembly.ledger import SOON, Ledger
from shipway.assembly.settings import DAY
from shipway.base.clock import Instant, parse_rfc3339, rfc3339
from shipway.base.errors import Unavailable

BEGIN = parse_rfc3339("2026-11-01T00:00:00Z")


class Days:
    """Sleeps that take no time, as many as are allowed; then one that never ends."""

    def __init__(self, sleeps: int) -> None:
        self.slept: list[float] = []
        self._left = sleeps
        self.is_over = asyncio.Event()

    def now(self) -> Instant:
        return Instant(BEGIN + sum(self.slept))

    def elapsed(self) -> float:
        return sum(self.slept)

    async def sleep(self, seconds: float) -> None:
        if not self._left:
            self.is_over.set()
            await asyncio.Event().wait()
        self._left -= 1
        self.slept.append(seconds)


class Away(Chain):
    """The first time it is asked to cut, its database does not answer."""

    asked = 0

    async def cut(self, before: str, now: str, why: str) -> int:
        self.asked += 1
        if self.asked == 1:
            raise Unavailable("the history in PostgreSQL: it does not answer", reason="HistoryUnavailable")
        return await super().cut(before, now, why)


def no_commit(repository: str, commit: str) -> CommitFacts:
    raise Unavailable(f"{repository} has no {commit}")


async def kept_for(keep: str, sleeps: int, folder: Path) -> tuple[Days, Away]:
    """Thirty entries, a day each, the last of today; cut off as long as the sleeps last."""
    clock, chain = Days(sleeps), Away(Sqlite(folder / "history.db", LEDGER))
    for number in range(30):
        at = rfc3339(Instant(BEGIN - (29 - number) * DAY))
        await chain.add("uid", "argocd/shop", START, [Entry(f"op-{number}", "sync")], at)
    running = asyncio.create_task(Ledger(chain, no_commit, clock, keep).run())
    await asyncio.wait([running, asyncio.create_task(clock.is_over.wait())], return_when=asyncio.FIRST_COMPLETED)
    running.cancel()
    return clock, chain


async def test_what_is_older_goes_every_day_and_a_database_that_is_away_is_no_end(tmp_path: Path) -> None:
    clock, chain = await kept_for("2w", 3, tmp_path)
    assert clock.slept == [SOON, DAY, DAY] and chain.asked == 3
    rows = await chain.read("argocd/shop")
    assert [row.entry for row in rows[:-1]] == [f"op-{number}" for number in range(17, 30)]
    assert rows[-1].told.reason == "--ledger-keep 2w"
    await chain.close()


async def test_without_the_flag_all_is_kept(tmp_path: Path) -> None:
    _, chain = await kept_for("", 5, tmp_path)
    assert chain.asked == 0
    await chain.close()
