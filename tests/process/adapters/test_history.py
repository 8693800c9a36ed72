"""Manifests of past deployments: kept, sealed, found again, forgotten, in a file and in a server that replicas share."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from shipway.adapters.history.manifests import Deployment, Manifests
from shipway.adapters.history.postgres import Patience, Postgres
from shipway.adapters.history.sqlite import Sqlite
from shipway.adapters.history.store import DEPLOYMENTS, Store
from shipway.api.sources import Rendered
from shipway.base.clock import Instant, SystemClock
from shipway.base.errors import InvalidInput, NotFound, Unavailable
from tests.postgres import ENCODED, PASSWORD, PostgresServer

CLOCK = SystemClock()
NOW = Instant(1_790_000_000.0)
KEY = b"0123456789abcdef0123456789abcdef"
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "stringData": {"password": "correct horse"}}
RENDERED = (Rendered(objects=(SECRET,), source_type="Directory", reads=("apps/web",), warnings=("careful",)),)
THIRD = Deployment("uid-1", "third")
HASTE = Patience(connect=10, statement=2, rest=0.0)

Opens = Callable[..., Manifests]


@pytest.fixture(params=["sqlite", "postgres"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Opens the same store as often as it is called, as replicas do."""
    if request.param == "sqlite":
        return lambda: Sqlite(tmp_path / "history.db")
    url = request.getfixturevalue("url")
    return lambda: Postgres(url, CLOCK)


@pytest.fixture
def opens(where: Callable[[], Store]) -> Iterator[Opens]:
    """`opens()` is one more replica's history; another key is another installation."""
    stores: list[Store] = []

    def one_more(key: bytes = KEY) -> Manifests:
        stores.append(where())
        return Manifests(stores[-1], key)

    yield one_more
    for store in stores:
        store.close()


# --- in either ------------------------------------------------------------------------------------------------------------


@pytest.mark.proves("fleets:backup")
async def test_what_was_kept_is_put_back_where_it_is_missing_also_with_another_key(opens: Opens) -> None:
    one, other = opens(), opens(b"another key" * 4)
    await one.keep(THIRD, RENDERED, NOW)
    packed = await one.packed(THIRD)
    assert b"correct horse" not in packed
    assert not await one.put_back(THIRD, packed, NOW), "it is there"
    after = Deployment("uid-of-the-next-life", "third")
    assert await other.put_back(after, packed, NOW)
    assert not await other.put_back(after, packed, NOW)
    assert await other.recall(after) == RENDERED
    with pytest.raises(InvalidInput, match="damaged"):
        await other.put_back(Deployment("uid-1", "fourth"), packed[:-9], NOW)
    assert not await other.is_kept(Deployment("uid-1", "fourth"))


async def test_what_one_replica_kept_another_one_gets_as_it_was(opens: Opens) -> None:
    one, other = opens(), opens()
    await one.keep(THIRD, RENDERED, NOW)
    await one.keep(THIRD, RENDERED, NOW)
    assert await one.recall(THIRD) == RENDERED
    assert await other.recall(THIRD) == RENDERED


@pytest.mark.proves("gitops:stored-manifests-sealed")
async def test_nothing_can_be_read_where_it_is_kept_or_with_another_key(
    opens: Opens, where: Callable[[], Store], tmp_path: Path
) -> None:
    await opens().keep(THIRD, RENDERED, NOW)
    (store := where()).run("select 1", ())
    written = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    written += repr(store.run(f"select * from {DEPLOYMENTS.name}", ())).encode()
    store.close()
    assert b"third" in written
    assert b"correct horse" not in written and b"password" not in written
    with pytest.raises(InvalidInput) as caught:
        await opens(b"another key" * 4).recall(THIRD)
    assert caught.value.reason == "NotReadable"


async def test_one_deployments_text_does_not_count_for_another(opens: Opens, where: Callable[[], Store]) -> None:
    await opens().keep(THIRD, RENDERED, NOW)
    (store := where()).run(f"update {DEPLOYMENTS.name} set identity = 'other' where identity = $1", ("third",))
    store.close()
    with pytest.raises(InvalidInput):
        await opens().recall(Deployment("uid-1", "other"))


async def test_what_the_history_forgets_is_forgotten(opens: Opens) -> None:
    store = opens()
    for number in range(4):
        await store.keep(Deployment("uid-1", str(number)), RENDERED, NOW)
    await store.keep(Deployment("uid-2", "0"), RENDERED, NOW)
    await store.forget_all_but("uid-1", {"2", "3"})
    assert [await store.is_kept(Deployment("uid-1", str(number))) for number in range(4)] == [False, False, True, True]
    assert await store.is_kept(Deployment("uid-2", "0"))
    with pytest.raises(NotFound):
        await store.recall(Deployment("uid-1", "0"))
    await store.forget_all_but("uid-1", ())
    assert [await store.is_kept(Deployment("uid-1", str(number))) for number in range(4)] == [False] * 4


async def test_several_replicas_at_once_also_where_nothing_is_yet(opens: Opens) -> None:
    replicas = [opens() for _ in range(8)]
    kept = [Deployment("uid", str(number)) for number in range(24)]
    await asyncio.gather(*(replicas[number % 8].keep(one, RENDERED, NOW) for number, one in enumerate(kept)))
    assert all(await asyncio.gather(*(replicas[number % 7].is_kept(one) for number, one in enumerate(kept))))


# --- in a server ----------------------------------------------------------------------------------------------------------


