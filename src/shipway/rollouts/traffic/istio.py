"""Istio: weights in the routes of VirtualServices, pods in the subsets of a DestinationRule.

A destination is the canary or the stable version by its host (the services' names, short or with a namespace) or by its
subset. Which routes split: those that the Rollout names; where it names none, the only route there is, of each of `http`,
`tls` and `tcp`. In such a route the two versions have all of the traffic between them: another destination with a share is
taken out (a hand edit, or a leftover). Header and mirror routes are ours: they stand on top, named, in the order of
`managedRoutes`, and are written anew each time, so an edit by hand does not last.

Subsets move before weights, so that no share leads to yesterday's pods.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from shipway.api.rollout import SetHeaderRoute, StringMatch, Wire
from shipway.kube.objects.resource import Obj, Ref
from shipway.kube.objects.views import annotations_of, copy_obj, dig, spec_of
from shipway.rollouts.rollout.names import HASH_LABEL, MANAGED_BY
from shipway.rollouts.traffic.router import Edit, Look, MirrorRoute, Problem, RouteMatch, Seen, Split, difference, read_as

GROUP = "networking.istio.io"
PROTOCOLS = ("http", "tls", "tcp")


class TlsRoute(Wire, frozen=True):
    port: int = 0
    sni_hosts: tuple[str, ...] = ()


class TcpRoute(Wire, frozen=True):
    port: int = 0


class VirtualService(Wire, frozen=True):
    """`name` may carry a namespace after a dot."""

    name: str = ""
    routes: tuple[str, ...] = ()
    tls_routes: tuple[TlsRoute, ...] = ()
    tcp_routes: tuple[TcpRoute, ...] = ()

    def ref(self, namespace: str) -> Ref:
        name, _, where = self.name.partition(".")
        return Ref(GROUP, "VirtualService", where or namespace, name)


class DestinationRule(Wire, frozen=True):
    name: str = ""
    canary_subset_name: str = ""
    stable_subset_name: str = ""


class Block(Wire, frozen=True):
    virtual_service: VirtualService | None = None
    virtual_services: tuple[VirtualService, ...] = ()
    destination_rule: DestinationRule | None = None


class Istio(Struct, frozen=True):
    """The router. `many`: the VirtualServices were given as a list, which is how problems name them."""

    services: tuple[VirtualService, ...]
    rule: DestinationRule | None = None
    many: bool = False

    def targets(self, rollout: str, namespace: str, managed: Sequence[str], look: Look) -> tuple[Ref, ...]:
        rules = (Ref(GROUP, "DestinationRule", namespace, self.rule.name),) if self.rule else ()
        return (*rules, *(service.ref(namespace) for service in self.services))

    def problem(self, seen: Seen, split: Split) -> Problem | None:
        rule_ref, rule = self._rule_of(seen)
        if self.rule is not None and rule_ref is not None:
            field = "istio.destinationRule.name"
            if (absent := seen.absence(rule_ref, field)) is not None:
                return absent
            if (detail := _rule_problem(rule or {}, self.rule, split)) is not None:
                return Problem(field, self.rule.name, detail)
        for index, (service, ref) in enumerate(self._services_of(seen)):
            field = f"istio.virtualServices[{index}].name" if self.many else "istio.virtualService.name"
            if (absent := seen.absence(ref, field)) is not None:
                return absent
            detail = _service_problem(seen.get(ref) or {}, service, self._sides(rule, split), split)
            if detail is not None:
                return Problem(field, service.name, detail)
        return None

    def edits(self, seen: Seen, split: Split) -> tuple[Edit, ...]:
        rule_ref, rule = self._rule_of(seen)
        made: list[Edit] = []
        if self.rule is not None and rule_ref is not None and rule is not None:
            ops = list(difference(rule, _wanted_rule(rule, self.rule, split)))
            subsets = (self.rule.canary_subset_name, split.canary_hash, self.rule.stable_subset_name, split.stable_hash)
            text = "DestinationRule {} subset updated ({}: {}, {}: {})".format(self.rule.name, *subsets)
            made += [Edit(rule_ref, ops, told=("UpdatedDestinationRule", text))] if ops else []
        for service, ref in self._services_of(seen):
            live = seen.get(ref)
            if live is not None:
                ops = list(difference(live, _wanted_service(live, service, self._sides(rule, split), split)))
                text = f"VirtualService `{ref.name}` set to desiredWeight '{split.canary}'"
                made += [Edit(ref, ops, turn=1, told=("Updated VirtualService", text))] if ops else []
        return tuple(made)

    def taken_up(self, seen: Seen, *, edited: bool) -> bool | None:
        return None

    def _rule_of(self, seen: Seen) -> tuple[Ref | None, Obj | None]:
        ref = next((ref for ref in seen.objs if ref.kind == "DestinationRule"), None)
        return ref, seen.get(ref) if ref is not None else None

    def _services_of(self, seen: Seen) -> Iterator[tuple[VirtualService, Ref]]:
        refs = [ref for ref in seen.objs if ref.kind == "VirtualService"]
        for service in self.services:
            name, _, where = service.name.partition(".")
            found = (ref for ref in refs if ref.name == name and where in ("", ref.namespace))
            yield from ((service, ref) for ref in list(found)[:1])

    def _sides(self, rule: Obj | None, split: Split) -> "Sides":
        if self.rule is None:
            return Sides(canary=split.canary_service, stable=split.stable_service)
        host = dig(rule, "spec", "host", default="")
        return Sides(
            split.canary_service, split.stable_service, self.rule.canary_subset_name, self.rule.stable_subset_name, host
        )


class Sides(Struct, frozen=True):
    """By which names a destination belongs to the canary or to stable; `host` is the DestinationRule's, "" without one."""

    canary: str
    stable: str
    canary_subset: str = ""
    stable_subset: str = ""
    host: str = ""

    def of(self, entry: Obj) -> str:
        """ "canary", "stable", "other" (it has no business here) or "foreign" (another host, left as it is)."""
        host, subset = dig(entry, "destination", "host", default=""), dig(entry, "destination", "subset", default="")
        short = host.partition(".")[0]
        if (self.canary and short == self.canary) or (subset and subset == self.canary_subset):
            return "canary"
        if (self.stable and short == self.stable) or (subset and subset == self.stable_subset):
            return "stable"
        return "foreign" if self.host and short != self.host.partition(".")[0] else "other"


