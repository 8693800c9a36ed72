"""Keys of `argocd-cm`, in virtual time: what they change, and what they leave alone."""

from typing import Any

import pytest

from shipway.api.kinds import APP_PROJECTS, APPLICATIONS, CONFIG_MAPS
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import dig, status_of
from tests.sim.gitops_objects import WIDGET_KIND, WIDGETS, config
from tests.sim.gitops_world import World, application, condition_types, simulate

CLUSTER_ROLES = Resource("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", namespaced=False)
TOOLS = "https://git.test/tools.git"


def settings(**data: str) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": "argocd"}, "data": data}


async def say(there: World, key: str, value: str) -> None:
    await there.user.patch(CONFIG_MAPS, "argocd", "argocd-cm", {"data": {key: value}})


@pytest.mark.compat("argocd:cm.kustomize.buildOptions")
def test_flags_of_kustomize_render_anew_what_asks_for_them() -> None:
    async def story(there: World) -> None:
        other = there.add_repository(TOOLS, [config("other")])
        there.repository.asks_for = ("kustomize",)
        await there.user.create(CONFIG_MAPS, settings())
        await there.user.create(APPLICATIONS, application())
        plain = application(source={"repoURL": TOOLS, "path": "x", "targetRevision": "main"})
        plain["metadata"]["name"] = "plain"
        await there.user.create(APPLICATIONS, plain)
        await there.synced()
        await there.settle(30)
        assert (there.repository.renders, other.renders) == (2, 1)
        await say(there, "kustomize.buildOptions", "--enable-helm --reorder none")
        await there.settle(30)
        assert (there.repository.renders, other.renders) == (3, 1)
        await say(there, "kustomize.buildOptions", "--enable-helm --reorder legacy")
        await there.settle(30)
        assert (there.repository.renders, other.renders) == (3, 1)

    simulate(story, [config()])


@pytest.mark.compat("argocd:cm.helm.valuesFileSchemes", "argocd:helm.valueFiles")
def test_files_at_urls_are_read_where_their_scheme_is_allowed() -> None:
    url = "https://files.test/values.yaml"

    async def story(there: World) -> None:
        there.repository.urls, there.files[url] = (url,), "a: 1"
        await there.user.create(CONFIG_MAPS, settings())
        await there.user.create(APPLICATIONS, application())
        await there.synced()
        assert there.repository.texts == {url: "a: 1"}
        there.files[url] = "a: 2"
        await there.settle(400)
        assert there.repository.texts == {url: "a: 2"}
        await say(there, "helm.valuesFileSchemes", "http, s3")
        app = await there.until(lambda app: "ComparisonError" in condition_types(app))
        assert f"{url}: the URL scheme 'https' is not allowed" in app["status"]["conditions"][0]["message"]

    simulate(story, [config()])


@pytest.mark.compat("argocd:cm.enable")
def test_tools_that_are_switched_off_render_nothing_from_then_on() -> None:
    async def story(there: World) -> None:
        await there.user.create(CONFIG_MAPS, settings(**{"helm.enable": "true", "jsonnet.enable": ""}))
        await there.user.create(APPLICATIONS, application())
        await there.synced()
        assert (there.repository.renders, there.repository.without) == (1, ())
        await say(there, "kustomize.enable", "false")
        await there.settle(30)
        assert (there.repository.renders, there.repository.without) == (2, ("Kustomize",))
        there.repository.source_type = "Kustomize"
        await there.push([{"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}])
        app = await there.until(lambda app: "ComparisonError" in condition_types(app))
        assert status_of(app)["sourceType"] == "Kustomize"

    simulate(story, [config()])


def test_flags_that_change_every_kustomization_reach_those_that_ask_for_none() -> None:
    async def story(there: World) -> None:
        there.repository.source_type = "Kustomize"
        await there.user.create(CONFIG_MAPS, settings())
        await there.user.create(APPLICATIONS, application())
        await there.synced()
        assert there.repository.renders == 1
        await say(there, "kustomize.buildOptions", "--enable-managedby-label")
        await there.settle(30)
        assert there.repository.renders == 2
        await say(there, "kustomize.buildOptions", "--enable-exec")
        app = await there.until(lambda app: condition_types(app) == set())
        assert dig(app, "status", "sync", "status") == "Synced"

    simulate(story, [config()])


@pytest.mark.compat("argocd:cm.resource.compareoptions")
def test_rules_that_a_controller_gathers_may_be_overlooked() -> None:
    role: Obj = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "gathered"},
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"gather": "yes"}}]},
        "rules": [],
    }
    plain = {**role, "metadata": {"name": "plain"}}
    del plain["aggregationRule"]
    gathered = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]

    def is_in_sync(app: Obj, name: str) -> bool:
        (row,) = [row for row in dig(app, "status", "resources", default=[]) if row["name"] == name]
        return row["status"] == "Synced"

    async def story(there: World) -> None:
        await there.user.create(CONFIG_MAPS, settings())
        await there.user.create(APPLICATIONS, application(syncPolicy={"automated": {}}))
        await there.synced()
        for name in ("gathered", "plain"):
            await there.user.patch(CLUSTER_ROLES, "", name, {"rules": gathered})
        await there.until(lambda app: not (is_in_sync(app, "gathered") or is_in_sync(app, "plain")))
        await say(there, "resource.compareoptions", "ignoreAggregatedRoles: true\n")
        await there.until(lambda app: is_in_sync(app, "gathered"))
        assert not is_in_sync(await there.app(), "plain")
        await say(there, "resource.compareoptions", "ignoreAggregatedRoles: perhaps\n")
        app = await there.until(lambda app: not is_in_sync(app, "gathered"))
        assert "argocd-cm: resource.compareoptions: ignoreAggregatedRoles is true or false, not 'perhaps'" in [
            one["message"] for one in app["status"]["conditions"]
        ]

    simulate(story, [config(), role, plain])


