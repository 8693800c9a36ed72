"""`shipway app tree` against an embedded API server: what is read, and what is shown of it."""

from collections.abc import Mapping

import orjson
import pytest

from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS, CRDS, DEPLOYMENTS, PODS, REPLICA_SETS, SERVICES
from shipway.assembly.resource_tree import resource_tree
from shipway.cli.app_tree import show_tree
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import uid_of
from shipway.kube.objects.wire import Request, Response
from tests.unit.cli.conftest import Shop
from tests.unit.cli.objects import application, template

CRATES = Resource("ships.example", "v1", "Crate", "crates")


def row(kind: str, name: str, group: str = "", **fields: object) -> Obj:
    return {"group": group, "version": "v1", "kind": kind, "namespace": "shop", "name": name, "status": "Synced", **fields}


def owned(owner: Obj) -> list[Obj]:
    meta = owner["metadata"]
    reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": meta["name"], "uid": meta["uid"]}
    return [{**reference, "controller": True}]


def workload(kind: str, name: str, selected: Mapping[str, str], **meta: object) -> Obj:
    spec = {"replicas": 1, "selector": {"matchLabels": selected}, "template": template("v1")}
    spec["template"] = {**template("v1"), "metadata": {"labels": selected}}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": "shop", **meta}, "spec": spec}


def a_pod(name: str, labels: Mapping[str, str], owner: Obj, phase: str = "Running") -> Obj:
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    state = {"running": {"startedAt": "2026-11-21T09:00:00Z"}} if phase == "Running" else waiting
    status = {"name": "web", "ready": phase == "Running", "restartCount": 0, "state": state, "image": "", "imageID": ""}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "labels": dict(labels), "ownerReferences": owned(owner)},
        "spec": {"nodeName": "n1", "containers": [{"name": "web", "image": "registry.example/web:v1"}]},
        "status": {
            "phase": phase,
            "containerStatuses": [status],
            "conditions": [{"type": "Ready", "status": "True" if phase == "Running" else "False"}],
        },
    }


@pytest.fixture
async def web(shop: Shop) -> Obj:
    return await delivered(shop)


async def delivered(shop: Shop) -> Obj:
    """An Application with a Service and a Deployment, whose ReplicaSet has one pod that runs and one that cannot."""
    labels = {"app": "web"}
    deployment = await shop.create(DEPLOYMENTS, workload("Deployment", "web", labels))
    revision = {"deployment.kubernetes.io/revision": "1"}
    meta = {"ownerReferences": owned(deployment), "labels": labels, "annotations": revision}
    rs = await shop.create(REPLICA_SETS, workload("ReplicaSet", "web-1", labels, **meta))
    await shop.create(PODS, a_pod("web-1-a", labels, rs))
    await shop.create(PODS, a_pod("web-1-b", labels, rs, "Pending"))
    service = {"metadata": {"name": "web", "namespace": "shop"}, "spec": {"selector": labels, "ports": [{"port": 80}]}}
    await shop.create(SERVICES, {"apiVersion": "v1", "kind": "Service", **service})
    rows = [
        row("Service", "web", health={"status": "Healthy"}),
        row("Deployment", "web", "apps", health={"status": "Progressing", "message": "1 of 2 updated"}),
        row("ConfigMap", "gone", status="OutOfSync"),
    ]
    return await shop.create(APPLICATIONS, application(resources=rows))


async def test_the_tree_reads_like_one(shop: Shop, web: Obj, capsys: pytest.CaptureFixture[str]) -> None:
    assert await show_tree(shop.session, "shop") == 0
    lines = capsys.readouterr().out.splitlines()
    width = lines[0].index("SYNC")
    cells = [[line[:width], *line[width:].split("   ")] for line in lines]
    assert [row[0].rstrip() for row in cells] == [
        "NAME",
        "Application/shop",
        "├─Service/web",
        "├─Deployment/web",
        "│ └─ReplicaSet/web-1",
        "│   ├─Pod/web-1-a",
        "│   └─Pod/web-1-b",
        "└─ConfigMap/gone",
    ]
    said = {row[0].strip("│└├─ ").rstrip(): [cell.strip() for cell in row[1:] if cell.strip()] for row in cells}
    assert said["Application/shop"][:2] == ["Synced", "✔ Healthy"]
    assert said["Deployment/web"][:2] == ["Synced", "◌ Progressing"]
    assert said["Deployment/web"][-1] == "1 of 2 updated"
    assert said["Pod/web-1-a"][0] == "✔ Healthy"
    assert said["Pod/web-1-a"][-1] == "Running  ready:1/1"
    assert said["Pod/web-1-b"][0] == "✖ Degraded"
    assert said["Pod/web-1-b"][-1] == "ImagePullBackOff  ready:0/1  no such image"
    assert said["ReplicaSet/web-1"][-1].startswith("Rev:1")
    assert said["ConfigMap/gone"] == ["OutOfSync", "⚠ Missing"]


async def test_only_what_is_in_trouble(shop: Shop, web: Obj, capsys: pytest.CaptureFixture[str]) -> None:
    await show_tree(shop.session, "shop", "name", troubled=True)
    assert capsys.readouterr().out.splitlines() == ["deployment.apps/web", "replicaset.apps/web-1", "pod/web-1-b"]


