"""The frozen snapshot that one pass over a Rollout decides on: all from memory.

What a Rollout refers to by name (services, routes, templates) is looked up here; `None` in a mapping means "not there",
and `synced` says whether that is knowledge or merely the first second after a start.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial

import msgspec
from msgspec import Struct

from shipway.api.kinds import (
    ANALYSIS_RUNS,
    ANALYSIS_TEMPLATES,
    CLUSTER_ANALYSIS_TEMPLATES,
    EXPERIMENTS,
    PODS,
    REPLICA_SETS,
    ROLLOUTS,
    SERVICES,
    VERIFICATION_RULES,
)
from shipway.api.rollout import Canary, PodMetadata, RolloutAnalysis, RolloutSpec, TemplateRef
from shipway.api.verification import Rule
from shipway.kube.objects.resource import Obj, Ref, Resource
from shipway.kube.objects.views import annotations_of, is_deleting, labels_of, name_of, namespace_of, spec_of, status_of, uid_of
from shipway.kube.runtime.controller import ObjectKey, World
from shipway.kube.runtime.decision import Answer, Ask
from shipway.rollouts.budget.asks import asks_of
from shipway.rollouts.budget.policy import policy_of
from shipway.rollouts.rollout.departed import Departed, departed
from shipway.rollouts.rollout.leaving import Reach, has_two_pairs, reach_of, remembered
from shipway.rollouts.rollout.names import INSTANCE_ID_LABEL, VERIFICATION
from shipway.rollouts.rollout.plugin_calls import next_call
from shipway.rollouts.rollout.replica_set import ReplicaSet, read_replica_set
from shipway.rollouts.rollout.spec import Invalid, parse
from shipway.rollouts.rollout.workload import resolved, workload_kind
from shipway.rollouts.settings import RolloutSettings
from shipway.rollouts.traffic.router import Router, Seen
from shipway.rollouts.traffic.routers import read_routers
from shipway.rollouts.verification.environment import KINDS as ENVIRONMENT_KINDS
from shipway.rollouts.verification.environment import Environment, environment_of, key_of_workload
from shipway.rollouts.verification.selection import read_pinned, rules_for

BY_OWNER = "owner"


class Verification(Struct, frozen=True):
    """The verification rules that are meant for a Rollout now. `kind`: as it is served; None: such rules are not known here.

    `refused`: why they may not be read. `environment`: what else runs in the namespace; None before it is known, and while
    nothing is updated.
    """

    kind: Resource | None = None
    is_known: bool = True
    refused: str = ""
    rules: tuple[Rule, ...] = ()
    environment: Environment | None = None
    environment_kinds: tuple[Resource, ...] = ()


class Observed(Struct, frozen=True):
    """`spec` is Invalid when the Rollout cannot be read. `routes` is what each of `routers` asked to see.

    `route_kinds` maps (group, kind) of those objects to the served resource; `managed` are the names of added routes. `reach`
    is what the Rollout is remembered to have written into; `left_routers` and `left_routes`: what of it the spec names no more.
    `answers`: of plugins to what the status waits for, and of what is left of error budgets.
    """

    rollout: Obj
    spec: RolloutSpec | Invalid
    replica_sets: tuple[ReplicaSet, ...] = ()
    pods: tuple[Obj, ...] = ()
    services: Mapping[str, Obj | None] = {}
    routers: tuple[Router, ...] = ()
    routes: tuple[Seen, ...] = ()
    route_kinds: Mapping[tuple[str, str], Resource | None] = {}
    managed: tuple[str, ...] = ()
    reach: Reach = Reach()
    left_routers: tuple[Router, ...] = ()
    left_routes: tuple[Seen, ...] = ()
    runs: tuple[Obj, ...] = ()
    experiments: tuple[Obj, ...] = ()
    templates: Mapping[TemplateRef, Obj | None] = {}
    workload_kind: Resource | None = None
    workload: Obj | None = None
    unsynced: frozenset[str] = frozenset()
    settings: RolloutSettings = RolloutSettings()
    answers: Mapping[Ask, Answer] = {}
    verification: Verification = Verification()

    @property
    def instance_id(self) -> str:
        return self.settings.instance_id


def observe(key: ObjectKey, world: World, settings: RolloutSettings) -> Observed | Departed | None:
    """None: the Rollout is gone or going without a trace, or belongs to a controller with another instance id."""
    rollout = world.get(ROLLOUTS, key.namespace, key.name)
    if rollout is None or is_deleting(rollout):
        return departed(key, world)
    if labels_of(rollout).get(INSTANCE_ID_LABEL, "") != settings.instance_id:
        return None
    namespace, spec = namespace_of(rollout), parse(rollout)
    kind = workload_kind(spec) if not isinstance(spec, Invalid) else None
    workload = None
    if not isinstance(spec, Invalid) and spec.workload_ref is not None and kind is not None:
        workload = world.get(kind, namespace, spec.workload_ref["name"])
        if workload is None and not world.is_synced(kind):
            return Observed(rollout, spec, workload_kind=kind, unsynced=frozenset({kind.kind}), settings=settings)
        spec = resolved(rollout, spec, workload)
    if isinstance(spec, Invalid):
        return Observed(rollout=rollout, spec=spec, workload_kind=kind, settings=settings)
    replica_sets = tuple(map(read_replica_set, world.indexed(REPLICA_SETS, BY_OWNER, uid_of(rollout))))
    routers, reach = routers_of(spec), remembered(rollout)
    has_left = reach != reach_of(rollout, spec)
    managed = tuple(dict.fromkeys((*managed_routes(spec), *(reach.managed if has_left else ()))))
    look = partial(_there, world)
    targets = [router.targets(name_of(rollout), namespace, managed, look) for router in routers]
    left = reach.routers if has_left else ()
    left_targets = [router.targets(name_of(rollout), namespace, reach.managed, look) for router in left]
    named = sorted({(ref.group, ref.kind) for refs in (*targets, *left_targets) for ref in refs})
    kinds = {(group, kind): world.resource_for(group, kind) for group, kind in named}
    rules = _verification(world, rollout, spec)
    judging = [ref for rule in (*rules.rules, *_pinned(rollout)) for ref in rule.templates]
    return Observed(
        rollout=rollout,
        spec=spec,
        replica_sets=replica_sets,
        pods=_pods(world, spec, replica_sets),
        services={
            name: world.get(SERVICES, namespace, name)
            for name in (*service_names(spec), *reach.services, *reach.steady)
            if name
        },
        routers=routers,
        routes=tuple(_see(world, refs, kinds) for refs in targets),
        route_kinds=kinds,
        managed=managed,
        reach=reach,
        left_routers=left,
        left_routes=tuple(_see(world, refs, kinds) for refs in left_targets),
        runs=tuple(world.indexed(ANALYSIS_RUNS, BY_OWNER, uid_of(rollout))),
        experiments=tuple(world.indexed(EXPERIMENTS, BY_OWNER, uid_of(rollout))),
        templates=templates_of(world, namespace, (*(ref for _, one in analyses(spec) for ref in one.templates), *judging)),
        workload_kind=kind,
        workload=workload,
        unsynced=frozenset(_unsynced(world, spec, kinds)),
        settings=settings,
        answers=_answers(world, rollout, spec),
        verification=rules,
    )


def _answers(world: World, rollout: Obj, spec: RolloutSpec) -> dict[Ask, Answer]:
    call, policy = next_call(rollout, spec), policy_of(rollout)
    budgets = asks_of(policy, namespace_of(rollout)) if policy is not None else ()
    asks: tuple[Ask, ...] = (*((call.ask,) if call is not None else ()), *budgets)
    return {ask: answer for ask in asks if (answer := world.answer(ask)) is not None}


def is_updating(rollout: Obj) -> bool:
    """Whether the status tells of a version that is not the stable one yet."""
    status = status_of(rollout)
    return (status.get("currentPodHash") or "") != (status.get("stableRS") or "")


def _pinned(rollout: Obj) -> tuple[Rule, ...]:
    text = annotations_of(rollout).get(VERIFICATION, "")
    return read_pinned(text).rules if text else ()


def _verification(world: World, rollout: Obj, spec: RolloutSpec) -> Verification:
    kind = world.resource_for(*VERIFICATION_RULES.group_kind)
    if kind is None:
        verification = Verification(is_known=world.has_discovered(""))
    else:
        is_known = world.is_synced(kind)
        rules = rules_for(world.list(kind), rollout)
        verification = Verification(kind, is_known, "" if is_known else world.refusal(kind), rules)
    if not any(rule.templates for rule in verification.rules) and not annotations_of(rollout).get(VERIFICATION):
        return verification
    environment = _environment(world, rollout, spec) if is_updating(rollout) else None
    return msgspec.structs.replace(verification, environment=environment, environment_kinds=ENVIRONMENT_KINDS)


def _environment(world: World, rollout: Obj, spec: RolloutSpec) -> Environment | None:
    """None until it is known. Kinds that we may not read are no part of it."""
    namespace, found = namespace_of(rollout), dict[str, Obj]()
    own = {key_of_workload(ROLLOUTS, name_of(rollout))}
    if spec.workload_ref is not None and (kind := workload_kind(spec)) is not None:
        own.add(key_of_workload(kind, spec.workload_ref["name"]))
    for kind in ENVIRONMENT_KINDS:
        if world.refusal(kind):
            continue
        if not world.is_synced(kind):
            return None
        found.update({key_of_workload(kind, name_of(obj)): obj for obj in world.list(kind, namespace)})
    return environment_of({key: obj for key, obj in found.items() if key not in own})


def _unsynced(world: World, spec: RolloutSpec, kinds: Mapping[tuple[str, str], Resource | None]) -> Iterator[str]:
    """Kinds that this Rollout needs and of which absence means nothing yet: routes, and pods where they are looked at."""
    if not world.has_discovered(""):
        yield from (kind for (_, kind), resource in kinds.items() if resource is None)
    wanted = [*kinds.values(), *((PODS,) if needs_pods(spec) else ())]
    yield from (resource.kind for resource in wanted if resource is not None and not world.is_synced(resource))


def routers_of(spec: RolloutSpec) -> tuple[Router, ...]:
    """The routers that carry the split; none for a canary by pod counts and for blue-green."""
    canary = spec.strategy.canary
    if canary is None or canary.traffic_routing is None:
        return ()
    return tuple(router for _, router in read_routers(canary.traffic_routing) if not isinstance(router, str))


def managed_routes(spec: RolloutSpec) -> tuple[str, ...]:
    """The names that added routes may have, in their order."""
    routing = spec.strategy.canary.traffic_routing if spec.strategy.canary is not None else None
    return tuple(managed.name for managed in (routing.managed_routes if routing else None) or ())


def service_names(spec: RolloutSpec) -> tuple[str, ...]:
    """The services a strategy names: stable and canary, or active and preview."""
    return tuple(named_services(spec).values())


def named_services(spec: RolloutSpec) -> dict[str, str]:
    """The services a strategy names, by the path of the field."""
    canary, blue_green = spec.strategy.canary, spec.strategy.blue_green
    named: dict[str, str] = {}
    if canary is not None:
        named = {"canary.stableService": canary.stable_service, "canary.canaryService": canary.canary_service}
        if canary.ping_pong is not None:
            pair = canary.ping_pong
            turning = {"canary.pingPong.pingService": pair.ping_service, "canary.pingPong.pongService": pair.pong_service}
            named = {**turning, **(named if has_two_pairs(canary) else {})}
    elif blue_green is not None:
        named = {"blueGreen.activeService": blue_green.active_service, "blueGreen.previewService": blue_green.preview_service}
    return {f"spec.strategy.{path}": name for path, name in named.items() if name}


def needs_pods(spec: RolloutSpec) -> bool:
    """Pods are looked at only to restart them or to relabel them; counting them is the ReplicaSets' work."""
    return bool(spec.restart_at) or any(metadata is not None for metadata in role_metadata(spec))


