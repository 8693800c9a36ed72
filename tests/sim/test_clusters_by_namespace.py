"""Clusters of which only some namespaces are managed, with a login that may see nothing else."""

import pytest

from shipway.api.kinds import APP_PROJECTS, APPLICATIONS, CONFIG_MAPS, CRDS, NAMESPACES, SECRETS, SERVICES
from shipway.kube.objects.resource import Obj
from tests.sim.fleet_world import Fleet, simulate_fleet
from tests.sim.gitops_objects import config, service
from tests.sim.gitops_world import condition_types
from tests.sim.test_clusters import CASCADE, going_to, messages, sync_state

pytestmark = pytest.mark.compat("argocd:destination.clusters.namespaces")

ROLE = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "all"}, "rules": []}


async def with_namespaces(fleet: Fleet, *names: str) -> None:
    for name in names:
        await fleet["east"].user.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


async def manages(fleet: Fleet, *names: str) -> None:
    """Login and Secret change together."""
    fleet["east"].door.only = names
    await fleet.home.user.patch(SECRETS, "argocd", "cluster-east", {"stringData": {"namespaces": ",".join(names)}})


def refused(app: Obj) -> bool:
    return condition_types(app) == {"ComparisonError"}


def test_a_login_that_sees_some_namespaces_is_enough() -> None:
    """Kinds are listed once in each namespace, and nothing else is ever asked for."""

    async def story(fleet: Fleet) -> None:
        door = fleet["east"].door
        await with_namespaces(fleet, "shop-db")
        door.only = ("shop", "shop-db")
        await fleet.join("east", namespaces="shop, shop-db")
        app = going_to(name="east", finalizers=(CASCADE,))
        app["spec"]["syncPolicy"]["syncOptions"] = ["CreateNamespace=true"]
        await fleet.home.user.create(APPLICATIONS, app)
        assert condition_types(await fleet.home.synced()) == set()
        assert await fleet["east"].names(CONFIG_MAPS) == {"settings"}
        assert await fleet["east"].names(CONFIG_MAPS, "shop-db") == {"more"}
        await fleet["east"].user.patch(CONFIG_MAPS, "shop-db", "more", {"data": {"colour": "red"}})
        await fleet.home.settle(5)
        assert (await fleet["east"].user.get(CONFIG_MAPS, "shop-db", "more"))["data"] == {"colour": "blue"}
        await fleet.home.push([service()])
        await fleet.home.synced()
        assert await fleet["east"].names(CONFIG_MAPS) | await fleet["east"].names(CONFIG_MAPS, "shop-db") == set()
        of_maps = {path: count for path, count in door.lists.items() if path.endswith("/configmaps") and count}
        assert of_maps == {f"/api/v1/namespaces/{name}/configmaps": 1 for name in ("shop", "shop-db")}
        await fleet.home.user.delete(APPLICATIONS, "argocd", "shop")
        await fleet.home.settle(5)
        assert await fleet["east"].names(SERVICES) == set()
        identity = {"/api/v1/namespaces/shop"}
        assert set(door.knocks) <= identity

    simulate_fleet(story, [config(), config("more", namespace="shop-db")])


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (config(namespace="other"), 'namespace "other" for ConfigMap "settings" is not managed'),
        (ROLE, 'cluster level ClusterRole "all" can not be managed when in namespaced mode'),
    ],
)
@pytest.mark.parametrize("place", ["east", "in-cluster"])
def test_what_lies_outside_is_refused_and_nothing_is_written(place: str, wanted: Obj, told: str) -> None:
    async def story(fleet: Fleet) -> None:
        if place == "east":
            fleet["east"].door.only = ("shop",)
            await fleet.join("east", namespaces="shop")
        else:
            await fleet.join("home", name="in-cluster", server="https://kubernetes.default.svc", namespaces="shop")
        await fleet.home.user.create(APPLICATIONS, going_to(name=place))
        app = await fleet.home.until(refused)
        assert messages(app)[0].startswith(
            f"Failed to load live state: {told}: the Secret of the cluster names the namespaces shop"
        )
        assert sync_state(app) == "Unknown"
        await fleet.home.settle(60)
        there = fleet["east"].user if place == "east" else fleet.home.user
        assert not [one for one in (await there.list(SERVICES, "shop")).items if one["metadata"]["name"] == "web"]

    simulate_fleet(story, [service(), wanted])


def test_labels_for_a_namespace_that_may_not_be_written_are_refused() -> None:
    async def story(fleet: Fleet) -> None:
        fleet["east"].door.only = ("shop",)
        await fleet.join("east", namespaces="shop")
        app = going_to(name="east")
        app["spec"]["syncPolicy"] |= {
            "syncOptions": ["CreateNamespace=true"],
            "managedNamespaceMetadata": {"labels": {"team": "shop"}},
        }
        await fleet.home.user.create(APPLICATIONS, app)
        app = await fleet.home.until(refused)
        assert 'cluster level Namespace "shop" can not be managed when in namespaced mode' in messages(app)[0]

    simulate_fleet(story, [config()])


