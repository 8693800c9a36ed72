"""Answers what the ApplicationSet engine asks: what repositories, forges and plugins hold, what templates give."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from msgspec import Struct
from msgspec.structs import replace

from shipway.adapters.forges.branches import branches
from shipway.adapters.forges.port import github_root
from shipway.adapters.forges.pull_requests import pull_requests
from shipway.adapters.git.github_app import InstallationTokens
from shipway.adapters.git.listing import list_paths
from shipway.adapters.git.mirrors import Mirrors
from shipway.adapters.git.urls import place_of
from shipway.adapters.templates.engine import TemplateEngine
from shipway.api.forges import Branch, BranchesQuery, PullRequest, PullRequestsQuery
from shipway.api.kinds import SECRETS
from shipway.api.listings import Listed, Listing, ListingRequest
from shipway.api.metrics import Fetch
from shipway.api.repositories import Credentials, GitHubApp, github_app_of
from shipway.api.sources import Head, HeadRequest, PathTree
from shipway.api.templates import Filled
from shipway.appsets.asks import BranchesAsk, DecisionsAsk, FillAsk, ListingAsk, PluginAsk, PullRequestsAsk, canonical
from shipway.assembly.configured_generators import ConfiguredGenerators
from shipway.assembly.repositories import Repositories
from shipway.base.clock import Clock
from shipway.base.errors import Denied, InvalidInput
from shipway.kube.client.client import Client
from shipway.kube.objects.secrets import secret_values
from shipway.kube.runtime.controller import Resolver
from shipway.kube.runtime.decision import Ask
from shipway.server.webhook import PushEvent
from shipway.workers.pool import WorkerPool

FILL_SECONDS = 20.0
"""For up to 500 entries of a set; what cannot end is ended by the wall clock."""
FILL_MEMORY = 1 << 30
MAX_LISTINGS = 1000


class _Known(Struct, frozen=True):
    """What was found, and the git ids of what was looked at for it."""

    trees: tuple[PathTree, ...]
    found: tuple[Listed, ...]


class ForgeAccess(Struct, frozen=True):
    """How forges are reached: `client` reads the Secrets with their tokens, in `namespace` only; `apps` lends those of GitHub
    Apps.

    Whoever writes a set says where the token goes, so sets of other namespaces are not lent any."""

    client: Client
    namespace: str
    fetch: Fetch
    apps: InstallationTokens

    async def login(self, ask: PullRequestsAsk | BranchesAsk) -> tuple[str, str]:
        """Where the forge's API is ("" for its usual place), and the token, "" where none is named.

        Raises Denied, NotFound or InvalidInput naming the Secret or its key, Unavailable when an App is lent none."""
        if ask.namespace != self.namespace:
            raise Denied(f"generators that ask a forge are for sets in {self.namespace} only", reason="ForgeNotAllowed")
        query = ask.query
        if query.app_secret:
            return await self._lent(query, github_app_of(await self.client.get(SECRETS, ask.namespace, query.app_secret)))
        if not query.secret:
            return query.api, ""
        secret = secret_values(await self.client.get(SECRETS, ask.namespace, query.secret))
        if query.key not in secret:
            raise InvalidInput(f"Secret {ask.namespace}/{query.secret} has no key {query.key}", reason="NoToken")
        return query.api, secret[query.key].strip()

    async def _lent(self, query: PullRequestsQuery | BranchesQuery, app: GitHubApp) -> tuple[str, str]:
        """What the set says of the API counts before what the Secret says, as in Argo CD."""
        api = query.api or app.base_url
        there = replace(app, base_url=github_root(api.rstrip("/")) if api else "")
        owner = query.place.partition("/")[0]
        return api, await self.apps.token(Credentials(insecure=query.is_insecure), there, owner)


class Factories:
    """Answers what ApplicationSets ask of Git, forges and templates (`resolvers`)."""

    def __init__(self, mirrors: Mirrors, repositories: Repositories, templates: TemplateEngine, forges: ForgeAccess) -> None:
        self._forges = forges
        self._configured = ConfiguredGenerators(forges.client, forges.namespace, forges.fetch)
        self._of_forges: OrderedDict[PullRequestsAsk | BranchesAsk, None] = OrderedDict()
        self._mirrors = mirrors
        self._repositories = repositories
        self.templates = templates
        self._listings: OrderedDict[ListingRequest, _Known] = OrderedDict()
        self._asks: OrderedDict[HeadRequest, dict[ListingAsk, None]] = OrderedDict()

    @classmethod
    @asynccontextmanager
    async def open(
        cls, mirrors: Mirrors, repositories: Repositories, clock: Clock, forges: "ForgeAccess"
    ) -> AsyncIterator["Factories"]:
        """The workers start with the first template, and end with the block."""
        fillers = WorkerPool("template", size=2, memory_bytes=FILL_MEMORY, timeout_seconds=FILL_SECONDS, clock=clock)
        try:
            yield cls(mirrors, repositories, TemplateEngine(fillers), forges)
        finally:
            await fillers.close()

    @property
    def resolvers(self) -> dict[type[Ask], Resolver]:
        """What answers which question."""
        return {
            ListingAsk: self.listing,
            PullRequestsAsk: self.pull_requests,
            BranchesAsk: self.branches,
            PluginAsk: self._configured.plugin,
            DecisionsAsk: self._configured.decisions,
            FillAsk: self.fill,
        }

    async def fill(self, ask: FillAsk) -> Sequence[Filled]:
        return await self.templates.render(ask.template, ask.entries)

    async def pull_requests(self, ask: PullRequestsAsk) -> tuple[PullRequest, ...]:
        self._remember(ask)
        api, token = await self._forges.login(ask)
        return await pull_requests(self._forges.fetch, replace(ask.query, api=api), token)

    async def branches(self, ask: BranchesAsk) -> tuple[Branch, ...]:
        self._remember(ask)
        api, token = await self._forges.login(ask)
        return await branches(self._forges.fetch, replace(ask.query, api=api), token)

    def told_by(self, event: PushEvent) -> list[Ask]:
        """Which questions to forges a webhook may be news to: pull requests of its repository, branches of its organization."""
        kind = PullRequestsAsk if event.is_pull_request else BranchesAsk
        return [ask for ask in self._of_forges if isinstance(ask, kind) and is_about(ask.query, event.repo_urls)]

    def _remember(self, ask: PullRequestsAsk | BranchesAsk) -> None:
        self._of_forges[ask] = None
        self._of_forges.move_to_end(ask)
        while len(self._of_forges) > MAX_LISTINGS:
            self._of_forges.popitem(last=False)

    async def listing(self, ask: ListingAsk) -> Listing:
        """What is there now; listed anew only when something in the folders that were looked at has changed."""
        await self._repositories.synced()
        request = ask.request
        source = canonical([request.what, [[one.path, one.exclude] for one in request.patterns]])
        wanted = HeadRequest(request.repo_url, request.revision, source)
        self._asks.setdefault(wanted, {})[ask] = None
        self._asks.move_to_end(wanted)
        head = await self._mirrors.head(wanted)
        known = self._listings.get(request)
        if known is None or known.trees != head.trees:

            async def attempt() -> _Known:
                return await self._mirrors.supplied(lambda: self._listed(request, head, source))

            known = await self._mirrors.mended(request.repo_url, attempt)
        self._listings[request] = known
        self._listings.move_to_end(request)
        for remembered in (self._listings, self._asks):
            while len(remembered) > MAX_LISTINGS:
                remembered.popitem(last=False)
        return Listing(head.commit, known.found)

    def asks_of(self, news: Sequence[HeadRequest]) -> list[ListingAsk]:
        """Which listings look at what has changed (see `Mirrors.on_news`)."""
        return [ask for request in news for ask in self._asks.get(request, ())]

    async def _listed(self, request: ListingRequest, head: Head, source: bytes) -> _Known:
        snapshot = self._mirrors.snapshot(request.repo_url, head.trees)
        found = await asyncio.to_thread(list_paths, snapshot, request)
        self._mirrors.remember_reads(request.repo_url, source, snapshot.reads())
        again = self._mirrors.last_known(HeadRequest(request.repo_url, head.commit, source))
        return _Known(again.trees if again else head.trees, found)


def is_about(query: PullRequestsQuery | BranchesQuery, repo_urls: Sequence[str]) -> bool:
    """Whether a webhook that names these URLs tells of the repository, or of one of the organization. A GitLab project known
    by its number may be any."""
    if isinstance(query, BranchesQuery):
        return any(f"/{query.place.casefold()}/" in place_of(url) for url in repo_urls)
    if query.kind == "gitlab" and query.repo.isdecimal():
        return True
    return any(place_of(url).endswith(f"/{query.place.casefold()}") for url in repo_urls)
