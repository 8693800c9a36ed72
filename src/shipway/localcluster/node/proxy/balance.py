"""Who gets the next request: smooth weighted round robin, which spreads a share evenly instead of in bursts.

Every turn each backend earns its weight; the richest is picked and pays the sum of all. Over any stretch of n requests a
backend with share s gets s*n give or take one, so that "5 %" is true of every 200 requests and not only on average
(the algorithm is nginx's).
"""

from collections.abc import Sequence


def pick(weights: Sequence[int], credits: Sequence[int]) -> tuple[int | None, tuple[int, ...]]:
    """The index that is picked (None when no weight is positive) and the credits for the next turn."""
    total = sum(weights)
    if total <= 0:
        return None, tuple(credits)
    earned = [have + weight for have, weight in zip(credits, weights, strict=True)]
    best = max((i for i in range(len(weights)) if weights[i] > 0), key=earned.__getitem__)
    earned[best] -= total
    return best, tuple(earned)


class Balancer:
    """The turns of all rules and services. A rule whose weights change starts its turns anew."""

    def __init__(self) -> None:
        self._credits: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}
        self._turns: dict[str, int] = {}

    def backend(self, rule: str, weights: tuple[int, ...]) -> int | None:
        """The backend of a rule that gets the next request."""
        if len(weights) == 1:
            return 0 if weights[0] > 0 else None
        known, credits = self._credits.get(rule, ((), ()))
        if known != weights:
            credits = (0,) * len(weights)
        index, credits = pick(weights, credits)
        self._credits[rule] = (weights, credits)
        return index

    def turn(self, service: str, count: int) -> int:
        """The endpoint (of `count`) of a service that is next."""
        turn = self._turns.get(service, -1) + 1
        self._turns[service] = turn
        return turn % count

    def keep(self, rules: set[str], services: set[str]) -> None:
        """Forget the turns of what is no longer there."""
        self._credits = {rule: state for rule, state in self._credits.items() if rule in rules}
        self._turns = {service: turn for service, turn in self._turns.items() if service in services}
