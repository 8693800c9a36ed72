"""Applications with a list of sources, in virtual time: each source is a repository of its own."""

from typing import Any

import pytest

from shipway.api.kinds import APP_PROJECTS, APPLICATIONS, CONFIG_MAPS, SERVICES
from shipway.api.sources import RemoteBase
from shipway.base.errors import InvalidInput, NotFound
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from tests.sim.gitops_objects import config, hook, service
from tests.sim.gitops_world import REPO, World, application, condition_types, end_job, simulate

TOOLS = "https://git.test/tools.git"
VALUES = "https://git.test/values.git"


def listed(*extra: Obj, **spec: Any) -> Obj:
    """An Application with the sources shop (a folder of REPO), `extra` after it, and no `spec.source`."""
    app = application(sources=[{"repoURL": REPO, "path": "deploy", "targetRevision": "main"}, *extra], **spec)
    del app["spec"]["source"]
    return app


def tools(**fields: Any) -> Obj:
    return {"repoURL": TOOLS, "path": "tools", "targetRevision": "v1", **fields}


def synced_to(*revisions: str):
    def is_so(app: Obj) -> bool:
        sync = dig(app, "status", "sync", default={})
        return sync.get("status") == "Synced" and sync.get("revisions") == list(revisions) and "operation" not in app

    return is_so


@pytest.mark.compat("argocd:spec.sources", "argocd:status.sync", "argocd:status.history", "argocd:status.sourceType")
def test_every_source_is_applied_and_the_plural_fields_say_so() -> None:
    async def story(there: World) -> None:
        other = there.add_repository(TOOLS, [service("tool")])
        await there.user.create(APPLICATIONS, listed(tools()))
        revisions = [there.repository.head, other.head]
        app = await there.until(synced_to(*revisions))
        status = app["status"]
        sources = app["spec"]["sources"]
        assert status["sync"]["comparedTo"] == {"destination": app["spec"]["destination"], "sources": sources}
        assert "revision" not in status["sync"]
        assert status["sourceTypes"] == ["Directory", "Directory"]
        assert "sourceType" not in status
        (entry,) = status["history"]
        assert (entry["revisions"], entry["sources"]) == (revisions, sources)
        assert "revision" not in entry
        assert "source" not in entry
        state = status["operationState"]
        assert state["operation"]["sync"]["revisions"] == revisions
        assert (state["syncResult"]["revisions"], state["syncResult"]["sources"]) == (revisions, sources)
        assert {row["name"] for row in status["resources"]} == {"settings", "tool"}
        started = [event["message"] for event in await there.events() if event["reason"] == "OperationStarted"]
        assert started == [f"Initiated automated sync to [{revisions[0]} {revisions[1]}]"]

    simulate(story, [config()])


def test_a_push_to_one_source_renders_that_source_alone() -> None:
    async def story(there: World) -> None:
        other = there.add_repository(TOOLS, [service("tool")])
        await there.user.create(APPLICATIONS, listed(tools()))
        await there.until(synced_to(there.repository.head, other.head))
        renders = there.repository.renders
        other.commit([service("tool"), service("second")])
        there.webhook()
        await there.until(synced_to(there.repository.head, other.head))
        assert not await there.gone(SERVICES, "shop", "second")
        assert there.repository.renders == renders
        assert other.renders == 2

    simulate(story, [config()])


@pytest.mark.compat("argocd:spec.sources")
def test_an_object_of_two_sources_is_taken_from_the_last_and_told() -> None:
    async def story(there: World) -> None:
        other = there.add_repository(TOOLS, [{**config(), "data": {"colour": "green"}}])
        await there.user.create(APPLICATIONS, listed(tools()))
        app = await there.until(synced_to(there.repository.head, other.head))
        assert [condition["message"] for condition in app["status"]["conditions"]] == [
            "Resource /ConfigMap/shop/settings appeared 2 times among application resources."
        ]
        assert condition_types(app) == {"RepeatedResourceWarning"}
        live = await there.user.get(CONFIG_MAPS, "shop", "settings")
        assert live["data"] == {"colour": "green"}

    simulate(story, [config()])


