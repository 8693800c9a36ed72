"""A set whose Applications are of the AppProject `default` makes it where it is missing: no GitOps engine has to run before."""

from shipway.api.kinds import APP_PROJECTS, APPLICATION_SETS
from shipway.kube.objects.resource import Obj
from tests.forbidding import Forbidding
from tests.sim.appset_world import REPO, World, applicationset, elements, simulate, template

FOLDERS: Obj = {"git": {"repoURL": REPO, "revision": "main", "directories": [{"path": "apps/*"}]}}


async def without_project(there: World) -> None:
    await there.user.delete(APP_PROJECTS, "argocd", "default")
    await there.settle()


async def projects(there: World) -> list[str]:
    return [one["metadata"]["name"] for one in (await there.user.list(APP_PROJECTS, "argocd")).items]


def test_the_default_project_is_made_before_a_repository_is_read() -> None:
    """A git generator asks it who has to have signed, so without it nothing would be generated at all."""

    async def story(there: World) -> None:
        await without_project(there)
        there.paths.files = {"apps/web/a.yaml": {}}
        await there.create(applicationset(FOLDERS, template=template("{{.path.basename}}")))
        assert await there.names() == ["web"]
        made = await there.user.get(APP_PROJECTS, "argocd", "default")
        assert made["spec"]["sourceRepos"] == ["*"]
        assert (await there.condition("ErrorOccurred"))[0] == "False"
        await without_project(there)
        assert await projects(there) == ["default"], "again, when somebody deletes it"

    simulate(story)


def test_a_set_of_another_project_makes_none() -> None:
    async def story(there: World) -> None:
        await without_project(there)
        await there.create(applicationset(elements("a"), template=template(project="team")))
        assert await there.names() == ["a"]
        assert await projects(there) == []
        assert "application references project team which does not exist" in (await there.condition("ErrorOccurred"))[2]

    simulate(story)


def test_where_that_is_not_permitted_the_set_says_who_may_help_and_goes_on() -> None:
    async def story(there: World) -> None:
        await without_project(there)
        await there.create(applicationset(elements("a", "b"), syncPolicy={"preserveResourcesOnDeletion": True}))
        assert await there.names() == ["a", "b"]
        told = (await there.condition("ErrorOccurred"))[2]
        assert "AppProject argocd/default is missing: make it, or let Shipway do that: " in told
        assert "appprojects is forbidden; " in told
        assert "application references project default which does not exist" in told
        await there.user.patch(APPLICATION_SETS, "argocd", "fleet", {"spec": {"generators": [elements("a")]}})
        await there.settle()
        assert await there.names() == ["a"], "what was carried out is remembered all the same, so what is gone may go"

    simulate(story, wrap=lambda server: Forbidding(server, "POST", "/appprojects"))
