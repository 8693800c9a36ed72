"""`shipway backup` and `shipway restore --from`: what Git does not hold survives the loss of a cluster."""

import stat
from pathlib import Path

import orjson
import pyrage
import pytest

from shipway.api.kinds import APP_PROJECTS, APPLICATION_SETS, APPLICATIONS, CONFIG_MAPS, SECRETS
from shipway.base.errors import InvalidInput, NotFound
from shipway.cli.backup import Restoring, Scope, back_up, restore_from
from shipway.cli.restore import BackupFlags, restore
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, dig, name_of
from tests.unit.cli.conftest import Shop
from tests.unit.cli.objects import application
from tests.unit.cli.test_app_diff import PROJECT

HOLD = "shipway.dev/hold"
PASSWORD = "hunter2-of-the-repository"


def secret(name: str, **more: Obj) -> Obj:
    meta = {"name": name, "namespace": "argocd", **more}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"password": PASSWORD}}


@pytest.fixture
async def full(shop: Shop) -> Shop:
    """One Application that is held at an earlier deployment, one in the middle of a sync, and what they need."""
    await shop.create(APP_PROJECTS, PROJECT)
    held = application("pay", history=[{"id": 3, "revision": "a" * 40, "deployedAt": "2026-11-20T10:00:00Z"}])
    held["metadata"]["annotations"] = {HOLD: '{"revision": "a"}', "argocd.argoproj.io/refresh": "normal"}
    await shop.create(APPLICATIONS, held)
    busy = application(
        "web", operationState={"phase": "Running", "startedAt": "2026-11-20T10:00:00Z", "operation": {"sync": {}}}
    )
    busy["operation"] = {"sync": {}}
    await shop.create(APPLICATIONS, busy)
    spec: Obj = {"generators": [], "template": {"metadata": {"name": "x"}, "spec": busy["spec"]}}
    meta = {"name": "all", "namespace": "argocd"}
    await shop.create(
        APPLICATION_SETS, {"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet", "metadata": meta, "spec": spec}
    )
    login = {"argocd.argoproj.io/secret-type": "repository"}
    for one in (secret("shop-repository", labels=login), secret("argocd-secret"), secret("of-somebody-else")):
        await shop.client.create(SECRETS, one)
    for name in ("argocd-cm", "of-somebody-else"):
        body: Obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "argocd"}}
        await shop.client.create(CONFIG_MAPS, {**body, "data": {"url": "https://argocd.test"}})
    return shop


async def lose_everything(shop: Shop) -> None:
    for kind in (APPLICATION_SETS, APPLICATIONS, APP_PROJECTS, CONFIG_MAPS, SECRETS):
        for one in (await shop.client.list(kind, "argocd")).items:
            await shop.client.delete(kind, "argocd", name_of(one))


def keys(folder: Path) -> tuple[Path, str]:
    made = pyrage.x25519.Identity.generate()
    file = folder / "key.txt"
    file.write_text(f"{made}\n")
    return file, str(made.to_public())


async def names(shop: Shop) -> list[str]:
    kinds = (SECRETS, CONFIG_MAPS, APP_PROJECTS, APPLICATIONS, APPLICATION_SETS)
    return [f"{kind.kind}/{name_of(one)}" for kind in kinds for one in (await shop.client.list(kind, "argocd")).items]


OF_US = [
    "Secret/argocd-secret",
    "Secret/shop-repository",
    "ConfigMap/argocd-cm",
    "AppProject/default",
    "Application/pay",
    "Application/web",
    "ApplicationSet/all",
]


