"""The ledger in SQL: one row for each entry, whoever adds it and how often, and nothing that is changed later goes unseen."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from shipway.adapters.history.ledger import Chain
from shipway.adapters.history.postgres import Patience, Postgres
from shipway.adapters.history.sqlite import Sqlite
from shipway.adapters.history.store import LEDGER, Store, Value
from shipway.adapters.history.store import Row as Stored
from shipway.api.ledger import START, Entry, Place, first_break
from shipway.base.clock import SystemClock
from shipway.base.errors import Unavailable
from tests.postgres import PASSWORD, PostgresServer

AT = "2026-11-28T00:00:00Z"
SHOP = "argocd/shop"
ENTRIES = [Entry(f"op-{number}", "sync", by="ada", reason=f"because {number}") for number in range(5)]


@pytest.fixture(params=["sqlite", "postgres"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Opens the same store as often as it is called, as replicas do."""
    if request.param == "sqlite":
        return lambda: Sqlite(tmp_path / "history.db", LEDGER, survives_power_loss=True)
    url = request.getfixturevalue("url")
    return lambda: Postgres(url, SystemClock(), table=LEDGER)


@pytest.fixture
def opens(where: Callable[[], Store]) -> Iterator[Callable[[], Chain]]:
    """`opens()` is one more replica's ledger."""
    stores: list[Store] = []

    def one_more() -> Chain:
        stores.append(where())
        return Chain(stores[-1])

    yield one_more
    for store in stores:
        store.close()


async def filled(chain: Chain) -> Place:
    return await chain.add("uid", SHOP, START, ENTRIES, AT)


async def test_an_entry_is_added_once_and_read_as_it_was(opens: Callable[[], Chain]) -> None:
    one, other = opens(), opens()
    end = await filled(one)
    assert await filled(other) == end
    assert await one.missing("uid", [*ENTRIES, replace(ENTRIES[0], id="new")]) == [replace(ENTRIES[0], id="new")]
    rows = await other.read(SHOP)
    assert [row.told for row in rows] == ENTRIES
    assert [row.sequence for row in rows] == [1, 2, 3, 4, 5]
    assert rows[0].recorded_at == AT
    assert first_break(rows, end, "op-4") is None
    assert await one.read("argocd/other") == []


@pytest.mark.proves("000-21")
async def test_replicas_that_add_at_once_make_one_chain(opens: Callable[[], Chain]) -> None:
    replicas = [opens() for _ in range(4)]
    entries = [Entry(f"op-{number}", "sync") for number in range(12)]
    told = [(replica, entry) for entry in entries for replica in replicas]
    await asyncio.gather(*(replica.add("uid", SHOP, START, [entry], AT) for replica, entry in told))
    rows = await replicas[0].read(SHOP)
    assert sorted(row.entry for row in rows) == sorted(one.id for one in entries)
    assert first_break(rows) is None


TAMPERED = {
    "an edit": ["update {} set body = replace(body, 'because 2', 'for fun') where sequence = 3"],
    "an edit with a new hash": ["update {} set body = replace(body, 'because 2', 'x'), hash = 'ab' where sequence = 3"],
    "a deletion": ["delete from {} where sequence = 2"],
    "the first deleted": ["delete from {} where sequence = 1"],
    "the end cut off": ["delete from {} where sequence >= 4"],
    "all deleted": ["delete from {}"],
    "two swapped": [
        "update {} set sequence = 99 where sequence = 2",
        "update {} set sequence = 2 where sequence = 3",
        "update {} set sequence = 3 where sequence = 99",
    ],
    "given to another chain": ["update {} set chain = 'other' where sequence = 4"],
    "another identity": ["update {} set entry = 'other' where sequence = 4"],
}


@pytest.mark.proves("000-21")
@pytest.mark.parametrize("how", TAMPERED)
async def test_what_somebody_does_to_the_rows_is_found(
    how: str, opens: Callable[[], Chain], where: Callable[[], Store]
) -> None:
    chain = opens()
    end = await filled(chain)
    store = where()
    for statement in TAMPERED[how]:
        store.run(statement.format(LEDGER.name), ())
    store.close()
    rows = [row for row in await chain.read(SHOP) if row.chain == "uid"]
    assert first_break(rows, end, "op-4") is not None


@pytest.mark.proves("000-21")
async def test_a_lost_ledger_goes_on_after_what_the_application_remembers(
    opens: Callable[[], Chain], where: Callable[[], Store]
) -> None:
    chain = opens()
    end = await filled(chain)
    (store := where()).run(f"delete from {LEDGER.name}", ())
    store.close()
    assert (await chain.add("uid", SHOP, end, [Entry("op-9", "sync")], AT)).sequence == 6
    found = first_break(await chain.read(SHOP))
    assert found is not None and "entry 1 to 5 before it is missing" in found.what


# --- what is kept for ever is not -----------------------------------------------------------------------------------------


def day(number: int) -> str:
    return f"2026-01-{number:02}T00:00:00Z"


async def a_month(chain: Chain, uid: str = "uid") -> Place:
    """An entry for each of thirty days."""
    end = START
    for number in range(1, 31):
        end = await chain.add(uid, SHOP, START, [Entry(f"op-{number}", "sync")], day(number))
    return end


