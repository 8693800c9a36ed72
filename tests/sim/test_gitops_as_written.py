"""What Argo CD's users write beside the large features: each option and annotation does what they know, or harms nothing."""

from typing import Any

import orjson
import pytest

from shipway.api.kinds import APP_PROJECTS, APPLICATIONS, CONFIG_MAPS, CRDS, DEPLOYMENTS, JOBS, SERVICES
from shipway.base.errors import NotFound
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, dig
from tests.sim.gitops_objects import WIDGETS, config, deployment, hook, service
from tests.sim.gitops_world import World, application, end_job, rows, simulate

ANNOTATION = "argocd.argoproj.io/"
SIGNER = "dev@x ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA=="
RESOURCES = "resources-finalizer.argocd.argoproj.io"


def annotated(obj: Obj, **annotations: str) -> Obj:
    """With annotations of Argo CD; `_` stands for `-`."""
    own = {ANNOTATION + name.replace("_", "-"): value for name, value in annotations.items()}
    meta = {**obj["metadata"], "annotations": {**obj["metadata"].get("annotations", {}), **own}}
    return {**obj, "metadata": meta}


def policy(*options: str, **more: Any) -> Obj:
    return {"automated": {"prune": True, "selfHeal": True}, "syncOptions": list(options), "retry": {"limit": 0}, **more}


async def is_over(there: World) -> Obj:
    return await there.until(lambda app: "operation" not in app and "operationState" in app.get("status", {}))


@pytest.mark.compat("argocd:spec.revisionHistoryLimit")
@pytest.mark.parametrize("limit", [0, 1, 2])
def test_the_history_is_as_long_as_the_user_says(limit: int) -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(revisionHistoryLimit=limit))
        await there.synced()
        for edition in ("2", "3"):
            await there.push([config(annotations={"edition": edition})])
            app = await there.synced()
        found = [(entry["id"], entry["revision"]) for entry in app["status"].get("history", [])]
        assert len(found) == limit
        assert found[-1:] == ([(2, there.repository.head)] if limit else [])

    simulate(story, [config()])


@pytest.mark.compat(
    "argocd:spec.info",
    "argocd:annotation.link",
    "argocd:annotation.notice",
    "argocd:annotation.notifications",
    "argocd:annotation.managed-by-url",
    "argocd:annotation.hydrate",
    "argocd:spec.source.name",
)
def test_what_is_for_pages_and_other_programs_is_left_as_it_is() -> None:
    notes = {
        "link.argocd.argoproj.io/wiki": "https://wiki.test/shop",
        "notice.argocd.argoproj.io/content": "Frozen until Monday",
        "notifications.argoproj.io/subscribe.on-sync-failed.slack": "team",
        "argocd.argoproj.io/managed-by-url": "https://argocd.test",
        "argocd.argoproj.io/hydrate": "normal",
    }

    async def story(there: World) -> None:
        app = application(info=[{"name": "owner", "value": "team-a"}])
        app["spec"]["source"]["name"] = "main-one"
        app["metadata"]["annotations"] = notes
        written = await there.user.create(APPLICATIONS, app)
        app = await there.synced()
        assert app["spec"] == written["spec"]
        assert {key: value for key, value in annotations_of(app).items() if key in notes} == notes

    simulate(story, [config()])


@pytest.mark.compat("argocd:annotation.skip-reconcile")
def test_an_application_that_is_to_be_skipped_is_not_touched_until_it_is_not() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, annotated(application(), skip_reconcile="true"))
        await there.settle(300)
        assert await there.gone(CONFIG_MAPS, "shop", "settings")
        assert there.engine.writes == [] or all("applications" not in path for _, path in there.engine.writes)
        change = {"metadata": {"annotations": {f"{ANNOTATION}skip-reconcile": None}}}
        await there.user.patch(APPLICATIONS, "argocd", "shop", change)
        await there.synced()

    simulate(story, [config()])


@pytest.mark.compat("argocd:compare-option.IgnoreExtraneous")
def test_what_left_git_does_not_count_where_its_annotation_says_so() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(syncPolicy={"automated": {}}))
        await there.synced()
        await there.push([config()])
        await there.until(lambda app: dig(app, "status", "sync", "revision") == there.repository.head)
        app = await there.app()
        assert dig(app, "status", "sync", "status") == "Synced"
        (row,) = [one for one in app["status"]["resources"] if one["name"] == "extra"]
        assert (row["status"], row["requiresPruning"]) == ("OutOfSync", True)

    simulate(story, [config(), annotated(config("extra"), compare_options="IgnoreExtraneous")])