def test_a_source_that_hangs_holds_back_its_application_alone() -> None:
    async def story(there: World) -> None:
        other = there.add_repository(TOOLS, [service("tool")])
        other.hangs = True
        await there.user.create(APPLICATIONS, listed(tools()))
        await there.user.create(APPLICATIONS, application("alone", destination={"name": "in-cluster", "namespace": "argocd"}))
        await there.synced("alone")
        await there.clock.sleep(600)
        assert await there.gone(CONFIG_MAPS, "shop", "settings")
        assert dig(await there.app(), "status", "operationState") is None

    simulate(story, [config()])


def test_a_source_that_cannot_be_rendered_stops_the_others_and_prunes_nothing() -> None:
    async def story(there: World) -> None:
        other = there.add_repository(TOOLS, [service("tool")])
        await there.user.create(APPLICATIONS, listed(tools()))
        await there.until(synced_to(there.repository.head, other.head))
        other.commit(InvalidInput("tools/web.yaml: line 3: not YAML"))
        await there.push([config("renamed")])
        app = await there.until(lambda app: "ComparisonError" in condition_types(app))
        assert [condition["message"] for condition in app["status"]["conditions"]] == [
            "failed to generate manifest for source 2 of 2: tools/web.yaml: line 3: not YAML"
        ]
        await there.settle(300)
        assert not await there.gone(SERVICES, "shop", "tool")
        assert not await there.gone(CONFIG_MAPS, "shop", "settings")
        assert await there.gone(CONFIG_MAPS, "shop", "renamed")

    simulate(story, [config()])


@pytest.mark.compat("argocd:spec.source.ref")
def test_a_ref_source_gives_no_objects_and_what_is_read_of_it_renders_the_reader() -> None:
    async def story(there: World) -> None:
        lent = there.add_repository(VALUES, [config("never")])
        source = {"repoURL": VALUES, "ref": "values"}
        await there.user.create(APPLICATIONS, listed(source))
        app = await there.until(synced_to(there.repository.head, lent.head))
        assert app["status"]["sourceTypes"] == ["Directory", ""]
        assert [row["name"] for row in app["status"]["resources"]] == ["settings"]
        assert there.repository.renders == 1
        lent.commit([config("never"), config("more")])
        there.webhook()
        await there.settle(3)
        assert (there.repository.renders, lent.renders) == (2, 0)

    simulate(story, [config()])


@pytest.mark.compat("argocd:operation.sync.revision", "argocd:operation.sync.source")
def test_a_client_syncs_several_sources_to_revisions_of_its_own() -> None:
    async def story(there: World) -> None:
        other = there.add_repository(TOOLS, [service("tool")])
        await there.user.create(APPLICATIONS, listed(tools(), syncPolicy=None))
        old = other.head
        other.commit([service("later")])
        sync = {"revisions": ["", old]}
        await there.until(lambda app: dig(app, "status", "sync", "revisions"))
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"operation": {"sync": sync}})
        app = await there.until(lambda app: dig(app, "status", "operationState", "phase") == "Succeeded")
        assert app["status"]["operationState"]["syncResult"]["revisions"] == [there.repository.head, old]
        assert app["status"]["history"][0]["revisions"] == [there.repository.head, old]
        assert not await there.gone(SERVICES, "shop", "tool")
        sync = {"revision": old}
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"operation": {"sync": sync}})
        app = await there.until(lambda app: dig(app, "status", "operationState", "phase") == "Error")
        assert app["status"]["operationState"]["message"] == (
            "operation.sync.revision: the application has a list of sources: say operation.sync.revisions"
        )

    simulate(story, [config()])


def test_a_source_that_lacks_facts_is_asked_again_and_never_taken_for_an_empty_one() -> None:
    async def story(there: World) -> None:
        other = there.add_repository(TOOLS, [service("tool")])
        other.asks_for = ("revision", "cluster")
        await there.user.create(APPLICATIONS, listed(tools()))
        app = await there.until(synced_to(there.repository.head, other.head))
        assert [len(entry["revisions"]) for entry in app["status"]["history"]] == [2]
        assert not await there.gone(SERVICES, "shop", "tool")
        assert other.renders == 3
        await there.settle(300)
        assert other.renders == 3

    simulate(story, [config()])


