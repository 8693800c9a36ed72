"""Applications that hold Applications, in virtual time: health, waves across children, cascades, and circles."""

from typing import Any

import pytest

from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS
from shipway.gitops.why import why
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, uid_of
from tests.sim.gitops_objects import CLAIMS, claim, config
from tests.sim.gitops_world import World, application, condition_types, simulate

RESOURCES = "resources-finalizer.argocd.argoproj.io"
AS_USERS_WRITE_IT = """
hs = {}
hs.status = "Progressing"
hs.message = ""
if obj.status ~= nil then
  if obj.status.health ~= nil then
    hs.status = obj.status.health.status
    if obj.status.health.message ~= nil then
      hs.message = obj.status.health.message
    end
  end
end
return hs
"""
CHECKED = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "argocd-cm", "namespace": "argocd"},
    "data": {"resource.customizations.health.argoproj.io_Application": AS_USERS_WRITE_IT},
}
"""What Argo CD's documentation tells users to write, so that waves wait for children."""


def url(name: str) -> str:
    return f"https://git.test/{name}.git"


def child(name: str, wave: int = 0, finalizer: str = RESOURCES, **spec: Any) -> Obj:
    """An Application with a repository of its own."""
    app = application(name, source={"repoURL": url(name), "path": ".", "targetRevision": "main"}, **spec)
    app["metadata"]["annotations"] = {"argocd.argoproj.io/sync-wave": str(wave)}
    if finalizer:
        app["metadata"]["finalizers"] = [finalizer]
    return app


def is_synced(app: Obj) -> bool:
    return dig(app, "status", "sync", "status") == "Synced" and "operation" not in app


def health_of(app: Obj) -> str:
    return dig(app, "status", "health", "status", default="")


@pytest.mark.compat("argocd:app-of-apps", "argocd:wave")
@pytest.mark.parametrize("settings", [[], [CHECKED]], ids=["built in", "by script"])
def test_a_wave_of_children_waits_until_the_one_before_is_healthy(settings: list[Obj]) -> None:
    async def story(there: World) -> None:
        for one in settings:
            await there.user.create(CONFIG_MAPS, one)
        there.add_repository(url("data"), [claim("disk")])
        there.add_repository(url("web"), [config("page")])
        await there.user.create(APPLICATIONS, application())
        await there.until(lambda app: health_of(app) == "Progressing", name="data")
        await there.settle(60)
        assert await there.gone(APPLICATIONS, "argocd", "web"), "its wave has not come"
        assert health_of(await there.app()) == "Progressing"
        await there.user.patch(CLAIMS, "shop", "disk", {"status": {"phase": "Bound"}}, subresource="status")
        await there.until(lambda app: health_of(app) == "Healthy", name="data")
        await there.synced()
        await there.until(lambda app: health_of(app) == "Healthy", name="web")
        assert health_of(await there.app()) == "Healthy"

    simulate(story, [child("data", wave=0), child("web", wave=1)])


def test_an_application_that_contains_itself_comes_to_rest_and_does_not_delete_itself() -> None:
    me = application()
    me["metadata"]["finalizers"] = [RESOURCES]

    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, me)
        app = await there.synced()
        assert health_of(app) == "Healthy" and not condition_types(app)
        await there.settle()
        there.engine.writes.clear()
        await there.clock.sleep(400)
        assert there.engine.writes == []
        changed = application(revisionHistoryLimit=3)
        changed["metadata"]["finalizers"] = [RESOURCES]
        await there.push([changed, config()])
        assert dig(await there.synced(), "spec", "revisionHistoryLimit") == 3
        await there.push([config()])
        await there.settle(60)
        app = await there.app()
        assert "deletionTimestamp" not in app["metadata"], "it does not prune itself"
        await there.user.delete(APPLICATIONS, "argocd", "shop")
        await there.until(lambda app: not app)
        assert await there.gone(CONFIG_MAPS, "shop", "settings")

    simulate(story, [me, config()])