def test_the_namespaces_of_a_secret_change_and_the_rest_is_left_alone() -> None:
    async def story(fleet: Fleet) -> None:
        door = fleet["east"].door
        await with_namespaces(fleet, "shop-db")
        door.only = ("shop",)
        await fleet.join("east", namespaces="shop")
        await fleet.home.user.create(APPLICATIONS, going_to(name="east"))
        await fleet.home.until(refused)
        began = fleet.home.clock.now()
        await manages(fleet, "shop", "shop-db")
        await fleet.home.synced()
        assert fleet.home.clock.now() - began < 30
        assert await fleet["east"].names(CONFIG_MAPS, "shop-db") == {"more"}
        assert door.lists["/api/v1/namespaces/shop/configmaps"] == 1  # what was known is not asked for again
        await manages(fleet, "shop")
        app = await fleet.home.until(refused)
        assert 'namespace "shop-db" for ConfigMap "more" is not managed' in messages(app)[0]
        await fleet.home.push([config()])
        await fleet.home.synced()
        assert await fleet["east"].names(CONFIG_MAPS, "shop-db") == {"more"}  # not ours to prune any more
        await fleet["east"].user.patch(CONFIG_MAPS, "shop-db", "more", {"data": {"colour": "red"}})
        await fleet.home.settle(5)
        assert (await fleet["east"].user.get(CONFIG_MAPS, "shop-db", "more"))["data"] == {"colour": "red"}

    simulate_fleet(story, [config(), config("more", namespace="shop-db")])


def test_all_namespaces_and_some_follow_one_another() -> None:
    async def story(fleet: Fleet) -> None:
        await with_namespaces(fleet, "shop-db")
        await fleet.join("east")
        await fleet.home.user.create(APPLICATIONS, going_to(name="east"))
        await fleet.home.synced()
        await manages(fleet, "shop")
        await fleet.home.until(refused)
        fleet["east"].door.only = None
        await fleet.home.user.patch(SECRETS, "argocd", "cluster-east", {"stringData": {"namespaces": ""}})
        await fleet.home.synced()
        await fleet.home.push([])
        await fleet.home.push([config()])
        await fleet.home.synced()
        assert await fleet["east"].names(CONFIG_MAPS, "shop-db") == set()

    simulate_fleet(story, [config(), config("more", namespace="shop-db")])


def test_cluster_resources_are_managed_beside_some_namespaces_where_the_secret_says_so() -> None:
    async def story(fleet: Fleet) -> None:
        door = fleet["east"].door
        await fleet.join("east", namespaces="shop", clusterResources="true")
        await fleet.home.user.create(APPLICATIONS, going_to(name="east"))
        await fleet.home.synced()
        roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
        assert (door.lists[roles], door.lists["/api/v1/configmaps"]) == (1, 0)
        assert door.lists["/api/v1/namespaces/shop/configmaps"] == 1

    simulate_fleet(story, [config(), ROLE])


def test_a_kind_that_comes_later_is_found_though_definitions_may_not_be_watched() -> None:
    async def story(fleet: Fleet) -> None:
        fleet["east"].door.only = ("shop",)
        await fleet.join("east", namespaces="shop")
        await fleet.home.user.create(APPLICATIONS, going_to(name="east"))
        await fleet.home.settle(20)
        await fleet["east"].user.create(CRDS, definition())
        await fleet.home.until(lambda app: sync_state(app) == "Synced", seconds=600)
        assert not fleet["east"].door.knocks[CRDS.path()]

    simulate_fleet(story, [{"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}}])


def test_orphans_are_looked_for_in_the_namespaces_that_are_managed() -> None:
    async def story(fleet: Fleet) -> None:
        fleet["east"].door.only = ("shop",)
        await fleet.join("east", namespaces="shop")
        await fleet["east"].user.create(CONFIG_MAPS, config("stray", namespace="shop"))
        await fleet.home.user.create(APPLICATIONS, going_to(name="east"))
        await fleet.home.synced()
        await fleet.home.user.patch(APP_PROJECTS, "argocd", "default", {"spec": {"orphanedResources": {"warn": True}}})
        app = await fleet.home.until(lambda app: condition_types(app) == {"OrphanedResourceWarning"}, seconds=120)
        assert messages(app) == ["Application has 1 orphaned resources"]
        assert set(fleet["east"].door.knocks) <= {"/api/v1/namespaces/shop"}

    simulate_fleet(story, [config()])


def definition() -> Obj:
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
    spec = {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"kind": "Widget", "plural": "widgets", "singular": "widget"},
        "versions": [version],
    }
    meta = {"name": "widgets.example.com"}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": meta, "spec": spec}
