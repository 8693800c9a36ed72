"""The pace of syncs: `controller.*` in the ConfigMap `argocd-cmd-params-cm`, the flags of Argo CD's application controller.

Pure. Read once, when the process starts, as Argo CD does. What cannot be read counts as not said, as there.
"""

import re
from collections.abc import Mapping

from msgspec import Struct

from shipway.base.durations import parse_duration

SYNC_TIMEOUT = "controller.sync.timeout.seconds"
WAVE_DELAY = "controller.sync.wave.delay.seconds"
GRACE = "controller.repo.error.grace.period.seconds"
HEAL_EVERY = "controller.self.heal.timeout.seconds"
HEAL_FIRST = "controller.self.heal.backoff.timeout.seconds"
HEAL_FACTOR = "controller.self.heal.backoff.factor"
HEAL_LONGEST = "controller.self.heal.backoff.cap.seconds"
HEAL_COOLDOWN = "controller.self.heal.backoff.cooldown.seconds"


class Healing(Struct, frozen=True):
    """Seconds between two heals of an application: `first`, then `factor` times as many each time, `longest` at most. After
    `cooldown` without one it starts afresh."""

    first: float = 2.0
    factor: float = 3.0
    longest: float = 300.0
    cooldown: float = 330.0


class Timing(Struct, frozen=True):
    """In seconds. `wave_delay`: between two waves of a sync. `sync_timeout`: after which a sync is terminated; 0: never.
    `grace`: how long a repository may be unreachable before its applications turn Unknown."""

    wave_delay: float = 2.0
    sync_timeout: float = 0.0
    grace: float = 180.0
    heal: Healing = Healing()


def timing_of(data: Mapping[str, str]) -> tuple[Timing, tuple[str, ...]]:
    """What the data of the ConfigMap says, and the keys of it that cannot be read."""
    read = {key: _seconds(data[key].strip()) for key in _KEYS if data.get(key, "").strip()}
    said = {key: value for key, value in read.items() if value is not None}
    usual = Timing()
    timing = Timing(
        said.get(WAVE_DELAY, usual.wave_delay),
        said.get(SYNC_TIMEOUT, usual.sync_timeout),
        said.get(GRACE, usual.grace),
        _healing(said, usual.heal),
    )
    return timing, tuple(key for key, value in read.items() if value is None)


def _healing(said: Mapping[str, float], usual: Healing) -> Healing:
    first, factor = said.get(HEAL_FIRST, usual.first), said.get(HEAL_FACTOR, usual.factor)
    if first == 0:  # no backoff: Argo CD's older flag
        first, factor = said.get(HEAL_EVERY, 0.0), 1.0
    longest = said.get(HEAL_LONGEST, usual.longest)
    # A tenth more than the longest pause, as the usual values are: else the count would begin anew in the middle of a pause.
    return Healing(first, factor, longest, said.get(HEAL_COOLDOWN, max(usual.cooldown, longest * 1.1)))


_KEYS = (SYNC_TIMEOUT, WAVE_DELAY, GRACE, HEAL_EVERY, HEAL_FIRST, HEAL_FACTOR, HEAL_LONGEST, HEAL_COOLDOWN)


def _seconds(text: str) -> float | None:
    """A whole number, or a duration of Go's; None for anything else."""
    if re.fullmatch(r"[0-9]{1,10}", text):
        return float(text)
    try:
        found = parse_duration(text)
    except ValueError:
        return None
    return found if found >= 0 else None
