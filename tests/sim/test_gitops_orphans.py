"""Orphans told of by the engine: who is told, when it goes again, and that noise costs nobody anything."""

from typing import Any

import pytest

from shipway.api.kinds import APP_PROJECTS, APPLICATIONS, CONFIG_MAPS, CRDS, DEPLOYMENTS, LEASES, NAMESPACES, SECRETS, SERVICES
from shipway.gitops.manifest import manifest_of
from shipway.gitops.tracking import tracked_by
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import dig, generation_of, resource_version_of, uid_of
from tests.sim.fleet_world import Fleet, simulate_fleet, url
from tests.sim.gitops_objects import CLAIMS, WIDGET_KIND, WIDGETS, claim, config, deployment, service
from tests.sim.gitops_world import World, application, simulate
from tests.sim.prometheus_lines import value
from tests.sim.test_gitops_projects import project

WARNING = "OrphanedResourceWarning"
COUNT = "argocd_app_orphaned_resources_count"


def told(app: Obj) -> str:
    """What the condition says; "" when there is none."""
    return next((one["message"] for one in dig(app, "status", "conditions", default=[]) if one["type"] == WARNING), "")


def says(count: int):
    text = f"Application has {count} orphaned resources" if count else ""
    return lambda app: dig(app, "status", "sync", "status") == "Synced" and told(app) == text


def passes(there: World) -> float:
    labels = {"controller": "gitops-application"}
    return there.runtime.metrics.registry.get_sample_value("shipway_passes_total", labels) or 0.0


def stray(name: str, **meta: Any) -> Obj:
    return config(name, namespace="shop", **meta)


def secret(name: str, **meta: Any) -> Obj:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, **meta}}


async def looks(there: World, **settings: Any) -> None:
    """An application whose project looks for orphans, at rest."""
    await there.user.create(APP_PROJECTS, project(orphanedResources=settings))
    await there.user.create(APPLICATIONS, application(project="team"))
    await there.synced()
    await there.settle(60.0)


@pytest.mark.proves("002-31")
@pytest.mark.compat("argocd:project.orphanedResources", "argocd:metrics.app")
def test_the_condition_comes_with_orphans_and_goes_with_them() -> None:
    async def story(there: World) -> None:
        await looks(there)
        assert value(there.scraped(), COUNT, name="shop", project="team") == 0
        await there.user.create(CONFIG_MAPS, stray("one"))
        await there.until(says(1), seconds=3.0)
        await there.settle(60.0)
        for name in ("two", "three"):
            await there.user.create(CONFIG_MAPS, stray(name))
        await there.until(says(3))
        assert value(there.scraped(), COUNT, name="shop", project="team") == 3
        for name in ("one", "two", "three"):
            await there.user.delete(CONFIG_MAPS, "shop", name)
        await there.until(says(0))
        assert value(there.scraped(), COUNT, name="shop", project="team") == 0

    simulate(story, [config()])


@pytest.mark.proves("002-31")
def test_what_the_project_says_decides() -> None:
    async def story(there: World) -> None:
        await there.user.create(CONFIG_MAPS, stray("one"))
        await there.user.create(CONFIG_MAPS, stray("known-one"))
        await there.user.create(APP_PROJECTS, project())
        await there.user.create(APPLICATIONS, application(project="team"))
        await there.synced()
        await there.settle(60.0)
        watched = len(there.runtime.informers)
        assert not told(await there.app()) and value(there.scraped(), COUNT, name="shop") is None

        async def wants(settings: Obj | None) -> None:
            body = {"spec": {"orphanedResources": settings}}
            await there.user.patch(APP_PROJECTS, "argocd", "team", body)

        await wants({})
        await there.until(says(2))
        assert len(there.runtime.informers) > watched
        await wants({"ignore": [{"kind": "ConfigMap", "name": "known-*"}]})
        await there.until(says(1))
        await wants({"warn": False, "ignore": [{"kind": "ConfigMap", "name": "known-*"}]})
        await there.until(says(0))
        assert value(there.scraped(), COUNT, name="shop") == 1
        await wants({"warn": True, "ignore": None})
        await there.until(says(2))
        await wants(None)
        await there.until(says(0))
        await there.settle()
        assert value(there.scraped(), COUNT, name="shop") is None
        assert len(there.runtime.informers) == watched, "nothing is watched for it any more"

    simulate(story, [config()])


