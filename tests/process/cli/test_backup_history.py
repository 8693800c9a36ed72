"""What a backup holds of the history and of the ledger, and how both come back after their database was lost."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from shipway.adapters.age.sealing import seal, unseal
from shipway.adapters.history.ledger import Chain
from shipway.adapters.history.manifests import Deployment, Manifests
from shipway.adapters.history.sqlite import Sqlite
from shipway.adapters.history.store import LEDGER
from shipway.api.kinds import APPLICATIONS, SECRETS
from shipway.api.ledger import START, Entry, Place
from shipway.api.sources import Rendered
from shipway.assembly.installation import applied_key, make_applied_key
from shipway.assembly.keeping import StoreKeeper
from shipway.assembly.settings import RunSettings
from shipway.base.errors import InvalidInput, NotFound, ShipwayError
from shipway.cli.app_audit import AuditFlags, audit
from shipway.cli.backup import Restoring, Scope, back_up, restore_from
from shipway.cli.kept import StoreFlags
from shipway.cli.session import Session
from shipway.gitops import annotations
from shipway.gitops.backup import (
    KeptApplication,
    finished,
    read,
    read_history,
    read_secrets,
    wanted_of,
    written,
    written_history,
    written_secrets,
)
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import status_of, uid_of
from shipway.kube.objects.wire import Request, Response, Transport
from tests.process.cli.test_backup import keys, lose_everything
from tests.unit.cli.conftest import Shop
from tests.unit.cli.objects import NOW, application

PASSWORD = "correct horse of the database"
SECRET: Obj = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "stringData": {"password": PASSWORD}}
RENDERED = (Rendered(objects=(SECRET,), source_type="Directory", reads=("web",)),)
ENTRIES = [Entry(f"op-{number}", "sync", by="ada", reason=f"because {number}") for number in range(4)]
AT = "2026-11-20T10:00:00Z"


class Kept:
    """The Application shop with two past deployments and four entries in a file; a backup of it, and the key that opens it."""

    def __init__(self, shop: Shop, folder: Path) -> None:
        self.shop = shop
        self.cache = folder / "cache"
        self.file = folder / "backup.yaml"
        self.key, self.recipient = keys(folder)

    @property
    def flags(self) -> StoreFlags:
        return StoreFlags(cache=self.cache)

    async def wanted(self) -> list[Deployment]:
        found = wanted_of(await self.shop.app("shop"))
        return [Deployment(found.uid, identity) for identity in found.deployments]

    @asynccontextmanager
    async def manifests(self) -> AsyncGenerator[Manifests, None]:
        opened = Manifests(Sqlite(self.cache / "history.db"), await applied_key(self.shop.client, "argocd"))
        yield opened
        await opened.close()

    @asynccontextmanager
    async def chain(self) -> AsyncGenerator[Chain, None]:
        opened = Chain(Sqlite(self.cache / "history.db", LEDGER))
        yield opened
        await opened.close()

    async def recalled(self) -> list[object]:
        """What each past deployment of the Application as it is now applied; the reason where it is not known."""
        found: list[object] = []
        async with self.manifests() as manifests:
            for one in await self.wanted():
                try:
                    found.append(await manifests.recall(one))
                except ShipwayError as error:
                    found.append(error.reason)
        return found

    async def rows(self) -> list[str]:
        async with self.chain() as chain:
            return [row.entry for row in await chain.read("argocd/shop")]

    async def remember(self, place: Place) -> None:
        text = msgspec.json.encode({"sequence": place.sequence, "hash": place.hash}).decode()
        await self.shop.client.patch(APPLICATIONS, "argocd", "shop", {"metadata": {"annotations": {annotations.LEDGER: text}}})

    async def back_up(self, scope: Scope | None = None) -> int:
        return await back_up(self.shop.session, self.file, [self.recipient], scope or Scope(kept=self.flags))

    async def restore(self, session: Session | None = None) -> int:
        asked = Restoring(kept=self.flags) if session is None else Restoring()
        return await restore_from(session or self.shop.session, self.file, self.key, "table", asked)

    def lose_the_database(self) -> None:
        for file in self.cache.iterdir():
            file.unlink()

    async def verified(self) -> int:
        return await audit(self.shop.session, "shop", AuditFlags(cache=self.cache, verify=True))


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What was said of the history and of the ledger."""
    return [one for one in capsys.readouterr().err.splitlines() if "past deployments" in one or "entries" in one]