async def test_a_server_that_was_restarted_is_not_even_noticed(server: PostgresServer, url: str) -> None:
    history = Manifests(Postgres(url, CLOCK, HASTE), KEY)
    await history.keep(THIRD, RENDERED, NOW)
    server.stop()
    server.start()
    assert await history.recall(THIRD) == RENDERED
    await history.close()


async def test_a_server_that_is_away_is_told_and_found_again(server: PostgresServer, url: str) -> None:
    history = Manifests(Postgres(url, CLOCK, HASTE), KEY)
    await history.keep(THIRD, RENDERED, NOW)
    server.stop()
    try:
        with pytest.raises(Unavailable, match=r"the history in PostgreSQL at 127\.0\.0\.1: .*refused") as caught:
            await history.recall(THIRD)
        assert caught.value.reason == "HistoryUnavailable"
    finally:
        server.start()
    assert await history.recall(THIRD) == RENDERED
    await history.close()


async def test_a_server_that_hangs_is_left_in_time_and_after_that_at_once(server: PostgresServer, url: str) -> None:
    history = Manifests(Postgres(url, CLOCK, Patience(connect=10, statement=2, rest=600.0)), KEY)
    await history.keep(THIRD, RENDERED, NOW)
    with server.frozen(url.rpartition("/")[2]):
        async with asyncio.timeout(60):
            asked = [history.recall(THIRD) for _ in range(100)]
            answers = await asyncio.gather(*asked, return_exceptions=True)
    assert {str(answer) for answer in answers} == {"the history in PostgreSQL at 127.0.0.1: it does not answer"}
    assert {type(answer) for answer in answers} == {Unavailable}
    await history.close()


async def test_a_statement_that_waits_for_a_lock_is_ended_by_the_server(url: str) -> None:
    history = Manifests(Postgres(url, CLOCK, HASTE), KEY)
    await history.keep(THIRD, RENDERED, NOW)
    with psycopg.connect(url) as holder:
        holder.execute(f"lock table {DEPLOYMENTS.name}".encode())
        with pytest.raises(Unavailable, match="statement timeout"):
            await history.recall(THIRD)
    assert await history.recall(THIRD) == RENDERED
    await history.close()


async def test_closing_does_not_wait_for_a_server_that_hangs(server: PostgresServer, url: str) -> None:
    history = Manifests(Postgres(url, CLOCK, Patience(statement=600.0)), KEY)
    await history.keep(THIRD, RENDERED, NOW)
    with server.frozen(url.rpartition("/")[2]):
        async with asyncio.timeout(60):
            recalling = asyncio.ensure_future(history.recall(THIRD))
            await asyncio.sleep(0)
            await history.close()
            with pytest.raises((Unavailable, asyncio.CancelledError)):
                await recalling


async def test_rights_on_its_own_table_are_enough_and_missing_ones_are_named(server: PostgresServer, url: str) -> None:
    database = url.rpartition("/")[2]
    role = f"role_{database}"
    server.ask(f"create role {role} login password '{PASSWORD}'")
    server.ask("revoke create on schema public from public", database)
    history = Manifests(Postgres(server.url(database, user=role), CLOCK, HASTE), KEY)
    with pytest.raises(Unavailable, match="have it made: create table if not exists shipway_deployments"):
        await history.keep(THIRD, RENDERED, NOW)
    made = Postgres(url, CLOCK)
    made.run("select 1", ())
    made.close()
    with pytest.raises(Unavailable, match="Grant select, insert, update and delete on shipway_deployments"):
        await history.keep(THIRD, RENDERED, NOW)
    server.ask(f"grant select, insert, update, delete on {DEPLOYMENTS.name} to {role}", database)
    await history.keep(THIRD, RENDERED, NOW)
    await history.forget_all_but("uid-1", ("third",))
    assert await history.recall(THIRD) == RENDERED
    await history.close()


# --- what must not be told ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", ["password", "database", "port", "certificate", "name"])
async def test_no_error_tells_the_password(server: PostgresServer, trouble: str) -> None:
    wrong = "wr0ng%2Fh%40rse"
    troubles = {
        "password": server.url(password=wrong),
        "database": server.url(database="nowhere"),
        "port": server.url().replace(f":{server.port}/", ":1/"),
        "certificate": f"{server.url()}?sslmode=verify-full&sslpassword={wrong}",
        "name": f"postgresql://admin:{wrong}@nowhere.invalid/db?connect_timeout=2",
    }
    with pytest.raises(Unavailable) as caught:
        await Manifests(Postgres(troubles[trouble], CLOCK, HASTE), KEY).recall(THIRD)
    for secret in (PASSWORD, ENCODED, wrong, "wr0ng/h@rse"):
        assert secret not in caught.value.message
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:s3cret@db/shop",
        "host=db password=s3cret",
        "postgresql://u:s3cret%zz@db/shop",
        "postgresql://u:s3cret/more@db/shop",
        "postgresql://u:12/s3cret@db/shop",
        "postgresql://u:x@s3cret@db/shop",
        "postgresql://u:x@s3/cret@db/shop",
        "postgresql://u:s3cret@db:99999/shop",
        "postgresql://u:s3cret@db/shop?sslmod=s3cret",
    ],
)
def test_a_url_that_cannot_work_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(InvalidInput, match=r"--history \(SHIPWAY_HISTORY\).*give for instance postgresql://") as caught:
        Postgres(url, CLOCK)
    assert "s3" not in caught.value.message
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "url",
    [
        "postgres://db",
        "postgresql:///shop",
        "postgresql://u@a:1,b:2/shop?target_session_attrs=read-write",
        "postgresql://u:%40@[::1]/d",
    ],
)
def test_urls_that_libpq_understands(url: str) -> None:
    Postgres(url, CLOCK)
