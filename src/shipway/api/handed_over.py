"""Handed-over fields: leaves of an object in Git that belong to a second writer by design.

A canary moves the hash in a Service's selector and the weights of an HTTPRoute, to which its Experiment adds backends (in
meshes and load balancers what `mesh_fields.py` says); an autoscaler moves replicas. For the GitOps engine such a leaf is not
drift, and an apply must carry the live value: leaving out a leaf that we own would delete it. All of that is one table of
rows (kind, path, claimant, merge), used in this order:

    claims_of(claimant)            what a Rollout or an autoscaler holds, found from the claimant alone
    rows_for(obj, claims)          the rows that are active: only while the claimant exists, else the leaf is ordinary
    strip(desired, claims)         Git without the active leaves: what is hashed and what ownership is tested for
    merge(desired, live, claims)   Git with the live leaves: what is applied

A row is *atomic* where its leaf sits inside a list or map that has one owner (`rules`, `selector`): who owns the parent says
nothing about the leaf then, and the engine asks for a dry run of the merge instead.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, cast

from msgspec import Struct

from shipway.api import app_mesh
from shipway.api.mesh_fields import (
    Part,
    Weighted,
    keep_added_paths,
    keep_subset_labels,
    keep_weights,
    strip_subset_labels,
    strip_weights,
)
from shipway.api.route_variants import read_variants
from shipway.kube.objects.resource import Obj, Ref, ref_of, split_api_version
from shipway.kube.objects.views import annotations_of, copy_obj, dig, is_deleting, namespace_of, spec_of

GATEWAY_PLUGIN = "argoproj-labs/gatewayAPI"
GATEWAY_GROUP = "gateway.networking.k8s.io"
GATEWAY_KINDS = ("HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute")
HASH_LABEL = "rollouts-pod-template-hash"
ALB_MANAGED = "rollouts.argoproj.io/managed-alb-annotations"
TRAEFIK = ("traefik.io", "traefik.containo.us")
CLAIMS = "claims"
"""The index over claimants: which objects they hold, as `claim_key` spells them."""

ROLLOUT = ("argoproj.io", "Rollout")
INGRESS = ("networking.k8s.io", "Ingress")
VIRTUAL_ROUTER, VIRTUAL_NODE = ((app_mesh.GROUP, kind) for kind in (app_mesh.VIRTUAL_ROUTER, app_mesh.VIRTUAL_NODE))
AUTOSCALER = ("autoscaling", "HorizontalPodAutoscaler")
CLAIMANT_KINDS = (ROLLOUT, AUTOSCALER)


class Claim(Struct, frozen=True):
    """One claimant's hold on one object; `services`, `managed_routes` and `rules` (none: all) say which part of a route.

    `annotations` are keys of which the value is the claimant's, `variants` Services of an Experiment that have a share now.
    """

    target: Ref
    claimant: Ref
    services: tuple[str, ...] = ()
    managed_routes: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()


class Row(Struct, frozen=True):
    """One kind of handed-over field. `path` is the leaf, or its atomic parent when `is_atomic`."""

    target: tuple[str, str]
    claimant: tuple[str, str]
    path: tuple[str, ...]
    is_atomic: bool
    merge: Callable[[Obj, Obj, Sequence[Claim]], Obj]
    strip: Callable[[Obj, Sequence[Claim]], Obj]


def claim_key(ref: Ref) -> str:
    return f"{ref.group}/{ref.kind}/{ref.namespace}/{ref.name}"


def claim_keys(obj: Obj) -> Iterable[str]:
    """Index function over claimants: the keys of what they hold."""
    return tuple(claim_key(claim.target) for claim in claims_of(obj))


def claims_of(obj: Obj) -> tuple[Claim, ...]:
    """What this object holds of others. Nothing once it is being deleted."""
    if is_deleting(obj):
        return ()
    claimant = ref_of(obj)
    if (claimant.group, claimant.kind) == ROLLOUT:
        return _rollout_claims(obj, claimant)
    if (claimant.group, claimant.kind) == AUTOSCALER:
        return _target_claims(spec_of(obj).get("scaleTargetRef"), claimant)
    return ()


def places_of(obj: Obj) -> frozenset[Ref]:
    """Whose claims an object is under: its own, and for a VirtualRouter, which no Rollout names, those on its VirtualNodes."""
    ref = ref_of(obj)
    return app_mesh.nodes_of(obj) | {ref} if (ref.group, ref.kind) == VIRTUAL_ROUTER else frozenset((ref,))


def rows_for(obj: Obj, claims: Sequence[Claim]) -> tuple[Row, ...]:
    """The rows that are active for `obj`, given who claims it."""
    ref = ref_of(obj)
    places = places_of(obj)
    claimants = {(claim.claimant.group, claim.claimant.kind) for claim in claims if claim.target in places}
    return tuple(row for row in HANDED_OVER if row.target == (ref.group, ref.kind) and row.claimant in claimants)


def strip(desired: Obj, claims: Sequence[Claim]) -> Obj:
    """`desired` without the leaves that are handed over; `desired` itself when there are none."""
    for row in rows_for(desired, claims):
        desired = row.strip(desired, claims)
    return desired


def merge(desired: Obj, live: Obj, claims: Sequence[Claim]) -> Obj:
    """`desired` with the live value of every leaf that is handed over."""
    for row in rows_for(desired, claims):
        desired = row.merge(desired, live, claims)
    return desired


def _rollout_claims(rollout: Obj, claimant: Ref) -> tuple[Claim, ...]:
    namespace = namespace_of(rollout)
    places = (
        ("canary", "canaryService"),
        ("canary", "stableService"),
        ("canary", "pingPong", "pingService"),
        ("canary", "pingPong", "pongService"),
        ("blueGreen", "activeService"),
        ("blueGreen", "previewService"),
    )
    names: list[str] = [dig(rollout, "spec", "strategy", *place, default="") for place in places]
    services = tuple(dict.fromkeys(name for name in names if name))
    routing: Obj = dig(rollout, "spec", "strategy", "canary", "trafficRouting", default={})
    held = [Claim(Ref("", "Service", namespace, name), claimant) for name in services]
    held += _route_claims(routing, namespace, claimant, services)
    held += _istio_claims(routing, namespace, claimant, services, _shared(rollout))
    held += _weight_claims(routing, claimant, services)
    held += _app_mesh_claims(routing, claimant)
    held += _alb_claims(routing, claimant, dig(rollout, "spec", "strategy", "canary", "stableService", default=""))
    return (*held, *_target_claims(spec_of(rollout).get("workloadRef"), claimant))


def _shared(rollout: Obj) -> tuple[str, ...]:
    """The Services of variants that the Rollout gives a share, by what it says itself."""
    additional: list[Any] = dig(rollout, "status", "canary", "weights", "additional", default=[])
    return tuple(filter(None, (dig(one, "serviceName", default="") for one in additional)))


def _route_claims(routing: Obj, namespace: str, claimant: Ref, services: tuple[str, ...]) -> list[Claim]:
    config: Any = dig(routing, "plugins", GATEWAY_PLUGIN)
    if not isinstance(config, dict):
        return []
    # The original reads this block without regard to case (encoding/json).
    keys: dict[str, Any] = {str(key).lower(): value for key, value in cast("Obj", config).items()}
    managed = _managed_routes(routing)
    where: str = keys.get("namespace") or namespace
    return [
        Claim(Ref(GATEWAY_GROUP, kind, where, name), claimant, services=services, managed_routes=managed)
        for kind in GATEWAY_KINDS
        for name in _listed(keys, kind.lower())
    ]


def _listed(keys: dict[str, Any], field: str) -> list[str]:
    """The names under `httpRoutes` and `httpRoute`, or those of another kind of route."""
    routes: list[Any] = keys.get(f"{field}s") or []
    names: list[str] = [*(dig(route, "name", default="") for route in routes), keys.get(field) or ""]
    return [name for name in dict.fromkeys(names) if name]


def _managed_routes(routing: Obj) -> tuple[str, ...]:
    added: list[Any] = routing.get("managedRoutes") or []
    return tuple(dig(route, "name", default="") for route in added)


def _istio_claims(
    routing: Obj, namespace: str, claimant: Ref, services: tuple[str, ...], variants: tuple[str, ...]
) -> list[Claim]:
    """Destinations of the services or subsets in VirtualServices, and the subsets themselves; both also of variants."""
    group, held = "networking.istio.io", list[Claim]()
    rule: str = dig(routing, "istio", "destinationRule", "name", default="")
    keys = ("canarySubsetName", "stableSubsetName")
    subsets: list[str] = [dig(routing, "istio", "destinationRule", key, default="") for key in keys] if rule else []
    if rule:
        target, named = Ref(group, "DestinationRule", namespace, rule), tuple(filter(None, subsets))
        held.append(Claim(target, claimant, services=named, variants=variants))
    many: list[Any] = dig(routing, "istio", "virtualServices", default=[])
    for entry in [dig(routing, "istio", "virtualService"), *many]:
        name, _, where = dig(entry, "name", default="").partition(".")
        if name:
            target = Ref(group, "VirtualService", where or namespace, name)
            rules: tuple[str, ...] = tuple(dig(entry, "routes", default=[]))
            names = (*services, *filter(None, subsets))
            held.append(Claim(target, claimant, names, _managed_routes(routing), rules, variants=variants))
    return held


def _weight_claims(routing: Obj, claimant: Ref, services: tuple[str, ...]) -> list[Claim]:
    """Weights of the services in the objects of other routers."""
    smi: Obj | None = routing.get("smi")
    named: tuple[tuple[str, str, str], ...] = (
        ("split.smi-spec.io", "TrafficSplit", (smi.get("trafficSplitName") or claimant.name) if smi is not None else ""),
        *((group, "TraefikService", dig(routing, "traefik", "weightedTraefikServiceName", default="")) for group in TRAEFIK),
    )
    held = [
        Claim(Ref(group, kind, claimant.namespace, name), claimant, services=services) for group, kind, name in named if name
    ]
    route: str = dig(routing, "apisix", "route", "name", default="")
    if route:
        rules: tuple[str, ...] = tuple(dig(routing, "apisix", "route", "rules", default=[])) or (route,)
        held.append(Claim(Ref("apisix.apache.org", "ApisixRoute", claimant.namespace, route), claimant, services, rules=rules))
    return held


def _app_mesh_claims(routing: Obj, claimant: Ref) -> list[Claim]:
    """The hash in the two VirtualNodes, and the shares of both in VirtualRouters (`places_of`)."""
    sides = ("canaryVirtualNodeRef", "stableVirtualNodeRef")
    names: list[str] = [dig(routing, "appMesh", "virtualNodeGroup", side, "name", default="") for side in sides]
    rules: tuple[str, ...] = tuple(dig(routing, "appMesh", "virtualService", "routes", default=[]))
    return [Claim(Ref(*VIRTUAL_NODE, claimant.namespace, name), claimant, rules=rules) for name in names if name]


def _alb_claims(routing: Obj, claimant: Ref, stable: str) -> list[Claim]:
    """Actions and conditions in the annotations of an Ingress, and the paths that lead to added ones."""
    alb: Obj = routing.get("alb") or {}
    prefix, root = alb.get("annotationPrefix") or "alb.ingress.kubernetes.io", alb.get("rootService") or stable
    managed = _managed_routes(routing)
    names = [f"actions.{root}", *(f"{kind}.{route}" for route in managed for kind in ("actions", "conditions"))]
    keys = tuple(f"{prefix}/{name}" for name in names)
    ingresses: list[str] = [alb.get("ingress") or "", *(alb.get("ingresses") or [])]
    refs = [Ref("networking.k8s.io", "Ingress", claimant.namespace, name) for name in ingresses if name]
    return [Claim(ref, claimant, managed_routes=managed, annotations=(*keys, ALB_MANAGED)) for ref in refs]


def _target_claims(target: Obj | None, claimant: Ref) -> tuple[Claim, ...]:
    if not target or not target.get("name"):
        return ()
    group, _ = split_api_version(target.get("apiVersion") or "apps/v1")
    return (Claim(Ref(group, target.get("kind") or "", claimant.namespace, target["name"]), claimant),)


def _keep_selector_hash(desired: Obj, live: Obj, _: Sequence[Claim]) -> Obj:
    kept = dig(live, "spec", "selector", HASH_LABEL)
    selector = dig(desired, "spec", "selector")
    if not kept or not isinstance(selector, dict):
        return desired
    merged = copy_obj(desired)
    merged["spec"]["selector"][HASH_LABEL] = kept
    return merged


def _strip_selector_hash(desired: Obj, _: Sequence[Claim]) -> Obj:
    if dig(desired, "spec", "selector", HASH_LABEL) is None:
        return desired
    stripped = copy_obj(desired)
    del stripped["spec"]["selector"][HASH_LABEL]
    return stripped


def _keep_replicas(desired: Obj, live: Obj, _: Sequence[Claim]) -> Obj:
    replicas = dig(live, "spec", "replicas")
    if replicas is None:
        return desired
    merged = copy_obj(desired)
    merged.setdefault("spec", {})["replicas"] = replicas
    return merged


def _strip_replicas(desired: Obj, _: Sequence[Claim]) -> Obj:
    if dig(desired, "spec", "replicas") is None:
        return desired
    stripped = copy_obj(desired)
    del stripped["spec"]["replicas"]
    return stripped


def _keep_weights(desired: Obj, live: Obj, claims: Sequence[Claim]) -> Obj:
    """Git's rules with the live weights of the claimed services, and the live backends and rules that the claimant added."""
    services, is_managed = _route_parts(desired, claims)
    variants = _variants(live, claims)
    live_rules = dig(live, "spec", "rules", default=[])
    ordinary = [rule for rule in live_rules if not is_managed(rule)]
    merged = copy_obj(desired)
    rules: list[Obj] = dig(merged, "spec", "rules", default=[])
    for index, rule in enumerate(rules):
        twin = _twin(rule, index, ordinary, services)
        claimed = _claimed_refs(rule, services)
        for ref in claimed:
            _take_weight(ref, twin)
        if claimed and twin is not None:
            present = {ref.get("name") for ref in rule["backendRefs"]}
            added = [ref for ref in twin["backendRefs"] if ref.get("name") in variants - present]
            rule["backendRefs"] += copy_obj({"added": added})["added"]
    names = {rule.get("name") for rule in rules}
    rules += copy_obj({"added": [rule for rule in live_rules if is_managed(rule) and rule.get("name") not in names]})["added"]
    return merged


