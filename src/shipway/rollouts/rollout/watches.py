"""What wakes a Rollout: itself, what it owns, and what it names (services, routes, templates), by index."""

from collections.abc import Callable, Iterable

from msgspec import Struct

from shipway.api.app_mesh import GROUP as APP_MESH
from shipway.api.app_mesh import VIRTUAL_ROUTER, nodes_of
from shipway.api.kinds import (
    ANALYSIS_RUNS,
    ANALYSIS_TEMPLATES,
    CLUSTER_ANALYSIS_TEMPLATES,
    EXPERIMENTS,
    PODS,
    REPLICA_SETS,
    ROLLOUTS,
    SERVICES,
)
from shipway.api.rollout import RolloutSpec
from shipway.kube.objects.resource import Obj, Resource, split_api_version
from shipway.kube.objects.views import annotations_of, controller_of, name_of, namespace_of, status_of
from shipway.kube.runtime.controller import ObjectKey, key_of
from shipway.kube.runtime.decision import Indexed, Watch
from shipway.rollouts.rollout.departed import BY_VARIANTS, owners_of, rollouts_in
from shipway.rollouts.rollout.names import HASH_LABEL, UNVERIFIED, VERIFICATION
from shipway.rollouts.rollout.observe import (
    BY_OWNER,
    Verification,
    analyses,
    is_updating,
    managed_routes,
    routers_of,
    service_names,
)
from shipway.rollouts.rollout.spec import parse
from shipway.rollouts.traffic.gateway_api import GROUP as GATEWAY_API
from shipway.rollouts.traffic.router import sees_nothing

BY_REFERENCE, BY_HELD, BY_JUDGED = "named", "held", "judged"


def by_owner(obj: Obj) -> Iterable[str]:
    """The uid of the controller that owns an object."""
    owner = controller_of(obj)
    return (owner.get("uid", ""),) if owner is not None else ()


def owner_in(resource: Resource, obj: Obj) -> Iterable[ObjectKey]:
    """The key of the object of a kind that controls `obj`, at whatever version of its group."""
    owner = controller_of(obj)
    if owner is None or (split_api_version(owner.get("apiVersion", ""))[0], owner.get("kind")) != resource.group_kind:
        return ()
    return (ObjectKey(namespace_of(obj), owner.get("name", "")),)


def owning_rollout(obj: Obj) -> Iterable[ObjectKey]:
    return owner_in(ROLLOUTS, obj)


def nobody(obj: Obj) -> Iterable[ObjectKey]:
    return ()


def named_by(rollout: Obj) -> Iterable[str]:
    """Everything a Rollout names, as `Kind/namespace/name`."""
    spec = parse(rollout)
    if not isinstance(spec, RolloutSpec):
        return
    namespace = namespace_of(rollout)
    for name in service_names(spec):
        yield f"Service/{namespace}/{name}"
    for router in routers_of(spec):
        for ref in router.targets(name_of(rollout), namespace, managed_routes(spec), sees_nothing):
            yield f"{ref.kind}/{ref.namespace}/{ref.name}"
    if spec.workload_ref is not None:
        yield f"{spec.workload_ref['kind']}/{namespace}/{spec.workload_ref['name']}"
    for _, analysis in analyses(spec):
        for template in analysis.templates:
            kind, where = ("ClusterAnalysisTemplate", "") if template.cluster_scope else ("AnalysisTemplate", namespace)
            yield f"{kind}/{where}/{template.template_name}"


def held(rollout: Obj) -> Iterable[str]:
    """The namespace of a Rollout whose new version waits for verification rules or their templates; "*" stands for all."""
    conditions = status_of(rollout).get("conditions") or []
    return (namespace_of(rollout), "*") if any(one.get("reason") == UNVERIFIED for one in conditions) else ()


def judged(rollout: Obj) -> Iterable[str]:
    """The namespace of a Rollout whose update verification rules judge: what changes there may void their verdict."""
    return (namespace_of(rollout),) if is_updating(rollout) and VERIFICATION in annotations_of(rollout) else ()


