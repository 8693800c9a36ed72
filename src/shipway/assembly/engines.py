"""`shipway run`: the engines against any cluster, until cancelled.

A second process on the same namespace waits for the Lease of the first. A process that may only look takes no Lease: it
disturbs nobody, and nobody it.
"""

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import structlog

from shipway.adapters.http.fetch import HttpFetch, http_session
from shipway.api.ledger import Row
from shipway.api.plugins import NO_PLUGINS, DeclaredPlugins
from shipway.appsets.factory.controller import ApplicationSetController
from shipway.appsets.settings import AppSetSettings
from shipway.assembly.cmd_params import with_cmd_params
from shipway.assembly.footprint import lean_connections
from shipway.assembly.installation import applied_key, prepare
from shipway.assembly.measuring import MetricServers
from shipway.assembly.metrics import count_objects, count_shadows
from shipway.assembly.neighbours import find_neighbours
from shipway.assembly.notifying import open_notifier
from shipway.assembly.rollout_plugins import open_plugins, step_resolver
from shipway.assembly.settings import (
    RunSettings,
    check_argocd_cache,
    check_engines,
    check_history,
    check_namespaces,
    listen_address,
    seconds_of_ledger,
)
from shipway.assembly.told_pushes import event_in, word_of
from shipway.base.clock import Clock, SystemClock
from shipway.base.errors import Unavailable
from shipway.gitops.application.shadow import Shadow
from shipway.gitops.controllers import gitops_controllers
from shipway.gitops.settings import GitOpsSettings
from shipway.gitops.shadows import Shadows
from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import load_kubeconfig
from shipway.kube.client.transport import HttpTransport
from shipway.kube.client.watching import settle_collector
from shipway.kube.objects.resource import Resource
from shipway.kube.runtime.controller import Controller, Resolver
from shipway.kube.runtime.decision import Ask
from shipway.kube.runtime.leader import Leadership, LeaseName
from shipway.kube.runtime.runtime import Runtime
from shipway.kube.runtime.sharing import Membership, Sharing
from shipway.notifications.asks import NotifyAsk
from shipway.rollouts.analysis.asks import MeasureAsk
from shipway.rollouts.analysis.controller import AnalysisRunController
from shipway.rollouts.budget.asks import BudgetAsk
from shipway.rollouts.controllers import rollout_controllers
from shipway.rollouts.metrics import RolloutMetrics
from shipway.rollouts.rollout.plugin_calls import StepAsk
from shipway.rollouts.settings import RolloutSettings
from shipway.server.http import HttpServer
from shipway.server.webhook import PushEvent

if TYPE_CHECKING:
    from shipway.assembly.argocd_cache import ArgoCdCache
    from shipway.assembly.from_git import FromGit

log = structlog.get_logger()

LEASE = "shipway"


async def run_engines(settings: RunSettings, on_ready: Callable[[str], None] | None = None) -> None:
    """Runs until cancelled; `on_ready` is told the server's URL once the engines have their first picture of the world.

    Raises InvalidInput for flags that cannot work, Unavailable when the cluster does not answer or lacks what is needed."""
    check_engines(settings.engines)
    check_namespaces(settings.application_namespaces or ())
    check_history(settings.history)
    check_argocd_cache(settings)
    seconds_of_ledger(settings.ledger_keep)
    host, port = listen_address(settings.listen)
    lean_connections()
    async with AsyncExitStack() as stack:
        clock = SystemClock()
        config = load_kubeconfig(settings.kubeconfig, settings.context)
        client = Client(HttpTransport(config, clock=clock, limits=settings.limits), user_agent="shipway", manager="shipway")
        stack.push_async_callback(client.close)
        await prepare(client, settings, kinds_needed(settings))
        process = await stack.enter_async_context(engine_process(client, clock, settings))
        server = HttpServer(process, process.runtime.metrics.registry, process.webhook_secrets)
        stack.push_async_callback(server.stop)
        await server.start(host, port)
        log.info("listening", url=server.url)
        await process.run(lambda: on_ready(server.url) if on_ready else None)


def kinds_needed(settings: RunSettings) -> set[Resource]:
    """Every kind that the engines watch from their start: without one of them they would wait for ever."""
    controllers = [controller for engine in controllers_of(settings, b"").values() for controller in engine]
    return {watch.resource for controller in controllers for watch in controller.watches}