@pytest.mark.proves("002-30")
def test_a_thousand_noisy_updates_wake_nobody_and_write_nothing() -> None:
    """Leader election by objects of two kinds that are orphans, one of which the application has too, and by a Lease."""

    async def story(there: World) -> None:
        await there.user.create(CONFIG_MAPS, stray("leader"))
        meta = {"name": "leader", "namespace": "shop"}
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": {}}
        await there.user.create(LEASES, lease)
        await there.user.create(SECRETS, secret("leader", namespace="shop"))
        await looks(there)
        assert says(2)(await there.app())
        assert not [one for one in there.runtime.informers if one.resource.kind in ("Lease", "Event", "EndpointSlice")]
        there.engine.writes.clear()
        before = passes(there)
        for number in range(1000):
            noise = {"metadata": {"annotations": {"control-plane.alpha.kubernetes.io/leader": str(number)}}}
            for kind in (CONFIG_MAPS, LEASES, SECRETS):
                await there.user.patch(kind, "shop", "leader", noise)
            await there.clock.sleep(0.1)
        await there.settle(60.0)
        assert passes(there) == before
        assert not there.engine.writes

    simulate(story, [config()])


@pytest.mark.proves("002-30")
def test_orphans_that_come_and_go_all_the_time_are_told_of_twice_a_minute_at_most() -> None:
    async def story(there: World) -> None:
        await looks(there)
        there.engine.writes.clear()
        for number in range(1200):
            await there.user.create(CONFIG_MAPS, stray(f"job-{number}"))
            if number % 3:
                await there.user.delete(CONFIG_MAPS, "shop", f"job-{number}")
            await there.clock.sleep(0.1)
        assert 3 <= len(there.engine.writes) <= 6, "in two minutes"
        await there.until(says(400))
        await there.settle(60.0)

    simulate(story, [config()])


def test_what_an_application_leaves_behind_is_told_to_its_neighbours() -> None:
    async def story(there: World) -> None:
        other = there.add_repository("https://git.test/other.git", [config("left"), config("both")])
        source = {"repoURL": "https://git.test/other.git", "path": "deploy", "targetRevision": "main"}
        await looks(there)
        await there.user.create(APPLICATIONS, application("other", project="team", source=source))
        await there.until(lambda app: dig(app, "status", "sync", "revision") == other.head, name="other")
        await there.user.create(APPLICATIONS, application("third", project="team", syncPolicy={}))
        await there.settle(60.0)
        assert says(0)(await there.app())
        await there.user.delete(APPLICATIONS, "argocd", "other", propagation="Orphan")
        await there.until(says(2))
        await there.until(lambda app: told(app) == "Application has 2 orphaned resources", name="third")
        await there.user.create(APPLICATIONS, application("other", project="team", source=source))
        await there.until(says(0))
        await there.until(lambda app: not told(app), name="third")

    simulate(story, [config()])


def test_applications_elsewhere_are_left_in_peace() -> None:
    async def story(there: World) -> None:
        await there.user.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "away"}})
        destination = {"server": "https://kubernetes.default.svc", "namespace": "away"}
        nowhere = {"server": "https://kubernetes.default.svc"}
        await looks(there)
        there.add_repository("https://git.test/away.git", [config("away", namespace="away")])
        source = {"repoURL": "https://git.test/away.git", "path": "deploy", "targetRevision": "main"}
        for name, where in (("away", destination), ("nowhere", nowhere)):
            await there.user.create(APPLICATIONS, application(name, project="team", source=source, destination=where))
        await there.settle(60.0)
        versions = [resource_version_of(await there.app(name)) for name in ("away", "nowhere")]
        before = passes(there)
        await there.user.create(CONFIG_MAPS, stray("one"))
        await there.until(says(1))
        await there.settle(60.0)
        assert passes(there) - before <= 2
        assert versions == [resource_version_of(await there.app(name)) for name in ("away", "nowhere")]

    simulate(story, [config()])


def test_kinds_that_come_later_count_and_excluded_ones_are_not_even_watched() -> None:
    async def story(there: World) -> None:
        await looks(there)
        await there.user.create(CRDS, WIDGETS)
        await there.settle(5.0)
        widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "one", "namespace": "shop"}}
        await there.user.create(WIDGET_KIND, widget)
        await there.until(says(1))
        excluded = {"resource.exclusions": "- apiGroups: [example.com]\n  kinds: [Widget]\n"}
        settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": "argocd"}}
        await there.user.create(CONFIG_MAPS, {**settings, "data": excluded})
        await there.until(says(0))
        await there.settle()
        assert not [one for one in there.runtime.informers if one.resource.kind == "Widget"]

    simulate(story, [config()])


