"""The resource tree of one application as it is now, read from the API server of whoever looks.

The engine holds neither pods nor ReplicaSets (they are most of a cluster, and no decision needs them), so the tree is read when
somebody wants to see it: the objects that the status names, then level by level what they own. What the owners' own selectors
select is asked for, so that a large namespace costs no more than a small one; only custom kinds, of which nobody knows what
they bring forth, make us look through all kinds of their namespace, and then at metadata only.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from shipway.api.application import control_namespace_of
from shipway.api.kinds import ANALYSIS_RUNS, CONFIG_MAPS, ENDPOINT_SLICES, EXPERIMENTS, JOBS, PODS, REPLICA_SETS
from shipway.assembly.scripts import Scripts
from shipway.base.clock import Clock
from shipway.base.errors import Denied, InvalidInput, NotFound, ShipwayError
from shipway.gitops.asks import HealthAsk
from shipway.gitops.customizations import CONFIG_MAP, Customizations, read_customizations
from shipway.gitops.health import Health, health_of
from shipway.gitops.health.scripted import scripted_health
from shipway.gitops.scope import Scope, read_scope
from shipway.gitops.tree import Root, Tree, by_owner, owners_of, roots_in, tree_of
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Ref, Resource, split_api_version
from shipway.kube.objects.selectors import label_selector_of
from shipway.kube.objects.views import name_of, namespace_of, spec_of, status_of, uid_of
from shipway.kube.runtime.decision import Answer

AT_ONCE = 16
"""Requests under way."""
MOST_ORPHANS = 500
"""Shown of one application."""
ONE_BY_ONE = 8
"""Up to so many objects (or owners) of a kind in a namespace are asked for singly; with more the kind is listed once."""
CLAIMS = Resource("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims")
REVISIONS = Resource("apps", "v1", "ControllerRevision", "controllerrevisions", status_subresource=False)
CHILDREN: dict[tuple[str, str], tuple[Resource, ...]] = {
    ("apps", "Deployment"): (REPLICA_SETS,),
    ("apps", "ReplicaSet"): (PODS,),
    ("apps", "StatefulSet"): (PODS, CLAIMS, REVISIONS),
    ("apps", "DaemonSet"): (PODS, REVISIONS),
    ("", "ReplicationController"): (PODS,),
    ("", "Service"): (ENDPOINT_SLICES,),
    ("batch", "CronJob"): (JOBS,),
    ("batch", "Job"): (PODS,),
    ("argoproj.io", "Rollout"): (REPLICA_SETS, ANALYSIS_RUNS, EXPERIMENTS),
    ("argoproj.io", "Experiment"): (REPLICA_SETS, ANALYSIS_RUNS),
    ("argoproj.io", "AnalysisRun"): (JOBS,),
}
"""What kinds bring forth that everybody knows."""
SELECTED = {REPLICA_SETS, PODS}
"""Children that carry the labels of their owner's selector."""
CHILDLESS_GROUPS = ("", "apps", "batch", "autoscaling", "policy", "argoproj.io")


class Sight(Struct, frozen=True):
    """`objects`: the live ones of the tree. `unseen`: kinds that whoever looks may not list. `orphaned`: a tree of what belongs
    to no application."""

    tree: Tree
    objects: tuple[Obj, ...] = ()
    unseen: tuple[str, ...] = ()
    orphaned: Tree = Tree(())


class Managed(Struct, frozen=True):
    """A live object and the kind it was read as."""

    obj: Obj
    resource: Resource


async def resource_tree(
    client: Client,
    application: Obj,
    clock: Clock,
    there: Client,
    *,
    orphans: Collection[Ref] = (),
    served: Sequence[Resource] = (),
) -> Sight:
    """The tree of the application whose object this is; `there` speaks to the cluster that its objects live in. `orphans`: what
    lies beside it and belongs to nobody, if that is to be shown too. `served`: the cluster's kinds, asked of it where nobody
    knows them."""
    reader = await _reader(there, served)
    settings = await settings_of(client, application)
    tree, objects = await _tree(reader, roots_in(application), settings, clock)
    strays = [Root(ref, "", "") for ref in sorted(orphans)[:MOST_ORPHANS]]
    orphaned, _ = await _tree(reader, strays, settings, clock) if strays else (Tree(()), ())
    is_there = Tree(tuple(node for node in orphaned.nodes if node.is_live))
    return Sight(tree, objects, tuple(sorted(reader.unseen)), is_there)


