"""Operations of the GitOps engine in virtual time: hooks, retries, termination, selections, waves, adoption."""

from typing import Any

import pytest

from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS, DEPLOYMENTS, JOBS, NAMESPACES, SERVICES
from shipway.base.clock import parse_rfc3339, rfc3339
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from tests.sim.gitops_objects import CLAIMS, claim, config, deployment, hook, service
from tests.sim.gitops_world import World, application, condition_types, end_job, rows, simulate


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


def test_replace_drops_what_others_added() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(syncPolicy={"syncOptions": ["Replace=true"]}))
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"operation": {"sync": {}}})
        await there.synced()
        await there.user.patch(CONFIG_MAPS, "shop", "settings", {"data": {"colour": "red", "extra": "x"}})
        await there.until(lambda app: dig(app, "status", "sync", "status") == "OutOfSync")
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"operation": {"sync": {}}})
        await there.synced()
        assert (await there.user.get(CONFIG_MAPS, "shop", "settings"))["data"] == {"colour": "blue"}

    simulate(story, [config()])


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
        assert "labels" not in live["metadata"]
        assert kubectl not in {entry["manager"] for entry in live["metadata"]["managedFields"]}
        assert rows(app)["web"]["message"] == "deployment.apps/web configured"

    simulate(story, [deployment(), config()])


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


def prefer(*options: str, **more: Any) -> Obj:
    """Automated, with these sync options."""
    return {"automated": {"prune": True, "selfHeal": True}, "syncOptions": list(options), "retry": {"limit": 0}, **more}


def test_an_immutable_object_is_created_anew_where_the_user_forces_it() -> None:
    def shop(image: str) -> list[Obj]:
        job = {**hook("load", "PreSync")}
        job["metadata"] = {"name": "load"}
        job["spec"]["template"]["spec"]["containers"][0]["image"] = image
        return [config(), job]

    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(syncPolicy=prefer()))
        await there.synced()
        first = await there.user.get(JOBS, "shop", "load")
        await there.push(shop("builtin/echo:v2"))
        app = await there.until(lambda app: dig(app, "status", "operationState", "phase") == "Failed")
        assert "field is immutable" in rows(app)["load"]["message"]
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"spec": {"syncPolicy": prefer("Force=true")}})
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"operation": {"sync": {"syncOptions": ["Force=true"]}}})
        await there.synced()
        second = await there.user.get(JOBS, "shop", "load")
        assert first["metadata"]["uid"] != second["metadata"]["uid"]
        assert second["spec"]["template"]["spec"]["containers"][0]["image"] == "builtin/echo:v2"
        settings = await there.user.get(CONFIG_MAPS, "shop", "settings")
        await there.push([config(annotations={"edition": "2"}), shop("builtin/echo:v2")[1]])
        await there.synced()
        changed = await there.user.get(CONFIG_MAPS, "shop", "settings")
        assert changed["metadata"]["uid"] == settings["metadata"]["uid"], "what can be changed is not deleted"

    simulate(story, shop("builtin/echo:v1"))


@pytest.mark.parametrize("strategy", ["apply", "hook"])
def test_a_client_may_force_one_operation(strategy: str) -> None:
    def shop(name: str) -> list[Obj]:
        workload = deployment()
        workload["spec"]["selector"] = {"matchLabels": {"app": name}}
        workload["spec"]["template"]["metadata"]["labels"] = {"app": name}
        return [workload]

    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(syncPolicy=prefer()))
        await there.synced()
        await there.push(shop("other"))
        await there.until(lambda app: dig(app, "status", "operationState", "phase") == "Failed")
        force = {"operation": {"sync": {"syncStrategy": {strategy: {"force": True}}}}}
        await there.user.patch(APPLICATIONS, "argocd", "shop", force)
        await there.synced()
        assert (await there.user.get(DEPLOYMENTS, "shop", "web"))["spec"]["selector"] == {"matchLabels": {"app": "other"}}

    simulate(story, shop("web"))


def test_a_prune_waits_for_its_confirmation() -> None:
    asked = {"argocd.argoproj.io/sync-options": "Prune=confirm"}

    async def story(there: World) -> None:
        app = application()
        app["metadata"]["annotations"] = {"argocd.argoproj.io/deletion-approved": rfc3339(there.clock.now())}
        await there.clock.sleep(5)
        await there.user.create(APPLICATIONS, app)
        await there.synced()
        await there.push([config()])
        told = "Waiting for pruning confirmation of /Service/web"
        await there.until(lambda app: dig(app, "status", "operationState", "message") == told)
        await there.settle(400)
        assert not await there.gone(SERVICES, "shop", "web"), "an approval from before the sync does not count"
        approved = {"metadata": {"annotations": {"argocd.argoproj.io/deletion-approved": rfc3339(there.clock.now())}}}
        await there.user.patch(APPLICATIONS, "argocd", "shop", approved)
        await there.synced()
        assert await there.gone(SERVICES, "shop", "web")

    kept = service()
    kept["metadata"]["annotations"] = asked
    simulate(story, [config(), kept])


def test_only_what_is_out_of_sync_gets_a_row_where_the_user_says_so() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(syncPolicy=prefer("ApplyOutOfSyncOnly=true")))
        await there.synced()
        await there.push([config(), service("web"), service("api")])
        app = await there.synced()
        assert set(rows(app)) == {"api"}

    simulate(story, [config(), service("web")])


