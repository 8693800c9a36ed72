"""The frozen snapshot that one pass over a Rollout decides on: all from memory.

What a Rollout refers to by name (services, routes, templates) is looked up here; `None` in a mapping means "not there",
and `synced` says whether that is knowledge or merely the first second after a start.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from shipway.api.kinds import (
    ANALYSIS_RUNS,
    ANALYSIS_TEMPLATES,
    CLUSTER_ANALYSIS_TEMPLATES,
    PODS,
    REPLICA_SETS,
    ROLLOUTS,
    SERVICES,
)
from shipway.api.rollout import Canary, RolloutAnalysis, RolloutSpec, TemplateRef
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import is_deleting, labels_of, namespace_of, spec_of, uid_of
from shipway.kube.runtime.controller import ObjectKey, World
from shipway.rollouts.rollout.names import INSTANCE_ID_LABEL
from shipway.rollouts.rollout.spec import Invalid, parse
from shipway.rollouts.traffic.gateway_api import GROUP, PLUGIN, Config, RouteRef, read_config

BY_OWNER = "owner"


class Observed(Struct, frozen=True):
    """`spec` is Invalid when the Rollout cannot be read. `route_kinds` maps the kinds of routes to their served resource."""

    rollout: Obj
    spec: RolloutSpec | Invalid
    replica_sets: tuple[Obj, ...] = ()
    pods: tuple[Obj, ...] = ()
    services: Mapping[str, Obj | None] = {}
    routing: Config | None = None
    routes: Mapping[RouteRef, Obj | None] = {}
    route_kinds: Mapping[str, Resource | None] = {}
    runs: tuple[Obj, ...] = ()
    templates: Mapping[TemplateRef, Obj | None] = {}
    unsynced: frozenset[str] = frozenset()
    instance_id: str = ""


def observe(key: ObjectKey, world: World, instance_id: str) -> Observed | None:
    """None: the Rollout is gone, going, or belongs to a controller with another instance id."""
    rollout = world.get(ROLLOUTS, key.namespace, key.name)
    if rollout is None or is_deleting(rollout) or labels_of(rollout).get(INSTANCE_ID_LABEL, "") != instance_id:
        return None
    spec = parse(rollout)
    if isinstance(spec, Invalid) or spec.strategy.canary is None:
        return Observed(rollout=rollout, spec=spec, instance_id=instance_id)
    canary, namespace = spec.strategy.canary, namespace_of(rollout)
    replica_sets = tuple(world.indexed(REPLICA_SETS, BY_OWNER, uid_of(rollout)))
    routing = routing_of(canary)
    refs = routing.refs(namespace) if routing else ()
    kinds = {kind: world.resource_for(GROUP, kind) for kind in sorted({ref.kind for ref in refs})}
    return Observed(
        rollout=rollout,
        spec=spec,
        replica_sets=replica_sets,
        pods=_pods(world, spec, replica_sets),
        services={name: world.get(SERVICES, namespace, name) for name in service_names(canary)},
        routing=routing,
        routes={ref: _route(world, ref, kinds) for ref in refs},
        route_kinds=kinds,
        runs=tuple(world.indexed(ANALYSIS_RUNS, BY_OWNER, uid_of(rollout))),
        templates=_templates(world, namespace, canary),
        unsynced=frozenset(kind for kind, served in kinds.items() if served is not None and not world.is_synced(served)),
        instance_id=instance_id,
    )


def routing_of(canary: Canary) -> Config | None:
    """The routes that carry the split; None for a canary by pod counts."""
    if canary.traffic_routing is None:
        return None
    config = read_config(canary.traffic_routing.plugins.get(PLUGIN))
    return config if isinstance(config, Config) else None


def service_names(canary: Canary) -> tuple[str, ...]:
    """The services a canary names, stable first."""
    return tuple(name for name in (canary.stable_service, canary.canary_service) if name)


def needs_pods(spec: RolloutSpec) -> bool:
    """Pods are looked at only to restart them or to relabel them; counting them is the ReplicaSets' work."""
    canary = spec.strategy.canary
    metadata = canary is not None and (canary.canary_metadata is not None or canary.stable_metadata is not None)
    return bool(spec.restart_at) or metadata


def analyses(canary: Canary) -> tuple[tuple[str, RolloutAnalysis], ...]:
    """Every analysis the strategy names, with the path at which it stands."""
    steps = [
        (f"spec.strategy.canary.steps[{index}].analysis.templates", step.analysis)
        for index, step in enumerate(canary.steps)
        if step.analysis is not None
    ]
    background = [("spec.strategy.canary.analysis.templates", canary.analysis)] if canary.analysis else []
    return (*background, *steps)


def _pods(world: World, spec: RolloutSpec, replica_sets: Iterable[Obj]) -> tuple[Obj, ...]:
    if not needs_pods(spec):
        return ()
    return tuple(pod for owner in replica_sets for pod in world.indexed(PODS, BY_OWNER, uid_of(owner)))


def _route(world: World, ref: RouteRef, kinds: Mapping[str, Resource | None]) -> Obj | None:
    resource = kinds[ref.kind]
    return world.get(resource, ref.namespace, ref.name) if resource is not None else None


def _templates(world: World, namespace: str, canary: Canary) -> dict[TemplateRef, Obj | None]:
    """Templates that the strategy names, and those that they name in turn."""
    found: dict[TemplateRef, Obj | None] = {}
    waiting = [ref for _, analysis in analyses(canary) for ref in analysis.templates]
    while waiting:
        ref = waiting.pop()
        if ref in found:
            continue
        if ref.cluster_scope:
            template = world.get(CLUSTER_ANALYSIS_TEMPLATES, "", ref.template_name)
        else:
            template = world.get(ANALYSIS_TEMPLATES, namespace, ref.template_name)
        found[ref] = template
        waiting += nested_templates(template) if template is not None else ()
    return found


def nested_templates(template: Obj) -> tuple[TemplateRef, ...]:
    """The templates that a template is composed of."""
    return tuple(
        TemplateRef(str(inner.get("templateName") or ""), bool(inner.get("clusterScope")))
        for inner in spec_of(template).get("templates") or []
        if isinstance(inner, dict)
    )
