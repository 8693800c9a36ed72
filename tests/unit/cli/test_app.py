"""`shipway app`: what is shown, and the cores against an embedded API server."""

import asyncio
import getpass

import orjson
import pytest

from shipway.api.kinds import ANALYSIS_RUNS, APPLICATIONS, ROLLOUTS
from shipway.base.errors import NotFound, NotYet
from shipway.cli import app_sync, app_view
from shipway.cli.app import children_of, find_app, list_apps, show_app, show_history, sync_app
from shipway.cli.app_sync import SyncFlags
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from shipway.kube.runtime.waiting import One, follow
from tests.unit.cli.conftest import Shop
from tests.unit.cli.objects import NOW, application, family

OVERVIEW = """\
Name:         shop
Namespace:    argocd
Project:      default
Source:       https://git.example/shop.git  web at main
Destination:  in-cluster/shop
Sync policy:  automated (prune, self-heal)
Sync:         Synced 0123456
Health:       Healthy
Operation:    Succeeded 2m ago
Message:      successfully synced (all tasks run)

GROUP   KIND         NAMESPACE   NAME   SYNC     HEALTH    MESSAGE
        Service      shop        web    Synced
apps    Deployment   shop        web    Synced   Healthy

because
"""


def test_an_application_alone() -> None:
    assert app_view.overview(application(), "because", NOW) == OVERVIEW.splitlines()


def test_an_application_nobody_has_looked_at_yet() -> None:
    new = application()
    del new["status"]
    lines = app_view.overview(new, "because", NOW)
    assert "Sync:         Unknown" in lines
    assert lines[-2:] == ["", "because"]


def test_conditions_are_shown() -> None:
    broken = application(conditions=[{"type": "ComparisonError", "message": "repository not found"}])
    assert "ComparisonError:         repository not found" in app_view.overview(broken, "", NOW)


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (None, "manual"),
        ({"syncOptions": ["CreateNamespace=true"]}, "manual"),
        ({"automated": {}}, "automated"),
        ({"automated": {"enabled": False, "prune": True}}, "manual"),
        ({"automated": {"selfHeal": True}}, "automated (self-heal)"),
    ],
)
def test_sync_policies(policy: Obj | None, words: str) -> None:
    app = application()
    app["spec"]["syncPolicy"] = policy
    assert f"Sync policy:  {words}" in app_view.overview(app, "", NOW)


def test_history_rows() -> None:
    assert app_view.history_rows(application(), NOW) == [
        ["0", "2026-11-20T10:00:00Z", "24h", "fffffff", "automated sync"],
        ["1", "2026-11-21T09:58:00Z", "2m", "0123456", "ann"],
    ]


