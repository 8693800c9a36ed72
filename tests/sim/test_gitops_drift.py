"""Drift in virtual time: whatever people do to managed objects is put back, but for what the user leaves to others."""

import random

import pytest

from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS, DEPLOYMENTS, JOBS, NAMESPACES, SERVICES
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import copy_obj, dig
from tests.sim.gitops_objects import config, deployment, hook, service
from tests.sim.gitops_world import World, application, condition_types, end_job, rows, simulate

KINDS: dict[str, Resource] = {"ConfigMap": CONFIG_MAPS, "Service": SERVICES, "Deployment": DEPLOYMENTS}
LEFT_TO_OTHERS = [{"group": "apps", "kind": "Deployment", "jsonPointers": ["/spec/replicas"]}]


def shop() -> list[Obj]:
    return [*(config(f"map-{n}") for n in range(4)), service("web"), service("api"), deployment("web"), deployment("api")]


async def vandalise(there: World, rng: random.Random, obj: Obj) -> None:
    """Deletes the object, or edits some field of it."""
    resource, name = KINDS[obj["kind"]], obj["metadata"]["name"]
    if rng.random() < 0.4:
        await there.user.delete(resource, "shop", name)
        return
    edits: dict[str, list[Obj]] = {
        "ConfigMap": [{"data": {"colour": "red"}}, {"data": None}],
        "Service": [{"spec": {"selector": {"app": "thief"}}}, {"spec": {"ports": [{"port": 81, "protocol": "TCP"}]}}],
        "Deployment": [{"spec": {"replicas": 2}, "metadata": {"annotations": {"argocd.argoproj.io/tracking-id": None}}}],
    }
    await there.user.patch(resource, "shop", name, rng.choice(edits[obj["kind"]]))


def essence(obj: Obj) -> Obj:
    plain = copy_obj(obj)
    plain.pop("status", None)
    for field in ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"):
        plain["metadata"].pop(field, None)
    for field in ("clusterIP", "clusterIPs"):
        plain.get("spec", {}).pop(field, None)
    return plain


@pytest.mark.proves("000-23")
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.compat("argocd:ignoreDifferences.jsonPointers")
def test_random_deletions_and_edits_are_all_restored_by_one_operation(seed: int) -> None:
    rng = random.Random(seed)

    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(ignoreDifferences=LEFT_TO_OTHERS))
        await there.synced()
        before = [essence(await there.user.get(KINDS[obj["kind"]], "shop", obj["metadata"]["name"])) for obj in shop()]
        await there.settle(400)
        await there.user.patch(DEPLOYMENTS, "shop", "api", {"spec": {"replicas": 3}})
        await there.settle(5)
        assert dig(await there.app(), "status", "sync", "status") == "Synced", "replicas are left to others"
        heals = dig(await there.app(), "status", "operationState", "startedAt")
        for obj in rng.sample([one for one in shop() if one["metadata"]["name"] != "api"], 4):
            await vandalise(there, rng, obj)
        await there.until(lambda app: dig(app, "status", "operationState", "startedAt") != heals)
        await there.settle(20)
        await there.synced()
        for wanted in before:
            live = essence(await there.user.get(KINDS[wanted["kind"]], "shop", wanted["metadata"]["name"]))
            for one in (wanted, live):
                one.get("spec", {}).pop("replicas", None)
            assert live == wanted
        assert dig(await there.user.get(DEPLOYMENTS, "shop", "api"), "spec", "replicas") == 3

    simulate(story, shop())


def test_a_restart_knows_everything_without_a_write() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        await there.synced()
        await there.settle(30)
        before = await there.app()
        there.engine.writes.clear()
        there.restart()
        await there.settle(30)
        assert there.engine.writes == []
        assert await there.app() == before
        await there.user.patch(CONFIG_MAPS, "shop", "map-0", {"data": {"colour": "red"}})
        await there.settle(5)
        assert (await there.user.get(CONFIG_MAPS, "shop", "map-0"))["data"] == {"colour": "blue"}

    simulate(story, shop())


def test_a_hand_edit_of_a_managed_namespace_is_healed_at_once() -> None:
    """Namespaces are watched for the sake of all applications, too, and that wakes nobody."""
    namespace: Obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team", "labels": {"tier": "web"}}}

    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        await there.synced()
        await there.settle(30)
        await there.user.patch(NAMESPACES, "", "team", {"metadata": {"labels": {"tier": "edited"}}})
        await there.settle(5)
        assert dig(await there.user.get(NAMESPACES, "", "team"), "metadata", "labels", "tier") == "web"

    simulate(story, [namespace])


