"""What a release asks before it begins: how much of an error budget is left."""

from typing import Any, ClassVar

import orjson
from msgspec import Struct

from shipway.kube.runtime.decision import Ask
from shipway.rollouts.budget.policy import Policy

TOLD_FROM = 3
"""Digits of a share that are worth waking for."""


class Budget(Struct, frozen=True):
    """The share of the budget that is left, below 0 when more than all of it is spent."""

    left: float

    def says_the_same(self, old: Any) -> bool:
        return isinstance(old, Budget) and round(self.left, TOLD_FROM) == round(old.left, TOLD_FROM)


class BudgetAsk(Ask, frozen=True):
    """The budget of an objective in a namespace. Rollouts with one objective ask one question.

    Only a release that begins or is frozen asks, so an answer is at most `poll_seconds` old.
    """

    standing: ClassVar[bool] = True
    poll_seconds: ClassVar[float] = 60.0
    together: ClassVar[str] = "budget"
    namespace: str
    objective: str
    block: bytes

    @property
    def lane(self) -> str:
        address = (orjson.loads(self.block).get("prometheus") or {}).get("address") or ""
        return f"budget prometheus {address}"


def asks_of(policy: Policy, namespace: str) -> tuple[BudgetAsk, ...]:
    return tuple(BudgetAsk(namespace, one.name, one.block) for one in policy.objectives)
