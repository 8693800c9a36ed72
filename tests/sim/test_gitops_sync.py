"""Operations of the GitOps engine in virtual time: hooks, retries, termination, selections, waves, adoption."""

import pytest

from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS, DEPLOYMENTS, JOBS, NAMESPACES, SERVICES
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from tests.sim.gitops_objects import CLAIMS, claim, config, deployment, hook, service
from tests.sim.gitops_world import REPO, World, application, condition_types, end_job, rows, simulate


@pytest.mark.compat("argocd:option.CreateNamespace", "argocd:wave")
def test_waves_wait_for_health_and_the_namespace_is_created_first() -> None:
    first = config("first", annotations={"argocd.argoproj.io/sync-wave": "-1"})
    second = claim("disk", annotations={"argocd.argoproj.io/sync-wave": "1"})
    third = config("third", annotations={"argocd.argoproj.io/sync-wave": "2"})

    async def story(there: World) -> None:
        app = application(
            destination={"name": "in-cluster", "namespace": "fresh"},
            syncPolicy={"automated": {}, "syncOptions": ["CreateNamespace=true"]},
        )
        await there.user.create(APPLICATIONS, app)
        text = "waiting for healthy state of /PersistentVolumeClaim/disk"
        await there.until(lambda app: dig(app, "status", "operationState", "message") == text)
        assert not await there.gone(NAMESPACES, "", "fresh")
        assert await there.gone(CONFIG_MAPS, "fresh", "third")
        await there.user.patch(CLAIMS, "fresh", "disk", {"status": {"phase": "Bound"}}, subresource="status")
        app = await there.synced()
        assert rows(app)["fresh"]["message"] == "namespace/fresh created"
        assert not await there.gone(CONFIG_MAPS, "fresh", "third")

    simulate(story, [third, second, first])


@pytest.mark.compat("argocd:hook.PreSync", "argocd:hook-delete-policy.HookSucceeded", "argocd:finalizer.hook")
def test_a_presync_hook_runs_before_and_its_result_is_stored_before_it_goes() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        await there.until(
            lambda app: "waiting for completion of hook" in dig(app, "status", "operationState", "message", default="")
        )
        assert await there.gone(CONFIG_MAPS, "shop", "settings")
        job = await end_job(there, "migrate")
        assert job["metadata"]["finalizers"] == ["argocd.argoproj.io/hook-finalizer"]
        app = await there.synced()
        row = rows(app)["migrate"]
        assert (row["hookType"], row["hookPhase"], row["syncPhase"]) == ("PreSync", "Succeeded", "PreSync")
        await there.settle()
        assert await there.gone(JOBS, "shop", "migrate")
        assert not await there.gone(CONFIG_MAPS, "shop", "settings")

    simulate(story, [config(), hook("migrate", "PreSync", **{"argocd.argoproj.io/hook-delete-policy": "HookSucceeded"})])


def test_a_failing_hook_fails_the_sync_and_stays_for_its_logs() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(syncPolicy={"automated": {}, "retry": {"limit": 0}}))
        await end_job(there, "migrate", succeeded=False)
        app = await there.until(lambda app: dig(app, "status", "operationState", "phase") == "Failed")
        assert "one or more synchronization tasks completed unsuccessfully" in app["status"]["operationState"]["message"]
        assert rows(app)["migrate"]["message"] == "job has failed"
        await there.settle()
        assert not await there.gone(JOBS, "shop", "migrate")
        assert await there.gone(CONFIG_MAPS, "shop", "settings")

    simulate(story, [config(), hook("migrate", "PreSync", **{"argocd.argoproj.io/hook-delete-policy": "HookSucceeded"})])


@pytest.mark.compat("argocd:hook.PreSync", "argocd:hook-delete-policy.BeforeHookCreation")
def test_a_hook_runs_anew_at_each_sync() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        first = await end_job(there, "notify")
        await there.synced()
        await there.push([config(annotations={"edition": "2"}), hook("notify", "PostSync")])
        await there.until(lambda app: dig(app, "status", "operationState", "phase") == "Running")
        await there.until(lambda app: "waiting for completion" in dig(app, "status", "operationState", "message", default=""))
        second = await end_job(there, "notify")
        await there.synced()
        assert second["metadata"]["uid"] != first["metadata"]["uid"]

    simulate(story, [config(), hook("notify", "PostSync")])


