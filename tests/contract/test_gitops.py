"""The GitOps engine on a real API server: what is read from ownership there is what is true there.

The same world as in the simulations (repositories made of objects), with real time, a real kube-apiserver and its controllers.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from shipway.api.crds import load_crds
from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS, CRDS, DEPLOYMENTS, HTTP_ROUTES, NAMESPACES, SECRETS, SERVICES
from shipway.assembly.clusters import Clusters
from shipway.base.clock import SystemClock
from shipway.base.errors import Conflict, NotFound
from shipway.gitops.annotations import DEPENDS_ON
from shipway.gitops.why import why
from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import load_kubeconfig
from shipway.kube.client.transport import HttpTransport
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import copy_obj, dig, name_of
from shipway.kube.objects.yaml import load_all
from tests.sim.gitops_objects import config, deployment, service
from tests.sim.gitops_world import Repository, World, application, condition_types, rows
from tests.waiting import comes_to

pytestmark = [pytest.mark.asyncio(loop_scope="session")]


def everything() -> list[Obj]:
    """Kinds with much defaulting, atomic parts, quantities in odd spellings, write-only fields."""
    return load_all((Path(__file__).parent / "gitops_manifests.yaml").read_text())


@asynccontextmanager
async def world(plane: Any, account: Path, name: str, objects: list[Obj]) -> AsyncGenerator[World, None]:
    """The engine on the real server, as its account; `name` is the namespace of the objects and of the application."""
    transport = HttpTransport(load_kubeconfig(plane.kubeconfig, None))
    repository = Repository()
    repository.commit(objects)
    engine = HttpTransport(load_kubeconfig(account))
    there = World(
        transport, repository, SystemClock(), lambda _: engine, lambda client, clock: Clusters(client, clock, "argocd")
    )
    try:
        await prepare(there.user, name)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(there.run())
            try:
                yield there
            finally:
                running.cancel()
    finally:
        await clear(there.user)
        await engine.close()
        await transport.close()


async def clear(user: Client) -> None:
    """The Applications of this test are none of the next one's engine."""
    for app in (await user.list(APPLICATIONS, "argocd")).items:
        with suppress(NotFound):
            await user.patch(APPLICATIONS, "argocd", name_of(app), {"metadata": {"finalizers": None}})
            await user.delete(APPLICATIONS, "argocd", name_of(app))


async def rests(there: World, about: str = "") -> None:
    """Soon it writes nothing any more (about something)."""

    async def written() -> list[str]:
        there.engine.writes.clear()
        await there.settle(5)
        return [path for _, path in there.engine.writes if about in path]

    await comes_to([], written, within=15)


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


async def test_many_kinds_are_synced_and_then_nothing_is_written(real_control_plane: Any, shipway_account: Path) -> None:
    async with world(real_control_plane, shipway_account, "gitops-many", everything()) as there:
        await there.user.create(APPLICATIONS, app_in("gitops-many"))
        app = await there.synced("gitops-many")
        assert {row["status"] for row in rows(app).values()} == {"Synced"}
        await rests(there)
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
@pytest.mark.compat("argocd:automated.selfHeal")
async def test_a_hand_edit_is_healed(real_control_plane: Any, shipway_account: Path, edit: Callable[[Obj], None]) -> None:
    name = f"gitops-{edit.__name__.replace('_', '-')}"
    async with world(real_control_plane, shipway_account, name, everything()[:2]) as there:
        await there.user.create(APPLICATIONS, app_in(name))
        await there.synced(name)
        wanted = await there.user.get(DEPLOYMENTS, name, "web")
        edited = copy_obj(wanted)
        edit(edited)
        edited["metadata"].pop("resourceVersion")
        await there.user.replace(DEPLOYMENTS, edited)
        await there.until(lambda app: heals(app) == 1, name=name)
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
async def test_adoption_changes_no_spec(real_control_plane: Any, shipway_account: Path, manager: str) -> None:
    name = f"gitops-adopt-{manager.split('-')[0]}"
    async with world(real_control_plane, shipway_account, name, [deployment(), service(), config()]) as there:
        kinds = (DEPLOYMENTS, SERVICES, CONFIG_MAPS)
        for resource, obj in zip(kinds, plain(name, [deployment(), service(), config()]), strict=True):
            obj["metadata"]["labels"] = {"from": "before"}
            await there.user.create(resource, obj, manager=manager)
        before = await there.user.get(DEPLOYMENTS, name, "web")
        await there.user.create(APPLICATIONS, app_in(name))
        await there.synced(name)
        after = await there.user.get(DEPLOYMENTS, name, "web")
        assert (after["spec"], after["metadata"]["uid"]) == (before["spec"], before["metadata"]["uid"])
        # (A Deployment's generation counts changes of its annotations too, so the marks of this one are labels.)
        assert after["metadata"]["generation"] == before["metadata"]["generation"] == 1
        for resource, obj in zip(kinds, ("web", "web", "settings"), strict=True):
            live = await there.user.get(resource, name, obj)
            assert "from" not in live["metadata"].get("labels", {}), "what only the former tool stated is gone"
            assert manager not in {entry["manager"] for entry in live["metadata"]["managedFields"]}