@pytest.mark.compat("argocd:kustomize.bases")
def test_a_base_elsewhere_is_followed_and_only_where_the_project_permits_it() -> None:
    async def story(there: World) -> None:
        base = there.add_repository(VALUES, [config("of-no-interest")])
        there.repository.builds_on = (RemoteBase(VALUES, "main"),)
        await there.user.create(APPLICATIONS, application())
        await there.synced()
        assert there.repository.renders == 2
        base.commit([config("changed")])
        there.webhook()
        await there.settle(3)
        assert there.repository.renders == 3
        await there.user.patch(APP_PROJECTS, "argocd", "default", {"spec": {"sourceRepos": [REPO]}})
        app = await there.until(lambda app: "ComparisonError" in condition_types(app))
        assert app["status"]["conditions"][0]["message"] == f"the source builds on {VALUES}, which its project does not permit"
        assert not await there.gone(CONFIG_MAPS, "shop", "settings")

    simulate(story, [config()])


@pytest.mark.compat("argocd:hook.generateName")
def test_hooks_of_several_sources_take_their_names_from_the_first() -> None:
    async def story(there: World) -> None:
        migrate = hook("migrate", "PreSync")
        migrate["metadata"]["generateName"] = f"{migrate['metadata'].pop('name')}-"
        other = there.add_repository(TOOLS, [migrate])
        await there.user.create(APPLICATIONS, listed(tools()))
        app = await there.until(lambda app: dig(app, "status", "operationState", "syncResult", "resources"))
        (row,) = [row for row in app["status"]["operationState"]["syncResult"]["resources"] if row.get("hookType")]
        assert row["name"].startswith(f"migrate-{there.repository.head[:7]}-presync-")
        await end_job(there, row["name"])
        await there.until(synced_to(there.repository.head, other.head))

    simulate(story, [config()])


@pytest.mark.compat("argocd:hook.generateName")
def test_a_hook_without_any_name_is_another_object_in_each_of_its_phases() -> None:
    nameless = hook("", "PreSync,PostSync")
    del nameless["metadata"]["name"]

    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        for number, phase in enumerate(("presync", "postsync")):
            app = await there.until(lambda app, number=number: len(hooks_in(app)) > number)
            row = hooks_in(app)[number]
            assert row["name"].startswith(f"{there.repository.head[:7]}-{phase}-")
            assert row["hookType"].lower() == phase
            await end_job(there, row["name"])
        await there.synced()

    simulate(story, [config(), nameless])


def hooks_in(app: Obj) -> list[Obj]:
    rows = dig(app, "status", "operationState", "syncResult", "resources", default=[])
    return sorted((row for row in rows if row.get("hookType")), key=lambda row: row["syncPhase"], reverse=True)


def test_one_source_written_as_a_list_and_back_again_syncs_nothing_anew() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        await there.synced()
        one = {"repoURL": REPO, "path": "deploy", "targetRevision": "main"}
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"spec": {"sources": [one], "source": None}})
        app = await there.until(synced_to(there.repository.head))
        assert "revision" not in app["status"]["sync"]
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"spec": {"source": one, "sources": None}})
        app = await there.synced()
        assert "revisions" not in app["status"]["sync"]
        assert "sourceTypes" not in app["status"]
        assert len(app["status"]["history"]) == 1

    simulate(story, [config()])


