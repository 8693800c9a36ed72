"""What the engines that work from Git ask of the outside: repositories, renders, scripts, factories, clusters, kept manifests.

A process for rollouts alone needs none of it, and neither loads nor watches any: that is a quarter of its memory.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from hmac import compare_digest

import aiohttp
from msgspec import Struct

from shipway.adapters.git.github_app import InstallationTokens
from shipway.adapters.git.urls import place_of
from shipway.adapters.http.fetch import HttpFetch
from shipway.api.kinds import APPLICATIONS, SECRETS
from shipway.api.ledger import Row
from shipway.appsets.asks import BranchesAsk, DecisionsAsk, ListingAsk, PathsAsk, PluginAsk, PullRequestsAsk
from shipway.assembly.clusters import Clusters
from shipway.assembly.deployments import Deployments
from shipway.assembly.factories import Factories, ForgeAccess
from shipway.assembly.hydrating import Hydrating
from shipway.assembly.keeping import StoreKeeper
from shipway.assembly.ledger import Ledger
from shipway.assembly.lookout import Lookout
from shipway.assembly.metrics import count_gitops
from shipway.assembly.pushes import Pushes
from shipway.assembly.repositories import Concerns, Repositories
from shipway.assembly.scripts import Scripts
from shipway.assembly.settings import RunSettings
from shipway.assembly.sources import Sources
from shipway.base.clock import Clock, Instant
from shipway.base.errors import Denied, Unavailable
from shipway.gitops.asks import (
    HeadAsk,
    HealthAsk,
    HistoryAsk,
    HydrateAsk,
    JqPathsAsk,
    KeepAsk,
    KnownHeadAsk,
    RecallAsk,
    RecordAsk,
    SignatureAsk,
)
from shipway.gitops.ledger import sight
from shipway.gitops.settings import GitOpsSettings
from shipway.kube.client.client import Client
from shipway.kube.objects.secrets import secret_values
from shipway.kube.runtime.controller import Resolver
from shipway.kube.runtime.decision import Ask
from shipway.kube.runtime.informer import Informer
from shipway.kube.runtime.runtime import Runtime
from shipway.server.webhook import PushEvent


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


class GitMeans(Struct, frozen=True):
    """What has been opened, and is closed with the process."""

    sources: Sources
    repositories: Repositories
    clusters: Clusters
    scripts: Scripts
    factories: Factories
    deployments: Deployments
    lookout: Lookout
    webhook_secrets: WebhookSecrets
    hydrating: Hydrating
    ledger: Ledger
    keeper: StoreKeeper

    @staticmethod
    @asynccontextmanager
    async def open(
        client: Client, session: aiohttp.ClientSession, clock: Clock, settings: RunSettings, key: bytes
    ) -> "AsyncIterator[GitMeans]":
        """`key` is the installation's. Raises what the rooms below raise: a cache that cannot be written, bad plugins."""
        async with AsyncExitStack() as stack:
            repositories = Repositories(client, clock, settings.namespace)
            clusters = Clusters(client, clock, settings.namespace, settings.limits)
            stack.push_async_callback(clusters.aclose)
            opened = Sources.open(
                settings.cache, clock, repositories, allow_local=settings.allow_local, plugins=settings.plugins
            )
            sources = await stack.enter_async_context(opened)
            scripts = await stack.enter_async_context(Scripts.open(clock))
            forges = ForgeAccess(client, settings.namespace, HttpFetch(session), InstallationTokens(clock))
            factories = await stack.enter_async_context(Factories.open(sources.mirrors, repositories, clock, forges))
            opened_history = Deployments.open(settings, key, sources.renderer.render, clock)
            deployments = await stack.enter_async_context(opened_history)
            ledger = await stack.enter_async_context(Ledger.open(settings, sources.mirrors, clock))
            told = WebhookSecrets(client, clock, settings.namespace)
            lookout = Lookout(clock, settings.namespace)
            hydrating = Hydrating.open(settings.cache, clock, sources, factories.templates, allow_local=settings.allow_local)
            keeper = StoreKeeper(deployments.manifests, ledger.chain, key, clock)
            yield GitMeans(
                sources, repositories, clusters, scripts, factories, deployments, lookout, told, hydrating, ledger, keeper
            )

    @property
    def resolvers(self) -> dict[type[Ask], Resolver]:
        return {
            **self.sources.resolvers,
            KnownHeadAsk: self.sources.known_head,
            HealthAsk: self.scripts.health,
            JqPathsAsk: self.scripts.jq_paths,
            KeepAsk: self.deployments.keep,
            RecallAsk: self.deployments.recall,
            RecordAsk: self.ledger.record,
            HydrateAsk: self.hydrating.hydrate,
            PathsAsk: self.scripts.jq_paths,
            **self.factories.resolvers,
            **self.clusters.resolvers,
            **self.lookout.resolvers,
        }

    def at_work_beside(self, runtime: Runtime) -> "FromGit":
        """Before the runtime runs: has it asked and told, and says what it knows without asking."""
        self.clusters.serve(runtime)
        self.lookout.serve(runtime)
        self.sources.mirrors.on_news(
            lambda news: runtime.ask_again([*map(HeadAsk, news), *self.factories.listings.asks_of(news)])
        )
        runtime.before_renewal(self.sources.wished)
        runtime.know_by(self.sources.at_hand)
        runtime.poll_by(lambda ask, now: _poll(ask, now, self.repositories))
        return FromGit(self, runtime)