@pytest.mark.compat("argocd:wave.dry-run")
async def test_a_manifest_that_the_server_refuses_touches_nothing(real_control_plane: Any, shipway_account: Path) -> None:
    name = "gitops-refused"
    twice = deployment()
    twice["spec"]["template"]["spec"]["containers"][0]["ports"].append({"containerPort": "eighty"})
    async with world(real_control_plane, shipway_account, name, [config(), twice]) as there:
        await there.user.create(APPLICATIONS, app_in(name, syncPolicy={"automated": {}, "retry": {"limit": 0}}))
        app = await there.until(lambda app: dig(app, "status", "operationState", "phase") == "Failed", name=name)
        assert rows(app)["web"]["status"] == "SyncFailed"
        assert await there.gone(CONFIG_MAPS, name, "settings")
        await there.until(lambda app: "SyncError" in condition_types(app), name=name)


async def test_an_object_that_server_side_apply_refuses_is_merged_as_kubectl_does(
    real_control_plane: Any, shipway_account: Path
) -> None:
    name = "gitops-twice"
    twice = deployment()
    pair = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    twice["spec"]["template"]["spec"]["containers"][0]["env"] = pair
    async with world(real_control_plane, shipway_account, name, [twice, config()]) as there:
        await there.user.create(APPLICATIONS, app_in(name))
        app = await there.synced(name)
        assert condition_types(app) == {"ClientSideApplyWarning"}
        await rests(there, name)
        await there.user.patch(DEPLOYMENTS, name, "web", {"spec": {"replicas": 2, "minReadySeconds": 7}})
        await there.until(lambda app: heals(app) == 1, name=name)
        await there.synced(name)
        live = await there.user.get(DEPLOYMENTS, name, "web")
        assert (live["spec"]["replicas"], live["spec"]["minReadySeconds"]) == (0, 7)
        assert live["spec"]["template"]["spec"]["containers"][0]["env"] == pair
        await there.push([deployment(), config()])
        app = await there.synced(name)
        assert condition_types(app) == set()
        assert "env" not in (await there.user.get(DEPLOYMENTS, name, "web"))["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.compat("argocd:option.Force")
async def test_an_immutable_field_is_changed_by_force(real_control_plane: Any, shipway_account: Path) -> None:
    name = "gitops-force"
    options = {"automated": {}, "syncOptions": ["Force=true"], "retry": {"limit": 0}}
    async with world(real_control_plane, shipway_account, name, [deployment(), config()]) as there:
        await there.user.create(APPLICATIONS, app_in(name, syncPolicy=options))
        await there.synced(name)
        before = await there.user.get(DEPLOYMENTS, name, "web")
        changed = deployment()
        changed["spec"]["selector"] = {"matchLabels": {"app": "other"}}
        changed["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
        await there.push([changed, config()])
        await there.synced(name)
        after = await there.user.get(DEPLOYMENTS, name, "web")
        assert after["spec"]["selector"] == {"matchLabels": {"app": "other"}}
        assert after["metadata"]["uid"] != before["metadata"]["uid"]


@pytest.mark.compat("argocd:ignoreDifferences.jqPathExpressions", "argocd:ignoreDifferences.managedFieldsManagers")
async def test_what_jq_and_managers_are_left_is_kept(real_control_plane: Any, shipway_account: Path) -> None:
    name = "gitops-ignore"
    rules = [
        {
            "group": "apps",
            "kind": "Deployment",
            "jqPathExpressions": [".spec.template.spec.containers[] | select(.image) | .image"],
        },
        {"group": "apps", "kind": "Deployment", "managedFieldsManagers": ["kubectl-edit"]},
    ]
    policy = {"automated": {"selfHeal": True}, "syncOptions": ["RespectIgnoreDifferences=true"]}
    async with world(real_control_plane, shipway_account, name, [deployment()]) as there:
        await there.user.create(APPLICATIONS, app_in(name, ignoreDifferences=rules, syncPolicy=policy))
        await there.synced(name)
        image = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "theirs:v9"}]
        await there.user.patch(DEPLOYMENTS, name, "web", image, type="json", manager="image-writer")
        await there.user.patch(DEPLOYMENTS, name, "web", {"spec": {"replicas": 3}})
        await there.settle(3)
        assert dig(await there.app(name), "status", "sync", "status") == "Synced"
        changed = deployment()
        changed["metadata"]["labels"] = {"edition": "2"}
        await there.push([changed])
        await there.synced(name)
        live = await there.user.get(DEPLOYMENTS, name, "web")
        assert live["spec"]["replicas"] == 3
        assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "theirs:v9"
        assert live["metadata"]["labels"] == {"edition": "2"}


