"""`shipway app rollback` and `resume`: which deployment, what is written, who sees it."""

from typing import Any

import pytest

from shipway.api.kinds import APPLICATIONS
from shipway.base.errors import InvalidInput, NotFound, NotYet
from shipway.cli.app_rollback import RollbackFlags, chosen, lifting, operation, resume, roll_back
from shipway.gitops.annotations import HOLD
from shipway.gitops.hold import annotation, hold_at, hold_of
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of
from tests.unit.cli.conftest import Shop
from tests.unit.cli.objects import application

SOURCE = {"repoURL": "https://git.example/shop.git", "path": "web", "targetRevision": "main"}


def entry(number: int, letter: str, hour: int) -> Obj:
    return {"id": number, "revision": letter * 40, "source": SOURCE, "deployedAt": f"2026-11-26T{hour:02}:00:00Z"}


HISTORY = [entry(4, "a", 8), entry(5, "b", 9), entry(6, "c", 10)]
NO_WAIT = RollbackFlags(wait=False, reason="checkout is slow")


@pytest.mark.parametrize(
    ("number", "flags", "expected"),
    [
        (None, {}, 5),
        (4, {}, 4),
        (None, {"to": "aaaa"}, 4),
        (None, {"at": "2026-11-26T09:30:00Z"}, 5),
        (None, {"at": "2026-11-26T11:30:00+02:00"}, 5),
    ],
)
def test_a_deployment_is_chosen_by_number_commit_or_time(number: int | None, flags: dict[str, Any], expected: int) -> None:
    assert chosen(HISTORY, number, RollbackFlags(**flags), "shop")["id"] == expected


@pytest.mark.parametrize(
    ("number", "flags", "error"),
    [
        (9, {}, NotFound),
        (None, {"to": "ffff"}, NotFound),
        (None, {"at": "2026-11-26T07:00:00Z"}, NotFound),
        (None, {"at": "yesterday"}, InvalidInput),
        (4, {"to": "aaaa"}, InvalidInput),
    ],
)
def test_what_is_not_recorded_is_told(number: int | None, flags: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        chosen(HISTORY, number, RollbackFlags(**flags), "shop")


def test_a_first_deployment_has_nothing_before_it() -> None:
    with pytest.raises(NotFound, match="recorded: 4"):
        chosen(HISTORY[:1], None, RollbackFlags(), "shop")


async def test_the_hold_and_its_operation_are_one_write(shop: Shop) -> None:
    await shop.create(APPLICATIONS, application(history=HISTORY))
    assert await roll_back(shop.session, "shop", None, NO_WAIT) == 0
    written = await shop.client.get(APPLICATIONS, "argocd", "shop")
    hold = hold_of(written)
    assert hold is not None
    assert (hold.id, hold.revision, hold.source, hold.reason) == (5, "b" * 40, SOURCE, "checkout is slow")
    assert hold.by and hold.until > hold.since
    assert (written["operation"]["sync"]["revision"], written["operation"]["sync"]["source"]) == ("b" * 40, SOURCE)


async def test_while_another_operation_runs_nothing_is_written(shop: Shop) -> None:
    made = await shop.create(APPLICATIONS, application(history=HISTORY))
    await shop.client.patch(APPLICATIONS, "argocd", made["metadata"]["name"], {"operation": {"sync": {}}})
    with pytest.raises(NotYet):
        await roll_back(shop.session, "shop", None, NO_WAIT)
    assert HOLD not in annotations_of(await shop.client.get(APPLICATIONS, "argocd", "shop"))


async def test_resume_calls_a_rollback_off_that_has_not_applied_anything(shop: Shop) -> None:
    await shop.create(APPLICATIONS, application(history=HISTORY))
    await roll_back(shop.session, "shop", 4, NO_WAIT)
    waiting = {"operationState": {"phase": "Running", "message": "waiting", "syncResult": None}}
    await shop.client.patch(APPLICATIONS, "argocd", "shop", {"status": waiting})
    assert await resume(shop.session, "shop") == 0
    lifted = await shop.client.get(APPLICATIONS, "argocd", "shop")
    assert (hold_of(lifted), lifted["status"]["operationState"]["phase"]) == (None, "Terminating")


async def test_resume_takes_back_a_rollback_that_nobody_has_taken_up(shop: Shop) -> None:
    await shop.create(APPLICATIONS, application(history=HISTORY))
    await roll_back(shop.session, "shop", 4, NO_WAIT)
    assert await resume(shop.session, "shop") == 0
    lifted = await shop.client.get(APPLICATIONS, "argocd", "shop")
    assert hold_of(lifted) is None and "operation" not in lifted


@pytest.mark.parametrize(
    ("state", "sync"),
    [
        ({"phase": "Running", "syncResult": {"resources": [{"kind": "Service", "name": "web"}]}}, {}),
        ({"phase": "Running"}, {"revision": "c" * 40}),
        ({"phase": "Succeeded"}, {"revision": "c" * 40}),
        ({"phase": "Terminating"}, {}),
    ],
    ids=["it applies already", "another one runs", "another one was asked for", "it ends already"],
)
def test_resume_leaves_every_other_operation_alone(state: Obj, sync: Obj) -> None:
    app = application(history=HISTORY, operationState=state)
    hold = hold_at(HISTORY[0], since="2026-11-26T12:00:00Z")
    app["metadata"]["annotations"] = {HOLD: annotation(hold)}
    asked = operation(app, hold, prune=False)
    app["operation"] = {**asked, "sync": {**asked["sync"], **sync}}
    assert lifting(app) == {"metadata": {"annotations": {HOLD: None}}}


async def test_resume_lifts_the_hold(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await shop.create(APPLICATIONS, application(history=HISTORY))
    await roll_back(shop.session, "shop", 4, NO_WAIT)
    assert await resume(shop.session, "shop") == 0
    assert hold_of(await shop.client.get(APPLICATIONS, "argocd", "shop")) is None
    assert await resume(shop.session, "shop") == 0
    assert "not held" in capsys.readouterr().err