async def cut(chain: Chain, before: str) -> int:
    return await chain.cut(before, "2026-02-01T00:00:00Z", "--ledger-keep 2w")


@pytest.mark.proves("000-21")
async def test_what_is_older_is_cut_off_and_the_rest_fits(opens: Callable[[], Chain]) -> None:
    chain = opens()
    end = await a_month(chain)
    assert await cut(chain, day(16)) == 15
    rows = await opens().read(SHOP)
    assert [row.entry for row in rows[:-1]] == [f"op-{number}" for number in range(16, 31)]
    told = rows[-1].told
    assert (told.verb, told.began, told.reason) == ("cut", day(16), "--ledger-keep 2w")
    assert told.what == "entry 1 to 15, recorded before 2026-01-16T00:00:00Z"
    assert first_break(rows, end, "op-30") is None
    assert await cut(chain, day(16)) == 0
    assert (await chain.add("uid", SHOP, end, [Entry("next", "sync")], day(31))).sequence == 32
    assert await cut(chain, day(18)) == 0, "two days are not worth an entry"


async def test_the_newest_stay_however_old(opens: Callable[[], Chain]) -> None:
    """So that what the Application remembers is there, and an Application that rests is not without any."""
    chain = opens()
    ends = {uid: await a_month(chain, uid) for uid in ("uid", "another")}
    assert await cut(chain, "2027-01-01T00:00:00Z") == 40
    rows = await chain.read(SHOP)
    for uid, end in ends.items():
        own = [row for row in rows if row.chain == uid]
        assert [row.sequence for row in own] == list(range(21, 32))
        assert first_break(own, end) is None
    assert await cut(chain, "2027-01-02T00:00:00Z") == 0


async def test_a_cut_that_was_not_carried_out_is_carried_out_later(
    opens: Callable[[], Chain], where: Callable[[], Store]
) -> None:
    """The process died between the entry and the deletion."""
    chain = opens()
    end = await a_month(chain)
    before = await chain.read(SHOP)
    await cut(chain, day(16))
    assert await chain.put_back(before) == (15, [])
    assert first_break(rows := await chain.read(SHOP), end) is None and len(rows) == 31
    assert await cut(opens(), day(16)) == 15
    assert [row.sequence for row in await chain.read(SHOP)] == list(range(16, 32))


@pytest.mark.proves("000-21")
@pytest.mark.parametrize("statement", ["delete from {} where sequence <= 16", "delete from {} where sequence = 31"])
async def test_more_than_was_cut_off_is_missed(statement: str, opens: Callable[[], Chain], where: Callable[[], Store]) -> None:
    chain = opens()
    end = await a_month(chain)
    await cut(chain, day(16))
    (store := where()).run(statement.format(LEDGER.name), ())
    store.close()
    assert first_break(await chain.read(SHOP), end) is not None


class Counting:
    """A store that counts its statements."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.said: list[str] = []

    def run(self, statement: str, values: Sequence[Value]) -> list[Stored]:
        self.said.append(statement.partition(" ")[0])
        return self._store.run(statement, values)

    def interrupt(self) -> None:
        self._store.interrupt()

    def close(self) -> None:
        self._store.close()


async def test_the_thousandth_costs_what_the_first_one_did(tmp_path: Path) -> None:
    store = Counting(Sqlite(tmp_path / "history.db", LEDGER))
    chain = Chain(store)
    for number in range(1000):
        store.said.clear()
        await chain.add("uid", SHOP, START, [Entry(f"op-{number}", "sync")], AT)
        assert store.said == ["select", "select", "insert"]
    store.close()


async def test_rights_to_read_and_to_add_are_enough(server: PostgresServer, url: str) -> None:
    """So the role of the engines may be one that can change nothing that was recorded."""
    database = url.rpartition("/")[2]
    role = f"role_{database}"
    owner = Chain(Postgres(url, SystemClock(), table=LEDGER))
    await filled(owner)
    await owner.close()
    server.ask(f"create role {role} login password '{PASSWORD}'")
    server.ask("revoke create on schema public from public", database)
    chain = Chain(Postgres(server.url(database, user=role), SystemClock(), Patience(10, 2, 0.0), LEDGER))
    with pytest.raises(Unavailable, match=f"Grant select and insert .* on {LEDGER.name}"):
        await filled(chain)
    server.ask(f"grant select, insert on {LEDGER.name} to {role}", database)
    assert (await chain.add("uid", SHOP, START, [Entry("new", "sync")], AT)).sequence == 6
    end = await chain.add("uid", SHOP, START, [Entry(f"one-{number}", "sync") for number in range(20)], AT)
    with pytest.raises(Unavailable, match=f"with --ledger-keep delete, too.* on {LEDGER.name}"):
        await cut(chain, "2027-01-01T00:00:00Z")
    assert len(await chain.read(SHOP)) == end.sequence, "nothing says that anything was cut off"
    server.ask(f"grant delete on {LEDGER.name} to {role}", database)
    assert await cut(chain, "2027-01-01T00:00:00Z") == 16
    await chain.close()
