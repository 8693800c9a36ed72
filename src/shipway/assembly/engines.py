"""`shipway run`: the engines against any cluster, until cancelled.

A second process on the same namespace waits for the Lease of the first. A process that may only look takes no Lease: it
disturbs nobody, and nobody it.
"""

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import structlog
from msgspec import Struct

from shipway.adapters.git.urls import place_of
from shipway.adapters.http.fetch import HttpFetch
from shipway.api.kinds import SECRETS
from shipway.appsets.asks import BranchesAsk, DecisionsAsk, ListingAsk, PathsAsk, PluginAsk, PullRequestsAsk
from shipway.appsets.factory.controller import ApplicationSetController
from shipway.appsets.settings import AppSetSettings
from shipway.assembly.clusters import Clusters
from shipway.assembly.deployments import Deployments
from shipway.assembly.factories import Factories, ForgeAccess
from shipway.assembly.installation import applied_key, prepare
from shipway.assembly.measuring import MetricServers
from shipway.assembly.metrics import count_gitops, count_objects
from shipway.assembly.neighbours import find_neighbours
from shipway.assembly.pushes import Pushes
from shipway.assembly.repositories import Concerns, Repositories
from shipway.assembly.scripts import Scripts
from shipway.assembly.settings import RunSettings, check_engines, check_namespaces, listen_address
from shipway.assembly.sources import Sources
from shipway.base.clock import Clock, Instant, SystemClock
from shipway.base.errors import Unavailable
from shipway.gitops.asks import (
    HeadAsk,
    HealthAsk,
    JqPathsAsk,
    KeepAsk,
    KnownHeadAsk,
    RecallAsk,
    RenderAsk,
)
from shipway.gitops.controllers import gitops_controllers
from shipway.gitops.settings import GitOpsSettings
from shipway.kube.client.client import Client
from shipway.kube.client.kubeconfig import load_kubeconfig
from shipway.kube.client.transport import HttpTransport
from shipway.kube.client.watching import settle_collector
from shipway.kube.objects.resource import Resource
from shipway.kube.objects.secrets import secret_values
from shipway.kube.runtime.controller import Controller, Resolver
from shipway.kube.runtime.decision import Ask
from shipway.kube.runtime.informer import Informer
from shipway.kube.runtime.leader import Leadership, LeaseName
from shipway.kube.runtime.runtime import Runtime
from shipway.kube.runtime.sharing import Membership, Sharing
from shipway.rollouts.analysis.asks import MeasureAsk
from shipway.rollouts.analysis.controller import AnalysisRunController
from shipway.rollouts.controllers import rollout_controllers
from shipway.rollouts.metrics import RolloutMetrics
from shipway.rollouts.settings import RolloutSettings
from shipway.server.http import HttpServer
from shipway.server.webhook import PushEvent

log = structlog.get_logger()

LEASE = "shipway"


async def run_engines(settings: RunSettings, on_ready: Callable[[str], None] | None = None) -> None:
    """Runs until cancelled; `on_ready` is told the server's URL once the engines have their first picture of the world.

    Raises InvalidInput for flags that cannot work, Unavailable when the cluster does not answer or lacks what is needed."""
    check_engines(settings.engines)
    check_namespaces(settings.application_namespaces)
    host, port = listen_address(settings.listen)
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


class WebhookSecrets:
    """The webhook secrets that Argo CD users keep in the Secret `argocd-secret` beside their Applications."""

    def __init__(self, client: Client, clock: Clock, namespace: str) -> None:
        self._namespace = namespace
        ours = "metadata.name=argocd-secret"
        self._informer = Informer(client, SECRETS, namespace=namespace, field_selector=ours, clock=clock)

    async def run(self) -> None:
        await self._informer.run()

    def values(self) -> Mapping[str, str]:
        """What is configured. Raises Unavailable as long as that is not known: an unsigned delivery must not slip in."""
        if not self._informer.synced.is_set():
            raise Unavailable(f"Secret {self._namespace}/argocd-secret has not been read yet: deliver again in a moment")
        secret = self._informer.get(self._namespace, "argocd-secret")
        return secret_values(secret) if secret else {}