@pytest_asyncio.fixture
async def kept(shop: Shop, tmp_path: Path) -> Kept:
    made = Kept(shop, tmp_path)
    await make_applied_key(shop.client, "argocd")
    uid = uid_of(await shop.create(APPLICATIONS, application()))
    assert len(status_of(await shop.app("shop"))["history"]) == 2
    async with made.manifests() as manifests:
        for one in await made.wanted():
            await manifests.keep(one, RENDERED, NOW)
    async with made.chain() as chain:
        await made.remember(await chain.add(uid, "argocd/shop", START, ENTRIES, AT))
    return made


@pytest.mark.proves("fleets:backup")
async def test_a_lost_database_comes_back(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    assert await kept.back_up() == 0
    assert said(capsys) == ["2 past deployments and 4 entries of the ledger, sealed"]
    kept.lose_the_database()
    assert await kept.recalled() == ["NotKept", "NotKept"]
    assert await kept.restore() == 0
    assert said(capsys) == ["2 past deployments and 4 entries of the ledger were missing and are put back"]
    assert await kept.recalled() == [RENDERED, RENDERED]
    capsys.readouterr()
    assert await kept.verified() == 0
    assert capsys.readouterr().out.startswith("4 entries of shop fit, and entry 4 is the one that the Application remembers")
    before = await kept.rows()
    assert await kept.restore() == 0
    assert said(capsys) == ["0 past deployments and 0 entries of the ledger were missing and are put back"]
    assert await kept.rows() == before


@pytest.mark.proves("fleets:backup")
async def test_a_lost_cluster_comes_back_under_another_uid(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    before = uid_of(await kept.shop.app("shop"))
    await kept.back_up()
    await lose_everything(kept.shop)
    kept.lose_the_database()
    assert await kept.restore() == 0
    uid = uid_of(after := await kept.shop.app("shop"))
    assert uid != before
    assert await kept.recalled() == [RENDERED, RENDERED]
    assert await kept.verified() == 0
    place = msgspec.json.decode(after["metadata"]["annotations"][annotations.LEDGER], type=Place)
    async with kept.chain() as chain:
        await kept.remember(await chain.add(uid, "argocd/shop", place, [Entry("op-9", "sync")], AT))
    assert await kept.verified() == 0
    assert sorted(await kept.rows()) == ["op-0", "op-1", "op-2", "op-3", "op-9"]


async def test_nobody_reads_the_manifests_or_the_ledger_in_the_file(kept: Kept) -> None:
    await kept.back_up()
    text = kept.file.read_text()
    assert PASSWORD not in text and "because 2" not in text
    await kept.back_up(Scope(without_secrets=True))
    assert "AGE ENCRYPTED" not in kept.file.read_text()
    await kept.shop.client.delete(SECRETS, "argocd", "shipway-applied-key")
    with pytest.raises(InvalidInput, match="the manifests of past deployments are part of it: say who may open them"):
        await back_up(kept.shop.session, kept.file, [], Scope(kept=kept.flags))


async def test_what_cannot_be_had_is_said_in_one_line(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    async with kept.manifests() as manifests:
        first, _ = await kept.wanted()
        await manifests.forget_all_but(first.application, [first.identity])
    await kept.back_up()
    assert said(capsys) == [
        "1 past deployments and 4 entries of the ledger, sealed",
        "left out: the manifests of past deployments that are not kept there, of argocd/shop (1)",
    ]
    await kept.back_up(Scope())
    (line,) = said(capsys)
    assert line.startswith("left out: the manifests of past deployments and the ledger (the Service argocd/shipway does not")
    with pytest.raises(NotFound, match="no ledger in"):
        await kept.back_up(Scope(kept=StoreFlags(cache=kept.cache / "other")))
    assert not (kept.cache / "other").exists()


@pytest.mark.proves("fleets:backup")
async def test_a_backup_that_was_tampered_with_is_found(kept: Kept) -> None:
    await kept.back_up()
    kept.lose_the_database()
    await lose_everything(kept.shop)
    text = kept.file.read_text()
    old_history = text[text.index("kind: SealedHistory") : text.index("kind: SealedSecrets")]
    head, _, tail = text.partition("kind: SealedHistory")
    for what, changed in {
        "an object": text.replace("repoURL: ", "repoURL: https://evil.example/"),
        "the head": text.replace("takenAt: '2026", "takenAt: '2025"),
        "no history": text.replace(f"---\napiVersion: shipway.dev/v1alpha1\n{old_history}", "---\n"),
        "another history": head
        + "kind: SealedHistory"
        + tail.replace(of_seal(tail), indented(seal(b"\x90", [kept.recipient])), 1),
    }.items():
        assert changed != text, what
        kept.file.write_text(changed)
        with pytest.raises(InvalidInput, match=r"was changed after the backup was taken|cut off"):
            await kept.restore()
    kept.file.write_text(text.replace("\n    YWdl", "\n    YWdm"))
    with pytest.raises(InvalidInput, match="cannot be opened"):
        await kept.restore()
    assert await kept.rows() == []


def of_seal(text: str) -> str:
    return text[text.index("    -----BEGIN") : text.index("-----END AGE ENCRYPTED FILE-----")]


def indented(sealed: str) -> str:
    return "".join(f"    {line}\n" for line in sealed.splitlines()[:-1]) + "    "


@pytest.mark.proves("000-21")
async def test_rows_that_somebody_changed_inside_the_seal_are_found(kept: Kept) -> None:
    """By the holder of the key: only the chain itself can tell then."""
    await kept.back_up()
    found = await read_back(kept)
    rows = list(found.rows)
    rows[1] = msgspec.structs.replace(rows[1], body=rows[1].body.replace("because 1", "for fun"))
    for changed in (tuple(rows), tuple(rows[:-1])):
        await reseal(kept, msgspec.structs.replace(found, rows=changed))
        with pytest.raises(InvalidInput, match="the ledger of argocd/shop was changed"):
            await kept.restore()


async def read_back(kept: Kept) -> KeptApplication:
    backup = read(kept.file.read_text())
    (found,) = read_history(unseal(backup.history, kept.key.read_text()), backup)
    return found


async def reseal(kept: Kept, one: KeptApplication) -> None:
    backup = read(kept.file.read_text())
    secrets = read_secrets(unseal(backup.sealed, kept.key.read_text()), backup)
    text = written(msgspec.structs.replace(backup, history=seal(written_history([one]), [kept.recipient])))
    kept.file.write_text(finished(text, seal(written_secrets(secrets, text).encode(), [kept.recipient])))


async def test_entries_that_found_no_place_are_told(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    """The ledger went on before it was put back, without what it had lost."""
    await kept.back_up()
    kept.lose_the_database()
    uid = uid_of(await kept.shop.app("shop"))
    async with kept.chain() as chain:
        await chain.add(uid, "argocd/shop", START, [Entry("op-0", "sync"), Entry("new", "sync")], AT)
    capsys.readouterr()
    await kept.restore()
    assert said(capsys) == [
        "2 past deployments and 0 entries of the ledger were missing and are put back",
        "entries that found no place, for the ledger went on without them: argocd/shop (3)",
    ]
    assert await kept.verified() == 1, "what the Application remembers is not there"


# --- through an engine ----------------------------------------------------------------------------------------------------


class Proxying:
    """An API server in front of the engine's Service."""

    def __init__(self, server: Transport, keeper: StoreKeeper) -> None:
        self._server = server
        self._keeper = keeper
        self.answers: list[bytes] = []

    async def send(self, request: Request) -> Response:
        if request.path != "/api/v1/namespaces/argocd/services/shipway:http/proxy/kept":
            return await self._server.send(request)
        try:
            self.answers.append(await self._keeper.answer(request.body))
        except InvalidInput:
            return Response(403)
        return Response(200, body=self.answers[-1])

    async def close(self) -> None:
        """The server belongs to the test."""


@pytest.mark.proves("fleets:backup")
async def test_an_engine_that_runs_gives_and_takes_it(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    key = await applied_key(kept.shop.client, "argocd")
    async with StoreKeeper.open(RunSettings(cache=kept.cache), key, kept.shop.session.clock) as keeper:
        engine = Proxying(kept.shop.server, keeper)
        session = Session(Client(engine), kept.shop.session.clock)
        assert await back_up(session, kept.file, [kept.recipient]) == 0
        assert said(capsys) == ["2 past deployments and 4 entries of the ledger, sealed"]
        assert all(b"because" not in one and PASSWORD.encode() not in one for one in engine.answers)
    kept.lose_the_database()
    async with StoreKeeper.open(RunSettings(cache=kept.cache), key, kept.shop.session.clock) as keeper:
        session = Session(Client(Proxying(kept.shop.server, keeper)), kept.shop.session.clock)
        assert await kept.restore(session) == 0
        assert said(capsys) == ["2 past deployments and 4 entries of the ledger were missing and are put back"]
    assert await kept.recalled() == [RENDERED, RENDERED]
    assert await kept.verified() == 0


async def test_who_does_not_hold_the_installations_key_gets_nothing_of_it(
    kept: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    async with StoreKeeper.open(RunSettings(cache=kept.cache), b"another key" * 3, kept.shop.session.clock) as keeper:
        session = Session(Client(Proxying(kept.shop.server, keeper)), kept.shop.session.clock)
        await back_up(session, kept.file, [kept.recipient])
    assert "left out: the manifests of past deployments and the ledger (the Service argocd/shipway may not be asked" in (
        capsys.readouterr().err
    )
