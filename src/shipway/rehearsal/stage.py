"""From manifests to a played cluster in which the stable version is live and the new one has just been applied.

What the Rollout names but the files do not hold is made up where that says nothing about the strategy: Services, and routes of
the Gateway API. Anything else that is missing is refused by the engine itself, in its own words.
"""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from shipway.api.kinds import (
    ANALYSIS_TEMPLATES,
    APP_MESH_NODES,
    APP_MESH_ROUTERS,
    APP_MESH_SERVICES,
    CLUSTER_ANALYSIS_TEMPLATES,
    CONFIG_MAPS,
    DESTINATION_RULES,
    GRPC_ROUTES,
    HTTP_ROUTES,
    INGRESSES,
    JOBS,
    MAPPINGS,
    REPLICA_SETS,
    ROLLOUTS,
    SERVICES,
    TRAEFIK_SERVICES,
    TRAFFIC_SPLITS,
    VERIFICATION_RULES,
    VIRTUAL_SERVICES,
)
from shipway.api.plugins import DeclaredPlugins
from shipway.api.rollout import RolloutSpec
from shipway.base.clock import Instant
from shipway.base.errors import InvalidInput
from shipway.kube.objects.patches import merge_patch
from shipway.kube.objects.resource import Obj, Resource, split_api_version
from shipway.kube.objects.views import copy_obj, name_of, namespace_of
from shipway.kube.runtime.controller import ObjectKey
from shipway.rehearsal.world import PlayedCluster, asked_for
from shipway.rollouts.budget.pinned import with_steps
from shipway.rollouts.budget.policy import policy_of
from shipway.rollouts.rollout.controller import RolloutController
from shipway.rollouts.rollout.observe import managed_routes, routers_of, service_names
from shipway.rollouts.rollout.spec import readable
from shipway.rollouts.traffic.router import sees_nothing

KNOWN = (
    ANALYSIS_TEMPLATES,
    APP_MESH_NODES,
    APP_MESH_ROUTERS,
    APP_MESH_SERVICES,
    CLUSTER_ANALYSIS_TEMPLATES,
    CONFIG_MAPS,
    DESTINATION_RULES,
    GRPC_ROUTES,
    HTTP_ROUTES,
    INGRESSES,
    JOBS,
    MAPPINGS,
    ROLLOUTS,
    SERVICES,
    TRAEFIK_SERVICES,
    TRAFFIC_SPLITS,
    VERIFICATION_RULES,
    VIRTUAL_SERVICES,
)
MADE_UP = (HTTP_ROUTES, GRPC_ROUTES)
SETTLING = 60
"""Passes in which a first deployment comes to rest."""
BEFORE = {"metadata": {"annotations": {"shipway.dev/rehearsal": "the version before"}}}


class Stage(Struct, frozen=True):
    """A played cluster with a Rollout under `key` whose new version has just been applied."""

    cluster: PlayedCluster
    key: ObjectKey
    spec: RolloutSpec


def set_up(rollout: Obj, others: Iterable[Obj], start: Instant, controller: RolloutController) -> Stage:
    """Raises InvalidInput with the engine's words for a Rollout that it would not run."""
    spec = readable(rollout)
    if (trial := next((at for one in _every_spec(rollout) if (at := _experiment_of(one)) is not None), None)) is not None:
        where = f"spec.strategy.canary.steps[{trial}].experiment"
        raise InvalidInput(f"{where}: a rehearsal cannot play it: take the step out to rehearse the rest", reason="NotPlayed")
    namespace = namespace_of(rollout) or "default"
    wanted = _placed(rollout, ROLLOUTS, namespace)
    cluster = PlayedCluster(start)
    for kind in KNOWN:
        cluster.serve(kind)
    for obj in others:
        resource = _resource(obj)
        cluster.put(resource, _placed(obj, resource, namespace))
    _fill_in(cluster, spec, name_of(rollout), namespace)
    key = ObjectKey(namespace, name_of(rollout))
    _deploy_before(cluster, key, wanted, controller)
    cluster.put(ROLLOUTS, {**(cluster.get(ROLLOUTS, *_names(key)) or {}), "spec": wanted["spec"]})
    return Stage(cluster, key, spec)


def passed_over(rollout: Obj) -> DeclaredPlugins:
    """The plugins of its steps, each as one that is disabled: none is run. Raises InvalidInput as the engine does."""
    canaries = (spec.strategy.canary for spec in _every_spec(rollout))
    steps = (step for canary in canaries if canary is not None for step in canary.steps)
    names = frozenset(step.plugin.name for step in steps if step.plugin is not None)
    return DeclaredPlugins(steps=names, disabled=names)


def _every_spec(rollout: Obj) -> Iterator[RolloutSpec]:
    """As it is written, and with the steps of each strategy that the error budget may choose."""
    yield readable(rollout)
    policy = policy_of(rollout)
    for one in policy.strategies if policy is not None else ():
        if one.steps is not None:
            yield readable(with_steps(rollout, list(one.steps)))


def _experiment_of(spec: RolloutSpec) -> int | None:
    steps = spec.strategy.canary.steps if spec.strategy.canary is not None else ()
    return next((index for index, step in enumerate(steps) if step.experiment is not None), None)


def _names(key: ObjectKey) -> tuple[str, str]:
    return key.namespace, key.name


def _resource(obj: Obj) -> Resource:
    group, version = split_api_version(str(obj.get("apiVersion") or ""))
    kind = str(obj.get("kind") or "")
    known = next((one for one in KNOWN if one.group_kind == (group, kind)), None)
    return known or Resource(group, version, kind, f"{kind.lower()}s")


def _placed(obj: Obj, resource: Resource, namespace: str) -> Obj:
    where = {"namespace": namespace_of(obj) or namespace} if resource.namespaced else {}
    body = {key: value for key, value in copy_obj(obj).items() if key != "status"}
    return {**body, "metadata": {**body.get("metadata", {}), **where}}


def _fill_in(cluster: PlayedCluster, spec: RolloutSpec, name: str, namespace: str) -> None:
    services = service_names(spec)
    for service in services:
        if cluster.get(SERVICES, namespace, service) is None:
            labels = (spec.selector or {}).get("matchLabels") or {}
            meta = {"name": service, "namespace": namespace}
            cluster.put(SERVICES, {"metadata": meta, "spec": {"selector": labels, "ports": [{"port": 80}]}})
    for router in routers_of(spec):
        for ref in router.targets(name, namespace, managed_routes(spec), sees_nothing):
            kind = next((one for one in MADE_UP if one.group_kind == (ref.group, ref.kind)), None)
            if kind is not None and cluster.get(kind, ref.namespace, ref.name) is None:
                refs = [{"name": one, "port": 80, "weight": 0 if index else 100} for index, one in enumerate(services)]
                meta = {"name": ref.name, "namespace": ref.namespace}
                cluster.put(kind, {"metadata": meta, "spec": {"rules": [{"backendRefs": refs}]}})


def _deploy_before(cluster: PlayedCluster, key: ObjectKey, wanted: Obj, controller: RolloutController) -> None:
    """The version before: the same pods with a mark. A first deployment walks no steps."""
    before = merge_patch(wanted, {"spec": {"template": BEFORE, "paused": None, "restartAt": None}})
    cluster.put(ROLLOUTS, before)
    for _ in range(SETTLING):
        writes = cluster.writes
        cluster.pass_over(controller, key)
        for rs in cluster.list(REPLICA_SETS):
            cluster.report(rs, asked_for(rs), asked_for(rs))
        if cluster.writes == writes:
            break
    cluster.events.clear()
