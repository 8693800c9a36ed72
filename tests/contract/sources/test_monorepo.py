"""Three hundred Applications of one repository over HTTP: one look at the remote for all, and a push renders what it feeds.

The whole way from a push to a status, with the real controllers, mirrors and renderers; nobody annotated which paths count.
"""

import asyncio
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from shipway.api.crds import load_crds
from shipway.api.kinds import APP_PROJECTS, APPLICATIONS, CRDS, NAMESPACES
from shipway.api.sources import Head
from shipway.assembly.installation import create_missing
from shipway.assembly.pushes import Pushes
from shipway.assembly.repositories import repositories_now
from shipway.assembly.sources import Sources
from shipway.base.clock import SystemClock
from shipway.base.ids import RandomIds
from shipway.demo.git_server import GitServer
from shipway.gitops.asks import DryRunAsk, HeadAsk, KnownHeadAsk, RenderAsk
from shipway.gitops.controllers import gitops_controllers
from shipway.gitops.dry_run import dry_run
from shipway.gitops.settings import GitOpsSettings
from shipway.kube.client.client import Client
from shipway.kube.objects.views import annotations_of, dig, name_of
from shipway.kube.runtime.runtime import Runtime
from shipway.localcluster.apiserver.server import ApiServer
from shipway.server.webhook import PushEvent
from tests.e2e.places import config_map
from tests.e2e.running import application
from tests.repository import WorkingCopy
from tests.waiting import eventually

APPS = 300
FRESH_SECONDS = 5.0
"""How long an answer of a remote serves everybody who comes."""
CLOCK = SystemClock()
EVERYTHING_ALLOWED = {
    "sourceRepos": ["*"],
    "destinations": [{"server": "*", "namespace": "*"}],
    "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
}


class Monorepo:
    """The repository, and the engine that looks at it."""

    def __init__(self, copy: WorkingCopy, client: Client, sources: Sources, runtime: Runtime, pushes: Pushes) -> None:
        self.copy = copy
        self.client = client
        self.sources = sources
        self.runtime = runtime
        self.pushes = pushes
        self.heads: list[HeadAsk] = []

    async def push(self, files: dict[str, str | bytes | None]) -> str:
        """A commit, and the webhook that tells of it."""
        commit = await asyncio.to_thread(self.copy.commit, files)
        await asyncio.to_thread(self.copy.push)
        self.heads.clear()
        assert self.pushes.told(PushEvent((self.copy.url,), ("refs/heads/main",))) == 1
        return commit

    def renders(self) -> dict[str, int]:
        return dict(self.sources.renderer.renders)

    def fetches(self, began: float, pushes: int) -> int:
        """How often something was fetched; and however many ask, the remote is asked once in five seconds and once a push."""
        tries = self.sources.mirrors.tries(self.copy.url)
        assert tries.asked <= 1 + pushes + (CLOCK.now() - began) / FRESH_SECONDS
        return tries.fetched

    async def compared_to(self, commit: str, *names: str) -> None:
        """Returns once these Applications have been compared with a commit."""
        async with asyncio.timeout(150):
            while True:
                found = {name_of(app): app for app in (await self.client.list(APPLICATIONS, "argocd")).items}
                if all(dig(found[name], "status", "sync", "revision") == commit for name in names):
                    return
                await asyncio.sleep(0.2)


@pytest_asyncio.fixture
async def monorepo(tmp_path: Path) -> AsyncGenerator[Monorepo, None]:
    server = await ApiServer.open(path=None, clock=CLOCK, ids=RandomIds())
    client = Client(server, manager="test")
    for crd in load_crds():
        await client.create(CRDS, crd)
    for name in ("argocd", "shop"):
        await create_missing(client, NAMESPACES, {"metadata": {"name": name}})
    meta = {"namespace": "argocd", "name": "default"}
    await create_missing(client, APP_PROJECTS, {"metadata": meta, "spec": EVERYTHING_ALLOWED})
    git = GitServer(tmp_path / "git")
    await git.start()
    copy = WorkingCopy(tmp_path / "copy", git.create("shop"))
    files: dict[str, str | bytes | None] = {f"apps/app-{n}/cm.yaml": config_map(f"text {n}", f"cm-{n}") for n in range(APPS)}
    await asyncio.to_thread(copy.commit, files)
    await asyncio.to_thread(copy.push)
    for number in range(APPS):
        app = application(f"app-{number}", copy.url, f"apps/app-{number}", syncPolicy={})
        await client.create(APPLICATIONS, app)
    async with (
        repositories_now(client, CLOCK, "argocd") as repositories,
        Sources.open(tmp_path / "cache", CLOCK, repositories) as sources,
        asyncio.TaskGroup() as group,
    ):
        heads: list[HeadAsk] = []

        async def head(ask: HeadAsk) -> Head:
            heads.append(ask)
            return await sources.head(ask)

        resolvers = {
            HeadAsk: head,
            KnownHeadAsk: sources.known_head,
            RenderAsk: sources.render,
            DryRunAsk: partial(dry_run, client),
        }
        runtime = Runtime(client, gitops_controllers(GitOpsSettings("argocd", key=b"k")), clock=CLOCK, resolvers=resolvers)
        sources.mirrors.on_news(lambda requests: runtime.ask_again(map(HeadAsk, requests)))
        runtime.before_renewal(sources.wished)
        pushes = Pushes(sources.mirrors.changed, sources.look, lambda _: pytest.fail("nobody knows who reads what"))
        running = [group.create_task(one) for one in (runtime.run(), pushes.run())]
        there = Monorepo(copy, client, sources, runtime, pushes)
        there.heads = heads
        yield there
        for task in running:
            task.cancel()
    await git.stop()
    await server.close()


