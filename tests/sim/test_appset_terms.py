"""What an installation says of all its sets (`argocd-cmd-params-cm`, AppProjects) counts at once, and takes nothing away."""

from typing import Any

import pytest

from shipway.api.kinds import APP_PROJECTS, APPLICATION_SETS, APPLICATIONS, CONFIG_MAPS, NAMESPACES
from shipway.base.errors import Denied
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, dig, labels_of, status_of
from tests.sim.appset_world import REPO, World, applicationset, elements, project, simulate, template

FOLDERS: Obj = {"git": {"repoURL": REPO, "revision": "main", "directories": [{"path": "apps/*"}]}}
UNCASCADED = {"preserveResourcesOnDeletion": True}


async def say(there: World, **values: str | None) -> None:
    """Writes flags: `enable__scm__providers` is `applicationsetcontroller.enable.scm.providers`."""
    data = {f"applicationsetcontroller.{key.replace('__', '.')}": value for key, value in values.items()}
    flags = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cmd-params-cm"}, "data": data}
    await there.user.apply(CONFIG_MAPS, {**flags, "metadata": {**flags["metadata"], "namespace": "argocd"}}, manager="admin")  # type: ignore[dict-item]
    await there.settle()


@pytest.mark.compat("argocd:appset.policy")
def test_the_policy_of_an_installation_wins_until_it_is_taken_back() -> None:
    async def story(there: World) -> None:
        await say(there, policy="create-only")
        await there.create(applicationset(elements("blue", "green"), syncPolicy={**UNCASCADED, "applicationsSync": "sync"}))
        await there.edit(generators=[elements("blue")], template=template(project="other"))
        assert await there.names() == ["blue", "green"]
        assert dig((await there.apps())["blue"], "spec", "project") == "default"
        await say(there, policy="create-only", enable__policy__override="true")
        assert dig((await there.apps())["blue"], "spec", "project") == "other"
        await there.settle(70)
        assert await there.names() == ["blue"]

    simulate(story)


@pytest.mark.compat("argocd:appset.policy")
def test_a_policy_that_nobody_knows_stops_everything_and_says_so() -> None:
    async def story(there: World) -> None:
        await there.create(applicationset(elements("blue"), syncPolicy=UNCASCADED))
        await say(there, policy="create_only")
        await there.edit(generators=[elements("green")])
        assert await there.names() == ["blue"]
        told = "ConfigMap argocd-cmd-params-cm: applicationsetcontroller.policy: 'create_only' is none of sync"
        assert told in (await there.condition("ErrorOccurred"))[2]
        await there.user.delete(APPLICATION_SETS, "argocd", "fleet", propagation="Foreground")
        await there.settle()
        assert await there.names() == ["blue"], "what cannot be read permits no deletion"

    simulate(story)


@pytest.mark.compat("argocd:appset.global.preserved")
def test_labels_and_annotations_of_all_sets_are_left_to_others() -> None:
    async def story(there: World) -> None:
        await say(there, global__preserved__labels="tier", global__preserved__annotations="notify.test/x,notify.test/y")
        made = template()
        made["metadata"] |= {"labels": {"tier": "a", "team": "a"}, "annotations": {"notify.test/x": "a", "note": "a"}}
        await there.create(applicationset(elements("blue"), template=made))
        changed = {"labels": {"tier": "b", "team": "b"}, "annotations": {"notify.test/x": "b", "note": "b"}}
        await there.user.patch(APPLICATIONS, "argocd", "blue", {"metadata": changed})
        await there.settle()
        app = (await there.apps())["blue"]
        assert labels_of(app) == {"tier": "b", "team": "a"}
        assert {key: annotations_of(app)[key] for key in ("notify.test/x", "note")} == {"notify.test/x": "b", "note": "a"}

    simulate(story)


