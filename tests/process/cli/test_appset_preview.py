"""`shipway appset preview` with a real repository and real workers, against an embedded API server."""

import asyncio
import random
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from shipway.api.crds import load_crds
from shipway.api.kinds import APP_PROJECTS, APPLICATION_SETS, APPLICATIONS, CONFIG_MAPS, CRDS, NAMESPACES, SECRETS
from shipway.assembly.engines import EngineProcess, engine_process
from shipway.assembly.installation import make_applied_key
from shipway.assembly.settings import RunSettings
from shipway.base.clock import SystemClock
from shipway.base.ids import RandomIds
from shipway.cli.appset_preview import show_preview
from shipway.cli.session import Session
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of, spec_of, status_of
from shipway.kube.runtime.waiting import One, wait_until
from shipway.localcluster.apiserver.server import ApiServer
from shipway.server.webhook import PushEvent
from tests.forge_server import TOKEN, Repo, forge_server
from tests.repository import WorkingCopy, seed

CLOCK = SystemClock()


@pytest.fixture
async def session() -> AsyncGenerator[Session, None]:
    server = await ApiServer.open(path=None, clock=CLOCK, ids=RandomIds(random.Random(1)))
    client = Client(server, user_agent="test", manager="test")
    for crd in load_crds():
        await client.create(CRDS, crd)
    while APPLICATION_SETS not in await client.discover():
        await CLOCK.sleep(0.02)
    await client.create(NAMESPACES, {"metadata": {"name": "argocd"}})
    await client.create(APP_PROJECTS, project("default"))
    yield Session(client, CLOCK)
    await server.close()


def fleet(url: str, pattern: str = "apps/*", **spec: object) -> Obj:
    template = {
        "metadata": {"name": "{{ .path.basenameNormalized }}"},
        "spec": {
            "project": "default",
            "source": {"repoURL": url, "path": "{{ .path.path }}", "targetRevision": "main"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
        },
    }
    git = {"git": {"repoURL": url, "revision": "main", "directories": [{"path": pattern}]}}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "metadata": {"name": "fleet", "namespace": "argocd"},
        "spec": {"goTemplate": True, "generators": [git], "template": template, **spec},
    }


def project(name: str, **spec: object) -> Obj:
    allowed = {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}]}
    meta = {"name": name, "namespace": "argocd"}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": meta, "spec": {**allowed, **spec}}


async def until_named(session: Session, *names: str) -> list[Obj]:
    for _ in range(600):
        found = (await session.client.list(APPLICATIONS, "argocd")).items
        if sorted(map(name_of, found)) == sorted(names):
            return found
        await CLOCK.sleep(0.05)
    raise AssertionError(f"there are {sorted(map(name_of, found))}")


async def run(process: EngineProcess) -> None:
    await process.run(lambda: None)


