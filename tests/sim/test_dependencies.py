"""Applications that depend on others, in virtual time: what waits, what does not, and what is told."""

import pytest

from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS
from shipway.gitops.annotations import DEPENDS_ON
from shipway.gitops.why import why
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from tests.sim.gitops_objects import CLAIMS, claim, config
from tests.sim.gitops_world import World, application, condition_types, simulate


def app(name: str, depends_on: str = "") -> Obj:
    """An Application with a repository of its own."""
    one = application(name, source={"repoURL": f"https://git.test/{name}.git", "path": "."})
    if depends_on:
        one["metadata"]["annotations"] = {DEPENDS_ON: depends_on}
    return one


def is_up(app: Obj) -> bool:
    return [dig(app, "status", part, "status") for part in ("sync", "health")] == ["Synced", "Healthy"]


async def bind(there: World, name: str) -> None:
    await there.user.patch(CLAIMS, "shop", name, {"status": {"phase": "Bound"}}, subresource="status")


@pytest.mark.proves("002-08")
def test_a_sync_waits_for_what_it_depends_on_and_nothing_else_does() -> None:
    async def story(there: World) -> None:
        for name, objects in (("database", [claim("disk")]), ("web", [config("page")]), ("other", [config("other")])):
            there.add_repository(f"https://git.test/{name}.git", objects)
        await there.user.create(APPLICATIONS, app("web", depends_on="database"))
        web = await there.until(lambda web: "DependencyWarning" in condition_types(web), name="web")
        assert "there is none of that name" in why(web)
        await there.user.create(APPLICATIONS, app("database"))
        await there.user.create(APPLICATIONS, app("other"))
        await there.until(is_up, name="other")
        await there.settle(60)
        web = await there.app("web")
        assert dig(web, "status", "sync", "status") == "OutOfSync", "it is compared"
        assert await there.gone(CONFIG_MAPS, "shop", "page")
        waits = "waits for Application argocd/database to be Synced and Healthy (it is Synced and Progressing)"
        assert why(web) == f"web is OutOfSync and {waits}. Everything else goes on."
        await bind(there, "disk")
        web = await there.until(is_up, name="web", seconds=10)
        assert not condition_types(web)
        await there.settle()
        there.engine.writes.clear()
        await there.clock.sleep(400)
        assert there.engine.writes == []

    simulate(story, [])


def test_one_commit_for_both_reaches_the_dependency_first() -> None:
    async def story(there: World) -> None:
        database, web = (there.add_repository(f"https://git.test/{name}.git", []) for name in ("database", "web"))
        database.commit([claim("disk")])
        web.commit([config("page")])
        await there.user.create(APPLICATIONS, app("database"))
        await there.user.create(APPLICATIONS, app("web", depends_on="database"))
        await there.until(is_synced, name="database")
        await bind(there, "disk")
        await there.until(is_up, name="web")
        database.commit([claim("disk"), claim("second")])
        web.commit([config("page"), config("next")])
        there.webhook()
        await there.settle(30)
        assert not await there.gone(CLAIMS, "shop", "second") and await there.gone(CONFIG_MAPS, "shop", "next")
        await there.user.delete(CONFIG_MAPS, "shop", "page")
        await bind(there, "second")
        await there.until(is_up, name="web")
        assert not await there.gone(CONFIG_MAPS, "shop", "next")

    simulate(story, [])


def is_synced(app: Obj) -> bool:
    return dig(app, "status", "sync", "status") == "Synced"


def test_what_runs_is_healed_whatever_becomes_of_the_dependency_and_a_sync_by_hand_waits() -> None:
    async def story(there: World) -> None:
        there.add_repository("https://git.test/database.git", [claim("disk")])
        there.add_repository("https://git.test/web.git", [config("page")])
        await there.user.create(APPLICATIONS, app("web", depends_on="database=synced"))
        await there.user.create(APPLICATIONS, app("database"))
        await there.until(is_up, name="web")
        await there.user.delete(APPLICATIONS, "argocd", "database")
        await there.user.delete(CONFIG_MAPS, "shop", "page")
        await there.settle(10)
        assert not await there.gone(CONFIG_MAPS, "shop", "page")
        await there.user.patch(APPLICATIONS, "argocd", "web", {"operation": {"sync": {}}})
        waits = "waits for Application argocd/database to be Synced (there is none of that name)"
        web = await there.until(lambda web: dig(web, "status", "operationState", "message") == waits, name="web")
        assert why(web).endswith(f": {waits}.")
        await there.user.create(APPLICATIONS, app("database"))
        web = await there.until(lambda web: "operation" not in web, name="web")
        assert dig(web, "status", "operationState", "phase") == "Succeeded"

    simulate(story, [])


@pytest.mark.proves("002-08")
@pytest.mark.parametrize(
    ("depends_on", "told"),
    [
        ("web", "in a circle: argocd/web -> argocd/web."),
        ("middle", "in a circle: argocd/web -> argocd/middle -> argocd/last -> argocd/web."),
        ("last=sound", "'sound': what can be waited for is ready, synced, healthy"),
        ("a/b/c", "'a/b/c' is no name of an Application"),
    ],
)
def test_circles_and_mistakes_are_refused_by_name_and_nothing_is_applied(depends_on: str, told: str) -> None:
    async def story(there: World) -> None:
        for name in ("web", "middle", "last"):
            there.add_repository(f"https://git.test/{name}.git", [config(name)])
        for one in (app("web", depends_on), app("middle", "last"), app("last", "argocd/web")):
            await there.user.create(APPLICATIONS, one)
        web = await there.until(lambda web: "InvalidSpecError" in condition_types(web), name="web")
        await there.settle(30)
        assert told in web["status"]["conditions"][0]["message"]
        assert await there.gone(CONFIG_MAPS, "shop", "web")
        await there.user.patch(APPLICATIONS, "argocd", "web", {"metadata": {"annotations": {DEPENDS_ON: None}}})
        for name in ("web", "last", "middle"):
            await there.until(is_up, name=name)

    simulate(story, [])
