"""What the sources of one Application give now, asked for as the engine asks: the same questions, the same renders.

The Application need not be in a cluster. Nothing is compared with anything live, and nothing prepared for it: these are the
objects as the tools give them, in their order.
"""

import asyncio
from collections.abc import Iterable, Mapping

from shipway.assembly.answering import answered
from shipway.base.clock import Clock
from shipway.base.errors import InvalidInput, Unavailable
from shipway.gitops.application.target import Surroundings, Target, target_of
from shipway.gitops.source import wanted_of
from shipway.kube.objects.reach import EVERYWHERE, Reach
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.runtime.controller import Resolver
from shipway.kube.runtime.decision import Answer, Ask

ROUNDS = 30
"""Questions lead to questions: where it stands, what it renders to, what that lacks."""


async def rendered_now(app: Obj, around: Surroundings, resolvers: Mapping[type[Ask], Resolver], clock: Clock) -> Target:
    """The target with every source rendered. Raises InvalidInput for sources that cannot be, Unavailable where somebody whom
    they need does not answer."""
    answers: dict[Ask, Answer] = {}
    app = {key: value for key, value in app.items() if key != "status"}  # what was seen before stands in for nothing
    for _ in range(ROUNDS):
        target = target_of(_Answered(answers), app, wanted_of(app), around)
        if target.error:
            raise (Unavailable if target.is_away else InvalidInput)(target.error)
        missing = [ask for ask in target.asks if ask not in answers]
        if not missing:
            return target
        found = await asyncio.gather(*(answered(resolvers, ask, clock) for ask in missing))
        answers |= dict(zip(missing, found, strict=True))
    raise Unavailable(f"its sources are not known after {ROUNDS} rounds of questions")


class _Answered:
    """A world in which nothing is live, and what was asked has been answered."""

    def __init__(self, answers: Mapping[Ask, Answer]) -> None:
        self._answers = answers

    def answer(self, ask: Ask) -> Answer | None:
        return self._answers.get(ask)

    def get(self, resource: Resource, namespace: str, name: str) -> Obj | None:
        return None

    def list(self, resource: Resource, namespace: str = "") -> Iterable[Obj]:
        return ()

    def indexed(self, resource: Resource, index: str, value: str) -> Iterable[Obj]:
        return ()

    def is_synced(self, resource: Resource, *, with_managed_fields: bool = False) -> bool:
        return True

    def refusal(self, resource: Resource) -> str:
        return ""

    def resource_for(self, group: str, kind: str, cluster: str = "") -> Resource | None:
        return None

    def has_discovered(self, cluster: str, reach: Reach = EVERYWHERE) -> bool:
        return True

    def served(self, cluster: str = "") -> tuple[Resource, ...]:
        return ()