@pytest.mark.compat("argocd:operation.terminate")
def test_a_running_sync_can_be_terminated_by_any_client() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(syncPolicy={}))
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"operation": {"sync": {}}})
        await there.until(
            lambda app: "waiting for completion of hook" in dig(app, "status", "operationState", "message", default="")
        )
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"status": {"operationState": {"phase": "Terminating"}}})
        app = await there.until(lambda app: "operation" not in app)
        state = app["status"]["operationState"]
        assert (state["phase"], state["message"]) == ("Failed", "Operation terminated")
        await there.settle()
        assert await there.gone(JOBS, "shop", "migrate")
        assert await there.gone(CONFIG_MAPS, "shop", "settings")

    simulate(story, [config(), hook("migrate", "PreSync")])


@pytest.mark.compat("argocd:retry.limit", "argocd:retry.backoff", "argocd:retry.refresh", "argocd:status.operationState")
def test_a_failed_sync_is_tried_again_with_backoff_and_gives_way_to_a_newer_commit() -> None:
    broken = service()
    broken["spec"]["ports"] = []

    async def story(there: World) -> None:
        retry = {"limit": 3, "backoff": {"duration": "10s", "factor": 2, "maxDuration": "1m"}}
        await there.user.create(APPLICATIONS, application(syncPolicy={"automated": {}, "retry": retry}))
        app = await there.until(lambda app: dig(app, "status", "operationState", "retryCount") == 1)
        assert ". Retrying attempt #1 at " in app["status"]["operationState"]["message"]
        assert "operation" in app
        started = there.clock.now()
        await there.until(lambda app: dig(app, "status", "operationState", "retryCount") == 2)
        assert 8 <= there.clock.now() - started <= 12
        await there.push([config(), service()])
        app = await there.synced()
        assert there.clock.now() - started < 15
        assert "retryCount" not in app["status"]["operationState"]

    simulate(story, [config(), broken])


@pytest.mark.compat("argocd:operation.sync.resources")
def test_a_selective_sync_touches_only_what_it_names_and_makes_no_history() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(syncPolicy={}))
        await there.until(lambda app: dig(app, "status", "sync", "status") == "OutOfSync")
        chosen = [{"group": "", "kind": "Service", "name": "web"}]
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"operation": {"sync": {"resources": chosen}}})
        app = await there.until(lambda app: dig(app, "status", "operationState", "phase") == "Succeeded")
        assert list(rows(app)) == ["web"]
        assert await there.gone(CONFIG_MAPS, "shop", "settings")
        assert "history" not in app["status"]

    simulate(story, [config(), service()])


@pytest.mark.compat("argocd:operation.sync.dryRun")
def test_a_dry_run_writes_nothing_but_its_result() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(syncPolicy={}))
        await there.until(lambda app: dig(app, "status", "sync", "status") == "OutOfSync")
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"operation": {"sync": {"dryRun": True}}})
        app = await there.until(lambda app: dig(app, "status", "operationState", "phase") == "Succeeded")
        assert rows(app)["web"]["message"] == "service/web created (dry run)"
        assert await there.gone(SERVICES, "shop", "web")
        assert "history" not in app["status"]

    simulate(story, [config(), service()])


@pytest.mark.compat("argocd:option.Replace")
def test_replace_drops_what_others_added() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(syncPolicy={"syncOptions": ["Replace=true"]}))
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"operation": {"sync": {}}})
        await there.synced()
        await there.user.patch(CONFIG_MAPS, "shop", "settings", {"data": {"colour": "red", "extra": "x"}})
        await there.until(lambda app: dig(app, "status", "sync", "status") == "OutOfSync")
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"operation": {"sync": {}}})
        app = await there.synced()
        assert (await there.user.get(CONFIG_MAPS, "shop", "settings"))["data"] == {"colour": "blue"}
        assert rows(app)["settings"]["message"] == "configmap/settings replaced"

    simulate(story, [config()])


