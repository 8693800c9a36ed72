"""Applications in one cluster, their objects in others: the same engine and two more API servers, in virtual time."""

from typing import Any

import pytest

from shipway.api.kinds import APP_PROJECTS, APPLICATIONS, CONFIG_MAPS, NAMESPACES, SECRETS, SERVICES
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from tests.sim.fleet_world import Fleet, cluster_secret, simulate_fleet, url
from tests.sim.gitops_objects import config, service
from tests.sim.gitops_world import application, condition_types
from tests.sim.prometheus_lines import value

CASCADE = "resources-finalizer.argocd.argoproj.io"


def going_to(called: str = "shop", /, *, finalizers: tuple[str, ...] = (), **destination: str) -> Obj:
    app = application(called, destination={"namespace": "shop", **destination})
    app["metadata"]["finalizers"] = list(finalizers)
    return app


def in_its_own_namespace(called: str, **destination: str) -> Obj:
    app = going_to(called, namespace=called, **destination)
    app["spec"]["syncPolicy"]["syncOptions"] = ["CreateNamespace=true"]
    return app


def messages(app: Obj) -> list[str]:
    return [one["message"] for one in dig(app, "status", "conditions", default=[])]


def sync_state(app: Obj) -> Any:
    return dig(app, "status", "sync", "status")


@pytest.mark.parametrize("destination", [{"server": url("east")}, {"name": "east"}, {"server": url("east") + "/"}])
@pytest.mark.compat("argocd:destination.server", "argocd:destination.clusters")
def test_objects_go_where_the_destination_says_and_drift_there_is_healed(destination: dict[str, str]) -> None:
    async def story(fleet: Fleet) -> None:
        await fleet.join("east")
        await fleet.join("west")
        await fleet.home.user.create(APPLICATIONS, going_to(**destination))
        app = await fleet.home.synced()
        assert await fleet["east"].names(CONFIG_MAPS) == {"settings"}
        assert await fleet["west"].names(CONFIG_MAPS) == set()
        assert await fleet.home.gone(CONFIG_MAPS, "shop", "settings")
        assert app["status"]["health"]["status"] == "Healthy"
        await fleet["east"].user.patch(CONFIG_MAPS, "shop", "settings", {"data": {"colour": "red"}})
        await fleet.home.settle(5)
        assert (await fleet["east"].user.get(CONFIG_MAPS, "shop", "settings"))["data"] == {"colour": "blue"}
        await fleet.home.push([service()])
        await fleet.home.synced()
        assert await fleet["east"].names(CONFIG_MAPS) == set()  # pruned there
        assert fleet["west"].opened == 0  # nobody needs it, so nobody speaks to it

    simulate_fleet(story, [config()])


def test_one_set_of_manifests_on_two_clusters_is_two_applications_that_do_not_see_each_other() -> None:
    async def story(fleet: Fleet) -> None:
        for name in ("east", "west"):
            await fleet.join(name)
            await fleet.home.user.create(
                APPLICATIONS,
                going_to(
                    f"shop-{name}",
                    name=name,
                ),
            )
        for name in ("east", "west"):
            app = await fleet.home.synced(f"shop-{name}")
            assert condition_types(app) == set()  # no SharedResourceWarning: the objects are two
        await fleet.home.user.delete(APPLICATIONS, "argocd", "shop-west")
        await fleet.home.settle(5)
        assert await fleet["east"].names(CONFIG_MAPS) == await fleet["west"].names(CONFIG_MAPS) == {"settings"}

    simulate_fleet(story, [config()])


def test_the_finalizer_deletes_on_the_right_cluster_and_a_cluster_that_nobody_needs_is_left() -> None:
    async def story(fleet: Fleet) -> None:
        for name in ("east", "west"):
            await fleet.join(name)
            await fleet.home.user.create(APPLICATIONS, going_to(f"shop-{name}", name=name, finalizers=(CASCADE,)))
            await fleet.home.synced(f"shop-{name}")
        assert (fleet["east"].opened, fleet["west"].opened) == (1, 1)
        await fleet.home.user.delete(APPLICATIONS, "argocd", "shop-east")
        await fleet.home.settle(5)
        assert await fleet.home.gone(APPLICATIONS, "argocd", "shop-east")
        assert (await fleet["east"].names(CONFIG_MAPS), await fleet["west"].names(CONFIG_MAPS)) == (set(), {"settings"})
        assert (fleet["east"].opened, fleet["west"].opened) == (0, 1)

    simulate_fleet(story, [config()])


