"""The GitOps engine in virtual time, against a real API server in memory."""

from typing import Any

import pytest

from shipway.api.kinds import APP_PROJECTS, APPLICATIONS, CONFIG_MAPS, DEPLOYMENTS, SERVICES
from shipway.base.errors import InvalidInput, Unavailable
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, dig
from tests.sim.gitops_objects import config, deployment, service
from tests.sim.gitops_world import World, application, condition_types, rows, simulate


@pytest.mark.compat(
    "argocd:resource.tracking-id",
    "argocd:status.sync",
    "argocd:status.resources",
    "argocd:status.reconciledAt",
    "argocd:status.operationState",
    "argocd:status.operationState.syncResult.resources",
    "argocd:status.sourceType",
)
def test_an_automated_application_becomes_synced_and_says_so_as_argo_cd_does() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        app = await there.synced()
        status = app["status"]
        head = there.repository.head
        assert status["sync"]["comparedTo"]["source"]["path"] == "deploy"
        assert status["sourceType"] == "Directory"
        assert status["reconciledAt"]
        assert [(row["kind"], row["name"], row["status"]) for row in status["resources"]] == [
            ("ConfigMap", "settings", "Synced"),
            ("Service", "web", "Synced"),
            ("Deployment", "web", "Synced"),
        ]
        state = status["operationState"]
        assert (state["phase"], state["message"]) == ("Succeeded", "successfully synced (all tasks run)")
        assert state["operation"]["initiatedBy"] == {"automated": True}
        assert state["syncResult"]["revision"] == head
        assert [row["message"] for row in state["syncResult"]["resources"]] == [
            "configmap/settings created",
            "service/web created",
            "deployment.apps/web created",
        ]
        assert [(entry["id"], entry["revision"]) for entry in status["history"]] == [(0, head)]
        assert status["summary"] == {"images": ["builtin/echo:v1"]}
        live = await there.user.get(DEPLOYMENTS, "shop", "web")
        assert annotations_of(live)["argocd.argoproj.io/tracking-id"] == "shop:apps/Deployment:shop/web"
        await there.settle()
        assert {e["reason"] for e in await there.events()} >= {"OperationStarted", "OperationCompleted", "ResourceUpdated"}

    simulate(story, [deployment(), service(), config()])


@pytest.mark.compat("argocd:status.reconciledAt")
def test_once_synced_nothing_is_written_any_more() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        await there.synced()
        await there.settle()
        there.engine.writes.clear()
        await there.settle(1000)
        assert there.engine.writes == []
        assert there.repository.heads > 3

    simulate(story, [deployment(), service(), config()])


@pytest.mark.compat("argocd:automated.prune", "argocd:status.operationState.syncResult.resources")
def test_a_push_is_applied_and_what_left_git_is_pruned() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        await there.synced()
        await there.push([config(), deployment(image="builtin/echo:v2")])
        app = await there.synced()
        assert await there.gone(SERVICES, "shop", "web")
        assert rows(app)["web"]["message"] in ("pruned", "deployment.apps/web configured")
        assert {row["message"] for row in app["status"]["operationState"]["syncResult"]["resources"]} == {
            "pruned",
            "configmap/settings unchanged",
            "deployment.apps/web configured",
        }
        live = await there.user.get(DEPLOYMENTS, "shop", "web")
        assert dig(live, "spec", "template", "spec", "containers", 0, "image") == "builtin/echo:v2"
        assert [entry["id"] for entry in app["status"]["history"]] == [0, 1]

    simulate(story, [config(), deployment(), service()])


@pytest.mark.compat("argocd:automated.selfHeal")
def test_a_hand_edit_is_healed_and_its_field_manager_named() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        await there.synced()
        started = there.clock.now()
        await there.user.patch(CONFIG_MAPS, "shop", "settings", {"data": {"colour": "red"}})
        await there.until(lambda app: dig(app, "status", "operationState", "operation", "sync", "autoHealAttemptsCount") == 1)
        app = await there.synced()
        assert there.clock.now() - started < 2.0
        live = await there.user.get(CONFIG_MAPS, "shop", "settings")
        assert live["data"] == {"colour": "blue"}
        await there.settle()
        healed = [event["message"] for event in await there.events() if event["reason"] == "DriftHealed"]
        assert healed == ["ConfigMap shop/settings: data.colour changed by kubectl-edit"]
        assert len(app["status"]["history"]) == 1

    simulate(story, [config(), service()])


def test_a_deleted_object_comes_back() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        await there.synced()
        await there.user.delete(SERVICES, "shop", "web")
        await there.until(lambda app: dig(app, "status", "operationState", "operation", "sync", "autoHealAttemptsCount") == 1)
        await there.synced()
        assert not await there.gone(SERVICES, "shop", "web")

    simulate(story, [config(), service()])


