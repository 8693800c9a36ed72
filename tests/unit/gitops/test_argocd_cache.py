"""What `argocd-server` reads: names of keys, and the values of a small application as they stand in the golden file."""

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest
from msgspec.structs import replace

from shipway.api.application import IgnoreDifference
from shipway.base.clock import Instant
from shipway.gitops.argocd_cache import CacheKey, cluster_value, managed_value, packed, read_key, tree_value
from shipway.gitops.cluster_metrics import KnownCluster
from shipway.gitops.comparison import Item, Live, SyncState
from shipway.gitops.desired import Desired
from shipway.gitops.health import Health
from shipway.gitops.ownership import Context
from shipway.gitops.settings import GitOpsSettings
from shipway.gitops.tree import Root, Tree, allowed, by_owner, tree_of
from shipway.kube.objects.resource import Obj, Ref, Resource, ref_of

GOLDEN = Path(__file__).parents[2] / "golden"
HEARD = orjson.loads((GOLDEN / "argocd_server_commands.json").read_bytes())["connections"]
KIND = Resource("", "v1", "Any", "anys")
CONTEXT = Context("shop", GitOpsSettings("argocd", ()), lambda _: None)
API = {"Deployment": "apps/v1", "ReplicaSet": "apps/v1", "EndpointSlice": "discovery.k8s.io/v1"}


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("app|resources-tree|shop|1.8.3.gz", CacheKey("tree", "shop", True)),
        ("app|resources-tree|shop|1.8.3", CacheKey("tree", "shop")),
        ("app|managed-resources|team_shop|1.9.0.gz", CacheKey("managed", "team_shop", True)),
        ("cluster|info|https://kubernetes.default.svc|1.8.3.gz", CacheKey("cluster", "https://kubernetes.default.svc", True)),
        ("app|resources-tree|shop|1|1.8.3.gz", None),
        ("app|resources-tree|shop", None),
        ("repo|https://git.example.com/shop.git||connection-state|1.8.3.gz", None),
        ("revoked-token|app|resources-tree|shop|1.8.3", None),
    ],
)
def test_keys(text: str, key: CacheKey | None) -> None:
    assert read_key(text) == key


def test_what_argocd_server_was_heard_to_ask_is_worked_out() -> None:
    asked = {command[1] for commands in HEARD for command in commands if command[0] in ("get", "subscribe")}
    assert {key.what for text in asked if (key := read_key(text))} == {"tree", "managed", "cluster"}


def made(kind: str, name: str, owner: str = "", version: int = 1, **fields: Any) -> Obj:
    meta: Obj = {"name": name, "namespace": "shop", "uid": f"{kind}/{name}", "resourceVersion": str(version)}
    meta |= {"creationTimestamp": "2026-11-21T08:30:00Z"}
    if owner:
        parent, _, called = owner.partition("/")
        meta["ownerReferences"] = [{"apiVersion": API.get(parent, "v1"), "kind": parent, "name": called, "uid": owner}]
    meta |= fields.pop("metadata", {})
    return {"apiVersion": API.get(kind, "v1"), "kind": kind, "metadata": meta, **fields}


