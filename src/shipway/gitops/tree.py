"""The resource tree of an application: what it manages, and what that brought forth, down to the pods.

    Root        an object that the application manages, as its status lists it, with the live object if there is one
    Node        one object of the tree, with everything that can be shown of it
    tree_of     walks from the roots to their children; pure, and as large as what it finds

Whoever calls says where children come from: `children(obj)` is an index lookup, by owner reference in a cache or in what was
just read, so the cost follows the application's objects and not the cluster's. Fields are those of Argo CD's resource tree.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct

from shipway.gitops.health import Health, health_of
from shipway.gitops.tree_details import Network, images_in, info_of, network_of
from shipway.kube.objects.resource import Obj, Ref, ref_of, split_api_version
from shipway.kube.objects.views import dig, metadata, name_of, namespace_of, resource_version_of, status_of, uid_of

Children = Callable[[Obj], Iterable[Obj]]
Judge = Callable[[Obj], Health | None]
TOLD = {"Status Reason": "{}", "Containers": "ready:{}", "Restart Count": "restarts:{}", "Revision": "{}"}
"""What is told of a node's facts, and how."""


class Parent(Struct, frozen=True):
    """Whose child a node is."""

    ref: Ref
    uid: str


class Node(Struct, frozen=True):
    """One object. `above`: the uid of the one it stands below. `sync` is "" for what the application does not manage itself;
    `is_live` is false for what is missing."""

    ref: Ref
    version: str = ""
    uid: str = ""
    above: str = ""
    created: str = ""
    resource_version: str = ""
    parents: tuple[Parent, ...] = ()
    sync: str = ""
    health: Health | None = None
    info: tuple[tuple[str, str], ...] = ()
    images: tuple[str, ...] = ()
    network: Network | None = None
    is_live: bool = True


class Root(Struct, frozen=True):
    """What the application manages: a row of its status, and the live object."""

    ref: Ref
    version: str
    sync: str
    health: Health | None = None
    live: Obj | None = None


class Tree(Struct, frozen=True):
    """`nodes`: parents before their children."""

    nodes: tuple[Node, ...]

    @property
    def tops(self) -> tuple[Node, ...]:
        """The nodes that stand below no other."""
        return tuple(node for node in self.nodes if not node.above)

    @property
    def below(self) -> Mapping[str, tuple[Node, ...]]:
        """Children by the uid of their parent."""
        found: dict[str, list[Node]] = defaultdict(list)
        for node in self.nodes:
            found[node.above].append(node)
        return {uid: tuple(nodes) for uid, nodes in found.items() if uid}


def roots_in(app: Obj) -> tuple[Root, ...]:
    """The objects that the status of an application lists, hooks that are gone left out; live objects are not known yet."""
    rows: list[Obj] = status_of(app).get("resources") or []
    return tuple(_root(row) for row in rows)


def tree_of(roots: Sequence[Root], children: Children, judge: Judge = health_of) -> Tree:
    """Every object once, below the first of its owners that leads to it. A circle of owners ends where it began."""
    managed = {uid_of(root.live): root for root in roots if root.live is not None}
    nodes: dict[str, Node] = {}

    def walk(obj: Obj, owner: Obj | None) -> None:
        uid = uid_of(obj)
        if uid in nodes:
            return
        root = managed.get(uid)
        said = root.health if root else None  # another engine may keep it out of the status
        nodes[uid] = _node(obj, owner, root.sync if root else "", said or judge(obj))
        for child in sorted(children(obj), key=_place):
            walk(child, obj)

    for root in sorted(managed.values(), key=lambda root: any(owner in managed for owner in owners_of(root.live or {}))):
        walk(root.live or {}, None)
    missing = [_missing(root) for root in roots if root.live is None]
    return Tree((*nodes.values(), *missing))


def allowed(tree: Tree, allows: Callable[[Ref], bool]) -> Tree:
    """What of it somebody may see: what is not allowed goes with everything below it."""
    kept: list[Node] = []
    gone: set[str] = set()
    for node in tree.nodes:  # parents come first
        if node.above in gone or not allows(node.ref):
            gone.add(node.uid or str(node.ref))
        else:
            kept.append(node)
    return Tree(tuple(kept))


