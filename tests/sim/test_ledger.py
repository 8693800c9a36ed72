"""What an engine tells the ledger: one entry for each operation, whatever dies in between, and what people did besides."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest

from shipway.api.kinds import APP_PROJECTS, APPLICATIONS
from shipway.api.ledger import first_break
from shipway.base.clock import Instant, rfc3339
from shipway.base.errors import NotFound, Unavailable
from shipway.gitops.annotations import HOLD, LEDGER, RESOURCES_FINALIZER, UNRECORDED
from shipway.gitops.hold import annotation, hold_at
from shipway.gitops.ledger import act, last_operation, remembered_on
from shipway.gitops.operation import identity_of, is_over
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, dig, resource_version_of
from shipway.kube.objects.wire import Request, Response, Transport
from shipway.kube.runtime.virtual_time import run_in_virtual_time
from tests.sim.faults import Crash
from tests.sim.gitops_objects import config
from tests.sim.gitops_world import World, application, simulate, world

MANUAL = {"syncPolicy": {}}


def sync_as(user: str, **sync: Any) -> Obj:
    info = [{"name": "Reason", "value": sync.pop("reason")}] if "reason" in sync else []
    return {"operation": {"sync": {"prune": True, **sync}, "initiatedBy": {"username": user}, "info": info}}


async def ask(there: World, body: Obj) -> Obj:
    """Writes an operation and waits for its end."""
    asked = await there.user.patch(APPLICATIONS, "argocd", "shop", body)
    before = dig(asked, "status", "operationState", default={})
    return await there.until(
        lambda app: "operation" not in app and dig(app, "status", "operationState", default={}) != before and ended(app)
    )


def ended(app: Obj) -> bool:
    return bool(dig(app, "status", "operationState", "phase")) and is_over(dig(app, "status", "operationState"))


async def fits(there: World) -> None:
    app = await there.app()
    rows = there.book.rows["argocd/shop"]
    assert first_break(rows, remembered_on(app).place, last_operation(app, Instant(there.clock.now() + 3600))) is None


@pytest.mark.proves("000-21")
def test_a_deployment_says_who_what_when_and_why() -> None:
    async def story(there: World) -> None:
        first = there.repository.head
        await there.user.create(APPLICATIONS, application(**MANUAL))
        await there.until(lambda app: dig(app, "status", "sync", "status") == "OutOfSync")
        await ask(there, sync_as("ada", reason="the first one"))
        second = await there.push([{**config("a"), "data": {"text": "new"}}])
        done = await ask(there, sync_as("ben", reason="sale begins"))
        await there.settle()
        one, other = there.book.of()
        assert (one.verb, one.by, one.reason, one.phase) == ("sync", "ada", "the first one", "Succeeded")
        assert (one.counts, one.prior) == ({"created": 2}, ())
        assert (other.by, other.reason, other.counts) == ("ben", "sale begins", {"configured": 1, "pruned": 1})
        assert other.pruned == ("ConfigMap shop/b",)
        assert other.prior == (first,)
        assert [source.revision for source in other.sources] == [second]
        state = done["status"]["operationState"]
        assert (other.began, other.ended) == (state["startedAt"], state["finishedAt"])
        assert other.content and other.content != one.content
        await fits(there)

    simulate(story, [config("a"), config("b")])


def test_every_kind_of_end_is_recorded() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application(**MANUAL))
        await there.until(lambda app: dig(app, "status", "sync", "status") == "OutOfSync")
        await ask(there, sync_as("ada", resources=[{"kind": "ConfigMap", "name": "a"}]))
        await ask(there, sync_as("ada", dryRun=True))
        await ask(there, sync_as("ada", revision="", source={"repoURL": "x"}, revisions=["nope"]))
        await there.settle()
        assert [(one.verb, one.phase) for one in there.book.of()] == [
            ("partial sync", "Succeeded"),
            ("dry run", "Succeeded"),
            ("sync", "Error"),
        ]
        await fits(there)

    simulate(story, [config("a"), config("b")])


def test_automated_syncs_and_a_rollback_are_told_apart() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        await there.synced()
        await there.push([config("b")])
        app = await there.synced()
        hold = hold_at(app["status"]["history"][0], since=rfc3339(there.clock.now()), by="ada", reason="it is slow")
        back = sync_as("ada", source=hold.source, revision=hold.revision, reason="it is slow")
        told = act(app, "hold", by="ada", at=hold.since, reason="it is slow", what="deployment 0")
        body = {**back, "metadata": {"annotations": {HOLD: annotation(hold), **told}}}
        await ask(there, body)
        await there.settle()
        assert [(one.verb, one.by or one.automated, one.reason) for one in there.book.of()] == [
            ("sync", True, ""),
            ("sync", True, ""),
            ("hold", "ada", "it is slow"),
            ("rollback", "ada", "it is slow"),
        ]
        await fits(there)

    simulate(story, [config("a")])


def test_what_is_recorded_is_remembered_with_the_next_write_and_not_told_again() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        await there.synced()
        await there.settle()
        await there.push([config("b")])
        app = await there.synced()
        assert remembered_on(app).sequence in (1, 2), "along with what was begun, or with what came of it"
        told = act(app, "set", by="ada", at="2026-01-01T00:00:00Z", reason="why not")
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"metadata": {"annotations": told}})
        await there.settle()
        writes = len(there.engine.writes)
        await there.settle(3600)
        assert len(there.engine.writes) == writes
        await there.push([config("c")])
        app = await there.synced()
        assert remembered_on(app).sequence in (3, 4) and UNRECORDED not in annotations_of(app)
        asked = there.book.asked
        there.restart()
        await there.settle(30)
        assert there.book.asked <= asked + 1, "of the last operation alone it is not known"
        assert [one.verb for one in there.book.of()] == ["sync", "sync", "set", "sync"]
        await fits(there)

    simulate(story, [config("a")])


@pytest.mark.proves("000-21")
def test_nothing_is_lost_while_the_ledger_is_away() -> None:
    async def story(there: World) -> None:
        there.book.is_away = Unavailable("no ledger")
        await there.user.create(APPLICATIONS, application())
        await there.synced()
        for name in ("b", "c", "d"):
            await there.push([config(name)])
            await there.synced()
        assert there.book.of() == []
        assert len(orjson.loads(annotations_of(await there.app())[UNRECORDED])) == 3
        there.restart()
        there.book.is_away = None
        await there.settle(120)
        assert len(there.book.of()) == 4
        assert len({one.sources[0].revision for one in there.book.of()}) == 4
        await there.push([config("e")])
        await there.synced()
        app = await there.app()
        assert UNRECORDED not in annotations_of(app) and LEDGER in annotations_of(app)
        await there.settle()
        await fits(there)

    simulate(story, [config("a")])


def test_what_waits_is_bounded_and_what_is_dropped_is_counted() -> None:
    app = application()
    for number in range(25):
        told = act(app, f"act {number}", by="ada", at="")
        app = {**app, "metadata": {**app["metadata"], "resourceVersion": f"{number}", "annotations": told}}
    waiting = orjson.loads(annotations_of(app)[UNRECORDED])
    assert [one["verb"] for one in waiting] == [f"act {number}" for number in range(5, 25)]
    assert waiting[0]["lost"] == 5


def test_who_deleted_an_application_is_recorded_before_it_goes() -> None:
    async def story(there: World) -> None:
        await there.user.create(APPLICATIONS, application())
        app = await there.synced()
        told = act(app, "delete", by="ada", at="2026-01-01T00:00:00Z", reason="not needed")
        meta = {"resourceVersion": resource_version_of(app), "finalizers": [RESOURCES_FINALIZER], "annotations": told}
        await there.user.patch(APPLICATIONS, "argocd", "shop", {"metadata": meta})
        await there.user.delete(APPLICATIONS, "argocd", "shop")
        await there.until(lambda app: not app)
        assert [(one.verb, one.by, one.reason) for one in there.book.of()][-1] == ("delete", "ada", "not needed")

    simulate(story, [config("a")])


@pytest.mark.parametrize("is_away", [False, True])
def test_a_ledger_that_is_away_keeps_no_application_from_going(*, is_away: bool) -> None:
    async def story(there: World) -> None:
        there.book.is_away = Unavailable("no ledger") if is_away else None
        meta = {**application()["metadata"], "finalizers": [RESOURCES_FINALIZER]}
        await there.user.create(APPLICATIONS, {**application(), "metadata": meta})
        await there.synced()
        await there.user.delete(APPLICATIONS, "argocd", "shop")
        with pytest.raises(NotFound):
            await there.until(lambda app: not app)
            await there.app()

    simulate(story, [config("a")])


# --- reasons --------------------------------------------------------------------------------------------------------------


@pytest.mark.proves("000-21")
def test_where_the_project_wants_a_reason_a_person_has_to_give_one() -> None:
    async def story(there: World) -> None:
        spec = {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}]}
        meta = {"namespace": "argocd", "name": "strict", "annotations": {"shipway.dev/require-reason": "true"}}
        await there.user.create(
            APP_PROJECTS, {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": meta, "spec": spec}
        )
        await there.user.create(APPLICATIONS, application(project="strict"))
        await there.synced()
        done = await ask(there, sync_as("ada"))
        assert done["status"]["operationState"]["phase"] == "Error"
        assert "its project asks for a reason" in done["status"]["operationState"]["message"]
        done = await ask(there, sync_as("ada", reason="I said so"))
        assert done["status"]["operationState"]["phase"] == "Succeeded"
        await there.settle()
        assert [(one.automated, one.phase, one.reason) for one in there.book.of()] == [
            (True, "Succeeded", ""),
            (False, "Error", ""),
            (False, "Succeeded", "I said so"),
        ]

    simulate(story, [config("a")])


# --- crashes --------------------------------------------------------------------------------------------------------------


class Dying:
    """Kills the process at one of its writes, before or after the server has it, and notes which operations ended."""

    def __init__(self, server: Transport, at: int, *, before: bool) -> None:
        self._server = server
        self._at = at
        self._before = before
        self.writes = 0
        self.ended: list[str] = []

    async def send(self, request: Request) -> Response:
        is_write = request.method != "GET" and ("dryRun", "All") not in request.query and "/events" not in request.path
        self.writes += is_write
        dies = is_write and self.writes == self._at
        if dies and self._before:
            raise Crash
        response = await self._server.send(request)
        if is_write and "/applications/" in request.path and response.status == 200:
            self._note(orjson.loads(response.body))
        if dies:
            raise Crash
        return response

    async def close(self) -> None:
        """The server belongs to the test."""

    def _note(self, app: Obj) -> None:
        state = dig(app, "status", "operationState", default={})
        if ended(app) and identity_of(state) not in self.ended:
            self.ended.append(identity_of(state))


def played(at: int, story: Callable[[World], Awaitable[None]], *, before: bool = False) -> Dying:
    """Plays the story with a death at that write (0: none)."""
    dying: list[Dying] = []

    def wrap(server: Transport, _: Any) -> Transport:
        dying.append(Dying(server, at, before=before))
        return dying[0]

    async def main() -> None:
        async with world([config("a"), config("b")], wrap=wrap) as there:
            await story(there)
            await there.settle(120)
            recorded = [one.id for one in there.book.of() if one.phase]
            assert recorded == dying[0].ended, "each operation once, in the order in which they ended"
            assert [one.verb for one in there.book.of()].count("set") == 1
            await fits(there)

    run_in_virtual_time(main())
    return dying[0]


async def a_day(there: World) -> None:
    """A deployment, another one that prunes, an act of a person, and a sync that somebody asks for."""
    await there.user.create(APPLICATIONS, application())
    await there.synced()
    await there.push([config("a")])
    app = await there.synced()
    told = act(app, "set", by="ada", at="2026-01-01T00:00:00Z")
    await there.user.patch(APPLICATIONS, "argocd", "shop", {"metadata": {"annotations": told}})
    await ask(there, sync_as("ben", reason="again"))


@pytest.mark.proves("000-21")
def test_a_death_between_any_two_writes_loses_and_doubles_no_entry() -> None:
    writes = played(0, a_day).writes
    assert writes >= 8
    for at in range(1, writes + 1):
        for before in (True, False):
            played(at, a_day, before=before)