def read_config(raw: Any) -> Istio | str:
    """The router of an `istio` block, or what is wrong with it."""
    block = read_as(raw, Block)
    if isinstance(block, str):
        return block
    if (block.virtual_service is None) == (not block.virtual_services):
        return "Invalid value: exactly one of virtualService and virtualServices is needed"
    services = block.virtual_services or (block.virtual_service,)
    names = [service.name for service in services]
    if not all(names):
        return "Required value: a VirtualService needs a name"
    if len(set(names)) != len(names):
        return f"Duplicate value: {next(name for name in names if names.count(name) > 1)}"
    rule = block.destination_rule
    if rule is not None and not (rule.name and rule.canary_subset_name and rule.stable_subset_name):
        return "Required value: destinationRule needs name, canarySubsetName and stableSubsetName"
    if rule is not None and rule.canary_subset_name == rule.stable_subset_name:
        return "Invalid value: canarySubsetName and stableSubsetName are the same subset"
    return Istio(services, rule, bool(block.virtual_services))


def _wanted_rule(rule: Obj, config: DestinationRule, split: Split) -> Obj:
    """The DestinationRule with the hashes in its two subsets; other subsets are the user's."""
    wanted = copy_obj(rule)
    if split.leaving and annotations_of(rule).get(MANAGED_BY) != split.rollout:
        return wanted
    hashes = {config.canary_subset_name: split.canary_hash, config.stable_subset_name: split.stable_hash}
    if dig(wanted, "spec", "subsets"):
        wanted["spec"]["subsets"] = list(_with_variants(wanted["spec"]["subsets"], hashes, split))
    for subset in dig(wanted, "spec", "subsets", default=[]):
        if split.leaving and subset.get("name") in hashes:
            (subset.get("labels") or {}).pop(HASH_LABEL, None)
        elif pod_hash := hashes.get(subset.get("name")):
            subset["labels"] = {**(subset.get("labels") or {}), HASH_LABEL: pod_hash}
    if split.leaving:
        (wanted["metadata"].get("annotations") or {}).pop(MANAGED_BY, None)
    elif split.rollout:
        wanted["metadata"]["annotations"] = {**annotations_of(rule), MANAGED_BY: split.rollout}
    return wanted


