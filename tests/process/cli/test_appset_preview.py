"""`shipway appset preview` with a real repository and real workers, against an embedded API server."""

import asyncio
import random
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from shipway.api.crds import load_crds
from shipway.api.kinds import APPLICATION_SETS, APPLICATIONS, CRDS, NAMESPACES, SECRETS
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


async def test_branches_of_a_forge_become_applications_as_soon_as_a_webhook_tells_of_them(
    session: Session, tmp_path: Path
) -> None:
    secret = {"metadata": {"namespace": "argocd", "name": "forge"}, "stringData": {"token": TOKEN}}
    await session.client.create(SECRETS, secret)
    await make_applied_key(session.client, "argocd")
    settings = RunSettings(engines=("appsets",), cache=tmp_path / "cache")
    async with forge_server("github") as forge, engine_process(session.client, CLOCK, settings) as process:
        shop = Repo("shop", {"main": set(), "Feature/Login": set()})
        forge.repos = [shop]
        appset = fleet("unused")
        block = {
            "organization": "acme",
            "api": forge.url,
            "allBranches": True,
            "tokenRef": {"secretName": "forge", "key": "token"},
        }
        appset["spec"]["generators"] = [{"scmProvider": {"github": block, "filters": [{"branchMatch": "^(main|Feature/)"}]}}]
        appset["spec"]["template"]["metadata"]["name"] = "{{ .repository }}-{{ .branchNormalized }}"
        appset["spec"]["template"]["spec"]["source"] = {
            "repoURL": "{{ .url }}",
            "path": "deploy",
            "targetRevision": "{{ .branch }}",
        }
        async with asyncio.TaskGroup() as group:
            running = group.create_task(run(process))
            await session.client.create(APPLICATION_SETS, appset)
            await until_named(session, "shop-main", "shop-feature-login")
            shop.branches |= {"Feature/Cart": set(), "other": set()}
            assert process.pushed(PushEvent(("https://forge.test/acme/shop.git",), ("refs/heads/Feature/Cart",))) == 1
            made = await until_named(session, "shop-main", "shop-feature-login", "shop-feature-cart")
            assert {spec_of(one)["source"]["targetRevision"] for one in made} == {"main", "Feature/Login", "Feature/Cart"}
            shop.branches["Feature/cart"] = set()  # the same name, once it is one
            process.pushed(PushEvent(("https://forge.test/acme/shop.git",), ()))
            is_said = "contains applications with duplicate name: shop-feature-cart"
            await wait_until(
                session.client,
                One(APPLICATION_SETS, "argocd", "fleet"),
                lambda one: is_said in str(status_of(one or {})),
                seconds=20,
            )
            await until_named(session, "shop-main", "shop-feature-login", "shop-feature-cart")
            running.cancel()