def _strip_weights(desired: Obj, claims: Sequence[Claim]) -> Obj:
    services, is_managed = _route_parts(desired, claims)
    stripped = copy_obj(desired)
    for rule in dig(stripped, "spec", "rules", default=[]):
        for ref in () if is_managed(rule) else _claimed_refs(rule, services):
            ref.pop("weight", None)
    return stripped


def _route_parts(route: Obj, claims: Sequence[Claim]) -> tuple[frozenset[str], Callable[[Obj], bool]]:
    """The claimed backend names, and whether a rule is one that a claimant added (by its exact name, or `<name>-<n>`)."""
    mine = [claim for claim in claims if claim.target == ref_of(route)]
    services = frozenset(name for claim in mine for name in claim.services)
    names = "|".join(re.escape(name) for claim in mine for name in claim.managed_routes if name)
    pattern = re.compile(rf"(?:{names})(?:-\d+)?") if names else None
    return services, lambda rule: bool(pattern and pattern.fullmatch(rule.get("name") or ""))


def _variants(live: Obj, claims: Sequence[Claim]) -> frozenset[str]:
    """Backends that stand in the live route for variants of the claimants' Experiments."""
    record = read_variants(live)
    owners = (f"{claim.claimant.namespace}/{claim.claimant.name}" for claim in claims if claim.target == ref_of(live))
    return frozenset(name for owner in owners for name in record.get(owner, ()))


