"""The smallest fault that a strategy would have caught: bisected between a value that is good and one that is bad."""

from msgspec import Struct
from msgspec.structs import replace

from shipway.base.errors import InvalidInput
from shipway.rehearsal.performance import Play, rehearse
from shipway.rehearsal.recording import Fault
from shipway.rehearsal.timeline import Timeline

STEPS = 12
"""Halvings: the answer is found to 1/4096 of the range."""


class WhatIf(Struct, frozen=True):
    """`metric` shows a value from `good` to `bad` while the new version gets traffic, and `good` before."""

    metric: str
    good: float
    bad: float


class Caught(Struct, frozen=True):
    """`smallest`: None, not even the bad value is caught. `timeline`: how the smallest fault (or the bad value) ends."""

    what_if: WhatIf
    smallest: float | None
    timeline: Timeline

    @property
    def sentence(self) -> str:
        metric, asked = self.what_if.metric, self.what_if
        if self.smallest is None:
            return f"no {metric} from {asked.good:g} to {asked.bad:g} would have been caught: {self.timeline.ending.outcome}"
        if self.smallest == asked.good:
            return f"even {metric} = {asked.good:g} is thrown out: begin the range at a value that is good"
        ending = self.timeline.ending
        return (
            f"the smallest {metric} that would have been caught is {self.smallest:.6g}: thrown out after {ending.at:g} s "
            f"at {ending.weight:g} %, {self.timeline.exposed:g} requests exposed"
        )


def read_what_if(text: str) -> WhatIf:
    """`error-rate=0..1`. Raises InvalidInput."""
    metric, _, span = text.partition("=")
    good, dots, bad = span.partition("..")
    try:
        found = WhatIf(metric.strip(), float(good), float(bad))
    except ValueError:
        found = None
    if found is None or not found.metric or not dots or found.good == found.bad:
        raise InvalidInput(f"--what-if {text!r}: write METRIC=GOOD..BAD, like error-rate=0..1") from None
    return found


def smallest_caught(play: Play, asked: WhatIf) -> Caught:
    """Holds for strategies that throw out whatever is worse than something they throw out."""
    worst = _with(play, asked, asked.bad)
    if not worst.is_caught:
        return Caught(asked, None, worst)
    best = _with(play, asked, asked.good)
    if best.is_caught:
        return Caught(asked, asked.good, best)
    good, bad, found = asked.good, asked.bad, worst
    for _ in range(STEPS):
        middle = (good + bad) / 2
        timeline = _with(play, asked, middle)
        if timeline.is_caught:
            bad, found = middle, timeline
        else:
            good = middle
    return Caught(asked, bad, found)


def _with(play: Play, asked: WhatIf, value: float) -> Timeline:
    recording = play.recording.with_series(asked.metric, Fault(value, asked.good))
    return rehearse(replace(play, recording=recording))
