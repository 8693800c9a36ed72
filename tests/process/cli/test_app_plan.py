"""`shipway app plan` and `app manifests` with a real repository, the real renderers and an embedded API server."""

from collections.abc import Mapping
from pathlib import Path

import orjson
import pytest

from shipway.api.kinds import APP_PROJECTS, APPLICATIONS, CONFIG_MAPS, SECRETS
from shipway.assembly.onlooking import look
from shipway.base.errors import InvalidInput
from shipway.cli.app_manifests import Wanted, show_manifests
from shipway.cli.app_plan import PlanFlags, show_plan
from shipway.gitops.application.plan import changed_paths
from shipway.gitops.ownership import to_apply
from shipway.kube.objects import yaml
from shipway.kube.objects.resource import Obj
from tests.repository import WorkingCopy, seed
from tests.unit.cli.conftest import Shop
from tests.unit.cli.objects import application
from tests.unit.cli.test_app_diff import PROJECT

HOOK = """\
apiVersion: batch/v1
kind: Job
metadata: {name: migrate, annotations: {argocd.argoproj.io/hook: PreSync}}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: shop/migrate:1}]}}}
"""
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: login}\nstringData: {password: hunter2}\n"


def config(name: str, colour: str = "green", wave: str = "0") -> str:
    annotations = f"{{argocd.argoproj.io/sync-wave: '{wave}'}}"
    return (
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, annotations: {annotations}}}\ndata: {{colour: {colour}}}\n"
    )


def live(name: str, colour: str = "green", wave: str = "0", **annotations: str) -> Obj:
    tracked = {"argocd.argoproj.io/tracking-id": f"shop:/ConfigMap:shop/{name}", "argocd.argoproj.io/sync-wave": wave}
    meta = {"name": name, "namespace": "shop", "annotations": {**tracked, **annotations}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"colour": colour}}


async def shop_in_git(shop: Shop, folder: Path, files: Mapping[str, str], project: Obj = PROJECT) -> WorkingCopy:
    copy, url = seed(folder, "shop", {f"web/{name}.yaml": text for name, text in files.items()})
    app = application(
        resources=[{"version": "v1", "kind": "ConfigMap", "namespace": "shop", "name": "old", "status": "Synced"}]
    )
    app["spec"]["source"]["repoURL"] = url
    await shop.create(APP_PROJECTS, project)
    await shop.create(APPLICATIONS, app)
    return copy


async def as_synced(shop: Shop, folder: Path, name: str) -> None:
    """One object as a sync leaves it."""
    observed = await look(shop.client, await shop.app("shop"), folder / "cache")
    (item,) = [item for item in observed.comparison.items if item.ref.name == name] if observed.comparison else []
    assert item.desired is not None
    body = to_apply(item.desired, item.live_obj, item.claims, observed.context)
    await shop.client.apply(CONFIG_MAPS, body, manager="shipway-gitops")


async def planned(shop: Shop, folder: Path, capsys: pytest.CaptureFixture[str], flags: PlanFlags) -> tuple[int, Obj]:
    code = await show_plan(shop.session, "shop", flags, "json", folder / "cache")
    return code, orjson.loads(capsys.readouterr().out)


def acts(document: Obj) -> list[tuple[str, int, str, str]]:
    return [(step["phase"], step["wave"], step["action"], step["name"]) for step in document["items"]]