async def test_a_preview_says_what_the_engine_then_does(
    session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy, url = seed(tmp_path, "fleet", {"apps/web/a.yaml": "a: 1", "apps/api/a.yaml": "a: 1"})
    await make_applied_key(session.client, "argocd")
    assert await show_preview(session, [fleet(url)], "name", tmp_path / "preview") == 1
    assert capsys.readouterr().out.split() == ["application.argoproj.io/api", "application.argoproj.io/web"]
    settings = RunSettings(engines=("appsets",), cache=tmp_path / "cache", allow_local=True)
    async with engine_process(session.client, CLOCK, settings) as process, asyncio.TaskGroup() as group:
        running = group.create_task(run(process))
        await session.client.create(APPLICATION_SETS, fleet(url))
        made = await until_named(session, "api", "web")
        assert [spec_of(one)["source"]["path"] for one in made] == ["apps/api", "apps/web"]
        assert await show_preview(session, [fleet(url)], "table", tmp_path / "preview") == 0
        assert capsys.readouterr().err == "0 to create, 0 to alter, 0 to delete\n"
        changed = fleet(url, "apps/w*", templatePatch='{"spec": {"source": {"targetRevision": "v2"}}}')
        assert await show_preview(session, [changed], "table", tmp_path / "preview") == 1
        said = capsys.readouterr()
        assert "===== Application.argoproj.io argocd/api would be deleted =====" in said.out
        assert "-    targetRevision: main" in said.out and "+    targetRevision: v2" in said.out
        assert said.err == "0 to create, 1 to alter, 1 to delete\n"
        await until_named(session, "api", "web")
        await push(copy, process, url, {"apps/new/a.yaml": "a: 1"})
        await until_named(session, "api", "new", "web")
        running.cancel()


async def push(copy: WorkingCopy, process: EngineProcess, url: str, files: dict[str, str | bytes | None]) -> None:
    """A push, and the webhook that tells of it."""
    copy.commit(files)
    copy.push()
    assert process.pushed(PushEvent((url,), ("refs/heads/main",))) == 1


async def test_what_is_wrong_is_told_and_is_an_error(
    session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await show_preview(session, [fleet(f"file://{tmp_path}/nowhere.git")], "table", tmp_path / "preview") == 2
    assert "error: spec.generators[0].git: repository" in capsys.readouterr().err


@pytest.mark.compat("argocd:appset.git.signatureKeys", "argocd:appset.policy")
async def test_a_preview_shows_what_the_installation_permits(
    session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, url = seed(tmp_path, "fleet", {"apps/web/a.yaml": "a: 1"})
    await session.client.create(APP_PROJECTS, project("team", signatureKeys=[{"keyID": "4AEE18F83AFDEB23"}]))
    appset = fleet(url)
    appset["spec"]["template"]["spec"]["project"] = "team"
    assert await show_preview(session, [appset], "table", tmp_path / "preview") == 2
    told = "error: spec.generators[0].git: Target revision main in Git is not signed, but a signature is required"
    assert told in capsys.readouterr().err

    meta = {"name": "argocd-cmd-params-cm", "namespace": "argocd"}
    flags = {"applicationsetcontroller.policy": "create-only"}
    await session.client.create(CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": flags})
    await session.client.create(APPLICATION_SETS, fleet(url, "apps/none"))
    made = await session.client.get(APPLICATION_SETS, "argocd", "fleet")
    owner = {"apiVersion": made["apiVersion"], "kind": made["kind"], "name": "fleet", "uid": made["metadata"]["uid"]}
    there = {"name": "old", "namespace": "argocd", "ownerReferences": [{**owner, "controller": True}]}
    spec = {**appset["spec"]["template"]["spec"], "source": {"repoURL": url, "path": "apps/old"}}
    old = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": there, "spec": spec}
    await session.client.create(APPLICATIONS, old)
    assert await show_preview(session, [fleet(url)], "name", tmp_path / "preview") == 1
    assert capsys.readouterr().out.split() == ["application.argoproj.io/web"], "nothing is deleted"


def environments(forge: str, repository: str) -> Obj:
    """An environment for each branch of `acme/shop` that is main or a feature, from the folder `deploy` of that branch."""
    appset = fleet("unused")
    token = {"secretName": "forge", "key": "token"}
    block = {"organization": "acme", "api": forge, "allBranches": True, "tokenRef": token}
    name = "{{ .repository }}-{{ .branchNormalized }}"
    appset["spec"]["generators"] = [{"scmProvider": {"github": block, "filters": [{"branchMatch": "^(main|Feature/)"}]}}]
    appset["spec"]["template"] = {
        "metadata": {"name": name},
        "spec": {
            "project": "default",
            "source": {"repoURL": repository, "path": "deploy", "targetRevision": "{{ .branch }}"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": name},
            "syncPolicy": {"automated": {}, "syncOptions": ["CreateNamespace=true"]},
        },
    }
    return appset


def page(text: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: page}}\ndata: {{text: {text}}}\n"


async def until_live(session: Session, namespace: str, text: str) -> None:
    def shows(found: Obj | None) -> bool:
        return found is not None and found["data"] == {"text": text}

    await wait_until(session.client, One(CONFIG_MAPS, namespace, "page"), shows, seconds=60)


@pytest.mark.proves("002-03")
async def test_each_branch_of_a_forge_has_its_environment_as_soon_as_a_webhook_tells_of_it(
    session: Session, tmp_path: Path
) -> None:
    secret = {"metadata": {"namespace": "argocd", "name": "forge"}, "stringData": {"token": TOKEN}}
    await session.client.create(SECRETS, secret)
    await make_applied_key(session.client, "argocd")
    copy, url = seed(tmp_path, "shop", {"deploy/page.yaml": page("main")})

    def push_branch(name: str) -> None:
        copy.git("checkout", "-q", "-B", name, "main")
        copy.commit({"deploy/page.yaml": page(name)})
        copy.push(name)

    push_branch("Feature/Login")
    settings = RunSettings(engines=("appsets", "gitops"), cache=tmp_path / "cache", allow_local=True)
    async with forge_server("github") as forge, engine_process(session.client, CLOCK, settings) as process:
        shop = Repo("shop", {"main": set(), "Feature/Login": set()})
        forge.repos = [shop]

        def told(*refs: str) -> int:
            return process.pushed(PushEvent(("https://forge.test/acme/shop.git",), refs))

        async with asyncio.TaskGroup() as group:
            running = group.create_task(run(process))
            await session.client.create(APPLICATION_SETS, environments(forge.url, url))
            await until_live(session, "shop-main", "main")
            await until_live(session, "shop-feature-login", "Feature/Login")
            push_branch("Feature/Cart")
            shop.branches |= {"Feature/Cart": set(), "other": set()}
            assert told("refs/heads/Feature/Cart") == 1
            await until_live(session, "shop-feature-cart", "Feature/Cart")
            await until_named(session, "shop-main", "shop-feature-login", "shop-feature-cart")
            shop.branches["Feature/cart"] = set()  # the same name, once it is one
            told()
            is_said = "contains applications with duplicate name: shop-feature-cart"
            appset = One(APPLICATION_SETS, "argocd", "fleet")
            await wait_until(session.client, appset, lambda one: is_said in str(status_of(one or {})), seconds=20)
            await until_named(session, "shop-main", "shop-feature-login", "shop-feature-cart")
            await until_live(session, "shop-feature-cart", "Feature/Cart")
            running.cancel()
