"""Two pairs of services at once: one that takes turns, behind an ALB, and a steady one (stable, canary) behind everything else.

An ALB loses requests when a selector changes under it, a mesh does not, and who has both may name both pairs. Each pair then
has its own view of the facts: its services, the routers that lead to them, and the weights under its names. The weights are the
same everywhere, as in Argo Rollouts, and are told once all routers say them.
"""

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from shipway.api.rollout import Weights
from shipway.rollouts.rollout.facts import Facts
from shipway.rollouts.rollout.leaving import has_two_pairs
from shipway.rollouts.traffic.router import Router
from shipway.rollouts.traffic.routers import takes_turns


def views(facts: Facts) -> Sequence[Facts]:
    """One view but where both pairs are named: that of the services that take turns first."""
    given = facts.spec.strategy.canary
    if given is None or not has_two_pairs(given):
        return (facts,)
    steady = _looking_at(facts, lambda router: not takes_turns(router))
    weights = facts.status.canary.weights
    if weights is not None:
        weights = _named(weights, given.canary_service, given.stable_service)
    status = replace(facts.status, canary=replace(facts.status.canary, weights=weights))
    return (_looking_at(facts, takes_turns), replace(steady, canary=replace(given, ping_pong=None), status=status))


def _looking_at(facts: Facts, wanted: Callable[[Router], bool]) -> Facts:
    pairs = [pair for pair in zip(facts.seen.routers, facts.seen.routes, strict=True) if wanted(pair[0])]
    routers, routes = tuple(router for router, _ in pairs), tuple(seen for _, seen in pairs)
    return replace(facts, seen=replace(facts.seen, routers=routers, routes=routes))


def _named(weights: Weights, canary: str, stable: str) -> Weights:
    return replace(
        weights,
        canary=replace(weights.canary, service_name=canary),
        stable=replace(weights.stable, service_name=stable),
    )