@pytest.mark.compat("argocd:status.sync")
def test_a_commit_that_touches_nothing_is_told_in_a_slow_sweep_also_after_a_restart() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        first = dig(await there.synced(), "status", "sync", "revision")
        await there.settle(30)
        there.engine.writes.clear()
        there.restart()
        there.repository.commit(shop())
        await there.settle(30)
        assert there.engine.writes == []
        assert dig(await there.app(), "status", "sync", "revision") == first
        await there.settle(700)
        assert dig(await there.app(), "status", "sync", "revision") == there.repository.head
        assert [method for method, _ in there.engine.writes] == ["PUT"]

    simulate(story, shop())


def test_a_commit_that_changes_what_is_read_but_not_what_it_gives_is_told_at_once() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        await there.synced()
        await there.settle(5)
        await there.push(list(reversed(shop())))
        started = there.clock.now()
        await there.synced()
        assert there.clock.now() - started < 1.0

    simulate(story, shop())


HELM = {"helm.sh/hook": "pre-install,pre-upgrade", "helm.sh/hook-delete-policy": "hook-succeeded,before-hook-creation"}


@pytest.mark.proves("002-13")
@pytest.mark.compat("argocd:hook.helm")
def test_helm_hooks_run_before_the_workloads_and_are_cleaned_up_unless_they_failed() -> None:
    job = hook("create-database", "PreSync")
    job["metadata"]["annotations"] = HELM

    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(syncPolicy={"automated": {"prune": True}, "retry": {"limit": 0}}))
        await there.until(
            lambda app: "waiting for completion of hook" in dig(app, "status", "operationState", "message", default="")
        )
        assert await there.gone(DEPLOYMENTS, "shop", "web")
        await end_job(there, "create-database")
        app = await there.synced()
        assert rows(app)["create-database"]["hookPhase"] == "Succeeded"
        await there.settle()
        assert await there.gone(JOBS, "shop", "create-database")
        await there.push([job, deployment(image="builtin/echo:v2")])
        await end_job(there, "create-database", succeeded=False)
        app = await there.until(lambda app: dig(app, "status", "operationState", "phase") == "Failed")
        await there.settle()
        assert not await there.gone(JOBS, "shop", "create-database"), "kept for its logs"
        live = await there.user.get(DEPLOYMENTS, "shop", "web")
        assert dig(live, "spec", "template", "spec", "containers", 0, "image") == "builtin/echo:v1"

    simulate(story, [job, deployment()])


def sidecar(image: str) -> Obj:
    found = deployment()
    found["spec"]["template"]["spec"]["containers"].append({"name": "proxy", "image": image})
    return found


PROXY = '.spec.template.spec.containers[] | select(.name == "proxy") | .image'
IGNORED = [{"group": "apps", "kind": "Deployment", "jqPathExpressions": [PROXY]}]


@pytest.mark.parametrize("keeps", [False, True])
@pytest.mark.compat("argocd:ignoreDifferences.jqPathExpressions", "argocd:option.RespectIgnoreDifferences")
def test_what_jq_selects_is_left_to_others_and_kept_where_the_user_says_so(keeps: bool) -> None:
    policy = {"automated": {"selfHeal": True}, "syncOptions": [f"RespectIgnoreDifferences={str(keeps).lower()}"]}

    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(ignoreDifferences=IGNORED, syncPolicy=policy))
        await there.synced()
        live = await there.user.get(DEPLOYMENTS, "shop", "web")
        containers = [*live["spec"]["template"]["spec"]["containers"]]
        containers = [{"name": "first", "image": "others:v1"}, containers[0], {**containers[1], "image": "proxy:v9"}]
        body = {"spec": {"template": {"spec": {"containers": containers}}}}
        await there.user.patch(DEPLOYMENTS, "shop", "web", body)
        there.engine.writes.clear()
        await there.settle(30)
        assert not [path for _, path in there.engine.writes if "applications" not in path]
        assert dig(await there.app(), "status", "sync", "status") == "Synced"
        changed = sidecar("proxy:v2")
        changed["spec"]["template"]["metadata"]["labels"]["edition"] = "2"
        await there.push([changed])
        await there.synced()
        live = await there.user.get(DEPLOYMENTS, "shop", "web")
        images = {one["name"]: one["image"] for one in live["spec"]["template"]["spec"]["containers"]}
        assert images["proxy"] == ("proxy:v9" if keeps else "proxy:v2")
        assert live["spec"]["template"]["metadata"]["labels"]["edition"] == "2"

    simulate(story, [sidecar("proxy:v1")])