@pytest.mark.compat("argocd:automated.selfHeal")
def test_without_self_heal_a_hand_edit_is_reported_and_left() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(syncPolicy={"automated": {}}))
        await there.synced()
        await there.user.patch(CONFIG_MAPS, "shop", "settings", {"data": {"colour": "red"}})
        await there.until(lambda app: dig(app, "status", "sync", "status") == "OutOfSync")
        there.engine.writes.clear()
        await there.settle(600)
        assert there.engine.writes == []

    simulate(story, [config()])


def test_fields_and_labels_that_others_add_are_no_drift() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        await there.synced()
        await there.settle()
        there.engine.writes.clear()
        await there.user.patch(CONFIG_MAPS, "shop", "settings", {"data": {"size": "L"}, "metadata": {"labels": {"a": "b"}}})
        await there.settle(30)
        assert there.engine.writes == []

    simulate(story, [config()])


@pytest.mark.compat("argocd:status.conditions")
def test_a_broken_commit_leaves_the_cluster_alone_and_says_what_to_do() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        await there.synced()
        there.engine.writes.clear()
        await there.push(InvalidInput("deploy/web.yaml: line 7: mapping values are not allowed here: mend the indentation"))
        app = await there.until(lambda app: "ComparisonError" in condition_types(app))
        assert dig(app, "status", "sync", "status") == "Unknown"
        assert "deploy/web.yaml: line 7" in app["status"]["conditions"][0]["message"]
        await there.settle(30)
        assert all("/applications/" in path for _, path in there.engine.writes)
        await there.push([config()])
        app = await there.synced()
        assert condition_types(app) == set()

    simulate(story, [config(), service()])


@pytest.mark.compat("argocd:status.health")
def test_an_application_that_was_never_rendered_is_healthy_since_nothing_of_it_is_ill() -> None:
    async def story(there: World) -> None:
        await there.push(InvalidInput("deploy/web.yaml: line 7: mapping values are not allowed here: mend the indentation"))
        await there.user.create(APPLICATIONS, application())
        app = await there.until(lambda app: "ComparisonError" in condition_types(app))
        assert dig(app, "status", "sync", "status") == "Unknown"
        assert dig(app, "status", "health", "status") == "Healthy"

    simulate(story, [config()])


@pytest.mark.compat("argocd:wave.dry-run")
@pytest.mark.parametrize("is_first", [False, True], ids=["tried", "written-alone"])
def test_an_object_the_server_refuses_stops_the_sync_before_anything_is_applied(is_first: bool) -> None:
    """What is written first is not tried: it is written alone, so that nothing has been done if it is refused."""
    broken = service()
    broken["spec"]["ports"] = [{"port": "no number at all"}]
    other = service("x-other") if is_first else config()

    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(syncPolicy={"automated": {}, "retry": {"limit": 0}}))
        app = await there.until(lambda app: dig(app, "status", "operationState", "phase") == "Failed")
        told = dig(app, "status", "operationState", "message")
        trial = "" if is_first else " (dry run)"
        assert told.startswith(f"one or more objects failed to apply{trial}, reason: Service/web: ")
        assert {name: row["status"] for name, row in rows(app).items()} == {"web": "SyncFailed"}
        assert await there.gone(SERVICES if is_first else CONFIG_MAPS, "shop", other["metadata"]["name"])
        app = await there.until(lambda app: "SyncError" in condition_types(app))
        there.engine.writes.clear()
        await there.settle(900)
        assert there.engine.writes == []
        await there.push([other, service()])
        await there.synced()

    simulate(story, [other, broken])


def test_an_unreachable_repository_is_told_and_healing_goes_on() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        await there.synced()
        there.repository.unreachable = Unavailable("https://git.test/shop.git did not answer: check the network")
        there.runtime.refresh(lambda ask: True)
        app = await there.until(lambda app: "ComparisonError" in condition_types(app))
        assert dig(app, "status", "sync", "status") == "Synced"
        await there.user.patch(CONFIG_MAPS, "shop", "settings", {"data": {"colour": "red"}})
        await there.settle(5)
        assert (await there.user.get(CONFIG_MAPS, "shop", "settings"))["data"] == {"colour": "blue"}
        await there.until(lambda app: dig(app, "status", "sync", "status") == "Unknown", seconds=300)
        there.repository.unreachable = None
        there.runtime.refresh(lambda ask: True)
        app = await there.synced()
        assert condition_types(app) == set()

    simulate(story, [config(), service()])