def _claimed_refs(rule: Obj, services: frozenset[str]) -> list[Obj]:
    refs: list[Obj] = rule.get("backendRefs") or []
    return [ref for ref in refs if ref.get("name") in services]


def _twin(rule: Obj, index: int, live_rules: list[Obj], services: frozenset[str]) -> Obj | None:
    """The live rule whose weights `rule` takes over: of the same name, else at its place, else any with the same backends."""
    names = {ref["name"] for ref in _claimed_refs(rule, services)}

    def fits(other: Obj) -> bool:
        return names <= {ref["name"] for ref in _claimed_refs(other, services)}

    if rule.get("name"):
        named = next((other for other in live_rules if other.get("name") == rule["name"]), None)
        if named is not None and fits(named):
            return named
    if index < len(live_rules) and fits(live_rules[index]):
        return live_rules[index]
    return next((other for other in live_rules if fits(other)), None)


def _take_weight(ref: Obj, twin: Obj | None) -> None:
    refs: list[Obj] = (twin or {}).get("backendRefs") or []
    source = next((other for other in refs if other.get("name") == ref["name"]), None)
    if source is None:
        return
    if "weight" in source:
        ref["weight"] = source["weight"]
    else:
        ref.pop("weight", None)


def _part(obj: Obj, claims: Sequence[Claim]) -> Part:
    """What of `obj` the claims hold."""
    mine = [claim for claim in claims if claim.target == ref_of(obj)]
    return Part(
        frozenset(name for claim in mine for name in claim.services),
        tuple(name for claim in mine for name in claim.managed_routes if name),
        tuple(name for claim in mine for name in claim.rules),
        frozenset(name for claim in mine for name in claim.variants),
    )


