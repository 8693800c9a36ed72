"""Back to an earlier deployment and staying there: with automated sync on, with Git away, and until its time is over."""

import json
from typing import Any

import pytest

from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS
from shipway.base.clock import Instant, rfc3339
from shipway.base.errors import InvalidInput, Unavailable
from shipway.cli.app_rollback import RollbackFlags, chosen, lifting, operation
from shipway.gitops.annotations import HOLD
from shipway.gitops.hold import annotation, hold_at, hold_on
from shipway.gitops.why import why
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, dig
from tests.sim.gitops_objects import config, service
from tests.sim.gitops_world import World, application, condition_types, simulate


def coloured(colour: str) -> Obj:
    return config() | {"data": {"colour": colour}}


async def colour(there: World) -> str:
    await there.settle()
    return dig(await there.user.get(CONFIG_MAPS, "shop", "settings"), "data", "colour", default="")


async def roll_back(
    there: World, *, hold_seconds: float = 3600.0, number: int | None = None, to: str = "", at: str = ""
) -> None:
    """As `shipway app rollback shop` writes it."""
    app = await there.app()
    now = there.clock.now()
    until = rfc3339(Instant(now + hold_seconds))
    entry = chosen(app["status"]["history"], number, RollbackFlags(to=to, at=at), "shop")
    hold = hold_at(entry, since=rfc3339(now), until=until, by="ada", reason="checkout is slow")
    body = {"metadata": {"annotations": {HOLD: annotation(hold)}}, "operation": operation(app, hold, prune=False)}
    await there.user.patch(APPLICATIONS, "argocd", "shop", body)


async def two_deployments(there: World) -> str:
    """Blue, then green a while later; returns the commit that was blue."""
    blue = there.repository.head
    await there.user.create(APPLICATIONS, application())
    await there.synced()
    await there.settle(30)
    await there.push([coloured("green"), service()])
    await there.synced()
    return blue


@pytest.mark.proves("gitops:rollback-with-auto-sync")
@pytest.mark.compat("argocd:operation.sync.source")
def test_a_rollback_stays_although_automated_sync_is_on_and_git_goes_on() -> None:
    async def story(there: World) -> None:
        blue = await two_deployments(there)
        await roll_back(there)
        assert await colour(there) == "blue"
        await there.push([coloured("red"), service()])
        assert await colour(there) == "blue"
        await there.user.patch(CONFIG_MAPS, "shop", "settings", {"data": {"colour": "by hand"}})
        assert await colour(there) == "blue"
        app = await there.app()
        assert (dig(app, "status", "sync", "status"), dig(app, "status", "sync", "revision")) == ("Synced", blue)
        assert condition_types(app) == {"HeldWarning"}
        assert f"held at {blue[:7]} (deployment 0) by ada until" in why(app)
        assert [entry["revision"] for entry in app["status"]["history"]][-1] == blue
        there.engine.writes.clear()
        await there.settle(900)
        assert there.engine.writes == []

    simulate(story, [coloured("blue"), service()])


def test_lifting_the_hold_lets_git_count_again() -> None:
    async def story(there: World) -> None:
        await two_deployments(there)
        await roll_back(there)
        assert await colour(there) == "blue"
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"metadata": {"annotations": {HOLD: None}}})
        assert await colour(there) == "green"
        assert condition_types(await there.synced()) == set()

    simulate(story, [coloured("blue"), service()])


def test_a_hold_ends_by_itself_when_its_time_is_over() -> None:
    async def story(there: World) -> None:
        await two_deployments(there)
        await roll_back(there, hold_seconds=600)
        await there.settle(500)
        assert await colour(there) == "blue"
        await there.settle(200)
        assert await colour(there) == "green"
        assert HOLD not in annotations_of(await there.app())

    simulate(story, [coloured("blue"), service()])


@pytest.mark.proves("001-15", "gitops:another-revision-for-a-while")
def test_another_revision_is_followed_for_a_while_and_the_spec_counts_again_afterwards() -> None:
    async def story(there: World) -> None:
        blue = await two_deployments(there)
        app = await there.app()
        now = there.clock.now()
        hold = hold_on(app, blue, since=rfc3339(now), until=rfc3339(Instant(now + 600)), by="ada")
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"metadata": {"annotations": {HOLD: annotation(hold)}}})
        await there.settle(30)
        assert await colour(there) == "blue"
        held = await there.app()
        assert (held["spec"], dig(held, "status", "sync", "revision")) == (app["spec"], blue)
        assert f"held at {blue[:7]} by ada until" in why(held)
        await there.settle(700)
        assert await colour(there) == "green"
        assert condition_types(await there.synced()) == set()

    simulate(story, [coloured("blue"), service()])


