"""What is put back when a router or a service is taken out of a Rollout.

A Rollout writes into objects that are not its own: weights and header routes, hashes in selectors and subsets. Which they are
is remembered on the Rollout (one annotation, written together with the revision's). What stands there and no longer in the
spec is left in order, once: all traffic is stable's, what was added goes, Services select by their own labels. Then it is
forgotten.
"""

from collections.abc import Sequence

import msgspec
import orjson
from msgspec import Struct

from shipway.api.rollout import Canary, RolloutSpec, TrafficRouting
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, dig, spec_of
from shipway.rollouts.rollout.names import HASH_LABEL, MANAGED_BY, REACHES
from shipway.rollouts.traffic.router import Router
from shipway.rollouts.traffic.routers import read_routers, takes_turns


class Reach(Struct, frozen=True, omit_defaults=True):
    """`services` are (canary, stable), or (ping, pong) with `turns`, or (preview, active); `routing` is the block as it is.

    `steady` are (canary, stable) beside a pair that takes turns.
    """

    services: tuple[str, ...] = ()
    turns: bool = False
    routing: Obj = {}
    steady: tuple[str, ...] = ()

    @property
    def routers(self) -> tuple[Router, ...]:
        if not self.routing:
            return ()
        routing = msgspec.convert(self.routing, TrafficRouting)
        return tuple(router for _, router in read_routers(routing) if not isinstance(router, str))

    @property
    def managed(self) -> tuple[str, ...]:
        return tuple(str(one.get("name") or "") for one in self.routing.get("managedRoutes") or [])

    @property
    def text(self) -> str:
        """As it stands on the Rollout; "" when it reaches nothing."""
        return orjson.dumps(msgspec.to_builtins(self), option=orjson.OPT_SORT_KEYS).decode() if self != Reach() else ""


def reach_of(rollout: Obj, spec: RolloutSpec) -> Reach:
    """What the present spec reaches."""
    canary, blue_green = spec.strategy.canary, spec.strategy.blue_green
    if blue_green is not None:
        return _reach(blue_green.preview_service, blue_green.active_service)
    if canary is None:
        return Reach()
    routing: Obj = dig(rollout, "spec", "strategy", "canary", "trafficRouting", default={})
    if canary.ping_pong is not None:
        reach = _reach(canary.ping_pong.ping_service, canary.ping_pong.pong_service, turns=True, routing=routing)
        steady = (canary.canary_service, canary.stable_service) if has_two_pairs(canary) else ()
        return msgspec.structs.replace(reach, steady=steady)
    return _reach(canary.canary_service, canary.stable_service, routing=routing)


def _reach(*services: str, turns: bool = False, routing: Obj | None = None) -> Reach:
    return Reach(services if any(services) else (), turns, routing or {})


def remembered(rollout: Obj) -> Reach:
    """What is remembered; nothing where that cannot be read (somebody else's hand)."""
    text = annotations_of(rollout).get(REACHES)
    try:
        reach = msgspec.json.decode(text, type=Reach) if text else Reach()
        reach.routers  # noqa: B018  # one that cannot be read is nobody's
    except (msgspec.DecodeError, msgspec.ValidationError):
        return Reach()
    return reach


def has_two_pairs(canary: Canary) -> bool:
    """Whether stable and canary services stand beside ping and pong."""
    return canary.ping_pong is not None and bool(canary.canary_service and canary.stable_service)


def lost_services(before: Reach, now: Reach) -> tuple[str, ...]:
    kept = (*now.services, *now.steady)
    return tuple(name for name in (*before.services, *before.steady) if name and name not in kept)


def freed(service: Obj, rollout: str) -> Obj | None:
    """The merge patch that gives a Service back its own selector; None where it is not this Rollout's (any more)."""
    if annotations_of(service).get(MANAGED_BY) != rollout:
        return None
    body: Obj = {"metadata": {"annotations": {MANAGED_BY: None}}}
    if HASH_LABEL in (spec_of(service).get("selector") or {}):
        body["spec"] = {"selector": {HASH_LABEL: None}}
    return body


def sides(reach: Reach, stable_turn: str, router: Router) -> Sequence[str]:
    """(canary, stable) service behind a router."""
    if reach.steady and not takes_turns(router):
        return reach.steady
    if len(reach.services) != 2:
        return ("", "")
    return reach.services[::-1] if reach.turns and stable_turn == "ping" else reach.services