@pytest.mark.compat("argocd:compare-option.ServerSideDiff", "argocd:compare-option.IncludeMutationWebhook")
@pytest.mark.parametrize("option", ["ServerSideDiff=true", "ServerSideDiff=false", "IncludeMutationWebhook=true"])
def test_options_of_a_diff_that_is_not_made_change_nothing(option: str) -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, annotated(application(), compare_options=option))
        await there.synced()
        await there.settle(5)
        there.engine.writes.clear()
        await there.settle(600)
        assert there.engine.writes == []

    simulate(story, [annotated(deployment(), compare_options=option)])


@pytest.mark.compat("argocd:resource.ignore-healthcheck")
def test_the_health_of_an_object_does_not_count_where_it_says_so() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        await there.synced()
        app = await there.until(lambda app: dig(app, "status", "health", "status") == "Healthy")
        (row,) = [one for one in app["status"]["resources"] if one["kind"] == "Deployment"]
        assert row["health"]["status"] == "Progressing"

    simulate(story, [config(), annotated(deployment(replicas=1), ignore_healthcheck="true")])


@pytest.mark.compat("argocd:resource.ignore-resource-updates", "argocd:resource.installation-id")
def test_annotations_that_steer_another_engine_are_applied_as_they_are() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        await there.synced()
        live = annotations_of(await there.user.get(CONFIG_MAPS, "shop", "settings"))
        assert live[f"{ANNOTATION}ignore-resource-updates"] == "true"
        assert live[f"{ANNOTATION}installation-id"] == "one"
        await there.user.patch(CONFIG_MAPS, "shop", "settings", {"data": {"colour": "red"}})
        await there.settle(5)
        assert (await there.user.get(CONFIG_MAPS, "shop", "settings"))["data"] == {"colour": "blue"}

    simulate(story, [annotated(config(), ignore_resource_updates="true", installation_id="one")])


@pytest.mark.compat("argocd:option.Delete=false", "argocd:resource.helm-resource-policy", "argocd:finalizer.resources")
@pytest.mark.parametrize("where", ["object", "application", "helm"])
def test_what_may_not_be_deleted_stays_when_the_application_goes(where: str) -> None:
    kept = config("kept")
    if where == "object":
        kept = annotated(kept, sync_options="Delete=false")
    if where == "helm":
        kept["metadata"]["annotations"] = {"helm.sh/resource-policy": "keep"}

    async def story(there: World) -> None:
        app = application(syncPolicy=policy(*(["Delete=false"] if where == "application" else [])))
        app["metadata"]["finalizers"] = [RESOURCES]
        await there.user.create(APPLICATIONS, app)
        await there.synced()
        await there.user.delete(APPLICATIONS, "argocd", "shop")
        for _ in range(100):
            if await there.gone(APPLICATIONS, "argocd", "shop"):
                break
            await there.clock.sleep(0.1)
        assert await there.gone(APPLICATIONS, "argocd", "shop")
        assert not await there.gone(CONFIG_MAPS, "shop", "kept")
        assert await there.gone(CONFIG_MAPS, "shop", "settings") is (where != "application")

    simulate(story, [config(), kept])


@pytest.mark.compat("argocd:hook-delete-policy.HookFailed")
def test_a_hook_that_failed_goes_where_its_policy_says_so() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(syncPolicy=policy()))
        await end_job(there, "migrate", succeeded=False)
        await there.until(lambda app: dig(app, "status", "operationState", "phase") == "Failed")
        await there.settle()
        assert await there.gone(JOBS, "shop", "migrate")

    simulate(story, [config(), hook("migrate", "PreSync", **{f"{ANNOTATION}hook-delete-policy": "HookFailed"})])


@pytest.mark.compat("argocd:hook.SyncFail", "argocd:hook.PostSync", "argocd:hook.Skip", "argocd:hook.Sync")
@pytest.mark.parametrize("succeeds", [True, False])
def test_hooks_of_every_phase_run_in_theirs(succeeds: bool) -> None:
    hooks = [hook(phase.lower(), phase) for phase in ("Sync", "PostSync", "SyncFail", "Skip")]

    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(syncPolicy=policy()))
        await end_job(there, "sync", succeeded=succeeds)
        await end_job(there, "postsync" if succeeds else "syncfail")
        app = await is_over(there)
        assert dig(app, "status", "operationState", "phase") == ("Succeeded" if succeeds else "Failed")
        ran = {name: row["hookType"] for name, row in rows(app).items() if "hookType" in row}
        assert ran == ({"sync": "Sync", "postsync": "PostSync"} if succeeds else {"sync": "Sync", "syncfail": "SyncFail"})

    simulate(story, [config(), *hooks])