def role_metadata(spec: RolloutSpec) -> tuple[PodMetadata | None, PodMetadata | None]:
    """What pods wear as (new, stable) version."""
    canary, blue_green = spec.strategy.canary, spec.strategy.blue_green
    if canary is not None:
        return canary.canary_metadata, canary.stable_metadata
    return (blue_green.preview_metadata, blue_green.active_metadata) if blue_green is not None else (None, None)


def analyses(spec: RolloutSpec) -> tuple[tuple[str, RolloutAnalysis], ...]:
    """Every analysis the strategy names, with the path at which it stands."""
    canary, blue_green = spec.strategy.canary, spec.strategy.blue_green
    if blue_green is not None:
        both = (("pre", blue_green.pre_promotion_analysis), ("post", blue_green.post_promotion_analysis))
        return tuple((f"spec.strategy.blueGreen.{when}PromotionAnalysis.templates", one) for when, one in both if one)
    return _canary_analyses(canary) if canary is not None else ()


def _canary_analyses(canary: Canary) -> tuple[tuple[str, RolloutAnalysis], ...]:
    steps = [
        (f"spec.strategy.canary.steps[{index}].analysis.templates", step.analysis)
        for index, step in enumerate(canary.steps)
        if step.analysis is not None
    ]
    background = [("spec.strategy.canary.analysis.templates", canary.analysis)] if canary.analysis else []
    return (*background, *steps, *_experiment_analyses(canary))


