"""Weights and header routes in Gateway API routes, configured where users of the Argo Rollouts plugin configure them:
`trafficRouting.plugins."argoproj-labs/gatewayAPI"`.

All is a pure function from a route to the JSON patch that makes it say what it should; nothing to change is no patch. The
weight of every reference to the canary service becomes the canary's, of every reference to the stable service the rest, in
each rule that names both; a rule that knows only stable keeps all of its traffic. Variants of an Experiment are references that
we add to those rules and take away again: which they are is recorded on the route (`api/route_variants.py`). Rules named after
a managed route (`<name>` or `<name>-<n>`) are ours: copies of the rules that split traffic, narrowed to the step's headers,
sending to the canary alone. While anybody but stable may get traffic the route carries a label, by which others know that its
rules are moving. Everything else in the route is left as it was found.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from shipway.api.rollout import SetHeaderRoute, StringMatch, Wire
from shipway.api.route_variants import VARIANTS, read_variants, variants_text
from shipway.kube.objects.resource import Obj, Ref
from shipway.kube.objects.views import annotations_of, copy_obj, dig, labels_of, metadata, spec_of, status_of
from shipway.rollouts.traffic.router import Edit, Look, Problem, Seen, Split, difference, escape

PLUGIN = "argoproj-labs/gatewayAPI"
GROUP = "gateway.networking.k8s.io"
KINDS = {"httpRoutes": "HTTPRoute", "grpcRoutes": "GRPCRoute", "tcpRoutes": "TCPRoute", "tlsRoutes": "TLSRoute"}
HEADER_KINDS = ("HTTPRoute", "GRPCRoute")
IN_PROGRESS_KEY = "rollouts.argoproj.io/gatewayapi-canary"
IN_PROGRESS_VALUE = "in-progress"


class RouteEntry(Wire, frozen=True):
    name: str
    use_header_routes: bool = False


class Config(Struct, frozen=True):
    """The plugin's configuration, which is the router. `namespace` "" means the Rollout's own.

    A route is (kind, name, whether header routes are written into it).
    """

    routes: tuple[tuple[str, str, bool], ...] = ()
    namespace: str = ""
    label_key: str = IN_PROGRESS_KEY
    label_value: str = IN_PROGRESS_VALUE
    label_off: bool = False

    def targets(self, rollout: str, namespace: str, managed: Sequence[str], look: Look) -> tuple[Ref, ...]:
        return tuple(Ref(GROUP, kind, self.namespace or namespace, name) for kind, name, _ in self.routes)

    def problem(self, seen: Seen, split: Split) -> Problem | None:
        """A route that is not served, not there, or does not name the services."""
        for ref in seen.objs:
            plural = next(plural for plural, kind in KINDS.items() if kind == ref.kind)
            field = f"plugins.{PLUGIN}.{plural}"
            if (absent := seen.absence(ref, field)) is not None:
                return absent
            missing = missing_backends(seen.get(ref) or {}, split)
            if missing:
                named = " and ".join(f'"{name}"' for name in missing)
                detail = f"backendRef was not found in {plural[:-1]}: no rule of it names the service {named}"
                return Problem(field, ref.name, detail)
        return None

    def edits(self, seen: Seen, split: Split) -> tuple[Edit, ...]:
        made: list[Edit] = []
        for ref, route in seen.objs.items():
            if route is None:
                continue
            headers = ref.kind in HEADER_KINDS and (ref.kind, ref.name, True) in self.routes
            ops = patch_route(route, split, self, headers=headers)
            made += [Edit(ref, ops)] if ops else []
        return tuple(made)

    def taken_up(self, seen: Seen, *, edited: bool) -> bool | None:
        """Where no gateway reports about any of the routes, nothing speaks against it."""
        routes = [route for route in seen.objs.values() if route is not None]
        if not any(dig(route, "status", "parents") for route in routes):
            return True
        return not edited and len(routes) == len(seen.objs) and all(is_accepted(route) for route in routes)


def read_config(raw: Any) -> Config | str:
    """The configuration, or what is wrong with it. Keys are read without regard to case, unknown ones are ignored."""
    if not isinstance(raw, dict):
        return "Invalid value: an object is expected"
    given = {str(key).lower(): value for key, value in raw.items() if value is not None}
    selectors = [f"{plural[:-1]}Selector" for plural in KINDS if f"{plural[:-1]}selector" in given]
    if selectors:
        return f"Forbidden: {selectors[0]} is not supported yet; name the routes instead"
    routes: list[tuple[str, str, bool]] = []
    try:
        for plural, kind in KINDS.items():
            entries = msgspec.convert(given.get(plural.lower(), []), list[RouteEntry])
            routes += [(kind, entry.name, entry.use_header_routes) for entry in entries]
            single = msgspec.convert(given.get(plural[:-1].lower(), ""), str)
            routes += [(kind, single, True)] if single else []
        config = Config(
            routes=tuple(routes),
            namespace=msgspec.convert(given.get("namespace", ""), str),
            label_key=msgspec.convert(given.get("inprogresslabelkey", ""), str) or IN_PROGRESS_KEY,
            label_value=msgspec.convert(given.get("inprogresslabelvalue", ""), str) or IN_PROGRESS_VALUE,
            label_off=msgspec.convert(given.get("disableinprogresslabel", False), bool),
        )
    except msgspec.ValidationError as error:
        return f"Invalid value: {error}"
    if not routes:
        named = ", ".join(f"'{name}'" for plural in KINDS for name in (plural, plural[:-1]))
        return f"Required value: No routes configured. At least one of {named} must be set"
    return config


def missing_backends(route: Obj, split: Split) -> tuple[str, ...]:
    """The services of the split that no rule of the route names."""
    named = {name for rule in _rules(route) for ref in rule.get("backendRefs") or [] for name in (ref.get("name"),)}
    return tuple(service for service in (split.canary_service, split.stable_service) if service not in named)


def patch_route(route: Obj, split: Split, config: Config, *, headers: bool) -> list[Obj]:
    """JSON patch operations that make `route` say `split`; empty when it does already."""
    wanted = _wanted_rules(route, split, headers=headers)
    marks = [*_label_ops(route, split, config, headers=headers), *_record_ops(route, split)]
    return [*marks, *difference(_rules(route), wanted, "/spec/rules")]


def without_variants(route: Obj, owner: str) -> list[Obj]:
    """JSON patch operations that take out what stands in `route` for the variants of a Rollout that is gone.

    `owner` is `<namespace>/<name>`. A rule of which nothing would be left is somebody's own.
    """
    record = read_variants(route)
    gone = record.pop(owner, ())
    wanted: list[Obj] = []
    for rule in _rules(route):
        kept = [ref for ref in rule.get("backendRefs") or [] if ref.get("name") not in gone]
        wanted.append({**rule, "backendRefs": kept} if kept else rule)
    return [*_recorded(route, record), *difference(_rules(route), wanted, "/spec/rules")]


def is_accepted(route: Obj) -> bool:
    """False while a gateway has not taken up the route's present generation, or refuses it. Without any report: True."""
    for parent in status_of(route).get("parents") or []:
        for condition in parent.get("conditions") or []:
            if condition.get("type") != "Accepted":
                continue
            if condition.get("status") != "True":
                return False
            if condition.get("observedGeneration", 0) < (metadata(route).get("generation") or 0):
                return False
    return True


