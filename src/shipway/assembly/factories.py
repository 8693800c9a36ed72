"""Answers what the ApplicationSet engine asks: what repositories, forges and plugins hold, what templates give."""

from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from msgspec import Struct
from msgspec.structs import replace

from shipway.adapters.forges.branches import branches
from shipway.adapters.forges.port import github_root
from shipway.adapters.forges.pull_requests import pull_requests
from shipway.adapters.git.github_app import InstallationTokens
from shipway.adapters.git.mirrors import Mirrors
from shipway.adapters.git.urls import place_of
from shipway.adapters.templates.engine import TemplateEngine
from shipway.api.forges import Branch, BranchesQuery, PullRequest, PullRequestsQuery
from shipway.api.kinds import SECRETS
from shipway.api.metrics import Fetch
from shipway.api.repositories import SECRET_TYPE, TEMPLATE, Credentials, GitHubApp, github_app_of
from shipway.api.templates import Filled
from shipway.appsets.asks import BranchesAsk, DecisionsAsk, FillAsk, ListingAsk, PluginAsk, PullRequestsAsk
from shipway.assembly.configured_generators import ConfiguredGenerators
from shipway.assembly.listings import MAX_REMEMBERED, Listings
from shipway.assembly.repositories import Repositories
from shipway.base.clock import Clock
from shipway.base.errors import Denied, InvalidInput
from shipway.kube.client.client import Client
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.secrets import secret_values
from shipway.kube.objects.views import labels_of
from shipway.kube.runtime.controller import Resolver
from shipway.kube.runtime.decision import Ask
from shipway.server.webhook import PushEvent
from shipway.workers.pool import WorkerPool

FILL_SECONDS = 20.0
"""For up to 500 entries of a set; what cannot end is ended by the wall clock."""
FILL_MEMORY = 1 << 30
TOKEN_SECRETS = ("scm-creds",)
"""What Secrets are marked as that lend a token, where the installation asks for that."""
APP_SECRETS = (TEMPLATE, *TOKEN_SECRETS)
"""The same of those that hold a GitHub App; Argo CD takes them from Secrets for repositories."""


class ForgeAccess(Struct, frozen=True):
    """How forges are reached: `client` reads the Secrets with their tokens, in `namespace` only; `apps` lends those of GitHub
    Apps.

    Whoever writes a set says where the token goes: the terms of the installation say where it may (`ForgeTerms`)."""

    client: Client
    namespace: str
    fetch: Fetch
    apps: InstallationTokens

    async def login(self, ask: PullRequestsAsk | BranchesAsk) -> tuple[str, str]:
        """Where the forge's API is ("" for its usual place), and the token, "" where none is named.

        Raises Denied, NotFound or InvalidInput naming the Secret or its key, Unavailable when an App is lent none."""
        query = ask.query
        if query.app_secret:
            return await self._lent(ask, github_app_of(await self._secret(ask, query.app_secret, APP_SECRETS)))
        self._check(ask, query.api)
        if not query.secret:
            return query.api, ""
        secret = secret_values(await self._secret(ask, query.secret, TOKEN_SECRETS))
        if query.key not in secret:
            raise InvalidInput(f"Secret {ask.namespace}/{query.secret} has no key {query.key}", reason="NoToken")
        return query.api, secret[query.key].strip()

    def _check(self, ask: PullRequestsAsk | BranchesAsk, api: str) -> None:
        if refusal := ask.terms.refusal(api, ask.namespace, self.namespace):
            raise Denied(refusal, reason="ForgeNotAllowed")

    async def _secret(self, ask: PullRequestsAsk | BranchesAsk, name: str, types: Sequence[str]) -> Obj:
        """One beside the set; where the terms are strict, only one that is marked as being for forges."""
        secret = await self.client.get(SECRETS, ask.namespace, name)
        if ask.terms.is_strict and labels_of(secret).get(SECRET_TYPE) not in types:
            must = f'secret must have label "{SECRET_TYPE}"="{types[0]}"'
            told = f"secret {ask.namespace}/{name} is not a valid SCM creds secret: {must}"
            whose = f"scm provider: error fetching {ask.query.kind.capitalize()} token"
            raise Denied(
                f"{whose if isinstance(ask, BranchesAsk) else 'error fetching Secret token'}: {told}", reason="NoToken"
            )
        return secret

    async def _lent(self, ask: PullRequestsAsk | BranchesAsk, app: GitHubApp) -> tuple[str, str]:
        """What the set says of the API counts before what the Secret says, as in Argo CD; both have to be allowed."""
        query = ask.query
        api = query.api or app.base_url
        self._check(ask, api)
        there = replace(app, base_url=github_root(api.rstrip("/")) if api else "")
        owner = query.place.partition("/")[0]
        return api, await self.apps.token(Credentials(insecure=query.is_insecure), there, owner)


class Factories:
    """Answers what ApplicationSets ask of Git, forges and templates (`resolvers`)."""

    def __init__(self, mirrors: Mirrors, repositories: Repositories, templates: TemplateEngine, forges: ForgeAccess) -> None:
        self._forges = forges
        self._configured = ConfiguredGenerators(forges.client, forges.namespace, forges.fetch)
        self._of_forges: OrderedDict[PullRequestsAsk | BranchesAsk, None] = OrderedDict()
        self.listings = Listings(mirrors, repositories)
        self.templates = templates

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
            ListingAsk: self.listings.listing,
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
        """Which questions to forges a webhook may be news to: about pull requests of its repository, or branches of its
        organization."""
        kind = PullRequestsAsk if event.is_pull_request else BranchesAsk
        return [ask for ask in self._of_forges if isinstance(ask, kind) and is_about(ask.query, event.repo_urls)]

    def _remember(self, ask: PullRequestsAsk | BranchesAsk) -> None:
        self._of_forges[ask] = None
        self._of_forges.move_to_end(ask)
        while len(self._of_forges) > MAX_REMEMBERED:
            self._of_forges.popitem(last=False)


def is_about(query: PullRequestsQuery | BranchesQuery, repo_urls: Sequence[str]) -> bool:
    """Whether a webhook that names these URLs tells of the repository, or of one of the organization. A GitLab project known
    by its number may be any."""
    if isinstance(query, BranchesQuery):
        return any(f"/{query.place.casefold()}/" in place_of(url) for url in repo_urls)
    if query.kind == "gitlab" and query.repo.isdecimal():
        return True
    return any(place_of(url).endswith(f"/{query.place.casefold()}") for url in repo_urls)
