"""What the tests of the Redis face share: keys that are worked out, and a clock that stands."""

from shipway.base.clock import Instant
from shipway.base.errors import ShipwayError


class StandingClock:
    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> Instant:
        return Instant(self.time)

    def elapsed(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


class WorkedOut:
    """Owns the keys that begin with `app|`, and knows those of `values`."""

    def __init__(self, **values: bytes | ShipwayError) -> None:
        self.values = values
        self.ready = True
        self.heard: list[tuple[str, bool]] = []

    def is_ready(self) -> bool:
        return self.ready

    def owns(self, key: str) -> bool:
        return key.startswith("app|")

    async def value(self, key: str) -> bytes | None:
        found = self.values.get(key.removeprefix("app|"))
        if isinstance(found, ShipwayError):
            raise found
        return found

    def listened(self, channel: str, is_heard: bool) -> None:
        self.heard.append((channel, is_heard))