@pytest.mark.parametrize(
    ("options", "is_taken_back"), [([], True), (["ApplyOutOfSyncOnly=true"], False), (["RespectIgnoreDifferences=true"], False)]
)
@pytest.mark.compat("argocd:ignoreDifferences.jsonPointers", "argocd:option.RespectIgnoreDifferences")
def test_a_sync_takes_an_ignored_difference_back_once_unless_the_user_says_otherwise(
    options: list[str], is_taken_back: bool
) -> None:
    policy = {"automated": {"selfHeal": True}, "syncOptions": options}

    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(ignoreDifferences=LEFT_TO_OTHERS, syncPolicy=policy))
        await there.synced()
        await there.user.patch(DEPLOYMENTS, "shop", "web", {"spec": {"replicas": 3}})
        there.engine.writes.clear()

        def written() -> list[str]:
            return [path.rpartition("/")[2] for _, path in there.engine.writes if "applications" not in path]

        await there.settle(400)
        assert not written(), "what is ignored is no drift"
        await there.push([deployment("web"), deployment("api"), config(), config("other")])
        await there.synced()
        await there.settle(400)
        assert sorted(written()) == (["other", "web"] if is_taken_back else ["other"]), "what does not differ is not applied"
        assert dig(await there.user.get(DEPLOYMENTS, "shop", "web"), "spec", "replicas") == (0 if is_taken_back else 3)
        assert dig(await there.app(), "status", "sync", "status") == "Synced"

    simulate(story, [deployment("web"), deployment("api"), config()])


@pytest.mark.compat("argocd:cm.resource.customizations.ignoreDifferences")
def test_a_rule_for_a_whole_kind_in_argocd_cm_counts_at_once_and_a_wrong_one_is_told() -> None:
    key = "resource.customizations.ignoreDifferences.apps_Deployment"

    async def story(there: World) -> None:
        settings: Obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": "argocd"}}
        await there.user.create(CONFIG_MAPS, settings)
        await there.user.create(APPLICATIONS, application(syncPolicy={"automated": {}}))
        await there.synced()
        await there.user.patch(DEPLOYMENTS, "shop", "web", {"spec": {"replicas": 3}})
        await there.until(lambda app: dig(app, "status", "sync", "status") == "OutOfSync")
        await there.user.patch(CONFIG_MAPS, "argocd", "argocd-cm", {"data": {key: "jqPathExpressions: [.spec.replicas]"}})
        await there.until(lambda app: dig(app, "status", "sync", "status") == "Synced")
        await there.user.patch(CONFIG_MAPS, "argocd", "argocd-cm", {"data": {key: "jqPathExpressions: ['.spec[']"}})
        app = await there.until(lambda app: "ComparisonError" in condition_types(app))
        (told,) = [one["message"] for one in app["status"]["conditions"]]
        assert told.startswith("ignoreDifferences of Deployment.apps shop/web: jq expression '.spec[': syntax error")

    simulate(story, [deployment()])


@pytest.mark.compat(
    "argocd:resource.instance-label",
    "argocd:status.conditions",
    "argocd:cm.resource.exclusions",
    "argocd:cm.application.resourceTrackingMethod",
)
def test_kinds_and_labels_follow_argocd_cm() -> None:
    async def story(there: World) -> None:
        data = {"resource.exclusions": "- kinds: [Service]", "application.resourceTrackingMethod": "annotation+label"}
        settings: Obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": "argocd"}}
        await there.user.create(CONFIG_MAPS, {**settings, "data": data})
        await there.user.create(APPLICATIONS, application())
        app = await there.synced()
        assert [one["message"] for one in app["status"]["conditions"]] == ["Resource /Service web is excluded in the settings"]
        assert await there.gone(SERVICES, "shop", "web")
        live = await there.user.get(CONFIG_MAPS, "shop", "settings")
        assert live["metadata"]["labels"] == {"app.kubernetes.io/instance": "shop"}
        # Everything goes on when the settings change; nothing is pruned for it.
        await there.user.patch(CONFIG_MAPS, "argocd", "argocd-cm", {"data": None})
        await there.until(lambda app: condition_types(app) == set())
        await there.synced()
        assert not await there.gone(SERVICES, "shop", "web")
        again = await there.user.get(CONFIG_MAPS, "shop", "settings")
        assert (again["metadata"]["uid"], "labels" in again["metadata"]) == (live["metadata"]["uid"], False)

    simulate(story, [config(), service()])