def test_a_namespace_is_made_on_the_destination() -> None:
    async def story(fleet: Fleet) -> None:
        await fleet.join("east")
        app = going_to(name="east")
        app["spec"]["destination"]["namespace"] = "fresh"
        app["spec"]["syncPolicy"]["syncOptions"] = ["CreateNamespace=true"]
        await fleet.home.user.create(APPLICATIONS, app)
        await fleet.home.synced()
        assert await fleet["east"].names(CONFIG_MAPS, "fresh") == {"settings"}
        assert await fleet.home.gone(NAMESPACES, "", "fresh")

    simulate_fleet(story, [config()])


def test_a_destination_that_is_none_is_refused_and_taken_up_when_its_secret_comes() -> None:
    async def story(fleet: Fleet) -> None:
        await fleet.home.user.create(APPLICATIONS, going_to("by-name", name="east"))
        await fleet.home.user.create(APPLICATIONS, going_to("by-server", server=url("east"), namespace="default"))
        for name, said in (("by-name", "there are no clusters with this name: east"), ("by-server", "not found")):
            app = await fleet.home.until(lambda app: condition_types(app) == {"InvalidSpecError"}, name=name)
            assert said in messages(app)[0]
            assert sync_state(app) == "Unknown"
        await fleet.join("east")
        await fleet.home.synced("by-name")
        await fleet.home.user.create(SECRETS, {**cluster_secret("west", name="east")})
        app = await fleet.home.until(lambda app: condition_types(app) == {"InvalidSpecError"}, name="by-name")
        assert messages(app)[0].startswith("there are 2 clusters with the same name: [https://east.test https://west.test]")
        assert await fleet["east"].names(CONFIG_MAPS) == {"settings"}

    simulate_fleet(story, [config()])


def test_a_secret_that_goes_takes_nothing_along() -> None:
    async def story(fleet: Fleet) -> None:
        await fleet.join("east")
        await fleet.home.user.create(APPLICATIONS, going_to(name="east", finalizers=(CASCADE,)))
        await fleet.home.synced()
        await fleet.leave("east")
        app = await fleet.home.until(lambda app: condition_types(app) == {"InvalidSpecError"})
        assert "no clusters with this name: east" in messages(app)[0]
        await fleet.home.settle(60)
        assert await fleet["east"].names(CONFIG_MAPS) == {"settings"}
        assert fleet["east"].opened == 0
        # As with Argo CD, an Application whose cluster nobody knows can go, and says what it leaves.
        await fleet.home.user.delete(APPLICATIONS, "argocd", "shop")
        await fleet.home.settle(5)
        assert await fleet.home.gone(APPLICATIONS, "argocd", "shop")
        assert await fleet["east"].names(CONFIG_MAPS) == {"settings"}
        assert any("Its objects stay where they are" in event["message"] for event in await fleet.home.events())

    simulate_fleet(story, [config()])