def _with_variants(subsets: Sequence[Obj], sides: Mapping[str, str], split: Split) -> Iterator[Obj]:
    """The subsets with one for each variant of an Experiment, named after its Service; those of former ones go."""
    known = split.former | {one.service_name for one in split.others}
    yield from (subset for subset in subsets if subset.get("name") in sides or subset.get("name") not in known)
    for one in split.others:
        yield {"name": one.service_name, "labels": {HASH_LABEL: one.pod_template_hash}}


def _rule_problem(rule: Obj, config: DestinationRule, split: Split) -> str | None:
    owner = annotations_of(rule).get(MANAGED_BY, split.rollout)
    if split.rollout and owner != split.rollout:
        return f'DestinationRule "{config.name}" is managed by another Rollout: {owner}'
    names = {subset.get("name") for subset in dig(rule, "spec", "subsets", default=[])}
    for name in (config.canary_subset_name, config.stable_subset_name):
        if name not in names:
            return f'DestinationRule "{config.name}" has no subset "{name}"'
    return None


def _service_problem(live: Obj, config: VirtualService, sides: Sides, split: Split) -> str | None:
    picked = [(protocol, _picked(live, config, protocol, split)) for protocol in PROTOCOLS]
    for protocol, routes in picked:
        detail = (
            routes
            if isinstance(routes, str)
            else next(filter(None, (_lacking(live, protocol, i, sides) for i in routes)), None)
        )
        if detail is not None:
            return f"Istio VirtualService has invalid {protocol.upper()} routes. Error: {detail}"
    if not any(routes for _, routes in picked):
        return "Istio VirtualService has no route to split: spec.http, spec.tls and spec.tcp are empty"
    return None


def _lacking(live: Obj, protocol: str, index: int, sides: Sides) -> str | None:
    found = {sides.of(entry) for entry in spec_of(live)[protocol][index].get("route") or []}
    named = (("canary", "Canary", sides.canary_subset, sides.canary), ("stable", "Stable", sides.stable_subset, sides.stable))
    for side, word, subset, service in named:
        if side not in found:
            what = f"DestinationRule subset '{subset}'" if subset else f"Service '{service}'"
            return f"{word} {what} not found in route"
    return None


def _picked(live: Obj, config: VirtualService, protocol: str, split: Split) -> tuple[int, ...] | str:
    """Indexes of the routes that split; a string says why they cannot be found."""
    routes: list[Obj] = spec_of(live).get(protocol) or []
    own = [i for i, route in enumerate(routes) if protocol != "http" or route.get("name") not in split.managed]
    asked: Mapping[str, Sequence[Any]] = {"http": config.routes, "tls": config.tls_routes, "tcp": config.tcp_routes}
    if asked[protocol]:
        return _asked_for(routes, asked[protocol], protocol) if routes else ()  # of a protocol that is absent nothing is asked
    if not own or any(asked.values()):
        return ()
    if len(own) > 1:
        field = {"http": "routes", "tls": "tlsRoutes", "tcp": "tcpRoutes"}[protocol]
        return (
            f"spec.{protocol}[] should be set in VirtualService and it must have exactly one route when omitting "
            f"spec.strategy.canary.trafficRouting.istio.virtualService.{field}"
        )
    return tuple(own)


def _asked_for(routes: Sequence[Obj], asked: Sequence[Any], protocol: str) -> tuple[int, ...] | str:
    indexes: list[int] = []
    for one in asked:
        found = [i for i, route in enumerate(routes) if _is_asked_for(route, one)]
        if not found:
            if protocol == "http":
                return f"HTTP Route '{one}' is not found in the defined Virtual Service."
            return f"No matching {protocol.upper()} routes found in the defined Virtual Service."
        indexes += found[:1] if protocol == "http" else found
    return tuple(dict.fromkeys(indexes))


def _is_asked_for(route: Obj, one: Any) -> bool:
    if isinstance(one, str):
        return route.get("name") == one
    ports = {match.get("port", 0) for match in route.get("match") or []}
    if ports != {one.port} and (ports or one.port):
        return False
    if isinstance(one, TcpRoute):
        return True
    return {host for match in route.get("match") or [] for host in match.get("sniHosts") or []} == set(one.sni_hosts)


