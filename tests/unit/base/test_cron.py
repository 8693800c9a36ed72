"""Cron schedules: what they match, clock changes, and what is refused."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.base.clock import Instant, parse_rfc3339, rfc3339
from shipway.base.cron import parse_cron


def following(text: str, after: str, zone: str = "", count: int = 1) -> list[str]:
    schedule, at, found = parse_cron(text, zone), parse_rfc3339(after), list[str]()
    for _ in range(count):
        at = schedule.next_after(at)
        assert at is not None
        found.append(rfc3339(at)[:16])
    return found


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        ("* * * * *", "2026-11-21T08:30:00Z", "2026-11-21T08:31"),
        ("* * * * *", "2026-11-21T08:30:59Z", "2026-11-21T08:31"),
        ("*/15 * * * *", "2026-11-21T08:30:00Z", "2026-11-21T08:45"),
        ("5/20 * * * *", "2026-11-21T08:30:00Z", "2026-11-21T08:45"),
        ("0 9-17/4 * * *", "2026-11-21T09:00:00Z", "2026-11-21T13:00"),
        ("0 0 1 1 *", "2026-11-21T08:30:00Z", "2027-01-01T00:00"),
        ("0 12 * * MON-FRI", "2026-11-21T08:30:00Z", "2026-11-23T12:00"),
        ("0 12 ? JAN,mar *", "2026-11-21T08:30:00Z", "2027-01-01T12:00"),
        ("0 0 13 * 5", "2026-11-21T08:30:00Z", "2026-11-27T00:00"),
        ("0 0 13 * *", "2026-11-21T08:30:00Z", "2026-12-13T00:00"),
        ("0 0 */10 * 5", "2026-11-21T08:30:00Z", "2026-11-27T00:00"),
        ("0 0 29 2 *", "2026-11-21T08:30:00Z", "2028-02-29T00:00"),
        ("0 0 31 * *", "2026-11-21T08:30:00Z", "2026-12-31T00:00"),
        ("@hourly", "2026-11-21T08:30:00Z", "2026-11-21T09:00"),
        ("@weekly", "2026-11-21T08:30:00Z", "2026-11-22T00:00"),
        ("@every 90m", "2026-11-21T08:30:00Z", "2026-11-21T10:00"),
        ("TZ=Asia/Tokyo 0 9 * * *", "2026-11-21T08:30:00Z", "2026-11-22T00:00"),
    ],
)
def test_the_next_time(text: str, after: str, expected: str) -> None:
    assert following(text, after) == [expected]


def test_a_time_that_a_clock_change_skips_is_skipped() -> None:
    found = following("30 2 * * *", "2026-03-27T12:00:00Z", "Europe/Madrid", 3)
    assert found == ["2026-03-28T01:30", "2026-03-30T00:30", "2026-03-31T00:30"]


def test_a_time_that_comes_twice_counts_once() -> None:
    found = following("30 2 * * *", "2026-10-24T12:00:00Z", "Europe/Madrid", 2)
    assert found == ["2026-10-25T00:30", "2026-10-26T01:30"]


def test_a_day_that_never_comes() -> None:
    assert parse_cron("0 0 30 2 *").next_after(Instant(1_795_000_000.0)) is None


def test_the_latest_of_several_missed_times() -> None:
    schedule = parse_cron("*/10 * * * *")
    after, until = parse_rfc3339("2026-11-21T08:30:00Z"), parse_rfc3339("2026-11-21T09:05:00Z")
    assert schedule.latest_until(after, until) == parse_rfc3339("2026-11-21T09:00:00Z")
    assert schedule.latest_until(until, until) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("* * * * *", "2026-11-21T08:30"),
        ("0 0 * * *", "2026-11-21T00:00"),
        ("0 0 1 1 *", "2026-01-01T00:00"),
        ("@every 7h", "2026-11-21T03:00"),
    ],
)
def test_the_latest_time_of_many_years(text: str, expected: str) -> None:
    after, until = parse_rfc3339("2023-01-01T00:00:00Z"), parse_rfc3339("2026-11-21T08:30:00Z")
    latest = parse_cron(text).latest_until(after, until)
    assert latest is not None and rfc3339(latest)[:16] == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("* * * *", "exactly 5 fields"),
        ("", "exactly 5 fields"),
        ("60 * * * *", "minute 60 is not within 0 and 59"),
        ("* * 0 * *", "day of month 0"),
        ("* * * * 7", "day of week 7"),
        ("5-3 * * * *", "minute 5-3"),
        ("*/0 * * * *", "positive"),
        ("x * * * *", "failed to parse minute 'x'"),
        ("@never", "unrecognized descriptor"),
        ("TZ=Mars/Olympus * * * * *", "unknown time zone"),
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        parse_cron(text)


@given(st.integers(0, 59), st.integers(0, 23), st.floats(0, 4e9))
def test_the_next_time_is_later_and_matches(minute: int, hour: int, after: float) -> None:
    at = parse_cron(f"{minute} {hour} * * *").next_after(Instant(after))
    assert at is not None and after < at <= after + 86400
    found = datetime.fromisoformat(rfc3339(at))
    assert (found.minute, found.hour, found.second) == (minute, hour, 0)
