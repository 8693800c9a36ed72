"""What never deletes anything: failures, silence, doubt. And what is named when input is bad."""

import asyncio
from typing import Any

import pytest

from shipway.api.kinds import APP_PROJECTS, APPLICATION_SETS, APPLICATIONS, CONFIG_MAPS, CRDS, SECRETS
from shipway.api.metrics import HttpAnswer
from shipway.base.errors import Unavailable
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import dig
from tests.sim.appset_world import REPO, World, applicationset, elements, project, simulate, template

PLACEMENTS = Resource("cluster.test", "v1beta1", "PlacementDecision", "placementdecisions")
PLACEMENTS_CRD: Obj = {
    "metadata": {"name": "placementdecisions.cluster.test"},
    "spec": {
        "group": "cluster.test",
        "scope": "Namespaced",
        "names": {"kind": "PlacementDecision", "plural": "placementdecisions", "singular": "placementdecision"},
        "versions": [
            {
                "name": "v1beta1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}
UNCASCADED = {"preserveResourcesOnDeletion": True}
FOLDERS = {
    "git": {"repoURL": REPO, "revision": "main", "directories": [{"path": "apps/*"}, {"path": "apps/old", "exclude": True}]}
}
BY_FOLDER = template("{{.path.basename}}", source={"repoURL": REPO, "path": "{{.path.path}}", "targetRevision": "main"})


def folders(**spec: Any) -> Obj:
    return applicationset(FOLDERS, template=BY_FOLDER, syncPolicy=UNCASCADED, **spec)


async def two_folders(there: World) -> None:
    await there.push(apps__blue__a={}, apps__green__a={}, apps__old__a={})
    await there.create(folders())
    assert await there.names() == ["blue", "green"]
    assert dig((await there.apps())["blue"], "spec", "source", "path") == "apps/blue"


@pytest.mark.compat("argocd:appset.deletion")
def test_a_folder_that_comes_makes_an_application_and_one_that_goes_is_confirmed_before_it_is_believed() -> None:
    async def story(there: World) -> None:
        await two_folders(there)
        await there.push(apps__red__a={}, apps__green__a=None)
        assert await there.names() == ["blue", "green", "red"]
        assert await there.tombstones() == ["green"]
        assert "green: no generator gives it any more" in (await there.condition("ResourcesUpToDate"))[2]
        looks = there.paths.looks
        await there.settle(70)
        assert await there.names() == ["blue", "red"]
        assert there.paths.looks > looks, "nobody looked a second time"

    simulate(story)


def test_what_comes_back_in_time_loses_its_tombstone() -> None:
    async def story(there: World) -> None:
        await two_folders(there)
        before = (await there.apps())["green"]["metadata"]["uid"]
        await there.push(apps__green__a=None)
        await there.push(apps__green__a={})
        assert await there.tombstones() == []
        await there.settle(2000)
        assert (await there.apps())["green"]["metadata"]["uid"] == before

    simulate(story)


@pytest.mark.compat("argocd:appset.errors")
@pytest.mark.compat("argocd:appset.conditions")
def test_a_generator_that_fails_deletes_nothing_however_long_and_its_error_is_told() -> None:
    async def story(there: World) -> None:
        await two_folders(there)
        there.paths.error = Unavailable("repository https://git.test/fleet.git does not answer")
        await there.push(apps__green__a=None)
        await there.settle(5000)
        assert await there.names() == ["blue", "green"]
        assert await there.tombstones() == []
        status, reason, message = await there.condition("ErrorOccurred")
        assert (status, reason) == ("True", "ApplicationGenerationFromParamsError")
        assert message == "spec.generators[0].git: repository https://git.test/fleet.git does not answer"
        assert (await there.condition("ParametersGenerated"))[:2] == ("False", "ErrorOccurred")
        there.paths.error = None
        await there.push()
        assert await there.tombstones() == ["green"]

    simulate(story)


def test_a_repository_that_fails_after_the_tombstone_confirms_nothing() -> None:
    async def story(there: World) -> None:
        await two_folders(there)
        await there.push(apps__green__a=None)
        there.paths.error = Unavailable("down")
        await there.settle(3000)
        assert await there.names() == ["blue", "green"]

    simulate(story)


@pytest.mark.compat("argocd:appset.deletion")
def test_a_generator_that_suddenly_sees_nothing_is_doubted_for_ten_minutes() -> None:
    async def story(there: World) -> None:
        await two_folders(there)
        await there.push(apps__green__a=None, apps__blue__a=None)
        await there.settle(500)
        assert await there.names() == ["blue", "green"]
        await there.push(apps__green__a={}, apps__blue__a={})
        assert await there.tombstones() == []
        await there.push(apps__green__a=None, apps__blue__a=None)
        await there.settle(620)
        assert await there.names() == []

    simulate(story)


@pytest.mark.compat("argocd:appset.deletion")
def test_an_edit_of_the_set_decides_at_once_but_not_when_the_world_changed_with_it() -> None:
    async def story(there: World) -> None:
        await two_folders(there)
        there.paths.files.pop("apps/green/a")
        await there.user.create(APP_PROJECTS, project("other"))
        await there.edit(template=template("{{.path.basename}}", project="other"))
        there.runtime.refresh(lambda _: True)
        await there.settle()
        assert await there.tombstones() == ["green"]
        await there.edit(template=template("web-{{.path.basename}}"))
        assert "blue" not in await there.names(), "a new name is the will of whoever wrote it"

    simulate(story)


@pytest.mark.compat("argocd:appset.duplicates")
def test_two_entries_of_one_name_change_nothing_and_are_named() -> None:
    async def story(there: World) -> None:
        await there.create(applicationset(elements("blue", "green"), syncPolicy=UNCASCADED))
        there.engine.writes.clear()
        await there.edit(generators=[elements("blue", "red", "blue")])
        assert await there.names() == ["blue", "green"]
        assert await there.condition("ErrorOccurred") == (
            "True",
            "ApplicationValidationError",
            "ApplicationSet fleet contains applications with duplicate name: blue",
        )
        assert (await there.condition("ResourcesUpToDate"))[:2] == ("False", "ErrorOccurred")
        assert [path for _, path in there.engine.writes if path.rpartition("/")[0].endswith("/applications")] == []

    simulate(story)


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ({"name": "Not A Name"}, "application 'Not A Name': no object can have this name"),
        ({"name": "x" * 300}, "no object can have this name"),
        ({"name": "odd", "where": {"server": "https://a", "name": "b"}}, "either a server or a name"),
        ({"name": "odd", "limit": "many"}, "spec.revisionHistoryLimit: expected `int | null`, got `str`"),
        ({"name": "odd", "fails": "yes"}, "the one that fails"),
    ],
)
@pytest.mark.compat("argocd:appset.errors")
def test_an_entry_that_cannot_be_is_named_and_the_others_go_on(bad: Obj, told: str) -> None:
    async def story(there: World) -> None:
        patch = (
            '{{ if .where }}{"spec": {"destination": {{ toJson .where }} } }{{ end }}'
            '{{ if .limit }}{"spec": {"revisionHistoryLimit": {{ .limit }} } }{{ end }}'
            '{{ if .fails }}{{ fail "the one that fails" }}{{ end }}'
        )
        await there.create(applicationset({"list": {"elements": [{"name": "good"}, bad]}}, templatePatch=patch))
        assert await there.names() == ["good"]
        status, _, message = await there.condition("ErrorOccurred")
        assert status == "True" and told in message

    simulate(story)


def test_a_hundred_thousand_entries_are_refused_and_nothing_is_touched() -> None:
    async def story(there: World) -> None:
        await there.create(applicationset(elements("blue"), syncPolicy=UNCASCADED))
        many = {"list": {"elements": [{"n": str(number)} for number in range(400)]}}
        twice = [{"list": {"elements": [{"name": str(number)} for number in range(250)]}}, many]
        await there.edit(generators=[{"matrix": {"generators": twice}}])
        assert await there.names() == ["blue"]
        message = (await there.condition("ErrorOccurred"))[2]
        assert "entries are more than 20,000: divide them among several sets" in message

    simulate(story)


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"generators": [{"lists": {}}]}, "spec.generators[0]: a generator has exactly one of list, clusters"),
        ({"generators": [{"list": {"elements": "x"}}]}, "spec.generators[0].list.elements: expected `array | null`, got `str`"),
        ({"generators": [{"matrix": {"generators": [elements("a")]}}]}, "found less than two generators"),
        ({"generators": [{"list": {"elementsYaml": "a: ["}}]}, "spec.generators[0].list.elementsYaml"),
        ({"generators": [{"git": {"repoURL": REPO}}]}, "it needs directories or files"),
        ({"goTemplateOptions": ["missingkey=maybe"]}, "unrecognized option missingkey=maybe"),
        ({"syncPolicy": {"applicationsSync": "always"}}, "spec.syncPolicy.applicationsSync: invalid enum value 'always'"),
        ({"generators": [{"plugin": {}}]}, "spec.generators[0].plugin: "),
    ],
)
def test_a_set_that_cannot_be_read_says_where_and_deletes_nothing(spec: Obj, told: str) -> None:
    async def story(there: World) -> None:
        await there.create(applicationset(elements("blue"), syncPolicy=UNCASCADED))
        await there.edit(**spec)
        assert told in (await there.condition("ErrorOccurred"))[2]
        assert await there.names() == ["blue"]

    simulate(story)