def _rules(route: Obj) -> list[Obj]:
    return spec_of(route).get("rules") or []


def _service(ref: Obj, route: Obj, split: Split) -> str:
    """The Service in the Rollout's namespace to which a reference leads; "" for any other backend.

    One that names no namespace leads to the route's own.
    """
    here = metadata(route).get("namespace") or ""
    is_service = ref.get("kind", "Service") == "Service" and not ref.get("group")
    return ref.get("name", "") if is_service and ref.get("namespace", here) in (here, split.namespace) else ""


def _is_managed(rule: Obj, split: Split) -> bool:
    name = rule.get("name") or ""
    return any(name == managed or re.fullmatch(rf"{re.escape(managed)}-\d+", name) for managed in split.managed)


def _wanted_rules(route: Obj, split: Split, *, headers: bool) -> list[Obj]:
    own = [rule for rule in _rules(route) if not (headers and _is_managed(rule, split))]
    plain = [_shared(rule, route, split) for rule in own]
    if not headers:
        return plain
    sources = [rule for rule in plain if _splits(rule, route, split)]
    managed = [
        _header_rule(source, header_route, index, route, split)
        for header_route in split.header_routes
        for index, source in enumerate(sources)
    ]
    return [*plain, *managed]


def _splits(rule: Obj, route: Obj, split: Split) -> bool:
    named = {_service(ref, route, split) for ref in rule.get("backendRefs") or []}
    return {split.canary_service, split.stable_service} <= named


