"""`shipway app audit`: who did what, when and why, and whether anybody changed that record."""

import re
from pathlib import Path

import msgspec
import orjson
import pytest
from msgspec.structs import replace

from shipway.adapters.history.ledger import Chain
from shipway.adapters.history.sqlite import Sqlite
from shipway.adapters.history.store import LEDGER
from shipway.api.commits import CommitFacts
from shipway.api.kinds import APPLICATIONS
from shipway.api.ledger import SIGHT, START, DeployedSource, Entry, Place, Row
from shipway.assembly.installation import applied_key, make_applied_key
from shipway.assembly.keeping import StoreKeeper
from shipway.assembly.settings import RunSettings
from shipway.base.errors import Denied, NotFound, Unavailable
from shipway.cli.app_acts import say_why
from shipway.cli.app_audit import AuditFlags, audit, latest_entry
from shipway.cli.session import Session
from shipway.gitops import annotations
from shipway.gitops.ledger import sight
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import uid_of
from shipway.kube.objects.wire import Request, Response, Transport
from tests.unit.cli.conftest import Shop
from tests.unit.cli.objects import application

OPERATION = "shipway.dev/operation"
AT = "2026-11-21T09:00:00Z"
COMMIT = CommitFacts("a" * 40, "Ada <ada@example.com>", "Raise the limit", "#12", ("Ben <ben@example.com>",))
SOURCE = DeployedSource("https://git.example/shop.git", "web", "main", "a" * 40)
SYNC = Entry(
    "op-1",
    "sync",
    began=AT,
    ended=AT,
    automated=True,
    phase="Succeeded",
    sources=(SOURCE,),
    counts={"created": 2, "pruned": 1},
    pruned=("ConfigMap shop/old",),
    commits=(COMMIT,),
)
FAILED = Entry("op-2", "sync", began=AT, ended=AT, by="eve", phase="Failed", message="it was refused", reason="a try")
SET = Entry("act-3", "set", began=AT, by="ada", reason="sale", what="spec.source.targetRevision: main -> v2")


async def recorded(shop: Shop, tmp_path: Path, *entries: Entry) -> tuple[AuditFlags, Place]:
    """A ledger on this machine that tells of the Application shop."""
    uid = uid_of(await shop.create(APPLICATIONS, application()))
    chain = Chain(Sqlite(tmp_path / "history.db", LEDGER))
    end = await chain.add(uid, "argocd/shop", START, entries, AT)
    await chain.close()
    return AuditFlags(cache=tmp_path), end


async def remember(shop: Shop, place: Place, operation: str = "") -> None:
    text = msgspec.json.encode({"sequence": place.sequence, "hash": place.hash, "operation": operation}).decode()
    await shop.client.patch(APPLICATIONS, "argocd", "shop", {"metadata": {"annotations": {annotations.LEDGER: text}}})


def tampered(tmp_path: Path, statement: str) -> None:
    store = Sqlite(tmp_path / "history.db", LEDGER)
    store.run(statement, ())
    store.close()