def test_an_application_of_somebody_else_is_left_alone_and_one_of_nobody_is_taken_over() -> None:
    async def story(there: World) -> None:
        await there.create(applicationset(elements("blue"), name="first"))
        loose = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", **template("loose")}
        loose["metadata"] = {"name": "loose", "namespace": "argocd"}
        await there.user.create(APPLICATIONS, loose)
        await there.create(applicationset(elements("blue", "loose")))
        assert "application 'blue' exists and belongs to somebody else" in (await there.condition("ErrorOccurred"))[2]
        apps = await there.apps()
        assert [dig(apps[name], "metadata", "ownerReferences", 0, "name") for name in ("blue", "loose")] == ["first", "fleet"]

    simulate(story)


@pytest.mark.compat("argocd:appset.refresh")
def test_the_refresh_annotation_asks_again_and_is_taken_away() -> None:
    async def story(there: World) -> None:
        await two_folders(there)
        looks = there.paths.looks
        note = {"metadata": {"annotations": {"argocd.argoproj.io/application-set-refresh": "true"}}}
        await there.user.patch(APPLICATION_SETS, "argocd", "fleet", note)
        await there.settle()
        assert there.paths.looks == looks + 1
        assert "argocd.argoproj.io/application-set-refresh" not in (await there.set())["metadata"]["annotations"]

    simulate(story)