@pytest.mark.compat("argocd:hook.PreDelete")
async def test_a_deletion_runs_its_hooks_and_takes_everything_along(real_control_plane: Any, shipway_account: Path) -> None:
    name = "gitops-delete"
    hooks = [config("before", annotations={"argocd.argoproj.io/hook": "PreDelete"})]
    last = {"argocd.argoproj.io/hook": "PostDelete", "argocd.argoproj.io/hook-delete-policy": "HookSucceeded"}
    hooks.append(config("after", annotations=last))
    app = app_in(name)
    app["metadata"]["finalizers"] = ["resources-finalizer.argocd.argoproj.io"]
    async with world(real_control_plane, shipway_account, name, [config(), deployment(), *hooks]) as there:
        await there.user.create(APPLICATIONS, app)
        await there.synced(name)
        await there.user.delete(APPLICATIONS, "argocd", name)
        await comes_to(True, lambda: there.gone(APPLICATIONS, "argocd", name))
        assert await there.gone(CONFIG_MAPS, name, "settings") and await there.gone(DEPLOYMENTS, name, "web")
        assert await there.gone(CONFIG_MAPS, name, "after")


@pytest.mark.compat("argocd:app-of-apps", "argocd:finalizer.resources")
async def test_children_come_wave_by_wave_and_a_deletion_takes_all_levels_along(
    real_control_plane: Any, shipway_account: Path
) -> None:
    name, finalizer = "gitops-family", "resources-finalizer.argocd.argoproj.io"
    family = [application(one) for one in ("eldest", "next", name)]
    for wave, app in enumerate(family):
        app["spec"]["source"]["repoURL"] = f"https://git.test/{app['metadata']['name']}.git"
        app["spec"]["destination"]["namespace"] = name
        app["metadata"] |= {"finalizers": [finalizer], "annotations": {"argocd.argoproj.io/sync-wave": str(wave)}}
    async with world(real_control_plane, shipway_account, name, [config()]) as there:
        there.add_repository(f"https://git.test/{name}.git", family)
        there.add_repository("https://git.test/eldest.git", [config("eldest")])
        there.add_repository("https://git.test/next.git", [config("next")])
        await there.user.create(APPLICATIONS, family[-1])
        await there.until(lambda app: dig(app, "status", "sync", "status") == "Synced" and "operation" not in app, name=name)
        assert dig(await there.app(name), "status", "health", "status") == "Healthy"
        born = [(await there.app(one))["metadata"]["creationTimestamp"] for one in ("eldest", "next")]
        assert born[0] < born[1], "the second wave waited for the first"
        await there.until(lambda app: dig(app, "status", "health", "status") == "Healthy", name="next")
        await rests(there)  # though it contains itself
        await there.user.delete(APPLICATIONS, "argocd", name)
        await there.until(lambda app: not app, name=name)
        for one in ("eldest", "next"):
            assert await there.gone(APPLICATIONS, "argocd", one) and await there.gone(CONFIG_MAPS, name, one)


@pytest.mark.proves("002-08")
async def test_an_application_waits_for_another_one_without_holding_up_a_third(
    real_control_plane: Any, shipway_account: Path
) -> None:
    name = "gitops-depends"
    web, other = (application(f"{name}-{one}") for one in ("web", "other"))
    for app in (web, other):
        app["spec"]["source"]["repoURL"] = f"https://git.test/{app['metadata']['name']}.git"
        app["spec"]["destination"]["namespace"] = name
    web["metadata"]["annotations"] = {DEPENDS_ON: name}
    async with world(real_control_plane, shipway_account, name, [service()]) as there:
        there.add_repository(f"https://git.test/{name}-web.git", [config("web")])
        there.add_repository(f"https://git.test/{name}-other.git", [config("other")])
        for app in (web, other):
            await there.user.create(APPLICATIONS, app)
        await there.until(lambda app: dig(app, "status", "sync", "status") == "Synced", name=f"{name}-other")
        waiting = await there.until(lambda app: "DependencyWarning" in condition_types(app), name=f"{name}-web")
        assert "there is none of that name" in why(waiting) and await there.gone(CONFIG_MAPS, name, "web")
        await there.user.create(APPLICATIONS, app_in(name))
        await there.synced(name)
        await there.until(lambda app: dig(app, "status", "sync", "status") == "Synced", name=f"{name}-web")
        assert not await there.gone(CONFIG_MAPS, name, "web")