@pytest.mark.compat("argocd:option.PrunePropagationPolicy")
@pytest.mark.parametrize(("how", "is_left"), [("foreground", False), ("background", False), ("orphan", True)])
def test_a_prune_takes_dependents_along_as_the_user_says(how: str, is_left: bool) -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(syncPolicy=policy(f"PrunePropagationPolicy={how}")))
        await there.synced()
        owner = await there.user.get(CONFIG_MAPS, "shop", "owner")
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
        await there.user.create(CONFIG_MAPS, {**config("child", ownerReferences=[reference], namespace="shop")})
        await there.push([config()])
        await there.synced()
        await there.settle(60)
        assert await there.gone(CONFIG_MAPS, "shop", "owner")
        assert await there.gone(CONFIG_MAPS, "shop", "child") is not is_left

    simulate(story, [config(), config("owner")])


@pytest.mark.compat("argocd:option.ClientSideApplyMigration", "argocd:annotation.client-side-apply-migration-manager")
@pytest.mark.parametrize(
    ("option", "manager", "is_taken"), [("true", "our-ci", True), ("false", "kubectl-client-side-apply", False)]
)
def test_the_ownership_of_another_tool_is_taken_over_unless_the_user_says_no(option: str, manager: str, is_taken: bool) -> None:
    async def story(there: World) -> None:
        theirs = config(namespace="shop") | {"data": {"colour": "blue", "left": "git"}}
        await there.user.create(CONFIG_MAPS, theirs, manager=manager)
        app = application(syncPolicy=policy(f"ClientSideApplyMigration={option}"))
        await there.user.create(APPLICATIONS, annotated(app, client_side_apply_migration_manager="our-ci"))
        await there.synced()
        live = await there.user.get(CONFIG_MAPS, "shop", "settings")
        assert ("left" in live["data"]) is not is_taken
        assert (manager in {entry["manager"] for entry in live["metadata"]["managedFields"]}) is not is_taken

    simulate(story, [config(), service()])


@pytest.mark.compat("argocd:hook.Skip")
def test_an_object_that_no_sync_concerns_any_more_stays_as_it_is() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        await there.synced()
        skipped = annotated(service() | {"spec": {**service()["spec"], "type": "LoadBalancer"}}, hook="Skip")
        await there.push([config(annotations={"edition": "2"}), skipped])
        app = await there.synced()
        assert (await there.user.get(SERVICES, "shop", "web"))["spec"]["type"] == "ClusterIP"
        row = next(row for row in app["status"]["resources"] if row["kind"] == "Service")
        assert "status" not in row and "requiresPruning" not in row

    simulate(story, [config(), service()])


@pytest.mark.compat("argocd:destination.namespace", "argocd:status.conditions")
@pytest.mark.parametrize("automated", [False, True])
def test_an_object_that_is_in_no_namespace_is_told_and_nothing_is_synced(automated: bool) -> None:
    async def story(there: World) -> None:
        app = application(syncPolicy=policy() if automated else {})
        del app["spec"]["destination"]["namespace"]
        await there.user.create(APPLICATIONS, app if automated else {**app, "operation": {"sync": {}}})
        app = await there.until(lambda app: dig(app, "status", "resources"))
        found = [(one["type"], one["message"]) for one in app["status"]["conditions"]]
        told = "Namespace for settings /v1, Kind=ConfigMap is missing."
        assert found == [("InvalidSpecError", told)]
        await there.settle(5)
        state = (await there.app())["status"].get("operationState", {})
        assert (state.get("phase"), state.get("message")) == (
            (None, None) if automated else ("Error", f"InvalidSpecError: {told}")
        )

    placed = deployment("web")
    placed["metadata"]["namespace"] = "shop"
    simulate(story, [config(), placed])


WIDGET: Obj = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "one"}, "spec": {"size": 1}}


