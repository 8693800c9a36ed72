"""AppProjects in virtual time: sync windows that open and close, and applications outside the control-plane namespace."""

from typing import Any

import pytest

from shipway.api.kinds import APP_PROJECTS, APPLICATIONS, CONFIG_MAPS, NAMESPACES, SECRETS, SERVICES
from shipway.base.clock import Instant, parse_rfc3339, rfc3339
from shipway.gitops.why import why
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from tests.sim.gitops_objects import config, service
from tests.sim.gitops_world import EPOCH, REPO, World, application, condition_types, simulate


def project(**spec: Any) -> Obj:
    allowed = {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}]}
    meta = {"name": "team", "namespace": "argocd"}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": meta, "spec": {**allowed, **spec}}


def daily(kind: str, begins: float, duration: str = "1h", **more: Any) -> Obj:
    """A window that begins at `begins` seconds from the start of the story, every day."""
    at = rfc3339(Instant(EPOCH + begins))
    schedule = f"{int(at[14:16])} {int(at[11:13])} * * *"
    return {"kind": kind, "schedule": schedule, "duration": duration, "applications": ["*"], **more}


@pytest.mark.compat("argocd:project.syncWindows")
def test_automated_sync_waits_for_its_window_and_why_says_when_it_opens() -> None:
    async def story(there: World) -> None:
        await there.user.create(APP_PROJECTS, project(syncWindows=[daily("allow", 7200)]))
        await there.user.create(APPLICATIONS, application(project="team"))
        app = await there.until(lambda app: dig(app, "status", "sync", "status") == "OutOfSync")
        await there.settle(1200)
        assert await there.gone(CONFIG_MAPS, "shop", "settings")
        found = await there.user.get(APP_PROJECTS, "argocd", "team")
        told = why(app, [found], there.clock.now())
        assert told.startswith("shop is OutOfSync and waits for a sync window: the allow window ")
        opens = parse_rfc3339(told.rsplit("opens at ", 1)[1].rstrip("."))
        assert there.clock.now() < opens <= EPOCH + 7200
        await there.clock.sleep(opens - there.clock.now() - 1)
        assert "operationState" not in (await there.app())["status"]
        await there.synced()

    simulate(story, [config()])


@pytest.mark.compat("argocd:project.syncWindows.manualSync")
def test_a_person_may_sync_through_a_window_that_says_so_and_waits_at_one_that_does_not() -> None:
    async def story(there: World) -> None:
        await there.user.create(APP_PROJECTS, project(syncWindows=[daily("deny", -600, manualSync=True)]))
        await there.user.create(APPLICATIONS, application(project="team", syncPolicy={}))
        by_hand = {"operation": {"initiatedBy": {"username": "ann"}, "sync": {}}}
        await there.user.patch(APPLICATIONS, "argocd", "shop", by_hand)
        await there.synced()
        await there.user.patch(APP_PROJECTS, "argocd", "team", {"spec": {"syncWindows": [daily("deny", -600)]}})
        await there.push([config(annotations={"edition": "2"})])
        await there.until(lambda app: dig(app, "status", "sync", "status") == "OutOfSync")
        await there.user.patch(APPLICATIONS, "argocd", "shop", by_hand)

        def is_told(app: Obj) -> bool:
            state = dig(app, "status", "operationState", default={})
            text = state.get("message", "")
            return state.get("phase") == "Running" and text.startswith("Sync operation blocked by sync window: the deny window")

        await there.until(is_told)
        await there.settle(600)
        assert "edition" not in (await there.user.get(CONFIG_MAPS, "shop", "settings"))["metadata"]["annotations"]
        await there.clock.sleep(2400)
        await there.until(lambda app: "operation" not in app)
        assert (await there.user.get(CONFIG_MAPS, "shop", "settings"))["metadata"]["annotations"]["edition"] == "2"

    simulate(story, [config()])


def test_an_operation_that_a_window_blocks_can_be_terminated() -> None:
    async def story(there: World) -> None:
        await there.user.create(APP_PROJECTS, project(syncWindows=[daily("deny", -600)]))
        await there.user.create(APPLICATIONS, {**application(project="team", syncPolicy={}), "operation": {"sync": {}}})
        await there.until(lambda app: "blocked by" in dig(app, "status", "operationState", "message", default=""))
        stop = {"status": {"operationState": {"phase": "Terminating"}}}
        await there.user.patch(APPLICATIONS, "argocd", "shop", stop)
        app = await there.until(lambda app: "operation" not in app)
        assert dig(app, "status", "operationState", "phase") == "Failed"
        assert await there.gone(CONFIG_MAPS, "shop", "settings")

    simulate(story, [config()])


