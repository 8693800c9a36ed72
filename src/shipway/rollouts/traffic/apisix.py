"""APISIX: the weights of the two backends in the named rules of an ApisixRoute, and one ApisixRoute more per header route.

A header route is a copy of the whole route, named like the managed route, that leads to the canary alone, asks for the
headers and goes before the rule it was copied from. The Rollout owns it; when it does not hold any more it is deleted.
"""

from collections.abc import Sequence

from msgspec import Struct

from shipway.api.rollout import SetHeaderRoute, Wire
from shipway.kube.objects.resource import Obj, Ref
from shipway.kube.objects.views import copy_obj, spec_of
from shipway.rollouts.traffic.router import Edit, Look, Problem, Seen, Split, difference, is_owned, read_as

GROUP, KIND = "apisix.apache.org", "ApisixRoute"


class Route(Wire, frozen=True):
    name: str = ""
    rules: tuple[str, ...] = ()


class Block(Wire, frozen=True):
    route: Route | None = None


class Apisix(Struct, frozen=True):
    """The router. `rules` are names of `spec.http[]`; without any it is the rule named like the route."""

    name: str
    rules: tuple[str, ...]

    def targets(self, rollout: str, namespace: str, managed: Sequence[str], look: Look) -> tuple[Ref, ...]:
        return tuple(Ref(GROUP, KIND, namespace, name) for name in dict.fromkeys((self.name, *managed)))

    def problem(self, seen: Seen, split: Split) -> Problem | None:
        ref, *added = seen.objs
        field = "apisix.route.name"
        if (absent := seen.absence(ref, field)) is not None:
            return absent
        rules = {rule.get("name"): rule for rule in spec_of(seen.get(ref) or {}).get("http") or []}
        for name in self.rules:
            if name not in rules:
                return Problem("apisix.route.rules", name, f"Apisix http route rule {name} not found")
            named = {backend.get("serviceName") for backend in rules[name].get("backends") or []}
            for service in (split.canary_service, split.stable_service):
                if service not in named:
                    return Problem(field, ref.name, f"apisix route {service} backend was not found")
        for other in added:
            live = seen.get(other)
            if live is not None and not is_owned(live, split):
                return Problem(field, ref.name, f"duplicate ApisixRoute [{other.name}] already exists")
        return None

    def edits(self, seen: Seen, split: Split) -> tuple[Edit, ...]:
        ref, *added = seen.objs
        live = seen.get(ref)
        if live is None:
            return ()
        ops = list(difference(spec_of(live), self._weighted(live, split), "/spec"))
        made = [Edit(ref, ops)] if ops else []
        headers = {route.name: route for route in split.header_routes}
        for other in added:
            edit = self._added(other, seen.get(other), live, headers.get(other.name), split)
            made += [edit] if edit is not None else []
        return tuple(made)

    def taken_up(self, seen: Seen, *, edited: bool) -> bool | None:
        return None

    def _weighted(self, live: Obj, split: Split) -> Obj:
        weights = {split.canary_service: split.canary, split.stable_service: split.stable}
        spec = copy_obj(spec_of(live))
        for rule in spec.get("http") or []:
            for backend in (rule.get("backends") or []) if rule.get("name") in self.rules else ():
                if backend.get("serviceName") in weights:
                    backend["weight"] = weights[backend["serviceName"]]
        return spec

    def _added(self, ref: Ref, there: Obj | None, source: Obj, header: SetHeaderRoute | None, split: Split) -> Edit | None:
        if header is None:
            return Edit(ref, gone=True) if there is not None and is_owned(there, split) else None
        spec = copy_obj(spec_of(source))
        spec["http"] = [self._header_rule(rule, header, split) for rule in spec["http"] if rule.get("name") in self.rules]
        if there is None:
            return Edit(ref, obj={"metadata": {"ownerReferences": [dict(split.owner)]}, "spec": spec})
        ops = list(difference(spec_of(there), spec, "/spec"))
        return Edit(ref, ops) if ops else None

    def _header_rule(self, rule: Obj, header: SetHeaderRoute, split: Split) -> Obj:
        backends = [
            {**backend, "weight": 100} if backend.get("serviceName") == split.canary_service else backend
            for backend in rule.get("backends") or []
            if backend.get("serviceName") != split.stable_service
        ]
        match = {**(rule.get("match") or {}), "exprs": _expressions(header)}
        return {**rule, "backends": backends, "priority": rule.get("priority", 0) + 1, "match": match}


def read_config(raw: object) -> Apisix | str:
    """The router of an `apisix` block, or what is wrong with it."""
    block = read_as(raw, Block)
    if isinstance(block, str):
        return block
    if block.route is None or not block.route.name:
        return "Required value: apisix needs route.name"
    return Apisix(block.route.name, block.route.rules or (block.route.name,))


def _expressions(header: SetHeaderRoute) -> list[Obj]:
    made: list[Obj] = []
    for match in header.match or ():
        value, subject = match.header_value, {"scope": "Header", "name": match.header_name}
        if value is None:
            continue
        if value.exact:
            made.append({"subject": subject, "op": "Equal", "value": value.exact})
        else:
            made.append({"subject": subject, "op": "RegexMatch", "value": value.regex or f"^{value.prefix}.*"})
    return made