@pytest.mark.compat(
    "argocd:option.Prune=false", "argocd:resource.sync-options", "argocd:status.operationState.syncResult.resources"
)
def test_an_object_that_may_not_be_pruned_stays() -> None:
    kept = config("kept", annotations={"argocd.argoproj.io/sync-options": "Prune=false"})

    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        await there.synced()
        await there.push([config()])
        app = await there.until(
            lambda app: (
                "operation" not in app
                and dig(app, "status", "operationState", "syncResult", "revision") == there.repository.head
            )
        )
        assert rows(app)["kept"]["status"] == "PruneSkipped"
        there.engine.writes.clear()
        await there.settle(900)
        assert not await there.gone(CONFIG_MAPS, "shop", "kept")
        assert len(there.engine.writes) < 30

    simulate(story, [config(), kept])


@pytest.mark.compat("argocd:option.SkipDryRunOnMissingResource")
def test_a_crd_and_its_first_object_come_in_one_sync() -> None:
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                }
            ],
        },
    }
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "one"}, "spec": {"size": 1}}

    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        app = await there.synced()
        assert {row["kind"] for row in app["status"]["resources"]} == {"CustomResourceDefinition", "Widget"}

    simulate(story, [widget, crd])


def test_an_object_that_kubectl_applied_is_adopted_as_it_is() -> None:
    async def story(there: World) -> None:
        theirs = deployment() | {"metadata": {"name": "web", "namespace": "shop", "labels": {"old": "x"}}}
        kubectl = "kubectl-client-side-apply"
        created = await there.user.create(DEPLOYMENTS, theirs, manager=kubectl)
        await there.user.create(APPLICATIONS, application())
        app = await there.synced()
        live = await there.user.get(DEPLOYMENTS, "shop", "web")
        assert live["spec"] == created["spec"]
        assert live["metadata"]["uid"] == created["metadata"]["uid"]
        assert live["metadata"]["generation"] == created["metadata"]["generation"]
        assert set(live["metadata"]["labels"]) == {"shipway.dev/tracking", "shipway.dev/applied"}
        assert kubectl not in {entry["manager"] for entry in live["metadata"]["managedFields"]}
        assert rows(app)["web"]["message"] == "deployment.apps/web configured"

    simulate(story, [deployment(), config()])


@pytest.mark.compat("argocd:status.conditions")
def test_two_applications_that_want_one_object_are_told_and_do_not_fight() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application("one"))
        await there.synced("one")
        await there.user.create(APPLICATIONS, application("two"))
        await there.until(lambda app: dig(app, "status", "sync", "status") == "Synced", name="two")
        app = await there.until(lambda app: "SharedResourceWarning" in condition_types(app), name="one")
        assert app["status"]["conditions"][0]["message"] == "ConfigMap/settings is part of applications argocd/one and two"
        there.engine.writes.clear()
        await there.settle(900)
        assert there.engine.writes == []

    simulate(story, [config()])


@pytest.mark.compat("argocd:option.FailOnSharedResource")
def test_a_shared_object_fails_the_sync_where_the_user_says_so() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application("one"))
        await there.synced("one")
        policy = {"automated": {}, "retry": {"limit": 0}, "syncOptions": ["FailOnSharedResource=true"]}
        await there.user.create(APPLICATIONS, application("two", syncPolicy=policy))
        app = await there.until(lambda app: dig(app, "status", "operationState", "phase") == "Failed", name="two")
        assert "is part of application one already" in rows(app)["settings"]["message"]
        assert dig(await there.app("one"), "status", "sync", "status") == "Synced"

    simulate(story, [config()])


def test_an_operation_of_an_application_that_its_project_refuses_ends_with_the_reason() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(project="nowhere", syncPolicy={}))
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"operation": {"sync": {}}})
        app = await there.until(lambda app: dig(app, "status", "operationState", "phase") == "Error")
        assert "project nowhere which does not exist" in app["status"]["operationState"]["message"]
        assert "operation" not in app
        assert await there.gone(CONFIG_MAPS, "shop", "settings")

    simulate(story, [config()])