@pytest.mark.compat("argocd:appset.pullRequest")
def test_pull_requests_come_and_go_and_a_forge_that_is_down_takes_nothing_away() -> None:
    async def story(there: World) -> None:
        generator = {"pullRequest": {"github": {"owner": "acme", "repo": "shop"}}}
        await there.opened("one", "two")
        await there.create(applicationset(generator, template=template("pr-{{.branch_slug}}"), syncPolicy=UNCASCADED))
        assert await there.names() == ["pr-one", "pr-two"]
        there.pulls = Unavailable("the forge asks for time")
        there.runtime.refresh(lambda _: True)
        await there.settle(4000)
        assert await there.names() == ["pr-one", "pr-two"]
        await there.opened("two")
        assert await there.tombstones() == ["pr-one"]
        await there.settle(70)
        assert await there.names() == ["pr-two"]
        await there.opened()
        await there.settle(300)
        assert await there.names() == ["pr-two"], "a forge that suddenly sees nothing is doubted"
        await there.settle(400)
        assert await there.names() == []

    simulate(story)


@pytest.mark.compat("argocd:appset.plugin")
def test_a_plugin_that_fails_or_suddenly_gives_nothing_takes_nothing_away() -> None:
    async def story(there: World) -> None:
        there.plugin = [{"name": "blue"}, {"name": "green"}]
        generator = {"plugin": {"configMapRef": {"name": "versions"}}}
        await there.create(applicationset(generator, syncPolicy=UNCASCADED))
        assert "there is no ConfigMap argocd/versions" in (await there.condition("ErrorOccurred"))[2]
        token = {"metadata": {"namespace": "argocd", "name": "argocd-secret"}, "stringData": {"plugin": "s3cret"}}
        await there.user.create(SECRETS, token)
        where = {"baseUrl": "http://versions.test", "token": "$plugin"}
        await there.user.create(CONFIG_MAPS, {"metadata": {"namespace": "argocd", "name": "versions"}, "data": where})
        await there.settle(200)
        assert await there.names() == ["blue", "green"], "a set finds by itself what was missing"
        for wrong in (HttpAnswer(503, b""), HttpAnswer(200, b"{}"), HttpAnswer(403, b""), HttpAnswer(200, b"<html>")):
            await there.answered(wrong, 2000)
            assert "plugin versions: " in (await there.condition("ErrorOccurred"))[2]
            assert await there.names() == ["blue", "green"]
            assert await there.tombstones() == []
        await there.answered([])
        await there.settle(300)
        assert await there.names() == ["blue", "green"], "a plugin that suddenly gives nothing is doubted"
        await there.answered([{"name": "green"}])
        await there.settle(70)
        assert await there.names() == ["green"]

    simulate(story)


