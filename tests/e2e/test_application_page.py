"""The page of Applications as a person sees it: a real browser on `shipway app dashboard`, states given."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import pytest_asyncio

from shipway.api.kinds import APP_PROJECTS, APPLICATION_SETS, APPLICATIONS, DEPLOYMENTS, NAMESPACES, PODS
from shipway.assembly.cluster import EmbeddedCluster, embedded_cluster
from shipway.assembly.installation import install_crds
from shipway.base.clock import SystemClock
from shipway.gitops.annotations import HOLD
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of, uid_of
from tests.browser import browser
from tests.e2e.running import served_page
from tests.waiting import comes_to

SPELL = "<img src=x onerror=alert(1)>"
"""What must never be read as markup."""
COMMITS = ("a" * 40, "b" * 40)


def application(name: str, cluster: str, health: str, *, parent: str = "shop", message: str = "") -> Obj:
    """One of a service's Applications: its ApplicationSet makes one for each cluster."""
    owner = {"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet", "name": parent, "controller": True}
    source = {"repoURL": "https://bob:s3cr3t@git.example/shop.git", "path": name, "targetRevision": "main"}
    deployment = {"group": "apps", "kind": "Deployment", "namespace": "shop", "name": name, "status": "Synced"}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": "argocd", "labels": {"team": "a"}, "ownerReferences": [owner]},
        "spec": {"project": "default", "source": source, "destination": {"name": cluster, "namespace": "shop"}},
        "status": {
            "sync": {"status": "Synced", "revision": COMMITS[1]},
            "health": {"status": health},
            "resources": [{**deployment, "health": {"status": health, "message": message}}],
            "summary": {"images": [f"example/{name}:2"]},
            "history": [
                {"id": at, "revision": commit, "deployedAt": f"2026-11-2{at}T08:00:00Z", "source": source}
                for at, commit in enumerate(COMMITS)
            ],
        },
    }


FLEET = (
    application("shop-eu", "eu", "Healthy"),
    application("shop-us", "us", "Degraded", message=f"no image {SPELL}"),
    application("mail-eu", "eu", "Healthy", parent="mail"),
)


def application_set(name: str) -> Obj:
    template = {"metadata": {"name": "{{name}}"}, "spec": FLEET[0]["spec"]}
    spec = {"generators": [{"list": {"elements": []}}], "template": template}
    head = {"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet"}
    return {**head, "metadata": {"name": name, "namespace": "argocd"}, "spec": spec}


def owned(app: Obj, *owners: Obj) -> Obj:
    return {**app, "metadata": {**app["metadata"], "ownerReferences": [*owners]}}


@pytest_asyncio.fixture
async def cluster(tmp_path: Path) -> AsyncGenerator[EmbeddedCluster, None]:
    async with embedded_cluster(tmp_path / "home", SystemClock()) as one:
        await install_crds(one.client)
        await one.client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}})
        uids = {name: uid_of(await one.client.create(APPLICATION_SETS, application_set(name))) for name in ("shop", "mail")}
        for app in FLEET:
            (owner,) = app["metadata"]["ownerReferences"]
            await one.client.create(APPLICATIONS, owned(app, {**owner, "uid": uids[owner["name"]]}))
        yield one


def dashboard(cluster: EmbeddedCluster, folder: Path) -> AbstractAsyncContextManager[str]:
    """Its address, while it runs."""
    return served_page("app", cluster.kubeconfig, folder / "url", "--port", "0")


def text(selector: str) -> str:
    return f"document.querySelector('{selector}')?.innerText"


def click(selector: str) -> str:
    return f"document.querySelector('{selector}').click()"


WAY = "document.querySelector('#way')"
SHARES = "document.querySelector('.shares svg').getAttribute('aria-label')"
GROUPS = "[...document.querySelectorAll('.group h2')].map((one) => one.firstChild.data).join('; ')"


@pytest.mark.proves("001-40", "000-32")
@pytest.mark.timeout(360)
async def test_a_fleet_in_groups_the_worst_first(
    cluster: EmbeddedCluster, program: Callable[[str], str], tmp_path: Path
) -> None:
    """A service is a group; its worst child gives it its health and its reason."""
    async with dashboard(cluster, tmp_path) as url, browser(program("chromium"), tmp_path) as tab:
        await tab.open(url)
        await tab.until(f"{GROUPS} === 'ApplicationSet shop; ApplicationSet mail'", within=60)
        assert "Degraded" in await tab.value(text(".group h2 .badge"))
        assert f"shop-us is Degraded: Deployment shop/shop-us: no image {SPELL}." == await tab.value(text(".reason"))
        assert await tab.value("document.querySelectorAll('.reason').length") == 1
        assert await tab.value(SHARES) == "1 Degraded, 2 Healthy"
        await tab.value(f"{WAY}.value = 'cluster'; {WAY}.dispatchEvent(new Event('input', {{bubbles: true}}))")
        await tab.until(f"{GROUPS} === 'us; eu'")

        healed = {"status": {"health": {"status": "Healthy"}}}
        await cluster.client.patch(APPLICATIONS, "argocd", "shop-us", healed)
        await tab.until(f"{SHARES} === '3 Healthy'")
        await cluster.client.delete(APPLICATIONS, "argocd", "mail-eu")
        await tab.until(f"{text('#count')} === '2 of 2'")
        shown = await tab.value("document.documentElement.outerHTML")
        assert "s3cr3t" not in shown
        assert await tab.value("document.querySelector('img') === null")
        assert tab.troubles == []


PROJECT: Obj = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "AppProject",
    "metadata": {"namespace": "argocd", "name": "default", "annotations": {"shipway.dev/require-reason": "true"}},
    "spec": {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}]},
}