async def _tree(
    reader: "_Reader", wanted: Sequence[Root], settings: Mapping[str, str], clock: Clock
) -> tuple[Tree, tuple[Obj, ...]]:
    roots = await reader.live(wanted)
    lives = [root.live for root in roots if root.live is not None]
    found = await _descendants(reader, lives, read_scope(settings))
    everything = (*lives, *found)
    stateful_sets = [obj for obj in everything if obj.get("kind") == "StatefulSet"]
    unjudged = [root.live for root in roots if root.live is not None and root.health is None]
    healths = await _scripted([*unjudged, *found], read_customizations({"data": settings}), clock)
    tree = tree_of(roots, by_owner(everything, stateful_sets), lambda obj: healths.get(uid_of(obj)) or health_of(obj))
    return tree, everything


async def live_objects(there: Client, application: Obj, fits: Callable[[Ref], bool] = lambda _: True) -> list[Managed]:
    """What is live of the objects that the application manages, of those that fit; `there` is their cluster."""
    reader = await _reader(there)
    roots = await reader.live([root for root in roots_in(application) if fits(root.ref)])
    return [Managed(root.live, reader.served[root.ref.group, root.ref.kind]) for root in roots if root.live is not None]


async def settings_of(client: Client, application: Obj) -> dict[str, str]:
    """What `argocd-cm` says; nothing where it is not there or not for us to see."""
    namespace = control_namespace_of(application)
    try:
        return (await client.get(CONFIG_MAPS, namespace, CONFIG_MAP)).get("data") or {}
    except (NotFound, Denied):
        return {}


async def _reader(client: Client, served: Sequence[Resource] = ()) -> "_Reader":
    """Kinds at the versions that the server prefers, which it names first."""
    return _Reader(client, {one.group_kind: one for one in reversed(served or await client.discover())})


class _Reader:
    """Reads a few things at once, and remembers what it was not allowed to see."""

    def __init__(self, client: Client, served: dict[tuple[str, str], Resource]) -> None:
        self.served = served
        self.unseen: set[str] = set()
        self._client = client
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._metadata: dict[str, list[tuple[Resource, Obj]]] = {}

    async def live(self, roots: Sequence[Root]) -> tuple[Root, ...]:
        """The roots with their live objects. A kind with many of them in a namespace is listed."""
        groups: dict[tuple[Resource, str], set[str]] = defaultdict(set)
        for root in roots:
            if resource := self.served.get((root.ref.group, root.ref.kind)):
                groups[resource, root.ref.namespace].add(root.ref.name)
        async with asyncio.TaskGroup() as group:
            tasks = {place: group.create_task(self._named(*place, names)) for place, names in groups.items()}
        found = {(kind.group, kind.kind, where, name_of(o)): o for (kind, where), t in tasks.items() for o in t.result()}
        return tuple(
            replace(root, live=found.get((root.ref.group, root.ref.kind, root.ref.namespace, root.ref.name))) for root in roots
        )

    def serves(self, resource: Resource) -> bool:
        return resource.group_kind in self.served

    async def children(self, owners: Sequence[Obj], resource: Resource, namespace: str) -> list[Obj]:
        """Objects of a kind that these owners of one namespace own. Claims are owned by name: all of them are given."""
        selectors = {_selector(owner, resource) for owner in owners}
        asked = selectors if "" not in selectors and len(selectors) <= ONE_BY_ONE else {""}
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._list(resource, namespace, selector)) for selector in asked]
        uids = {uid_of(owner) for owner in owners}
        found = {uid_of(obj): obj for task in tasks for obj in task.result()}
        return [obj for obj in found.values() if resource == CLAIMS or uids & {*owners_of(obj)}]

    async def any_children(self, owners: Sequence[Obj], namespace: str) -> list[Obj]:
        """Objects of whatever kind in the namespace that these owners own."""
        if namespace not in self._metadata:
            kinds = [one for one in self.served.values() if one.namespaced]
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._list(one, namespace, metadata_only=True)) for one in kinds]
            pairs = [(kind, obj) for kind, task in zip(kinds, tasks, strict=True) for obj in task.result() if owners_of(obj)]
            self._metadata[namespace] = pairs
        uids = {uid_of(owner) for owner in owners}
        mine = [(kind, obj) for kind, obj in self._metadata[namespace] if uids & {*owners_of(obj)}]
        async with asyncio.TaskGroup() as group:
            whole = [group.create_task(self._get(kind, namespace, name_of(obj))) for kind, obj in mine]
        return [obj for task in whole if (obj := task.result()) is not None]

    async def _named(self, resource: Resource, namespace: str, names: set[str]) -> list[Obj]:
        if len(names) > ONE_BY_ONE:
            return [obj for obj in await self._list(resource, namespace) if name_of(obj) in names]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._get(resource, namespace, name)) for name in names]
        return [obj for task in tasks if (obj := task.result()) is not None]

    async def _get(self, resource: Resource, namespace: str, name: str) -> Obj | None:
        async with self._gate:
            try:
                return await self._client.get(resource, namespace, name)
            except NotFound:
                return None
            except Denied:
                self.unseen.add(resource.plural)
                return None

    async def _list(self, resource: Resource, namespace: str, selector: str = "", *, metadata_only: bool = False) -> list[Obj]:
        async with self._gate:
            try:
                listing = await self._client.list(resource, namespace, label_selector=selector, metadata_only=metadata_only)
            except NotFound:
                return []
            except Denied:
                self.unseen.add(resource.plural)
                return []
        return list(listing.items)