def _shared(rule: Obj, route: Obj, split: Split) -> Obj:
    """A rule that splits with everybody's share; one that knows only one of the two versions without variants.

    A rule that knows neither is nobody's business, even where it leads to a variant.
    """
    refs: list[Obj] = rule.get("backendRefs") or []
    named = {_service(ref, route, split): ref for ref in reversed(refs)}
    sides = {split.canary_service, split.stable_service}
    if sides.isdisjoint(named):
        return rule
    shares = _shares(named[split.stable_service], split) if sides <= named.keys() else {}
    variants = _known_variants(route, split)
    kept: list[Obj] = []
    for ref in refs:
        name = _service(ref, route, split)
        is_ours = name in variants
        if not is_ours or (name in shares and ref is named[name]):  # a variant stands once
            kept.append({**ref, **shares.get(name, {})})
    like = {key: value for key, value in named.get(split.stable_service, {}).items() if key in ("group", "kind", "namespace")}
    kept += [{**like, "name": name, **share} for name, share in shares.items() if name not in named]
    return {**rule, "backendRefs": kept}


def _shares(stable: Obj, split: Split) -> dict[str, Obj]:
    """What references to the versions and to the variants should say; `stable` is the rule's reference to the stable one."""
    shares: dict[str, Obj] = {one.service_name: {"weight": one.weight} for one in split.others}
    for name, share in shares.items():
        port, entrance = stable.get("port"), split.entrances.get(name)
        if entrance is not None:
            port = entrance.at(port or 0)
        shares[name] = {**({"port": port} if port else {}), **share}
    return {**shares, split.canary_service: {"weight": split.canary}, split.stable_service: {"weight": split.stable}}


def _known_variants(route: Obj, split: Split) -> frozenset[str]:
    """Services of variants, past and present: what leads to them is ours."""
    recorded = read_variants(route).get(_owner(split), ())
    known = {*split.former, *recorded, *(one.service_name for one in split.others)}
    return frozenset(known - {split.canary_service, split.stable_service})


def _owner(split: Split) -> str:
    return f"{split.namespace}/{split.rollout}"


def _record_ops(route: Obj, split: Split) -> list[Obj]:
    before, carries = read_variants(route), any(_splits(rule, route, split) for rule in _rules(route))
    names = tuple(sorted(one.service_name for one in split.others)) if carries else ()
    wanted = {key: value for key, value in before.items() if key != _owner(split)}
    wanted |= {_owner(split): names} if names else {}
    return _recorded(route, wanted)


def _recorded(route: Obj, wanted: dict[str, tuple[str, ...]]) -> list[Obj]:
    """JSON patch operations that make the route's record say `wanted`."""
    if wanted == read_variants(route):
        return []
    path = f"/metadata/annotations/{escape(VARIANTS)}"
    if not wanted:
        return [{"op": "remove", "path": path}]
    bare: list[Obj] = [] if annotations_of(route) else [{"op": "add", "path": "/metadata/annotations", "value": {}}]
    return [*bare, {"op": "add", "path": path, "value": variants_text(wanted)}]


def _header_rule(source: Obj, header_route: SetHeaderRoute, index: int, route: Obj, split: Split) -> Obj:
    canary = next(ref for ref in source["backendRefs"] if _service(ref, route, split) == split.canary_service)
    backend = {**canary, "weight": 1}
    headers = [_header_match(match.header_name, match.header_value) for match in header_route.match or ()]
    rule: Obj = {"name": header_route.name if index == 0 else f"{header_route.name}-{index}"}
    matches = source.get("matches") or [{}]
    rule["matches"] = [{**match, "headers": _merged(match.get("headers") or [], headers)} for match in matches]
    for key in ("filters", "timeouts", "retry", "sessionPersistence"):
        if key in source:
            rule[key] = source[key]
    rule["backendRefs"] = [backend]
    return copy_obj(rule)


def _merged(own: Sequence[Obj], added: Sequence[Obj]) -> list[Obj]:
    """Header matches with the step's in place of those of the same name: a name may stand only once in a match."""
    names = {match["name"].lower() for match in added}
    return [*(match for match in own if match.get("name", "").lower() not in names), *added]


def _header_match(name: str, value: StringMatch | None) -> Obj:
    value = value or StringMatch()
    if value.exact:
        return {"type": "Exact", "name": name, "value": value.exact}
    pattern = value.regex or f"^{re.escape(value.prefix)}.*"
    return {"type": "RegularExpression", "name": name, "value": pattern}


def _label_ops(route: Obj, split: Split, config: Config, *, headers: bool) -> list[Obj]:
    if config.label_off:
        return []
    moving = split.canary > 0 or any(one.weight for one in split.others) or (headers and bool(split.header_routes))
    has = labels_of(route).get(config.label_key)
    path = f"/metadata/labels/{escape(config.label_key)}"
    if moving and has != config.label_value:
        if not labels_of(route):
            return [{"op": "add", "path": "/metadata/labels", "value": {config.label_key: config.label_value}}]
        return [{"op": "add", "path": path, "value": config.label_value}]
    if not moving and has is not None:
        return [{"op": "remove", "path": path}]
    return []