@pytest.mark.parametrize("fault", ["hangs", "is_away"])
def test_a_cluster_that_does_not_answer_costs_the_others_nothing(fault: str) -> None:
    """25 applications go to it, more than there are workers; those of the other cluster go on as if it were not there."""

    async def story(fleet: Fleet) -> None:
        for name in ("east", "west"):
            await fleet.join(name)
            for number in range(25):
                await fleet.home.user.create(APPLICATIONS, in_its_own_namespace(f"{name}-{number}", name=name))
        for name in ("east", "west"):
            for number in range(25):
                await fleet.home.synced(f"{name}-{number}")
        setattr(fleet["west"], fault, True)
        for number in range(3):  # syncs that begin while nobody has noticed, and ones after that
            began = fleet.home.clock.now()
            await fleet.home.push([config(annotations={"edition": str(number)})])
            for number in range(25):
                await fleet.home.synced(f"east-{number}")
            assert fleet.home.clock.now() - began < 5.0
            await fleet.home.clock.sleep(40)
        fleet.home.restart()  # a fresh process meets a cluster that it has never seen answer
        await fleet.home.clock.sleep(0.2)
        began = fleet.home.clock.now()
        await fleet.home.push([config(annotations={"edition": "after"})])
        for number in range(25):
            await fleet.home.synced(f"east-{number}")
        assert fleet.home.clock.now() - began < 5.0
        await fleet.home.clock.sleep(40)
        assert fleet["west"].waiting <= 64
        lines = fleet.home.scraped()
        assert value(lines, "argocd_cluster_connection_status", server=url("east")) == 1
        assert value(lines, "argocd_cluster_connection_status", server=url("west")) == 0
        assert value(lines, "argocd_cluster_info", server=url("west"), name="west") == 1
        app = await fleet.home.app("west-3")
        assert (sync_state(app), app["status"]["health"]["status"]) == ("Unknown", "Unknown")
        assert condition_types(app) == {"ComparisonError"}
        assert messages(app)[0].startswith("cluster https://west.test cannot be spoken to: https://west.test d")
        setattr(fleet["west"], fault, False)
        for number in range(25):
            app = await fleet.home.synced(f"west-{number}")
        assert condition_types(app) == set()

    simulate_fleet(story, [config()])


def test_an_application_that_goes_waits_for_its_cluster() -> None:
    async def story(fleet: Fleet) -> None:
        await fleet.join("east")
        await fleet.home.user.create(APPLICATIONS, going_to(name="east", finalizers=(CASCADE,)))
        await fleet.home.synced()
        fleet["east"].is_away = True
        await fleet.home.until(lambda app: condition_types(app) == {"ComparisonError"})
        await fleet.home.user.delete(APPLICATIONS, "argocd", "shop")
        app = await fleet.home.until(lambda app: "DeletionError" in condition_types(app))
        assert "The deletion goes on once it can be" in str(messages(app))
        fleet["east"].is_away = False
        await fleet.home.clock.sleep(60)
        assert await fleet.home.gone(APPLICATIONS, "argocd", "shop")
        assert await fleet["east"].names(CONFIG_MAPS) == set()

    simulate_fleet(story, [config()])


def test_a_secret_that_cannot_be_used_is_named_and_used_once_it_is_mended() -> None:
    async def story(fleet: Fleet) -> None:
        await fleet.join("east", config='{"awsAuthConfig": {"clusterName": "prod"}}')
        await fleet.home.user.create(APPLICATIONS, going_to(name="east"))
        app = await fleet.home.until(lambda app: condition_types(app) == {"ComparisonError"})
        assert "Secret cluster-east: config.awsAuthConfig is not supported: put `aws eks get-token" in messages(app)[0]
        mended = cluster_secret("east")["stringData"]["config"]
        await fleet.home.user.patch(SECRETS, "argocd", "cluster-east", {"stringData": {"config": mended}})
        await fleet.home.synced()

    simulate_fleet(story, [config()])