@pytest.mark.compat("argocd:option.SkipDryRunOnMissingResource")
@pytest.mark.parametrize("where", ["object", "application", "nowhere"])
def test_a_kind_that_an_earlier_wave_brings_is_waited_for_where_the_user_says_so(where: str) -> None:
    """An operator that installs its own definitions, and the first object of its kind in one application."""
    skip = "SkipDryRunOnMissingResource=true"
    widget = annotated(WIDGET, sync_options=skip) if where == "object" else WIDGET

    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(syncPolicy=policy(*([skip] if where == "application" else []))))
        if where == "nowhere":
            app = await there.until(lambda app: dig(app, "status", "operationState", "phase") == "Failed")
            assert "could not find example.com/Widget" in dig(app, "status", "operationState", "message")
            assert await there.gone(JOBS, "shop", "operator"), "nothing is applied half-way"
            return
        await there.until(lambda app: "completion of hook" in dig(app, "status", "operationState", "message", default=""))
        await there.user.create(CRDS, WIDGETS)
        await there.settle(5)
        await end_job(there, "operator")
        app = await there.synced()
        assert rows(app)["one"]["message"] == "widget.example.com/one created"

    simulate(story, [config(), hook("operator", "PreSync"), widget])


def test_what_comes_in_a_later_wave_is_not_written_while_the_failure_of_an_earlier_one_is_cleaned_up() -> None:
    """The kind never comes, so the wave of the object that would be written first is not reached."""
    widget = annotated(WIDGET, sync_options="SkipDryRunOnMissingResource=true")

    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(syncPolicy=policy()))
        await there.until(lambda app: "completion of hook" in dig(app, "status", "operationState", "message", default=""))
        await end_job(there, "clean-up")
        app = await there.until(lambda app: dig(app, "status", "operationState", "phase") == "Failed")
        assert rows(app).keys() == {"one", "clean-up"}
        assert await there.gone(CONFIG_MAPS, "shop", "settings")

    simulate(story, [widget, annotated(config(), sync_wave="1"), hook("clean-up", "SyncFail")])


@pytest.mark.parametrize(
    ("api_version", "kind", "told"),
    [
        (
            "example.com/v2",
            "Widget",
            'could not find version "v2" of example.com/Widget for requested resource shop/one. '
            'Version "v1" of example.com/Widget is installed on the destination cluster.',
        ),
        ("wrong.group/v1", "Widget", 'Version "v1" of example.com/Widget is installed on the destination cluster.'),
        ("example.com/v1", "Gadget", 'Gadget.example.com "" not found'),
        ("wrong.group/v1", "Gadget", 'Make sure the "Gadget" CRD is installed on the destination cluster.'),
    ],
)
def test_a_kind_or_version_that_is_not_there_fails_the_sync_before_anything_is_pruned(
    api_version: str, kind: str, told: str
) -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(syncPolicy=policy()))
        await there.synced()
        await there.push([WIDGET | {"apiVersion": api_version, "kind": kind}])
        app = await there.until(lambda app: dig(app, "status", "operationState", "phase") == "Failed")
        assert told in rows(app)["one"]["message"]
        await there.settle(5)
        assert not await there.gone(CRDS, "", "widgets.example.com")
        assert not await there.gone(CONFIG_MAPS, "shop", "settings")

    simulate(story, [config(), WIDGETS, WIDGET])


@pytest.mark.compat("argocd:option.SkipDryRunOnMissingResource")
def test_a_kind_that_never_comes_fails_the_sync_with_its_name() -> None:
    async def story(there: World) -> None:
        options = policy("SkipDryRunOnMissingResource=true")
        await there.user.create(APPLICATIONS, application(syncPolicy=options))
        app = await there.until(lambda app: dig(app, "status", "operationState", "phase") == "Failed")
        assert rows(app)["one"]["status"] == "SyncFailed"
        assert 'Make sure the "Widget" CRD is installed' in rows(app)["one"]["message"]
        assert not await there.gone(CONFIG_MAPS, "shop", "settings"), "its wave is applied as far as it can be"

    simulate(story, [config(), WIDGET])


def sent(*objects: Obj, **sync: Any) -> Obj:
    """An operation as `argocd app sync --local` writes it."""
    manifests = [orjson.dumps(one).decode() for one in objects]
    return {"operation": {"sync": {"manifests": manifests, **sync}, "initiatedBy": {"username": "ann"}}}


@pytest.mark.compat("argocd:operation.sync.manifests")
def test_manifests_that_a_client_sends_are_applied_in_place_of_gits_and_are_no_deployment() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(syncPolicy={}))
        await there.until(lambda app: dig(app, "status", "sync", "status") == "OutOfSync")
        await there.user.patch(APPLICATIONS, "argocd", "shop", sent({**config(), "data": {"a": "local"}}, service("local")))
        state = (await is_over(there))["status"]["operationState"]
        assert state["phase"] == "Succeeded", state
        assert [row["name"] for row in state["syncResult"]["resources"]] == ["settings", "local"]
        assert state["syncResult"]["revision"] == ""
        assert (await there.user.get(CONFIG_MAPS, "shop", "settings"))["data"] == {"a": "local"}
        assert not await there.gone(SERVICES, "shop", "local")
        app = await there.until(lambda app: dig(app, "status", "sync", "status") == "OutOfSync")
        assert not app["status"].get("history")
        await there.user.patch(APPLICATIONS, "argocd", "shop", sent(config(), prune=True))
        await there.until(lambda app: "operation" not in app and dig(app, "status", "sync", "status") == "Synced")
        assert await there.gone(SERVICES, "shop", "local"), "pruned, since it was not sent again"

    simulate(story, [config()])