async def _descendants(reader: _Reader, tops: Sequence[Obj], scope: Scope) -> list[Obj]:
    """Level by level, everything below `tops`."""
    found: dict[str, Obj] = {}
    level = list(tops)
    while level:
        below = await _next_level(reader, level, scope)
        new = {uid_of(obj): obj for obj in below if uid_of(obj) not in found and _is_shown(obj, scope)}
        found |= new
        level = list(new.values())
    return list(found.values())


async def _next_level(reader: _Reader, level: Sequence[Obj], scope: Scope) -> list[Obj]:
    known: dict[tuple[Resource, str], list[Obj]] = defaultdict(list)
    custom: dict[str, list[Obj]] = defaultdict(list)
    for obj in level:
        kinds, namespace = _kinds_below(obj), namespace_of(obj)
        for resource in kinds or ():
            known[resource, namespace].append(obj)
        if kinds is None and namespace:
            custom[namespace].append(obj)
    wanted = [place for place in known if reader.serves(place[0]) and not scope.leaves_out(*place[0].group_kind)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(reader.children(known[place], *place)) for place in wanted]
        tasks += [group.create_task(reader.any_children(owners, namespace)) for namespace, owners in custom.items()]
    return [obj for task in tasks for obj in task.result()]


def _is_shown(obj: Obj, scope: Scope) -> bool:
    return not scope.leaves_out(split_api_version(obj.get("apiVersion") or "")[0], obj.get("kind") or "")


def _kinds_below(obj: Obj) -> tuple[Resource, ...] | None:
    """What may stand below an object; None: nobody knows."""
    group, kind = split_api_version(obj.get("apiVersion") or "")[0], obj.get("kind") or ""
    if kind == "ReplicaSet" and not spec_of(obj).get("replicas") and not status_of(obj).get("replicas"):
        return ()
    if (group, kind) in CHILDREN:
        return CHILDREN[group, kind]
    is_childless = group in CHILDLESS_GROUPS or group.endswith(".k8s.io")
    return () if is_childless else None


def _selector(owner: Obj, resource: Resource) -> str:
    """The labels that children of this kind carry, as text; "" where they are not known."""
    if resource == ENDPOINT_SLICES:
        return f"kubernetes.io/service-name={name_of(owner)}"
    selector = spec_of(owner).get("selector") if resource in SELECTED else None
    if not selector:
        return ""
    written = selector if owner.get("kind") != "ReplicationController" else {"matchLabels": selector}
    try:
        return str(label_selector_of(written))
    except InvalidInput:
        return ""


async def _scripted(objects: Sequence[Obj], said: Customizations, clock: Clock) -> dict[str, Health]:
    """What the team's own scripts say of these objects; no worker is started where they say nothing."""
    asked = [(obj, one.ask) for obj in objects if (one := scripted_health(obj, said, lambda _: None)) is not None]
    if not asked:
        return {}
    judged: dict[str, Health] = {}
    async with Scripts.open(clock) as scripts:
        for obj, ask in asked:
            answer = await _answer(scripts, ask)
            one = scripted_health(obj, said, lambda _, answer=answer: answer)
            if one is not None and one.health is not None:
                judged[uid_of(obj)] = one.health
    return judged


async def _answer(scripts: Scripts, ask: HealthAsk) -> Answer:
    try:
        return Answer(await scripts.health(ask))
    except ShipwayError as error:
        return Answer(error=error)