@pytest.mark.parametrize("hangs", [False, True], ids=["refuses", "hangs"])
def test_after_a_restart_the_mirror_stands_in_for_a_remote_that_is_away(hangs: bool) -> None:
    """It heals to the revision that was compared last, and neither prunes nor applies another one."""

    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        app = await there.synced()
        before = dig(app, "status", "history")
        commit = there.repository.head
        there.repository.commit([{**config(), "data": {"colour": "green"}}])
        there.repository.hangs = hangs
        there.repository.unreachable = Unavailable("https://git.test/shop.git did not answer: check the network")
        there.restart()
        await there.clock.sleep(1)
        await there.user.patch(CONFIG_MAPS, "shop", "settings", {"data": {"colour": "red"}})
        for _ in range(400):
            if (await there.user.get(CONFIG_MAPS, "shop", "settings"))["data"] == {"colour": "blue"}:
                break
            await there.clock.sleep(0.05)
        app = await there.until(lambda app: "operation" not in app and dig(app, "status", "sync", "status") == "Synced")
        assert condition_types(app) == (set() if hangs else {"ComparisonError"})
        assert dig(app, "status", "sync", "revision") == commit
        assert dig(app, "status", "history") == before
        assert await there.user.get(SERVICES, "shop", "web")

    simulate(story, [config(), service()])


def test_without_a_mirror_nothing_is_touched_after_a_restart() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        await there.synced()
        there.repository.mirror_is_lost = True
        there.repository.unreachable = Unavailable("https://git.test/shop.git did not answer: check the network")
        there.restart()
        app = await there.until(lambda app: "ComparisonError" in condition_types(app))
        assert dig(app, "status", "sync", "status") == "Unknown"
        await there.user.patch(CONFIG_MAPS, "shop", "settings", {"data": {"colour": "red"}})
        await there.settle(30)
        assert (await there.user.get(CONFIG_MAPS, "shop", "settings"))["data"] == {"colour": "red"}

    simulate(story, [config()])


def test_a_repository_that_was_never_reached_prunes_nothing() -> None:
    async def story(there: World) -> None:
        there.repository.unreachable = Unavailable("https://git.test/shop.git did not answer: check the network")
        await there.user.create(APPLICATIONS, application())
        app = await there.until(lambda app: "ComparisonError" in condition_types(app))
        assert dig(app, "status", "sync", "status") == "Unknown"
        there.repository.unreachable = None
        await there.synced()

    simulate(story, [config()])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"destination": {"server": "https://elsewhere:6443"}}, 'cluster "https://elsewhere:6443" not found'),
        ({"source": {"repoURL": "https://x/y", "path": 7}}, "spec.source.path: expected `str`, got `int`"),
        ({"project": "nowhere"}, "Application referencing project nowhere which does not exist"),
        ({"syncPolicy": {"syncOptions": ["CreateNamspace=true"]}}, "CreateNamspace=true is not known"),
    ],
)
@pytest.mark.compat(
    "argocd:spec.project",
    "argocd:destination.server",
    "argocd:spec.syncPolicy.syncOptions",
    "argocd:validation",
    "argocd:status.conditions",
)
def test_an_invalid_spec_is_a_condition(spec: Obj, message: str) -> None:
    async def story(there: World) -> None:
        app = application()
        app["spec"] |= spec
        try:
            await there.user.create(APPLICATIONS, app)
        except InvalidInput as refusal:
            assert "spec.source.path" in str(refusal)
            return
        found = await there.until(lambda app: "InvalidSpecError" in condition_types(app))
        assert message in found["status"]["conditions"][0]["message"]
        assert dig(found, "status", "sync", "status") == "Unknown"

    simulate(story, [config()])


@pytest.mark.compat(
    "argocd:operation.sync", "argocd:operation.sync.revision", "argocd:operation.initiatedBy", "argocd:status.history"
)
def test_a_manual_sync_is_an_operation_that_any_client_writes() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(syncPolicy={}))
        await there.until(lambda app: dig(app, "status", "sync", "status") == "OutOfSync")
        assert await there.gone(CONFIG_MAPS, "shop", "settings")
        operation = {"sync": {"revision": "main"}, "initiatedBy": {"username": "ada"}}
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"operation": operation})
        app = await there.synced()
        assert dig(app, "status", "operationState", "phase") == "Succeeded"
        assert dig(app, "status", "history", 0, "initiatedBy") == {"username": "ada"}

    simulate(story, [config()])


