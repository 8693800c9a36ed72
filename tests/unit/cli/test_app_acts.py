"""`shipway app why|wait|terminate|resources|delete` against an embedded API server."""

from collections.abc import Sequence

import pytest

from shipway.api.kinds import APPLICATIONS, STATEFUL_SETS
from shipway.base.errors import NotFound, NotYet
from shipway.cli.app_acts import Cascade, WaitFlags, delete, say_why, show_resources, terminate, wait_for
from shipway.cli.main import run
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from tests.unit.cli.conftest import Shop
from tests.unit.cli.objects import application

FINALIZER = "resources-finalizer.argocd.argoproj.io"
LATEST = "Last deployed 2m ago: 0123456; asked for by ann; before it: fffffff.\n"


async def stored(shop: Shop) -> Obj:
    return await shop.client.get(APPLICATIONS, "argocd", "shop")


async def test_why_is_one_sentence(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await shop.create(APPLICATIONS, application())
    assert await say_why(shop.session, "shop") == 0
    assert capsys.readouterr().out == f"shop is Synced to 0123456 and Healthy.\n{LATEST}"


async def test_why_says_whose_it_is_beside_a_live_argo_cd(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await shop.create(APPLICATIONS, application())
    labels = {"app.kubernetes.io/name": "argocd-application-controller"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "argoproj/controller:1"}]}}
    meta = {"name": "controller", "namespace": "argocd", "labels": labels}
    spec = {"replicas": 1, "serviceName": "x", "selector": {"matchLabels": labels}, "template": pod}
    await shop.create(STATEFUL_SETS, {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": meta, "spec": spec})
    await say_why(shop.session, "shop")
    assert capsys.readouterr().out == (
        "shop is Synced to 0123456 and Healthy. Argo CD reconciles it (StatefulSet argocd/controller is to have a replica), "
        f"and Shipway only looks: `shipway app takeover shop` hands it over.\n{LATEST}"
    )
    marks = {"annotations": {"argocd.argoproj.io/skip-reconcile": "true"}, "labels": {"shipway.dev/reconcile": "true"}}
    await shop.client.patch(APPLICATIONS, "argocd", "shop", {"metadata": marks})
    await say_why(shop.session, "shop")
    assert capsys.readouterr().out == f"shop is Synced to 0123456 and Healthy.\n{LATEST}"


@pytest.mark.parametrize("flags", [WaitFlags(), WaitFlags(sync=True), WaitFlags(health=True), WaitFlags(operation=True)])
async def test_waiting_ends_at_once_where_all_is_well(shop: Shop, flags: WaitFlags) -> None:
    await shop.create(APPLICATIONS, application())
    assert await wait_for(shop.session, "shop", flags) == 0


async def test_waiting_in_vain_says_why(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await shop.create(APPLICATIONS, application(health={"status": "Degraded"}))
    assert await wait_for(shop.session, "shop", WaitFlags(timeout=0.1)) == 1
    assert "Degraded" in capsys.readouterr().err
    assert await wait_for(shop.session, "shop", WaitFlags(sync=True)) == 0


async def test_only_what_runs_can_be_terminated(shop: Shop) -> None:
    await shop.create(APPLICATIONS, application())
    with pytest.raises(NotYet):
        await terminate(shop.session, "shop")
    running = {"operation": {"sync": {}}, "status": {"operationState": {"phase": "Running", "message": "waiting"}}}
    await shop.client.patch(APPLICATIONS, "argocd", "shop", running)
    assert await terminate(shop.session, "shop") == 0
    assert dig(await stored(shop), "status", "operationState", "phase") == "Terminating"


async def test_resources_by_name_fit_kubectl(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await shop.create(APPLICATIONS, application())
    await show_resources(shop.session, "shop", "name")
    assert capsys.readouterr().out == "service/web\ndeployment.apps/web\n"


@pytest.mark.parametrize(
    ("cascade", "finalizers"),
    [
        ("foreground", ["mine/keep", FINALIZER]),
        ("background", ["mine/keep", f"{FINALIZER}/background"]),
        ("none", ["mine/keep"]),
    ],
)
async def test_deleting_says_how_far_it_goes(shop: Shop, cascade: Cascade, finalizers: Sequence[str]) -> None:
    await shop.create(APPLICATIONS, application())
    await shop.client.patch(APPLICATIONS, "argocd", "shop", {"metadata": {"finalizers": ["mine/keep", FINALIZER]}})
    assert await delete(shop.session, "shop", cascade) == 0
    going = await stored(shop)
    assert going["metadata"]["finalizers"] == finalizers
    assert going["metadata"]["deletionTimestamp"]


async def test_what_is_not_there_is_told(shop: Shop) -> None:
    with pytest.raises(NotFound, match="shipway app list"):
        await say_why(shop.session, "shop")


@pytest.mark.parametrize(
    "verb",
    [
        "why",
        "audit",
        "wait",
        "terminate",
        "resources",
        "set",
        "delete",
        "rollback",
        "resume",
        "diff",
        "tree",
        "plan",
        "manifests",
        "create",
        "logs",
    ],
)
def test_every_act_has_its_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["app", verb, "--help"]) == 0
    assert f"shipway app {verb}" in capsys.readouterr().out