@pytest.mark.proves("000-21", "000-32")
@pytest.mark.timeout(360)
async def test_what_a_person_does_is_written_as_the_commands_write_it(
    cluster: EmbeddedCluster, program: Callable[[str], str], tmp_path: Path
) -> None:
    async def operation() -> object:
        return (await cluster.client.get(APPLICATIONS, "argocd", "shop-us")).get("operation", {}).get("sync")

    await cluster.client.create(APP_PROJECTS, PROJECT)
    async with dashboard(cluster, tmp_path) as url, browser(program("chromium"), tmp_path) as tab:
        await tab.open(f"{url}#/argocd/shop-us")
        await tab.until(f"{text('.head h2')} === 'shop-us'", within=60)
        assert await tab.value("document.querySelector('button[data-verb=terminate]').disabled")

        await tab.value(click("button[data-verb=sync]"))
        assert "is made what Git says at main" in await tab.value(text("#ask-says"))
        assert await tab.value(text("#ask-field span")) == "Why"
        await tab.value(click("#ask-yes"))
        assert await tab.value("document.querySelector('#ask').open"), "not without a reason"
        await tab.value("document.querySelector('#ask-input').value = 'the sale begins'")
        await tab.value(click("#ask-yes"))
        await tab.until(f"{text('#said')} === 'Sync: done'")
        await comes_to({}, operation)
        asked = (await cluster.client.get(APPLICATIONS, "argocd", "shop-us"))["operation"]
        assert {"name": "reason", "value": "the sale begins"} in asked["info"]
        await tab.until("document.querySelector('button[data-verb=sync]').disabled")

        await cluster.client.patch(APPLICATIONS, "argocd", "shop-us", {"operation": None})
        await tab.until("!document.querySelector('button[data-verb=rollback-0]').disabled")
        await tab.value(click("button[data-verb=rollback-0]"))
        await tab.value("document.querySelector('#ask-input').value = 'two is wrong'")
        await tab.value(click("#ask-yes"))
        await tab.until(f"{text('#said')} === 'Back to 0: done'")
        found = await cluster.client.get(APPLICATIONS, "argocd", "shop-us")
        assert found["operation"]["sync"]["revision"] == COMMITS[0]
        assert HOLD in found["metadata"]["annotations"]
        await tab.until("!document.querySelector('button[data-verb=resume]').disabled")
        assert tab.troubles == []


ECHO: Obj = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "shop-in", "namespace": "shop"},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "shop"}},
        "template": {
            "metadata": {"labels": {"app": "shop"}},
            "spec": {
                "terminationGracePeriodSeconds": 5,
                "containers": [{"name": "web", "image": "builtin/echo:v1", "ports": [{"containerPort": 8080}]}],
            },
        },
    },
}
LINK = "document.querySelector('a.logs[aria-label^=\"Logs of Pod\"]')"
LINES = "document.querySelector('#logs-lines').innerText"
STATE = "document.querySelector('#logs-state').innerText"
IS_OPEN = "document.querySelector('#logs').open"
WIDE = "[...document.querySelectorAll('#logs, #logs-lines')].some((one) => one.scrollWidth > one.clientWidth)"


@pytest.mark.timeout(360)
async def test_the_logs_of_a_pod_are_read_and_followed(
    cluster: EmbeddedCluster, program: Callable[[str], str], tmp_path: Path
) -> None:
    """By the keyboard; the address leads back to them, and a narrow window holds them."""
    await cluster.client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    await cluster.client.create(DEPLOYMENTS, ECHO)
    await cluster.client.create(APPLICATIONS, owned(application("shop-in", "in-cluster", "Healthy")))
    async with dashboard(cluster, tmp_path) as url, browser(program("chromium"), tmp_path) as tab:
        await tab.open(f"{url}#/argocd/shop-in")
        await tab.until(f"{LINK} !== null")
        await tab.value(f"{LINK}.focus()")
        await tab.key("Enter")
        await tab.until(f"{LINES}.includes('echo v1 serving')")
        assert await tab.value(STATE) == "live"
        (pod,) = (await cluster.client.list(PODS, "shop")).items
        assert await tab.value("location.hash") == f"#/argocd/shop-in/logs//Pod/shop/{name_of(pod)}"

        await cluster.client.delete(PODS, "shop", name_of(pod))
        await tab.until(f"{LINES}.includes('SIGTERM: draining')")
        await tab.until(f"{STATE}.startsWith('The log has ended')")
        await tab.value("document.querySelector('#logs-filter').focus()")
        for letter in "drain":
            await tab.key(letter)
        await tab.until("/^2 of \\d+ lines$/.test(document.querySelector('#logs-count').innerText)")
        assert await tab.value(LINES) == "SIGTERM: draining\ndrained"
        await tab.value("document.querySelector('#logs-close').focus()")
        await tab.key("Escape")
        await tab.until(f"!{IS_OPEN} && location.hash === '#/argocd/shop-in'")

        await tab.until(f"{LINK} !== null && !{LINK}.href.endsWith('/{name_of(pod)}')")
        await tab.ask("Emulation.setDeviceMetricsOverride", width=360, height=640, deviceScaleFactor=1, mobile=True)
        await tab.value("location.hash = '#/argocd/shop-in/logs/apps/Deployment/shop/shop-in'")
        await tab.until(f"{IS_OPEN} && {LINES}.includes('echo v1 serving')")
        assert (await tab.value("document.querySelector('#logs-voice').selectedOptions[0].text")).endswith(" / web")
        assert not await tab.value(WIDE)
        assert tab.troubles == []