LABELS = {"app": "web"}
SETTINGS = made("ConfigMap", "settings", data={"colour": "red"}, metadata={"managedFields": [{"manager": "kubectl-edit"}]})
LOGIN = made("Secret", "login", data={"password": "c2VjcmV0"})
WEB = made("Deployment", "web", spec={"replicas": 1, "selector": {"matchLabels": LABELS}})
SERVICE = made(
    "Service",
    "web",
    spec={"selector": LABELS, "type": "LoadBalancer"},
    status={"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}, {"hostname": "lb.example.com"}, {"ip": "2001:db8::cafe"}]}},
)
REPLICAS = made("ReplicaSet", "web-1", "Deployment/web", metadata={"annotations": {"deployment.kubernetes.io/revision": "1"}})
RUNNING = {"name": "web", "ready": True, "restartCount": 2, "state": {"running": {}}}
POD = made(
    "Pod",
    "web-1-a",
    "ReplicaSet/web-1",
    spec={"nodeName": "n1", "containers": [{"name": "web", "image": "registry.example/web:v1"}]},
    status={"phase": "Running", "containerStatuses": [RUNNING], "conditions": [{"type": "Ready", "status": "True"}]},
    metadata={"labels": LABELS},
)
SLICE = made("EndpointSlice", "web-x", "Service/web")
GONE = Ref("", "ConfigMap", "shop", "gone")


def a_tree() -> Tree:
    roots = [
        Root(ref_of(SETTINGS), "v1", "OutOfSync", None, SETTINGS),
        Root(ref_of(LOGIN), "v1", "Synced", None, LOGIN),
        Root(ref_of(WEB), "v1", "Synced", Health("Progressing", "0 of 1 updated"), WEB),
        Root(ref_of(SERVICE), "v1", "Synced", Health("Healthy"), SERVICE),
        Root(GONE, "v1", "OutOfSync"),
    ]
    return tree_of(roots, by_owner([REPLICAS, POD, SLICE]))


def item(live: Obj | None, target: Obj | None, state: SyncState = "Synced") -> Item:
    ref = ref_of(live or target or {})
    return Item(ref, Desired(ref, target, KIND) if target else None, Live(live, KIND) if live else None, (), state)


def wanted(kind: str, name: str, **fields: Any) -> Obj:
    return {"apiVersion": API.get(kind, "v1"), "kind": kind, "metadata": {"name": name, "namespace": "shop"}, **fields}


def managed() -> list[Obj]:
    changed = {**SETTINGS, "data": {"colour": "green"}}
    items: list[tuple[Item, Obj | None]] = [
        (item(SETTINGS, wanted("ConfigMap", "settings", data={"colour": "green"}), "OutOfSync"), changed),
        (item(LOGIN, wanted("Secret", "login", stringData={"password": "secret"})), None),
        (item(WEB, wanted("Deployment", "web", spec={"replicas": 1})), None),
        (item(None, wanted("ConfigMap", "gone", data={}), "OutOfSync"), None),
        (item(made("ConfigMap", "old"), None, "OutOfSync"), None),
    ]
    return managed_value(items, CONTEXT, ())


def test_the_values_are_those_of_the_golden_file() -> None:
    orphan = tree_of([Root(ref_of(made("ConfigMap", "stray")), "v1", "", None, made("ConfigMap", "stray"))], by_owner([]))
    values = {"tree": tree_value(a_tree(), orphan), "managed": managed()}
    assert values == orjson.loads((GOLDEN / "argocd_cache.json").read_bytes())


def test_what_is_synced_has_no_difference_and_a_secret_no_value() -> None:
    rows = {(row["kind"], row["name"]): row for row in managed()}
    assert b"c2VjcmV0" not in orjson.dumps(managed())
    assert orjson.loads(rows["Secret", "login"]["targetState"])["data"] == {"password": "++++++++"}
    for row in rows.values():
        is_same = row["normalizedLiveState"] == row["predictedLiveState"]
        assert is_same != row.get("modified", False)
    assert rows["ConfigMap", "gone"]["liveState"] == "null"
    assert rows["ConfigMap", "old"]["targetState"] == "null"


def test_what_the_user_leaves_to_others_is_no_difference() -> None:
    owned = {"f:data": {"f:weight": {}}}
    meta = {"managedFields": [{"manager": "canary", "operation": "Update", "fieldsV1": owned}]}
    live = made("ConfigMap", "shared", data={"weight": "50", "replicas": "3", "colour": "red"}, metadata=meta)
    git = wanted("ConfigMap", "shared", data={"weight": "1", "replicas": "1", "colour": "green"})
    rules = (
        IgnoreDifference(kind="ConfigMap", json_pointers=("/data/replicas",)),
        IgnoreDifference(kind="ConfigMap", managed_fields_managers=("canary",)),
    )
    (row,) = managed_value([(item(live, git, "OutOfSync"), None)], replace(CONTEXT, ignored=rules), ())
    states = {name: orjson.loads(text)["data"] for name, text in row.items() if name.endswith("State")}
    assert states == {
        "targetState": {"weight": "50", "replicas": "3", "colour": "green"},
        "liveState": {"weight": "50", "replicas": "3", "colour": "red"},
        "normalizedLiveState": {"weight": "50", "colour": "red"},
        "predictedLiveState": {"weight": "50", "colour": "green"},
    }


def test_values_are_packed_where_the_key_says_so() -> None:
    value = {"nodes": []}
    assert packed(value, CacheKey("tree", "shop")) == b'{"nodes":[]}'
    small = packed(value, CacheKey("tree", "shop", True))
    assert gzip.decompress(small) == b'{"nodes":[]}'
    assert small == packed(value, CacheKey("tree", "shop", True))


def test_what_a_project_does_not_allow_goes_with_all_below_it() -> None:
    seen = allowed(a_tree(), lambda ref: ref.kind not in ("ReplicaSet", "EndpointSlice") and ref.name != "gone")
    assert [f"{node.ref.kind}/{node.ref.name}" for node in seen.nodes] == [
        "ConfigMap/settings",
        "Secret/login",
        "Deployment/web",
        "Service/web",
    ]


@pytest.mark.compat("argocd:server.clusters")
@pytest.mark.parametrize(
    ("known", "status"),
    [
        (KnownCluster("https://a", "a", "v1.36.3"), "Successful"),
        (KnownCluster("https://a", "a"), "Unknown"),
        (KnownCluster("https://a", "a", "v1.36.3", answers=False), "Failed"),
    ],
)
def test_clusters(known: KnownCluster, status: str) -> None:
    assert cluster_value(known, Instant(0))["connectionState"]["status"] == status