class Tenure:
    """By what right this process writes: as the only one, or as one of several that share the keys.

    Those that share hold the Lease of the only one together, so that the two kinds never work at the same time.
    """

    def __init__(self, client: Client, clock: Clock, settings: RunSettings) -> None:
        identity = f"{socket.gethostname()}_{os.getpid()}_{secrets.token_hex(4)}"
        lease = LeaseName(settings.namespace, LEASE, identity, settings.lease_seconds)
        self._sharing: Sharing | None = None
        if settings.is_shared:
            member = f"{LEASE}-replica-{secrets.token_hex(8)}"
            self._sharing = Sharing(client, clock, Membership(settings.namespace, LEASE, member, settings.lease_seconds))
            lease = LeaseName(settings.namespace, LEASE, "replicas that share", settings.lease_seconds, is_shared=True)
        self.leadership = Leadership(client, clock, lease)

    async def run(self, runtime: Runtime) -> None:
        """Works as long as the right lasts."""
        sharing = self._sharing
        if sharing is None:
            await self.leadership.run(runtime.run)
            return
        runtime.share_by(sharing.owns)
        await self.leadership.run(lambda: sharing.run(runtime))


class Listeners(Struct, frozen=True):
    """What the process watches for itself, beside the engines."""

    webhook_secrets: WebhookSecrets
    repositories: Repositories
    clusters: Clusters


class EngineProcess:
    """The engines of one process, and what the HTTP server asks of them. Without `tenure` it only looks."""

    def __init__(
        self,
        runtime: Runtime,
        tenure: Tenure | None,
        sources: Sources,
        listeners: Listeners,
        clock: Clock,
        told_by: Callable[[PushEvent], list[Ask]],
    ) -> None:
        self.runtime = runtime
        self._tenure = tenure
        self._listeners = listeners
        self._clock = clock
        self._told_by = told_by
        self._pushes = Pushes(sources.mirrors.changed, sources.look, self._ask_all_about)

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Runs until cancelled. Raises Unavailable when leadership is lost: whoever supervises us starts us again."""
        async with asyncio.TaskGroup() as group:
            besides = (
                self._listeners.webhook_secrets.run(),
                self._listeners.repositories.run(),
                self._listeners.clusters.run(),
                self._pushes.run(),
                self._tell_ready(on_ready),
            )
            others = [group.create_task(one) for one in besides]
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
        asked = self.runtime.ask_again(self._told_by(event))
        return asked if event.is_pull_request else asked + self._pushes.told(event)

    def _ask_all_about(self, place: str) -> None:
        self.runtime.refresh(lambda ask: isinstance(ask, HeadAsk | ListingAsk) and place_of(ask.request.repo_url) == place)

    def logins_changed(self, concerns: Concerns) -> None:
        """Another way to log in counts for these repositories: whoever waits for one looks again."""
        self.runtime.refresh(lambda ask: isinstance(ask, HeadAsk | ListingAsk) and concerns(ask.request.repo_url))

    def webhook_secrets(self) -> Mapping[str, str]:
        return self._listeners.webhook_secrets.values()


@asynccontextmanager
async def engine_process(client: Client, clock: Clock, settings: RunSettings) -> AsyncIterator[EngineProcess]:
    """Builds the engines that were asked for, with everything they ask of the outside."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        repositories = Repositories(client, clock, settings.namespace)
        clusters = Clusters(client, clock, settings.namespace, settings.limits)
        stack.push_async_callback(clusters.aclose)
        opened = Sources.open(settings.cache, clock, repositories, allow_local=settings.allow_local, plugins=settings.plugins)
        sources = await stack.enter_async_context(opened)
        scripts = await stack.enter_async_context(Scripts.open(clock))
        forges = ForgeAccess(client, settings.namespace, HttpFetch(session))
        factories = await stack.enter_async_context(Factories.open(sources.mirrors, repositories, clock, forges))
        key = await applied_key(client, settings.namespace)
        opened_history = Deployments.open(settings.cache, key, sources.renderer.render, clock)
        deployments = await stack.enter_async_context(opened_history)
        metric_servers = MetricServers(
            client,
            session,
            os.environ.get("ARGO_ROLLOUTS_PROMETHEUS_ADDRESS", ""),
            clock=clock,
            namespace=settings.namespace,
            environment=os.environ,
        )
        resolvers: dict[type[Ask], Resolver] = {
            HeadAsk: sources.head,
            KnownHeadAsk: sources.known_head,
            RenderAsk: sources.render,
            HealthAsk: scripts.health,
            JqPathsAsk: scripts.jq_paths,
            KeepAsk: deployments.keep,
            RecallAsk: deployments.recall,
            MeasureAsk: metric_servers.measure,
            PathsAsk: scripts.jq_paths,
            **factories.resolvers,
            **clusters.resolvers,
        }
        controllers = controllers_of(settings, key)
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
        if "gitops" in settings.engines:
            await clusters.meet()
            count_gitops(runtime, gitops_settings(settings, key), sources.mirrors.requests, clusters.known, clock)
        tenure = None if settings.is_read_only else Tenure(client, clock, settings)
        webhook_secrets = WebhookSecrets(client, clock, settings.namespace)
        listeners = Listeners(webhook_secrets, sources.repositories, clusters)
        process = EngineProcess(runtime, tenure, sources, listeners, clock, factories.told_by)
        clusters.serve(runtime)
        repositories.on_change(process.logins_changed)
        sources.mirrors.on_news(lambda news: runtime.ask_again([*map(HeadAsk, news), *factories.asks_of(news)]))
        runtime.before_renewal(sources.wished)
        runtime.know_by(sources.at_hand)
        runtime.poll_by(lambda ask, now: _poll(ask, now, repositories))
        yield process


