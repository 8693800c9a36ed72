"""The GitOps engine on a real API server: what is read from ownership there is what is true there.

The same world as in the simulations (repositories made of objects), with real time, a real kube-apiserver and its controllers.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from shipway.api.crds import load_crds
from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS, CRDS, DEPLOYMENTS, HTTP_ROUTES, NAMESPACES, SECRETS, SERVICES
from shipway.base.clock import SystemClock
from shipway.base.errors import Conflict
from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import load_kubeconfig
from shipway.kube.client.transport import HttpTransport
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import copy_obj, dig
from tests.sim.gitops_world import Repository, World, application, condition_types, rows
from tests.sim.test_gitops import config, deployment, service

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]

CRON_JOBS = Resource("batch", "v1", "CronJob", "cronjobs")


def everything() -> list[Obj]:
    """Kinds with much defaulting, atomic parts, quantities in odd spellings, write-only fields."""
    web = deployment()
    web["metadata"]["labels"] = {"team": "a"}
    main = web["spec"]["template"]["spec"]["containers"][0]
    main["resources"] = {"requests": {"cpu": "1000m", "memory": "0.5Gi"}, "limits": {"cpu": 1.5}}
    main["env"] = [
        {"name": "COLOUR", "value": "blue"},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
    ]
    main["readinessProbe"] = {"httpGet": {"path": "/ready", "port": 8080}}
    pod = {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "db", "image": "db:1"}]}}
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Mi"}}},
    }
    db: Obj = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "db"},
        "spec": {
            "replicas": 0,
            "serviceName": "db",
            "selector": {"matchLabels": {"app": "db"}},
            "template": pod,
            "volumeClaimTemplates": [claim],
        },
    }
    job = {"spec": {"template": {"spec": {"restartPolicy": "OnFailure", "containers": [{"name": "c", "image": "c:1"}]}}}}
    cron: Obj = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "nightly"},
        "spec": {"schedule": "0 3 * * *", "suspend": True, "jobTemplate": job},
    }
    scaler: Obj = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "db"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db"},
            "maxReplicas": 3,
            "metrics": [
                {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}
            ],
        },
    }
    policy: Obj = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "web"},
        "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "ingress": [{"ports": [{"port": 8080}]}]},
    }
    ingress: Obj = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "web"},
        "spec": {
            "rules": [
                {
                    "host": "shop.test",
                    "http": {
                        "paths": [
                            {
                                "path": "/",
                                "pathType": "Prefix",
                                "backend": {"service": {"name": "web", "port": {"number": 80}}},
                            }
                        ]
                    },
                }
            ]
        },
    }
    budget: Obj = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}},
    }
    role: Obj = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "reader"},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
    }
    binding: Obj = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "reader"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "web"}],
    }
    account: Obj = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web"}}
    secret: Obj = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "stringData": {"token": "s3cret"}}
    refs = [{"name": "web", "port": 80, "weight": 100}, {"name": "web-canary", "port": 80, "weight": 0}]
    route: Obj = {
        "apiVersion": HTTP_ROUTES.api_version,
        "kind": "HTTPRoute",
        "metadata": {"name": "web"},
        "spec": {"parentRefs": [{"name": "gate"}], "rules": [{"backendRefs": refs}]},
    }
    return [web, service(), db, cron, scaler, policy, ingress, budget, role, binding, account, secret, route, config()]


@asynccontextmanager
async def world(plane: Any, name: str, objects: list[Obj]) -> AsyncGenerator[World, None]:
    """The engine on the real server; `name` is the namespace of the objects and the name of the application."""
    transport = HttpTransport(load_kubeconfig(plane.kubeconfig, None))
    repository = Repository()
    repository.commit(objects)
    there = World(transport, repository, SystemClock(), lambda server: server)
    try:
        await prepare(there.user, name)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(there.run())
            try:
                yield there
            finally:
                running.cancel()
    finally:
        await transport.close()


async def prepare(user: Client, name: str) -> None:
    for crd in load_crds():
        await created(user, CRDS, crd)
    while not {APPLICATIONS, HTTP_ROUTES} <= set(await user.discover()):
        await asyncio.sleep(0.1)
    for namespace in ("argocd", name):
        await created(user, NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})


async def created(user: Client, resource: Resource, obj: Obj) -> None:
    try:
        await user.create(resource, obj)
    except Conflict:
        return


def app_in(name: str, **spec: Any) -> Obj:
    return application(name, destination={"server": "https://kubernetes.default.svc", "namespace": name}, **spec)


async def test_many_kinds_are_synced_and_then_nothing_is_written(real_control_plane: Any) -> None:
    async with world(real_control_plane, "gitops-many", everything()) as there:
        await there.user.create(APPLICATIONS, app_in("gitops-many"))
        app = await there.synced("gitops-many")
        assert {row["status"] for row in rows(app).values()} == {"Synced"}
        await there.settle(3)
        there.engine.writes.clear()
        await there.settle(5)
        assert there.engine.writes == []
        assert dig(await there.user.get(SECRETS, "gitops-many", "key"), "data", "token") == "czNjcmV0"


def scale(obj: Obj) -> None:
    obj["spec"]["replicas"] = 3


def change_env(obj: Obj) -> None:
    obj["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] = "red"


def drop_env(obj: Obj) -> None:
    obj["spec"]["template"]["spec"]["containers"][0]["env"].pop(0)


def drop_label(obj: Obj) -> None:
    del obj["metadata"]["labels"]["team"]


def forget_owners(obj: Obj) -> None:
    obj["metadata"]["managedFields"] = [{}]
    scale(obj)


@pytest.mark.parametrize("edit", [scale, change_env, drop_env, drop_label, forget_owners])
async def test_a_hand_edit_is_healed(real_control_plane: Any, edit: Callable[[Obj], None]) -> None:
    name = f"gitops-{edit.__name__.replace('_', '-')}"
    async with world(real_control_plane, name, everything()[:2]) as there:
        await there.user.create(APPLICATIONS, app_in(name))
        await there.synced(name)
        wanted = await there.user.get(DEPLOYMENTS, name, "web")
        edited = copy_obj(wanted)
        edit(edited)
        edited["metadata"].pop("resourceVersion")
        await there.user.replace(DEPLOYMENTS, edited)
        await there.until(lambda app: heals(app) == 1, name=name, seconds=20)
        await there.synced(name)
        healed = await there.user.get(DEPLOYMENTS, name, "web")
        assert healed["spec"] == wanted["spec"]
        assert healed["metadata"]["labels"] == wanted["metadata"]["labels"]


def heals(app: Obj) -> int:
    return dig(app, "status", "operationState", "operation", "sync", "autoHealAttemptsCount", default=0)


def plain(name: str, objects: list[Obj]) -> list[Obj]:
    found = copy_obj({"items": objects})["items"]
    for obj in found:
        obj["metadata"]["namespace"] = name
    return found


@pytest.mark.parametrize("manager", ["kubectl-client-side-apply", "helm", "argocd-controller"])
async def test_adoption_changes_no_spec(real_control_plane: Any, manager: str) -> None:
    name = f"gitops-adopt-{manager.split('-')[0]}"
    async with world(real_control_plane, name, [deployment(), service(), config()]) as there:
        kinds = (DEPLOYMENTS, SERVICES, CONFIG_MAPS)
        for resource, obj in zip(kinds, plain(name, [deployment(), service(), config()]), strict=True):
            obj["metadata"]["labels"] = {"from": "before"}
            await there.user.create(resource, obj, manager=manager)
        before = await there.user.get(DEPLOYMENTS, name, "web")
        await there.user.create(APPLICATIONS, app_in(name))
        await there.synced(name)
        after = await there.user.get(DEPLOYMENTS, name, "web")
        assert (after["spec"], after["metadata"]["uid"]) == (before["spec"], before["metadata"]["uid"])
        # (A Deployment's generation counts changes of its annotations too, so the tracking annotation moves it once.)
        for resource, obj in zip(kinds, ("web", "web", "settings"), strict=True):
            live = await there.user.get(resource, name, obj)
            assert "labels" not in live["metadata"], "what only the former tool stated is gone"
            assert manager not in {entry["manager"] for entry in live["metadata"]["managedFields"]}


async def test_a_manifest_that_the_server_refuses_touches_nothing(real_control_plane: Any) -> None:
    name = "gitops-refused"
    twice = deployment()
    twice["spec"]["template"]["spec"]["containers"][0]["ports"].append({"containerPort": "eighty"})
    async with world(real_control_plane, name, [config(), twice]) as there:
        await there.user.create(APPLICATIONS, app_in(name, syncPolicy={"automated": {}, "retry": {"limit": 0}}))
        app = await there.until(lambda app: dig(app, "status", "operationState", "phase") == "Failed", name=name, seconds=20)
        assert rows(app)["web"]["status"] == "SyncFailed"
        assert await there.gone(CONFIG_MAPS, name, "settings")
        await there.until(lambda app: "SyncError" in condition_types(app), name=name, seconds=10)