@pytest.mark.compat("argocd:appset.enable.progressive.syncs")
def test_steps_count_unless_progressive_syncs_are_switched_off() -> None:
    async def story(there: World) -> None:
        steps = [{"matchExpressions": [{"key": "env", "operator": "In", "values": ["dev"]}]}]
        rolling: Any = {"type": "RollingSync", "rollingSync": {"steps": steps}}
        automated = template(syncPolicy={"automated": {"prune": True}})
        await there.create(applicationset(elements("blue"), template=automated, strategy=rolling))
        assert dig((await there.apps())["blue"], "spec", "syncPolicy", "automated", "enabled") is not True
        assert status_of(await there.set()).get("applicationStatus")
        await say(there, enable__progressive__syncs="false")
        assert dig((await there.apps())["blue"], "spec", "syncPolicy", "automated") == {"prune": True}
        assert not status_of(await there.set()).get("applicationStatus")

    simulate(story)


@pytest.mark.compat("argocd:appset.namespaces")
def test_sets_are_served_where_the_installation_says_and_not_wherever_applications_are() -> None:
    async def story(there: World) -> None:
        await say(there, namespaces="team-a")
        for name in ("team-a", "team-b"):
            await there.user.create(NAMESPACES, {"metadata": {"name": name}})
            fleet = applicationset(elements("blue"))
            await there.user.create(APPLICATION_SETS, {**fleet, "metadata": {"name": "fleet", "namespace": name}})
        await there.settle()
        made = [len((await there.user.list(APPLICATIONS, name)).items) for name in ("team-a", "team-b")]
        assert made == [1, 0]
        await say(there, namespaces="team-*")
        assert len((await there.user.list(APPLICATIONS, "team-b")).items) == 1

    simulate(story)


@pytest.mark.compat("argocd:appset.enable.scm.providers", "argocd:appset.allowed.scm.providers")
def test_a_forge_that_may_not_be_asked_any_more_takes_nothing_away() -> None:
    async def story(there: World) -> None:
        generator = {"pullRequest": {"github": {"owner": "acme", "repo": "shop", "api": "https://git.acme.test"}}}
        await there.opened("one", "two")
        await there.create(applicationset(generator, template=template("pr-{{.branch_slug}}"), syncPolicy=UNCASCADED))
        for flags, told in (
            ({"enable__scm__providers": "false"}, "scm providers are disabled"),
            (
                {"allowed__scm__providers": "https://a.test"},
                'scm provider "https://git.acme.test" not allowed, must use one of',
            ),
        ):
            await say(there, **flags)
            status, reason, message = await there.condition("ErrorOccurred")
            assert (status, reason) == ("True", "ApplicationGenerationFromParamsError") and told in message
            await there.settle(4000)
            assert await there.names() == ["pr-one", "pr-two"]
        await say(there, allowed__scm__providers="https://a.test,https://git.acme.test")
        assert (await there.condition("ErrorOccurred"))[0] == "False"

    simulate(story)


@pytest.mark.compat("argocd:appset.git.signatureKeys")
def test_a_project_that_asks_for_signatures_from_now_on_is_asked_at_once_and_takes_nothing_away() -> None:
    async def story(there: World) -> None:
        await there.push(apps__blue__a={}, apps__green__a={})
        await there.user.create(APP_PROJECTS, project("team"))
        by_folder = template("{{.path.basename}}", project="team")
        await there.create(applicationset(FOLDERS, template=by_folder, syncPolicy=UNCASCADED))
        assert await there.names() == ["blue", "green"]

        there.paths.error = Denied("Target revision main in Git is not signed, but a signature is required")
        keys = {"spec": {"signatureKeys": [{"keyID": "4AEE18F83AFDEB23"}]}}
        await there.user.patch(APP_PROJECTS, "argocd", "team", keys)
        await there.settle()
        status, reason, message = await there.condition("ErrorOccurred")
        assert (status, reason) == ("True", "ApplicationGenerationFromParamsError") and "is not signed" in message
        await there.push(apps__green__a=None)
        await there.settle(4000)
        assert await there.names() == ["blue", "green"] and await there.tombstones() == []

        await there.user.delete(APP_PROJECTS, "argocd", "team")
        await there.settle()
        told = 'error getting project team: appprojects.argoproj.io "team" not found'
        assert told in (await there.condition("ErrorOccurred"))[2]
        assert await there.names() == ["blue", "green"] and await there.tombstones() == []

    simulate(story)