@pytest.mark.proves("fleets:backup")
async def test_all_comes_back_with_holds_and_histories(full: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key, recipient = keys(tmp_path)
    before = await full.app("pay")
    assert await back_up(full.session, tmp_path / "backup.yaml", [recipient]) == 0
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "5 objects of namespace argocd, of which 1 are held (pay); 2 Secrets, sealed"
    assert told[1].startswith("left out: the manifests of past deployments and the ledger (the Service argocd/shipway does not")
    assert len(told) == 2
    await lose_everything(full)
    assert await restore_from(full.session, tmp_path / "backup.yaml", key, "table") == 0
    assert [one for one in await names(full) if "root-ca" not in one] == OF_US
    pay, web = await full.app("pay"), await full.app("web")
    assert pay["spec"] == before["spec"]
    assert pay["status"] == before["status"]
    assert annotations_of(pay) == {HOLD: '{"revision": "a"}'}
    assert "operation" not in web, "a sync that was under way is not begun again"
    assert "operationState" not in web["status"]
    assert capsys.readouterr().out.splitlines()[-1].endswith(": 7 created.")


async def test_nobody_reads_the_logins_in_the_file(full: Shop, tmp_path: Path) -> None:
    file, (_, recipient) = tmp_path / "backup.yaml", keys(tmp_path)
    await back_up(full.session, file, [recipient])
    text = file.read_text()
    assert "shop-repository" not in text
    assert PASSWORD not in text
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_a_backup_without_logins_has_to_be_asked_for(
    full: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InvalidInput, match=r"2 Secrets are part of it: say who may open them \(--recipient"):
        await back_up(full.session, tmp_path / "backup.yaml", [])
    assert not (tmp_path / "backup.yaml").exists()
    assert await back_up(full.session, Path("-"), [], Scope(without_secrets=True)) == 0
    out, err = capsys.readouterr()
    assert err.endswith("; Secrets, the manifests of past deployments and the ledger are left out\n")
    (tmp_path / "backup.yaml").write_text(out)
    await lose_everything(full)
    assert await restore_from(full.session, tmp_path / "backup.yaml", None, "table") == 0
    assert [one for one in await names(full) if "root-ca" not in one] == OF_US[2:]


async def test_what_is_there_stays_unless_told(full: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, (key, recipient) = tmp_path / "backup.yaml", keys(tmp_path)
    await back_up(full.session, file, [recipient])
    await full.client.patch(APPLICATIONS, "argocd", "pay", {"metadata": {"annotations": {HOLD: None}}})
    await full.client.delete(APPLICATIONS, "argocd", "web")
    capsys.readouterr()
    assert await restore_from(full.session, file, key, "json", Restoring(only_says=True)) == 1
    done = {one["name"]: one["done"] for one in orjson.loads(capsys.readouterr().out)["items"]}
    assert (done["application.argoproj.io/pay"], done["application.argoproj.io/web"]) == ("there", "created")
    assert "Application/web" not in await names(full)
    assert await restore_from(full.session, file, key, "table") == 1
    assert HOLD not in annotations_of(await full.app("pay"))
    assert await restore_from(full.session, file, key, "table", Restoring(overwrites=True)) == 0
    assert HOLD in annotations_of(await full.app("pay"))
    assert dig(await full.app("web"), "status", "sync", "status") == "Synced"
    capsys.readouterr()
    assert await restore_from(full.session, file, key, "table") == 0
    assert capsys.readouterr().out.splitlines() == [
        f"The backup of {taken_at(file)}: 7 as they were.",
    ]


def taken_at(file: Path) -> str:
    return next(line.partition(": ")[2].strip("'\"") for line in file.read_text().splitlines() if "takenAt" in line)


async def test_a_file_that_was_cut_off_changed_or_is_another_touches_nothing(full: Shop, tmp_path: Path) -> None:
    file, (key, recipient) = tmp_path / "backup.yaml", keys(tmp_path)
    await back_up(full.session, file, [recipient])
    await lose_everything(full)
    text = file.read_text()
    documents = text.split("\n---\n")
    for broken, why in (
        ("\n---\n".join(documents[:-2]), "cut off"),
        ("\n---\n".join([*documents[:2], *documents[3:]]), "cut off"),
        (text.replace("kind: AppProject", "kind: ClusterRole"), "holds no ClusterRole"),
        ("apiVersion: v1\nkind: ConfigMap\n", "no file of `shipway backup`"),
        ("", "no file of `shipway backup`"),
    ):
        file.write_text(broken)
        with pytest.raises(InvalidInput, match=why):
            await restore_from(full.session, file, key, "table")
    file.write_text(text)
    with pytest.raises(InvalidInput, match="say with --identity where the key is"):
        await restore_from(full.session, file, None, "table")
    assert [one for one in await names(full) if "root-ca" not in one] == []


async def test_one_of_the_two_ways_to_restore_is_named(shop: Shop, tmp_path: Path) -> None:
    for cluster, source in (("", None), ("prod", tmp_path / "backup.yaml")):
        with pytest.raises(InvalidInput, match="say either --cluster"):
            await restore(cluster=cluster, backup=BackupFlags(source=source))
    with pytest.raises(NotFound, match="nothing to back up in namespace elsewhere"):
        await back_up(shop.at("elsewhere"), tmp_path / "backup.yaml", [], Scope(without_secrets=True))