def elsewhere(namespace: str, **spec: Any) -> Obj:
    app = application(project="team", **spec)
    app["metadata"]["namespace"] = namespace
    return app


@pytest.mark.compat("argocd:status.controllerNamespace", "argocd:project.sourceNamespaces")
def test_an_application_in_a_namespace_of_its_team_is_synced_once_the_project_lets_it() -> None:
    async def story(there: World) -> None:
        for name in ("team-a", "stranger"):
            await there.user.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        await there.user.create(APP_PROJECTS, project())
        await there.user.create(APPLICATIONS, elsewhere("stranger"))
        await there.user.create(APPLICATIONS, elsewhere("team-a"))
        app = await there.until(lambda app: "InvalidSpecError" in condition_types(app), name="team-a/shop")
        assert dig(app, "status", "conditions", 0, "message") == (
            "application 'shop' in namespace 'team-a' is not allowed to use project 'team'"
        )
        assert await there.gone(CONFIG_MAPS, "shop", "settings")
        await there.user.patch(APP_PROJECTS, "argocd", "team", {"spec": {"sourceNamespaces": ["team-*"]}})
        app = await there.synced("team-a/shop")
        assert (condition_types(app), dig(app, "status", "controllerNamespace")) == (set(), "argocd")
        live = await there.user.get(CONFIG_MAPS, "shop", "settings")
        assert live["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"] == "team-a_shop:/ConfigMap:shop/settings"
        await there.user.patch(CONFIG_MAPS, "shop", "settings", {"data": {"colour": "red"}})
        await there.until(
            lambda app: dig(app, "status", "operationState", "operation", "sync", "resources"), name="team-a/shop"
        )
        await there.synced("team-a/shop")
        assert (await there.user.get(CONFIG_MAPS, "shop", "settings"))["data"] == {"colour": "blue"}
        assert "status" not in await there.app("stranger/shop"), "a namespace that is not served is left alone"

    simulate(story, [config()])


def secret(called: str, kind: str, **data: str) -> Obj:
    meta = {"name": called, "namespace": "argocd", "labels": {"argocd.argoproj.io/secret-type": kind}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": data}


@pytest.mark.compat("argocd:project.scoped")
def test_a_project_may_use_the_repositories_and_clusters_that_are_its_own() -> None:
    async def story(there: World) -> None:
        await there.user.create(APP_PROJECTS, project(sourceRepos=[], destinations=[]))
        await there.user.create(APPLICATIONS, application(project="team"))
        app = await there.until(lambda app: "InvalidSpecError" in condition_types(app))
        assert {condition["message"].split(" ")[1] for condition in app["status"]["conditions"]} == {"repo", "destination"}
        await there.user.create(SECRETS, secret("repo", "repository", url=REPO, project="team"))
        here = {"server": "https://kubernetes.default.svc", "name": "in-cluster", "project": "team"}
        await there.user.create(SECRETS, secret("here", "cluster", **here))
        await there.synced()
        await there.user.delete(SECRETS, "argocd", "repo")
        await there.until(lambda app: "InvalidSpecError" in condition_types(app))

    simulate(story, [config()])


@pytest.mark.compat("argocd:project.namespaceResourceWhitelist", "argocd:finalizer.resources")
def test_what_a_project_prohibits_is_unknown_and_neither_pruned_nor_deleted() -> None:
    async def story(there: World) -> None:
        await there.user.create(APP_PROJECTS, project())
        app = application(project="team")
        app["metadata"]["finalizers"] = ["resources-finalizer.argocd.argoproj.io"]
        await there.user.create(APPLICATIONS, app)
        await there.synced()
        no_services = {"spec": {"namespaceResourceBlacklist": [{"group": "", "kind": "Service"}]}}
        await there.user.patch(APP_PROJECTS, "argocd", "team", no_services)
        app = await there.until(lambda app: dig(app, "status", "sync", "status") == "OutOfSync")
        assert {row["kind"]: row["status"] for row in app["status"]["resources"]} == {
            "ConfigMap": "Synced",
            "Service": "Unknown",
        }
        await there.push([config()])
        app = await there.synced()
        assert [row["kind"] for row in app["status"]["resources"]] == ["ConfigMap"]
        await there.user.delete(APPLICATIONS, "argocd", "shop")
        await there.until(lambda app: not app)
        assert await there.gone(CONFIG_MAPS, "shop", "settings")
        assert not await there.gone(SERVICES, "shop", "web")

    simulate(story, [config(), service()])