def test_a_kind_that_becomes_an_applications_own_is_watched_once() -> None:
    """The cache of the whole objects serves both; when nobody needs them any more, their metadata alone is watched again."""

    async def story(there: World) -> None:
        def caches() -> int:
            return len([one for one in there.runtime.informers if one.resource.kind == "Secret" and not one.is_partial])

        await there.user.create(SECRETS, secret("free", namespace="shop"))
        await looks(there)
        assert caches() == 1 and says(1)(await there.app())
        await there.push([config(), secret("db")])
        await there.synced()
        await there.settle(60.0)
        assert caches() == 1 and says(1)(await there.app())
        await there.user.delete(SECRETS, "shop", "free")
        await there.until(says(0))
        await there.user.delete(APPLICATIONS, "argocd", "shop", propagation="Orphan")
        await there.user.create(APPLICATIONS, application("next", project="team", syncPolicy={}))
        await there.until(lambda app: told(app) == "Application has 2 orphaned resources", name="next")

    simulate(story, [config()])


def test_a_restart_writes_nothing_about_orphans() -> None:
    async def story(there: World) -> None:
        await there.user.create(CONFIG_MAPS, stray("one"))
        await looks(there)
        assert says(1)(await there.app())
        there.engine.writes.clear()
        there.restart()
        await there.settle(60.0)
        assert not there.engine.writes
        assert value(there.scraped(), COUNT, name="shop") == 1

    simulate(story, [config()])


@pytest.mark.proves("002-30")
def test_a_kind_that_may_not_be_listed_is_left_out_and_fails_nobody() -> None:
    async def story(fleet: Fleet) -> None:
        there = fleet.home
        fleet.refuse("/api/v1/secrets")
        await there.user.create(CONFIG_MAPS, stray("one"))
        await there.user.create(SECRETS, secret("db", namespace="shop"))
        await looks(there)
        assert says(1)(await there.app())
        fleet.refuse("")
        await there.until(says(2), seconds=900.0)

    simulate_fleet(story, [config()])


def test_orphans_of_another_cluster_are_told_there_only() -> None:
    async def story(fleet: Fleet) -> None:
        there = fleet.home
        await fleet.join("east")
        await there.user.create(APP_PROJECTS, project(orphanedResources={}))
        destination = {"server": url("east"), "namespace": "shop"}
        await there.user.create(APPLICATIONS, application(project="team", destination=destination))
        await there.synced()
        await there.user.create(CONFIG_MAPS, stray("here"))
        await there.settle(60.0)
        assert says(0)(await there.app())
        await fleet["east"].user.create(CONFIG_MAPS, stray("there"))
        await there.until(says(1))
        await fleet["east"].rebuild()
        await there.until(lambda app: says(0)(app), seconds=300.0)
        await there.user.delete(APPLICATIONS, "argocd", "shop")
        await there.settle(60.0)
        assert not [one for one in there.runtime.informers if one.resource.cluster], "the cluster is left"

    simulate_fleet(story, [config()])


async def as_kubectl_applies(there: World, resource: Resource, obj: Obj) -> None:
    """With kubectl's field manager of client-side apply, whose fields an adoption takes over."""
    await Client(there.user.transport, manager="kubectl-client-side-apply").create(resource, obj)


async def as_an_operator(there: World, resource: Resource, obj: Obj) -> None:
    await there.user.create(resource, obj)


async def as_server_side(there: World, resource: Resource, obj: Obj) -> None:
    await there.user.apply(resource, obj, manager="kubectl")


@pytest.mark.proves("002-31")
@pytest.mark.parametrize("made", [as_kubectl_applies, as_an_operator, as_server_side])
def test_an_orphan_whose_manifest_is_committed_is_taken_over_as_it_is(made: Any) -> None:
    async def story(there: World) -> None:
        await looks(there)
        orphans = {
            CONFIG_MAPS: stray("left", labels={"team": "a"}),
            SERVICES: in_shop(service("left")),
            DEPLOYMENTS: in_shop(deployment("left")),
            CLAIMS: in_shop(claim("left")),
        }
        for resource, obj in orphans.items():
            await made(there, resource, obj)
        await there.until(says(len(orphans)))
        before = {resource: await there.user.get(resource, "shop", "left") for resource in orphans}
        await there.push([config(), *(manifest_of(one, "shop") for one in before.values())])
        await there.synced()
        await there.until(says(0))
        await there.settle(60.0)
        for resource, was in before.items():
            now = await there.user.get(resource, "shop", "left")
            assert list(tracked_by(now)) == ["shop"]
            assert uid_of(now) == uid_of(was) and generation_of(now) == generation_of(was)
            assert now.get("spec") == was.get("spec") and now.get("data") == was.get("data")
        await there.push([config()])
        await there.settle(10.0)
        assert await there.gone(DEPLOYMENTS, "shop", "left"), "what leaves Git again is pruned like all else"

    simulate(story, [config()])


def in_shop(obj: Obj) -> Obj:
    return {**obj, "metadata": {**obj["metadata"], "namespace": "shop"}}