async def test_list(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await shop.create(APPLICATIONS, application())
    assert await list_apps(shop.session) == 0
    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split() == ["NAME", "PROJECT", "SYNC", "HEALTH", "REVISION", "TARGET", "PATH", "AGE"]
    assert row.split()[:7] == ["shop", "default", "Synced", "Healthy", "0123456", "main", "web"]


async def test_applications_are_looked_for_in_argocd_unless_n_says_otherwise(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    await shop.create(APPLICATIONS, application())
    await list_apps(shop.session, output="name")
    await list_apps(shop.at("shop"), output="name")
    await list_apps(shop.at("shop"), all_namespaces=True, output="name")
    assert capsys.readouterr().out == "application.argoproj.io/shop\n" * 2
    with pytest.raises(NotFound, match="Application shop not found in namespace shop: `shipway app list -A`"):
        await find_app(shop.at("shop"), "shop")


async def test_list_by_label(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    labelled = application("other")
    labelled["metadata"]["labels"] = {"team": "a"}
    for app in (application(), labelled):
        await shop.create(APPLICATIONS, app)
    await list_apps(shop.session, selector="team=a", output="name")
    assert capsys.readouterr().out == "application.argoproj.io/other\n"


async def test_get_ends_with_the_sentence(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await shop.create(APPLICATIONS, application())
    assert await show_app(shop.session, "shop") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "shop is Synced to 0123456 and Healthy."


async def test_the_sentence_knows_the_rollouts_below(shop: Shop) -> None:
    await shop.create_family(family())
    rows = [{"group": "argoproj.io", "version": "v1alpha1", "kind": "Rollout", "namespace": "shop", "name": "web"}]
    rows.append({**rows[0], "name": "gone"})
    found = await children_of(shop.session, application(resources=rows))
    assert sorted(obj["kind"] for obj in found) == ["AnalysisRun", "ReplicaSet", "ReplicaSet", "Rollout"]
    assert {kind.kind for kind in (ROLLOUTS, ANALYSIS_RUNS)} <= {obj["kind"] for obj in found}


async def test_history_as_json(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await shop.create(APPLICATIONS, application())
    await show_history(shop.session, "shop", "json")
    document = orjson.loads(capsys.readouterr().out)
    assert (document["kind"], [entry["id"] for entry in document["items"]]) == ("ApplicationHistory", [0, 1])


async def test_sync_asks_as_argo_cd_clients_do(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await shop.create(APPLICATIONS, application())
    flags = SyncFlags(revision="v2", prune=True, wait=False)
    assert await sync_app(shop.session, "shop", flags) == 0
    asked = (await shop.app("shop"))["operation"]
    assert asked["sync"] == {"prune": True, "revision": "v2"}
    assert asked["initiatedBy"] == {"username": getpass.getuser()}
    assert capsys.readouterr().out == "application.argoproj.io/shop\n"


def test_options_and_retries_of_the_application_go_with_the_sync() -> None:
    app = application()
    app["spec"]["syncPolicy"] = {"syncOptions": ["ServerSideApply=true"], "retry": {"limit": 2}}
    asked = app_sync.operation(app, SyncFlags())
    assert (asked["sync"], asked["retry"]) == ({"syncOptions": ["ServerSideApply=true"]}, {"limit": 2})


async def test_sync_refuses_while_another_one_is_under_way(shop: Shop) -> None:
    await shop.create(APPLICATIONS, {**application(), "operation": {"sync": {}}})
    with pytest.raises(NotYet, match="another operation of shop is under way"):
        await sync_app(shop.session, "shop", SyncFlags())


@pytest.mark.parametrize(("phase", "code"), [("Succeeded", 0), ("Failed", 1), ("Error", 1)])
async def test_sync_waits_for_its_own_end(shop: Shop, capsys: pytest.CaptureFixture[str], phase: str, code: int) -> None:
    await shop.create(APPLICATIONS, application())
    async with asyncio.TaskGroup() as group:
        engine = group.create_task(engine_of(shop, phase))
        assert await sync_app(shop.session, "shop", SyncFlags(timeout=20)) == code
        engine.cancel()
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == f"{phase}: that was it"
    assert "configmap/web created" in out
    assert err.splitlines() == ["syncing shop ...", "waiting for healthy state of Deployment/web"]


async def test_the_end_of_an_earlier_sync_is_not_taken_for_ours(shop: Shop) -> None:
    app = application()
    asked = {**app, "operation": app_sync.operation({**app, "metadata": {"resourceVersion": "7"}}, SyncFlags())}
    mark = app_sync.mark_of(asked["operation"])
    ours = {**app, "status": {"operationState": {"phase": "Succeeded", "operation": asked["operation"]}}}
    assert [app_sync.has_ended(state, mark) for state in (app, asked, ours)] == [False, False, True]


async def test_sync_that_takes_too_long_says_what_it_waits_for(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await shop.create(APPLICATIONS, application())
    assert await sync_app(shop.session, "shop", SyncFlags(timeout=0.05)) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == "the sync of shop has not ended after 0.05 s: nobody has taken it up: is `shipway run` running?"


async def test_sync_asks_again_when_the_engine_wrote_meanwhile(shop: Shop) -> None:
    stale = await shop.create(APPLICATIONS, application())
    await shop.client.patch(APPLICATIONS, "argocd", "shop", {"metadata": {"annotations": {"x": "y"}}})
    asked = await app_sync.request(shop.session, stale, SyncFlags())
    assert dig(asked, "operation", "initiatedBy", "username") == getpass.getuser()


async def engine_of(shop: Shop, phase: str) -> None:
    """Does what the GitOps engine does to an Application whose sync is asked for."""
    async for app in follow(shop.client, One(APPLICATIONS, "argocd", "shop")):
        if app and app.get("operation") and dig(app, "status", "operationState", "phase") == "Succeeded":
            row = {"kind": "ConfigMap", "name": "web", "status": "Synced", "message": "configmap/web created"}
            state = {
                "phase": phase,
                "message": "that was it",
                "operation": app["operation"],
                "startedAt": "2026-11-21T10:00:00Z",
                "syncResult": {"revision": "v2", "resources": [{"group": "", "version": "v1", "namespace": "shop", **row}]},
            }
            waiting = {**state, "phase": "Running", "message": "waiting for healthy state of Deployment/web"}
            await shop.client.patch(APPLICATIONS, "argocd", "shop", {"status": {"operationState": waiting}})
            body = {"operation": None, "status": {"operationState": state}}
            await shop.client.patch(APPLICATIONS, "argocd", "shop", body)