def _wanted_service(live: Obj, config: VirtualService, sides: Sides, split: Split) -> Obj:
    wanted = copy_obj(live)
    for protocol in PROTOCOLS:
        picked = _picked(live, config, protocol, split)
        for index in () if isinstance(picked, str) else picked:
            route = wanted["spec"][protocol][index]
            route["route"] = _shared(route.get("route") or [], sides, split)
    if spec_of(wanted).get("http") and split.managed:
        picked = _picked(live, config, "http", split)
        wanted["spec"]["http"] = _with_added(wanted["spec"]["http"], () if isinstance(picked, str) else picked, sides, split)
    return wanted


def _with_added(routes: list[Obj], picked: Sequence[int], sides: Sides, split: Split) -> list[Obj]:
    """The routes with ours on top. Where ours are as they should be and come first, the order stays: others add theirs too."""
    added = list(_added(routes[picked[0]], sides, split)) if picked else []
    places = [index for index, route in enumerate(routes) if route.get("name") in split.managed]
    if [routes[index] for index in places] == added and (not places or not picked or max(places) < min(picked)):
        return routes
    return [*added, *(route for route in routes if route.get("name") not in split.managed)]


def _shared(entries: Sequence[Obj], sides: Sides, split: Split) -> list[Obj]:
    """The destinations of one route: both versions, variants of an Experiment, and what other hosts have there."""
    variants = {one.service_name: one.weight for one in split.others}
    kept = [_weighted(entry, sides, split, variants) for entry in entries if _stays(entry, sides, split, variants)]
    present = {_short_host(entry) for entry in kept}
    new = [{"destination": {"host": name}, "weight": weight} for name, weight in variants.items() if name not in present]
    return [*kept, *new]


def _short_host(entry: Obj) -> str:
    return dig(entry, "destination", "host", default="").partition(".")[0]


def _stays(entry: Obj, sides: Sides, split: Split, variants: Mapping[str, int]) -> bool:
    if sides.of(entry) in ("canary", "stable") or _short_host(entry) in variants:
        return True
    if _short_host(entry) in split.former:
        return False
    return sides.of(entry) != "other" or not entry.get("weight", 0)


def _weighted(entry: Obj, sides: Sides, split: Split, variants: Mapping[str, int]) -> Obj:
    weights = {"canary": split.canary, "stable": split.stable}
    weight = weights.get(sides.of(entry), variants.get(_short_host(entry)))
    if weight is None:
        return entry
    return entry if entry.get("weight", 0) == weight and "weight" in entry else {**entry, "weight": weight}


def _added(source: Obj, sides: Sides, split: Split) -> Iterator[Obj]:
    """Header and mirror routes, in the order of managedRoutes."""
    canary: Obj = next((entry["destination"] for entry in source["route"] if sides.of(entry) == "canary"), {})
    headers = {route.name: route for route in split.header_routes}
    mirrors = {route.name: route for route in split.mirror_routes}
    for name in split.managed:
        if name in headers:
            yield _header_route(headers[name], canary)
        elif name in mirrors:
            yield _mirror_route(mirrors[name], canary, source)


def _header_route(route: SetHeaderRoute, canary: Obj) -> Obj:
    match = [{"headers": {one.header_name: _string(one.header_value)}} for one in route.match or ()]
    return {"name": route.name, "match": match, "route": [{"destination": copy_obj(canary), "weight": 100}]}


def _mirror_route(route: MirrorRoute, canary: Obj, source: Obj) -> Obj:
    return {
        "name": route.name,
        "match": [_mirror_match(match) for match in route.match or ()],
        "route": copy_obj({"route": source["route"]})["route"],
        "mirror": copy_obj(canary),
        "mirrorPercentage": {"value": 100 if route.percentage is None else route.percentage},
    }


def _mirror_match(match: RouteMatch) -> Obj:
    made: Obj = {}
    if match.method is not None:
        made["method"] = _string(match.method)
    if match.path is not None:
        made["uri"] = _string(match.path)
    if match.headers:
        made["headers"] = {name: _string(value) for name, value in match.headers.items()}
    return made


def _string(value: StringMatch | None) -> Obj:
    return msgspec.to_builtins(value or StringMatch())
