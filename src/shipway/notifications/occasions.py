"""Occasions: the states that a trigger needs no `when` for.

Each has a name that no other of its kind has, so nothing is lost with an event that nobody saw, and whoever looks again sees
the same.
"""

from collections.abc import Mapping

from msgspec import Struct

from shipway.base.clock import Instant


class Occasion(Struct, frozen=True):
    """`at`: since when; None: nobody knows, so it is news only to who was told of another one before.

    `is_news`: false for the state that a later one is news after.
    """

    name: str
    at: Instant | None = None
    is_news: bool = True


Occasions = Mapping[str, tuple[Occasion, ...]]