def test_a_list_is_complete_after_a_restart_without_a_write() -> None:
    async def story(there: World) -> None:
        other = there.add_repository(TOOLS, [service("tool")])
        await there.user.create(APPLICATIONS, listed(tools(), {"repoURL": VALUES, "ref": "values"}))
        there.add_repository(VALUES, [])
        lent = there.repositories[VALUES].head
        await there.until(synced_to(there.repository.head, other.head, lent))
        await there.settle()
        there.engine.writes.clear()
        there.restart()
        await there.settle(60)
        assert [path for _, path in there.engine.writes if "leases" not in path] == []

    simulate(story, [config()])


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ([{"repoURL": "", "path": "x"}], "spec.sources[0].repoURL is required"),
        (
            [{"repoURL": REPO}],
            "spec.sources[0].path, chart or ref is required: say which folder of the repository holds the manifests",
        ),
        (
            [{"repoURL": "https://charts.test", "chart": "web"}],
            "spec.sources[0].targetRevision is required if the manifest source is a helm chart",
        ),
        (
            [{"repoURL": "https://charts.test", "chart": "web", "targetRevision": "1.x", "ref": "v"}],
            "spec.sources[0] has a 'chart' field defined, but Helm charts are not supported for 'ref' sources",
        ),
        (
            [{"repoURL": REPO, "ref": "a b", "path": "x"}],
            "sources.ref a b cannot contain any special characters except '_' and '-'",
        ),
        (
            [{"repoURL": REPO, "ref": "v"}, {"repoURL": REPO, "ref": "v"}],
            "invalid sources: multiple sources had the same `ref` key: v",
        ),
    ],
    ids=["no-repository", "no-path", "no-version", "chart-ref", "bad-ref", "ref-twice"],
)
@pytest.mark.compat("argocd:spec.sources")
def test_a_list_that_cannot_work_is_an_invalid_spec(sources: list[Obj], message: str) -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(sources=sources))
        app = await there.until(lambda app: "InvalidSpecError" in condition_types(app))
        assert [condition["message"] for condition in app["status"]["conditions"]] == [message]

    simulate(story, [config()])


@pytest.mark.parametrize(
    ("part", "field", "message"),
    [
        ("drySource", "repoURL", "spec.sourceHydrator.drySource.repoURL is required"),
        ("drySource", "path", "spec.sourceHydrator.drySource.path is required"),
        ("syncSource", "path", "spec.sourceHydrator.syncSource.path is required"),
        ("syncSource", "targetBranch", "spec.sourceHydrator.syncSource.targetBranch is required"),
        ("hydrateTo", "targetBranch", "spec.sourceHydrator.hydrateTo.targetBranch is required"),
    ],
)
@pytest.mark.compat("argocd:spec.sourceHydrator")
def test_a_hydrator_that_says_too_little_is_an_invalid_spec(part: str, field: str, message: str) -> None:
    async def story(there: World) -> None:
        hydrator = {
            "drySource": {"repoURL": REPO, "targetRevision": "main", "path": "deploy"},
            "syncSource": {"targetBranch": "env", "path": "deploy"},
            "hydrateTo": {"targetBranch": "next"},
        }
        del hydrator[part][field]
        await there.user.create(APPLICATIONS, application(sourceHydrator=hydrator))
        app = await there.until(lambda app: "InvalidSpecError" in condition_types(app))
        assert app["status"]["conditions"][0]["message"] == message
        with pytest.raises(NotFound):
            await there.user.get(CONFIG_MAPS, "shop", "settings")

    simulate(story, [config()])


@pytest.mark.proves("gitops:tool-versions")
def test_what_rendered_a_deployment_stands_in_its_operation() -> None:
    async def story(there: World) -> None:
        there.repository.tool = "helm v4.2.3 (SDK)"
        await there.user.create(APPLICATIONS, application())
        app = await there.synced()
        info = {entry["name"]: entry["value"] for entry in app["status"]["operationState"]["operation"]["info"]}
        assert info["Tools"] == "helm v4.2.3 (SDK)"
        assert app["status"]["sourceType"] == "Helm"
        there.repository.tool = ""
        await there.push([config(), service()])
        app = await there.synced()
        assert "Tools" not in {entry["name"] for entry in app["status"]["operationState"]["operation"]["info"]}

    simulate(story, [config()])


def test_what_a_source_says_without_meaning_it_is_told() -> None:
    async def story(there: World) -> None:
        there.repository.warnings = ('deploy/a.yaml:3: key "data" stands here again: the last one counts',)
        await there.user.create(APPLICATIONS, application())
        app = await there.synced()
        (told,) = app["status"]["conditions"]
        assert (told["type"], told["message"]) == ("RepeatedResourceWarning", there.repository.warnings[0])

    simulate(story, [config()])
