"""`shipway proj` against an embedded API server, and its rules over plain specs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from shipway.api.kinds import APP_PROJECTS, APPLICATIONS
from shipway.base.errors import Conflict, InvalidInput, NotFound
from shipway.cli import proj_rules as rules
from shipway.cli.main import run
from shipway.cli.proj import (
    CreateFlags,
    ProjectFlags,
    change,
    create_project,
    delete_project,
    list_projects,
    list_roles,
    show_project,
)
from shipway.cli.proj_windows import WindowFlags, list_windows, window_of
from shipway.kube.objects.resource import Obj
from tests.unit.cli.conftest import Shop
from tests.unit.cli.objects import application

URL = "https://git.example/shop.git"
SERVER = "https://kubernetes.default.svc"
HERE, THERE = {"server": SERVER, "namespace": "shop"}, {"name": "there", "namespace": "*"}


def kind(group: str, name: str) -> Obj:
    return {"group": group, "kind": name}


DEPLOYMENT, ROLE_KIND = kind("apps", "Deployment"), kind("rbac.authorization.k8s.io", "ClusterRole")


@pytest.mark.parametrize(
    ("before", "edit", "after"),
    [
        ({}, rules.with_source(URL), {"sourceRepos": [URL]}),
        ({"sourceRepos": [URL]}, rules.with_source(URL), {"sourceRepos": [URL]}),
        ({"sourceRepos": ["a", URL]}, rules.without_source(URL), {"sourceRepos": ["a"]}),
        ({}, rules.with_destination(HERE), {"destinations": [HERE]}),
        ({"destinations": [HERE, THERE]}, rules.without_destination("there", "*"), {"destinations": [HERE]}),
        ({}, rules.with_source_namespace("team-*"), {"sourceNamespaces": ["team-*"]}),
        ({"sourceNamespaces": ["a"]}, rules.without_source_namespace("a"), {"sourceNamespaces": []}),
        (
            {"clusterResourceBlacklist": [ROLE_KIND]},
            rules.allowing(rules.CLUSTER, ROLE_KIND["group"], "ClusterRole"),
            {"clusterResourceBlacklist": [], "clusterResourceWhitelist": [ROLE_KIND]},
        ),
        (
            {"clusterResourceWhitelist": [ROLE_KIND]},
            rules.denying(rules.CLUSTER, ROLE_KIND["group"], "ClusterRole"),
            {"clusterResourceWhitelist": [], "clusterResourceBlacklist": [ROLE_KIND]},
        ),
        ({"namespaceResourceBlacklist": [DEPLOYMENT]}, rules.allowing(rules.NAMESPACED, "apps", "Deployment"),
         {"namespaceResourceBlacklist": []}),
        ({"namespaceResourceWhitelist": []}, rules.allowing(rules.NAMESPACED, "apps", "Deployment"),
         {"namespaceResourceWhitelist": [DEPLOYMENT]}),
        ({}, rules.allowing(rules.NAMESPACED, "apps", "Deployment"), {}),
        ({}, rules.denying(rules.NAMESPACED, "apps", "Deployment"), {"namespaceResourceBlacklist": [DEPLOYMENT]}),
        ({"syncWindows": [{"kind": "a"}, {"kind": "b"}]}, rules.without_window(0), {"syncWindows": [{"kind": "b"}]}),
        ({"a": 1, "b": 2}, rules.stating({"b": 3}), {"a": 1, "b": 3}),
    ],
)  # fmt: skip
def test_rules_change_what_they_say(before: Obj, edit: Callable[[Obj], Obj], after: Obj) -> None:
    assert edit(before) == after


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (rules.without_source(URL), "no source https://git.example/shop.git"),
        (rules.without_destination(SERVER, "x"), "no destination"),
        (rules.without_window(0), "no window 0: it has 0"),
        (rules.without_window(-1), "no window -1"),
    ],
)
def test_what_is_not_there_cannot_be_taken_away(edit: Callable[[Obj], Obj], problem: str) -> None:
    with pytest.raises(NotFound, match=problem):
        edit({})


@pytest.mark.parametrize("written", ["shop", ",shop", "https://a,"])
def test_destinations_are_pairs(written: str) -> None:
    assert rules.read_destination("https://a:6443,shop") == {"server": "https://a:6443", "namespace": "shop"}
    with pytest.raises(InvalidInput, match="--dest"):
        rules.read_destination(written)


def project(name: str = "shop", **spec: Any) -> Obj:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": name, "namespace": "argocd", "creationTimestamp": "2026-11-19T10:00:00Z"},
        "spec": {"sourceRepos": [URL], "destinations": [HERE], **spec},
    }


NIGHT = {"kind": "deny", "schedule": "0 22 * * *", "duration": "8h", "applications": ["*"]}
MORNING = {"kind": "allow", "schedule": "0 9 * * *", "duration": "2h", "applications": ["web", "api"], "manualSync": True}


async def spec_of_shop(shop: Shop) -> Obj:
    return (await shop.client.get(APP_PROJECTS, "argocd", "shop"))["spec"]


async def test_created_set_and_deleted(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ProjectFlags(description="the shop", src=(URL,), dest=(f"{SERVER},shop",), allow_cluster_resource=("Namespace",))
    assert await create_project(shop.session, "shop", flags, CreateFlags()) == 0
    assert await spec_of_shop(shop) == {
        "description": "the shop",
        "sourceRepos": [URL],
        "destinations": [HERE],
        "clusterResourceWhitelist": [kind("", "Namespace")],
    }
    assert await create_project(shop.session, "shop", flags, CreateFlags()) == 0
    with pytest.raises(Conflict, match="--upsert changes it"):
        await create_project(shop.session, "shop", ProjectFlags(src=("*",)), CreateFlags())
    assert await create_project(shop.session, "shop", ProjectFlags(src=("*",)), CreateFlags(upsert=True)) == 0
    assert await spec_of_shop(shop) == {"sourceRepos": ["*"]}
    assert await delete_project(shop.session, "shop") == 0
    said = [line.split()[-1] for line in capsys.readouterr().out.splitlines()]
    assert said == ["created", "unchanged", "configured", "deleted"]


async def test_one_rule_is_one_write(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await shop.create(APP_PROJECTS, project())
    assert await change(shop.session, "shop", rules.with_source("https://charts.example")) == 0
    assert await change(shop.session, "shop", rules.with_source(URL)) == 0
    assert capsys.readouterr().out == "appproject.argoproj.io/shop configured\nappproject.argoproj.io/shop unchanged\n"
    assert (await spec_of_shop(shop))["sourceRepos"] == [URL, "https://charts.example"]


async def test_rules_that_cannot_work_are_never_written(shop: Shop) -> None:
    await shop.create(APP_PROJECTS, project())
    broken = window_of(WindowFlags("deny", "every day", "1h"))
    with pytest.raises(InvalidInput, match=r"AppProject shop: spec.syncWindows\[0\].schedule"):
        await change(shop.session, "shop", rules.with_window(broken))
    assert await spec_of_shop(shop) == {"sourceRepos": [URL], "destinations": [HERE]}
    with pytest.raises(NotFound, match="shipway proj list"):
        await change(shop.session, "none", rules.with_source(URL))


async def test_a_project_in_use_stays(shop: Shop) -> None:
    await shop.create(APP_PROJECTS, project())
    await shop.create(APP_PROJECTS, project("default"))
    app = application()
    app["spec"]["project"] = "shop"
    await shop.create(APPLICATIONS, app)
    with pytest.raises(InvalidInput, match="project shop is used by shop"):
        await delete_project(shop.session, "shop")
    with pytest.raises(InvalidInput, match="cannot be deleted"):
        await delete_project(shop.session, "default")


async def test_what_is_shown(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    spec = {"description": "the shop", "syncWindows": [MORNING], "roles": [{"name": "ci", "policies": []}]}
    await shop.create(APP_PROJECTS, project(**spec, clusterResourceBlacklist=[ROLE_KIND]))
    await list_projects(shop.session)
    rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == "NAME DESTINATIONS SOURCES WINDOWS ROLES AGE DESCRIPTION"
    assert rows[1].startswith(f"shop {SERVER},shop {URL} 1 1 ")
    await show_project(shop.session, "shop")
    out = capsys.readouterr().out
    assert f"Sources:            {URL}\nDestinations:       {SERVER},shop\n" in out
    assert "not rbac.authorization.k8s.io/ClusterRole" in out
    assert 'allow "0 9 * * *" for 2h: active, changes at 2026-11-21T11:00:00Z' in out
    await list_projects(shop.session, "name")
    assert capsys.readouterr().out == "appproject.argoproj.io/shop\n"
    await list_projects(shop.session, all_namespaces=True)
    assert capsys.readouterr().out.splitlines()[1].split()[:2] == ["argocd", "shop"]
    await list_projects(shop.at("shop"))
    assert capsys.readouterr() == ("", "no AppProjects found in namespace shop: try -A or -n\n")


async def test_what_is_wrong_with_a_project_is_told(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await shop.create(APP_PROJECTS, project(syncWindows=[{**NIGHT, "duration": "long"}]))
    await show_project(shop.session, "shop")
    assert "AppProject shop: spec.syncWindows[0].duration: cannot parse duration" in capsys.readouterr().out
    await list_windows(shop.session, "shop")
    assert capsys.readouterr().out.splitlines()[1].split()[:2] == ["0", "Invalid"]


async def test_windows_say_whether_they_are_active(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await shop.create(APP_PROJECTS, project(syncWindows=[NIGHT, MORNING]))
    await list_windows(shop.session, "shop")
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert (rows[1][:3], rows[1][-1]) == (["0", "Inactive", "deny"], "2026-11-21T22:00:00Z")
    assert (rows[2][:3], rows[2][-1]) == (["1", "Active", "allow"], "2026-11-21T11:00:00Z")
    await list_windows(shop.session, "shop", "json")
    items = orjson.loads(capsys.readouterr().out)["items"]
    assert [item["status"] for item in items] == ["Inactive", "Active"]
    added = WindowFlags("deny", "0 1 * * *", "1h", applications="web, api", manual_sync=True, time_zone="Europe/Madrid")
    await change(shop.session, "shop", rules.with_window(window_of(added)))
    await change(shop.session, "shop", rules.without_window(0))
    assert (await spec_of_shop(shop))["syncWindows"] == [
        MORNING,
        {
            "kind": "deny",
            "schedule": "0 1 * * *",
            "duration": "1h",
            "applications": ["web", "api"],
            "manualSync": True,
            "timeZone": "Europe/Madrid",
        },
    ]


async def test_roles(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    policy = "p, proj:shop:ci, applications, sync, shop/*, allow"
    roles = [{"name": "ci", "description": "for the build", "policies": [policy], "groups": ["dev", "ops"]}]
    await shop.create(APP_PROJECTS, project(roles=roles))
    await list_roles(shop.session, "shop")
    assert capsys.readouterr().out.splitlines()[1].split() == ["ci", "1", "dev,ops", "for", "the", "build"]
    await list_roles(shop.session, "shop", "name")
    assert capsys.readouterr().out == "ci\n"


async def test_a_file_with_a_project(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text(orjson.dumps(project()).decode())
    assert await create_project(shop.session, "", ProjectFlags(description="new"), CreateFlags(file=file)) == 0
    assert await spec_of_shop(shop) == {"sourceRepos": [URL], "destinations": [HERE], "description": "new"}
    file.write_text("kind: ConfigMap")
    with pytest.raises(InvalidInput, match="there is no AppProject in it"):
        await create_project(shop.session, "", ProjectFlags(), CreateFlags(file=file))
    with pytest.raises(InvalidInput, match="say the project's name"):
        await create_project(shop.session, "", ProjectFlags(), CreateFlags())


@pytest.mark.parametrize(
    "verb",
    [
        "list", "get", "create", "set", "delete", "add-source", "remove-source", "add-destination", "remove-destination",
        "add-source-namespace", "remove-source-namespace", "allow-cluster-resource", "deny-cluster-resource",
        "allow-namespace-resource", "deny-namespace-resource", "windows", "role",
    ],
)  # fmt: skip
def test_every_act_has_its_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["proj", verb, "--help"]) == 0
    assert f"shipway proj {verb}" in capsys.readouterr().out