@pytest.mark.parametrize(
    ("policy", "body", "told"),
    [
        (
            {"automated": {"enabled": True}},
            sent(config("x")),
            "operation.sync.manifests: automated sync is on",
        ),
        ({}, {"operation": {"sync": {"manifests": ["{"]}}}, "ComparisonError: operation.sync.manifests[0]"),
        ({}, {"operation": {"sync": {"manifests": ["a: b"]}}}, "ComparisonError: "),
    ],
)
@pytest.mark.compat("argocd:operation.sync.manifests")
def test_manifests_that_a_client_may_not_send(policy: Obj, body: Obj, told: str) -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(syncPolicy=policy))
        await there.until(lambda app: dig(app, "status", "sync", "status"))
        await there.until(lambda app: "operation" not in app)
        await there.user.patch(APPLICATIONS, "argocd", "shop", body)
        app = await there.until(lambda app: dig(app, "status", "operationState", "phase") == "Error")
        assert app["status"]["operationState"]["message"].startswith(told)
        assert await there.gone(CONFIG_MAPS, "shop", "x")

    simulate(story, [config()])


@pytest.mark.parametrize(
    "annotation", [{"shipway.dev/change-rights": "codeowners: true"}, {"shipway.dev/allowed-signers": SIGNER}]
)
def test_what_nobody_signed_is_not_sent_where_the_project_asks_who_did(annotation: dict[str, str]) -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(syncPolicy={}))
        await there.until(lambda app: dig(app, "status", "sync", "status") == "OutOfSync")
        await there.user.patch(APP_PROJECTS, "argocd", "default", {"metadata": {"annotations": annotation}})
        await there.user.patch(APPLICATIONS, "argocd", "shop", sent(config("x")))
        app = await there.until(lambda app: dig(app, "status", "operationState", "phase") == "Error")
        assert "asks who signed or changed what is synced" in app["status"]["operationState"]["message"]
        assert await there.gone(CONFIG_MAPS, "shop", "x")

    simulate(story, [config()])


def ingress(host: str, path: str, *, tls: bool, **annotations: str) -> Obj:
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    rule = {"host": host, "http": {"paths": [{"path": path, "pathType": "Prefix", "backend": backend}]}}
    spec: Obj = {"rules": [rule], **({"tls": [{"hosts": [host], "secretName": "tls"}]} if tls else {})}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": host.split(".", maxsplit=1)[0], "annotations": annotations},
        "spec": spec,
    }


@pytest.mark.compat("argocd:status.summary", "argocd:annotation.ignore-default-links")
@pytest.mark.compat("argocd:annotation.link")
def test_the_summary_names_images_urls_and_children() -> None:
    child = application("child", syncPolicy={})
    objects = [
        deployment(),
        ingress("web.test", "/shop*", tls=True),
        ingress("plain.test", "/", tls=False),
        ingress(
            "own.test",
            "/",
            tls=False,
            **{"link.argocd.argoproj.io/x": "https://x.test", f"{ANNOTATION}ignore-default-links": "true"},
        ),
        child,
    ]

    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        await there.synced()
        await there.settle(5)
        assert dig(await there.app(), "status", "summary") == {
            "images": ["builtin/echo:v1"],
            "externalURLs": ["http://plain.test/", "https://web.test/shop", "https://x.test"],
            "isAppOfApps": True,
        }

    simulate(story, objects)


@pytest.mark.compat("argocd:destination.namespace")
def test_a_namespace_that_an_object_states_stays() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        await there.synced()
        assert not await there.gone(CONFIG_MAPS, "argocd", "elsewhere")
        with pytest.raises(NotFound):
            await there.user.get(CONFIG_MAPS, "shop", "elsewhere")
        assert not await there.gone(SERVICES, "shop", "web")
        assert await there.gone(DEPLOYMENTS, "shop", "web")

    simulate(story, [config("elsewhere", namespace="argocd"), service()])
