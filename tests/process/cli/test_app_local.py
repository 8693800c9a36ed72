"""`--local`: `app diff`, `plan` and `manifests` look at a working copy instead of what was pushed. Real git and renderers."""

from pathlib import Path

import pytest

from shipway.api.kinds import APPLICATIONS
from shipway.base.errors import InvalidInput
from shipway.cli.app_diff import show_diff
from shipway.cli.app_manifests import Wanted, show_manifests
from shipway.cli.app_plan import PlanFlags, show_plan
from tests.process.cli.test_app_plan import config, shop_in_git
from tests.repository import WorkingCopy, seed
from tests.unit.cli.conftest import Shop


async def edited(shop: Shop, tmp_path: Path) -> WorkingCopy:
    """One file changed, one new, one ignored; nothing committed."""
    copy = await shop_in_git(shop, tmp_path, {"settings": config("settings")})
    copy.write(
        {"web/settings.yaml": config("settings", "blue"), "web/new.yaml": config("new"), "web/draft.yaml": config("draft")}
    )
    copy.write({".gitignore": "draft.yaml\n"})
    return copy


async def test_what_would_change_if_it_were_pushed(shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = await edited(shop, tmp_path)
    copy.git("add", "web/new.yaml")
    before = copy.git("status", "--porcelain")
    assert await show_diff(shop.session, "shop", "table", tmp_path / "cache", copy.path / "web") == 1
    said = capsys.readouterr().out
    assert "ConfigMap shop/new would be created" in said and "+  colour: blue" in said and "draft" not in said
    assert copy.git("status", "--porcelain") == before, "it is only looked at"
    assert await show_diff(shop.session, "shop", "table", tmp_path / "cache") == 1
    said = capsys.readouterr().out
    assert "+  colour: green" in said and "shop/new" not in said, "what was pushed is another matter"


async def test_the_next_look_sees_the_next_edit(shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = await edited(shop, tmp_path)
    for colour in ("blue", "red"):
        copy.write({"web/settings.yaml": config("settings", colour)})
        await show_manifests(shop.session, "shop", Wanted(local=copy.path), "yaml", tmp_path / "cache")
        assert f"colour: {colour}" in capsys.readouterr().out
    assert await show_plan(shop.session, "shop", PlanFlags(local=copy.path), "name", tmp_path / "cache") == 1
    assert capsys.readouterr().out.split() == ["configmap/new", "configmap/settings"]


async def test_of_several_sources_it_is_the_one_that_it_was_cloned_from(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = await edited(shop, tmp_path)
    _, other = seed(tmp_path, "other", {"base/other.yaml": config("other")})
    sources = [(await shop.app("shop"))["spec"]["source"], {"repoURL": other, "path": "base"}]
    await shop.client.patch(APPLICATIONS, "argocd", "shop", {"spec": {"source": None, "sources": sources}})
    await show_manifests(shop.session, "shop", Wanted(local=copy.path), "name", tmp_path / "cache")
    assert sorted(capsys.readouterr().out.split()) == ["configmap/new", "configmap/other", "configmap/settings"]
    copy.git("remote", "set-url", "origin", "https://git.test/elsewhere.git")
    with pytest.raises(InvalidInput, match="could be a working copy of several sources of shop, or of none"):
        await show_manifests(shop.session, "shop", Wanted(local=copy.path), "name", tmp_path / "cache")


async def test_what_is_no_working_copy_says_so(shop: Shop, tmp_path: Path) -> None:
    await edited(shop, tmp_path)
    (tmp_path / "plain").mkdir()
    for folder, told in (("plain", "is no Git working copy"), ("nowhere", "is no folder")):
        with pytest.raises(InvalidInput, match=told):
            await show_diff(shop.session, "shop", "table", tmp_path / "cache", tmp_path / folder)
    with pytest.raises(InvalidInput, match="leave out --revision"):
        await show_plan(shop.session, "shop", PlanFlags(revision="main", local=tmp_path), "table", tmp_path / "cache")
