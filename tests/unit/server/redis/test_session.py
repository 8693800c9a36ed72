"""What one client may say and is answered, without a socket."""

from typing import Any

import pytest

from shipway.base.errors import Unavailable
from shipway.server.redis.keys import OVERHEAD, Keys
from shipway.server.redis.session import COMPUTED, FULL, LOADING, NO_LOGIN, SYNTAX, WRONG_LOGIN, Room, Session
from shipway.server.redis.wire import Push, Refusal
from tests.unit.server.redis.stage import StandingClock, WorkedOut


class Client:
    """A session, and what it was told unasked."""

    def __init__(self, room: Room) -> None:
        self.told: list[Push] = []
        self.session = Session(room, self.told.append)

    async def says(self, *words: str | bytes) -> Any:
        """The only reply."""
        (reply,) = await self.session.answer(tuple(word if isinstance(word, bytes) else word.encode() for word in words))
        return reply


def room(password: str = "", most_bytes: int = 10_000, **values: Any) -> Room:
    return Room(StandingClock(), WorkedOut(**values), password, Keys(most_bytes))


async def test_a_password_is_asked_for_and_compared() -> None:
    client = Client(room("secret"))
    assert await client.says("GET", "a") == NO_LOGIN
    assert await client.says("HELLO", "3") == NO_LOGIN
    assert await client.says("AUTH", "wrong") == WRONG_LOGIN
    assert await client.says("HELLO", "3", "AUTH", "default", "wrong") == WRONG_LOGIN
    assert await client.says("GET", "a") == NO_LOGIN
    assert (await client.says("HELLO", "3", "AUTH", "default", "secret"))[b"proto"] == 3
    assert client.session.version == 3
    assert await client.says("GET", "a") is None


async def test_without_a_password_any_is_taken() -> None:
    assert await Client(room()).says("AUTH", "any") == "OK"


async def test_a_standby_says_so_and_lets_nobody_set_anything() -> None:
    shared = room()
    shared.computed.ready = False  # type: ignore[attr-defined]
    client = Client(shared)
    assert await client.says("PING") == "PONG"
    for words in (("GET", "a"), ("SET", "a", "b"), ("SUBSCRIBE", "c")):
        assert await client.says(*words) == LOADING


async def test_what_is_set_ends() -> None:
    shared = room()
    client, clock = Client(shared), shared.clock
    assert await client.says("SET", "a", "1", "ex", "10", "nx") == "OK"
    assert await client.says("SET", "a", "2", "EX", "10", "NX") is None
    assert await client.says("GET", "a") == b"1"
    assert await client.says("TTL", "a") == 10
    await clock.sleep(10)
    assert await client.says("GET", "a") is None
    assert await client.says("TTL", "a") == -2
    assert await client.says("SET", "a", "1", "XX") is None
    assert shared.keys.bytes == 0


@pytest.mark.parametrize("options", [("EX",), ("EX", "no"), ("EX", "0"), ("EX", "9" * 30), ("SOON",)])
async def test_options_that_are_none(options: tuple[str, ...]) -> None:
    assert isinstance(await Client(room()).says("SET", "a", "1", *options), Refusal)


async def test_keys_are_renamed_deleted_counted_and_found() -> None:
    client = Client(room())
    for name in ("revoked-token|one", "revoked-token|two", "other"):
        await client.says("SET", name, b"\xff")
    assert await client.says("SCAN", "0", "match", "revoked-token|*", "count", "10000") == [
        b"0",
        [b"revoked-token|one", b"revoked-token|two"],
    ]
    assert await client.says("RENAME", "other", "another") == "OK"
    assert await client.says("RENAME", "other", "another") == Refusal("ERR no such key")
    assert await client.says("GET", "another") == b"\xff"
    assert await client.says("EXISTS", "another", "other") == 1
    assert await client.says("EXPIRE", "another", "5") == 1
    assert await client.says("DEL", "another", "other") == 1


async def test_where_there_is_no_room_nothing_is_thrown_away() -> None:
    shared = room(most_bytes=2 * OVERHEAD + 4)
    client = Client(shared)
    await client.says("SET", "a", "1", "EX", "10")
    await client.says("SET", "b", "1")
    assert await client.says("SET", "c", "1") == FULL
    assert await client.says("SET", "b", "2") == "OK"
    await shared.clock.sleep(10)
    assert await client.says("SET", "c", "1") == "OK"
    assert await client.says("GET", "b") == b"2"


async def test_keys_of_applications_are_worked_out_and_cannot_be_set() -> None:
    client = Client(room(shop=b"tree", away=Unavailable("the cluster\ndoes not answer")))
    assert await client.says("GET", "app|shop") == b"tree"
    assert await client.says("GET", "app|none") is None
    assert await client.says("GET", "app|away") == Refusal("the cluster\ndoes not answer")
    before = await client.says("GET", "app|shop")
    assert await client.says("SET", "app|shop", "x") == "OK"
    assert await client.says("GET", "app|shop") == before
    assert await client.says("RENAME", "b", "app|shop") == COMPUTED
    assert await client.says("DEL", "app|shop") == 0


async def test_who_listens_hears_and_the_first_and_last_are_told() -> None:
    shared = room()
    one, two = Client(shared), Client(shared)
    assert await one.says("SUBSCRIBE", "news") == Push((b"subscribe", b"news", 1))
    await two.says("SUBSCRIBE", "news")
    assert await two.says("PUBLISH", "news", "token") == 2
    assert one.told == two.told == [Push((b"message", b"news", b"token"))]
    assert await one.says("UNSUBSCRIBE", "news") == Push((b"unsubscribe", b"news", 0))
    two.session.close()
    assert await one.says("PUBLISH", "news", "token") == 0
    assert shared.computed.heard == [("news", True), ("news", False)]  # type: ignore[attr-defined]


async def test_what_go_redis_says_of_itself_and_what_nobody_knows() -> None:
    client = Client(room())
    assert await client.says("CLIENT", "setinfo", "LIB-NAME", "go-redis") == "OK"
    assert await client.says("SELECT", "0") == "OK"
    for words in (("CLIENT", "KILL"), ("FLUSHALL",), ("GET",), ("EVAL", "x")):
        assert isinstance(await client.says(*words), Refusal)
    assert await client.says("PUBLISH", "a", "b", "c") == SYNTAX
    assert await client.says("QUIT") == "OK"
    assert client.session.is_over