def _keep_mesh_weights(place: Weighted, desired: Obj, live: Obj, claims: Sequence[Claim]) -> Obj:
    return keep_weights(place, desired, live, _part(desired, claims))


def _strip_mesh_weights(place: Weighted, desired: Obj, claims: Sequence[Claim]) -> Obj:
    return strip_weights(place, desired, _part(desired, claims))


def _claimed_annotations(obj: Obj, claims: Sequence[Claim]) -> frozenset[str]:
    return frozenset(key for claim in claims if claim.target == ref_of(obj) for key in claim.annotations)


def _keep_annotations(desired: Obj, live: Obj, claims: Sequence[Claim]) -> Obj:
    """Of claimed annotations that Git states, the live value; others are not Git's to carry."""
    there, given = annotations_of(live), annotations_of(desired)
    kept = {key: there[key] for key in _claimed_annotations(desired, claims) & given.keys() & there.keys()}
    return {**desired, "metadata": {**desired["metadata"], "annotations": {**given, **kept}}} if kept else desired


def _strip_annotations(desired: Obj, claims: Sequence[Claim]) -> Obj:
    claimed, given = _claimed_annotations(desired, claims), annotations_of(desired)
    if not claimed & given.keys():
        return desired
    left = {key: value for key, value in given.items() if key not in claimed}
    return {**desired, "metadata": {**desired["metadata"], "annotations": left}}