@pytest.mark.proves("repositories:one-look-for-all", "repositories:a-push-renders-what-it-feeds")
@pytest.mark.compat("argocd:annotation.manifest-generate-paths")
async def test_a_push_renders_what_it_feeds_and_is_looked_at_once(monorepo: Monorepo) -> None:
    began = CLOCK.now()
    everybody = [f"app-{number}" for number in range(APPS)]
    first = await asyncio.to_thread(monorepo.copy.git, "rev-parse", "HEAD")
    await monorepo.compared_to(first, *everybody)
    assert monorepo.fetches(began, 0) == 1
    assert monorepo.renders() == dict.fromkeys(everybody, 1)

    second = await monorepo.push({"apps/app-7/cm.yaml": config_map("new", "cm-7")})
    await monorepo.compared_to(second, "app-7")
    assert monorepo.fetches(began, 1) == 2
    assert monorepo.renders() == {**dict.fromkeys(everybody, 1), "app-7": 2}
    assert len(monorepo.heads) == 1, "only the reader of what changed is asked where it stands"

    third = await monorepo.push({"README.md": "nobody reads this\n", "apps/app-8/more.yaml": config_map("more", "more-8")})
    await monorepo.compared_to(third, "app-8")
    await eventually(lambda: monorepo.runtime.is_idle, within=60)
    assert monorepo.fetches(began, 2) == 3
    assert monorepo.renders() == {**dict.fromkeys(everybody, 1), "app-7": 2, "app-8": 2}
    assert len(monorepo.heads) == 1


async def test_a_wish_for_a_refresh_is_a_new_look_and_a_storm_of_wishes_is_few(monorepo: Monorepo) -> None:
    everybody = [f"app-{number}" for number in range(APPS)]
    first = await asyncio.to_thread(monorepo.copy.git, "rev-parse", "HEAD")
    await monorepo.compared_to(first, *everybody)
    await eventually(lambda: monorepo.runtime.is_idle, within=60)
    commit = await asyncio.to_thread(monorepo.copy.commit, {"apps/app-7/cm.yaml": config_map("new", "cm-7")})

    await wish(monorepo, "app-9")
    await unwished(monorepo)
    await asyncio.to_thread(monorepo.copy.push)
    looks = monorepo.sources.mirrors.tries(monorepo.copy.url).asked
    await wish(monorepo, "app-7")  # just after a look, and no webhook has told of the push
    await monorepo.compared_to(commit, "app-7")
    assert monorepo.sources.mirrors.tries(monorepo.copy.url).asked == looks + 1

    began = CLOCK.now()
    for name in everybody[::6]:
        await wish(monorepo, name)
    await unwished(monorepo)
    assert monorepo.sources.mirrors.tries(monorepo.copy.url).asked - looks - 1 <= 2 + CLOCK.now() - began, "one look a second"


async def wish(monorepo: Monorepo, name: str) -> None:
    annotations = {"argocd.argoproj.io/refresh": "normal"}
    await monorepo.client.patch(APPLICATIONS, "argocd", name, {"metadata": {"annotations": annotations}})


async def unwished(monorepo: Monorepo) -> None:
    """Returns once every wish has been granted."""
    async with asyncio.timeout(120):
        while any(
            "argocd.argoproj.io/refresh" in annotations_of(app)
            for app in (await monorepo.client.list(APPLICATIONS, "argocd")).items
        ):
            await asyncio.sleep(0.2)