def test_the_labels_of_the_namespace_follow_the_application_and_are_not_its_own() -> None:
    def policy(**labels: str) -> Obj:
        return prefer("CreateNamespace=true", managedNamespaceMetadata={"labels": labels})

    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(syncPolicy=policy(team="a", tier="one")))
        await there.synced()
        labels = (await there.user.get(NAMESPACES, "", "shop"))["metadata"]["labels"]
        assert (labels["team"], labels["tier"]) == ("a", "one")
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"spec": {"syncPolicy": None}})
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"spec": {"syncPolicy": policy(team="b")}})
        await there.push([config(), service()])
        app = await there.synced()
        found = await there.user.get(NAMESPACES, "", "shop")
        assert (found["metadata"]["labels"]["team"], "tier" in found["metadata"]["labels"]) == ("b", False)
        assert "argocd.argoproj.io/tracking-id" not in found["metadata"].get("annotations", {})
        assert "Namespace" not in {row["kind"] for row in app["status"]["resources"]}
        await there.push([config()])
        app = await there.synced()
        assert "shop" not in rows(app), "a namespace that is as it should be is not written again"

    simulate(story, [config()])


def test_a_wave_gives_watchers_a_moment_before_the_next() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        await there.synced()
        times = [
            parse_rfc3339((await there.user.get(CONFIG_MAPS, "shop", name))["metadata"]["creationTimestamp"])
            for name in ("first", "second", "third")
        ]
        assert times[1] - times[0] >= 2 and times[2] - times[1] >= 2

    waves = [config(name, annotations={"argocd.argoproj.io/sync-wave": str(n)}) for n, name in enumerate(["first", "second"])]
    simulate(story, [*waves, hook_map("third", "PostSync")])


def hook_map(name: str, phase: str) -> Obj:
    return config(name, annotations={"argocd.argoproj.io/hook": phase})


def twice(value: str = "2", *more: Obj) -> Obj:
    found = deployment()
    pair = [{"name": "A", "value": "1"}, {"name": "A", "value": value}]
    found["spec"]["template"]["spec"]["containers"] = [{"name": "main", "image": "builtin/echo:v1", "env": pair}, *more]
    return found


def variables(live: Obj) -> list[Obj]:
    return live["spec"]["template"]["spec"]["containers"][0]["env"]


LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def test_an_object_that_server_side_apply_refuses_is_merged_as_kubectl_does_and_that_is_said() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        app = await there.synced()
        (warning,) = [one for one in app["status"]["conditions"] if one["type"] == "ClientSideApplyWarning"]
        assert "is there twice, which server-side apply refuses" in warning["message"]
        live = await there.user.get(DEPLOYMENTS, "shop", "web")
        assert variables(live) == [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
        assert LAST_APPLIED in live["metadata"]["annotations"]
        await there.settle(5)
        there.engine.writes.clear()
        await there.settle(700)
        assert there.engine.writes == []
        # Drift is healed, what left Git goes, what others added stays.
        await there.user.patch(DEPLOYMENTS, "shop", "web", {"spec": {"paused": True, "replicas": 2}})
        await there.until(lambda app: dig(app, "status", "operationState", "operation", "sync", "autoHealAttemptsCount") == 1)
        await there.synced()
        live = await there.user.get(DEPLOYMENTS, "shop", "web")
        assert (live["spec"]["replicas"], live["spec"]["paused"]) == (0, True)
        await there.push([twice("3")])
        await there.synced()
        live = await there.user.get(DEPLOYMENTS, "shop", "web")
        assert [one["value"] for one in variables(live)] == ["1", "3"]
        # Once Git is mended the warning goes, and everything goes on.
        await there.push([deployment()])
        app = await there.synced()
        assert condition_types(app) == set()
        live = await there.user.get(DEPLOYMENTS, "shop", "web")
        assert "env" not in live["spec"]["template"]["spec"]["containers"][0]
        await there.settle(5)
        there.engine.writes.clear()
        await there.settle(700)
        assert there.engine.writes == []

    simulate(story, [twice(), config()])


def test_a_user_may_ask_for_client_side_apply() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(syncPolicy=prefer("ServerSideApply=false")))
        app = await there.synced()
        assert condition_types(app) == set()
        live = await there.user.get(CONFIG_MAPS, "shop", "settings")
        assert LAST_APPLIED in live["metadata"]["annotations"]
        by_server = await there.user.get(SERVICES, "shop", "web")
        assert LAST_APPLIED not in by_server["metadata"]["annotations"], "its own annotation says otherwise"
        await there.user.patch(CONFIG_MAPS, "shop", "settings", {"data": {"colour": "red", "size": "xl"}})
        await there.until(lambda app: dig(app, "status", "operationState", "operation", "sync", "autoHealAttemptsCount") == 1)
        await there.synced()
        assert (await there.user.get(CONFIG_MAPS, "shop", "settings"))["data"] == {"colour": "blue", "size": "xl"}
        await there.push([{**config(), "data": {"taste": "sweet"}}, web])
        app = await there.synced()
        assert (await there.user.get(CONFIG_MAPS, "shop", "settings"))["data"] == {"taste": "sweet", "size": "xl"}
        assert rows(app)["settings"]["message"] == "configmap/settings configured"

    web = service()
    web["metadata"]["annotations"] = {"argocd.argoproj.io/sync-options": "ServerSideApply=true"}
    simulate(story, [config(), web])


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