@pytest.mark.compat("argocd:hook.helm")
def test_a_pre_upgrade_job_runs_once_for_each_release_however_syncs_overlap() -> None:
    def release(edition: str) -> list[Obj]:
        job = hook("migrate", "PreSync")
        job["metadata"]["annotations"] = {"helm.sh/hook": "pre-install,pre-upgrade"}
        return [config(annotations={"edition": edition}), job]

    async def story(there: World) -> None:
        started: dict[str, str] = {}

        async def look() -> None:
            for job in (await there.user.list(JOBS, "shop")).items:
                operation = job["metadata"]["annotations"]["shipway.dev/operation"]
                started[job["metadata"]["uid"]] = operation

        await there.user.create(APPLICATIONS, application())
        for edition in ("2", "3"):
            await there.until(lambda app: "completion of hook" in dig(app, "status", "operationState", "message", default=""))
            # A push, a hand edit, a wish to refresh, a second sync and a crash while the job runs.
            await there.push(release(edition))
            refresh = {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "hard"}}}
            await there.user.patch(APPLICATIONS, "argocd", "shop", refresh)
            await there.user.patch(APPLICATIONS, "argocd", "shop", {"operation": {"sync": {}}})
            there.restart()
            await there.settle(20)
            await look()
            await end_job(there, "migrate")
            await there.until(lambda app: "operation" not in app or dig(app, "status", "operationState", "phase") == "Running")
        for _ in range(100):
            await look()
            if not await there.gone(JOBS, "shop", "migrate"):
                await end_job(there, "migrate")
            await there.clock.sleep(0.5)
        await there.synced()
        assert len(started) == len(set(started.values())) <= 3, "one job for each release"

    simulate(story, release("1"))


@pytest.mark.parametrize("refresh", [False, True])
@pytest.mark.compat("argocd:retry.refresh", "argocd:operation.retry")
def test_a_retry_takes_the_newest_commit_where_the_client_says_so(refresh: bool) -> None:
    broken = deployment()
    broken["spec"]["template"]["spec"]["containers"] = []

    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(syncPolicy={}))
        retry = {"limit": 3, "backoff": {"duration": "10s"}, "refresh": refresh}
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"operation": {"sync": {}, "retry": retry}})
        await there.until(lambda app: dig(app, "status", "operationState", "retryCount") == 1)
        mended = await there.push([deployment()])
        app = await there.until(lambda app: "operation" not in app, seconds=300)
        state = app["status"]["operationState"]
        assert (state["phase"], state["syncResult"]["revision"] == mended) == (
            ("Succeeded", True) if refresh else ("Failed", False)
        )

    simulate(story, [broken])


@pytest.mark.compat("argocd:retry.refresh")
def test_a_retry_with_the_newest_commit_looks_for_it_and_never_goes_back() -> None:
    """A push of which nobody told: what was known before is older than what the operation names."""
    broken = deployment()
    broken["spec"]["template"]["spec"]["containers"] = []

    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(syncPolicy={}))
        await there.until(lambda app: dig(app, "status", "sync", "status") == "OutOfSync")
        named = there.repository.commit([broken])
        retry = {"limit": -1, "backoff": {"duration": "5s", "factor": 1}, "refresh": True}
        operation = {"sync": {"revision": named}, "retry": retry}
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"operation": operation})
        await there.until(lambda app: dig(app, "status", "operationState", "retryCount") == 2)
        assert dig(await there.app(), "status", "operationState", "syncResult", "revision") == named
        mended = there.repository.commit([deployment()])
        app = await there.until(lambda app: "operation" not in app, seconds=30)
        state = app["status"]["operationState"]
        assert (state["phase"], state["syncResult"]["revision"]) == ("Succeeded", mended)

    simulate(story, [config()])


@pytest.mark.compat("argocd:retry.refresh")
def test_a_retry_takes_no_commit_of_a_source_that_came_after_its_operation() -> None:
    broken = deployment()
    broken["spec"]["template"]["spec"]["containers"] = []

    async def story(there: World) -> None:
        there.add_repository("https://git.test/other.git", [config()])
        await there.user.create(APPLICATIONS, application(syncPolicy={}))
        retry = {"limit": 1, "backoff": {"duration": "10s"}, "refresh": True}
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"operation": {"sync": {}, "retry": retry}})
        await there.until(lambda app: dig(app, "status", "operationState", "retryCount") == 1)
        other = {"spec": {"source": {"repoURL": "https://git.test/other.git"}}}
        await there.user.patch(APPLICATIONS, "argocd", "shop", other)
        app = await there.until(lambda app: "operation" not in app, seconds=300)
        result = app["status"]["operationState"]["syncResult"]
        assert (result["source"]["repoURL"], result["revision"]) == (REPO, there.repository.head)

    simulate(story, [broken])
