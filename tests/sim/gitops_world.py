"""A small world for the GitOps engine: a real API server in memory, the real controller, and repositories made of objects.

Time is virtual. What is replaced is only what stands behind the questions (Git and the renderers), which is the engine's seam:
`Repository` answers them from lists of objects.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import orjson
from prometheus_client import generate_latest

from shipway.adapters.jq import worker
from shipway.adapters.lua import sandbox
from shipway.api.commits import CommitFacts
from shipway.api.crds import load_crds
from shipway.api.hydration import Hydrated
from shipway.api.kinds import APPLICATIONS, CRDS, EVENTS, JOBS, NAMESPACES
from shipway.api.sources import Fact, Head, PathTree, RemoteBase, Rendered, SourceType
from shipway.assembly.clusters import Clusters
from shipway.assembly.lookout import Lookout
from shipway.assembly.metrics import count_objects, count_shadows
from shipway.assembly.notifying import Notifier
from shipway.base.clock import Clock, Instant, LoopClock
from shipway.base.errors import InvalidInput, NotFound, ShipwayError
from shipway.base.ids import RandomIds, digest
from shipway.gitops.asks import (
    HeadAsk,
    HealthAsk,
    HydrateAsk,
    JqPathsAsk,
    KeepAsk,
    KnownHeadAsk,
    RecallAsk,
    RecordAsk,
    RenderAsk,
    TextAsk,
)
from shipway.gitops.cluster_metrics import ClusterMetrics
from shipway.gitops.controllers import gitops_controllers
from shipway.gitops.metrics import ApplicationMetrics
from shipway.gitops.settings import GitOpsSettings
from shipway.gitops.shadows import Shadows
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig
from shipway.kube.objects.wire import IMPERSONATE_USER, Request, Response, Transport
from shipway.kube.runtime.runtime import Runtime
from shipway.kube.runtime.virtual_time import run_in_virtual_time
from shipway.localcluster.apiserver.server import ApiServer
from shipway.localcluster.controllers.built_in import built_in_controllers, built_in_resolvers
from shipway.notifications.asks import NotifyAsk
from tests.sim.book import Book
from tests.sim.faults import Crash, until_it_dies
from tests.sim.receiver import FillsHere, at_once
from tests.sim.rest import come_to_rest

EPOCH = Instant(1_790_000_000.0)
REPO = "https://git.test/shop.git"
SETTINGS = GitOpsSettings("argocd", ("team-*",), key=b"a key of the test")
MakeClusters = Callable[[Client, Clock], Clusters]


class Repository:
    """Commits in order; each is a list of objects, or the error that rendering it gives."""

    def __init__(self, start: int = 0) -> None:
        self._start = start
        self.commits: dict[str, list[Obj] | ShipwayError] = {}
        self.head = ""
        self.unreachable: ShipwayError | None = None
        self.history_is_away: ShipwayError | None = None
        self.hangs = self.mirror_is_lost = False
        self.warnings: tuple[str, ...] = ()
        self.tool = ""
        self.source_type: SourceType | None = None
        self.builds_on: tuple[RemoteBase, ...] = ()
        self.asks_for: tuple[Fact, ...] = ()
        """What a render here depends on beside the content; one is missed after the other, as real tools do."""
        self.kept: dict[tuple[str, str], tuple[Rendered, ...]] = {}
        self.urls: tuple[str, ...] = ()
        """Which files at URLs a render here reads."""
        self.texts: dict[str, str] = {}
        """What lies there, for a render that was told."""
        self.renders = 0
        self.without: tuple[SourceType, ...] = ()
        """What was switched off for the last render."""
        self.heads = 0

    def commit(self, objects: list[Obj] | ShipwayError) -> str:
        """A new commit on the branch; returns its id."""
        self.head = digest(str(self._start + len(self.commits)), length=40)
        self.commits[self.head] = objects
        return self.head

    async def head_of(self, ask: HeadAsk) -> Head:
        self.heads += 1
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        if self.unreachable:
            raise self.unreachable
        revision = ask.request.revision
        commit = revision if revision in self.commits else self.head
        return Head(commit=commit, trees=(PathTree("", self._tree(commit)),))

    async def known_head(self, ask: KnownHeadAsk) -> Head:
        """What the mirror holds; whether the remote answers does not matter."""
        if self.mirror_is_lost or ask.request.revision not in self.commits:
            raise NotFound("not in the mirror")
        return Head(commit=ask.request.revision, trees=(PathTree("", self._tree(ask.request.revision)),))

    async def render(self, ask: RenderAsk) -> Rendered:
        self.renders += 1
        self.without = ask.request.without
        rendered = self._rendered(ask.request.trees[0].oid)
        missing: list[Fact] = [fact for fact in self.asks_for if not _is_told(fact, ask)]
        lent = {one.name for one in ask.request.lent}
        if bases := tuple(base for base in self.builds_on if base.name not in lent):
            return Rendered((), "Kustomize", ("",), bases=bases)
        if self.urls and not ask.request.texts:
            return Rendered((), "Helm", ("",), urls=self.urls)
        self.texts = dict(ask.request.texts)
        if missing:
            return Rendered((), "Helm", ("",), lacks=(missing[0],))
        return rendered

    def _rendered(self, oid: str) -> Rendered:
        found = next(content for commit, content in self.commits.items() if self._tree(commit) == oid)
        if isinstance(found, ShipwayError):
            raise found
        kind: SourceType = self.source_type or ("Helm" if self.tool else "Directory")
        return Rendered(tuple(found), kind, reads=("",), tool=self.tool or "directory", warnings=self.warnings)

    async def keep(self, ask: KeepAsk) -> bool:
        """As the history keeps what a deployment applied; it outlives commits that are lost."""
        if (ask.application, ask.deployment) not in self.kept:
            self.kept[(ask.application, ask.deployment)] = tuple(
                [self._rendered(one.trees[0].oid) for one in ask.requests if one and one.repo_url == REPO]
            )
        return True

    async def recall(self, ask: RecallAsk) -> tuple[Rendered, ...]:
        if self.history_is_away:
            raise self.history_is_away
        if (ask.application, ask.deployment) not in self.kept:
            raise NotFound("not kept")
        return self.kept[(ask.application, ask.deployment)]

    def _tree(self, commit: str) -> str:
        content = self.commits[commit]
        return digest(str(content)) if isinstance(content, ShipwayError) else digest(orjson.dumps(content))


async def selected_by_jq(ask: JqPathsAsk) -> Any:
    """The real jq, without a worker around it."""
    return worker.paths({"expressions": ask.expressions, "obj": ask.body.decode()})


async def health_by_script(ask: HealthAsk) -> Any:
    """The real sandbox, without a worker around it."""
    return {"returned": sandbox.run({"script": ask.script, "obj": ask.body.decode(), "seconds": 0.5})}


def _is_told(fact: Fact, ask: RenderAsk) -> bool:
    request = ask.request
    told = {
        "revision": "ARGOCD_APP_REVISION" in dict(request.build_env),
        "cluster": bool(request.kube_version),
        "project": request.project is not None,
        "kustomize": request.kustomize is not None,
    }
    return told[fact]


async def _pushes_nothing(ask: HydrateAsk) -> Hydrated:
    raise InvalidInput(f"no test expects a push to {ask.request.repo_url}")


class Recording:
    """A transport that remembers the writes that went through it; dry runs do not count."""

    def __init__(self, server: Transport) -> None:
        self._server = server
        self.writes: list[tuple[str, str]] = []
        self.written_as: list[tuple[str, str]] = []
        """(user, path) of all that was written or tried as somebody else."""

    async def send(self, request: Request) -> Response:
        if user := request.headers.get(IMPERSONATE_USER):
            self.written_as.append((user, request.path))
        is_write = request.method != "GET" and ("dryRun", "All") not in request.query
        if is_write and "/events" not in request.path:
            self.writes.append((request.method, request.path))
        return await self._server.send(request)

    async def close(self) -> None:
        """The server belongs to the test."""


class World:
    """The cluster as a user sees it (`user` writes as kubectl does), the repository, and what the engine wrote."""

    def __init__(
        self,
        server: Transport,
        repository: Repository,
        clock: Clock,
        wrap: Callable[[Transport], Transport],
        clusters: MakeClusters,
        settings: GitOpsSettings = SETTINGS,
    ) -> None:
        self.user = Client(server, user_agent="kubectl", manager="kubectl-edit")
        self.engine = Recording(wrap(server))
        self.repository = repository
        self.repositories = {REPO: repository}
        self.files: dict[str, str] = {}
        """What lies at URLs."""
        self.clock = clock
        self._make_clusters = clusters
        self._settings = settings
        self.hydrate: Callable[[HydrateAsk], Awaitable[Hydrated]] = _pushes_nothing
        self.shadows = Shadows()
        self.book = Book()
        self.clusters, self.runtime = self.make_engine()
        self.crashes = 0
        self._kill = asyncio.Event()

    def make_engine(self) -> tuple[Clusters, Runtime]:
        """A fresh process of the engine: nothing remembered."""
        settings = self._settings
        client = Client(self.engine, manager=settings.manager)

        clusters = self._make_clusters(client, self.clock)
        self.lookout = Lookout(self.clock, settings.namespace)

        notifier = Notifier(client, at_once, FillsHere(), self.clock, settings.namespace)
        notifier.commit_of = lambda _, commit: CommitFacts(commit, "Ada <ada@example.org>", "Make it blue")

        async def head_of(ask: HeadAsk) -> Head:
            return await self.repositories[ask.request.repo_url].head_of(ask)

        async def known_head(ask: KnownHeadAsk) -> Head:
            await self.clock.sleep(2.0)
            return await self.repositories[ask.request.repo_url].known_head(ask)

        async def hydrate(ask: HydrateAsk) -> Hydrated:
            return await self.hydrate(ask)

        async def text(ask: TextAsk) -> str:
            return self.files[ask.url]

        async def render(ask: RenderAsk) -> Rendered:
            return await self.repositories[ask.request.repo_url].render(ask)

        resolvers = {
            HeadAsk: head_of,
            KnownHeadAsk: known_head,
            RenderAsk: render,
            TextAsk: text,
            **clusters.resolvers,
            **self.lookout.resolvers,
            HealthAsk: health_by_script,
            JqPathsAsk: selected_by_jq,
            KeepAsk: self.repository.keep,
            RecallAsk: self.repository.recall,
            RecordAsk: self.book.record,
            HydrateAsk: hydrate,
            NotifyAsk: notifier.notify,
        }
        runtime = Runtime(client, gitops_controllers(settings), clock=self.clock, resolvers=resolvers)
        clusters.serve(runtime)
        self.lookout.serve(runtime)
        count_objects(runtime, ApplicationMetrics(settings))
        self.shadows = count_shadows(runtime)
        runtime.metrics.registry.register(ClusterMetrics(lambda: runtime.informers, self.clock, clusters.known))
        return clusters, runtime

    def scraped(self) -> list[str]:
        """What a Prometheus server reads from the engine."""
        return generate_latest(self.runtime.metrics.registry).decode().splitlines()

    def restart(self) -> None:
        """Ends the engine's process; a fresh one takes its place."""
        self._kill.set()

    async def _killed(self) -> None:
        await self._kill.wait()
        self._kill.clear()
        raise Crash

    async def run(self) -> None:
        """The engine, started again after every crash (and when it could not start)."""
        while True:
            await until_it_dies(self._run_engine(), ShipwayError)
            self.crashes += 1
            await self.clock.sleep(0.1)
            self.clusters, self.runtime = self.make_engine()

    async def _run_engine(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.runtime.run())
            group.create_task(self.clusters.run())
            group.create_task(self.clusters.meet())
            group.create_task(self.lookout.run())
            group.create_task(self._killed())

    async def app(self, name: str = "shop") -> Obj:
        """By its name, or `namespace/name` outside the control-plane namespace."""
        namespace, _, bare = name.rpartition("/")
        return await self.user.get(APPLICATIONS, namespace or "argocd", bare)

    async def push(self, objects: list[Obj] | ShipwayError) -> str:
        """A commit, and the webhook that says so."""
        commit = self.repository.commit(objects)
        self.webhook()
        return commit

    def webhook(self) -> None:
        """Some repository was pushed to."""
        self.runtime.refresh(lambda ask: isinstance(ask, HeadAsk))

    def add_repository(self, url: str, objects: list[Obj] | ShipwayError) -> Repository:
        """One more repository, with one commit."""
        added = self.repositories[url] = Repository(start=len(self.repositories) * 1000)
        added.commit(objects)
        return added

    async def settle(self, seconds: float = 2.0) -> None:
        """Lets the engine work until it is idle, and `seconds` more."""
        await come_to_rest(lambda: self.runtime, self.clock, seconds)

    async def until(self, condition: Callable[[Obj], Any], *, name: str = "shop", seconds: float = 120.0) -> Obj:
        """The application as soon as `condition` holds for it; one that is not there is {}."""
        app: Obj = {}
        for _ in range(int(seconds / 0.05)):
            try:
                app = await self.app(name)
            except NotFound:
                app = {}
            if condition(app):
                return app
            await self.clock.sleep(0.05)
        raise AssertionError(f"never came true; status: {app.get('status')}")

    async def synced(self, name: str = "shop") -> Obj:
        """The application once it is Synced to the newest commit and nothing runs."""
        return await self.until(
            lambda app: (
                dig(app, "status", "sync", "status") == "Synced"
                and dig(app, "status", "sync", "revision") == self.repository.head
                and "operation" not in app
            ),
            name=name,
        )

    async def gone(self, resource: Any, namespace: str, name: str) -> bool:
        try:
            await self.user.get(resource, namespace, name)
        except NotFound:
            return True
        return False

    async def events(self) -> list[Obj]:
        return (await self.user.list(EVENTS, "argocd")).items


