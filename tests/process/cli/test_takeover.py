"""`shipway import argocd`, `shipway app takeover` and `handback`: Applications of an Argo CD before and after they move."""

from collections.abc import Generator
from pathlib import Path

import orjson
import pytest
import structlog

from shipway.api.kinds import (
    APP_PROJECTS,
    APPLICATION_SETS,
    APPLICATIONS,
    CONFIG_MAPS,
    DEPLOYMENTS,
    EVENTS,
    LEASES,
    NAMESPACES,
    SECRETS,
    STATEFUL_SETS,
)
from shipway.base.errors import InvalidInput, NotFound, NotYet
from shipway.cli.app_takeover import hand_back, take_over
from shipway.cli.imports import import_argocd
from shipway.cli.process import configure_logs
from shipway.kube.objects.resource import Obj, Resource
from shipway.kube.objects.views import resource_version_of
from tests.repository import seed
from tests.unit.cli.conftest import Shop
from tests.unit.cli.objects import application
from tests.unit.cli.test_app_diff import PROJECT

SKIP, LABEL = "argocd.argoproj.io/skip-reconcile", "shipway.dev/reconcile"


def manifest(colour: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: settings}}\ndata: {{colour: {colour}}}\n"


def controller(resource: Resource, name: str) -> Obj:
    labels = {"app.kubernetes.io/name": name}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "argoproj/controller:1"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": pod}
    meta = {"name": name, "namespace": "argocd", "labels": labels}
    more = {"serviceName": "x"} if resource == STATEFUL_SETS else {}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta, "spec": {**spec, **more}}


@pytest.fixture(autouse=True)
def quiet() -> Generator[None, None, None]:
    """As the command is: what the engine says goes to nobody."""
    before = structlog.get_config()
    configure_logs(quiet=True)
    yield
    structlog.configure(**before)


