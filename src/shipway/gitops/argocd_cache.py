"""What Argo CD's application controller leaves in the cache for `argocd-server`: names of keys and shapes of values.

    app|resources-tree|NAME|VERSION        the tree of an application: managed objects, what they brought forth, orphans
    app|managed-resources|NAME|VERSION     each managed object as it is, as Git wants it and as a sync would leave it
    cluster|info|SERVER|VERSION            whether a cluster answers

NAME is the name of an application of the control-plane namespace, or namespace_name. VERSION is the format's; all that there
have been since 1.8.3 are alike in what is written here. `.gz` at the end: the JSON is compressed. A message on the channel of
the managed resources says that the tree is another one.
"""

import gzip
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Literal

import orjson
from msgspec import Struct

from shipway.base.clock import Instant, rfc3339
from shipway.gitops.cluster_metrics import KnownCluster
from shipway.gitops.comparison import Item
from shipway.gitops.ignore import without
from shipway.gitops.masking import is_secret, masked
from shipway.gitops.ownership import Context, as_wanted, comparable, left_alone
from shipway.gitops.tree import Tree
from shipway.gitops.tree_document import node_document
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import resource_version_of

_KEY = re.compile(r"(app\|resources-tree|app\|managed-resources|cluster\|info)\|([^|]+)\|([^|]+?)(\.gz)?")
_WHAT: dict[str, Literal["tree", "managed", "cluster"]] = {
    "app|resources-tree": "tree",
    "app|managed-resources": "managed",
    "cluster|info": "cluster",
}


class CacheKey(Struct, frozen=True):
    """`name`: of the application, or the URL of a cluster. `is_packed`: compressed."""

    what: Literal["tree", "managed", "cluster"]
    name: str
    is_packed: bool = False


def read_key(text: str) -> CacheKey | None:
    """None for keys that are no view of ours."""
    found = _KEY.fullmatch(text)
    return CacheKey(_WHAT[found[1]], found[2], found[4] is not None) if found else None


def packed(value: Any, key: CacheKey) -> bytes:
    """As Argo CD encodes it; equal values give equal bytes."""
    text = orjson.dumps(value)
    return gzip.compress(text, compresslevel=1, mtime=0) if key.is_packed else text


def tree_value(tree: Tree, orphaned: Tree) -> Obj:
    """Both lists in the order of group, kind, namespace and name."""
    lists = {"nodes": tree, "orphanedNodes": orphaned}
    return {
        name: [node_document(node) for node in sorted(one.nodes, key=lambda node: node.ref)]
        for name, one in lists.items()
        if one.nodes
    }


def managed_value(items: Iterable[tuple[Item, Obj | None]], context: Context, annotations: Collection[str]) -> list[Obj]:
    """`items`: each with what a sync would make of it. `annotations`: those of Secrets that are masked too."""
    in_order = sorted(items, key=lambda pair: pair[0].ref)
    return [_row(item, predicted, context, annotations) for item, predicted in in_order]


def cluster_value(cluster: KnownCluster, now: Instant) -> Obj:
    """A cluster that nobody has spoken to yet is said to be unknown."""
    answered = "Successful" if cluster.version else "Unknown"
    state = {"status": answered if cluster.answers else "Failed", "message": "", "attemptedAt": rfc3339(now)}
    told = ".".join(cluster.version.removeprefix("v").split(".")[:2])  # as Argo CD says it
    version = {"serverVersion": told} if told else {}
    return {"connectionState": state, **version, "cacheInfo": {}, "applicationsCount": 0}


def target_of(item: Item, context: Context) -> Obj | None:
    """Git's object, with the leaves that are somebody else's as they are: a weight that moved is no difference."""
    if item.desired is None or item.live_obj is None:
        return item.desired.obj if item.desired else None
    return as_wanted(item.desired, item.live_obj, item.claims, context)


def _row(item: Item, predicted: Obj | None, context: Context, annotations: Collection[str]) -> Obj:
    live, target = item.live_obj, target_of(item, context)
    ignored = left_alone(item.desired, context) if item.desired else ()
    if is_secret(item.ref.group, item.ref.kind):
        target, live, predicted = masked((target, live, predicted), annotations)
    normal = _normal(live, ignored)
    after = normal if item.state == "Synced" and live is not None else _normal(predicted or target, ignored)
    row: Obj = {
        "group": item.ref.group,
        "kind": item.ref.kind,
        "namespace": item.ref.namespace,
        "name": item.ref.name,
        "targetState": _text(target),
        "liveState": _text(live),
        "normalizedLiveState": _text(normal),
        "predictedLiveState": _text(after if item.desired is not None else None),
        "resourceVersion": resource_version_of(live) if live else "",
        "modified": item.state != "Synced",
        "hook": item.is_hook,
    }
    return {field: value for field, value in row.items() if value}


def _normal(obj: Obj | None, ignored: Sequence[str]) -> Obj | None:
    """What can differ. Who owns which field cannot: what rules leave to field managers is alike on both sides already."""
    return without(comparable(obj), ignored) if obj is not None else None


def _text(obj: Obj | None) -> str:
    return orjson.dumps(obj).decode()