@pytest.mark.proves("000-21")
async def test_the_newest_comes_first(shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags, _ = await recorded(shop, tmp_path, SYNC, FAILED, SET)
    assert await audit(shop.session, "shop", flags) == 0
    assert [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()] == [
        "NO WHEN WHAT WHO COMMIT PULL REQUEST RESULT WHY",
        "3 60m set ada spec.source.targetRevision: main -> v2 sale",
        "2 60m sync eve Failed: it was refused a try",
        "1 60m sync automated (Ada) aaaaaaa #12 2 created, 1 pruned",
    ]


async def test_an_operation_says_which_images_it_replaced(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = [("web:1",), (), ("web:2",)]
    entries = [replace(SYNC, id=f"image-{number}", images=images[number]) for number in range(3)]
    flags, _ = await recorded(shop, tmp_path, entries[0], replace(FAILED, images=("web:9",)), *entries[1:])
    await audit(shop.session, "shop", flags, "json")
    told = [(one.get("imagesBefore"), one.get("images")) for one in orjson.loads(capsys.readouterr().out)["items"]]
    assert told == [(["web:1"], ["web:2"]), (None, None), (["web:1"], ["web:9"]), (None, ["web:1"])]


async def test_everything_that_is_known_is_in_the_document(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags, _ = await recorded(shop, tmp_path, SYNC, SET)
    assert await audit(shop.session, "shop", flags, "json") == 0
    document = orjson.loads(capsys.readouterr().out)
    assert document["kind"] == "Ledger"
    newest, first = document["items"]
    assert (newest["verb"], newest["by"], newest["reason"], newest["recordedAt"]) == ("set", "ada", "sale", AT)
    assert first["commits"][0] == {
        "revision": "a" * 40,
        "author": "Ada <ada@example.com>",
        "subject": "Raise the limit",
        "pullRequest": "#12",
        "approvers": ["Ben <ben@example.com>"],
    }
    assert first["pruned"] == ["ConfigMap shop/old"]


@pytest.mark.proves("000-21")
async def test_what_nobody_touched_is_verified(shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags, end = await recorded(shop, tmp_path, SYNC, FAILED, SET)
    await remember(shop, end, "op-2")
    assert await audit(shop.session, "shop", replace_verify(flags)) == 0
    assert capsys.readouterr().out == "3 entries of shop fit, and entry 3 is the one that the Application remembers\n"


def replace_verify(flags: AuditFlags) -> AuditFlags:
    return AuditFlags(verify=True, cache=flags.cache)


@pytest.mark.proves("000-21")
@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("update {} set body = replace(body, 'eve', 'ada') where sequence = 2", "entry 2 of shop .* it was changed"),
        ("delete from {} where sequence = 2", "entry 3 of shop .* entry 2 before it is missing"),
        ("delete from {} where sequence = 3", "entry 3 of shop .* the end was cut off"),
        ("delete from {}", "entry 1 of shop .* entry 1 to 3 that the Application remembers is missing"),
    ],
)
async def test_the_first_entry_that_does_not_fit_is_named(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str], statement: str, said: str
) -> None:
    flags, end = await recorded(shop, tmp_path, SYNC, FAILED, SET)
    await remember(shop, end, "op-2")
    tampered(tmp_path, statement.format(LEDGER.name))
    assert await audit(shop.session, "shop", replace_verify(flags)) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert re.search(said, line)


@pytest.mark.proves("000-21")
async def test_a_cut_end_is_seen_by_the_last_operation_before_the_place_is_remembered(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags, _ = await recorded(shop, tmp_path, SYNC)
    info = [{"name": "shipway.dev/operation", "value": "op-9"}]
    state = {"phase": "Succeeded", "operation": {"sync": {}, "info": info}}
    await shop.client.patch(APPLICATIONS, "argocd", "shop", {"status": {"operationState": state}})
    assert await audit(shop.session, "shop", replace_verify(flags)) == 1
    assert "the last operation of the Application is missing" in capsys.readouterr().out


async def test_an_application_that_was_deleted_is_still_known_and_one_made_anew_goes_on(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags, end = await recorded(shop, tmp_path, SYNC)
    await shop.client.delete(APPLICATIONS, "argocd", "shop")
    assert await audit(shop.session, "shop", flags, "name") == 0
    await shop.create(APPLICATIONS, application())
    await remember(shop, end, "op-1")  # as a backup puts it back
    assert await audit(shop.session, "shop", replace_verify(flags)) == 0
    uid = uid_of(await shop.app("shop"))
    chain = Chain(Sqlite(tmp_path / "history.db", LEDGER))
    await remember(shop, await chain.add(uid, "argocd/shop", end, [SET], AT), "op-1")
    await chain.close()
    assert await audit(shop.session, "shop", replace_verify(flags)) == 0
    assert capsys.readouterr().out.startswith("op-1\n")


async def test_what_waits_for_the_ledger_is_told(shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags, _ = await recorded(shop, tmp_path, SYNC)
    text = msgspec.json.encode([SET]).decode()
    await shop.client.patch(APPLICATIONS, "argocd", "shop", {"metadata": {"annotations": {annotations.UNRECORDED: text}}})
    await audit(shop.session, "shop", flags)
    assert "1 more wait on the Application" in capsys.readouterr().err


@pytest.mark.proves("000-21")
async def test_what_was_cut_off_is_said_and_fits(shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also where the last operation was among it, since people did other things after it."""
    sets = [replace(SET, id=f"act-{number}") for number in range(30)]
    flags, end = await recorded(shop, tmp_path, SYNC, *sets)
    await remember(shop, end, "op-1")
    chain = Chain(Sqlite(tmp_path / "history.db", LEDGER))
    assert await chain.cut("2026-11-21T09:30:00Z", "2026-11-21T09:40:00Z", "--ledger-keep 30d") == 21
    await chain.close()
    state = {"phase": "Succeeded", "finishedAt": AT, "operation": {"sync": {}, "info": [{"name": OPERATION, "value": "op-1"}]}}
    await shop.client.patch(APPLICATIONS, "argocd", "shop", {"status": {"operationState": state}})
    assert await audit(shop.session, "shop", replace_verify(flags)) == 0
    assert capsys.readouterr().out.splitlines() == [
        "11 entries of shop fit, and entry 31 is the one that the Application remembers",
        "cut off on 2026-11-21T09:40:00Z: entry 1 to 21, recorded before 2026-11-21T09:30:00Z (--ledger-keep 30d)",
    ]
    tampered(tmp_path, f"delete from {LEDGER.name} where sequence = 22")
    assert await audit(shop.session, "shop", replace_verify(flags)) == 1
    assert "entry 1 to 22 before it is missing" in capsys.readouterr().out


# --- where it is read -----------------------------------------------------------------------------------------------------


class Proxying:
    """An API server in front of the engine's Service. The engine has seen another version of the Application the first `behind`
    times, and answers what is sealed with the keeper's key."""

    def __init__(
        self, server: Transport, status: int, rows: list[Row], *, behind: int = 0, keeper: StoreKeeper | None = None
    ) -> None:
        self._server = server
        self._status = status
        self._rows = rows
        self._keeper = keeper
        self.behind = behind
        self.sights: list[str] = []

    async def send(self, request: Request) -> Response:
        if self._keeper and request.path == "/api/v1/namespaces/argocd/services/shipway:http/proxy/kept":
            return Response(200, body=await self._keeper.answer(request.body))
        if request.path == "/api/v1/namespaces/argocd/services/shipway:http/proxy/ledger/argocd/shop":
            self.sights.append(request.headers[SIGHT])
            if len(self.sights) <= self.behind:
                return Response(403, body=b'{"reason": "NotSeen"}')
            return Response(self._status, body=orjson.dumps({"items": [msgspec.to_builtins(row) for row in self._rows]}))
        return await self._server.send(request)

    async def close(self) -> None:
        """The server belongs to the test."""


def proxied(shop: Shop, status: int, rows: list[Row]) -> Session:
    return Session(Client(Proxying(shop.server, status, rows)), shop.session.clock)


async def rows_in(tmp_path: Path) -> list[Row]:
    chain = Chain(Sqlite(tmp_path / "history.db", LEDGER))
    rows = await chain.read("argocd/shop")
    await chain.close()
    return rows


async def test_the_engine_is_asked_through_its_service(shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await recorded(shop, tmp_path, SYNC)
    assert await audit(proxied(shop, 200, await rows_in(tmp_path)), "shop", AuditFlags(), "name") == 0
    assert capsys.readouterr().out == "op-1\n"


@pytest.mark.proves("000-21")
async def test_the_engine_is_shown_that_the_application_can_be_got(shop: Shop, tmp_path: Path) -> None:
    """Again where it has seen another version of it, but not for ever."""
    _, end = await recorded(shop, tmp_path, SYNC)
    for behind in (1, 9):
        engine = Proxying(shop.server, 200, await rows_in(tmp_path), behind=behind)
        session = Session(Client(engine), shop.session.clock)
        if behind > 4:
            with pytest.raises(Denied):
                await audit(session, "shop", AuditFlags())
        else:
            assert await audit(session, "shop", AuditFlags(), "name") == 0
        assert set(engine.sights) == {sight(await shop.app("shop"))} and len(engine.sights) == min(behind + 1, 5)
    before = sight(await shop.app("shop"))
    await remember(shop, end, "op-1")
    assert sight(await shop.app("shop")) != before, "who could get it once does not know it now"


async def test_of_an_application_that_is_gone_the_holder_of_the_installations_key_is_told(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await recorded(shop, tmp_path, SYNC)
    await shop.client.delete(APPLICATIONS, "argocd", "shop")
    await make_applied_key(shop.client, "argocd")
    key = await applied_key(shop.client, "argocd")
    async with StoreKeeper.open(RunSettings(cache=tmp_path), key, shop.session.clock) as keeper:
        session = Session(Client(Proxying(shop.server, 200, [], keeper=keeper)), shop.session.clock)
        assert await audit(session, "shop", AuditFlags(), "name") == 0
    assert capsys.readouterr().out == "op-1\n"


async def test_where_no_ledger_can_be_read_it_is_said_where_to_look(shop: Shop, tmp_path: Path) -> None:
    await shop.create(APPLICATIONS, application())
    with pytest.raises(Unavailable, match=r"--history .* --cache"):
        await audit(shop.session, "shop", AuditFlags())
    with pytest.raises(Denied, match="services/proxy"):
        await audit(proxied(shop, 403, []), "shop", AuditFlags())
    with pytest.raises(NotFound, match="no ledger in"):
        await audit(shop.session, "shop", AuditFlags(cache=tmp_path))
    with pytest.raises(NotFound, match="Application gone not found"):
        await audit(shop.session, "gone", (await recorded_elsewhere(tmp_path)))


async def recorded_elsewhere(tmp_path: Path) -> AuditFlags:
    await rows_in(tmp_path)
    return AuditFlags(cache=tmp_path)


# --- why ------------------------------------------------------------------------------------------------------------------


@pytest.mark.proves("000-21")
async def test_why_tells_of_the_latest_deployment(shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    app = application()
    app["status"]["history"][-1]["deployStartedAt"] = AT
    await shop.create(APPLICATIONS, app)
    chain = Chain(Sqlite(tmp_path / "history.db", LEDGER))
    uid = uid_of(await shop.app("shop"))
    await chain.add(uid, "argocd/shop", START, [replace(SYNC, by="ann", automated=False, reason="sale begins"), SET], AT)
    await chain.close()
    session = proxied(shop, 200, await rows_in(tmp_path))
    assert await latest_entry(session, await shop.app("shop")) is not None
    await say_why(session, "shop")
    assert capsys.readouterr().out.splitlines()[1] == (
        'Last deployed 2m ago: 0123456 "Raise the limit" (#12) by Ada <ada@example.com>, approved by Ben <ben@example.com>; '
        "asked for by ann; reason: sale begins; before it: fffffff."
    )


async def test_why_says_what_the_application_knows_where_no_ledger_is(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    app: Obj = application()
    app["status"]["history"] = app["status"]["history"][:1]
    await shop.create(APPLICATIONS, app)
    await say_why(shop.session, "shop")
    assert capsys.readouterr().out.splitlines()[1].endswith("ago: fffffff; synced by itself.")