@pytest.fixture
async def cache(shop: Shop, tmp_path: Path) -> Path:
    """A running Argo CD with two Applications: of `pay` it applied what Git says, of `web` something else."""
    await shop.create(APP_PROJECTS, PROJECT)
    await shop.create(STATEFUL_SETS, controller(STATEFUL_SETS, "argocd-application-controller"))
    settings = {"url": "https://argocd.test", "kustomize.pathologies": "many"}
    meta = {"name": "argocd-cm", "namespace": "argocd"}
    await shop.create(CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": settings})
    flags = {
        "application.namespaces": "team-*",
        "applicationsetcontroller.policy": "sync",
        "controller.log.level": "debug",
        "reposerver.allow.oob.symlinks": "true",
    }
    meta = {"name": "argocd-cmd-params-cm", "namespace": "argocd"}
    await shop.create(CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": flags})
    for name in ("pay", "web"):
        copy, url = seed(tmp_path, name, {"settings.yaml": manifest("green")})
        app = application(name)
        app["spec"] |= {"source": {"repoURL": url, "path": ".", "targetRevision": "main"}}
        app["spec"]["destination"] = {"server": "https://kubernetes.default.svc", "namespace": name}
        row = {"kind": "ConfigMap", "version": "v1", "namespace": name, "name": "settings", "status": "Synced"}
        sync = {"status": "Synced", "revision": copy.git("rev-parse", "HEAD")}
        app["status"] = {"sync": sync, "health": {"status": "Healthy"}, "resources": [row]}
        await shop.create(APPLICATIONS, app)
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        await shop.client.create(Resource("", "v1", "Namespace", "namespaces", namespaced=False), body)
        tracked = {"argocd.argoproj.io/tracking-id": f"{name}:/ConfigMap:{name}/settings"}
        live = {"metadata": {"name": "settings", "namespace": name, "annotations": tracked}}
        colour = {"data": {"colour": "green" if name == "pay" else "red"}}
        await shop.client.create(CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", **live, **colour})
    return tmp_path / "cache"


async def versions(shop: Shop) -> list[str]:
    kinds = (APPLICATIONS, APP_PROJECTS, CONFIG_MAPS, SECRETS, LEASES, EVENTS)
    return [resource_version_of(one) for kind in kinds for one in (await shop.client.list(kind)).items]


@pytest.mark.proves("001-17", "fleets:import")
async def test_all_is_compared_and_nothing_is_written(shop: Shop, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = await versions(shop)
    assert await import_argocd(shop.session, 60.0, cache) == 1
    out, err = capsys.readouterr()
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines == [
        "Argo CD is alive (StatefulSet argocd/argocd-application-controller is to have a replica)",
        "2 Applications, 1 AppProject, 0 ApplicationSets, no clusters besides this one",
        "",
        "APPLICATION THERE HERE DIFFERS",
        "argocd/pay Synced Healthy Synced Healthy",
        "argocd/web Synced Healthy OutOfSync Healthy 2",
        "",
        "What differs:",
        "argocd/web: sync: the status says Synced, Shipway OutOfSync",
        "argocd/web: ConfigMap web/settings: the status says Synced, Shipway OutOfSync",
        "",
        "Settings in argocd-cm and argocd-cmd-params-cm that do not act here: kustomize.pathologies, "
        "reposerver.allow.oob.symlinks",
        "",
        "Seen alike: 1 of 2. To take one over: shipway app takeover pay",
    ]
    assert err.splitlines()[-1] == "compared 2 of 2 Applications"
    assert await versions(shop) == before


async def test_programs_read_the_same(shop: Shop, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await import_argocd(shop.session, 60.0, cache, "json") == 1
    found = orjson.loads(capsys.readouterr().out)
    assert [(one["application"], one["agreement"]) for one in found["applications"]] == [
        ("argocd/pay", "agrees"),
        ("argocd/web", "differs"),
    ]
    assert found["unreadSettings"] == ["kustomize.pathologies", "reposerver.allow.oob.symlinks"]


async def test_applications_of_the_other_namespaces_are_compared_too(
    shop: Shop, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those that `application.namespaces` says; the rest is nobody's."""
    for namespace in ("team-a", "lab"):
        await shop.client.create(NAMESPACES, {"metadata": {"name": namespace}})
        app = application("web")
        app["metadata"] = {"name": "web", "namespace": namespace}
        await shop.create(APPLICATIONS, app)
    assert await import_argocd(shop.session, 60.0, cache, "json") == 1
    found = orjson.loads(capsys.readouterr().out)["applications"]
    assert [one["application"] for one in found] == ["argocd/pay", "argocd/web", "team-a/web"]
    assert "is not allowed to use project 'default'" in str(found[-1]["differences"])


async def test_a_repository_that_does_not_answer_is_said(shop: Shop, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone = {"spec": {"source": {"repoURL": "https://127.0.0.1:1/gone.git"}}}
    await shop.client.patch(APPLICATIONS, "argocd", "web", gone)
    assert await import_argocd(shop.session, 60.0, cache, "json") == 1
    web = orjson.loads(capsys.readouterr().out)["applications"][1]
    assert web["differences"][0].startswith("only Shipway says ComparisonError: ")


async def test_what_neither_can_compare_is_not_offered(shop: Shop, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = {"sync": {"status": "Unknown"}, "conditions": [{"type": "ComparisonError", "message": "gone"}]}
    for name in ("pay", "web"):
        body = {"spec": {"source": {"repoURL": "https://127.0.0.1:1/gone.git"}}, "status": {**broken, "health": None}}
        await shop.client.patch(APPLICATIONS, "argocd", name, body)
    await import_argocd(shop.session, 60.0, cache)
    lines = capsys.readouterr().out.splitlines()
    assert [line.rpartition("  ")[2] for line in lines if line.startswith("argocd/")] == 2 * ["neither can compare it"]
    assert lines[-1] == "No Application of 2 is seen alike yet."


async def test_where_no_application_is(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no Application in namespace shop: say with -n"):
        await import_argocd(shop.at("shop"), 1.0, tmp_path)


@pytest.mark.proves("000-19", "fleets:takeover")
async def test_one_that_is_as_git_says_moves_there_and_back(
    shop: Shop, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await take_over(shop.session, ("pay",), cache) == 0
    meta = (await shop.app("pay"))["metadata"]
    assert (meta["annotations"][SKIP], meta["labels"][LABEL]) == ("true", "true")
    assert await take_over(shop.session, ("pay",), cache) == 0
    assert capsys.readouterr() == (
        "pay is Shipway's now, and Argo CD leaves it alone. The way back: shipway app handback pay\n",
        "pay was taken over already\n",
    )
    assert await hand_back(shop.session, ("pay",)) == 0
    meta = (await shop.app("pay"))["metadata"]
    assert SKIP not in meta.get("annotations", {})
    assert LABEL not in meta.get("labels", {})


async def test_one_that_would_change_stays_unless_told(shop: Shop, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await take_over(shop.session, ("web",), cache) == 1
    out, err = capsys.readouterr()
    assert "+  colour: green" in out
    assert err.startswith("web stays with Argo CD: a sync would change the above")
    assert LABEL not in (await shop.app("web"))["metadata"].get("labels", {})
    assert await take_over(shop.session, ("web",), cache, anyway=True) == 0
    assert (await shop.app("web"))["metadata"]["labels"][LABEL] == "true"


async def test_none_moves_while_it_is_synced(shop: Shop, cache: Path) -> None:
    await shop.client.patch(APPLICATIONS, "argocd", "pay", {"operation": {"sync": {}}})
    for move in (take_over(shop.session, ("pay",), cache), hand_back(shop.session, ("pay",))):
        with pytest.raises(NotYet, match="pay is being synced"):
            await move


async def test_marks_that_an_application_set_would_take_away_are_not_made(shop: Shop, cache: Path) -> None:
    await shop.create(DEPLOYMENTS, controller(DEPLOYMENTS, "argocd-applicationset-controller"))
    spec: Obj = {"generators": [], "template": {"metadata": {"name": "x"}, "spec": (await shop.app("pay"))["spec"]}}
    meta = {"name": "all", "namespace": "argocd"}
    made = {"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet", "metadata": meta, "spec": spec}
    owner = await shop.create(APPLICATION_SETS, made)
    reference = {"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet", "name": "all", "uid": owner["metadata"]["uid"]}
    await shop.client.patch(APPLICATIONS, "argocd", "pay", {"metadata": {"ownerReferences": [reference]}})
    with pytest.raises(InvalidInput, match=r"kubectl -n argocd patch applicationset all --type=merge -p") as refused:
        await take_over(shop.session, ("pay",), cache)
    patch = orjson.loads(refused.value.message.rpartition("-p '")[2].rstrip("'"))
    await shop.client.patch(APPLICATION_SETS, "argocd", "all", patch)
    assert await take_over(shop.session, ("pay",), cache) == 0