@pytest.mark.compat("argocd:project.destinations")
def test_a_project_allows_destinations_by_either_name_of_the_cluster() -> None:
    async def story(fleet: Fleet) -> None:
        for name in ("east", "west"):
            await fleet.join(name)
        spec = {
            "sourceRepos": ["*"],
            "destinations": [{"name": "east", "namespace": "*"}, {"server": url("w*"), "namespace": "x"}],
        }
        meta = {"name": "team", "namespace": "argocd"}
        await fleet.home.user.create(
            APP_PROJECTS, {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": meta, "spec": spec}
        )
        for name, destination in (("allowed", {"server": url("east")}), ("refused", {"name": "west"})):
            app = going_to(name, **destination)
            app["spec"]["project"] = "team"
            await fleet.home.user.create(APPLICATIONS, app)
        await fleet.home.synced("allowed")
        app = await fleet.home.until(lambda app: condition_types(app) == {"InvalidSpecError"}, name="refused")
        assert "destination server 'https://west.test' and namespace 'shop' do not match any" in messages(app)[0]
        assert await fleet["west"].names(CONFIG_MAPS) == set()

    simulate_fleet(story, [config()])


@pytest.mark.proves("000-26")
@pytest.mark.parametrize("is_noticed", [True, False])
def test_one_of_three_clusters_is_lost_and_what_takes_its_place_gets_everything_again(is_noticed: bool) -> None:
    """Without anybody's doing. The new cluster counts versions anew, so nothing that was known of the old one holds."""

    async def story(fleet: Fleet) -> None:
        names = ("east", "west", "north")
        for name in names:
            await fleet.join(name)
            await fleet.home.user.create(APPLICATIONS, going_to(f"shop-{name}", name=name))
        for number in range(5):  # so that the old cluster's versions are far ahead
            await fleet.home.push([config(annotations={"edition": str(number)}), service()])
            for name in names:
                await fleet.home.synced(f"shop-{name}")
        before = [len(fleet[name].engine.writes) for name in ("east", "north")]
        fleet["west"].is_away = is_noticed
        if is_noticed:
            await fleet.home.until(lambda app: sync_state(app) == "Unknown", name="shop-west")
        await fleet["west"].rebuild()
        fleet["west"].is_away = False
        began = fleet.home.clock.now()
        while await fleet["west"].names(CONFIG_MAPS) != {"settings"} or await fleet["west"].names(SERVICES) != {"web"}:
            assert fleet.home.clock.now() - began < 120
            await fleet.home.clock.sleep(0.5)
        await fleet.home.synced("shop-west")
        assert [len(fleet[name].engine.writes) for name in ("east", "north")] == before

    simulate_fleet(story, [config()], ("east", "west", "north"))


def test_a_new_token_counts_with_the_next_request() -> None:
    async def story(fleet: Fleet) -> None:
        await fleet.join("east")
        await fleet.home.user.create(APPLICATIONS, going_to(name="east"))
        await fleet.home.synced()
        fresh = '{"bearerToken": "another", "tlsClientConfig": {"insecure": true}}'
        await fleet.home.user.patch(SECRETS, "argocd", "cluster-east", {"stringData": {"config": fresh}})
        await fleet.home.push([config(annotations={"edition": "2"})])
        await fleet.home.synced()
        assert fleet.logins == ["t0ken", "another"]
        assert fleet["east"].opened == 1  # the old connection is closed

    simulate_fleet(story, [config()])


@pytest.mark.parametrize("seed", range(4))
def test_a_member_that_fails_in_every_way_ends_up_as_wanted(seed: int) -> None:
    """Refusals, lost answers, dropped watches, and the engine dies between any two writes to the cluster."""

    async def story(fleet: Fleet) -> None:
        for name in ("east", "west"):
            await fleet.join(name)
        fleet["east"].misbehave(seed)
        for name in ("east", "west"):
            await fleet.home.user.create(APPLICATIONS, in_its_own_namespace(f"shop-{name}", name=name))
        for number in range(4):
            await fleet.home.push([config(f"c-{number}"), config(f"d-{number}"), service()])
            await fleet.home.clock.sleep(30)
        fleet["east"].calm()
        for name in ("east", "west"):
            await fleet.home.synced(f"shop-{name}")
            assert await fleet[name].names(CONFIG_MAPS, f"shop-{name}") == {"c-3", "d-3"}
        faulty = fleet["east"].faulty
        assert faulty is not None and faulty.crashes > 0

    simulate_fleet(story, [config()])


@pytest.mark.parametrize("place", ["home", "east"])
def test_a_kind_that_may_not_be_listed_is_named_and_nothing_is_written(place: str) -> None:
    async def story(fleet: Fleet) -> None:
        await fleet.join("east")
        fleet.refuse("/api/v1/configmaps")
        await fleet.home.user.create(APPLICATIONS, going_to(name="in-cluster" if place == "home" else place))
        app = await fleet.home.until(lambda app: condition_types(app) == {"ComparisonError"})
        server = "https://kubernetes.default.svc" if place == "home" else url(place)
        assert messages(app)[0].startswith(f"ConfigMap cannot be looked at on {server}: ")
        assert "configmaps is forbidden" in messages(app)[0]
        assert sync_state(app) == "Unknown"
        fleet.refuse("")
        await fleet.home.synced()

    simulate_fleet(story, [config()])