@pytest.mark.compat("argocd:appset.clusterDecisionResource")
def test_decisions_choose_clusters_and_a_kind_that_is_not_there_takes_nothing_away() -> None:
    async def decide(there: World, *clusters: str) -> None:
        decided = {"status": {"decisions": [{"clusterName": one} for one in clusters]}}
        await there.user.patch(PLACEMENTS, "argocd", "placed", decided, subresource="status")
        await there.settle(200)

    async def story(there: World) -> None:
        await there.user.create(CRDS, PLACEMENTS_CRD)
        await there.cluster("east")
        await there.cluster("west")
        said = {"apiVersion": "cluster.test/v1beta1", "kind": "placementdecisions", "matchKey": "clusterName"}
        settings = {"metadata": {"namespace": "argocd", "name": "ocm"}, "data": {**said, "statusListKey": "decisions"}}
        await there.user.create(CONFIG_MAPS, settings)
        block = {"configMapRef": "ocm", "labelSelector": {"matchLabels": {"set": "shop"}}}
        await there.create(applicationset({"clusterDecisionResource": block}, syncPolicy=UNCASCADED))
        assert "none carries these labels" in (await there.condition("ErrorOccurred"))[2]
        meta = {"namespace": "argocd", "name": "placed", "labels": {"set": "shop"}}
        kind = {"apiVersion": "cluster.test/v1beta1", "kind": "PlacementDecision"}
        await there.user.create(PLACEMENTS, {**kind, "metadata": meta})
        await decide(there, "east", "west", "away", "far", "off", "out")
        assert await there.names() == ["east", "west"]
        generated = "Successfully generated parameters for all Applications"
        place = "spec.generators[0].clusterDecisionResource: passed over, as no Secret describes such a cluster"
        told = f"{generated}; {place}: away, far, off and 1 more"
        assert await there.condition("ParametersGenerated") == ("True", "ParametersGenerated", told)
        assert (await there.condition("ErrorOccurred"))[0] == "False"
        await decide(there, "west", "away")
        await there.settle(300)
        assert await there.names() == ["west"], "what is passed over holds nothing back"
        assert (await there.condition("ParametersGenerated"))[2] == f"{generated}; {place}: away"
        await there.cluster("away")
        await there.settle()
        assert await there.names() == ["away", "west"]
        assert (await there.condition("ParametersGenerated"))[2] == generated
        await there.user.delete(SECRETS, "argocd", "cluster-away")
        await there.settle(70)
        assert await there.names() == ["west"]
        await there.user.delete(PLACEMENTS, "argocd", "placed")
        await there.settle(4000)
        assert "none carries these labels" in (await there.condition("ErrorOccurred"))[2]
        assert await there.names() == ["west"]

    simulate(story)


@pytest.mark.compat("argocd:appset.references")
def test_projects_and_clusters_that_are_not_there_are_named_and_hold_nothing_back() -> None:
    async def story(there: World) -> None:
        of_team = template("{{.name}}", project="team", destination={"name": "{{.cluster}}", "namespace": "shop"})
        listed = [{"name": name, "cluster": cluster} for name, cluster in (("a", "in-cluster"), ("b", "east"), ("c", "east"))]
        await there.create(applicationset({"list": {"elements": listed}}, template=of_team, syncPolicy=UNCASCADED))
        assert await there.names() == ["a", "b", "c"]
        status, reason, message = await there.condition("ErrorOccurred")
        assert (status, reason) == ("True", "ApplicationValidationError")
        assert message == (
            "application 'a' and 2 more: application references project team which does not exist; application 'b' and 1 more: "
            "application destination spec is invalid: there are no clusters with this name: east"
        )
        assert (await there.condition("ParametersGenerated"))[0] == "True"
        await there.edit(generators=[{"list": {"elements": listed[:2]}}])
        assert await there.names() == ["a", "b"], "an edit decides at once"
        await there.user.create(APP_PROJECTS, project("team"))
        await there.cluster("east", "https://east.test/")
        await there.settle()
        assert (await there.condition("ErrorOccurred"))[0] == "False"
        by_server = template("{{.name}}", project="team", destination={"server": "https://{{.cluster}}.test", "name": None})
        await there.edit(
            template=by_server, generators=[{"list": {"elements": [*listed[1:2], {"name": "d", "cluster": "far"}]}}]
        )
        assert await there.names() == ["b", "d"]
        told = "application 'd': application destination spec is invalid: error getting cluster by server"
        assert (await there.condition("ErrorOccurred"))[2] == f'{told} "https://far.test": cluster "https://far.test" not found'

    simulate(story)


def test_a_restart_writes_nothing() -> None:
    async def story(there: World) -> None:
        await two_folders(there)
        await there.settle(30)
        there.engine.writes.clear()
        async with asyncio.TaskGroup() as group:
            fresh = there.make_engine()
            running = group.create_task(fresh.run())
            await there.clock.sleep(60)
            running.cancel()
        assert there.engine.writes == []

    simulate(story)
