"""A small world for the ApplicationSet engine: a real API server in memory, the real controller, and a repository of paths.

Time is virtual. What is replaced is only what stands behind the questions: `Paths` answers for Git, and the template worker's
own code runs without a process around it.
"""

import asyncio
import base64
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson

from shipway.adapters.jq import worker as jq_worker
from shipway.adapters.templates import worker
from shipway.adapters.templates.engine import filled_by, job_of
from shipway.api.crds import load_crds
from shipway.api.forges import PullRequest
from shipway.api.kinds import APP_PROJECTS, APPLICATION_SETS, APPLICATIONS, CRDS, NAMESPACES, SECRETS
from shipway.api.listings import Listed, Listing
from shipway.api.metrics import HttpAnswer, HttpCall
from shipway.api.templates import Filled
from shipway.appsets.asks import DecisionsAsk, FillAsk, ListingAsk, PathsAsk, PluginAsk, PullRequestsAsk
from shipway.appsets.factory.controller import ApplicationSetController
from shipway.appsets.settings import AppSetSettings
from shipway.assembly.configured_generators import ConfiguredGenerators
from shipway.base.clock import Clock, Instant, LoopClock
from shipway.base.errors import NotFound, ShipwayError
from shipway.base.globs import compile_glob, matches_segments
from shipway.base.ids import RandomIds
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of, name_of, status_of
from shipway.kube.objects.wire import Transport
from shipway.kube.runtime.controller import Resolver
from shipway.kube.runtime.decision import Ask
from shipway.kube.runtime.runtime import Runtime
from shipway.kube.runtime.virtual_time import run_in_virtual_time
from shipway.localcluster.apiserver.server import ApiServer
from shipway.localcluster.controllers.built_in import built_in_controllers, built_in_resolvers
from tests.sim.gitops_world import EPOCH, Recording
from tests.sim.rest import come_to_rest

REPO = "https://git.test/fleet.git"


class Paths:
    """A repository: files with their objects; folders are those that hold files."""

    def __init__(self) -> None:
        self.files: dict[str, Any] = {}
        self.error: ShipwayError | None = None
        self.looks = 0

    async def listing(self, ask: ListingAsk) -> Listing:
        self.looks += 1
        if self.error:
            raise self.error
        request = ask.request
        fits = matches_segments if request.what == "folders" else compile_glob
        tests = [(fits(one.path), one.exclude) for one in request.patterns]
        names = self.files if request.what == "files" else {name.rpartition("/")[0] for name in self.files}
        picked = [
            name
            for name in sorted(names)
            if any(test(name) for test, exclude in tests if not exclude)
            and not any(test(name) for test, exclude in tests if exclude)
        ]
        return Listing("c" * 40, tuple(self._listed(name, request.what) for name in picked))

    def _listed(self, name: str, what: str) -> Listed:
        content = self.files.get(name)
        if what == "folders":
            return Listed(name)
        return Listed(name, error=content) if isinstance(content, str) else Listed(name, orjson.dumps([content]))