def owners_of(obj: Obj) -> tuple[str, ...]:
    """The uids of its owners: the index under which `children` finds it."""
    references: list[Obj] = metadata(obj).get("ownerReferences") or []
    return tuple(one["uid"] for one in references if one.get("uid"))


def by_owner(objects: Iterable[Obj], stateful_sets: Iterable[Obj] = ()) -> Children:
    """An index of `objects` by owner reference. Claims of StatefulSets name no owner: they belong by their names."""
    found: dict[str, dict[str, Obj]] = defaultdict(dict)
    volumes = {(namespace_of(one), prefix): uid_of(one) for one in stateful_sets for prefix in _claim_prefixes(one)}
    for obj in objects:
        for owner in owners_of(obj) or _inferred_owner(obj, volumes):
            found[owner][uid_of(obj)] = obj
    return lambda obj: found.get(uid_of(obj), {}).values()


def _claim_prefixes(stateful_set: Obj) -> list[str]:
    templates: list[Obj] = dig(stateful_set, "spec", "volumeClaimTemplates", default=[])
    return [f"{name_of(template)}-{name_of(stateful_set)}" for template in templates]


def _inferred_owner(obj: Obj, volumes: Mapping[tuple[str, str], str]) -> tuple[str, ...]:
    prefix, _, ordinal = name_of(obj).rpartition("-")
    uid = volumes.get((namespace_of(obj), prefix)) if obj.get("kind") == "PersistentVolumeClaim" and ordinal.isdigit() else None
    return (uid,) if uid else ()


def _root(row: Obj) -> Root:
    ref = Ref(row.get("group") or "", row.get("kind") or "", row.get("namespace") or "", row.get("name") or "")
    said: Obj = row.get("health") or {}
    health = Health(said["status"], said.get("message") or "") if said.get("status") else None
    return Root(ref, row.get("version") or "", row.get("status") or "", health)


def _node(obj: Obj, owner: Obj | None, sync: str, health: Health | None) -> Node:
    meta = metadata(obj)
    references: list[Obj] = meta.get("ownerReferences") or []
    parents = [_parent(one, namespace_of(obj)) for one in references if one.get("uid")]
    if owner is not None and all(parent.uid != uid_of(owner) for parent in parents):
        parents.append(Parent(ref_of(owner), uid_of(owner)))
    return Node(
        ref_of(obj),
        split_api_version(obj.get("apiVersion") or "")[1],
        uid_of(obj),
        uid_of(owner) if owner is not None else "",
        meta.get("creationTimestamp") or "",
        resource_version_of(obj),
        tuple(parents),
        sync,
        health,
        info_of(obj),
        images_in(obj),
        network_of(obj),
    )


def _parent(reference: Obj, namespace: str) -> Parent:
    group, _ = split_api_version(reference.get("apiVersion") or "")
    return Parent(Ref(group, reference.get("kind") or "", namespace, reference.get("name") or ""), reference["uid"])


def _missing(root: Root) -> Node:
    return Node(root.ref, root.version, sync=root.sync, health=root.health or Health("Missing"), is_live=False)


def _place(obj: Obj) -> tuple[str, str, str]:
    return obj.get("kind") or "", namespace_of(obj), name_of(obj)


def told_of(node: Node) -> str:
    """In one line: why it is as it is, its containers and restarts, where it leads, at which addresses."""
    facts = dict(node.info)
    told = [form.format(facts[name]) for name, form in TOLD.items() if name in facts]
    network = node.network
    if network is not None:
        told += [f"→ {ref.kind}/{ref.name}" for ref in network.target_refs]
        told += [*network.ingress, *(url.rpartition("|")[2] for url in network.urls)]
    if node.health is not None and node.health.status != "Healthy" and node.health.message:
        told.append(node.health.message)
    return "  ".join(dict.fromkeys(told))