@pytest.mark.compat("argocd:cm.globalProjects")
def test_a_project_inherits_from_a_global_one_at_once_and_as_long_as_it_is_told_to() -> None:
    def team(name: str, **spec: Any) -> Obj:
        allowed = {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}]}
        meta = {"name": name, "namespace": "argocd", "labels": {"owner": name}}
        return {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": meta, "spec": {**allowed, **spec}}

    def told(app: Obj) -> list[str]:
        return [one["message"] for one in dig(app, "status", "conditions", default=[])]

    async def story(there: World) -> None:
        rules = "[{projectName: base, labelSelector: {matchLabels: {owner: team}}}, {projectName: gone}]"
        await there.user.create(CONFIG_MAPS, settings(globalProjects=rules))
        await there.user.create(APP_PROJECTS, team("team"))
        await there.user.create(APPLICATIONS, application(project="team"))
        await there.synced()
        await there.user.create(APP_PROJECTS, team("base", sourceRepos=["!https://git.test/*"]))
        app = await there.until(told)
        assert told(app) == [
            "application repo https://git.test/shop.git is not permitted in project 'team': sourceRepos of global project base"
        ]
        await there.user.patch(APP_PROJECTS, "argocd", "base", {"spec": {"sourceRepos": ["["]}})
        app = await there.until(lambda app: "AppProject base: spec.sourceRepos" in str(told(app)))
        await there.user.patch(APP_PROJECTS, "argocd", "team", {"metadata": {"labels": {"owner": "others"}}})
        await there.until(lambda app: not told(app))
        await say(there, "globalProjects", "x")
        await there.until(lambda app: told(app) == ["argocd-cm: globalProjects has to be a list"])

    simulate(story, [config()])


@pytest.mark.compat("argocd:cm.cluster.inClusterEnabled")
@pytest.mark.parametrize("destination", [{"server": "https://kubernetes.default.svc"}, {"name": "in-cluster"}])
def test_the_cluster_that_applications_live_in_may_be_closed_to_them(destination: Obj) -> None:
    async def story(there: World) -> None:
        app = application(destination={**destination, "namespace": "shop"})
        await there.user.create(CONFIG_MAPS, settings())
        await there.user.create(APPLICATIONS, app)
        await there.synced()
        await say(there, "cluster.inClusterEnabled", "false")
        there.repository.commit([config("other")])
        there.webhook()
        app = await there.until(lambda app: "InvalidSpecError" in condition_types(app))
        (told,) = [one["message"] for one in status_of(app)["conditions"] if one["type"] == "InvalidSpecError"]
        assert told.startswith('cluster "https://kubernetes.default.svc" is disabled')
        await there.settle(600)
        assert await there.user.get(CONFIG_MAPS, "shop", "page"), "what is there is left alone"
        await say(there, "cluster.inClusterEnabled", "true")
        await there.until(lambda app: condition_types(app) == set() and dig(app, "status", "sync", "status") == "Synced")
        assert await there.user.get(CONFIG_MAPS, "shop", "other")

    simulate(story, [config("page")])


CUSTOMIZATIONS: list[Obj] = [
    {"resource.customizations.knownTypeFields.example.com_Widget": "[{field: spec, type: core/v1/ResourceRequirements}]"},
    {"resource.customizations": "example.com/Widget: {knownTypeFields: [{field: spec, type: core/v1/ResourceRequirements}]}"},
]


@pytest.mark.parametrize("said", CUSTOMIZATIONS)
@pytest.mark.compat("argocd:cm.resource.customizations.knownTypeFields")
def test_a_value_that_a_controller_spells_anew_is_no_drift_where_its_type_is_known(said: Obj) -> None:
    widget: Obj = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "web"}}

    async def write(there: World, cpu: str) -> None:
        await there.user.patch(WIDGET_KIND, "shop", "web", {"spec": {"requests": {"cpu": cpu}}})

    async def story(there: World) -> None:
        await there.user.create(CONFIG_MAPS, settings())
        await there.user.create(APPLICATIONS, application(syncPolicy={"automated": {}}))
        await there.synced()
        await write(there, "2")
        await there.until(lambda app: dig(app, "status", "sync", "status") == "OutOfSync")
        await there.user.patch(CONFIG_MAPS, "argocd", "argocd-cm", {"data": said})
        await there.until(lambda app: dig(app, "status", "sync", "status") == "Synced")
        await write(there, "3")
        await there.until(lambda app: dig(app, "status", "sync", "status") == "OutOfSync")
        wrong = {name: text.replace("ResourceRequirements", "Sandwich") for name, text in said.items()}
        await there.user.patch(CONFIG_MAPS, "argocd", "argocd-cm", {"data": wrong})
        app = await there.until(lambda app: condition_types(app) == {"UnknownError"})
        (told,) = [one["message"] for one in app["status"]["conditions"]]
        assert told.endswith("knownTypeFields of example.com/Widget: type 'core/v1/Sandwich' is not supported")

    simulate(story, [WIDGETS, {**widget, "spec": {"requests": {"cpu": "2000m"}}}])