async def test_the_document_has_argo_cds_fields(shop: Shop, web: Obj, capsys: pytest.CaptureFixture[str]) -> None:
    await show_tree(shop.session, "shop", "json")
    document = orjson.loads(capsys.readouterr().out)
    assert document["kind"] == "ApplicationTree"
    nodes = {f"{node['kind']}/{node['name']}": node for node in document["nodes"]}
    pod, rs = nodes["Pod/web-1-a"], nodes["ReplicaSet/web-1"]
    parent = {"group": "apps", "kind": "ReplicaSet", "namespace": "shop", "name": "web-1", "uid": rs["uid"]}
    assert pod["parentRefs"] == [parent]
    assert pod["images"] == ["registry.example/web:v1"]
    assert pod["health"] == {"status": "Healthy"}
    assert {"name": "Containers", "value": "1/1"} in pod["info"]
    assert pod["networkingInfo"] == {"labels": {"app": "web"}}
    assert nodes["Service/web"]["networkingInfo"] == {"targetLabels": {"app": "web"}}
    assert nodes["Service/web"]["status"] == "Synced"
    assert set(pod) >= {"version", "uid", "resourceVersion", "createdAt"}


class Counting:
    """A transport that keeps the paths it was asked for."""

    def __init__(self, inner: Client) -> None:
        self._inner = inner.transport
        self.asked: list[str] = []

    async def send(self, request: Request) -> Response:
        self.asked.append(request.path)
        return await self._inner.send(request)

    async def close(self) -> None:
        await self._inner.close()


async def test_a_crowded_namespace_costs_nothing(shop: Shop, web: Obj) -> None:
    """What is read follows the application: pods of others are neither listed nor shown."""
    other = await shop.create(DEPLOYMENTS, workload("Deployment", "other", {"app": "other"}))
    for number in range(30):
        await shop.create(PODS, a_pod(f"other-{number}", {"app": "other"}, other))
    received: list[int] = []

    class Weighing(Counting):
        async def send(self, request: Request) -> Response:
            response = await super().send(request)
            if request.path.endswith("/pods"):
                received.append(len(orjson.loads(response.body)["items"]))
            return response

    weighing = Weighing(shop.client)
    client = Client(weighing)
    sight = await resource_tree(client, await shop.app("shop"), shop.session.clock, client)
    assert [node.ref.name for node in sight.tree.nodes if node.ref.kind == "Pod"] == ["web-1-a", "web-1-b"]
    assert received == [2]
    # two for discovery, the settings, three managed objects, ReplicaSets, pods and slices
    assert len(weighing.asked) == 9, weighing.asked


async def test_many_objects_of_a_kind_are_listed_once(shop: Shop) -> None:
    names = [f"settings-{number}" for number in range(20)]
    for name in names:
        await shop.create(
            CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop"}}
        )
    app = await shop.create(APPLICATIONS, application(resources=[row("ConfigMap", name) for name in names]))
    counting = Counting(shop.client)
    client = Client(counting)
    sight = await resource_tree(client, app, shop.session.clock, client)
    assert len(sight.tree.nodes) == 20
    assert all(node.is_live for node in sight.tree.nodes)
    assert sum("configmaps" in path for path in counting.asked) == 2  # and argocd-cm


def crate_definition() -> Obj:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "crates.ships.example"},
        "spec": {
            "group": "ships.example",
            "names": {"kind": "Crate", "plural": "crates"},
            "scope": "Namespaced",
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


async def test_what_an_operator_makes_of_a_custom_object_is_found_whatever_its_kind(shop: Shop) -> None:
    await shop.create(CRDS, crate_definition())
    crate = await shop.create(
        CRATES, {"apiVersion": "ships.example/v1", "kind": "Crate", "metadata": {"name": "a", "namespace": "shop"}}
    )
    meta = {"namespace": "shop", "ownerReferences": owned(crate)}
    await shop.create(CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "of-crate", **meta}})
    await shop.create(DEPLOYMENTS, workload("Deployment", "of-crate", {"app": "crate"}, **meta))
    app = await shop.create(APPLICATIONS, application(resources=[row("Crate", "a", "ships.example")]))
    tree = (await resource_tree(shop.client, app, shop.session.clock, shop.client)).tree
    assert [(node.ref.kind, node.ref.name) for node in tree.nodes] == [
        ("Crate", "a"), ("ConfigMap", "of-crate"), ("Deployment", "of-crate"),
    ]  # fmt: skip
    assert {node.above for node in tree.nodes} == {"", uid_of(crate)}


def settings(**data: str) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": "argocd"}, "data": data}


async def test_kinds_that_are_left_out_are_left_out_here_too(shop: Shop, web: Obj) -> None:
    await shop.create(CONFIG_MAPS, settings(**{"resource.exclusions": "- {apiGroups: [apps], kinds: [ReplicaSet]}"}))
    tree = (await resource_tree(shop.client, await shop.app("shop"), shop.session.clock, shop.client)).tree
    assert all(node.ref.kind != "ReplicaSet" for node in tree.nodes)