@pytest.mark.compat("argocd:finalizer.resources")
@pytest.mark.parametrize("finalizer", [RESOURCES, f"{RESOURCES}/background"])
def test_a_deletion_goes_through_every_level_and_the_last_wave_first(finalizer: str) -> None:
    async def story(there: World) -> None:
        there.add_repository(url("middle"), [child("leaf", finalizer=finalizer), config("middle")])
        there.add_repository(url("leaf"), [config("leaf")])
        there.add_repository(url("late"), [config("late", finalizers=["test/held"])])
        there.add_repository(url("loose"), [config("loose")])
        root = application()
        root["metadata"]["finalizers"] = [finalizer]
        await there.user.create(APPLICATIONS, root)
        for name in ("leaf", "late", "loose", "shop"):
            await there.until(is_synced, name=name)
        await there.user.delete(APPLICATIONS, "argocd", "shop")
        await there.settle(30)
        assert "deletionTimestamp" in (await there.app("late"))["metadata"], "its config map is held by somebody"
        assert "deletionTimestamp" not in (await there.app("middle"))["metadata"], "an earlier wave waits"
        await there.user.patch(CONFIG_MAPS, "shop", "late", {"metadata": {"finalizers": None}})
        await there.until(lambda app: not app)
        for name in ("middle", "leaf", "late", "loose"):
            assert await there.gone(APPLICATIONS, "argocd", name)
            assert await there.gone(CONFIG_MAPS, "shop", name) == (name != "loose"), "without a finalizer its objects stay"

    middle, late = child("middle", wave=0, finalizer=finalizer), child("late", wave=1, finalizer=finalizer)
    simulate(story, [middle, late, child("loose", finalizer="")])


def test_a_child_deleted_by_hand_goes_with_its_objects_and_comes_back_with_them() -> None:
    async def story(there: World) -> None:
        there.add_repository(url("web"), [config("page")])
        await there.user.create(APPLICATIONS, application())
        first = await there.until(lambda app: health_of(app) == "Healthy", name="web")
        await there.user.delete(APPLICATIONS, "argocd", "web")
        again = await there.until(lambda app: health_of(app) == "Healthy" and uid_of(app) != uid_of(first), name="web")
        assert again["metadata"]["finalizers"] == [RESOURCES]
        assert not await there.gone(CONFIG_MAPS, "shop", "page")
        assert health_of(await there.synced()) == "Healthy"

    simulate(story, [child("web")])


def test_who_would_close_a_circle_is_refused_with_the_way_round_and_all_can_be_deleted() -> None:
    first = child("first")

    async def story(there: World) -> None:
        there.add_repository(url("first"), [child("second"), config("first")])
        there.add_repository(url("second"), [child("third"), config("second")])
        there.add_repository(url("third"), [child("first"), config("third")])
        await there.user.create(APPLICATIONS, first)
        third = await there.until(lambda app: "InvalidSpecError" in condition_types(app), name="third")
        (told,) = third["status"]["conditions"]
        way = "argocd/first -> argocd/second -> argocd/third -> argocd/first"
        assert way in told["message"] and "Take Application argocd/first out of the sources of argocd/third" in told["message"]
        assert way in why(third)
        assert await there.gone(CONFIG_MAPS, "shop", "third"), "nothing of it is applied"
        await there.until(is_synced, name="first")
        await there.user.delete(APPLICATIONS, "argocd", "first")
        await there.until(lambda app: not app, name="first")
        assert await there.gone(APPLICATIONS, "argocd", "second") and await there.gone(APPLICATIONS, "argocd", "third")
        assert await there.gone(CONFIG_MAPS, "shop", "second")

    simulate(story, [])


def test_two_that_have_managed_each_other_from_the_start_neither_fight_nor_hold_each_other_up() -> None:
    async def story(there: World) -> None:
        there.add_repository(url("one"), [child("two"), config("one")])
        there.add_repository(url("two"), [child("one"), config("two")])
        for name in ("one", "two"):
            await there.user.create(APPLICATIONS, child(name))
        await there.settle(60)
        told = [name for name in ("one", "two") if "InvalidSpecError" in condition_types(await there.app(name))]
        assert told, "at least one of them is refused"
        there.engine.writes.clear()
        await there.clock.sleep(400)
        assert there.engine.writes == []
        for name in ("one", "two"):
            await there.user.delete(APPLICATIONS, "argocd", name, propagation="Background")
        for name in ("one", "two"):
            await there.until(lambda app: not app, name=name)

    simulate(story, [])
