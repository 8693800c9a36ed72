"""Traefik: the weights of the two services in a weighted TraefikService. Other services in it keep theirs.

Traefik moved its kinds from `traefik.containo.us` to `traefik.io`; whichever of the two has the object is the one that is used.
"""

from collections.abc import Sequence

from msgspec import Struct

from shipway.api.rollout import Wire
from shipway.kube.objects.resource import Obj, Ref
from shipway.kube.objects.views import copy_obj, dig
from shipway.rollouts.traffic.router import Edit, Look, Problem, Seen, Split, difference, read_as

GROUPS = ("traefik.io", "traefik.containo.us")
KIND = "TraefikService"


class Block(Wire, frozen=True):
    weighted_traefik_service_name: str = ""


class Traefik(Struct, frozen=True):
    """The router."""

    name: str

    def targets(self, rollout: str, namespace: str, managed: Sequence[str], look: Look) -> tuple[Ref, ...]:
        return tuple(Ref(group, KIND, namespace, self.name) for group in GROUPS)

    def problem(self, seen: Seen, split: Split) -> Problem | None:
        field = "traefik.weightedTraefikServiceName"
        refs = tuple(seen.objs)
        there = next((ref for ref in refs if seen.get(ref) is not None), None)
        if there is None:
            served = [ref for ref in refs if (ref.group, ref.kind) not in seen.unserved]
            return seen.absence((served or refs)[0], field)
        services: list[Obj] | None = dig(seen.get(there), "spec", "weighted", "services")
        if services is None:
            return Problem(field, self.name, "spec.weighted.services was not found in traefik service manifest")
        named = {service.get("name") for service in services}
        for word, service in (("canary", split.canary_service), ("stable", split.stable_service)):
            if service not in named:
                return Problem(field, self.name, f'traefik {word} service was not found: no entry names "{service}"')
        return None

    def edits(self, seen: Seen, split: Split) -> tuple[Edit, ...]:
        ref, live = next(((ref, obj) for ref, obj in seen.objs.items() if obj is not None), (None, None))
        if ref is None or live is None:
            return ()
        weights = {split.canary_service: split.canary, split.stable_service: split.stable}
        wanted = copy_obj(live)
        for service in dig(wanted, "spec", "weighted", "services", default=[]):
            if service.get("name") in weights:
                service["weight"] = weights[service["name"]]
        ops = list(difference(live, wanted))
        return (Edit(ref, ops),) if ops else ()

    def taken_up(self, seen: Seen, *, edited: bool) -> bool | None:
        return None


def read_config(raw: object) -> Traefik | str:
    """The router of a `traefik` block, or what is wrong with it."""
    block = read_as(raw, Block)
    if isinstance(block, str):
        return block
    if not block.weighted_traefik_service_name:
        return "Required value: traefik needs weightedTraefikServiceName"
    return Traefik(block.weighted_traefik_service_name)
