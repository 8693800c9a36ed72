"""Generators that a ConfigMap configures on a real Kubernetes API server, with the rights of the account that is installed.

The kind of the decisions is one that Shipway may not read at first; docs/install.md says how it is granted.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web

from shipway.api.kinds import APPLICATION_SETS, APPLICATIONS, CONFIG_MAPS, CRDS, SECRETS
from shipway.demo.story import ARGOCD
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import status_of
from shipway.kube.runtime.waiting import One, wait_until
from tests.e2e.test_real_cluster import shipway_on
from tests.unit.adapters.metric_server import metric_server

DECISIONS = Resource("cluster.test", "v1", "PlacementDecision", "placementdecisions")
CLUSTER_ROLES = Resource("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", namespaced=False)
OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
CRD: Obj = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "placementdecisions.cluster.test"},
    "spec": {
        "group": "cluster.test",
        "scope": "Namespaced",
        "names": {"kind": "PlacementDecision", "plural": "placementdecisions"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": OPEN}}],
    },
}
GRANT: Obj = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRole",
    "metadata": {"name": "shipway-managed-decisions", "labels": {"shipway.dev/manages": "true"}},
    "rules": [{"apiGroups": ["cluster.test"], "resources": ["placementdecisions"], "verbs": ["get", "list"]}],
}


def a_set(name: str, generator: Obj) -> Obj:
    spec = {
        "project": "default",
        "source": {"repoURL": "https://git.invalid/fleet.git", "path": "a"},
        "destination": {"server": "https://kubernetes.default.svc"},
    }
    template = {"metadata": {"name": f"{name}-{{{{ .name }}}}"}, "spec": spec}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "metadata": {"name": name, "namespace": ARGOCD},
        "spec": {
            "goTemplate": True,
            "generators": [generator],
            "template": template,
            "syncPolicy": {"preserveResourcesOnDeletion": True},
        },
    }


async def configure(client: Client, name: str, **data: str) -> None:
    meta = {"name": name, "namespace": ARGOCD}
    await client.create(CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})


def says(text: str) -> Callable[[Obj | None], bool]:
    return lambda found: found is not None and any(text in one["message"] for one in status_of(found).get("conditions") or [])


async def until_served(client: Client, resource: Resource) -> None:
    """A real API server serves a kind a moment after it says that it is established."""
    async with asyncio.timeout(60):
        while resource.group_kind not in {one.group_kind for one in await client.discover()}:
            await asyncio.sleep(0.05)


def is_there(app: Obj | None) -> bool:
    return app is not None


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.compat("argocd:appset.plugin")
@pytest.mark.compat("argocd:appset.clusterDecisionResource")
async def test_plugins_and_decisions_make_applications_on_a_real_kubernetes(
    real_control_plane, shipway_account: Path, tmp_path: Path
) -> None:
    names = ["blue"]

    async def plugin(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != "Bearer s3cret":
            return web.Response(status=403)
        told = (await request.json())["input"]["parameters"]
        return web.json_response({"output": {"parameters": [{"name": f"{told['team']}-{one}"} for one in names]}})

    there = shipway_on(real_control_plane.kubeconfig, shipway_account, tmp_path)
    async with metric_server(plugin) as (url, _), there as (client, _, _):
        meta = {"namespace": ARGOCD, "name": "plugins", "labels": {"app.kubernetes.io/part-of": "argocd"}}
        await client.create(
            SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"token": "s3cret"}}
        )
        await configure(client, "versions", baseUrl=url, token="$plugins:token")
        block = {"configMapRef": {"name": "versions"}, "input": {"parameters": {"team": "shop"}}, "requeueAfterSeconds": 1}
        await client.create(APPLICATION_SETS, a_set("plugged", {"plugin": block}))
        await wait_until(client, One(APPLICATIONS, ARGOCD, "plugged-shop-blue"), is_there)
        names.append("green")
        await wait_until(client, One(APPLICATIONS, ARGOCD, "plugged-shop-green"), is_there)

        await client.create(CRDS, CRD)
        await wait_until(client, One(CRDS, "", "placementdecisions.cluster.test"), says("the initial names have been accepted"))
        await until_served(client, DECISIONS)
        kind = {"apiVersion": "cluster.test/v1", "kind": "PlacementDecision"}
        status = {"clusters": [{"clusterName": "in-cluster"}, {"clusterName": "unknown"}]}
        await client.create(DECISIONS, {**kind, "metadata": {"namespace": ARGOCD, "name": "placed"}, "status": status})
        await configure(client, "ocm", apiVersion="cluster.test/v1", kind="placementdecisions", matchKey="clusterName")
        block = {"configMapRef": "ocm", "name": "placed", "requeueAfterSeconds": 1}
        await client.create(APPLICATION_SETS, a_set("placed", {"clusterDecisionResource": block}))
        await wait_until(client, One(APPLICATION_SETS, ARGOCD, "placed"), says("give its account a Role (docs/install.md)"))
        await client.create(CLUSTER_ROLES, GRANT)
        await wait_until(client, One(APPLICATIONS, ARGOCD, "placed-in-cluster"), is_there)
        for name in ("plugged", "placed"):
            await client.delete(APPLICATION_SETS, ARGOCD, name)
        await client.delete(CLUSTER_ROLES, "", "shipway-managed-decisions")
        await client.delete(CRDS, "", "placementdecisions.cluster.test")
