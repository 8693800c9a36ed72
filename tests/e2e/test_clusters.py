"""`shipway run` in one cluster, the objects in another: over HTTPS, with Secrets that `shipway cluster add` wrote."""

import base64
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest

from shipway.api.clusters import Cluster
from shipway.api.kinds import APPLICATION_SETS, APPLICATIONS, CONFIG_MAPS, CRDS, NAMESPACES, SECRETS
from shipway.assembly.cluster import embedded_cluster
from shipway.assembly.destinations import connected_to
from shipway.base.errors import Conflict, Denied
from shipway.cli.app_manifests import Wanted, show_manifests
from shipway.cli.app_tree import show_tree
from shipway.cli.cluster import AddFlags, add_cluster, list_clusters, named_cluster, remove_cluster, show_cluster
from shipway.cli.session import Session
from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import load_kubeconfig
from shipway.kube.client.transport import HttpTransport
from shipway.kube.objects.reach import Reach
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from shipway.kube.runtime.waiting import One, wait_until
from tests.e2e.places import CLOCK, Place, a_place, banner_says, config_map
from tests.e2e.running import app_is, application, synced_to

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "example/web:1"}]}
"""


@asynccontextmanager
async def opened(kubeconfig: Path) -> AsyncGenerator[Client, None]:
    client = Client(HttpTransport(load_kubeconfig(kubeconfig)), manager="shipway-cli")
    try:
        yield client
    finally:
        await client.close()


def namespace(name: str) -> Obj:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def says(text: str):
    return lambda app: any(text in condition.get("message", "") for condition in dig(app, "status", "conditions", default=[]))


async def refused(client: Client, text: str, *, name: str = "shop-east") -> None:
    await wait_until(client, One(APPLICATIONS, "argocd", name), lambda app: says(text)(app or {}))


async def refresh(client: Client, name: str) -> None:
    asked = {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}}
    await client.patch(APPLICATIONS, "argocd", name, asked)


def fleet(repo_url: str) -> Obj:
    """One Application for each cluster that the selector picks."""
    template = {
        "metadata": {"name": "shop-{{.name}}"},
        "spec": {
            "project": "default",
            "source": {"repoURL": repo_url, "path": "deploy", "targetRevision": "main"},
            "destination": {"server": "{{.server}}", "namespace": "shop"},
            "syncPolicy": {"automated": {"prune": True, "selfHeal": True}},
        },
    }
    generator = {"clusters": {"selector": {"matchLabels": {"env": "prod"}}}}
    spec = {"goTemplate": True, "generators": [generator], "template": template}
    meta = {"name": "fleet", "namespace": "argocd"}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet", "metadata": meta, "spec": spec}


@pytest.mark.compat("argocd:destination.clusters", "argocd:appset.clusters")
async def test_from_joining_to_leaving(place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    session = Session(place.client, CLOCK, "", "default")
    async with embedded_cluster(tmp_path / "east", CLOCK) as east, opened(east.kubeconfig) as there, place.run() as running:
        await running.ready()
        await east.client.create(NAMESPACES, namespace("shop"))
        await place.client.create(APPLICATION_SETS, fleet(place.copy.url))
        config = load_kubeconfig(east.kubeconfig)
        assert await add_cluster(session, config, there, AddFlags(name="east", label=("env=prod",))) == 0
        assert "# Nothing was written: --yes does it." in capsys.readouterr().out
        assert (await place.client.list(SECRETS, "argocd", label_selector="env=prod")).items == []

        assert await add_cluster(session, config, there, AddFlags(name="east", label=("env=prod",), yes=True)) == 0
        await app_is(place.client, "shop-east", synced_to(await place.head()))
        await banner_says(east.client, "one")
        await place.push({"deploy/banner.yaml": config_map("two")})
        await refresh(place.client, "shop-east")
        await banner_says(east.client, "two")
        assert (await place.client.list(CONFIG_MAPS, "shop", field_selector="metadata.name=banner")).items == []

        capsys.readouterr()
        assert await list_clusters(session) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[:2] + line.split()[3:4] for line in lines if "https" in line] == [
            [east.api_url, "east", "Successful"],
            ["https://kubernetes.default.svc", "in-cluster", "Successful"],
        ]
        assert await show_tree(session, "shop-east") == 0
        assert "ConfigMap/banner" in capsys.readouterr().out.replace("configmap", "ConfigMap")
        assert await show_manifests(session, "shop-east", Wanted("live"), "json", tmp_path / "look") == 0
        (live,) = orjson.loads(capsys.readouterr().out)["items"]
        assert live["data"] == {"text": "two"}

        (secret,) = (await place.client.list(SECRETS, "argocd", label_selector="env=prod")).items
        name, good = secret["metadata"]["name"], secret["data"]["config"]
        wrong = orjson.loads(base64.b64decode(good))
        wrong["tlsClientConfig"]["caData"] = base64.b64encode((tmp_path / "cluster/tls/ca.crt").read_bytes()).decode()
        await place.client.patch(SECRETS, "argocd", name, {"stringData": {"config": orjson.dumps(wrong).decode()}})
        await refused(place.client, "its certificate is not trusted")
        assert await show_cluster(session, "east") == 1
        assert "its certificate is not trusted" in capsys.readouterr().out
        await banner_says(east.client, "two")
        await place.client.patch(SECRETS, "argocd", name, {"data": {"config": good}})
        await app_is(place.client, "shop-east", synced_to(await place.head()))

        with pytest.raises(Conflict, match="1 Applications go to east"):
            await remove_cluster(session, "east")
        assert await remove_cluster(session, "east", force=True) == 0
        await refused(place.client, "not found: `shipway cluster add`")
        await banner_says(east.client, "two")
        token = orjson.loads(base64.b64decode(good))["bearerToken"]
        assert token not in running.said


@pytest.mark.asyncio(loop_scope="session")
async def test_the_least_rights_of_cluster_add_are_enough_on_a_real_kubernetes(
    real_control_plane, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with a_place(tmp_path) as place, opened(real_control_plane.kubeconfig) as there, place.run() as running:
        await running.ready()
        await there.create(NAMESPACES, namespace(f"far-{os.getpid()}"))
        session = Session(place.client, CLOCK, "", "default")
        config = load_kubeconfig(real_control_plane.kubeconfig)
        assert await add_cluster(session, config, there, AddFlags(name="real", yes=True)) == 0, capsys.readouterr().err
        await place.push({"deploy/web.yaml": DEPLOYMENT})
        app = application("far", place.copy.url, "deploy")
        app["spec"]["destination"] = {"name": "real", "namespace": f"far-{os.getpid()}"}
        app["metadata"]["finalizers"] = ["resources-finalizer.argocd.argoproj.io"]
        await place.client.create(APPLICATIONS, app)
        await app_is(place.client, "far", synced_to(await place.head()))
        found = await there.list(CONFIG_MAPS, f"far-{os.getpid()}", field_selector="metadata.name=banner")
        assert [one["data"] for one in found.items] == [{"text": "one"}]
        await place.client.delete(APPLICATIONS, "argocd", "far")
        await wait_until(place.client, One(APPLICATIONS, "argocd", "far"), lambda app: app is None)
        assert (await there.list(CONFIG_MAPS, f"far-{os.getpid()}", field_selector="metadata.name=banner")).items == []


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.compat("argocd:destination.clusters.namespaces")
async def test_a_login_that_may_see_two_namespaces_is_enough_on_a_real_kubernetes(
    real_control_plane, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By a server that knows rights: lists and watches of the whole cluster are refused to this login."""
    front, back, other = (f"{name}-{os.getpid()}" for name in ("front", "back", "other"))
    async with a_place(tmp_path) as place, opened(real_control_plane.kubeconfig) as there, place.run() as running:
        await running.ready()
        for name in (front, back, other):
            await there.create(NAMESPACES, namespace(name))
        session = Session(place.client, CLOCK, "", "default")
        config = load_kubeconfig(real_control_plane.kubeconfig)

        async def add(*names: str) -> Cluster:
            flags = AddFlags(name="real", managed_namespace=names, system_namespace=front, upsert=True, yes=True)
            assert await add_cluster(session, config, there, flags) == 0, capsys.readouterr().err
            return await named_cluster(session, "real")

        cluster = await add(front, back)
        assert cluster.reach == Reach(tuple(sorted((front, back))))
        async with connected_to(cluster, CLOCK, "test") as it:
            for resource, space in ((CONFIG_MAPS, ""), (NAMESPACES, ""), (CRDS, ""), (CONFIG_MAPS, other)):
                with pytest.raises(Denied):
                    await it.list(resource, space)
        await place.push({"deploy/web.yaml": DEPLOYMENT, "deploy/back.yaml": config_map("behind", "behind", back)})
        app = application("far", place.copy.url, "deploy")
        app["spec"]["destination"] = {"name": "real", "namespace": front}
        app["metadata"]["finalizers"] = ["resources-finalizer.argocd.argoproj.io"]
        await place.client.create(APPLICATIONS, app)
        await app_is(place.client, "far", synced_to(await place.head()))
        drifted = {"data": {"text": "by hand"}}
        await there.patch(CONFIG_MAPS, back, "behind", drifted, manager="somebody")
        healed = One(CONFIG_MAPS, back, "behind")
        await wait_until(there, healed, lambda obj: bool(obj) and obj["data"] == {"text": "behind"})

        await place.push({"deploy/other.yaml": config_map("farther", "farther", other)})
        await refresh(place.client, "far")
        told = f'namespace "{other}" for ConfigMap "farther" is not managed'
        await refused(place.client, told, name="far")
        await add(front, back, other)
        await app_is(place.client, "far", synced_to(await place.head()))
        assert (await there.get(CONFIG_MAPS, other, "farther"))["data"] == {"text": "farther"}
        await place.client.delete(APPLICATIONS, "argocd", "far")
        await wait_until(place.client, One(APPLICATIONS, "argocd", "far"), lambda app: app is None)
        left = [
            one["metadata"]["name"] for space in (front, back, other) for one in (await there.list(CONFIG_MAPS, space)).items
        ]
        assert set(left) <= {"kube-root-ca.crt"}
        assert "forbidden" not in running.said
