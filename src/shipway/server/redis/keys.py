"""Keys that clients set: in memory, each for as long as it was given, all of them together no larger than a bound."""

from collections.abc import Callable, Iterator

from msgspec import Struct

from shipway.base.clock import Instant

MOST_BYTES = 64 * 2**20
OVERHEAD = 128
"""Bytes that a key costs besides its name and its value."""


class Full(Exception):
    """There is no room. Nothing that is kept is thrown away for it: it may be a login that was revoked."""


class _Entry(Struct, frozen=True):
    value: bytes
    until: float | None


class Keys:
    """A dictionary whose entries end. Whoever asks says what time it is."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._entries: dict[bytes, _Entry] = {}
        self.bytes = 0

    def get(self, key: bytes, now: Instant) -> bytes | None:
        entry = self._live(key, now)
        return entry.value if entry else None

    def set(self, key: bytes, value: bytes, until: float | None, now: Instant) -> None:
        """`until`: an instant, None for good. Raises Full."""
        if self.bytes - self._cost_of(key) + _cost(key, value) > self._most:
            for other in [one for one in self._entries if one != key]:
                self._live(other, now)
        if self.bytes - self._cost_of(key) + _cost(key, value) > self._most:
            raise Full
        self._drop(key)
        self._entries[key] = _Entry(value, until)
        self.bytes += _cost(key, value)

    def delete(self, key: bytes, now: Instant) -> bool:
        """Whether it was there."""
        return self._live(key, now) is not None and self._drop(key)

    def rename(self, old: bytes, new: bytes, now: Instant) -> bool:
        """Whether it was there."""
        entry = self._live(old, now)
        if entry is None:
            return False
        self._drop(old)
        self.set(new, entry.value, entry.until, now)
        return True

    def expire(self, key: bytes, until: float | None, now: Instant) -> bool:
        """Whether it was there."""
        entry = self._live(key, now)
        if entry is not None:
            self._entries[key] = _Entry(entry.value, until)
        return entry is not None

    def until(self, key: bytes, now: Instant) -> float | None:
        """When a key that is there ends; None: never."""
        entry = self._live(key, now)
        return entry.until if entry else None

    def matching(self, fits: Callable[[str], bool], now: Instant) -> Iterator[bytes]:
        """Those whose names fit."""
        for key in list(self._entries):
            if self._live(key, now) is not None and fits(key.decode(errors="replace")):
                yield key

    def _live(self, key: bytes, now: Instant) -> _Entry | None:
        entry = self._entries.get(key)
        if entry is not None and entry.until is not None and entry.until <= now:
            self._drop(key)
            return None
        return entry

    def _cost_of(self, key: bytes) -> int:
        return _cost(key, self._entries[key].value) if key in self._entries else 0

    def _drop(self, key: bytes) -> bool:
        self.bytes -= self._cost_of(key)
        return self._entries.pop(key, None) is not None


def _cost(key: bytes, value: bytes) -> int:
    return len(key) + len(value) + OVERHEAD
