"""The protocol alone: what is a command, what is too much, and how replies look in both versions."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.server.redis.wire import STRANGERS, Command, Commands, Limits, ProtocolError, Push, Refusal, encoded

LIMITS = Limits(8, 64)


def sent(*commands: Command) -> bytes:
    return b"".join(encoded(command, 2) for command in commands)


def read(data: bytes, limits: Limits = LIMITS) -> list[Command]:
    commands = Commands(limits)
    commands.feed(data)
    return list(iter(commands.next, None))


@given(st.lists(st.lists(st.binary(max_size=20), min_size=1, max_size=5).map(tuple), max_size=4), st.integers(1, 7))
def test_commands_arrive_in_whatever_pieces(written: list[Command], size: int) -> None:
    commands, found, data = Commands(LIMITS), [], sent(*written)
    for at in range(0, len(data), size):
        commands.feed(data[at : at + size])
        found += iter(commands.next, None)
    assert found == written


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"*x\r\n",
        b"*-1\r\n",
        b"*9\r\n",
        b"*1\r\n$65\r\n",
        b"*1\r\n$999999999999999999999999999999999999999",
        b"*1\r\n:1\r\n",
        b"*1\r\n$1\r\nabc",
        b"*1\r\n$+1\r\na\r\n",
    ],
)
def test_what_is_no_command_or_too_large_a_one(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        read(data)


def test_strangers_may_say_little() -> None:
    assert read(sent((b"AUTH", b"x" * STRANGERS.bulk)), STRANGERS)
    with pytest.raises(ProtocolError):
        read(sent((b"AUTH", b"x" * (STRANGERS.bulk + 1))), STRANGERS)


@pytest.mark.parametrize(
    ("reply", "in_two", "in_three"),
    [
        (None, b"$-1\r\n", b"_\r\n"),
        ("OK", b"+OK\r\n", b"+OK\r\n"),
        (7, b":7\r\n", b":7\r\n"),
        (b"a\r\nb", b"$4\r\na\r\nb\r\n", b"$4\r\na\r\nb\r\n"),
        ([b"a", [1]], b"*2\r\n$1\r\na\r\n*1\r\n:1\r\n", b"*2\r\n$1\r\na\r\n*1\r\n:1\r\n"),
        ({b"a": 1}, b"*2\r\n$1\r\na\r\n:1\r\n", b"%1\r\n$1\r\na\r\n:1\r\n"),
        (Push((b"a",)), b"*1\r\n$1\r\na\r\n", b">1\r\n$1\r\na\r\n"),
        (Refusal("ERR two\r\n+OK lines"), b"-ERR two +OK lines\r\n", b"-ERR two +OK lines\r\n"),
    ],
)
def test_replies(reply: Any, in_two: bytes, in_three: bytes) -> None:
    assert (encoded(reply, 2), encoded(reply, 3)) == (in_two, in_three)
