"""Answers what the GitOps engine asks of past deployments: keep what was applied, and say what it was."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from shipway.adapters.history.manifests import Deployment, Manifests
from shipway.adapters.history.store import DEPLOYMENTS
from shipway.api.sources import Rendered, RenderRequest
from shipway.assembly.settings import RunSettings
from shipway.assembly.stores import open_store
from shipway.base.clock import Clock
from shipway.base.errors import Unavailable
from shipway.gitops.asks import KeepAsk, RecallAsk

log = structlog.get_logger()

LENDS_ONLY = Rendered((), "Directory", ())
"""What a source gives that only lends its files to others."""


class Deployments:
    """`keep` and `recall` are the resolvers of `KeepAsk` and `RecallAsk`."""

    def __init__(self, manifests: Manifests, render: Callable[[RenderRequest], Awaitable[Rendered]], clock: Clock) -> None:
        self.manifests = manifests
        self._render = render
        self._clock = clock

    @classmethod
    @asynccontextmanager
    async def open(
        cls, settings: RunSettings, key: bytes, render: Callable[[RenderRequest], Awaitable[Rendered]], clock: Clock
    ) -> AsyncIterator["Deployments"]:
        """`key` is the installation's; `render` knows what was rendered a moment ago."""
        manifests = Manifests(open_store(settings, clock, DEPLOYMENTS), key)
        try:
            yield cls(manifests, render, clock)
        finally:
            await manifests.close()

    async def keep(self, ask: KeepAsk) -> bool:
        """Keeps the manifests of a deployment unless they are kept, and forgets those that the history forgot."""
        deployment = Deployment(ask.application, ask.deployment)
        try:
            if not await self.manifests.is_kept(deployment):
                rendered = [await self._render(request) if request else LENDS_ONLY for request in ask.requests]
                await self.manifests.keep(deployment, tuple(rendered), self._clock.now())
                await self.manifests.forget_all_but(ask.application, {ask.deployment, *ask.remembered})
        except Unavailable as error:  # a sync does not fail for it, and nobody asks again once it has ended
            log.warning("manifests_not_kept", application=ask.application, message=error.message)
            raise
        return True

    async def recall(self, ask: RecallAsk) -> tuple[Rendered, ...]:
        return await self.manifests.recall(Deployment(ask.application, ask.deployment))