class World:
    """The cluster as a user sees it, the repository, and what the engine wrote."""

    def __init__(self, server: ApiServer, clock: Clock, wrap: Callable[[Transport], Transport]) -> None:
        self.user = Client(server, user_agent="kubectl", manager="kubectl-edit")
        self.engine = Recording(wrap(server))
        self.clock = clock
        self.paths = Paths()
        self.fills = 0
        self.pulls: tuple[PullRequest, ...] | ShipwayError = ()
        self.plugin: Any = HttpAnswer(503, b"")
        """What every plugin answers: parameters, or an answer of HTTP as it is."""
        self.runtime = self.make_engine()

    def make_engine(self) -> Runtime:
        """A fresh process of the engine: nothing remembered."""
        client = Client(self.engine, manager="shipway")
        configured = ConfiguredGenerators(client, "argocd", self._plugin)
        resolvers: dict[type[Ask], Resolver] = {
            ListingAsk: self.paths.listing,
            FillAsk: self._fill,
            PathsAsk: self._paths,
            PullRequestsAsk: self._pulls,
            PluginAsk: configured.plugin,
            DecisionsAsk: configured.decisions,
        }
        controller = ApplicationSetController(AppSetSettings("argocd", ("team-*",)))
        return Runtime(client, [controller], clock=self.clock, resolvers=resolvers)

    async def _fill(self, ask: FillAsk) -> tuple[Filled, ...]:
        self.fills += 1
        return tuple(filled_by(worker.render(job_of(ask.template, ask.entries))))

    async def _pulls(self, _: PullRequestsAsk) -> tuple[PullRequest, ...]:
        if isinstance(self.pulls, ShipwayError):
            raise self.pulls
        return self.pulls

    async def _plugin(self, _: HttpCall) -> HttpAnswer:
        if isinstance(self.plugin, HttpAnswer):
            return self.plugin
        return HttpAnswer(200, orjson.dumps({"output": {"parameters": self.plugin}}))

    async def answered(self, what: Any, seconds: float = 3.0) -> None:
        """Plugins answer `what` from now on, and are asked at once."""
        self.plugin = what
        self.runtime.refresh(lambda ask: isinstance(ask, PluginAsk))
        await self.settle(seconds)

    async def opened(self, *branches: str) -> None:
        """The pull requests that are open from now on, and the webhook that says so."""
        self.pulls = tuple(
            PullRequest(number, branch, branch, "main", "c" * 40, (), "") for number, branch in enumerate(branches)
        )
        self.runtime.refresh(lambda ask: isinstance(ask, PullRequestsAsk))
        await self.settle()

    async def _paths(self, ask: PathsAsk) -> Any:
        return jq_worker.paths({"expressions": ask.expressions, "obj": ask.body.decode()})

    async def settle(self, seconds: float = 3.0) -> None:
        """Lets the engine work until it is idle, and `seconds` more."""
        await come_to_rest(lambda: self.runtime, self.clock, seconds)

    async def push(self, **files: Any) -> None:
        """Changes files (None removes; `__` stands for a slash), and the webhook that says so."""
        for name, content in files.items():
            path = name.replace("__", "/")
            self.paths.files.pop(path, None)
            if content is not None:
                self.paths.files[path] = content
        self.runtime.refresh(lambda ask: isinstance(ask, ListingAsk))
        await self.settle()

    async def create(self, appset: Obj) -> Obj:
        made = await self.user.create(APPLICATION_SETS, appset)
        await self.settle()
        return made

    async def edit(self, **spec: Any) -> None:
        await self.user.patch(APPLICATION_SETS, "argocd", "fleet", {"spec": spec})
        await self.settle()

    async def set(self, name: str = "fleet") -> Obj:
        return await self.user.get(APPLICATION_SETS, "argocd", name)

    async def apps(self) -> dict[str, Obj]:
        """Every Application there is, by name."""
        return {name_of(one): one for one in (await self.user.list(APPLICATIONS, "argocd")).items}

    async def names(self) -> list[str]:
        return sorted(await self.apps())

    async def tombstones(self) -> list[str]:
        return sorted(name for name, app in (await self.apps()).items() if "shipway.dev/tombstone" in annotations_of(app))

    async def condition(self, kind: str) -> tuple[str, str, str]:
        """Status, reason and message of a condition of the set."""
        listed = status_of(await self.set()).get("conditions") or []
        found = next(one for one in listed if one["type"] == kind)
        return found["status"], found["reason"], found["message"]

    async def cluster(self, name: str, server: str = "", **labels: str) -> None:
        """A cluster Secret as Argo CD writes it."""
        text = {"name": name, "server": server or f"https://{name}.test", "config": "{}"}
        meta = {"name": f"cluster-{name}", "labels": {"argocd.argoproj.io/secret-type": "cluster", **labels}}
        data = {key: base64.b64encode(value.encode()).decode() for key, value in text.items()}
        await self.user.create(SECRETS, {"metadata": {**meta, "namespace": "argocd"}, "data": data})


def project(name: str, annotations: dict[str, str] | None = None, **spec: Any) -> Obj:
    """An AppProject that allows everything but what `spec` says otherwise."""
    allowed = {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}]}
    meta = {"name": name, "namespace": "argocd", "annotations": annotations or {}}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": meta, "spec": {**allowed, **spec}}


def template(name: str = "{{.name}}", **spec: Any) -> Obj:
    return {
        "metadata": {"name": name},
        "spec": {
            "project": "default",
            "source": {"repoURL": REPO, "path": "apps/web", "targetRevision": "main"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
            **spec,
        },
    }


def applicationset(*generators: Obj, name: str = "fleet", **spec: Any) -> Obj:
    """A set as users write it, with Go templates unless `goTemplate` says otherwise."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "metadata": {"name": name, "namespace": "argocd"},
        "spec": {"goTemplate": True, "generators": list(generators), "template": template(), **spec},
    }


def elements(*names: str, **extra: str) -> Obj:
    return {"list": {"elements": [{"name": name, **extra} for name in names]}}


@asynccontextmanager
async def world(wrap: Callable[[Transport], Transport] = lambda server: server) -> AsyncGenerator[World, None]:
    """A running world: CRDs and the namespace argocd are there. `wrap` stands between the engine and the server."""
    clock = LoopClock(asyncio.get_running_loop(), Instant(EPOCH))
    server = await ApiServer.open(path=None, clock=clock, ids=RandomIds())
    there = World(server, clock, wrap)
    for crd in load_crds():
        await there.user.create(CRDS, crd)
    while APPLICATION_SETS not in await there.user.discover():
        await clock.sleep(0.1)
    await there.user.create(NAMESPACES, {"metadata": {"name": "argocd"}})
    await there.user.create(APP_PROJECTS, project("default"))
    kubernetes = Client(server, manager="kube-controller-manager")
    built_in = Runtime(kubernetes, built_in_controllers(), clock=clock, resolvers=built_in_resolvers(kubernetes))
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(there.runtime.run()), group.create_task(built_in.run())]
        try:
            yield there
        finally:
            for task in running:
                task.cancel()
    await server.close()


def simulate(
    story: Callable[[World], Awaitable[None]], *, wrap: Callable[[Transport], Transport] = lambda server: server
) -> None:
    """Runs `story` in a fresh world, in virtual time."""

    async def main() -> None:
        async with world(wrap) as there:
            await story(there)

    run_in_virtual_time(main())


async def gone(there: World, name: str) -> bool:
    try:
        await there.user.get(APPLICATIONS, "argocd", name)
    except NotFound:
        return True
    return False