def _poll(ask: Ask, now: Instant, repositories: Repositories) -> float:
    if isinstance(ask, ListingAsk | PullRequestsAsk | BranchesAsk | PluginAsk | DecisionsAsk) and ask.every > 0:
        return ask.every
    if isinstance(ask, HeadAsk | ListingAsk):
        return repositories.seconds_until_poll(ask.request.repo_url, now)
    return ask.poll_seconds


async def _engines_that_only_report(client: Client, clock: Clock, settings: RunSettings) -> frozenset[str]:
    if settings.is_read_only:
        return frozenset(settings.engines)
    neighbours = [one for one in await find_neighbours(client, clock.now()) if one.engine in settings.engines]
    for neighbour in neighbours:
        log.error("live_neighbour", engine=neighbour.engine, message=neighbour.advice)
    return frozenset(neighbour.engine for neighbour in neighbours)


def gitops_settings(settings: RunSettings, key: bytes) -> GitOpsSettings:
    return GitOpsSettings(settings.namespace, settings.application_namespaces, key=key)


def controllers_of(settings: RunSettings, key: bytes) -> dict[str, list[Controller[Any, Any]]]:
    """The controllers of each engine that was asked for; `key` is the installation's."""
    controllers: dict[str, list[Controller[Any, Any]]] = {}
    if "gitops" in settings.engines:
        controllers["gitops"] = gitops_controllers(gitops_settings(settings, key))
    if "appsets" in settings.engines:
        sets = AppSetSettings(settings.namespace, settings.application_namespaces)
        controllers["appsets"] = [ApplicationSetController(sets)]
    if "rollouts" in settings.engines:
        analysis = AnalysisRunController(os.environ.get("ARGO_ROLLOUTS_ANALYSIS_JOB_NAMESPACE", ""), settings.instance_id)
        controllers["rollouts"] = [*rollout_controllers(RolloutSettings(settings.instance_id)), analysis]
    return controllers
