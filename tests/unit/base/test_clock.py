"""Times as Kubernetes writes them, and clocks that follow what they are told to follow."""

import asyncio

import pytest

from shipway.base.clock import Instant, LoopClock, SystemClock, parse_rfc3339, rfc3339, rfc3339_micro

NOON = Instant(1795262400.0)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-21T12:00:00Z", NOON),
        ("2026-11-21T12:00:00.5Z", NOON + 0.5),
        ("2026-11-21T12:00:00.123456789Z", NOON + 0.123456),
        ("2026-11-21T13:30:00+01:30", NOON),
        ("2026-11-21T04:00:00-08:00", NOON),
        ("1970-01-01T00:00:00Z", 0.0),
    ],
)
def test_reads_rfc3339(text: str, instant: float) -> None:
    assert parse_rfc3339(text) == pytest.approx(instant, abs=1e-6)


@pytest.mark.parametrize(
    "text", ["", "now", "2026-11-21", "2026-11-21T12:00:00", "2026-11-21 12:00:00Z", "20261121T120000Z", "2026-13-21T12:00:00Z"]
)
def test_refuses_other_times(text: str) -> None:
    with pytest.raises(ValueError):
        parse_rfc3339(text)


def test_writes_whole_seconds_and_microseconds() -> None:
    assert rfc3339(NOON + 0.999) == "2026-11-21T12:00:00Z"
    assert rfc3339_micro(NOON + 0.25) == "2026-11-21T12:00:00.250000Z"


async def test_the_loop_clock_starts_at_its_epoch_and_follows_the_loop() -> None:
    loop = asyncio.get_running_loop()
    clock = LoopClock(loop, NOON)
    before = loop.time()
    await clock.sleep(-1)
    assert clock.now() - NOON == pytest.approx(loop.time() - before, abs=0.05)


async def test_the_system_clock_never_sleeps_backwards() -> None:
    clock = SystemClock()
    before = clock.now()
    await clock.sleep(-5)
    assert 0 <= clock.now() - before < 4


class Machine:
    """A machine whose wall clock is set by hand."""

    def __init__(self) -> None:
        self.wall, self.steady = float(NOON), 100.0

    def pass_time(self, seconds: float) -> None:
        self.wall, self.steady = self.wall + seconds, self.steady + seconds

    def clock(self) -> SystemClock:
        return SystemClock(wall=lambda: self.wall, steady=lambda: self.steady)


def test_a_wall_clock_that_jumps_back_does_not_stop_time() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.pass_time(10)
    machine.wall -= 3600
    assert clock.now() == NOON + 10
    machine.pass_time(50)
    assert clock.now() == NOON + 60
    machine.pass_time(3600)
    assert (clock.now(), clock.elapsed()) == (NOON + 3660, 100.0 + 3660)


def test_a_wall_clock_that_jumps_forward_is_followed_and_measures_nothing() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.wall += 3600
    assert (clock.now(), clock.elapsed()) == (NOON + 3600, 100.0)
    machine.pass_time(5)
    assert (clock.now(), clock.elapsed()) == (NOON + 3605, 105.0)