def _keep_added_paths(desired: Obj, live: Obj, claims: Sequence[Claim]) -> Obj:
    return keep_added_paths(desired, live, _part(desired, claims))


def _as_it_is(desired: Obj, _: Sequence[Claim]) -> Obj:
    """Nothing of it is in Git."""
    return desired


def _keep_subset_hash(desired: Obj, live: Obj, claims: Sequence[Claim]) -> Obj:
    return keep_subset_labels(desired, live, _part(desired, claims), HASH_LABEL)


def _strip_subset_hash(desired: Obj, claims: Sequence[Claim]) -> Obj:
    return strip_subset_labels(desired, _part(desired, claims), HASH_LABEL)


def _keep_shares(desired: Obj, live: Obj, claims: Sequence[Claim]) -> Obj:
    return app_mesh.keep_shares(desired, live, *_mesh_part(desired, claims))


def _strip_shares(desired: Obj, claims: Sequence[Claim]) -> Obj:
    return app_mesh.strip_shares(desired, *_mesh_part(desired, claims))


def _mesh_part(router: Obj, claims: Sequence[Claim]) -> tuple[frozenset[Ref], frozenset[str]]:
    mine = [claim for claim in claims if claim.target in places_of(router)]
    return frozenset(claim.target for claim in mine), frozenset(name for claim in mine for name in claim.rules)