class FromGit:
    """The means at work beside a runtime that runs: what is configured is followed, and what was pushed to looked at."""

    def __init__(self, means: GitMeans, runtime: Runtime) -> None:
        self._means = means
        self._runtime = runtime
        self._pushes = Pushes(means.sources.mirrors.changed, means.sources.look, self._ask_all_about)
        means.repositories.on_change(self._logins_changed)
        means.hydrating.on_push(self._pushes.look_at)

    async def count(self, settings: GitOpsSettings, clock: Clock) -> None:
        """Has applications, repositories and clusters counted."""
        await self._means.clusters.meet()
        count_gitops(self._runtime, settings, self._means.sources.mirrors.requests, self._means.clusters.known, clock)

    async def run(self) -> None:
        """Follows what is configured, and looks at what was pushed to, until cancelled."""
        async with asyncio.TaskGroup() as group:
            means = self._means
            for one in (means.webhook_secrets, means.repositories, means.clusters, means.lookout, means.ledger, self._pushes):
                group.create_task(one.run())

    def pushed(self, event: PushEvent) -> int:
        """How many asks an event concerns; they are asked again now."""
        asked = self._runtime.ask_again(self._means.factories.told_by(event))
        return asked if event.is_pull_request else asked + self._pushes.told(event)

    async def kept(self, sealed: bytes) -> bytes:
        """Answers a question about what is kept. Raises Unavailable, InvalidInput where who asks does not hold the key."""
        return await self._means.keeper.answer(sealed)

    async def ledger(self, application: str, seen: str) -> list[Row]:
        """Its rows. Raises Unavailable; Denied for who does not show that the Application can be got by them."""
        namespace, _, name = application.partition("/")
        of_applications = [one for one in self._runtime.informers if one.resource == APPLICATIONS]
        found = next(filter(None, (one.get(namespace, name) for one in of_applications)), None)
        if found is None or not compare_digest(sight(found).encode(), seen.encode()):
            raise Denied(f"the ledger of {application} is for who may get that Application as it is now", reason="NotSeen")
        return await self._means.ledger.rows(application)

    def webhook_secrets(self) -> Mapping[str, str]:
        return self._means.webhook_secrets.values()

    def _ask_all_about(self, place: str) -> None:
        self._runtime.refresh(lambda ask: isinstance(ask, HeadAsk | ListingAsk) and place_of(ask.request.repo_url) == place)

    def _logins_changed(self, concerns: Concerns) -> None:
        """Another login, or key that may have signed, counts for these repositories: whoever waits for one looks again."""
        self._runtime.refresh(
            lambda ask: isinstance(ask, HeadAsk | ListingAsk | SignatureAsk | HistoryAsk) and concerns(ask.request.repo_url)
        )


def _poll(ask: Ask, now: Instant, repositories: Repositories) -> float:
    if isinstance(ask, ListingAsk | PullRequestsAsk | BranchesAsk | PluginAsk | DecisionsAsk) and ask.every > 0:
        return ask.every
    if isinstance(ask, HeadAsk | ListingAsk):
        return repositories.seconds_until_poll(ask.request.repo_url, now)
    return ask.poll_seconds
