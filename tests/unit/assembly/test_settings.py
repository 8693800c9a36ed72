"""Flags that cannot work are refused with what to give instead."""

import pytest

from shipway.assembly.settings import DAY, check_engines, listen_address, seconds_of_ledger
from shipway.base.errors import InvalidInput


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("0.0.0.0:0", ("0.0.0.0", 0)),
        (":9090", ("127.0.0.1", 9090)),
        ("[::1]:8080", ("::1", 8080)),
        ("localhost:65535", ("localhost", 65535)),
    ],
)
def test_addresses(listen: str, address: tuple[str, int]) -> None:
    assert listen_address(listen) == address


@pytest.mark.parametrize("listen", ["", "8080", "localhost", "localhost:", "localhost:http", "localhost:-1", "localhost:65536"])
def test_addresses_that_are_none(listen: str) -> None:
    with pytest.raises(InvalidInput, match=r"is not HOST:PORT: give for instance 127\.0\.0\.1:8080"):
        listen_address(listen)


@pytest.mark.parametrize("engines", [("gitops",), ("rollouts",), ("rollouts", "gitops")])
def test_engines(engines: tuple[str, ...]) -> None:
    check_engines(engines)


@pytest.mark.parametrize(
    ("engines", "says"),
    [
        (("gitops", "b", "a"), "unknown engine a, b: choose among gitops, rollouts, appsets"),
        ((), "no engine to run: choose among gitops, rollouts, appsets"),
    ],
)
def test_engines_that_do_not_exist(engines: tuple[str, ...], says: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_engines(engines)
    assert caught.value.message == says


def test_how_long_the_ledger_is_kept() -> None:
    assert [seconds_of_ledger(keep) for keep in ("", "400d", "1d", "52w")] == [0.0, 400 * DAY, DAY, 364 * DAY]


@pytest.mark.parametrize("keep", ["400", "1h", "0d", "for ever", "-3d"])
def test_a_time_that_is_none_or_a_slip_is_refused(keep: str) -> None:
    with pytest.raises(InvalidInput, match="--ledger-keep"):
        seconds_of_ledger(keep)