async def test_the_steps_of_a_sync_in_their_order(shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {
        "migrate": HOOK,
        "new": config("new", wave="-1"),
        "changed": config("changed"),
        "same": config("same"),
        "login": SECRET,
    }
    await shop_in_git(shop, tmp_path, files)
    for obj in (live("changed", "red"), live("old")):
        await shop.client.create(CONFIG_MAPS, obj)
    await as_synced(shop, tmp_path, "same")
    await shop.client.create(CONFIG_MAPS, live("kept", **{"argocd.argoproj.io/sync-options": "Prune=false"}))
    code, document = await planned(shop, tmp_path, capsys, PlanFlags())
    assert code == 1
    assert acts(document) == [
        ("PreSync", 0, "hook", "migrate"),
        ("Sync", -1, "create", "new"),
        ("Sync", 0, "keep", "kept"),
        ("Sync", 0, "prune", "old"),
        ("Sync", 0, "create", "login"),
        ("Sync", 0, "change", "changed"),
        ("Sync", 0, "unchanged", "same"),
    ]
    assert document["items"][5]["note"] == "data.colour"
    assert document["hasChanges"] is True
    assert (await shop.client.get(CONFIG_MAPS, "shop", "changed"))["data"] == {"colour": "red"}
    assert "operation" not in await shop.app("shop")
    assert (await shop.app("shop"))["status"]["operationState"]["phase"] == "Succeeded"


async def test_lines_say_what_happens_and_count_the_rest(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await shop_in_git(shop, tmp_path, {"new": config("new"), "same": config("same")})
    await shop.client.create(CONFIG_MAPS, live("old"))
    await as_synced(shop, tmp_path, "same")
    flags = PlanFlags(prune=False)
    assert await show_plan(shop.session, "shop", flags, "table", tmp_path / "cache") == 1
    out = capsys.readouterr().out.splitlines()
    assert [" ".join(line.split()) for line in out] == [
        "PHASE WAVE ACTION KIND NAMESPACE NAME NOTE",
        "Sync 0 keep ConfigMap shop old is not in Git: --prune would delete it",
        "Sync 0 create ConfigMap shop new",
        "1 object unchanged",
    ]
    await show_plan(shop.session, "shop", flags, "name", tmp_path / "cache")
    assert capsys.readouterr().out == "configmap/new\n"


async def test_nothing_to_do_and_taking_over_from_another_tool(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = await shop_in_git(shop, tmp_path, {"same": config("same"), "theirs": config("theirs")})
    await as_synced(shop, tmp_path, "same")
    theirs = live("theirs")
    await shop.client.create(CONFIG_MAPS, {**theirs, "data": {**theirs["data"], "size": "small"}}, manager="helm")
    code, document = await planned(shop, tmp_path, capsys, PlanFlags())
    assert (code, acts(document)) == (1, [("Sync", 0, "unchanged", "same"), ("Sync", 0, "adopt", "theirs")])
    first = copy.git("rev-parse", "HEAD")
    copy.commit({"web/theirs.yaml": None})
    copy.push()
    await shop.client.delete(CONFIG_MAPS, "shop", "theirs")
    assert await show_plan(shop.session, "shop", PlanFlags(), "table", tmp_path / "cache") == 0
    assert "would change nothing" in capsys.readouterr().err
    code, document = await planned(shop, tmp_path, capsys, PlanFlags(revision=first))
    assert (code, acts(document)[1], document["revisions"]) == (1, ("Sync", 0, "create", "theirs"), [first])


async def test_what_would_be_refused_says_why(shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    strict = {**PROJECT, "spec": {**PROJECT["spec"], "namespaceResourceBlacklist": [{"group": "", "kind": "Secret"}]}}
    await shop_in_git(shop, tmp_path, {"login": SECRET, "new": config("new")}, strict)
    assert await show_plan(shop.session, "shop", PlanFlags(), "table", tmp_path / "cache") == 2
    out, err = capsys.readouterr()
    assert "refused" in out
    assert "resource :Secret is not permitted in project default" in err


async def test_a_closed_window_is_told(shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    window = {"kind": "deny", "schedule": "* * * * *", "duration": "1h", "applications": ["*"]}
    frozen = {**PROJECT, "spec": {**PROJECT["spec"], "syncWindows": [window]}}
    await shop_in_git(shop, tmp_path, {"new": config("new")}, frozen)
    assert await show_plan(shop.session, "shop", PlanFlags(), "table", tmp_path / "cache") == 1
    assert "a sync by hand is blocked now: the deny window" in capsys.readouterr().err


async def test_manifests_of_git_and_of_the_cluster(shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = await shop_in_git(shop, tmp_path, {"login": SECRET, "settings": config("settings")})
    first = copy.git("rev-parse", "HEAD")
    copy.commit({"web/settings.yaml": config("settings", "blue")})
    copy.push()
    await shop.client.create(CONFIG_MAPS, live("old", "grey"))

    async def shown(source: str, revision: str = "") -> tuple[str, list[Obj]]:
        await show_manifests(shop.session, "shop", Wanted(source, revision), "yaml", tmp_path / "cache")  # type: ignore[arg-type]
        text = capsys.readouterr().out
        return text, yaml.load_all(text)

    text, objects = await shown("git")
    assert {obj["metadata"]["name"]: obj["data"] for obj in objects} == {
        "login": {"password": "********"},
        "settings": {"colour": "blue"},
    }
    assert "hunter2" not in text and "aHVudGVyMg" not in text
    assert (await shown("git", first))[1][-1]["data"] == {"colour": "green"}
    assert [obj["metadata"]["name"] for obj in (await shown("live"))[1]] == ["old"]
    with pytest.raises(InvalidInput, match="no revision"):
        await shown("live", first)


async def test_a_live_secret_shows_no_value_wherever_it_stands(
    shop: Shop, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    kept = {"kubectl.kubernetes.io/last-applied-configuration": '{"data": {"password": "aHVudGVyMg=="}}'}
    meta = {"name": "login", "namespace": "shop", "annotations": kept}
    await shop.create(SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": {"password": "aHVudGVyMg=="}})
    row = {"version": "v1", "kind": "Secret", "namespace": "shop", "name": "login", "status": "Synced"}
    await shop.create(APPLICATIONS, application(resources=[row]))
    for output in ("yaml", "json"):
        await show_manifests(shop.session, "shop", Wanted("live"), output, tmp_path)
        text = capsys.readouterr().out
        assert "password" in text and "aHVudGVyMg" not in text


@pytest.mark.parametrize(
    ("before", "after", "paths"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 2}}, ["a.b", "a.c"]),
        ({"l": [{"i": "x:1"}]}, {"l": [{"i": "x:2"}]}, ["l[0].i"]),
        ({"l": [1]}, {"l": [1, 2]}, ["l"]),
    ],
)
def test_paths_that_differ(before: Obj, after: Obj, paths: list[str]) -> None:
    assert list(changed_paths(before, after)) == paths
