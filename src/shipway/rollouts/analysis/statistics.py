"""Is one set of measurements different from another, or is it chance? Two tests of the textbooks, without assumptions about
the shape of a distribution.

Both answer with two-sided p-values by the normal approximation, which is good from about twenty samples a side on; whoever
asks with fewer is told so by the sample-size guard of `comparison`.
"""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import compress, islice
from operator import eq

from msgspec import Struct


class RankTest(Struct, frozen=True):
    """Of Mann and Whitney. `u`: how many pairs the second wins, a tie counting half; `chance`: the p-value."""

    u: float
    chance: float

    def superiority(self, pairs: int) -> float:
        """The probability that a value of the second is the larger one, ties counted half (Vargha and Delaney's A)."""
        return self.u / pairs


def mann_whitney(first: Sequence[float], second: Sequence[float]) -> RankTest:
    """Compares two sets of values, neither empty and no NaN among them, by rank.

    With mid-ranks for ties, their correction of the variance, and a correction for continuity (Mann and Whitney 1947;
    Lehmann, Nonparametrics, 1.2). Work: sorting.
    """
    n, m = len(first), len(second)
    lower, upper = sorted(first), sorted(second)
    together = sorted(lower + upper)
    repeated = Counter(compress(together, map(eq, together, islice(together, 1, None))))
    ties = sum((count + 1) ** 3 - (count + 1) for count in repeated.values())
    u = _pairs_won(lower, upper)
    total = n + m
    variance = n * m / 12 * (total + 1 - ties / (total * (total - 1)) if total > 1 else 0)
    if variance <= 0:  # all values are one
        return RankTest(u, 1.0)
    distance = max(0.0, abs(u - n * m / 2) - 0.5)
    return RankTest(u, two_sided(distance / math.sqrt(variance)))


def _pairs_won(lower: Sequence[float], upper: Sequence[float]) -> float:
    """How many pairs of one value of each sorted list the second list wins, a tie counting half."""
    below = up_to = twice = 0
    count = len(lower)
    fence = [*lower, math.inf]
    for value in upper:
        while fence[below] < value:
            below += 1
        if fence[below] == value:
            while up_to < count and lower[up_to] <= value:
                up_to += 1
            twice += below + up_to
        else:
            twice += 2 * below
    return twice / 2


def two_proportions(hits: tuple[float, float], totals: tuple[float, float]) -> float:
    """The p-value for two rates being one: the pooled z-test. Neither total is 0."""
    pooled = sum(hits) / sum(totals)
    error = math.sqrt(pooled * (1 - pooled) * (1 / totals[0] + 1 / totals[1]))
    if error == 0:
        return 1.0
    return two_sided((hits[1] / totals[1] - hits[0] / totals[0]) / error)


def two_sided(z: float) -> float:
    """The chance of a standard normal value at least so far from 0."""
    return math.erfc(abs(z) / math.sqrt(2))


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the two; not of nothing."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
