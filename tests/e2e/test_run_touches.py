"""What `shipway run` may touch: nothing where it only looks, nothing of a live neighbour's, only its own Rollouts."""

import json
from pathlib import Path

import pytest

from shipway.api.kinds import (
    APP_PROJECTS,
    APPLICATIONS,
    CONFIG_MAPS,
    CRDS,
    DEPLOYMENTS,
    EVENTS,
    LEASES,
    NAMESPACES,
    ROLLOUTS,
    SECRETS,
    STATEFUL_SETS,
)
from shipway.base.clock import rfc3339_micro
from shipway.base.errors import NotFound
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import status_of
from shipway.kube.runtime.waiting import One, wait_until
from tests.e2e.places import CLOCK, Place, bare_cluster
from tests.e2e.running import (
    app_is,
    ended,
    shipway_run,
    synced_to,
    versions,
)
from tests.waiting import comes_to


async def test_read_only_says_what_it_would_do_and_writes_nothing(place: Place) -> None:
    await place.client.create(APP_PROJECTS, DEFAULT_PROJECT)
    await place.deliver_app()
    await place.client.create(ROLLOUTS, rollout("web"))
    everything = (NAMESPACES, SECRETS, LEASES, EVENTS, APPLICATIONS, APP_PROJECTS, ROLLOUTS, CONFIG_MAPS, CRDS)
    before = {name: version for name, version in (await versions(place.client, *everything)).items() if is_ours(name)}
    async with place.run("--read-only") as running:
        await running.ready()
        await running.says("controller=gitops-application fields=['operation', 'metadata', 'status'] key=argocd/shop")
        assert "would_do" in await running.says("Create apps/ReplicaSet shop/web-")
        passes = 'shipway_passes_total{controller="gitops-application"}'
        assert passes in (await running.get("/metrics")).text
        after = {name: version for name, version in (await versions(place.client, *everything)).items() if is_ours(name)}
        assert after == before


async def test_read_only_makes_neither_namespace_nor_definitions(tmp_path: Path) -> None:
    async with bare_cluster(tmp_path) as (client, kubeconfig):
        before = await versions(client, NAMESPACES, CRDS, LEASES, SECRETS, EVENTS)
        code, said = await ended(kubeconfig, tmp_path, "--read-only", "--install-crds")
        assert (code, await versions(client, NAMESPACES, CRDS, LEASES, SECRETS, EVENTS)) == (5, before)
        assert "does not serve" in said


def is_ours(name: str) -> bool:
    """The embedded cluster writes too: its node's lease, its namespaces."""
    return any(f"/{namespace}/" in name or name == f"namespaces//{namespace}" for namespace in ("argocd", "shop"))


DEFAULT_PROJECT = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "AppProject",
    "metadata": {"name": "default", "namespace": "argocd"},
    "spec": {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}]},
}


def rollout(name: str, **labels: str) -> Obj:
    selector = {"app": name}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": name, "namespace": "shop", "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": selector},
            "template": {"metadata": {"labels": selector}, "spec": {"containers": [{"name": "c", "image": "shop/web:1"}]}},
            "strategy": {"canary": {"steps": [{"setWeight": 50}, {"pause": {}}]}},
        },
    }


async def neighbour(client: Client, resource: Resource, name: str) -> None:
    """A controller of Argo's own that is ready."""
    labels = {"app.kubernetes.io/name": name}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "argoproj/controller:1"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": pod, "serviceName": name}
    meta = {"name": name, "namespace": "default", "labels": labels}
    await client.create(resource, {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta, "spec": spec})
    await wait_until(client, One(resource, "default", name), lambda obj: status_of(obj or {}).get("readyReplicas") == 1)


async def rollouts_lease(client: Client) -> None:
    spec = {"holderIdentity": "somebody", "leaseDurationSeconds": 15, "renewTime": rfc3339_micro(CLOCK.now())}
    meta = {"name": "argo-rollouts-controller-lock", "namespace": "default"}
    await client.create(LEASES, {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec})


@pytest.mark.parametrize("sign_of_life", ["deployment", "lease"])
async def test_beside_a_live_argo_rollouts_rollouts_are_only_reported(place: Place, sign_of_life: str) -> None:
    if sign_of_life == "deployment":
        await neighbour(place.client, DEPLOYMENTS, "argo-rollouts")
        evidence = "Deployment default/argo-rollouts is ready"
    else:
        await rollouts_lease(place.client)
        evidence = "Lease default/argo-rollouts-controller-lock is held by somebody"
    await place.client.create(ROLLOUTS, rollout("web"))
    before = await versions(place.client, ROLLOUTS)
    await place.deliver_app()
    async with place.run() as running:
        said = await running.says("live_neighbour")
        assert f"Argo Rollouts is alive ({evidence}), so the engine rollouts only reports" in said
        assert "scale that controller to 0 replicas (or delete it) and start shipway run again" in said
        await running.ready()
        await running.says("Create apps/ReplicaSet shop/web-")
        await app_is(place.client, "shop", synced_to(await place.head()))
        assert await versions(place.client, ROLLOUTS) == before


async def test_beside_a_live_argo_cd_applications_are_only_reported(place: Place) -> None:
    await neighbour(place.client, STATEFUL_SETS, "argocd-application-controller")
    await place.deliver_app()
    before = await versions(place.client, APPLICATIONS)
    async with place.run() as running:
        said = await running.says("live_neighbour")
        evidence = "StatefulSet default/argocd-application-controller is ready"
        assert f"Argo CD is alive ({evidence}), so only Applications that were taken over from it are reconciled" in said
        await running.ready()
        await running.says("would_write")
        assert await versions(place.client, APPLICATIONS) == before

        async def shadows() -> list[tuple[str, str]]:
            items = json.loads((await running.get("/shadow")).text)["items"]
            return [(one["application"], one["pending"]) for one in items]

        await comes_to([("argocd/shop", "its status tells of no comparison yet")], shadows)
        marks = {"labels": {"shipway.dev/reconcile": "true"}, "annotations": {"argocd.argoproj.io/skip-reconcile": "true"}}
        await place.client.patch(APPLICATIONS, "argocd", "shop", {"metadata": marks})
        await app_is(place.client, "shop", synced_to(await place.head()))


async def test_an_instance_sees_only_its_rollouts(place: Place) -> None:
    label = {"argo-rollouts.argoproj.io/controller-instance-id": "blue"}
    await place.client.create(ROLLOUTS, rollout("ours", **label))
    await place.client.create(ROLLOUTS, rollout("theirs"))
    async with place.run("--instance-id=blue") as running:
        await running.ready()
        await wait_until(
            place.client, One(ROLLOUTS, "shop", "ours"), lambda obj: status_of(obj or {}).get("phase") == "Healthy"
        )
        assert "status" not in await place.client.get(ROLLOUTS, "shop", "theirs")


async def test_one_engine_alone(place: Place) -> None:
    await place.client.create(ROLLOUTS, rollout("web"))
    await place.deliver_app()
    async with place.run("--engines=gitops") as running:
        await running.ready()
        await app_is(place.client, "shop", synced_to(await place.head()))
        assert "status" not in await place.client.get(ROLLOUTS, "shop", "web")
        assert 'controller="rollout"' not in (await running.get("/metrics")).text
    async with (
        bare_cluster(place.home / "bare") as (client, kubeconfig),
        shipway_run(kubeconfig, place.home, "--engines=rollouts", "--install-crds") as running,
    ):
        await running.ready()
        with pytest.raises(NotFound):
            await client.get(APP_PROJECTS, "argocd", "default")