def own_and_beside(rollout: Obj) -> Iterable[ObjectKey | Indexed]:
    """A Rollout is something that those beside it in its namespace are judged beside."""
    return (key_of(rollout), Indexed(ROLLOUTS, BY_JUDGED, namespace_of(rollout)))


def all_held(rule: Obj) -> Iterable[Indexed]:
    """A rule concerns updates that begin after it, and those that wait."""
    return (Indexed(ROLLOUTS, BY_HELD, "*"),)


class NamedBy(Struct, frozen=True):
    """Wakes the Rollouts that name an object of one kind; of the further `index` those of its namespace."""

    kind: str
    index: str = ""

    def __call__(self, obj: Obj) -> Iterable[ObjectKey | Indexed]:
        named = Indexed(ROLLOUTS, BY_REFERENCE, f"{self.kind}/{namespace_of(obj)}/{name_of(obj)}")
        return (named, Indexed(ROLLOUTS, self.index, namespace_of(obj) or "*")) if self.index else (named,)


def named_by_nodes(router: Obj) -> Iterable[Indexed]:
    """Wakes the Rollouts that name a VirtualNode to which a VirtualRouter leads; the router itself none of them names."""
    refs = sorted((ref.kind, ref.namespace, ref.name) for ref in nodes_of(router))
    return tuple(Indexed(ROLLOUTS, BY_REFERENCE, "/".join(ref)) for ref in refs)


def referred(resource: Resource, index: str = "") -> Watch:
    """A watch on a kind that Rollouts name: it wakes those that name the object, and those of its namespace in `index`."""
    return Watch(resource, NamedBy(resource.kind, index))


def workload_watch(kind: Resource) -> Watch:
    """What a Rollout takes its template from, or is judged beside."""
    return referred(kind, BY_JUDGED)


def owned(kind: Resource, keys: Callable[[Obj], Iterable[ObjectKey]]) -> Watch:
    """What our controllers made of a kind, by the uid of its owner. The many ReplicaSets of Deployments are left out."""
    return Watch(kind, keys, indexes={BY_OWNER: by_owner}, label_selector=HASH_LABEL if kind == REPLICA_SETS else "")


def verification_watches(seen: Verification) -> tuple[Watch, ...]:
    """The rules, where there are such; and what else runs, where some rule is meant for the Rollout."""
    rules = (Watch(seen.kind, all_held),) if seen.kind is not None else ()
    beside = (workload_watch(kind) for kind in seen.environment_kinds if kind != ROLLOUTS)
    return (*rules, *beside)


class NamedOrRecorded(NamedBy, frozen=True):
    """Wakes the Rollouts that name a route, and those of which variants stand in it, whether or not they are there."""

    def __call__(self, obj: Obj) -> Iterable[ObjectKey | Indexed]:
        return (*super().__call__(obj), *owners_of(obj))


def route_watch(resource: Resource) -> Watch:
    if resource.group == GATEWAY_API:
        return Watch(resource, NamedOrRecorded(resource.kind), indexes={BY_VARIANTS: rollouts_in})
    if resource.group_kind == (APP_MESH, VIRTUAL_ROUTER):
        return Watch(resource, named_by_nodes)
    return referred(resource)


POD_WATCH = Watch(PODS, nobody, indexes={BY_OWNER: by_owner})

WATCHES = (
    Watch(ROLLOUTS, own_and_beside, indexes={BY_REFERENCE: named_by, BY_HELD: held, BY_JUDGED: judged}),
    *(owned(kind, owning_rollout) for kind in (REPLICA_SETS, ANALYSIS_RUNS, EXPERIMENTS)),
    referred(SERVICES),
    referred(ANALYSIS_TEMPLATES, BY_HELD),
    referred(CLUSTER_ANALYSIS_TEMPLATES, BY_HELD),
)
