"""`shipway app diff` with a real repository, the real renderers and an embedded API server."""

from pathlib import Path

import orjson
import pytest

from shipway.api.kinds import APP_PROJECTS, APPLICATIONS, CONFIG_MAPS
from shipway.base.errors import InvalidInput
from shipway.cli.app_diff import show_diff
from tests.repository import seed
from tests.unit.cli.conftest import Shop
from tests.unit.cli.objects import application

SETTINGS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, annotations: {argocd.argoproj.io/tracking-id: "shop:/ConfigMap:shop/settings"}}
data: {colour: green}
"""
PROJECT = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "AppProject",
    "metadata": {"name": "default", "namespace": "argocd"},
    "spec": {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}]},
}


async def shop_in_git(shop: Shop, folder: Path, **files: str) -> None:
    _, url = seed(folder, "shop", {f"web/{name}.yaml": text for name, text in files.items()})
    app = application()
    app["spec"]["source"]["repoURL"] = url
    del app["status"]
    await shop.create(APP_PROJECTS, PROJECT)
    await shop.create(APPLICATIONS, app)


async def test_what_would_be_created(shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await shop_in_git(shop, tmp_path, settings=SETTINGS)
    assert await show_diff(shop.session, "shop", "table", tmp_path / "cache") == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "===== ConfigMap shop/settings would be created ====="
    assert "+  colour: green" in lines


async def test_what_somebody_changed(shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await shop_in_git(shop, tmp_path, settings=SETTINGS)
    tracked = {"argocd.argoproj.io/tracking-id": "shop:/ConfigMap:shop/settings"}
    live = {"metadata": {"name": "settings", "namespace": "shop", "annotations": tracked}, "data": {"colour": "red"}}
    await shop.client.create(CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", **live})
    assert await show_diff(shop.session, "shop", "json", tmp_path / "cache") == 1
    (item,) = orjson.loads(capsys.readouterr().out)["items"]
    assert (item["kind"], item["name"], item["action"]) == ("ConfigMap", "settings", "update")
    assert "-  colour: red\n+  colour: green" in item["diff"]
    assert (await shop.client.get(CONFIG_MAPS, "shop", "settings"))["data"] == {"colour": "red"}


async def test_nothing_to_change(shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await shop_in_git(shop, tmp_path, settings=SETTINGS)
    tracked = {"argocd.argoproj.io/tracking-id": "shop:/ConfigMap:shop/settings"}
    live = {"metadata": {"name": "settings", "namespace": "shop", "annotations": tracked}, "data": {"colour": "green"}}
    await shop.client.apply(CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", **live}, manager="shipway-gitops")
    assert await show_diff(shop.session, "shop", "table", tmp_path / "cache") == 0
    assert capsys.readouterr() == ("", "shop: a sync would change nothing\n")


async def test_a_manifest_that_cannot_be_read_says_where(shop: Shop, tmp_path: Path) -> None:
    await shop_in_git(shop, tmp_path, settings=SETTINGS, broken="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: [}\n")
    refused = pytest.RaisesExc(InvalidInput, match=r"broken\.yaml: line 3")
    with pytest.RaisesGroup(refused, flatten_subgroups=True):
        await show_diff(shop.session, "shop", "table", tmp_path / "cache")