def application(name: str = "shop", **spec: Any) -> Obj:
    """An Application as Argo CD users write it, fully automated unless `syncPolicy` says otherwise."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": "argocd"},
        "spec": {
            "project": "default",
            "source": {"repoURL": REPO, "path": "deploy", "targetRevision": "main"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
            "syncPolicy": {"automated": {"prune": True, "selfHeal": True}},
            **spec,
        },
    }


@asynccontextmanager
async def world(
    objects: list[Obj] | ShipwayError,
    *,
    others: Callable[[ApiServer, Clock], Iterable[Runtime]] = lambda *_: (),
    wrap: Callable[[Transport, Clock], Transport] = lambda server, _: server,
    clusters: MakeClusters = lambda client, clock: Clusters(client, clock, "argocd"),
    settings: GitOpsSettings = SETTINGS,
) -> AsyncGenerator[World, None]:
    """A running world: CRDs and the namespaces argocd and shop are there, the repository has one commit.

    `others` are runtimes that work beside the engine under test; `wrap` stands between the engine and the server; `clusters`
    knows the others that Applications may go to.
    """
    clock = LoopClock(asyncio.get_running_loop(), EPOCH)
    server = await ApiServer.open(path=None, clock=clock, ids=RandomIds())
    repository = Repository()
    repository.commit(objects)
    there = World(server, repository, clock, lambda transport: wrap(transport, clock), clusters, settings)
    for crd in load_crds():
        await there.user.create(CRDS, crd)
    while APPLICATIONS not in await there.user.discover():
        await clock.sleep(0.1)
    for name in ("argocd", "shop"):
        await there.user.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    async with asyncio.TaskGroup() as group:
        runtimes = (kubernetes(server, clock), *others(server, clock))
        running = [group.create_task(there.run()), *(group.create_task(runtime.run()) for runtime in runtimes)]
        try:
            yield there
        finally:
            for task in running:
                task.cancel()
    await server.close()


def kubernetes(server: ApiServer, clock: Clock) -> Runtime:
    """The controllers that come with the embedded cluster: garbage collection, workloads."""
    client = Client(server, manager="kube-controller-manager")
    return Runtime(client, built_in_controllers(), clock=clock, resolvers=built_in_resolvers(client))


def simulate(
    story: Callable[[World], Awaitable[None]],
    objects: list[Obj] | ShipwayError,
    *,
    others: Callable[[ApiServer, Clock], Iterable[Runtime]] = lambda *_: (),
    settings: GitOpsSettings = SETTINGS,
) -> None:
    """Runs `story` in a fresh world, in virtual time."""

    async def main() -> None:
        async with world(objects, others=others, settings=settings) as there:
            await story(there)

    run_in_virtual_time(main())


def condition_types(app: Obj) -> set[str]:
    return {condition["type"] for condition in dig(app, "status", "conditions", default=[])}


def rows(app: Obj) -> dict[str, Obj]:
    """The rows of the last operation by object name."""
    return {row["name"]: row for row in dig(app, "status", "operationState", "syncResult", "resources", default=[])}


async def end_job(there: World, name: str, *, succeeded: bool = True) -> Obj:
    """Waits for the job and ends it, as the node of a real cluster would."""
    for _ in range(200):
        if not await there.gone(JOBS, "shop", name):
            break
        await there.clock.sleep(0.05)
    job = await there.user.get(JOBS, "shop", name)
    kind = "Complete" if succeeded else "Failed"
    condition = {"type": kind, "status": "True", "message": f"job has {kind.lower()}"}
    await there.user.patch(JOBS, "shop", name, {"status": {"conditions": [condition]}}, subresource="status")
    return job