def _experiment_analyses(canary: Canary) -> Iterator[tuple[str, RolloutAnalysis]]:
    """Those that Experiments of steps will run, each with its one template."""
    for index, step in enumerate(canary.steps):
        for place, one in enumerate(step.experiment.analyses if step.experiment is not None else ()):
            path = f"spec.strategy.canary.steps[{index}].experiment.analyses[{place}].templateName"
            yield path, RolloutAnalysis(templates=(TemplateRef(one.template_name, one.cluster_scope),), args=one.args)


def _pods(world: World, spec: RolloutSpec, replica_sets: Iterable[ReplicaSet]) -> tuple[Obj, ...]:
    if not needs_pods(spec):
        return ()
    return tuple(pod for owner in replica_sets for pod in world.indexed(PODS, BY_OWNER, owner.uid))


def _there(world: World, ref: Ref) -> Obj | None:
    resource = world.resource_for(ref.group, ref.kind)
    return world.get(resource, ref.namespace, ref.name) if resource is not None else None


def _see(world: World, refs: Iterable[Ref], kinds: Mapping[tuple[str, str], Resource | None]) -> Seen:
    objs: dict[Ref, Obj | None] = {}
    for ref in refs:
        resource = kinds[(ref.group, ref.kind)]
        objs[ref] = world.get(resource, ref.namespace, ref.name) if resource is not None else None
    versions = {kind: resource.api_version for kind, resource in kinds.items() if resource is not None}
    return Seen(objs, frozenset(kinds.keys() - versions.keys()), versions)


def templates_of(world: World, namespace: str, refs: Iterable[TemplateRef]) -> dict[TemplateRef, Obj | None]:
    """The templates of these names, and those that they name in turn."""
    found: dict[TemplateRef, Obj | None] = {}
    waiting = list(refs)
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
