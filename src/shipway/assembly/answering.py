"""Questions answered one by one where no runtime asks them: for commands that look once."""

from collections.abc import Mapping

from shipway.base.clock import Clock
from shipway.base.errors import ShipwayError
from shipway.kube.runtime.controller import Resolver
from shipway.kube.runtime.decision import Answer, Ask


async def answered(resolvers: Mapping[type[Ask], Resolver], ask: Ask, clock: Clock) -> Answer:
    """What the resolver of its kind says; what is wrong is an answer, too."""
    asked_at = clock.now()
    try:
        return Answer(await resolvers[type(ask)](ask), at=asked_at)
    except ShipwayError as error:
        return Answer(error=error, at=asked_at)
