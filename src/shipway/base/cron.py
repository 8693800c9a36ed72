"""Cron schedules as Kubernetes and Argo CD read them (the standard parser of robfig/cron).

Five fields (minute, hour, day of month, month, day of week) with lists, ranges, steps and names, `?` for `*`, the words
`@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`, and `@every 1h30m`. A day matches if both day fields match, or, when
both are restricted, if either does. A time that a clock change skips is skipped; one that comes twice counts once.
"""

import re
from bisect import bisect_left
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

from shipway.base.clock import Instant
from shipway.base.durations import parse_duration

_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_WEEKDAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 6, _WEEKDAYS),
)
_WORDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_HORIZON_DAYS = 5 * 366
_SLACK_HOURS = 1
"""No clock is set back by more than this, so no hour of the day before it can still come."""
_WINDOWS = (3600.0, 86400.0, 32 * 86400.0, _HORIZON_DAYS * 86400.0)


class Schedule(Struct, frozen=True):
    """When something is due. `every` (seconds) stands for itself; otherwise the five sets count, in the zone's local time."""

    minutes: tuple[int, ...] = ()
    hours: tuple[int, ...] = ()
    days: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset()
    weekdays: frozenset[int] = frozenset()
    either_day: bool = False
    every: float = 0.0
    zone: str = "UTC"

    def next_after(self, instant: Instant) -> Instant | None:
        """The first time after `instant`; None if there is none within five years (the 30th of February)."""
        if self.every:
            return Instant(int(instant) + max(1.0, float(int(self.every))))
        zone = ZoneInfo(self.zone)
        start = datetime.fromtimestamp(instant, zone).date()
        day, horizon = start, start + timedelta(days=_HORIZON_DAYS)
        while day <= horizon:
            if day.month not in self.months:
                day = date(day.year, day.month, monthrange(day.year, day.month)[1]) + timedelta(days=1)
                continue
            if self._is_day(day) and (found := self._first_on(day, zone, instant)) is not None:
                return found
            day += timedelta(days=1)
        return None

    def latest_until(self, after: Instant, until: Instant) -> Instant | None:
        """The last time in (after, until]; None if there is none. Looks back in growing steps, not through all there were."""
        if self.every:
            missed = int((until - after) // self.every)
            return Instant(after + missed * self.every) if missed > 0 else None
        for window in _WINDOWS:
            latest, following = None, self.next_after(Instant(max(after, until - window)))
            while following is not None and following <= until:
                latest, following = following, self.next_after(following)
            if latest is not None or until - window <= after:
                return latest
        return None

    def _is_day(self, day: date) -> bool:
        in_month, in_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return in_month or in_week if self.either_day else in_month and in_week

    def _first_on(self, day: date, zone: ZoneInfo, instant: Instant) -> Instant | None:
        here = datetime.fromtimestamp(instant, zone)
        soonest = here.hour - _SLACK_HOURS if here.date() == day else 0
        for hour in self.hours[bisect_left(self.hours, soonest) :]:
            for minute in self.minutes:
                local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
                at = local.timestamp()
                if at <= instant:
                    continue
                is_real = datetime.fromtimestamp(at, UTC).astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None)
                if is_real:
                    return Instant(at)
        return None


def parse_cron(text: str, zone: str = "") -> Schedule:
    """Raises ValueError with the offending part."""
    words = text.split()
    if words and (found := re.fullmatch(r"(?:CRON_)?TZ=(\S+)", words[0])):
        zone, words = found[1], words[1:]
    zone = zone or "UTC"
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"unknown time zone {zone}") from error
    if words[:1] == ["@every"] and len(words) == 2:
        return Schedule(every=parse_duration(words[1]), zone=zone)
    if len(words) == 1 and words[0].startswith("@"):
        if words[0] not in _WORDS:
            raise ValueError(f"unrecognized descriptor: {words[0]}")
        words = _WORDS[words[0]].split()
    if len(words) != 5:
        raise ValueError(f"expected exactly 5 fields, found {len(words)}: {words}")
    minutes, hours, days, months, weekdays = (_field(word, *field) for word, field in zip(words, _FIELDS, strict=True))
    either = not any(_is_star(word) for word in (words[2], words[4]))
    return Schedule(tuple(sorted(minutes)), tuple(sorted(hours)), days, months, weekdays, either, zone=zone)


def _is_star(word: str) -> bool:
    """`*` and `?` leave the choice to the other day field; `*/2` restricts."""
    return any(part in ("*", "?", "*/1", "?/1") for part in word.split(","))


def _field(word: str, name: str, least: int, most: int, names: dict[str, int]) -> frozenset[int]:
    found: set[int] = set()
    for part in word.split(","):
        body, slash, step_text = part.partition("/")
        step = _number(step_text, name, {}) if slash else 1
        first_text, dash, last_text = body.partition("-")
        if body in ("*", "?"):
            first, last = least, most
        else:
            first = _number(first_text, name, names)
            last = _number(last_text, name, names) if dash else (most if slash else first)
        if step < 1:
            raise ValueError(f"step of range should be a positive number: {part}")
        if not least <= first <= last <= most:
            raise ValueError(f"{name} {part} is not within {least} and {most}")
        found.update(range(first, last + 1, step))
    return frozenset(found)


def _number(text: str, name: str, names: dict[str, int]) -> int:
    known = names.get(text.lower())
    if known is not None:
        return known
    if not text.isdecimal():
        raise ValueError(f"failed to parse {name} {text!r}")
    return int(text)
