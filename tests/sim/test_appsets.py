"""The ApplicationSet engine in virtual time, against a real API server in memory."""

from typing import Any

import pytest

from shipway.api.kinds import APPLICATION_SETS, APPLICATIONS, SECRETS
from shipway.base.errors import NotFound
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, dig, is_deleting, labels_of, metadata, spec_of, status_of
from tests.sim.appset_world import REPO, World, applicationset, elements, simulate, template

UNCASCADED = {"preserveResourcesOnDeletion": True}
"""Nobody but the set decides when its Applications are gone: no finalizer, no GitOps engine."""


@pytest.mark.compat("argocd:appset.conditions")
@pytest.mark.compat("argocd:appset.resources")
@pytest.mark.compat("argocd:appset.owner")
def test_a_list_becomes_applications_that_the_set_owns() -> None:
    async def story(there: World) -> None:
        made = await there.create(applicationset(elements("blue", "green")))
        apps = await there.apps()
        assert sorted(apps) == ["blue", "green"]
        meta = metadata(apps["blue"])
        assert meta["ownerReferences"] == [
            {
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "ApplicationSet",
                "name": "fleet",
                "uid": made["metadata"]["uid"],
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]
        assert meta["finalizers"] == ["resources-finalizer.argocd.argoproj.io"]
        assert spec_of(apps["blue"])["source"]["repoURL"] == REPO
        assert await there.condition("ErrorOccurred") == (
            "False",
            "ApplicationSetUpToDate",
            "All applications have been generated successfully",
        )
        assert (await there.condition("ParametersGenerated"))[:2] == ("True", "ParametersGenerated")
        assert await there.condition("ResourcesUpToDate") == (
            "True",
            "ApplicationSetUpToDate",
            "All applications have been generated successfully",
        )
        rows = status_of(await there.set())["resources"]
        assert [(row["kind"], row["name"]) for row in rows] == [("Application", "blue"), ("Application", "green")]

    simulate(story)


def test_once_generated_nothing_is_written_any_more() -> None:
    async def story(there: World) -> None:
        await there.create(applicationset(elements("blue", "green"), {"clusters": {}}))
        await there.settle(30)
        there.engine.writes.clear()
        await there.settle(3000)
        assert there.engine.writes == []

    simulate(story)


def test_one_changed_entry_costs_one_write() -> None:
    async def story(there: World) -> None:
        names = [f"app-{number:03}" for number in range(200)]
        await there.create(applicationset(elements(*names), template=template(project="{{.name}}")))
        await there.settle(30)
        there.engine.writes.clear()
        changed = [{"name": name, **({"path": "b"} if name == "app-077" else {})} for name in names]
        await there.edit(
            generators=[{"list": {"elements": changed}}],
            templatePatch='{{ if .path }}{"spec": {"source": {"path": "{{ .path }}"}}}{{ end }}',
        )
        to_apps = [path.rpartition("/")[2] for method, path in there.engine.writes if "/applications/" in path]
        assert to_apps == ["app-077"]
        assert dig((await there.apps())["app-077"], "spec", "source", "path") == "b"

    simulate(story)


def test_a_removed_element_goes_at_once_and_a_hand_edit_is_put_back() -> None:
    async def story(there: World) -> None:
        await there.create(applicationset(elements("blue", "green"), syncPolicy=UNCASCADED))
        await there.user.patch(APPLICATIONS, "argocd", "blue", {"spec": {"project": "other", "syncPolicy": {"automated": {}}}})
        await there.settle()
        assert spec_of((await there.apps())["blue"]) == template()["spec"]
        await there.edit(generators=[elements("blue")])
        assert await there.names() == ["blue"]

    simulate(story)


@pytest.mark.parametrize(
    ("policy", "updated", "deleted"),
    [("create-only", False, False), ("create-update", True, False), ("create-delete", False, True), ("sync", True, True)],
)
@pytest.mark.compat("argocd:appset.applicationsSync")
@pytest.mark.compat("argocd:appset.preserveResourcesOnDeletion")
def test_a_policy_says_what_may_happen_to_what_is_there(policy: str, updated: bool, deleted: bool) -> None:
    async def story(there: World) -> None:
        policies = {"applicationsSync": policy, "preserveResourcesOnDeletion": True}
        await there.create(applicationset(elements("blue", "green"), syncPolicy=policies))
        assert "finalizers" not in metadata((await there.apps())["blue"])
        await there.edit(generators=[elements("blue")], template=template(project="other"))
        apps = await there.apps()
        assert (spec_of(apps["blue"])["project"] == "other") == updated
        assert ("green" not in apps) == deleted

    simulate(story)


@pytest.mark.compat("argocd:appset.preservedFields")
@pytest.mark.compat("argocd:appset.ignoreApplicationDifferences")
def test_what_a_set_leaves_to_others_survives() -> None:
    async def story(there: World) -> None:
        made = template()
        made["metadata"] |= {"annotations": {"owner": "set", "fixed": "set"}, "labels": {"tier": "set", "team": "set"}}
        await there.create(
            applicationset(
                elements("blue"),
                template=made,
                preservedFields={"annotations": ["owner"], "labels": ["tier"]},
                ignoreApplicationDifferences=[{"jsonPointers": ["/spec/source/targetRevision", "/spec/syncPolicy"]}],
            )
        )
        edit = {
            "metadata": {
                "annotations": {"owner": "user", "fixed": "user", "extra": "user"},
                "labels": {"tier": "user", "team": "user"},
            },
            "spec": {"source": {"targetRevision": "hotfix"}, "syncPolicy": {"automated": {}}, "project": "user"},
        }
        await there.user.patch(APPLICATIONS, "argocd", "blue", edit)
        await there.settle()
        app = (await there.apps())["blue"]
        annotations = annotations_of(app)
        assert [annotations[key] for key in ("owner", "fixed", "extra")] == ["user", "set", "user"]
        assert labels_of(app) == {"tier": "user", "team": "set"}
        assert spec_of(app)["source"]["targetRevision"] == "hotfix"
        assert spec_of(app)["syncPolicy"] == {"automated": {}}
        assert spec_of(app)["project"] == "default"

    simulate(story)


@pytest.mark.proves("000-33")
def test_a_label_on_a_cluster_makes_an_application_and_taking_it_away_buries_it_first() -> None:
    async def story(there: World) -> None:
        await there.cluster("east", env="prod")
        await there.cluster("west", env="test")
        generator = {"clusters": {"selector": {"matchLabels": {"env": "prod"}}, "values": {"short": "{{.name | upper}}"}}}
        made = template("{{.nameNormalized}}-web", destination={"server": "{{.server}}", "namespace": "shop"})
        made["metadata"]["labels"] = {"env": "{{.metadata.labels.env}}", "short": "{{.values.short}}"}
        await there.create(applicationset(generator, template=made, syncPolicy=UNCASCADED))
        apps = await there.apps()
        assert list(apps) == ["east-web"]
        assert labels_of(apps["east-web"]) == {"env": "prod", "short": "EAST"}
        assert spec_of(apps["east-web"])["destination"]["server"] == "https://east.test"
        await there.user.patch(SECRETS, "argocd", "cluster-west", {"metadata": {"labels": {"env": "prod"}}})
        await there.settle()
        assert await there.names() == ["east-web", "west-web"]
        await there.user.patch(SECRETS, "argocd", "cluster-west", {"metadata": {"labels": {"env": "test"}}})
        await there.settle()
        assert await there.tombstones() == ["west-web"]
        assert (await there.condition("ResourcesUpToDate"))[:2] == ("False", "AwaitingConfirmation")
        await there.settle(70)
        assert await there.names() == ["east-web"]
        assert (await there.condition("ResourcesUpToDate"))[0] == "True"

    simulate(story)


@pytest.mark.compat("argocd:appset.owner")
def test_the_set_goes_and_its_applications_with_it_unless_the_policy_keeps_them() -> None:
    async def story(there: World) -> None:
        at_once = {"type": "AllAtOnce", "deletionOrder": "Reverse"}
        await there.create(applicationset(elements("blue"), syncPolicy=UNCASCADED, strategy=at_once))
        await there.user.delete(APPLICATION_SETS, "argocd", "fleet", propagation="Background")
        await there.settle()
        assert await there.names() == []
        kept = applicationset(elements("green"), syncPolicy={"applicationsSync": "create-update"})
        kept["metadata"]["finalizers"] = ["resources-finalizer.argocd.argoproj.io"]
        await there.create(kept)
        await there.user.delete(APPLICATION_SETS, "argocd", "fleet", propagation="Background")
        await there.settle()
        assert await there.names() == ["green"]
        assert "ownerReferences" not in metadata((await there.apps())["green"])

    simulate(story)


@pytest.mark.compat("argocd:appset.owner", "argocd:appset.applicationsSync")
def test_a_deletion_in_the_foreground_takes_nothing_along_that_the_policy_keeps() -> None:
    async def story(there: World) -> None:
        await there.create(applicationset(elements("green"), syncPolicy={"applicationsSync": "create-only"}))
        await there.user.delete(APPLICATION_SETS, "argocd", "fleet", propagation="Foreground")
        await there.settle()
        (green,) = (await there.apps()).values()
        assert metadata(green).keys() & {"ownerReferences", "deletionTimestamp"} == set()
        with pytest.raises(NotFound):
            await there.set()

    simulate(story)


@pytest.mark.compat("argocd:appset.ignoreApplicationDifferences")
def test_fields_named_by_jq_are_left_to_others() -> None:
    async def story(there: World) -> None:
        made = template(
            source={
                "repoURL": REPO,
                "path": "a",
                "targetRevision": "main",
                "helm": {"parameters": [{"name": "tag", "value": "1"}]},
            }
        )
        ignored = [{"name": "blue", "jqPathExpressions": [".spec.source.helm.parameters[]?.value"]}]
        await there.create(applicationset(elements("blue", "green"), template=made, ignoreApplicationDifferences=ignored))
        edit = {"spec": {"source": {"helm": {"parameters": [{"name": "tag", "value": "2"}]}, "path": "b"}}}
        for name in ("blue", "green"):
            await there.user.patch(APPLICATIONS, "argocd", name, edit)
        await there.settle()
        apps = await there.apps()
        assert [dig(apps[name], "spec", "source", "helm", "parameters", 0, "value") for name in ("blue", "green")] == ["2", "1"]
        assert [spec_of(apps[name])["source"]["path"] for name in ("blue", "green")] == ["a", "a"]

    simulate(story)


@pytest.mark.compat("argocd:appset.ignoreApplicationDifferences")
def test_an_expression_that_jq_refuses_is_told_and_alters_nothing() -> None:
    async def story(there: World) -> None:
        ignored = [{"jqPathExpressions": [".spec[["]}]
        await there.create(applicationset(elements("blue"), ignoreApplicationDifferences=ignored))
        await there.edit(template=template(project="other"))
        status, reason, message = await there.condition("ErrorOccurred")
        assert (status, reason) == ("True", "UpdateApplicationError")
        assert message.startswith("ignoreApplicationDifferences: ")
        assert spec_of((await there.apps())["blue"])["project"] == "default"

    simulate(story)


@pytest.mark.compat("argocd:appset.strategy")
def test_a_rolling_sync_gives_operations_step_by_step() -> None:
    async def says(there: World, name: str, sync: str, health: str = "Healthy", **more: Any) -> None:
        state = {"sync": {"status": sync, "revision": "r1"}, "health": {"status": health}, **more}
        await there.user.patch(APPLICATIONS, "argocd", name, {"status": state, "operation": None})
        await there.settle(6)

    async def operations(there: World) -> list[str]:
        return sorted(name for name, app in (await there.apps()).items() if "operation" in app)

    async def story(there: World) -> None:
        steps = [
            {"matchExpressions": [{"key": "env", "operator": "In", "values": [env]}], "maxUpdate": most}
            for env, most in (("dev", "100%"), ("prod", 1))
        ]
        made = template("{{.name}}", syncPolicy={"automated": {"prune": True}, "syncOptions": ["CreateNamespace=true"]})
        made["metadata"]["labels"] = {"env": "{{.env}}"}
        lists = [elements("dev-1", env="dev"), elements("prod-1", "prod-2", env="prod")]
        strategy = {"type": "RollingSync", "rollingSync": {"steps": steps}}
        await there.create(applicationset(*lists, template=made, strategy=strategy))
        assert spec_of((await there.apps())["dev-1"])["syncPolicy"] == {"syncOptions": ["CreateNamespace=true"]}
        for name in ("prod-1", "prod-2", "dev-1"):
            await says(there, name, "OutOfSync", "Missing")
        assert await operations(there) == ["dev-1"]
        given = (await there.apps())["dev-1"]["operation"]
        assert given["sync"] == {"prune": True, "syncOptions": ["CreateNamespace=true"]}
        assert (await there.condition("RolloutProgressing"))[:2] == ("True", "ApplicationSetModified")
        await says(there, "dev-1", "Synced", "Progressing", operationState={"phase": "Succeeded"})
        assert await operations(there) == []
        await says(there, "dev-1", "Synced")
        assert await operations(there) == ["prod-1"]
        await says(there, "prod-1", "Synced")
        assert await operations(there) == ["prod-2"]
        await says(there, "prod-2", "Synced")
        assert await there.condition("RolloutProgressing") == (
            "False",
            "ApplicationSetRolloutComplete",
            "ApplicationSet Rollout has completed",
        )
        listed = status_of(await there.set())["applicationStatus"]
        assert [(one["application"], one["status"], one["step"]) for one in listed] == [
            ("dev-1", "Healthy", "1"),
            ("prod-1", "Healthy", "2"),
            ("prod-2", "Healthy", "2"),
        ]
        there.engine.writes.clear()
        await there.settle(1000)
        assert there.engine.writes == []
        await there.edit(strategy=None)
        assert "applicationStatus" not in status_of(await there.set())
        assert spec_of((await there.apps())["dev-1"])["syncPolicy"]["automated"] == {"prune": True}

    simulate(story)


def rolling_fleet(**spec: Any) -> Obj:
    """Two Applications of the step dev, two of the step prod, one of none; without a cascade, and each held by a finalizer."""
    steps = [{"matchExpressions": [{"key": "env", "operator": "In", "values": [env]}]} for env in ("dev", "prod")]
    strategy = {"type": "RollingSync", "rollingSync": {"steps": steps}, "deletionOrder": "reverse"}
    made = template("{{.name}}")
    made["metadata"] |= {"labels": {"env": "{{.env}}"}, "finalizers": ["test.dev/held"]}
    lists = [
        elements(*names, env=env) for env, names in (("dev", ("a-1", "b-1")), ("prod", ("a-2", "b-2")), ("lab", ("loose",)))
    ]
    return applicationset(*lists, template=made, strategy=strategy, **spec)


@pytest.mark.compat("argocd:appset.strategy.deletionOrder")
def test_a_rolling_set_that_is_deleted_takes_its_last_step_first() -> None:
    async def leaving(there: World) -> list[str]:
        return sorted(name for name, app in (await there.apps()).items() if is_deleting(app))

    async def let_go(there: World, *names: str) -> None:
        for name in names:
            await there.user.patch(APPLICATIONS, "argocd", name, {"metadata": {"finalizers": None}})
        await there.settle()

    async def story(there: World) -> None:
        await there.create(rolling_fleet())
        assert metadata(await there.set())["finalizers"] == ["resources-finalizer.argocd.argoproj.io"]
        await there.user.delete(APPLICATION_SETS, "argocd", "fleet", propagation="Background")
        await there.settle(60)
        assert await leaving(there) == ["a-2", "b-2"]
        await let_go(there, "a-2")
        assert await leaving(there) == ["b-2"], "a step is over when all of it is gone"
        await let_go(there, "b-2")
        assert await leaving(there) == ["a-1", "b-1"]
        assert await there.names() == ["a-1", "b-1", "loose"]
        await let_go(there, "a-1", "b-1", "loose")
        assert await there.names() == []
        with pytest.raises(NotFound):
            await there.set()

    simulate(story)


@pytest.mark.compat("argocd:appset.strategy.deletionOrder")
@pytest.mark.parametrize(("policy", "propagation"), [("create-update", "Background"), ("sync", "Orphan")])
def test_a_rolling_set_that_is_deleted_alone_leaves_every_application(policy: str, propagation: Any) -> None:
    async def story(there: World) -> None:
        await there.create(rolling_fleet(syncPolicy={"applicationsSync": policy}))
        await there.user.delete(APPLICATION_SETS, "argocd", "fleet", propagation=propagation)
        await there.settle(60)
        with pytest.raises(NotFound):
            await there.set()
        apps = await there.apps()
        assert sorted(apps) == ["a-1", "a-2", "b-1", "b-2", "loose"]
        assert not any(is_deleting(app) or metadata(app).get("ownerReferences") for app in apps.values())

    simulate(story)