def hearing(from_git: "FromGit | None") -> Callable[[str], None]:
    """What is done about the words of another replica."""

    def heard(word: str) -> None:
        event = event_in(word)
        if event is not None and from_git is not None:
            from_git.pushed(event)

    return heard


class Tenure:
    """By what right this process writes: as the only one, or as one of several that share the keys.

    Those that share hold the Lease of the only one together, so that the two kinds never work at the same time. `on_word` hears
    what the others tell.
    """

    def __init__(self, client: Client, clock: Clock, settings: RunSettings, on_word: Callable[[str], object]) -> None:
        identity = f"{socket.gethostname()}_{os.getpid()}_{secrets.token_hex(4)}"
        lease = LeaseName(settings.namespace, LEASE, identity, settings.lease_seconds)
        self._sharing: Sharing | None = None
        if settings.is_shared:
            member = f"{LEASE}-replica-{secrets.token_hex(8)}"
            membership = Membership(settings.namespace, LEASE, member, settings.lease_seconds)
            self._sharing = Sharing(client, clock, membership, on_word)
            lease = LeaseName(settings.namespace, LEASE, "replicas that share", settings.lease_seconds, is_shared=True)
        self.leadership = Leadership(client, clock, lease)

    def tell(self, word: str) -> None:
        """Has those that share the work hear it."""
        if self._sharing is not None:
            self._sharing.tell(word)

    async def run(self, runtime: Runtime) -> None:
        """Works as long as the right lasts."""
        sharing = self._sharing
        if sharing is None:
            await self.leadership.run(runtime.run)
            return
        runtime.share_by(sharing.owns)
        await self.leadership.run(lambda: sharing.run(runtime))