def _keep_pod_hash(desired: Obj, live: Obj, _: Sequence[Claim]) -> Obj:
    return app_mesh.keep_pod_label(desired, live, HASH_LABEL)


def _strip_pod_hash(desired: Obj, _: Sequence[Claim]) -> Obj:
    return app_mesh.strip_pod_label(desired, HASH_LABEL)


WEIGHTS: tuple[tuple[tuple[str, str], Weighted], ...] = (
    (("networking.istio.io", "VirtualService"), Weighted(("spec", "http"), "route")),
    *((("networking.istio.io", "VirtualService"), Weighted(("spec", key), "route", False)) for key in ("tls", "tcp")),
    (("split.smi-spec.io", "TrafficSplit"), Weighted(("spec", "backends"))),
    *(((group, "TraefikService"), Weighted(("spec", "weighted", "services"))) for group in TRAEFIK),
    (("apisix.apache.org", "ApisixRoute"), Weighted(("spec", "http"), "backends")),
)
"""Where kinds keep the weights that a Rollout moves.

The canary Ingress of NGINX and the canary Mapping of Ambassador are the Rollout's own and in nobody's Git.
"""


HANDED_OVER: tuple[Row, ...] = (
    Row(("", "Service"), ROLLOUT, ("spec", "selector"), True, _keep_selector_hash, _strip_selector_hash),
    *(Row((GATEWAY_GROUP, kind), ROLLOUT, ("spec", "rules"), True, _keep_weights, _strip_weights) for kind in GATEWAY_KINDS),
    Row(("networking.istio.io", "DestinationRule"), ROLLOUT, ("spec", "subsets"), True, _keep_subset_hash, _strip_subset_hash),
    Row(INGRESS, ROLLOUT, ("metadata", "annotations"), False, _keep_annotations, _strip_annotations),
    Row(INGRESS, ROLLOUT, ("spec", "rules"), True, _keep_added_paths, _as_it_is),
    *(
        Row(target, ROLLOUT, place.path, True, partial(_keep_mesh_weights, place), partial(_strip_mesh_weights, place))
        for target, place in WEIGHTS
    ),
    Row(VIRTUAL_ROUTER, ROLLOUT, ("spec", "routes"), True, _keep_shares, _strip_shares),
    Row(VIRTUAL_NODE, ROLLOUT, ("spec", "podSelector"), True, _keep_pod_hash, _strip_pod_hash),
    Row(("apps", "Deployment"), ROLLOUT, ("spec", "replicas"), False, _keep_replicas, _strip_replicas),
    *(
        Row(target, AUTOSCALER, ("spec", "replicas"), False, _keep_replicas, _strip_replicas)
        for target in (("apps", "Deployment"), ("apps", "StatefulSet"), ROLLOUT)
    ),
)
