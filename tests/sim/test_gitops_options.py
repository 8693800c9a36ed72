"""Sync options of the GitOps engine in virtual time: force, confirmations, namespaces, pauses, client-side apply."""

from typing import Any

import pytest

from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS, DEPLOYMENTS, JOBS, NAMESPACES, SERVICES
from shipway.base.clock import parse_rfc3339, rfc3339
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, is_deleting
from tests.sim.gitops_objects import config, deployment, hook, service
from tests.sim.gitops_world import World, application, condition_types, rows, simulate


def prefer(*options: str, **more: Any) -> Obj:
    """Automated, with these sync options."""
    return {"automated": {"prune": True, "selfHeal": True}, "syncOptions": list(options), "retry": {"limit": 0}, **more}


@pytest.mark.compat("argocd:option.Force", "argocd:operation.sync.syncOptions")
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
@pytest.mark.compat("argocd:operation.sync.syncStrategy")
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


@pytest.mark.compat("argocd:option.Prune=confirm", "argocd:annotation.deletion-approved")
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


@pytest.mark.compat("argocd:option.ApplyOutOfSyncOnly")
def test_only_what_is_out_of_sync_gets_a_row_where_the_user_says_so() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(syncPolicy=prefer("ApplyOutOfSyncOnly=true")))
        await there.synced()
        await there.push([config(), service("web"), service("api")])
        app = await there.synced()
        assert set(rows(app)) == {"api"}

    simulate(story, [config(), service("web")])


@pytest.mark.compat("argocd:spec.syncPolicy.managedNamespaceMetadata", "argocd:option.CreateNamespace")
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


@pytest.mark.compat("argocd:wave")
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


@pytest.mark.compat("argocd:option.ServerSideApply", "argocd:resource.sync-options")
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


@pytest.mark.compat("argocd:spec.syncPolicy.managedNamespaceMetadata")
def test_a_namespace_that_leaves_git_for_the_policy_is_not_pruned() -> None:
    """Its whole content would go along."""
    namespace: Obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}

    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        await there.synced()
        managed = {"spec": {"syncPolicy": {"managedNamespaceMetadata": {"labels": {"team": "a"}}}}}
        await there.user.patch(APPLICATIONS, "argocd", "shop", managed)
        await there.push([config(annotations={"edition": "2"})])
        await there.synced()
        await there.settle(5)
        assert not is_deleting(await there.user.get(NAMESPACES, "", "shop"))

    simulate(story, [config(), namespace])