class EngineProcess:
    """The engines of one process, and what the HTTP server asks of them. Without `tenure` it only looks."""

    def __init__(
        self, runtime: Runtime, tenure: Tenure | None, from_git: "FromGit | None", shadows: Shadows, clock: Clock
    ) -> None:
        self.runtime = runtime
        self._shadows = shadows
        self._tenure = tenure
        self._from_git = from_git
        self._clock = clock
        self.cache: ArgoCdCache | None = None

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Runs until cancelled. Raises Unavailable when leadership is lost: whoever supervises us starts us again."""
        async with asyncio.TaskGroup() as group:
            others = [group.create_task(self._tell_ready(on_ready))]
            if self._from_git is not None:
                others.append(group.create_task(self._from_git.run()))
            if self.cache is not None:
                others.append(group.create_task(self.cache.run()))
            if self._tenure is None:
                await self.runtime.run()
            else:
                await self._tenure.run(self.runtime)
            for task in others:
                task.cancel()
        raise Unavailable("leadership was lost: another process took the Lease over, or the API server was away too long")

    async def _tell_ready(self, on_ready: Callable[[], None]) -> None:
        while not self.is_ready():
            await self._clock.sleep(0.02)
        settle_collector()
        log.info("ready")
        on_ready()

    def is_ready(self) -> bool:
        return (self._tenure is None or self._tenure.leadership.is_leader) and self.runtime.is_synced

    def pushed(self, event: PushEvent) -> int:
        """How many repositories and questions of this process a push concerns; other replicas are told of it."""
        if self._tenure is not None:
            self._tenure.tell(word_of(event))
        return self._from_git.pushed(event) if self._from_git else 0

    def shadows(self) -> list[Shadow]:
        return self._shadows.all

    async def kept(self, sealed: bytes) -> bytes:
        if self._from_git is None:
            raise Unavailable("this process keeps nothing: it runs for Rollouts alone")
        return await self._from_git.kept(sealed)

    async def ledger(self, application: str, sight: str) -> Sequence[Row]:
        return await self._from_git.ledger(application, sight) if self._from_git else ()

    def webhook_secrets(self) -> Mapping[str, str]:
        return self._from_git.webhook_secrets() if self._from_git else {}


@asynccontextmanager
async def engine_process(client: Client, clock: Clock, settings: RunSettings) -> AsyncIterator[EngineProcess]:
    """Builds the engines that were asked for, with everything they ask of the outside. Raises InvalidInput, and what the client
    raises."""
    settings = await with_cmd_params(client, settings)
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(http_session())
        key = await applied_key(client, settings.namespace)
        plugins = await stack.enter_async_context(open_plugins(settings.plugins, settings.cache, clock))
        metric_servers = MetricServers(
            client,
            session,
            os.environ.get("ARGO_ROLLOUTS_PROMETHEUS_ADDRESS", ""),
            clock=clock,
            namespace=settings.namespace,
            environment=os.environ,
        )
        metric_servers.plugins = plugins
        notifier = await stack.enter_async_context(open_notifier(client, HttpFetch(session), clock, settings.namespace))
        resolvers: dict[type[Ask], Resolver] = {
            MeasureAsk: metric_servers.measure,
            BudgetAsk: metric_servers.budget,
            StepAsk: step_resolver(plugins),
            NotifyAsk: notifier.notify,
        }
        means = None
        if {"gitops", "appsets"}.intersection(settings.engines):
            from shipway.assembly.from_git import GitMeans  # rollouts alone do without libgit2 and all that

            means = await stack.enter_async_context(GitMeans.open(client, session, clock, settings, key))
            resolvers |= means.resolvers
            notifier.commit_of = means.sources.mirrors.commit_facts
        controllers = controllers_of(settings, key, plugins.declared)
        reporting = await _engines_that_only_report(client, clock, settings)
        runtime = Runtime(
            client,
            [controller for engine in controllers.values() for controller in engine],
            clock=clock,
            resolvers=resolvers,
            read_only=[controller.name for engine in reporting for controller in controllers[engine]],
        )
        if "rollouts" in settings.engines:
            count_objects(runtime, RolloutMetrics(RolloutSettings(settings.instance_id)))
        from_git, shadows = None, Shadows()
        if means is not None:
            from_git = means.at_work_beside(runtime)
            if "gitops" in settings.engines:
                await from_git.count(gitops_settings(settings, key), clock)
                shadows = count_shadows(runtime)
        tenure = None if settings.is_read_only else Tenure(client, clock, settings, hearing(from_git))
        process = EngineProcess(runtime, tenure, from_git, shadows, clock)
        if settings.argocd_cache and means is not None:
            from shipway.assembly.argocd_cache import ArgoCdCache  # only for those who look through Argo CD

            process.cache = ArgoCdCache(client, clock, runtime, means.clusters, settings, process.is_ready)
        yield process


async def _engines_that_only_report(client: Client, clock: Clock, settings: RunSettings) -> frozenset[str]:
    if settings.is_read_only:
        return frozenset(settings.engines)
    neighbours = [one for one in await find_neighbours(client, clock.now()) if one.engine in settings.engines]
    for neighbour in neighbours:
        log.error("live_neighbour", engine=neighbour.engine, message=neighbour.advice)
    return frozenset(neighbour.engine for neighbour in neighbours if not neighbour.is_handed_over_one_by_one)


def gitops_settings(settings: RunSettings, key: bytes) -> GitOpsSettings:
    return GitOpsSettings(
        settings.namespace,
        settings.application_namespaces or (),
        key=key,
        timing=settings.timing,
        by_invitation=settings.by_invitation,
        only_reports=settings.is_read_only,
    )


def controllers_of(
    settings: RunSettings, key: bytes, plugins: DeclaredPlugins = NO_PLUGINS
) -> dict[str, list[Controller[Any, Any]]]:
    """The controllers of each engine that was asked for; `key` is the installation's, `plugins` those of Rollouts."""
    controllers: dict[str, list[Controller[Any, Any]]] = {}
    if "gitops" in settings.engines:
        controllers["gitops"] = gitops_controllers(gitops_settings(settings, key))
    if "appsets" in settings.engines:
        sets = AppSetSettings(settings.namespace, settings.application_namespaces or ())
        controllers["appsets"] = [ApplicationSetController(sets)]
    if "rollouts" in settings.engines:
        jobs = os.environ.get("ARGO_ROLLOUTS_ANALYSIS_JOB_NAMESPACE", "")
        analysis = AnalysisRunController(jobs, settings.instance_id, plugins.metrics)
        ours = RolloutSettings(settings.instance_id, plugins, settings.namespace)
        controllers["rollouts"] = [*rollout_controllers(ours), analysis]
    return controllers
