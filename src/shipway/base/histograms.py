"""A histogram that its owner keeps itself, for collectors whose series come and go with objects."""

from collections.abc import Sequence
from itertools import accumulate


class Durations:
    """How many fell into each bucket (the last one has no bound), and their total."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.seconds = 0.0

    def took(self, seconds: float) -> None:
        """A clock that went back took no time."""
        seconds = max(0.0, seconds)
        self._counts[sum(seconds > bound for bound in self._bounds)] += 1
        self.seconds += seconds

    @property
    def count(self) -> int:
        return sum(self._counts)

    @property
    def buckets(self) -> list[tuple[str, float]]:
        """(bound, how many took no longer), as Prometheus counts."""
        bounds = (*map(str, self._bounds), "+Inf")
        return [(bound, float(count)) for bound, count in zip(bounds, accumulate(self._counts), strict=True)]