@pytest.mark.proves("000-25", "gitops:rollback-without-git")
@pytest.mark.parametrize("how", ["number", "commit", "time"])
def test_a_rollback_works_when_git_is_away_and_heals_from_what_was_kept(how: str) -> None:
    async def story(there: World) -> None:
        blue = await two_deployments(there)
        deployed = (await there.app())["status"]["history"][0]["deployedAt"]
        ways: dict[str, Any] = {"number": {"number": 0}, "commit": {"to": blue[:9]}, "time": {"at": deployed}}
        await there.settle()
        there.repository.unreachable = Unavailable("https://git.test/shop.git did not answer")
        there.restart()
        await there.settle(5)
        await roll_back(there, **ways[how])
        assert await colour(there) == "blue"
        await there.user.patch(CONFIG_MAPS, "shop", "settings", {"data": {"colour": "by hand"}})
        assert await colour(there) == "blue"
        held = next(one["message"] for one in (await there.app())["status"]["conditions"] if one["type"] == "HeldWarning")
        assert "did not answer" in held and "kept manifests" in held
        there.repository.unreachable = None
        there.webhook()
        await there.settle(120)
        assert await colour(there) == "blue"

    simulate(story, [coloured("blue"), service()])


@pytest.mark.parametrize("text", ["not json", '{"id": 1}', '{"id": 1, "since": "x", "revision": "a", "until": "soon"}'])
def test_a_hold_that_cannot_be_read_stops_everything_and_says_so(text: str) -> None:
    async def story(there: World) -> None:
        await two_deployments(there)
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"metadata": {"annotations": {HOLD: text}}})
        await there.push([coloured("red"), service()])
        assert await colour(there) == "green"
        app = await there.app()
        assert condition_types(app) == {"InvalidSpecError"}
        assert "shipway app resume shop" in json.dumps(app["status"]["conditions"])

    simulate(story, [coloured("blue"), service()])


GIT_IS_AWAY = Unavailable("https://git.test/shop.git did not answer")
HISTORY_IS_AWAY = Unavailable("the history db.test did not answer")


async def roll_back_with_both_away(there: World, blue: str) -> None:
    """It waits, and everybody is told for what."""
    await there.settle()
    there.repository.unreachable, there.repository.history_is_away = GIT_IS_AWAY, HISTORY_IS_AWAY
    there.restart()
    await there.settle(5)
    await roll_back(there)
    await there.settle(400)
    app = await there.app()
    assert await colour(there) == "green"
    assert (app["operation"]["sync"]["revision"], dig(app, "status", "operationState", "phase")) == (blue, "Running")
    for told in ("waiting until Git or the history gives it", GIT_IS_AWAY.message, HISTORY_IS_AWAY.message):
        assert told in dig(app, "status", "operationState", "message")
    assert condition_types(app) == {"ComparisonError", "HeldWarning"}
    assert why(app).startswith(f"shop is to be held at {blue[:7]} (deployment 0) by ada until ")
    assert "once Git or the history gives that" in why(app) and GIT_IS_AWAY.message in why(app)
    there.engine.writes.clear()
    await there.settle(600)
    assert there.engine.writes == [], "it waits quietly"


@pytest.mark.proves("000-25")
@pytest.mark.parametrize("mended", ["git", "history"])
@pytest.mark.parametrize("policy", [{"automated": {"prune": True, "selfHeal": True}}, {}], ids=["automated", "by hand"])
def test_a_rollback_with_git_and_the_history_away_is_carried_out_once_one_of_them_answers(mended: str, policy: Obj) -> None:
    async def story(there: World) -> None:
        blue = await two_deployments(there)
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"spec": {"syncPolicy": {"automated": None, **policy}}})
        await roll_back_with_both_away(there, blue)
        there.restart()
        await there.settle(30)
        if mended == "git":
            there.repository.unreachable = None
        else:
            there.repository.history_is_away = None
        await there.settle(400)
        app = await there.app()
        assert await colour(there) == "blue"
        assert "operation" not in app and dig(app, "status", "operationState", "phase") == "Succeeded"
        assert [entry["revision"] for entry in app["status"]["history"]][-1] == blue
        assert "is to be held" not in why(app) and "held at" in why(app)

    simulate(story, [coloured("blue"), service()])


@pytest.mark.parametrize("how", ["resumed", "its time is over", "terminated"])
def test_a_rollback_that_waits_can_be_called_off(how: str) -> None:
    async def story(there: World) -> None:
        blue = await two_deployments(there)
        await roll_back_with_both_away(there, blue)
        if how == "resumed":
            await there.user.patch(APPLICATIONS, "argocd", "shop", lifting(await there.app()))
        elif how == "terminated":
            await there.user.patch(APPLICATIONS, "argocd", "shop", {"status": {"operationState": {"phase": "Terminating"}}})
        else:
            await there.clock.sleep(3600)
        await there.settle(5)
        app = await there.app()
        assert "operation" not in app and dig(app, "status", "operationState", "phase") in ("Failed", "Error")
        there.repository.unreachable = there.repository.history_is_away = None
        await there.settle(400)
        assert await colour(there) == "green"

    simulate(story, [coloured("blue"), service()])


def test_a_rollback_to_what_nobody_has_any_more_fails_at_once() -> None:
    async def story(there: World) -> None:
        await two_deployments(there)
        await there.settle()
        there.repository.unreachable = InvalidInput("the commit is not in https://git.test/shop.git")
        there.repository.kept.clear()
        there.restart()
        await there.settle(5)
        await roll_back(there)
        app = await there.until(lambda app: dig(app, "status", "operationState", "phase") == "Error")
        assert "operation" not in app and "is not in" in app["status"]["operationState"]["message"]

    simulate(story, [coloured("blue"), service()])