@pytest.mark.compat("argocd:automated.prune", "argocd:operation.sync.prune", "argocd:status.resources")
def test_a_sync_without_prune_skips_what_left_git() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(syncPolicy={"automated": {}}))
        await there.synced()
        await there.push([config()])
        app = await there.until(lambda app: dig(app, "status", "sync", "status") == "OutOfSync")
        await there.settle(60)
        app = await there.app()
        pruned = next(row for row in app["status"]["resources"] if row["kind"] == "Service")
        assert pruned["requiresPruning"] is True
        assert not await there.gone(SERVICES, "shop", "web")
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"operation": {"sync": {"prune": True}}})
        await there.synced()
        assert await there.gone(SERVICES, "shop", "web")

    simulate(story, [config(), service()])


@pytest.mark.compat("argocd:automated.allowEmpty")
def test_an_empty_render_never_prunes_everything_unless_allowed() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        await there.synced()
        await there.push([])
        app = await there.until(lambda app: "SyncError" in condition_types(app))
        assert "auto-sync will wipe out all resources" in app["status"]["conditions"][0]["message"]
        assert not await there.gone(CONFIG_MAPS, "shop", "settings")
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"spec": {"syncPolicy": {"automated": {"allowEmpty": True}}}})
        await there.synced()
        assert await there.gone(CONFIG_MAPS, "shop", "settings")

    simulate(story, [config()])


@pytest.mark.compat("argocd:annotation.refresh")
def test_the_refresh_annotation_asks_git_again_and_goes() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(syncPolicy={}))
        await there.until(lambda app: dig(app, "status", "sync", "status") == "OutOfSync")
        there.repository.commit([config("other")])
        wish = {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}}
        await there.user.patch(APPLICATIONS, "argocd", "shop", wish)
        app = await there.until(lambda app: set(annotations_of(app)) <= {"shipway.dev/kinds"}, seconds=5)
        assert dig(app, "status", "resources", 0, "name") == "other"

    simulate(story, [config()])


@pytest.mark.compat("argocd:finalizer.resources")
def test_deleting_an_application_with_the_finalizer_takes_its_objects_along() -> None:
    async def story(there: World) -> None:
        app = application()
        app["metadata"]["finalizers"] = ["resources-finalizer.argocd.argoproj.io/background"]
        await there.user.create(APPLICATIONS, app)
        await there.synced()
        await there.user.delete(APPLICATIONS, "argocd", "shop")
        for _ in range(100):
            if await there.gone(APPLICATIONS, "argocd", "shop"):
                break
            await there.clock.sleep(0.1)
        assert await there.gone(APPLICATIONS, "argocd", "shop")
        assert await there.gone(CONFIG_MAPS, "shop", "settings")

    simulate(story, [config(), service()])


def project(**spec: Any) -> Obj:
    allowed = {"sourceRepos": ["https://git.test/*"], "destinations": [{"server": "*", "namespace": "shop"}]}
    meta = {"name": "team", "namespace": "argocd"}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": meta, "spec": {**allowed, **spec}}


@pytest.mark.proves("002-19")
@pytest.mark.parametrize(
    ("broken", "refusal"),
    [
        (
            {"sourceRepos": ["https://git.test/other.git"]},
            "application repo https://git.test/shop.git is not permitted in project 'team'",
        ),
        (
            {"destinations": [{"server": "*", "namespace": "other"}]},
            "do not match any of the allowed destinations in project 'team'",
        ),
        (
            {"namespaceResourceBlacklist": [{"group": "", "kind": "ConfigMap"}]},
            "resource :ConfigMap is not permitted in project team",
        ),
    ],
    ids=["repository", "destination", "kind"],
)
@pytest.mark.compat("argocd:spec.project", "argocd:project.namespaceResourceWhitelist")
def test_a_project_refuses_by_naming_the_rule_until_the_rule_is_changed(broken: Obj, refusal: str) -> None:
    async def story(there: World) -> None:
        await there.user.create(APP_PROJECTS, project(**broken))
        policy = {"automated": {}, "retry": {"limit": -1, "backoff": {"duration": "5s", "factor": 1}}}
        await there.user.create(APPLICATIONS, application(project="team", syncPolicy=policy))

        def told(app: Obj) -> str:
            conditions = dig(app, "status", "conditions", default=[])
            return f"{conditions} {dig(app, 'status', 'operationState', 'message', default='')}"

        await there.until(lambda app: refusal in told(app))
        assert await there.gone(CONFIG_MAPS, "shop", "settings")
        whole = project()["spec"]
        await there.user.patch(APP_PROJECTS, "argocd", "team", {"spec": {**dict.fromkeys(broken), **whole}})
        app = await there.synced()
        assert condition_types(app) == set()

    simulate(story, [config()])
